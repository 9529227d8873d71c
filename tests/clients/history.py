#!/usr/bin/env python3
"""roost history, undelete and expire: who did what, deleted mail had back, and mail that goes by age."""
import glob, imaplib, os, re, time

from store import both_ways, run_with_stores, served, with_users

ALICE = "alice@example.org"
imaplib.Commands["ID"] = ("NONAUTH", "AUTH", "SELECTED")
imaplib.Commands["MOVE"] = ("SELECTED",)


def session(port, device):
    c = imaplib.IMAP4("127.0.0.1", port)
    c.login(ALICE, "secret")
    c._simple_command("ID", f'("name" "{device}")')
    return c


def ok(answer):
    assert answer[0] == "OK", answer
    return answer[1]


def message(n):
    return f"From: sender {n} <s{n}@example.net>\r\nSubject: =?utf-8?q?message_=C3=A4?= {n}\r\n\r\nbody {n}\r\n".encode()


def subjects(c, box):
    """{UID: subject's last word}"""
    if c.select(f'"{box}"')[0] != "OK":
        return None
    found = {}
    for item in ok(c.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")):
        if isinstance(item, tuple):
            found[int(re.search(rb"UID (\d+)", item[0]).group(1))] = int(item[1].split()[-1])
    return found


def flags(c, uid):
    return set(imaplib.ParseFlags(ok(c.uid("FETCH", str(uid), "(FLAGS)"))[0]))


def make_history(store):
    """Messages 1 to 10 in INBOX, 11 and 12 in Work, which is deleted; some moved, flagged and expunged by two devices."""
    with served(store) as port:
        c = session(port, "Phone of Alice")
        for n in range(1, 11):
            ok(c.append("INBOX", r"(\Flagged todo)" if n == 3 else None, None, message(n)))
        ok(c.create("Work"))
        ok(c.create("Work/Deep"))
        for n in (11, 12):
            ok(c.append("Work", None, None, message(n)))
        ok(c.select("INBOX"))
        ok(c.uid("STORE", "3,5", "+FLAGS", r"(\Deleted)"))
        ok(c.expunge())
        ok(c._simple_command("MOVE", "1", "Trash"))  # message 1
        c.logout()
        d = session(port, "Laptop")
        ok(d.select("INBOX"))
        ok(d.uid("STORE", "6:7", "+FLAGS", r"(\Deleted)"))
        ok(d.expunge())
        ok(d._simple_command("MOVE", "1", "Trash"))  # message 2
        ok(d.select("Trash"))
        ok(d.store("2", "+FLAGS", r"\Deleted"))
        ok(d.expunge())
        ok(d.delete("Work"))
        ok(d.rename("Work/Deep", "Deep"))
        d.logout()


@both_ways
def test_history_says_who(store):
    with_users(store)
    make_history(store)
    rows = store.json("history", ALICE, "--mailbox", "INBOX")
    gone = [r for r in rows if r["what"] == "expunged"]
    assert [(r["device"], r["detail"]) for r in gone] == [("Phone of Alice", "3,5"), ("Laptop", "6:7")], gone
    assert all(r["login"] == ALICE and re.match(r"20\d\d-\d\d-\d\dT", r["when"]) for r in gone)
    assert [(r["device"], r["detail"]) for r in rows if r["what"] == "moved to Trash"] == [("Phone of Alice", "1"), ("Laptop", "2")]
    flagged = [r["detail"] for r in rows if r["what"] == "flags"]
    assert any(r"3 (\Flagged todo) > (\Flagged \Deleted todo)" in f and "5 () > (\\Deleted)" in f for f in flagged), flagged
    everything = store.json("history", ALICE)
    assert [(r["mailbox"], r["device"]) for r in everything if r["what"] == "deleted"] == [("Work", "Laptop")]
    assert any(r["what"] == "renamed" and r["detail"] == "from Work/Deep" for r in everything)
    assert [r["modseq"] for r in everything] == sorted(r["modseq"] for r in everything)
    of_one = store.json("history", ALICE, "--mailbox", "INBOX", "--uid", "3")
    assert [r["what"] for r in of_one] == ["arrived", "flags", "expunged"], of_one
    assert {r["device"] for r in store.json("history", ALICE, "--who", "laptop")} == {"Laptop"}
    assert store.json("history", ALICE, "--since", "1h") == everything
    assert store.json("history", ALICE, "--since", "2999-01-01") == []
    assert "a time is expected" in store.run("history", ALICE, "--since", "soon", code=1)
    text = store.run("history", ALICE, "--mailbox", "INBOX").splitlines()
    assert len(text) == len(rows) and text[0].count("\t") == 5


@both_ways
def test_undelete(store):
    with_users(store)
    make_history(store)
    listed = store.json("undelete", ALICE, "--list")
    # 2 was moved to Trash and expunged there: it comes back where it was before.  1 is in Trash, and so not missing.
    assert {(r["mailbox"], int(r["subject"].split()[-1])) for r in listed} == {
        ("INBOX", 2), ("INBOX", 3), ("INBOX", 5), ("INBOX", 6), ("INBOX", 7), ("Work", 11), ("Work", 12)}, listed
    assert all(r["subject"].startswith("message \u00e4 ") and r["from"].startswith("sender ") for r in listed)
    assert "2 messages are back" in store.run("undelete", ALICE, "--mailbox", "INBOX", "--who", "phone").splitlines()[-1]
    with served(store) as port:
        c = session(port, "x")
        assert set(subjects(c, "INBOX").values()) == {3, 4, 5, 8, 9, 10}
        uid = next(u for u, n in subjects(c, "INBOX").items() if n == 3)
        assert uid > 10 and flags(c, uid) >= {rb"\Flagged", b"todo"} and rb"\Deleted" not in flags(c, uid)
        c.logout()
    assert "2 messages are back" in store.run("undelete", ALICE, "--mailbox", "Work").splitlines()[-1]
    assert "3 messages are back" in store.run("undelete", ALICE, "--since", "1h", "--to", "Had back").splitlines()[-1]
    assert "0 messages are back" in store.run("undelete", ALICE)
    with served(store) as port:
        c = session(port, "x")
        assert set(subjects(c, "Work").values()) == {11, 12} and set(subjects(c, "Had back").values()) == {2, 6, 7}
        assert set(subjects(c, "INBOX").values()) == {3, 4, 5, 8, 9, 10} and set(subjects(c, "Trash").values()) == {1}
        c.logout()
    assert "no mailbox can be called so" in store.run("undelete", ALICE, "--to", "a%b", code=1)
    assert "0 problems" in store.run("check", ALICE)


@both_ways
def test_expire(store):
    with_users(store)
    with served(store) as port:
        c = session(port, "Phone")
        for n, box in enumerate(("Trash", "Trash", "Junk", "INBOX")):
            ok(c.append(box, None, '" 1-Jan-2001 00:00:00 +0000"', message(n)))
        c.logout()
    assert "0 messages expunged" in store.run("expire", ALICE)            # the options say never
    assert "0 messages expunged" in store.run("expire", "--all", "--days", "1")  # they came in just now
    assert "3 messages expunged" in store.run("expire", ALICE, "--days", "0")
    assert [r["messages"] for r in store.json("mailbox", "list", ALICE) if r["messages"]] == [1]
    assert {r["login"] for r in store.json("history", ALICE) if r["what"] == "expunged"} == {"admin"}
    assert "3 messages are back" in store.run("undelete", ALICE)
    assert "a number from 0" in store.run("expire", ALICE, "--days", "x", code=1)


def test_autoexpunge(store):
    """The daemon does it by itself once an hour, for an account that is in use: seen with a clock that is set."""
    library = next(iter(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")), None)
    if not library:
        print("skip: it needs libfaketime (apt-get install faketime)")
        return
    clock = store.directory / "clock"

    def set_clock(minutes):
        (store.directory / "clock.new").write_text(f"{-86400 * 30 + minutes * 60:+d}")
        os.rename(store.directory / "clock.new", clock)

    def subjects():
        """What is left in the two mailboxes, after a use of the account and a rest, in which it is done."""
        with served(store) as port:
            c = session(port, "Phone")
            c.logout()
            time.sleep(4)
            c = session(port, "Phone")
            found = []
            for box in ("Trash", "INBOX"):
                c.select(box, readonly=True)
                found.append(len(c.uid("SEARCH", "ALL")[1][0].split()))
            c.logout()
        return found

    set_clock(0)
    store.write(store.config.read_text() + "trash_days = 1\n")
    with_users(store)
    store.start(LD_PRELOAD=library, FAKETIME_TIMESTAMP_FILE=str(clock), FAKETIME_NO_CACHE="1", FAKETIME_DONT_FAKE_MONOTONIC="1",
                ASAN_OPTIONS="verify_asan_link_order=0:detect_leaks=0")
    c = session(store.port, "Phone")
    for n, (minutes, box) in enumerate(((0, "Trash"), (0, "INBOX"), (30, "Trash"))):
        set_clock(minutes)
        ok(c.append(box, None, None, message(n)))
    c.logout()
    day = 24 * 60
    assert subjects() == [2, 1]
    set_clock(day + 10)
    assert subjects() == [1, 1], "the first is a day old"
    set_clock(day + 40)
    assert subjects() == [1, 1], "the second, too, but an hour has not passed"
    set_clock(day + 80)
    assert subjects() == [0, 1]
    assert {r["login"] for r in store.json("history", ALICE) if r["what"] == "expunged"} == {"autoexpunge"}
    assert (store.directory / "log").read_text().count("event=autoexpunged") == 2
    assert "2 messages are back" in store.run("undelete", ALICE)


if __name__ == "__main__":
    run_with_stores(globals(), __doc__)
