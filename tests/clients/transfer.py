#!/usr/bin/env python3
"""roost import and roost export: what goes in comes out the same, from and to Maildir, mbox and tar, with and without a
daemon; and a Maildir that a real Dovecot made keeps its UIDs, so that devices fetch nothing again."""
import bz2, email.utils, gzip, hashlib, imaplib, os, pathlib, pty, random, re, resource, shutil, subprocess, tarfile, time

from store import both_ways, run_with_stores, served, with_users
from daemon import free_ports

HERE = pathlib.Path(__file__).resolve().parent
ALICE = "alice@example.org"
DOVECOT = HERE.parent / "bench" / "dovecot.sh"


def make_message(rng, n):
    """With LF: text, lines that begin like an mbox's, CRs in odd places, long lines, none at all."""
    lines = [f"Subject: message {n}", f"Message-ID: <{n}@example.org>", "From: a@example.org"]
    if n % 7 == 0:
        lines += ["Status: is a field of its own", "X-Note: so Status is not the last"]
    lines.append("")
    for _ in range(rng.randrange(12)):
        lines.append(rng.choice(["From here on", ">From there", ">>From", "", "", "x" * rng.randrange(2000), "a\rb", "end\r",
                                 "\u00e4\u00f6", "From ", ".", "plain words of text"]))
    return ("\n".join(lines) + "\n").encode()


def as_stored(message):
    """Bare LF becomes CRLF."""
    return re.sub(rb"(?<!\r)\n", b"\r\n", message)


class Mail:
    """What an account has, as IMAP tells it: {mailbox: (uidvalidity, {uid: (flags, date, digest)})}, subscriptions."""

    def __init__(self, port, user=ALICE, password="secret"):
        c = imaplib.IMAP4("127.0.0.1", port)
        c.login(user, password)
        self.boxes, self.uidnext = {}, {}
        for line in c.list()[1]:
            m = re.match(rb'\((.*?)\) (?:"."|NIL) (.*)$', line)
            if b"\\Noselect" in m.group(1) or b"\\NonExistent" in m.group(1):
                continue
            name = m.group(2).decode().strip('"')
            assert c.select(f'"{name}"', readonly=True)[0] == "OK", name
            validity = int(c.response("UIDVALIDITY")[1][0])
            self.uidnext[name] = int(c.response("UIDNEXT")[1][0])
            messages = {}
            for item in c.uid("FETCH", "1:*", "(FLAGS INTERNALDATE BODY.PEEK[])")[1]:
                if not isinstance(item, tuple):
                    continue
                uid = int(re.search(rb"UID (\d+)", item[0]).group(1))
                flags = frozenset(imaplib.ParseFlags(item[0])) - {b"\\Recent"}
                date = email.utils.mktime_tz(email.utils.parsedate_tz(
                    re.search(rb'INTERNALDATE "([^"]*)"', item[0]).group(1).decode()))
                messages[uid] = (flags, date, hashlib.sha256(item[1]).hexdigest())
            self.boxes[name] = (validity, messages)
        self.subscribed = {re.match(rb'\(.*?\) (?:"."|NIL) (.*)$', l).group(1).decode().strip('"') for l in c.lsub()[1] if l}
        c.logout()

    def contents(self, name="INBOX"):
        return sorted(d for _, _, d in self.boxes[name][1].values())

    def all(self):
        return {n: v for n, v in self.boxes.items() if v[1]}


def assert_same(got, want):
    """Of two of all(); says where they differ."""
    assert set(got) == set(want), (sorted(got), sorted(want))
    for name, (validity, messages) in want.items():
        assert got[name][0] == validity, (name, got[name][0], validity)
        assert set(got[name][1]) == set(messages), (name, sorted(got[name][1]), sorted(messages))
        for uid, message in messages.items():
            assert got[name][1][uid] == message, (name, uid, got[name][1][uid], message)


def look(store, user=ALICE):
    with served(store) as port:
        return Mail(port, user)


def make_maildir(top, count=60, seed=1):
    """A Maildir++ with some folders; {mailbox: [(bytes as stored, flags, date)]}."""
    rng, made = random.Random(seed), {}
    folders = {"INBOX": "", "Work": ".Work", "Work/Deep/Er": ".Work.Deep.Er", "\u00e4\u00f6 & co": ".&AOQA9g- &- co", "Empty": ".Empty",
               "v1.2": ".v1\\2e2"}
    for name, folder in folders.items():
        directory = top / folder
        for sub in ("cur", "new", "tmp"):
            (directory / sub).mkdir(parents=True, exist_ok=True)
        made[name] = []
        (directory / "dovecot-keywords").write_text("0 $Label1\n1 important\n")
        for n in range(0 if name == "Empty" else count // (1 if name == "INBOX" else 4)):
            message = make_message(rng, len(made) * 1000 + n)
            letters = "".join(sorted(rng.sample("DFRSTab", rng.randrange(5))))
            date = 1_000_000_000 + rng.randrange(500_000_000)
            path = directory / ("new" if not letters else "cur") / f"{date}.{n}.host{'' if not letters else ':2,' + letters}"
            path.write_bytes(message)
            os.utime(path, (date, date))
            words = {"D": b"\\Draft", "F": b"\\Flagged", "R": b"\\Answered", "S": b"\\Seen", "T": b"\\Deleted", "a": b"$Label1",
                     "b": b"important"}
            made[name].append((hashlib.sha256(as_stored(message)).hexdigest(), frozenset(words[l] for l in letters), date))
    (top / "subscriptions").write_text("V\t2\n\nWork\nWork\tDeep\tEr\nGone\n&AOQA9g- &- co\n")
    return made


def imap_name(name):
    return "".join(c if 0x20 <= ord(c) < 0x7f and c != "&" else "&-" if c == "&" else c for c in name)


def check_made(mail, made):
    names = {"\u00e4\u00f6 & co": "&AOQA9g- &- co"}
    for name, messages in made.items():
        got = sorted((d, f, t) for f, t, d in mail.boxes[names.get(name, name)][1].values())
        assert [(d, t) for d, _, t in got] == sorted((d, t) for d, _, t in messages), name
        assert {(d, f, t) for d, f, t in got} == set(messages), name
    assert {"Work", "Work/Deep/Er", "Gone", "&AOQA9g- &- co"} <= mail.subscribed, mail.subscribed


@both_ways
def test_maildir_round_trip(store):
    with_users(store)
    store.run("user", "add", "bob@example.org", stdin=b"secret\n")
    store.run("user", "add", "carol@example.org", stdin=b"secret\n")
    made = make_maildir(store.directory / "in")
    said = store.run("import", ALICE, str(store.directory / "in"))
    total = sum(len(m) for m in made.values())
    assert f"{total} messages taken in, 0 were there already" in said and "0 problems" in said, said
    mail = look(store)
    check_made(mail, made)
    assert f"0 messages taken in, {total} were there already" in store.run("import", ALICE, str(store.directory / "in"))
    # Out as a Maildir and in again: the very same, UIDs and UIDVALIDITYs too.
    out = store.directory / "out"
    assert f"{total} messages" in store.run("export", ALICE, str(out))
    store.run("import", "bob@example.org", str(out))
    bob = look(store, "bob@example.org")
    assert_same(bob.all(), mail.all())
    assert bob.subscribed == mail.subscribed
    assert {n: u for n, u in bob.uidnext.items() if bob.boxes[n][1]} == {n: u for n, u in mail.uidnext.items() if mail.boxes[n][1]}
    # What the files look like to others: LF, the dates, flags in their names.
    files = sorted((out / "cur").iterdir())
    assert len(files) == len(made["INBOX"])
    assert not any(re.search(rb"[^\r]\r\n", f.read_bytes()) for f in files)
    assert sorted(int(f.stat().st_mtime) for f in files) == sorted(t for _, _, t in made["INBOX"])
    # And through a tar of it.
    subprocess.run(["tar", "cf", str(store.directory / "made.tar"), "-C", str(store.directory), "out"], check=True)
    store.run("import", "carol@example.org", str(store.directory / "made.tar"))
    assert_same(look(store, "carol@example.org").all(), mail.all())


@both_ways
def test_mbox_and_tar_round_trips(store):
    with_users(store)
    made = make_maildir(store.directory / "in", 40)
    store.run("import", ALICE, str(store.directory / "in"))
    mail = look(store)
    for n, words in enumerate((["mbox"], ["mbox.tar", "--format", "mbox"], ["maildir.tar"], ["mbox2", "--format", "mbox"])):
        if words[0] == "mbox":
            words += ["--format", "mbox"]
        user = f"u{n}@example.org"
        store.run("user", "add", user, stdin=b"secret\n")
        path = str(store.directory / words[0])
        store.run("export", ALICE, path, *words[1:])
        if path.endswith(".tar"):
            with tarfile.open(path) as t:  # others can read it
                assert sum(m.isfile() for m in t) > 5
        store.run("import", user, path)
        assert_same(look(store, user).all(), mail.all())
    # A single file, into a mailbox of one's choice, twice.
    path = str(store.directory / "mbox" / "INBOX.mbox")
    said = store.run("import", "u0@example.org", path, "--mailbox", "Old/Mail")
    assert f"{len(made['INBOX'])} messages taken in" in said, said
    assert f"{len(made['INBOX'])} were there already" in store.run("import", "u0@example.org", path, "--mailbox", "Old/Mail")
    assert look(store, "u0@example.org").contents("Old/Mail") == mail.contents()
    said = store.run("export", "u0@example.org", str(store.directory / "one"), "--mailbox", "Old/Mail")
    assert "of 1 mailboxes" in said and (store.directory / "one" / ".Old.Mail" / "cur").is_dir()
    assert "not found" in store.run("export", "u0@example.org", str(store.directory / "none"), "--mailbox", "Nope", code=1)


@both_ways
def test_mbox_of_others(store):
    """mboxo and mboxrd as they are met: flags at the header's end, CRLF, dates with zones, no empty line at the end."""
    with_users(store)
    path = store.directory / "mbox"
    path.write_bytes(
        b"From a b c@example.org Sat Jan  3 01:05:34 1998\n"
        b"Subject: one\nStatus: RO\nX-Status: AF\nX-Keywords: $Label1 todo   \n\nhello\n\n>From me\n>>From you\n\n"
        b"From x@example.org Sat Jan  3 01:05:34 +0200 1998\r\nSubject: two\r\n\r\nFrom here on, no message\r\nlast\r\n\r\n"
        b"From y@example.org  Mon Feb 29 23:59:59 2016 -0500\nSubject: three\n\n\n\nFrom nobody\n"
        b"From z@example.org Sat Jan  3 01:05:34 1998\nnot behind an empty line")
    store.run("import", ALICE, str(path))
    mail = look(store)
    want = [(b"Subject: one\r\n\r\nhello\r\n\r\nFrom me\r\n>From you\r\n", {b"\\Seen", b"\\Answered", b"\\Flagged", b"$Label1", b"todo"},
             883789534),
            (b"Subject: two\r\n\r\nFrom here on, no message\r\nlast\r\n", set(), 883789534 - 7200),
            (b"Subject: three\r\n\r\n\r\n\r\nFrom nobody\r\nFrom z@example.org Sat Jan  3 01:05:34 1998\r\nnot behind an empty line",
             set(), 1456790399 + 5 * 3600)]
    got = [mail.boxes["INBOX"][1][uid] for uid in sorted(mail.boxes["INBOX"][1])]
    assert [(f, t, d) for f, t, d in got] == [(frozenset(f), t, hashlib.sha256(m).hexdigest()) for m, f, t in want], got
    (store.directory / "no").write_bytes(b"To: nobody\n\nthis is a message and no mbox\n")
    assert "neither a tar archive nor an mbox file" in store.run("import", ALICE, str(store.directory / "no"), code=1)
    (store.directory / "mbox.bz2").write_bytes(bz2.compress(path.read_bytes()))
    assert "packed (bzip2)" in store.run("import", ALICE, f"{path}.bz2", code=1)
    (store.directory / "dir").mkdir()
    assert "neither a Maildir nor an mbox file" in store.run("import", ALICE, str(store.directory / "dir"), code=1)
    shutil.copy(path, store.directory / "dir" / "Old mail.mbox")
    (store.directory / "dir" / "notes.txt").write_text("no mail")
    said = store.run("import", ALICE, str(store.directory / "dir"))
    assert "3 messages taken in" in said and "notes.txt: this is no mbox file" in said and "1 problems" in said, said
    assert "No such file" in store.run("import", ALICE, str(store.directory / "nothing"), code=1)


@both_ways
def test_packed_and_piped(store):
    """Archives and mbox files that are packed, through a pipe, or both; what is cut off or damaged is said."""
    with_users(store)
    made = make_maildir(store.directory / "in", 40)
    subprocess.run(["tar", "-cf", "in.tar", "in"], cwd=store.directory, check=True)
    archive = (store.directory / "in.tar").read_bytes()
    total, taken = sum(len(m) for m in made.values()), 0
    packed = {"gz": gzip.compress(archive), "zst": subprocess.run(["zstd", "-c"], input=archive, capture_output=True, check=True).stdout}
    for name, data in packed.items():
        (store.directory / f"in.tar.{name}").write_bytes(data)
    for n, (path, stdin) in enumerate(((str(store.directory / "in.tar.gz"), b""), (str(store.directory / "in.tar.zst"), b""),
                                       ("-", archive), ("-", packed["gz"]), ("-", packed["zst"]))):
        user = f"p{n}@example.org"
        store.run("user", "add", user, stdin=b"secret\n")
        assert f"{total} messages taken in" in store.run("import", user, path, stdin=stdin), (path, len(stdin))
        check_made(look(store, user), made)
    mbox = b"".join(b"From a@example.org Sat Jan  3 01:05:34 1998\nSubject: %d\n\n%s\n\n" % (n, b"x" * n) for n in range(300))
    for stdin in (mbox, gzip.compress(mbox[:5000]) + gzip.compress(mbox[5000:])):
        said = store.run("import", ALICE, "-", "--mailbox", f"Box {len(stdin)}", stdin=stdin)
        assert "300 messages taken in" in said, said
    with open(store.directory / "mbox", "wb") as file:
        file.write(mbox)
    with open(store.directory / "mbox", "rb") as file:  # no pipe: it is read where it is
        p = subprocess.run([store.roost, "-c", str(store.config), "import", ALICE, "-", "--mailbox", "Again"], stdin=file, capture_output=True)
    assert p.returncode == 0 and b"300 messages taken in" in p.stdout, p
    assert "cut off" in store.run("import", ALICE, "-", stdin=packed["gz"][:-100], code=1)
    assert "damaged" in store.run("import", ALICE, "-", stdin=packed["gz"][:50] + bytes(200) + packed["gz"][250:], code=1)
    assert "neither a tar archive nor an mbox file" in store.run("import", ALICE, "-", stdin=b"hello\n", code=1)


@both_ways
def test_packed_messages(store):
    """Single files that are packed, as Dovecot's plugins leave them: those that can be read are; the others are named."""
    with_users(store)
    top = store.directory / "in"
    for sub in ("cur", "new", "tmp"):
        (top / sub).mkdir(parents=True)
    plain = {n: b"Subject: %d\n\n%s\n" % (n, b"0123456789 " * 10000) for n in range(4)}
    (top / "cur/1.a:2,S").write_bytes(plain[0])
    (top / "cur/2.a,S=110:2,SZ").write_bytes(gzip.compress(plain[1]))
    (top / "cur/3.a:2,").write_bytes(subprocess.run(["zstd", "-c"], input=plain[2], capture_output=True, check=True).stdout)
    (top / "cur/4.a:2,").write_bytes(bz2.compress(plain[3]))
    (top / "cur/5.a:2,").write_bytes(b"CRYPTED\x03\x07 and so on")
    said = store.run("import", ALICE, str(top))
    assert "3 messages taken in" in said and "2 problems" in said, said
    assert "4.a:2,: it is packed (bzip2)" in said and "5.a:2,: it is packed (Dovecot's mail_crypt)" in said, said
    digests = {d for _, _, d in look(store).boxes["INBOX"][1].values()}
    assert digests == {hashlib.sha256(plain[n].replace(b"\n", b"\r\n")).hexdigest() for n in range(3)}
    (top / "cur/4.a:2,").write_bytes(plain[3])
    said = store.run("import", ALICE, str(top))
    assert "1 messages taken in, 3 were there already" in said and "1 problems" in said, said


@both_ways
def test_courier(store):
    """Files as Courier IMAP 5.2 left them: UIDs, keywords, subscriptions; one UIDVALIDITY for all that was made in a second."""
    with_users(store)
    top = store.directory / "in"
    for folder in ("", ".Work.Deep"):
        for sub in ("cur", "new", "tmp", "courierimapkeywords"):
            (top / folder / sub).mkdir(parents=True, exist_ok=True)
        for n, flags in ((1, "S"), (3, "F"), (4, ""), (6, "")):
            (top / folder / f"cur/17956435{n}.M9P27V00_{n}.vm,S=14:2,{flags}").write_bytes(b"Subject: %d\n\nx\n" % n)
        (top / folder / "new/1795643600.M1P1V0_9.vm,S=14").write_bytes(b"Subject: nobody has seen it\n\nx\n")
        (top / folder / "courierimapkeywords/:list").write_text(
            "todo\n$Label1\n\n17956433.M9P27V00_3.vm,S=14:0\n179564353.M9P27V00_3.vm,S=14:0\n179564356.M9P27V00_6.vm,S=14:1 0\n"
            "179564354.M9P27V00_4.vm,S=14:1\n")
        (top / folder / "courierimapkeywords/179564354.M9P27V00_4.vm,S=14").write_text("later\n")
        (top / folder / "courierimapuiddb").write_text(
            f"1 4711 7\n" + "".join(f"{n} 17956435{n}.M9P27V00_{n}.vm,S=14\n" for n in (1, 3, 4, 6)))
    (top / "courierimapsubscribed").write_text("INBOX.Work.Deep\n")
    said = store.run("import", ALICE, str(top))
    assert "10 messages taken in" in said and "0 problems" in said, said
    mail = look(store)
    for box in ("INBOX", "Work/Deep"):
        validity, messages = mail.boxes[box]
        assert validity == 4711 and mail.uidnext[box] == 8, mail.boxes[box]
        assert {uid: set(flags) - {b"\\Recent"} for uid, (flags, _, _) in messages.items()} == {
            1: {b"\\Seen"}, 3: {b"\\Flagged", b"todo"}, 4: {b"later"}, 6: {b"$Label1", b"todo"}, 7: set()}, messages
    assert "Work/Deep" in mail.subscribed


@both_ways
def test_bad_messages_are_kept(store):
    with_users(store)
    top = store.directory / "in"
    for sub in ("cur", "new", "tmp", ".bad%name/cur", ".good/cur"):
        (top / sub).mkdir(parents=True)
    (top / "cur/1.nul:2,S").write_bytes(b"Subject: nul\n\na\0b\n")
    (top / "cur/2.empty:2,").write_bytes(b"")
    (top / "cur/3.none:2,S").write_bytes(b"no header at all")
    (top / "cur/4.keywords:2,a").write_bytes(b"Subject: odd keyword\n\n.\n")
    (top / "cur/5.fine:2,F").write_bytes(b"Subject: fine\n\n.\n")
    (top / "dovecot-keywords").write_text('0 a(b"c\n')
    (top / ".bad%name/cur/1.x:2,").write_bytes(b"Subject: in a mailbox whose name cannot be\n\n.\n")
    said = store.run("import", ALICE, str(top))
    assert "6 messages taken in" in said, said
    assert "NUL" in said and "keywords cannot be kept" in said and "bad_name" in said and "1.nul" in said, said
    mail = look(store)
    digests = {d for _, _, d in mail.boxes["INBOX"][1].values()}
    for kept in (b"Subject: nul\r\n\r\na\x80b\r\n", b"no header at all", b"Subject: odd keyword\r\n\r\n.\r\n"):
        assert hashlib.sha256(kept).hexdigest() in digests, kept
    assert len(mail.boxes["bad_name"][1]) == 1 and mail.uidnext["INBOX"] == 6


@both_ways
def test_cut_short(store):
    """An import whose command is killed, and an export: the next run goes on, and nothing is there twice."""
    with_users(store)
    made = make_maildir(store.directory / "in", 1200)
    total = sum(len(m) for m in made.values())
    command = [store.roost, "-c", str(store.config), "import", ALICE, str(store.directory / "in")]
    for after in (0.05, 0.15, 0.4):
        p = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(after)
        p.kill()
        p.wait()
    if store.daemon:  # and one whose daemon is
        p = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.25)
        store.daemon.kill()
        store.daemon.wait()
        p.wait()
        store.start()
    said = store.run("import", ALICE, str(store.directory / "in"))
    taken, known = map(int, re.search(r"(\d+) messages taken in, (\d+) were", said).groups())
    assert taken + known == total, said
    check_made(look(store), made)
    out = store.directory / "out"
    p = subprocess.Popen([store.roost, "-c", str(store.config), "export", ALICE, str(out)], stdout=subprocess.DEVNULL)
    time.sleep(0.2)
    p.kill()
    p.wait()
    store.run("export", ALICE, str(out))
    store.run("export", ALICE, str(out))
    files = [f for f in out.rglob("*") if f.parent.name == "cur"]
    assert len(files) == total and not list(out.rglob("tmp/*")), len(files)
    (store.directory / "mine").mkdir()
    (store.directory / "mine/file").write_text("mine")
    assert "not empty" in store.run("export", ALICE, str(store.directory / "mine"), code=1)


OURS = 100000  # the number of a message that came in here


def flags_of(store):
    """{subject number: flags} of INBOX, and how often each is there."""
    found = {}
    with served(store) as port:
        c = imaplib.IMAP4("127.0.0.1", port)
        c.login(ALICE, "secret")
        c.select("INBOX", readonly=True)
        for item in c.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]:
            if isinstance(item, tuple):
                n = int(re.search(rb"message (\d+)", item[1]).group(1))
                assert n not in found, n
                found[n] = {f.decode().strip("\\") for f in imaplib.ParseFlags(item[0])} - {"Recent"}
        c.logout()
    return found


def make_folder(top, count, uids):
    """INBOX of messages 1 to count, none of them seen."""
    rng = random.Random(3)
    for sub in ("cur", "new", "tmp"):
        (top / sub).mkdir(parents=True)
    for n in range(1, count + 1):
        (top / "cur" / f"{n:04}.x:2,").write_bytes(make_message(rng, n))
    if uids:
        (top / "dovecot-uidlist").write_text(f"3 V77 N{count + 1}\n" + "".join(f"{n} :{n:04}.x\n" for n in range(1, count + 1)))


def mark(top, n, letters):
    path, = (top / "cur").glob(f"{n:04}.x:2,*")
    path.rename(top / "cur" / f"{n:04}.x:2,{letters}")


def mark_here(store, *changes):
    with served(store) as port:
        c = imaplib.IMAP4("127.0.0.1", port)
        c.login(ALICE, "secret")
        c.select("INBOX")
        for n, how, flags in changes:
            numbers = c.search(None, "HEADER", "Message-ID", f'"<{n}@example.org>"')[1][0].decode()
            assert c.store(numbers, how, flags)[0] == "OK"
        c.expunge()
        c.append("INBOX", "(\\Flagged)", None, b"Subject: message %d\r\n\r\nof ours\r\n" % OURS)
        c.logout()


def check_update(store, top):
    """What changed there comes over; what changed here, before or after, stays."""
    with_users(store)
    path = str(top)
    assert "40 messages taken in" in store.run("import", ALICE, path)
    mark_here(store, (5, "+FLAGS", "\\Flagged"), (6, "+FLAGS", "\\Flagged"), (7, "+FLAGS", "\\Deleted"), (8, "+FLAGS", "\\Seen"))
    for n, letters in ((2, "S"), (3, "FRS"), (4, "S"), (5, "S"), (8, "S")):
        mark(top, n, letters)
    for n in (6, 9, 10):
        next((top / "cur").glob(f"{n:04}.x*")).unlink()
    (top / "new" / "9999.x").write_bytes(make_message(random.Random(4), 50))
    said = store.run("import", ALICE, path, "--update")
    assert "1 messages taken in, 37 were there already, 3 have other flags now, 1 have other flags there, were changed here" in said, said
    assert "2 are gone there and stay (--delete); 1 mailboxes, 0 problems" in said, said
    want = {n: set() for n in [*range(1, 41), 50] if n != 7}
    want |= {2: {"Seen"}, 3: {"Flagged", "Answered", "Seen"}, 4: {"Seen"}, 5: {"Flagged"}, 6: {"Flagged"}, 8: {"Seen"}, OURS: {"Flagged"}}
    assert flags_of(store) == want
    # Once more, with nothing new; and back, for what was brought over by an update.
    assert "0 messages taken in, 38 were there already, 1 have other flags there" in store.run("import", ALICE, path, "--update")
    mark(top, 3, "")
    assert ", 1 have other flags now" in store.run("import", ALICE, path, "--update")
    # Without being asked for it an import leaves all that as it is.
    mark(top, 4, "")
    if (top / "dovecot-uidlist").exists():  # by content alone it would bring back what was removed here
        assert "0 messages taken in, 38 were there already; 1" in store.run("import", ALICE, path)
    want[3] = set()
    assert flags_of(store) == want
    # While something cannot be read nothing is deleted there.
    (top / "cur" / "0001.x:2,").rename(top / "kept")
    (top / "cur" / "0001.x:2,").symlink_to("/nowhere")
    said = store.run("import", ALICE, path, "--update", "--delete")
    assert "3 are gone there and stay" in said and "not all of it could be read" in said, said
    (top / "cur" / "0001.x:2,").unlink()
    (top / "kept").rename(top / "cur" / "0001.x:2,")
    said = store.run("import", ALICE, path, "--update", "--delete", "--overwrite")
    assert "1 have other flags now" in said and "2 are gone there and were deleted;" in said, said
    for n in (9, 10):
        del want[n]
    assert flags_of(store) == want | {5: {"Seen"}, 4: set()}
    assert "0 problems" in store.run("check", ALICE)
    assert "go with --update" in store.run("import", ALICE, path, "--delete", code=1)


@both_ways
def test_update(store):
    """A second run at the switch, where UIDs are kept."""
    make_folder(store.directory / "in", 40, uids=True)
    check_update(store, store.directory / "in")


@both_ways
def test_update_by_content(store):
    """And where they are not."""
    make_folder(store.directory / "in", 40, uids=False)
    check_update(store, store.directory / "in")


def test_update_after_cuts(store):
    """Runs that were cut short in between: what they brought is known as brought, what was changed here as changed."""
    with_users(store)
    top = store.directory / "in"
    make_folder(top, 1500, uids=True)
    command = [store.roost, "-c", str(store.config), "import", ALICE, str(top), "--update", "--delete"]

    def cut(after):
        p = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(after)
        p.kill()
        p.wait()

    for after in (0.1, 0.3):
        cut(after)
    store.run(*command[3:])
    mark_here(store, (17, "+FLAGS", "\\Flagged"), (18, "+FLAGS", "\\Flagged"))
    for n in range(1, 1501, 2):
        mark(top, n, "S")
    for n in range(10, 1501, 10):
        mark(top, n, "S")
    for n in (18, 20, 1400):
        next((top / "cur").glob(f"{n:04}.x*")).unlink()
    for after in (0.1, 0.3, 0.2):
        cut(after)
    store.run(*command[3:])
    want = {n: {"Seen"} if n % 2 or n % 10 == 0 else set() for n in range(1, 1501) if n not in (20, 1400)}
    want |= {17: {"Flagged"}, 18: {"Flagged"}, OURS: {"Flagged"}}
    got = flags_of(store)
    assert got == want, {n: (got.get(n), want.get(n)) for n in got | want if got.get(n) != want.get(n)}


def test_long_names(store):
    """Names that no file can have are cut, which is said; the mail is there."""
    with_users(store)
    long, deep = "x" * 400, "/".join(f"level number {n} of many" for n in range(20))
    with served(store) as port:
        c = imaplib.IMAP4("127.0.0.1", port)
        c.login(ALICE, "secret")
        for box in (long, deep, "\u4f60" * 3):
            name = '"' + box + '"' if box.isascii() else '"&T2BPYE9g-"'
            assert c.create(name)[0] == "OK"
            assert c.append(name, None, None, b"Subject: %d\r\n\r\n" % len(box))[0] == "OK"
        c.logout()
    for words in ((), ("--format", "mbox"), (".tar",)):
        path = str(store.directory / ("out" + "".join(words).strip("-")))
        p = subprocess.run([store.roost, "-c", str(store.config), "export", ALICE, path, *[w for w in words if w[0] != "."]],
                           capture_output=True, text=True)
        assert p.returncode == 0 and "too long for the name of a file" in p.stderr, (words, p)
        user = f"u{len(path)}@example.org"
        store.run("user", "add", user, stdin=b"secret\n")
        assert "3 messages taken in" in store.run("import", user, path)


def test_folders_as_directories(store):
    """LAYOUT=fs of Dovecot, and what Courier knows as subscriptions; what is no mail is left alone."""
    with_users(store)
    top = store.directory / "in"
    for folder in ("", "Work", "Work/Deep", "Work/Deep/Er", "&AOQ-"):
        for sub in ("cur", "new", "tmp"):
            (top / folder / sub).mkdir(parents=True, exist_ok=True)
        (top / folder / "cur" / "1.a:2,S").write_bytes(b"Subject: in " + folder.encode() + b"\n\n.\n")
    (top / "tmp" / "half").write_bytes(b"half a message")
    (top / "cur" / ".hidden").write_bytes(b"no message")
    (top / "courierimapsubscribed").write_text("INBOX.Work\nINBOX.Work.Deep\n")
    (top / "Work" / "dovecot-uidlist").write_text("1 4711 9\n7 1.a\n")
    said = store.run("import", ALICE, str(top))
    assert "5 messages taken in" in said and "0 problems" in said, said
    mail = look(store)
    assert {n for n, (_, m) in mail.boxes.items() if m} == {"INBOX", "Work", "Work/Deep", "Work/Deep/Er", "&AOQ-"}
    assert mail.boxes["Work"][0] == 4711 and set(mail.boxes["Work"][1]) == {7} and mail.uidnext["Work"] == 9
    assert {"Work", "Work/Deep"} <= mail.subscribed


def test_two_at_once(store):
    """The older one ends and says so; the newer one has everything once."""
    with_users(store)
    made = make_maildir(store.directory / "in", 4000)
    total = sum(len(m) for m in made.values())
    store.start()
    command = [store.roost, "-c", str(store.config), "import", ALICE, str(store.directory / "in")]
    first = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not any(r["messages"] for r in store.json("mailbox", "list", ALICE)):
        time.sleep(0.02)
    said = store.run("import", ALICE, str(store.directory / "in"))
    out, error = first.communicate(timeout=60)
    if first.returncode == 0:
        print("(the first was over before the second began)")
    else:
        assert first.returncode == 1 and b"another import into it has begun" in error and b"Traceback" not in error, (out, error)
    taken, known = map(int, re.search(r"(\d+) messages taken in, (\d+) were", said).groups())
    assert taken + known == total, said
    check_made(look(store), made)


def test_full_disk(store):
    """No file may grow any more: the command ends and says so; with space again it goes on."""
    with_users(store)
    made = make_maildir(store.directory / "in", 1500)
    store.start()
    old = resource.prlimit(store.daemon.pid, resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
    said = store.run("import", ALICE, str(store.directory / "in"), code=1)
    assert "the disk is full" in said or "the disk failed" in said, said
    resource.prlimit(store.daemon.pid, resource.RLIMIT_FSIZE, old)
    said = store.run("import", ALICE, str(store.directory / "in"))
    taken, known = map(int, re.search(r"(\d+) messages taken in, (\d+) were", said).groups())
    assert taken + known == sum(len(m) for m in made.values()), said
    check_made(look(store), made)


def test_progress_bar(store):
    """On a terminal, and nowhere else."""
    with_users(store)
    make_maildir(store.directory / "in", 400)
    command = [store.roost, "-c", str(store.config), "import", ALICE, str(store.directory / "in")]
    p = subprocess.run(command, capture_output=True, check=True)
    assert p.stderr == b"", p.stderr
    controller, terminal = pty.openpty()
    store.run("user", "add", "bob@example.org", stdin=b"secret\n")
    command[4] = "bob@example.org"
    p = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=terminal)
    os.close(terminal)
    got = b""
    try:
        while more := os.read(controller, 65536):
            got += more
    except OSError:
        pass
    assert p.wait() == 0 and b"messages" in got and b"%" in got and got.count(b"\n") == 0, got[-300:]


def fill_box(c, rng, box, shape=as_stored):
    """Thirty messages with flags and dates of all kinds into a mailbox, some of which are deleted, one only marked."""
    for n in range(30):
        flags = " ".join(rng.sample(["\\Seen", "\\Flagged", "\\Answered", "\\Draft", "$Label1", "todo"], rng.randrange(4)))
        said = c.append(f'"{box}"', f"({flags})", f'"{1 + n % 28:2d}-Mar-2020 12:00:00 +0000"', shape(make_message(rng, n)))
        assert said[0] == "OK", said
    c.select(f'"{box}"')
    c.store("3:7", "+FLAGS", "\\Deleted")
    c.store("30", "+FLAGS", "\\Deleted")
    c.expunge()
    c.store("20", "+FLAGS", "\\Deleted late")


def with_dovecot(store, location, look_at):
    """Mail that came into Dovecot by IMAP, kept at `location`; what look_at(port, directory) says of it while that runs."""
    port, = free_ports(1)
    directory = store.directory / "dovecot"
    os.chmod(store.directory, 0o755)
    subprocess.run([str(DOVECOT), "start", str(directory), str(port), location], check=True)
    try:
        c = imaplib.IMAP4("127.0.0.1", port)
        c.login("user1@example.org", "pass")
        rng = random.Random(5)
        c.create("Work/Projects")
        c.create("&AOQA9g-")
        c.subscribe("Work/Projects")
        for box in ("INBOX", "Work/Projects", "&AOQA9g-"):
            fill_box(c, rng, box)
        c.logout()
        return look_at(port, directory)
    finally:
        subprocess.run([str(DOVECOT), "stop", str(directory)], check=True)


def no_dovecot():
    if os.getuid() == 0 and shutil.which("dovecot"):
        return False
    print("skip: it needs root, and Dovecot (apt-get install dovecot-imapd)")
    return True


def check_as_theirs(store, theirs, messages=72):
    ours = look(store)
    assert sum(len(b[1]) for b in theirs.boxes.values()) == messages
    assert_same(ours.all(), theirs.all())
    assert theirs.subscribed <= ours.subscribed, (theirs.subscribed, ours.subscribed)
    for name, (validity, _) in theirs.boxes.items():
        assert ours.boxes[name][0] == validity and ours.uidnext[name] == theirs.uidnext[name], name


def test_dovecot_mdbox(store):
    """What Dovecot keeps in another format it writes as a Maildir."""
    if no_dovecot():
        return
    with_users(store)

    def back_up(port, directory):
        c = imaplib.IMAP4("127.0.0.1", port)
        c.login("user1@example.org", "pass")
        c.create("v1.2/of.it")  # which no other layout of a Maildir can hold
        c.append("v1.2/of.it", None, None, b"Subject: dots\r\n\r\n.\r\n")
        c.logout()
        subprocess.run(["chmod", "777", str(directory)], check=True)
        subprocess.run(["doveadm", "-c", str(directory / "dovecot.conf"), "backup", "-u", "user1@example.org",
                        f"maildir:{directory}/copy:LAYOUT=fs"], check=True)
        return Mail(port, "user1@example.org", "pass")

    theirs = with_dovecot(store, "mdbox:~/mdbox", back_up)
    store.run("import", ALICE, str(store.directory / "dovecot/copy"))
    check_as_theirs(store, theirs, 73)


def test_dovecot(store):
    """A Maildir made by Dovecot itself, by IMAP: the same UIDs, UIDVALIDITYs, flags, dates and subscriptions after it."""
    if no_dovecot():
        return
    with_users(store)
    port, = free_ports(1)
    directory, script = store.directory / "dovecot", DOVECOT
    theirs = with_dovecot(store, "maildir:~/Maildir", lambda port, _: Mail(port, "user1@example.org", "pass"))
    store.run("import", ALICE, str(directory / "mail/user1/Maildir"))
    check_as_theirs(store, theirs)
    # Dovecot reads what we write, UIDs and all.
    back = store.directory / "dovecot/mail/user2/Maildir"
    back.parent.mkdir()
    store.run("export", ALICE, str(back))
    subprocess.run(["chown", "-R", "mail:mail", str(back.parent)], check=True)
    subprocess.run([str(script), "start", str(directory), str(port), "maildir:~/Maildir"], check=True)
    try:
        again = Mail(port, "user2@example.org", "pass")
    finally:
        subprocess.run([str(script), "stop", str(directory)], check=True)
    assert_same(again.all(), theirs.all())
    assert theirs.subscribed <= again.subscribed


if __name__ == "__main__":
    run_with_stores(globals(), __doc__)
