#!/usr/bin/env python3
"""What a session costs in memory, whatever the client does.

200 readers ask for a whole mailbox and never read; 200 writers are in the middle of an APPEND of 20 MB.  The bytes the
daemon has allocated (roost stats: memory_bytes) may grow by 2 MB a session at most, by 70 kB where one only waits in
IDLE, over TLS and compressed; and what is measured is reported.
"""
import argparse, json, pathlib, socket, ssl, subprocess, sys, time, zlib

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / d) for d in ("harness", "clients")]
from daemon import Daemon
from compress import Deflated
from plumbing import MESSAGE, Client, append

LIMIT = 2_000_000
IDLE_LIMIT = 70_000
REST_S = 8  # a compressed session comes to rest within (LIMIT_DEFLATE_REST_S, and the machine may be busy)
FLUSHES = {None: "", zlib.Z_SYNC_FLUSH: ", compressed", zlib.Z_PARTIAL_FLUSH: ", compressed and flushed partially"}


def allocated(daemon):
    out = subprocess.run([daemon.roost, "-c", str(daemon.directory / "roost.conf"), "stats", "--json"],
                         capture_output=True, check=True, timeout=60).stdout
    return next(row["value"] for row in json.loads(out) if row["name"] == "memory_bytes")


def settled(daemon, seconds=6):
    """The most that is seen while the daemon works itself full."""
    most, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        most = max(most, allocated(daemon))
        time.sleep(0.2)
    return most


def report(name, before, after, sessions, limit=LIMIT):
    each = (after - before) // sessions
    print(f"{name}: {each} bytes a session ({before} before, {after} with {sessions} sessions)", flush=True)
    return each <= limit


def idle(daemon, sessions, tls, flush=None):
    """With `flush` compressed, and that is how the client flushes."""
    before = allocated(daemon)
    clients = [Deflated(daemon, b"user1", tls, flush=flush) if flush else connect(daemon, tls).log_in(b"user1")
               for _ in range(sessions)]
    for c in clients:
        c.send(b"s SELECT INBOX\r\ni IDLE\r\n")
        c.until(b"+ ")
    if flush:
        time.sleep(REST_S)
    ok = report("idle" + (", TLS" if tls else "") + FLUSHES[flush], before, allocated(daemon), sessions, IDLE_LIMIT)
    for c in clients:
        c.socket.close()
    time.sleep(1)
    return ok


def connect(daemon, tls):
    if not tls:
        return Client(daemon.imap, buffer=4096)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    c = Client(daemon.imaps, buffer=4096)
    c.socket = context.wrap_socket(c.socket)
    return c


def readers(daemon, sessions, tls):
    """All in one account; the mailbox is far larger than all their limits together."""
    before = allocated(daemon)
    clients = [connect(daemon, tls).log_in(b"user1") for _ in range(sessions)]
    for c in clients:
        c.send(b"s SELECT INBOX\r\n")
        c.until(b"s OK")
    for c in clients:
        c.send(b"f FETCH 1:* BODY.PEEK[]\r\n")
    ok = report("readers" + (", TLS" if tls else ""), before, settled(daemon), sessions)
    for c in clients:
        c.socket.close()
    time.sleep(1)
    return ok


def writers(daemon, sessions, size=20_000_000):
    before = allocated(daemon)
    clients = [Client(daemon.imap).log_in(b"user%d" % (2 + i % 20)) for i in range(sessions)]
    for c in clients:
        c.send(b"a APPEND INBOX {%d+}\r\nSubject: long\r\n\r\n" % size)
    block, sent, most = b"x" * 9998 + b"\r\n", 0, 0
    while sent < size // 8:  # the rest would only be more of the same
        for c in clients:
            c.send(block * 50)
        sent += len(block) * 50
        most = max(most, allocated(daemon))
    ok = report("writers", before, max(most, settled(daemon, 2)), sessions)
    for c in clients:
        c.socket.close()
    time.sleep(2)
    return ok


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--roost", required=True)
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--megabytes", type=int, default=150, help="of the mailbox")
    args = parser.parse_args()
    daemon = Daemon(args.roost, users=30)
    if allocated(daemon) < 100_000:
        print("this build's allocator does not count (a sanitizer's); nothing is measured")
        sys.exit(daemon.stop())
    filler = Client(daemon.imap).log_in(b"user1")
    append(filler, b"INBOX", MESSAGE, args.megabytes * 1_000_000 // len(MESSAGE))
    filler.socket.close()
    good = [idle(daemon, args.sessions, False), idle(daemon, args.sessions, True),
            idle(daemon, args.sessions, True, zlib.Z_SYNC_FLUSH), idle(daemon, args.sessions, True, zlib.Z_PARTIAL_FLUSH),
            readers(daemon, args.sessions, False),
            readers(daemon, args.sessions, True), writers(daemon, args.sessions)]
    after = allocated(daemon)
    print(f"afterwards: {after} bytes")
    good.append(daemon.stop() == 0)
    sys.exit(not all(good))


if __name__ == "__main__":
    main()
