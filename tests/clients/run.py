#!/usr/bin/env python3
"""Real clients against a real daemon: Python's imaplib, curl, mbsync; and mail byte for byte the same as delivered."""
import argparse, hashlib, imaplib, pathlib, random, shutil, socket, ssl, subprocess, sys, tempfile, time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
from connection import deliver
from daemon import Daemon

imaplib._MAXLINE = 100_000_000

def login(daemon, user, tls=True):
    if tls:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        c = imaplib.IMAP4_SSL("127.0.0.1", daemon.imaps, ssl_context=context)
    else:
        c = imaplib.IMAP4("127.0.0.1", daemon.imap)
    c.login(f"{user}@example.org", "pass")
    return c

def sample_messages(count, seed):
    """Messages of our own making, from a seed; the project's corpus files join where they are."""
    r = random.Random(seed)
    words = "roost barn swallow nest egg feather perch branch wing flight".split()
    out = []
    for n in range(count):
        lines = [f"From: Sender {n} <s{n}@example.net>", "To: user@example.org",
                 f"Subject: {' '.join(r.choices(words, k=4))} {n}", f"Message-ID: <{seed}.{n}@example.net>",
                 f"Date: Tue, 24 Nov 2026 {r.randrange(24):02}:{r.randrange(60):02}:00 +0000", ""]
        lines += [" ".join(r.choices(words, k=r.randint(1, 12))) for _ in range(r.randint(0, 60))]
        out.append("\r\n".join(lines).encode() + b"\r\n")
    out.append(b"Subject: large\r\n\r\n" + b"".join(b"%d large line of a large message\r\n" % n for n in range(40000)))
    corpus = pathlib.Path(__file__).resolve().parents[1] / "corpus"
    for path in sorted(corpus.glob("*.eml")):
        data = path.read_bytes()
        if data and b"\0" not in data:
            out.append(data.replace(b"\r\n", b"\n").replace(b"\r", b"").replace(b"\n", b"\r\n").rstrip(b"\r\n") + b"\r\n")
    return out

def test_round_trip(daemon):
    messages = sample_messages(150, 1)
    for m in messages:
        deliver(daemon.lmtp, "user1@example.org", m)
    c = login(daemon, "user1")
    typ, data = c.select("INBOX")
    assert int(data[0]) == len(messages), data
    for n, m in enumerate(messages, 1):
        typ, data = c.fetch(str(n), "(RFC822.SIZE BODY.PEEK[])")
        body = data[0][1]
        assert body.endswith(m), f"message {n} is not what was delivered: {body[:300]!r}"
        assert f"RFC822.SIZE {len(body)}".encode() in data[0][0] + data[1], data[0][0]
    c.logout()

def test_append_and_flags(daemon):
    a, b = login(daemon, "user2"), login(daemon, "user2", tls=False)
    message = b"Subject: appended\r\n\r\nbody\r\n"
    assert a.append("INBOX", r"(\Flagged $Label)", imaplib.Time2Internaldate(1_600_000_000), message)[0] == "OK"
    a.select("INBOX")
    b.select("INBOX")
    a.store("1", "+FLAGS", r"(\Seen)")
    b.noop()
    typ, data = b.fetch("1", "(FLAGS BODY.PEEK[])")
    head, body = next(d for d in data if isinstance(d, tuple))  # an update from NOOP may stand before it
    assert body == message, data
    flags = head + data[-1]
    for flag in (rb"\Seen", rb"\Flagged", b"$Label"):
        assert flag in flags, (flag, data)
    assert a.search(None, "SUBJECT", "appended")[1] == [b"1"]
    a.store("1", "+FLAGS", r"(\Deleted)")
    assert a.expunge()[1] == [b"1"]
    b.noop()
    assert b.search(None, "ALL")[1] == [b""], "expunged elsewhere"
    a.logout(), b.logout()

def test_curl(daemon):
    deliver(daemon.lmtp, "user3@example.org", b"Subject: for curl\r\n\r\nhello curl\r\n")
    out = subprocess.run(["curl", "-sS", "-k", "-u", "user3@example.org:pass", "--url",
                          f"imaps://127.0.0.1:{daemon.imaps}/INBOX;MAILINDEX=1"], capture_output=True, check=True).stdout
    assert out.endswith(b"Subject: for curl\r\n\r\nhello curl\r\n"), out
    out = subprocess.run(["curl", "-sS", "-k", "--ssl-reqd", "-u", "user3@example.org:pass", "--url",
                          f"imap://127.0.0.1:{daemon.imap}/"], capture_output=True, check=True).stdout
    assert b"INBOX" in out and b"Trash" in out, out

def test_mbsync(daemon):
    if not shutil.which("mbsync"):
        raise AssertionError("mbsync is not installed: ./dev deps")
    c = login(daemon, "user4")
    for n in range(500):
        c.append("INBOX", None, None, b"Subject: m%d\r\nMessage-ID: <mb%d@example.net>\r\n\r\nbody %d\r\n" % (n, n, n))
    with tempfile.TemporaryDirectory() as home:
        home = pathlib.Path(home)
        (home / "mail").mkdir()
        (home / "rc").write_text(f"""
IMAPStore far
Host 127.0.0.1
Port {daemon.imap}
User user4@example.org
Pass pass
SSLType None
AuthMechs LOGIN

MaildirStore near
Path {home}/mail/
Inbox {home}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns INBOX
Create Both
Expunge Both
SyncState *
""")
        def sync():
            return subprocess.run(["mbsync", "-c", str(home / "rc"), "-a"], capture_output=True, text=True)
        p = sync()
        assert p.returncode == 0, p.stderr
        have = list((home / "mail/INBOX/cur").iterdir()) + list((home / "mail/INBOX/new").iterdir())
        assert len(have) == 500, len(have)
        one = have[0]
        one.rename(home / "mail/INBOX/cur" / (one.name.split(":")[0] + ":2,FS"))
        assert sync().returncode == 0
        c.select("INBOX")
        assert len(c.search(None, "FLAGGED")[1][0].split()) == 1, "a flag set on the near side"
        c.store("10:12", "+FLAGS", r"(\Answered)")
        assert sync().returncode == 0
        assert len([f for f in (home / "mail/INBOX/cur").iterdir() if "R" in f.name.split(":2,")[-1]]) == 3
        before = sorted(f.name for f in (home / "mail/INBOX/cur").iterdir())
        p = sync()
        assert p.returncode == 0 and before == sorted(f.name for f in (home / "mail/INBOX/cur").iterdir())
    c.logout()

def test_push(daemon):
    """An idling session hears of arrivals, flags and expunges within 100 ms."""
    idler = login(daemon, "user5", tls=False)
    idler.select("INBOX")
    sock = idler.socket()
    sock.sendall(b"i1 IDLE\r\n")
    sock.settimeout(5)
    def wait_for(text, act):
        data, start = b"", time.time()
        act()
        acted = time.time()
        while text not in data:
            data += sock.recv(4096)
        assert time.time() - acted < 0.1, f"{text!r} took {time.time() - acted:.3f} s"
    wait_for(b"+ ", lambda: None)
    wait_for(b"1 EXISTS", lambda: deliver(daemon.lmtp, "user5@example.org", b"Subject: push\r\n\r\nx\r\n"))
    other = login(daemon, "user5", tls=False)
    other.select("INBOX")
    wait_for(rb"\Flagged", lambda: other.store("1", "+FLAGS", r"(\Flagged)"))
    wait_for(rb"\Deleted", lambda: other.store("1", "+FLAGS", r"(\Deleted)"))
    wait_for(b"1 EXPUNGE", lambda: other.expunge())
    sock.close()
    other.logout()

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--roost", required=True)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    tests = [(n, f) for n, f in globals().items() if n.startswith("test_") and args.only in n]
    daemon, failed = Daemon(args.roost, users=20), 0
    for name, test in tests:
        try:
            test(daemon)
            print(f"ok {name}", flush=True)
        except Exception as e:
            failed += 1
            print(f"FAILED {name}: {type(e).__name__}: {str(e)[:2000]}", flush=True)
    code = daemon.stop()
    if code != 0:
        failed += 1
        print(f"the daemon ended with {code}")
    print(f"{len(tests) - failed} passed, {failed} failed")
    sys.exit(bool(failed))

if __name__ == "__main__":
    main()
