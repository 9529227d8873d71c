#!/usr/bin/env python3
"""The verbs of roost(1), each both ways: with a daemon that runs, and with none; and what is said when they cannot."""
import concurrent.futures, imaplib, json, os, pathlib, pty, re, resource, shlex, signal, socket, stat, subprocess, time

from store import both_ways, refused, run_with_stores, with_users

ROOT = pathlib.Path(__file__).resolve().parents[2]


@both_ways
def test_domains(store):
    assert store.json("domain", "list") == [] and store.run("domain", "list") == ""
    store.run("domain", "add", "Example.ORG")
    store.run("domain", "add", "example.net")
    assert "exists already" in store.run("domain", "add", "example.org", code=1)
    for bad in ("", "a b", "a..b", "-c/", "a@b", "x" * 300):
        assert "not the name of a domain" in store.run("domain", "add", "--", bad, code=1), bad
    assert store.run("domain", "list") == "example.net\nexample.org\n"
    store.run("user", "add", "alice@example.org", stdin=b"secret\n")
    assert store.json("domain", "list") == [{"domain": "example.net", "users": 0}, {"domain": "example.org", "users": 1}]
    assert "it has users" in store.run("domain", "remove", "example.org", code=1)
    store.run("domain", "remove", "example.net")
    assert "not found" in store.run("domain", "remove", "example.net", code=1)
    assert store.run("domain", "list") == "example.org\n"


@both_ways
def test_users(store):
    with_users(store)
    assert "exists already" in store.run("user", "add", "Alice@Example.org", stdin=b"x\n", code=1)
    assert "domain add example.com" in store.run("user", "add", "alice@example.com", stdin=b"x\n", code=1)
    for bad in ("alice", "@example.org", "a b@example.org", "alice@", "<a@example.org>"):
        assert "not an address" in store.run("user", "add", bad, stdin=b"x\n", code=1), bad
    for bad in (b"\n", b"a\x07b\n", b"\xff\n"):
        assert "cannot be a password" in store.run("user", "add", "bob@example.org", stdin=bad, code=1), bad
    assert "password of at most" in store.run("user", "add", "bob@example.org", stdin=b"", code=1)
    assert "password of at most" in store.run("user", "add", "bob@example.org", stdin=b"x" * 1025 + b"\n", code=1)
    store.run("user", "add", "bob@example.org", "--password-stdin", stdin="p\u00e4ss wort\n".encode())
    store.run("user", "add", "carol@example.org", "--password", "given")
    rows = store.json("user", "list")
    assert [r["address"] for r in rows] == ["alice@example.org", "bob@example.org", "carol@example.org"]
    assert len({r["account"] for r in rows}) == 3 and all(len(r["account"]) == 32 for r in rows)
    assert store.run("user", "list", "example.org").split() == [r["address"] for r in rows]
    assert "example.net: not found" in store.run("user", "list", "example.net", code=1)
    said = store.run("user", "remove", "carol@example.org")
    assert rows[2]["account"] in said
    assert "not found" in store.run("user", "remove", "carol@example.org", code=1)
    assert "not found" in store.run("user", "passwd", "carol@example.org", stdin=b"x\n", code=1)
    if not store.daemon:
        store.start()
    store.log_in("alice@example.org", "secret").logout()
    c = imaplib.IMAP4("127.0.0.1", store.port)
    c.authenticate("PLAIN", lambda _: "\0bob@example.org\0p\u00e4ss wort".encode())
    c.logout()
    assert refused(store, "carol@example.org", "given")


@both_ways
def test_settings(store):
    def value(*words, name="retention_days"):
        return next((r["value"], r["from"]) for r in store.json(*words) if r["setting"] == name)

    with_users(store)
    assert value("user", "show", "alice@example.org") == ("7", "configuration")
    store.run("domain", "set", "Example.org", "retention_days", "30")
    assert value("domain", "show", "example.org") == ("30", "domain")
    assert value("user", "show", "alice@example.org") == ("30", "domain")
    store.run("user", "set", "alice@example.org", "retention_days", "0")
    assert value("user", "show", "alice@example.org") == ("0", "user")
    assert "retention_days\t0\tuser\n" in store.run("user", "show", "alice@example.org")
    store.run("user", "set", "alice@example.org", "retention_days")
    assert value("user", "show", "alice@example.org") == ("30", "domain")
    store.run("domain", "set", "example.org", "retention_days")
    assert value("domain", "show", "example.org") == ("7", "configuration")
    for bad in ("-1", "x", "", "3651", "1K"):
        assert "a number from 0 to 3650 is expected" in store.run("user", "set", "--", "alice@example.org", "retention_days", bad, code=1)
    assert "no such setting" in store.run("user", "set", "alice@example.org", "nothing", "1", code=1)
    assert "not found" in store.run("user", "set", "bob@example.org", "retention_days", "1", code=1)
    assert "not found" in store.run("user", "show", "bob@example.org", code=1)
    assert "not found" in store.run("domain", "set", "example.com", "retention_days", "1", code=1)
    assert "not found" in store.run("domain", "show", "example.com", code=1)


@both_ways
def test_quota(store):
    with_users(store)
    store.run("deliver", "alice@example.org", stdin=b"x" * 2999 + b"\n")
    row, = store.json("quota", "show", "alice@example.org")
    assert row == {"address": "alice@example.org", "bytes": 3001, "bytes_max": 0, "messages": 1, "messages_max": 0,
                   "mailboxes": 6, "mailboxes_max": 0, "domain_bytes": 3001, "domain_bytes_max": 0}, row
    store.run("domain", "set", "example.org", "quota_storage", "5K")
    assert "the quota is used up" in store.run("deliver", "alice@example.org", stdin=b"x" * 2999 + b"\n", code=1)
    store.run("quota", "set", "alice@example.org", "--storage", "1M", "--messages", "2")
    store.run("deliver", "alice@example.org", stdin=b"x" * 2999 + b"\n")
    assert "the quota is used up" in store.run("deliver", "alice@example.org", stdin=b"x\n", code=1)
    row, = store.json("quota", "show", "--all")
    assert (row["bytes"], row["bytes_max"], row["messages"], row["messages_max"]) == (6002, 1 << 20, 2, 2), row
    assert store.json("quota", "recount", "--all") == [{"address": "alice@example.org", "bytes": 6002, "messages": 2, "was_wrong": False}]
    store.run("check", "alice@example.org")
    assert "a number of bytes" in store.run("quota", "set", "alice@example.org", "--storage", "much", code=1)
    assert "is expected" in store.run("quota", "set", "alice@example.org", code=1)
    assert "not found" in store.run("quota", "set", "bob@example.org", "--storage", "1", code=1)
    # What is moved in goes beyond it.
    box = store.directory / "box"
    box.write_bytes(b"From x@example.net Thu Jan  1 00:00:00 1970\nSubject: a\n\nb\n")
    store.run("import", "alice@example.org", str(box))
    assert store.json("quota", "show", "alice@example.org")[0]["messages"] == 3


@both_ways
def test_aliases(store):
    with_users(store)
    store.run("user", "add", "bob@example.org", stdin=b"secret\n")
    store.run("alias", "add", "Info@example.org", "alice@example.org")
    store.run("alias", "add", "info@example.org", "bob@example.org")
    store.run("alias", "add", "all@example.org", "info@example.org")
    store.run("alias", "add", "@example.org", "all@example.org")
    assert "exists already" in store.run("alias", "add", "info@example.org", "bob@example.org", code=1)
    assert "exists already" in store.run("alias", "add", "bob@example.org", "alice@example.org", code=1)
    assert "in circles" in store.run("alias", "add", "info@example.org", "@example.org", code=1)
    assert "in circles" in store.run("alias", "add", "x@example.org", "x@example.org", code=1)
    assert "no such user or alias" in store.run("alias", "add", "x@example.org", "nobody@example.org", code=1)
    assert "not found" in store.run("alias", "add", "x@example.com", "alice@example.org", code=1)
    assert "neither an address" in store.run("alias", "add", "x", "alice@example.org", code=1)
    assert store.run("alias", "list") == ("@example.org\tall@example.org\nall@example.org\tinfo@example.org\n"
                                          "info@example.org\talice@example.org\ninfo@example.org\tbob@example.org\n")
    assert len(store.json("alias", "list", "example.org")) == 4
    store.run("user", "rename", "bob@example.org", "rob@example.org")
    assert {"alias": "info@example.org", "target": "rob@example.org"} in store.json("alias", "list")
    store.run("alias", "remove", "info@example.org", "alice@example.org")
    store.run("alias", "remove", "@example.org")
    assert "not found" in store.run("alias", "remove", "@example.org", code=1)
    assert [r["alias"] for r in store.json("alias", "list")] == ["all@example.org", "info@example.org"]


@both_ways
def test_disable_rename_restore(store):
    with_users(store)
    store.run("deliver", "alice@example.org", stdin=b"Subject: kept\n\n")
    session = store.log_in("alice@example.org", "secret") if store.daemon else None
    store.run("user", "disable", "alice@example.org", "--mail")
    if not store.daemon:
        store.start()
    assert refused(store, "alice@example.org", "secret")
    if session:
        try:
            assert session.noop()[0] != "OK"
        except (imaplib.IMAP4.abort, OSError):
            pass
    store.run("user", "enable", "alice@example.org")
    assert all(r["value"] == "false" for r in store.json("user", "show", "alice@example.org") if r["setting"] in ("disabled", "refuse_mail"))
    store.log_in("alice@example.org", "secret").logout()
    store.run("user", "rename", "alice@example.org", "Anna@example.org")
    assert refused(store, "alice@example.org", "secret")
    assert "the domain is not one of ours" in store.run("user", "rename", "anna@example.org", "anna@example.com", code=1)
    assert "not found" in store.run("user", "rename", "alice@example.org", "a@example.org", code=1)
    store.run("user", "remove", "anna@example.org")
    assert refused(store, "anna@example.org", "secret")
    assert "not found" in store.run("user", "restore", "alice@example.org", code=1)
    store.run("user", "restore", "anna@example.org")
    assert "not found" in store.run("user", "restore", "anna@example.org", code=1)
    c = store.log_in("anna@example.org", "secret")
    assert c.select("INBOX")[1] == [b"1"]
    c.logout()
    store.run("user", "remove", "anna@example.org")
    store.run("user", "add", "anna@example.org", stdin=b"other\n")
    assert "exists already" in store.run("user", "restore", "anna@example.org", code=1)


@both_ways
def test_passwd(store):
    with_users(store)
    if store.daemon:
        store.log_in("alice@example.org", "secret").logout()  # the daemon remembers it from here on
    store.run("user", "passwd", "alice@example.org", stdin=b"other\n")
    if not store.daemon:
        store.start()
    assert refused(store, "alice@example.org", "secret")
    store.log_in("alice@example.org", "other").logout()


@both_ways
def test_deliver_and_mailboxes(store):
    with_users(store)
    message = b"From: x@example.net\r\nSubject: delivered\r\n\r\n.dots\r\n..\r\n" + b"a line of text\r\n" * 200000
    assert {r["mailbox"]: r["messages"] for r in store.json("mailbox", "list", "alice@example.org")} == \
        dict.fromkeys(("Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"), 0)
    store.run("deliver", "alice@example.org", stdin=message)
    store.run("deliver", "Alice@example.org", "inbox", stdin=message.replace(b"\r\n", b"\n"))
    store.run("deliver", "alice@example.org", "Archive", stdin=b"Subject: no body")
    assert "not found" in store.run("deliver", "alice@example.org", "Nowhere", stdin=message, code=1)
    assert "not found" in store.run("deliver", "bob@example.org", stdin=message, code=1)
    assert "no message" in store.run("deliver", "alice@example.org", stdin=b"", code=1)
    text = store.run("mailbox", "list", "alice@example.org")
    assert "INBOX\t2\t2\n" in text and "Archive\t1\t1\n" in text and "Trash\t0\t0\n" in text, text
    assert "not found" in store.run("mailbox", "list", "bob@example.org", code=1)
    if not store.daemon:
        store.start()
    c = store.log_in("alice@example.org", "secret")
    assert c.select("INBOX")[1] == [b"2"]
    for n in ("1", "2"):
        assert c.fetch(n, "BODY.PEEK[]")[1][0][1] == message
    c.logout()


@both_ways
def test_long_lists(store):
    """Longer than a slice of the server's."""
    store.run("domain", "add", "example.org")
    store.run("user", "add", "--count", "1200", "u@example.org", stdin=b"pass\n")
    store.run("user", "add", "--first", "1201", "--count", "1300", "u@example.org", stdin=b"pass\n")
    expected = sorted(f"u{n}@example.org" for n in range(1, 1301))
    assert store.run("user", "list").split() == expected
    assert [r["address"] for r in store.json("user", "list")] == expected
    # One that is there already undoes them all.
    assert "u1300@example.org: exists already" in store.run("user", "add", "--first", "1300", "--count", "1400",
                                                            "u@example.org", stdin=b"pass\n", code=1)
    assert "from 0 to" in store.run("user", "add", "--count", "-1", "u@example.org", stdin=b"pass\n", code=1)
    assert len(store.run("user", "list").split()) == 1300


@both_ways
def test_check(store):
    with_users(store)
    store.run("user", "add", "--count", "20", "u@example.org", stdin=b"pass\n")
    for n in range(30):
        store.run("deliver", "alice@example.org", stdin=b"Subject: %d\r\n\r\nhello\r\n" % n)
    store.run("deliver", "u7@example.org", stdin=b"Subject: large\r\n\r\n" + os.urandom(300000).hex().encode())
    said = store.run("check", "alice@example.org")
    assert "6 mailboxes, 30 messages" in said and "0 problems" in said, said
    assert store.json("check", "alice@example.org") == []
    assert "21 accounts looked at, 0 problems" in store.run("check", "--all")
    assert store.json("check", "--all") == []
    assert "not found" in store.run("check", "nobody@example.org", code=1)
    store.run("check", code=2)
    store.run("check", "--all", "alice@example.org", code=2)
    if store.daemon:
        assert store.stop() == 0
    accounts = {r["address"]: store.directory / "store/accounts" / r["account"] for r in store.json("user", "list")}
    blob, = [p for p in (accounts["u7@example.org"] / "blob").rglob("*") if p.is_file()]
    data = bytearray(blob.read_bytes())
    data[len(data) // 2] ^= 1
    blob.write_bytes(data)
    (accounts["u3@example.org"] / "index.db").write_bytes(b"this is no database" * 1000)
    store.start()
    store.run("check", "u8@example.org")
    p = subprocess.run([store.roost, "-c", store.config, "check", "u7@example.org"], capture_output=True, text=True)
    assert p.returncode == 1 and p.stdout.startswith("u7@example.org\t") and "1 problems" in p.stderr, p
    p = subprocess.run([store.roost, "-c", store.config, "check", "--all", "--json"], capture_output=True, text=True)
    assert p.returncode == 1 and {r["address"] for r in json.loads(p.stdout)} == {"u3@example.org", "u7@example.org"}, p


def inbox_numbers(store):
    """(UIDNEXT, UIDVALIDITY) of alice's INBOX."""
    was_running = store.daemon
    if not was_running:
        store.start()
    c = store.log_in("alice@example.org", "secret")
    text = c.status("INBOX", "(UIDNEXT UIDVALIDITY)")[1][0].decode()
    c.logout()
    if not was_running:
        assert store.stop() == 0
    return tuple(int(re.search(rf"{word} (\d+)", text).group(1)) for word in ("UIDNEXT", "UIDVALIDITY"))


@both_ways
def test_jump(store):
    """UIDs go on above all that a backup may not know; no client has to fetch anything again, and who is in stays in."""
    with_users(store)
    store.run("user", "add", "bob@example.org", stdin=b"secret\n")
    for n in range(3):
        store.run("deliver", "alice@example.org", stdin=b"Subject: %d\r\n\r\nhello\r\n" % n)
    uidnext, uidvalidity = inbox_numbers(store)
    c = store.log_in("alice@example.org", "secret") if store.daemon else None
    if c:
        c.select("INBOX")
    assert "alice@example.org: set ahead" in store.run("jump", "alice@example.org")
    after = inbox_numbers(store)
    assert after == (uidnext + (1 << 20), uidvalidity), (uidnext, uidvalidity, after)
    assert "2 accounts set ahead" in store.run("jump", "--all") and store.json("jump", "--all") == []
    assert "0 problems" in store.run("check", "--all")
    assert "not found" in store.run("jump", "nobody@example.org", code=1)
    store.run("deliver", "alice@example.org", stdin=b"Subject: new\r\n\r\nhello\r\n")
    if c:
        c.noop()
        assert c.untagged_responses["EXISTS"][-1] == b"4", c.untagged_responses
        assert [int(u) for u in c.uid("SEARCH", "ALL")[1][0].split()] == [1, 2, 3, uidnext + 3 * (1 << 20)]
        c.logout()


@both_ways
def test_held(store):
    """An account that brought the daemon down again and again is held, and the commands say so."""
    with_users(store)
    store.run("user", "add", "bob@example.org", stdin=b"secret\n")
    running = store.daemon
    if running:
        assert store.stop() == 0
    ids = {r["address"]: r["account"] for r in store.json("user", "list")}
    now = int(time.time())
    (store.directory / "store/crashes").write_text("".join(f"{now - n} {ids['alice@example.org']} FETCH 11\n" for n in range(3)))
    if running:
        store.start()
    for words in (("mailbox", "list"), ("check",), ("jump",)):
        said = store.run(*words, "alice@example.org", code=1)
        assert "alice@example.org: held" in said and "STORE/crashes" in said, said
    assert "alice@example.org: held" in store.run("deliver", "alice@example.org", stdin=b"Subject: x\r\n\r\n", code=1)
    assert "INBOX" in store.run("mailbox", "list", "bob@example.org")
    p = subprocess.run([store.roost, "-c", store.config, "check", "--all"], capture_output=True, text=True)
    assert p.returncode == 1 and p.stdout.startswith("alice@example.org\talice@example.org: held") and \
        p.stdout.count("\n") == 1, p
    if not running:
        store.start()
    c = store.log_in("alice@example.org", "secret")
    typ, data = c.select("INBOX")
    assert typ == "NO" and b"[UNAVAILABLE]" in data[0], (typ, data)
    c.logout()


def test_directory_after_a_failure(store):
    """When directory.db could not be written the daemon reads afresh what there is, and goes on."""
    with_users(store)
    store.start()
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.prlimit(store.daemon.pid, resource.RLIMIT_FSIZE, (0, hard))
    assert "the disk failed" in store.run("user", "add", "bob@example.org", stdin=b"x\n", code=1)
    assert store.run("user", "list") == "alice@example.org\n"
    resource.prlimit(store.daemon.pid, resource.RLIMIT_FSIZE, (hard, hard))
    store.run("user", "list")
    store.run("user", "add", "bob@example.org", stdin=b"secret\n")
    store.log_in("bob@example.org", "secret").logout()
    store.log_in("alice@example.org", "secret").logout()


def test_too_large(store):
    store.write(store.config.read_text() + "message_bytes_max = 10000\n")
    with_users(store)
    for daemon in (False, True):
        if daemon:
            store.start()
        assert "larger than 10000" in store.run("deliver", "alice@example.org", stdin=b"x\r\n" * 1000000, code=1)
        store.run("deliver", "alice@example.org", stdin=b"x\r\n" * 3000)


def test_idling_session_hears_of_it(store):
    with_users(store)
    store.start()
    c = store.log_in("alice@example.org", "secret")
    c.select("INBOX")
    s = c.socket()
    s.settimeout(5)
    s.sendall(b"i IDLE\r\n")
    assert s.recv(100).startswith(b"+ ")
    store.run("deliver", "alice@example.org", stdin=b"Subject: x\r\n\r\nx\r\n")
    assert b"* 1 EXISTS" in s.recv(1000)
    s.close()


def test_many_at_once(store):
    with_users(store)
    store.start()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        done = [pool.submit(store.run, "deliver", "alice@example.org", stdin=b"Subject: %d\r\n\r\n" % n) for n in range(24)]
        assert all(d.result() == "" for d in done)
    assert {"mailbox": "INBOX", "messages": 24, "unseen": 24, "selectable": True, "subscribed": True} in \
        store.json("mailbox", "list", "alice@example.org")


def test_one_at_a_time(store):
    """Only one process has the store; the others say who."""
    with_users(store)
    store.start()
    p = subprocess.run([store.roost, "serve", "-c", str(store.config)], capture_output=True, text=True, timeout=30)
    assert p.returncode == 1 and f"in use by another roost (pid {store.daemon.pid})" in p.stderr, p
    # The daemon's socket is away: the command must not open the store beside it.
    (store.directory / "store/admin.sock").unlink()
    assert f"in use by another roost (pid {store.daemon.pid})" in store.run("user", "list", code=1)


def test_after_a_crash(store):
    """A killed daemon leaves its socket; commands work without it, and the next daemon starts."""
    with_users(store)
    store.start()
    store.run("deliver", "alice@example.org", stdin=b"Subject: x\r\n\r\nx\r\n")
    assert store.stop(signal.SIGKILL) == -signal.SIGKILL
    assert (store.directory / "store/admin.sock").exists()
    assert "INBOX\t1\t1" in store.run("mailbox", "list", "alice@example.org")
    store.start()
    assert "INBOX\t1\t1" in store.run("mailbox", "list", "alice@example.org")
    assert store.stop() == 0
    assert not (store.directory / "store/admin.sock").exists()


def test_permissions(store):
    store.write(store.config.read_text() + f'listen {{ protocol = "lmtp" path = "{store.directory}/lmtp.sock" }}\n')
    with_users(store)
    store.start()
    kept = store.directory / "store"
    assert stat.S_IMODE((store.directory / "lmtp.sock").stat().st_mode) == 0o666  # the mail server is another user
    assert stat.S_IMODE((kept / "admin.sock").stat().st_mode) == 0o600
    for path in (kept, *kept.rglob("*")):
        assert not path.stat().st_mode & 0o077, path
    if os.geteuid() == 0:
        for path in (store.directory, kept):
            path.chmod(0o755)
        (kept / "admin.sock").chmod(0o666)
        with socket.socket(socket.AF_UNIX) as s:  # somebody else comes in by the door itself, and is not answered
            pid = os.fork()
            if pid == 0:
                os.setresuid(65534, 65534, 65534)
                s.connect(str(kept / "admin.sock"))
                s.settimeout(10)
                os._exit(0 if s.recv(100) == b"" else 1)
            assert os.waitpid(pid, 0)[1] == 0
        (kept / "admin.sock").chmod(0o600)


def test_strangers_frames(store):
    """What is no request is not answered, and harms nobody."""
    with_users(store)
    store.start()
    frame = lambda kind, body: kind + len(body).to_bytes(4, "big") + body
    version = b"roost-admin-1\0"
    for data in (b"GET / HTTP/1.0\r\n\r\n", b"Q\xff\xff\xff\xff", frame(b"B", b""), frame(b"Z", b"x"), b"Q\0\0",
                 frame(b"Q", b""), frame(b"Q", b"roost-admin-0\0user list\0"), frame(b"Q", version + b"user fly\0"),
                 frame(b"Q", version + b"user add\0"), frame(b"Q", version + b"user list\0DOMAIN\0"),
                 frame(b"Q", version + b"user list\0DOMAIN"), frame(b"Q", version + b"user list\0x\0y\0"),
                 frame(b"Q", version + b"user add\0ADDRESS\0a@example.org\0"),
                 frame(b"Q", version + b"deliver\0ADDRESS\0alice@example.org\0") + frame(b"Q", b""),
                 frame(b"Q", version + b"deliver\0ADDRESS\0alice@example.org\0") + frame(b"B", b"Subject: half\r\n")):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(store.directory / "store/admin.sock"))
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            s.settimeout(10)
            answer = b""
            while more := s.recv(65536):
                answer += more
            assert not answer or answer[:1] in b"DR", (data, answer)
            if answer[:1] == b"D":
                assert answer[5] == 1, (data, answer)
    assert "INBOX\t0\t0" in store.run("mailbox", "list", "alice@example.org")


def test_command_gone(store):
    """Whoever asked is gone, at any moment of it; what was asked is done or not, and nothing is left of it."""
    with_users(store)
    store.start()
    store.run("deliver", "alice@example.org", stdin=b"Subject: large\r\n\r\n" + os.urandom(2000000).hex().encode())
    frame = lambda kind, *texts: kind + sum(len(t) + 1 for t in texts).to_bytes(4, "big") + b"".join(t + b"\0" for t in texts)
    requests = ([b"check", b"ADDRESS", b"alice@example.org"], [b"check", b"all", b""],
                [b"user passwd", b"ADDRESS", b"alice@example.org", b"password", b"other"],
                [b"deliver", b"ADDRESS", b"alice@example.org"], [b"mailbox list", b"ADDRESS", b"alice@example.org"])
    for number in range(60):
        for request in requests:
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(str(store.directory / "store/admin.sock"))
                s.sendall(frame(b"Q", b"roost-admin-1", *request))
                if number % 3 == 0 and request[0] == b"deliver":
                    assert s.recv(5)[:1] == b"R"
                    s.sendall(frame(b"B", b"Subject: half" * (1 + number * 80)))
                time.sleep(number % 5 / 1000)
    assert "INBOX\t1\t1" in store.run("mailbox", "list", "alice@example.org")
    assert "0 problems" in store.run("check", "--all")


def verb_words(line):
    """The words of a verb in a line of "roost help", without its arguments."""
    return [w for w in line.split()[1:] if w.islower() and w[0] not in "[<" and "|" not in w]


def test_words(store):
    """Exit code 2, and help."""
    for words in ((), ("frob",), ("user",), ("user", "frob"), ("user", "add"), ("user", "add", "a", "b"), ("user", "list", "--frob"),
                  ("user", "add", "--count"), ("domain", "list", "--password-stdin"), ("deliver",), ("config", "frob"),
                  ("serve", "now"), ("help", "frob")):
        p = subprocess.run([store.roost, *words], capture_output=True, text=True)
        assert p.returncode == 2 and p.stderr and not p.stdout, (words, p)
    said = subprocess.run([store.roost, "help"], capture_output=True, text=True, check=True).stdout
    verbs = [verb_words(line) for line in said.splitlines() if line.startswith("  roost ")]
    assert ["user", "add"] in verbs and ["deliver"] in verbs, verbs
    for words in (v for v in verbs if v[0] not in ("completion", "config", "help", "serve", "version")):
        for p in (("help", *words), (*words, "--help"), (*words, "-h")):
            out = subprocess.run([store.roost, *p], capture_output=True, text=True, check=True).stdout
            assert out.startswith("roost " + " ".join(words)), out
    assert subprocess.run([store.roost, "version"], capture_output=True, text=True, check=True).stdout.startswith("roost ")


def test_manual(store):
    """roost(1) has every verb as it is, and every option."""
    page = (ROOT / "docs/man/roost.1").read_text().replace("\\-", "-")
    said = subprocess.run([store.roost, "help"], capture_output=True, text=True, check=True).stdout
    verbs = [line[2:] for line in said.splitlines() if line.startswith("  roost ")]
    for verb in verbs:
        assert f".B {verb}\n" in page, f"roost(1) lacks: {verb}"
    named = [line[3:] for line in page.splitlines() if line.startswith(".B roost ")]
    assert not set(named) - set(verbs) - {"roost serve", "roost help", "roost"}, "roost(1) has verbs that are none"
    for verb in verbs:
        words = verb_words(verb)
        if words[0] in ("completion", "config", "help", "serve", "version"):
            continue
        out = subprocess.run([store.roost, *words, "--help"], capture_output=True, text=True, check=True).stdout
        for option in re.findall(r"^  (--?[a-z-]+)", out, re.M):
            assert option in page, f"roost(1) lacks {option}"


def test_completion(store):
    """bash completes verbs, their second words and their options, for every verb there is."""
    script = store.run("completion", "bash")
    assert "completion bash is expected" in store.run("completion", "fish", code=2)

    def completed(*words):
        code = f'{script}\nCOMP_WORDS=({" ".join(map(shlex.quote, words))}); COMP_CWORD=$((${{#COMP_WORDS[@]}}-1)); _roost; printf "%s\\n" "${{COMPREPLY[@]}}"'
        p = subprocess.run(["bash", "--norc", "-c", code], capture_output=True, text=True, check=True)
        assert not p.stderr, p.stderr
        return p.stdout.split()
    assert {"user", "serve", "check", "completion"} <= set(completed("roost", ""))
    assert completed("roost", "ali") == ["alias"]
    assert completed("roost", "-c", "x.conf", "alias", "") == ["add", "list", "remove"]
    assert completed("roost", "user", "add", "a@example.org", "--pass") == ["--password-stdin", "--password"]
    assert "--all" in completed("roost", "check", "--")
    said = store.run("help")
    for line in said.splitlines():
        if line.startswith("  roost "):
            words = verb_words(line[2:])
            if words[0] == "config":
                continue
            for i in range(len(words)):
                assert words[i] in completed("roost", *words[:i], ""), words


def test_terminal(store):
    """A password is asked for twice, and not shown."""
    store.run("domain", "add", "example.org")
    def talk(first, second):
        pid, fd = pty.fork()
        if pid == 0:
            os.execv(store.roost, [store.roost, "user", "add", "-c", str(store.config), "alice@example.org"])
        seen = b""
        for question, answer in ((b"Password for alice@example.org: ", first), (b"The same again for ", second)):
            while question not in seen:
                seen += os.read(fd, 1000)
            time.sleep(0.05)
            os.write(fd, answer)
        try:
            while more := os.read(fd, 1000):
                seen += more
        except OSError:
            pass
        os.close(fd)
        assert b"secret" not in seen, seen
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen
    code, seen = talk(b"secret\n", b"secret2\n")
    assert code == 1 and b"not the same" in seen and store.run("user", "list") == "", (code, seen)
    code, seen = talk(b"secret\n", b"secret\n")
    assert code == 0, (code, seen)
    store.start()
    store.log_in("alice@example.org", "secret").logout()


def test_wrong_configuration(store):
    """Each with its file, its line, and what was expected; nothing is started or made."""
    good = store.config.read_text()
    for text, line, expected in (("loops = many\n", 1, "a number from 0 to 64"), ("\nfrob = 1\n", 2, "no such option 'frob'"),
                                 ("fsync = sometimes\n", 1, "messages or always"), ("listen { port = 99999 }", 1, "to 65535"),
                                 ("frob { x = 1 }\n", 1, "no such option 'frob'")):
        store.write(text + good)
        for words in (("serve",), ("user", "list")):
            said = store.run(*words, code=1)
            assert f"{store.config}:{line}: " in said and expected in said, (text, said)
    store.config.unlink()
    assert "No such file or directory; -c FILE names the configuration" in store.run("user", "list", code=1)
    assert not (store.directory / "store").exists()


def test_cannot_start(store):
    """What an operator finds at three in the morning: one clear line each, and exit code 1."""
    good = store.config.read_text()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        store.write(good + f"listen {{ port = {taken.getsockname()[1]} }}\n")
        assert "Address already in use; another program listens there" in store.run("serve", code=1)
    certificates = store.directory / "certificates"
    store.write(good + f'certificates = "{certificates}"\n')
    nothing = f"{certificates}: no certificate in this directory can be used; a PEM file with"
    assert nothing in (got := store.run("serve", code=1)) and "No such file or directory" in got, got
    certificates.mkdir()
    assert nothing in (got := store.run("serve", code=1)) and "there is no certificate with its key in it" in got, got
    (certificates / "bad.pem").write_text("no certificate\n")
    assert nothing in (got := store.run("serve", code=1)) and "file=bad.pem" in got and got.count("\n") == 3, got
    store.write(good.replace("/store", "/a/b/store"))
    assert "the directory above it is not" in store.run("serve", code=1)
    store.write(good.replace("/store", "/roost.conf"))
    assert "Not a directory" in store.run("serve", code=1)
    store.write("".join(l for l in good.splitlines(True) if not l.startswith("listen")))
    assert "no listen section" in store.run("serve", code=1)
    store.write(good)
    store.run("user", "list")
    (store.directory / "store/directory.db").write_bytes(b"this is no database" * 1000)
    assert "directory.db" in store.run("serve", code=1)


if __name__ == "__main__":
    run_with_stores(globals(), __doc__)
