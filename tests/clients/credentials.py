#!/usr/bin/env python3
"""App passwords, and who is logged in by what: a daemon of its own, the commands, and logins as devices make them."""
import imaplib, re, sys, time

import runner
from store import Store, refused, with_users
from auth import Client, scram

ALICE = "alice@example.org"


def started(roost, extra=""):
    store = Store(roost, extra)
    with_users(store)
    store.start()
    return store


def log_of(store):
    return (store.directory / "log").read_text()


def closed(connection, seconds=10):
    """What the server still said before it hung up."""
    connection.sock.settimeout(seconds)
    return connection.file.read().decode()


def test_they_log_in(roost):
    store = started(roost)
    made = store.json("password", "add", ALICE, "Alice's phone")[0]
    assert re.fullmatch(r"[a-z2-7]{8}-[a-z2-7]{26}", made["password"]) and made["password"].startswith(made["id"] + "-"), made
    plain = store.run("password", "add", ALICE, "Laptop").strip()
    assert re.fullmatch(r"[a-z2-7]{8}-[a-z2-7]{26}", plain), plain
    assert "exists" in store.run("password", "add", ALICE, "Laptop", code=1)
    assert "control" in store.run("password", "add", ALICE, "a\x1bb", code=1)
    phone, laptop, own = (store.log_in(ALICE, p) for p in (made["password"], plain, "secret"))
    assert refused(store, ALICE, made["password"][:-1] + ("a" if made["password"][-1] != "a" else "b"))
    assert refused(store, "bob@example.org", made["password"])
    listed = {row["label"]: row for row in store.json("password", "list", ALICE)}
    assert set(listed) == {"Alice's phone", "Laptop"} and listed["Laptop"]["protocols"] == "imap,pop3,sieve", listed
    deadline = time.monotonic() + 10
    while "never" in (row["used"] for row in store.json("password", "list", ALICE)):  # written behind the login's back
        assert time.monotonic() < deadline
        time.sleep(0.05)
    sessions = store.json("sessions")
    assert sorted(s["device"] for s in sessions) == ["", "Alice's phone", "Laptop"], sessions
    assert all(s["user"] == ALICE and s["remote"] == "127.0.0.1" and s["command"] == "LOGIN" for s in sessions), sessions
    # What it did is in the journal by its name, which ID does not take away.
    laptop.xatom("ID", '("name" "Somebody else")')
    laptop.append("INBOX", None, None, b"Subject: x\r\n\r\nx\r\n")
    assert any(row["device"] == "Laptop" for row in store.json("history", ALICE)), store.json("history", ALICE)
    assert 'device="Alice\'s phone"' in log_of(store), log_of(store)
    assert made["password"] not in log_of(store) and made["password"].split("-")[1] not in log_of(store)
    # Whoever comes next on a connection does not take the name over.
    client = Client(store.port)
    assert client.command(f"LOGIN {ALICE} {plain}").startswith("OK") and client.command("UNAUTHENTICATE").startswith("OK")
    assert client.command(f"LOGIN {ALICE} secret").startswith("OK")
    assert sorted(s["device"] for s in store.json("sessions")) == ["", "", "Alice's phone", "Laptop"]
    client.close()
    # Its session ends with it, and nobody else's does.
    store.run("password", "revoke", ALICE, "Laptop")
    assert "BYE" in closed(laptop)
    assert refused(store, ALICE, plain)
    assert phone.noop()[0] == "OK" and own.noop()[0] == "OK"
    assert "no app password" in store.run("password", "revoke", ALICE, "Laptop", code=1)
    store.run("password", "revoke", ALICE, made["id"])
    assert "BYE" in closed(phone)
    assert store.json("password", "list", ALICE) == []
    # The user's own password is another thing, and changing it does nothing to them.
    again = store.run("password", "add", ALICE, "Laptop").strip()
    store.run("user", "passwd", ALICE, stdin=b"other\n")
    assert refused(store, ALICE, "secret")
    store.log_in(ALICE, again).logout()
    store.run("user", "remove", ALICE)
    assert "BYE" in closed(own)
    assert refused(store, ALICE, again)
    store.close()


def test_they_are_narrow(roost):
    store = started(roost)
    far = store.run("password", "add", ALICE, "far", "--networks", "192.0.2.0/24").strip()
    near = store.run("password", "add", ALICE, "near", "--networks", "192.0.2.0/24 127.0.0.0/8", "--expires", "1d").strip()
    sieve = store.run("password", "add", ALICE, "sieve", "--protocols", "sieve,pop3").strip()
    less = store.run("password", "add", ALICE, "less", "--capabilities_off", "IDLE NOTIFY COMPRESS=DEFLATE").strip()
    assert "to come" in store.run("password", "add", ALICE, "x", "--expires", "2020-01-01", code=1)
    assert "networks" in store.run("password", "add", ALICE, "x", "--networks", "nowhere", code=1)
    assert "imap" in store.run("password", "add", ALICE, "x", "--protocols", "smtp", code=1)
    assert "capabilities" in store.run("password", "add", ALICE, "x", "--capabilities_off", "IDEL", code=1)
    soon = store.run("password", "add", ALICE, "soon", "--expires", "2s").strip()
    store.log_in(ALICE, soon).logout()
    assert refused(store, ALICE, far) and refused(store, ALICE, sieve)
    store.log_in(ALICE, near).logout()
    c = store.log_in(ALICE, less)
    capabilities = c.capability()[1][0].decode().split()
    assert not {"IDLE", "NOTIFY", "COMPRESS=DEFLATE"} & set(capabilities) and "MOVE" in capabilities, capabilities
    try:
        assert c.xatom("COMPRESS", "DEFLATE")[0] == "NO"
    except c.error as e:
        assert "BAD" in str(e), e
    time.sleep(2.1)
    answer = Client(store.port).command(f"LOGIN {ALICE} {soon}")
    assert answer.startswith("NO [EXPIRED]"), answer
    # PLAIN and LOGIN take them; SCRAM proves the user's own password only.
    client = Client(store.port)
    assert "AUTHENTICATIONFAILED" in scram(client, "SCRAM-SHA-256", ALICE, near)
    assert scram(client, "SCRAM-SHA-256", ALICE, "secret").startswith("OK")
    store.close()


def test_users_are_offered_less(roost):
    """By user or domain, from the next login on; the user's own setting stands in place of the domain's."""
    store = started(roost)
    app = store.run("password", "add", ALICE, "less", "--capabilities_off", "NOTIFY").strip()
    store.run("user", "add", "bob@example.org", stdin=b"secret\n")

    def offered(user, password="secret"):
        c = store.log_in(user, password)
        names = set(c.capability()[1][0].decode().split())
        c.xatom("ENABLE", "QRESYNC")
        assert (b"QRESYNC" in (c.response("ENABLED")[1][0] or b"")) == ("QRESYNC" in names)
        c.logout()
        return names

    everything = offered(ALICE)
    before = store.log_in(ALICE, "secret")
    store.run("domain", "set", "example.org", "capabilities_off", "UIDONLY qresync")
    for user in (ALICE, "bob@example.org"):
        assert everything - offered(user) == {"UIDONLY", "QRESYNC"}
    assert "QRESYNC" in before.capability()[1][0].decode().split()
    store.run("user", "set", ALICE, "capabilities_off", "IDLE APPENDLIMIT")
    gone = everything - offered(ALICE)
    assert "IDLE" in gone and len(gone) == 2 and any(name.startswith("APPENDLIMIT=") for name in gone), gone
    assert everything - offered(ALICE, app) == gone | {"NOTIFY"}
    assert scram(Client(store.port), "SCRAM-SHA-256", ALICE, "secret").startswith("OK")
    row = next(r for r in store.json("user", "show", ALICE) if r["setting"] == "capabilities_off")
    assert row["value"] == "IDLE APPENDLIMIT" and row["from"] == "user", row
    store.run("user", "set", ALICE, "capabilities_off", "")  # all of it, whatever the domain has
    assert offered(ALICE) == everything
    store.run("user", "set", ALICE, "capabilities_off")
    assert everything - offered(ALICE) == {"UIDONLY", "QRESYNC"}
    for wrong in ("IDEL", "IMAP4rev1", "IDLE  MOVE", " "):
        assert "capabilities_off" in store.run("user", "set", ALICE, "capabilities_off", wrong, code=1)
    # Whoever comes next on a connection is another user.
    store.run("domain", "set", "example.org", "capabilities_off")
    store.run("user", "set", ALICE, "capabilities_off", "IDLE")
    client = Client(store.port)
    assert " IDLE" not in client.command(f"LOGIN {ALICE} secret")
    assert client.command("UNAUTHENTICATE").startswith("OK")
    assert " IDLE" in client.command("LOGIN bob@example.org secret")
    store.close()


def test_kick(roost):
    store = started(roost)
    one, two, three = (store.log_in(ALICE, "secret") for _ in range(3))
    rows = store.json("sessions")
    assert len(rows) == 3
    three.send(b"x IDLE\r\n")
    three.readline()
    assert "1 session ended" in store.run("kick", rows[0]["session"])
    said = closed(one)
    assert said.startswith("* BYE"), said
    assert "2 sessions ended" in store.run("kick", ALICE)
    assert "* BYE" in closed(two) and "* BYE" in closed(three)
    deadline = time.monotonic() + 10
    while store.json("sessions"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "no such session" in store.run("kick", ALICE, code=1)
    assert "expected" in store.run("kick", "nonsense", code=1)
    assert log_of(store).count('reason="ended by the administrator"') == 3, log_of(store)
    store.close()


def test_sessions_of_one_user(roost):
    store = started(roost, 'trusted_networks = ""\nuser_sessions_max = 3\n')
    there = [store.log_in(ALICE, "secret") for _ in range(3)]
    try:
        store.log_in(ALICE, "secret")
        assert False, "a fourth session"
    except imaplib.IMAP4.error as e:
        assert b"[LIMIT]" in e.args[0], e
    there.pop().logout()
    deadline = time.monotonic() + 10
    while len(store.json("sessions")) > 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    store.log_in(ALICE, "secret")
    line = [l for l in log_of(store).splitlines() if "event=logout" in l][0]
    for word in ("session=", f"user={ALICE}", "peer=127.0.0.1", "tls=none", "commands=1", "bytes_in=", "seconds=", "reason=logout"):
        assert word in line, (word, line)
    store.close()


if __name__ == "__main__":
    args = runner.arguments(__doc__)
    sys.exit(bool(runner.run(globals(), args, lambda test, _: test(args.roost))))
