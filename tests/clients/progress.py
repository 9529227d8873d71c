#!/usr/bin/env python3
"""A search that takes long: it tells how far it is (RFC 9585), others are served meanwhile, and it ends with its client."""
import argparse, os, pathlib, re, sys, time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / d) for d in ("harness", "clients")]
from daemon import Daemon
from plumbing import Client, append

MESSAGES, KEYS = 20000, 400
LINE = re.compile(rb'\* OK \[INPROGRESS \((\S+) (\d+) (\d+)\)\] [^\r\n]+\r\n')
FAILED = []


def check(what, ok, seen=""):
    print(("ok   " if ok else "FAIL ") + what + (f": {seen}" if seen and not ok else ""), flush=True)
    FAILED.extend([what] if not ok else [])


def command(c, text):
    c.send(b"x " + text + b"\r\n")
    got = c.until(b"x OK")
    c.until(b"\r\n")
    return got


def long_search(c, tag):
    """Every key reads every message: minutes of work."""
    c.send(tag + b" SEARCH " + b" ".join(b"NOT TEXT nowhere%d" % k for k in range(KEYS)) + b"\r\n")


def session(daemon):
    c = Client(daemon.imap).log_in(b"user1")
    command(c, b"SELECT INBOX")
    return c


def fill(daemon):
    c = Client(daemon.imap).log_in(b"user1")
    for n in range(50):
        append(c, b"INBOX", b"Subject: %d\r\n\r\nA few words, %d of them.\r\n" % (n, n), 1)
    command(c, b"SELECT INBOX")
    have = 50
    while have < MESSAGES:
        command(c, b"COPY 1:%d INBOX" % min(have, MESSAGES - have))
        have += min(have, MESSAGES - have)
    command(c, b"LOGOUT")


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def tells(daemon):
    c = session(daemon)
    begun = time.monotonic()
    long_search(c, b"tag1")
    seen, times = [], []
    while len(seen) < 3:
        m = LINE.fullmatch(c.until(b"\r\n"))
        check("a line of progress", m is not None)
        if not m:
            return
        seen.append((m[1], int(m[2]), int(m[3])))
        times.append(time.monotonic() - begun)
    check("with the tag", all(s[0] == b'"tag1"' for s in seen), seen)
    check("with the number of messages", all(s[2] == MESSAGES and s[1] < MESSAGES for s in seen), seen)
    check("which ascends", seen[0][1] <= seen[1][1] <= seen[2][1] and seen[0][1] < seen[2][1], seen)
    check("not before its time", times[0] > 0.9 and times[2] > 2.9, times)
    other = session(daemon)
    waits = []
    for _ in range(20):
        at = time.monotonic()
        command(other, b"NOOP")
        waits.append(time.monotonic() - at)
    check("others are served", sorted(waits)[10] < 0.2, waits)
    c.socket.close()
    other.socket.close()


def hides_brackets(daemon):
    c = session(daemon)
    long_search(c, b"t]g")
    m = LINE.fullmatch(c.until(b"\r\n"))
    check("a tag with a bracket is not told", m is not None and m[1] == b"NIL")
    c.socket.close()


def ends_with_its_client(daemon):
    searches = [session(daemon) for _ in range(3)]
    for n, c in enumerate(searches):
        long_search(c, b"t%d" % n)
    time.sleep(0.5)
    before = cpu_s(daemon.pid)
    time.sleep(0.5)
    check("it works", cpu_s(daemon.pid) - before > 0.05, cpu_s(daemon.pid) - before)
    for c in searches:
        c.socket.close()
    time.sleep(4)  # a client may end its side and go on reading: it is asked first whether it is there
    before = cpu_s(daemon.pid)
    time.sleep(1)
    check("and stops when its client goes away", cpu_s(daemon.pid) - before < 0.05, cpu_s(daemon.pid) - before)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--roost", required=True)
    args = parser.parse_args()
    daemon = Daemon(args.roost, users=1, extra="progress_s = 1\n")
    try:
        fill(daemon)
        tells(daemon)
        hides_brackets(daemon)
        ends_with_its_client(daemon)
    finally:
        code = daemon.stop()
    sys.exit(bool(FAILED) or code != 0)


if __name__ == "__main__":
    main()
