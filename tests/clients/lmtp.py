#!/usr/bin/env python3
"""LMTP against a real daemon: sizes on both sides of what is kept in memory, many recipients, breaks and refusals."""
import concurrent.futures, imaplib, os, pathlib, random, re, resource, socket, sys, time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / d) for d in ("harness", "clients")]
import runner
from daemon import Daemon

imaplib._MAXLINE = 100_000_000
LIMIT = 8_000_000


class Lmtp:
    def __init__(self, daemon):
        self.socket = socket.create_connection(("127.0.0.1", daemon.lmtp), timeout=60)
        self.file = self.socket.makefile("rb")
        assert self.reply().startswith("220 ")
        self.say("LHLO client.example.net", "250")

    def reply(self):
        while True:
            line = self.file.readline().decode()
            if line[3:4] != "-":
                return line.rstrip("\r\n")

    def say(self, line, code):
        self.socket.sendall(line.encode() + b"\r\n")
        got = self.reply()
        assert got.startswith(code), (line, got)
        return got

    def begin(self, recipients, sender="s@example.net"):
        self.say(f"MAIL FROM:<{sender}>", "250 2.1.0")
        for r in recipients:
            self.say(f"RCPT TO:<{r}>", "250 2.1.5")
        self.say("DATA", "354 ")

    def deliver(self, recipients, message, code="250 2.0.0", cuts=None):
        self.begin(recipients)
        stuffed = re.sub(rb"(?m)^\.", b"..", message)
        assert stuffed.endswith(b"\r\n")
        stuffed += b".\r\n"
        at = 0
        while at < len(stuffed):
            n = cuts.randrange(1, 100_000) if cuts else len(stuffed)
            self.socket.sendall(stuffed[at:at + n])
            at += n
        for r in recipients:
            got = self.reply()
            assert got.startswith(code), (r, got)

    def close(self):
        self.file.close()
        self.socket.close()


def log_in(daemon, user):
    c = imaplib.IMAP4("127.0.0.1", daemon.imap)
    c.login(f"{user}@example.org", "pass")
    c.select("INBOX", readonly=True)
    return c


def fetch(connection, number, item):
    status, data = connection.fetch(str(number), f"({item})")
    assert status == "OK", data
    return data[0][1] if isinstance(data[0], tuple) else data[0]


def count(daemon, user):
    c = log_in(daemon, user)
    status, data = c.status("INBOX", "(MESSAGES)")
    c.logout()
    return int(re.search(rb"MESSAGES (\d+)", data[0]).group(1))


def message(size, seed):
    """A multipart of about `size` octets, with dots at line starts and a Return-Path of another delivery."""
    r = random.Random(seed)
    body = bytearray()
    while len(body) < size:
        body += b"." * r.randrange(0, 3) + bytes(r.choices(b"abcdefghij klmnop", k=r.randrange(0, 76))) + b"\r\n"
    return (b"Return-Path: <old@example.net>\r\n\tfolded\r\nFrom: A <a@example.net>\r\nSubject: %d of %d\r\nMIME-Version: 1.0\r\n"
            b"Content-Type: multipart/mixed; boundary=xx\r\n\r\n--xx\r\n\r\n%s\r\n--xx\r\nContent-Type: text/html\r\n\r\n<p>%d</p>\r\n"
            b"--xx--\r\n" % (seed, size, bytes(body), seed)), bytes(body)


def check_stored(connection, number, user, sent, body, seed):
    whole = fetch(connection, number, "BODY.PEEK[]")
    head = rb"Return-Path: <s@example\.net>\r\nDelivered-To: %s@example\.org\r\nReceived: from client\.example\.net \(\[127\.0\.0\.1\]\)" \
           rb"\r\n\tby \S+ with LMTP id [0-9a-f]+;\r\n\t\w{3}, \d+ \w{3} \d{4} [\d:]{8} \+0000\r\n" % user.encode()
    m = re.match(head, whole)
    assert m, whole[:400]
    rest = sent[sent.index(b"From:"):]
    assert whole[m.end():] == rest, (len(whole), len(rest))
    assert fetch(connection, number, "BODY.PEEK[HEADER]") + fetch(connection, number, "BODY.PEEK[TEXT]") == whole
    assert fetch(connection, number, "BODY.PEEK[1]") == body
    assert fetch(connection, number, "BODY.PEEK[2]") == b"<p>%d</p>" % seed
    assert fetch(connection, number, "BODY.PEEK[2.MIME]") == b"Content-Type: text/html\r\n\r\n"
    size = int(re.search(rb"RFC822.SIZE (\d+)", fetch(connection, number, "RFC822.SIZE")).group(1))
    assert size == len(whole)
    assert b'("A" NIL "a" "example.net")' in fetch(connection, number, "ENVELOPE")


def test_sizes(daemon):
    sizes = [1, 1000, 200_000, 261_000, 262_144, 263_000, 330_000, 700_000, 3_000_000]
    cuts = random.Random(7)
    for n, size in enumerate(sizes, 1):
        text, body = message(size, n)
        client = Lmtp(daemon)
        client.deliver(["user1@example.org"], text, cuts=cuts if n % 2 else None)
        client.close()
        connection = log_in(daemon, "user1")
        check_stored(connection, n, "user1", text, body, n)
        connection.logout()


def test_many_recipients(daemon):
    users = [f"user{n}" for n in range(2, 52)]
    for n, size in enumerate((2_000, 1_500_000), 1):
        text, body = message(size, n)
        client = Lmtp(daemon)
        client.deliver([f"{u}@example.org" for u in users], text)
        client.say("NOOP", "250 2.0.0")
        client.close()
        for user in (users if n == 1 else users[::10]):
            connection = log_in(daemon, user)
            check_stored(connection, n, user, text, body, n)
            connection.logout()


def test_chunks(daemon):
    """The same by BDAT, in chunks of any size, all in one go: nothing is unstuffed, and nothing is read as a command."""
    cuts = random.Random(11)
    for n, size in enumerate((1, 5_000, 400_000, 1_500_000), 1):
        text, body = message(size, n)
        client = Lmtp(daemon)
        client.say("MAIL FROM:<s@example.net>", "250")
        client.say("RCPT TO:<user69@example.org>", "250")
        at, stream, chunks = 0, b"", 0
        while at < len(text):
            length = cuts.randrange(0, max(2, len(text) // 5))
            piece = text[at:at + length]
            at += length
            stream += b"BDAT %d%s\r\n%s" % (len(piece), b" LAST" if at >= len(text) else b"", piece)
            chunks += 1
        client.socket.sendall(stream + b"NOOP\r\n")
        for _ in range(chunks - 1):
            assert client.reply() == "250 2.0.0 The chunk is here"
        assert client.reply() == "250 2.0.0 Delivered"
        assert client.reply() == "250 2.0.0 OK"
        client.close()
        connection = log_in(daemon, "user69")
        check_stored(connection, n, "user69", text, body, n)
        connection.logout()
    client = Lmtp(daemon)  # too large: told at once, and for each recipient at the end
    client.say("MAIL FROM:<s@example.net>", "250")
    client.say("RCPT TO:<user69@example.org>", "250")
    client.socket.sendall(b"BDAT %d\r\n%s" % (LIMIT + 1, b"x" * (LIMIT + 1)))
    assert client.reply().startswith("552 5.3.4")
    client.socket.sendall(b"BDAT 0 LAST\r\n")
    assert client.reply().startswith("552 5.3.4")
    client.say("NOOP", "250")
    client.close()
    assert count(daemon, "user69") == 4


def test_duplicates(roost):
    """By option the same bytes are delivered once within the time: also when two come at the same moment, and after a crash."""
    daemon = Daemon(roost, users=3, extra="duplicates_s = 3600\n")
    text, _ = message(3_000, 1)
    other, _ = message(3_000, 2)
    client = Lmtp(daemon)
    client.deliver(["user1@example.org", "user2@example.org"], text, "250 2.0.0 Delivered")
    client.deliver(["user1@example.org", "user2@example.org", "user3@example.org"], other, "250 2.0.0 Delivered")
    client.deliver(["user1@example.org", "user2@example.org"], text, "250 2.0.0 It had been delivered before")
    client.deliver(["user3@example.org"], text, "250 2.0.0 Delivered")
    client.close()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        third, _ = message(40_000, 3)
        def one(_):
            c = Lmtp(daemon)
            c.deliver(["user1@example.org"], third)
            c.close()
        list(pool.map(one, range(8)))
    daemon.kill()
    daemon.start()
    client = Lmtp(daemon)
    client.deliver(["user1@example.org"], third, "250 2.0.0 It had been delivered before")
    client.close()
    assert [count(daemon, f"user{n}") for n in (1, 2, 3)] == [3, 2, 2]
    assert daemon.stop() == 0


def descriptors(daemon):
    """What the daemon has open; a descriptor may be closed between being listed and being read."""
    found = []
    for fd in os.listdir(f"/proc/{daemon.pid}/fd"):
        try:
            found.append(os.readlink(f"/proc/{daemon.pid}/fd/{fd}"))
        except FileNotFoundError:
            continue
    return sorted(found)


def test_breaks(daemon):
    """A client that goes away in the middle, before and after the spool has become a file: nothing is left."""
    before = count(daemon, "user60")
    for size in (10, 100_000, 2_000_000):
        client = Lmtp(daemon)
        client.begin(["user60@example.org", "user61@example.org"])
        client.socket.sendall(b"Subject: broken\r\n\r\n" + b"x" * 70 + b"\r\n" * (size // 2) + b"\r\n.\r")
        time.sleep(0.1)
        client.close()
    deadline = time.monotonic() + 10
    while any("(deleted)" in d for d in descriptors(daemon)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [d for d in descriptors(daemon) if "(deleted)" in d], descriptors(daemon)
    assert count(daemon, "user60") == before


def test_refusals(daemon):
    client = Lmtp(daemon)
    client.deliver(["user62@example.org", "user62@example.org"], b"Subject: n\r\n\r\na\0b\r\n", code="554 5.6.0")
    client.deliver(["user62@example.org"], b"Subject: n\r\n\r\n" + b"x" * 998 + b"\r\n" + b"a\0b\r\n" * 200_000, code="554 5.6.0")
    client.deliver(["user62@example.org", "user63@example.org"], b"y" * 98 + b"\r\n" * (LIMIT // 2), code="552 5.3.4")
    client.deliver(["user62@example.org"], b"Subject: kept\r\n\r\n" + b"z\n" * 10 + b"\r\n")
    client.deliver(["user62+detail@example.org"], b"Subject: with detail\r\n\r\n")
    client.close()
    connection = log_in(daemon, "user62")
    assert fetch(connection, 1, "BODY.PEEK[TEXT]") == b"z\r\n" * 10 + b"\r\n"
    assert fetch(connection, 2, "BODY.PEEK[HEADER.FIELDS (SUBJECT DELIVERED-TO)]") == \
        b"Delivered-To: user62@example.org\r\nSubject: with detail\r\n\r\n"
    status, data = connection.search(None, "ALL")
    assert data == [b"1 2"], data
    connection.logout()


def test_full_disk(daemon):
    """No file may grow over 1 MiB, as on a disk without space: 452, nothing is there, and with space again it is."""
    text, _ = message(2_000_000, 1)
    client = Lmtp(daemon)
    old = resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
    client.deliver(["user64@example.org", "user65@example.org"], text, code="452 4.3.1")
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, old)
    assert count(daemon, "user64") == 0
    client.deliver(["user64@example.org", "user65@example.org"], text)
    client.close()
    assert count(daemon, "user64") == count(daemon, "user65") == 1


def test_parallel(daemon):
    """Several clients at once for the same people: each message once for each."""
    def one(n):
        client = Lmtp(daemon)
        for size in (500, 300_000):
            client.deliver(["user66@example.org", "user67@example.org", "user68@example.org"], message(size, n)[0])
        client.close()

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(one, range(12)))
    for user in ("user66", "user67", "user68"):
        assert count(daemon, user) == 24, count(daemon, user)


def test_bad_commands(daemon):
    client = Lmtp(daemon)
    client.say("X" * 5000, "500 5.5.2")
    client.say("MAIL FROM:<" + "x" * 2000 + "@example.net>", "501 5.1.7")
    client.say("MAIL FROM:<a@example.net> AUTH=<>", "555 5.5.4")
    client.say("EHLO x", "500 5.5.1")
    client.say("DATA", "503 5.5.1")
    client.say("MAIL FROM:<a@example.net>", "250")
    client.say("RCPT TO:<\"user62\"@example.org>", "250")
    client.say("RCPT TO:<user62>", "550 5.1.1")
    client.say("RSET", "250")
    client.say("RCPT TO:<user62@example.org>", "503 5.5.1")
    for _ in range(43):
        client.say("BOGUS", "500 5.5.1")
    client.socket.sendall(b"BOGUS\r\nNOOP\r\n")
    assert client.reply().startswith("500 ") and client.reply().startswith("421 4.7.0")
    assert client.file.readline() == b""
    client.close()


def main():
    args = runner.arguments(__doc__)
    daemon = Daemon(args.roost, users=70, extra=f"message_bytes_max = {LIMIT}\n")

    def call(test, _):
        test(args.roost if runner.wants(test, "roost") else daemon)
        assert daemon.alive(), daemon.log_tail()

    failed = runner.run(globals(), args, call)
    return daemon.stop() or failed


if __name__ == "__main__":
    sys.exit(bool(main()))
