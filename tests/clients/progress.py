#!/usr/bin/env python3
"""A search that takes long: it tells how far it is (RFC 9585), others are served meanwhile, and it ends with its client; and
who stands back while others wait."""
import pathlib, re, sys, time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / d) for d in ("harness", "clients")]
import runner
from daemon import Daemon
from plumbing import Client, append

MESSAGES, KEYS = 20000, 400
LINE = re.compile(rb'\* OK \[INPROGRESS \((\S+) (\d+) (\d+)\)\] [^\r\n]+\r\n')


def check(what, ok, seen=""):
    assert ok, f"not so: {what}: {seen}"


def command(c, text):
    c.send(b"x " + text + b"\r\n")
    got = c.until(b"x OK")
    c.until(b"\r\n")
    return got


def long_search(c, tag):
    """Every key reads every message: minutes of work."""
    c.send(tag + b" SEARCH " + b" ".join(b"NOT TEXT nowhere%d" % k for k in range(KEYS)) + b"\r\n")


def session(daemon, user=b"user1"):
    c = Client(daemon.imap).log_in(user)
    command(c, b"SELECT INBOX")
    return c


def fill(daemon, messages=MESSAGES, user=b"user1"):
    c = Client(daemon.imap).log_in(user)
    for n in range(50):
        append(c, b"INBOX", b"Subject: %d\r\n\r\nA few words, %d of them.\r\n" % (n, n), 1)
    command(c, b"SELECT INBOX")
    have = 50
    while have < messages:
        command(c, b"COPY 1:%d INBOX" % min(have, messages - have))
        have += min(have, messages - have)
    command(c, b"LOGOUT")


def test_tells(daemon):
    c = session(daemon)
    begun = time.monotonic()
    long_search(c, b"tag1")
    seen, times = [], []
    while len(seen) < 3:
        m = LINE.fullmatch(c.until(b"\r\n"))
        check("a line of progress", m is not None)
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


def test_hides_brackets(daemon):
    c = session(daemon)
    long_search(c, b"t]g")
    m = LINE.fullmatch(c.until(b"\r\n"))
    check("a tag with a bracket is not told", m is not None and m[1] == b"NIL")
    c.socket.close()


def test_ends_with_its_client(daemon):
    searches = [session(daemon) for _ in range(3)]
    for n, c in enumerate(searches):
        long_search(c, b"t%d" % n)
    time.sleep(0.5)
    before, end = daemon.cpu_s(), time.monotonic() + 20  # others may want the processor, too
    while daemon.cpu_s() - before <= 0.05 and time.monotonic() < end:
        time.sleep(0.2)
    check("it works", daemon.cpu_s() - before > 0.05, daemon.cpu_s() - before)
    for c in searches:
        c.socket.close()
    time.sleep(4)  # a client may end its side and go on reading: it is asked first whether it is there
    before = daemon.cpu_s()
    time.sleep(1)
    check("and stops when its client goes away", daemon.cpu_s() - before < 0.05, daemon.cpu_s() - before)


def refused(c, text):
    """The status of a command; the connection stays in step."""
    c.send(b"y " + text + b"\r\n")
    line = c.until(b"\r\n")
    while not line.startswith(b"y "):
        line = c.until(b"\r\n")
    return line


def test_background_yields(roost):
    """With one worker, and others who wait for it, who says in ID that it only fills in or indexes stands back."""
    daemon = Daemon(roost, users=4, extra="workers = 1\nbackground_yield_at = 1\n")
    try:
        for n in (1, 2, 3):
            fill(daemon, MESSAGES // 10, b"user%d" % n)
        patient = {event: Client(daemon.imap).log_in(b"user4") for event in (b"back-fill", b"indexer", b"user")}
        for event, c in patient.items():
            command(c, b'ID ("name" "x" "event" "%s")' % event)
            check("while nobody waits %s is served" % event.decode(), refused(c, b"STATUS INBOX (MESSAGES)").startswith(b"y OK"))
        busy = [session(daemon, b"user%d" % n) for n in (1, 2, 3)]
        for c in busy:
            long_search(c, b"l")
        time.sleep(1)
        for event, c in patient.items():
            lines = [refused(c, b"STATUS INBOX (MESSAGES)") for _ in range(20)]
            expected = b"y OK" if event == b"user" else b"y NO [UNAVAILABLE] "
            # Between two turns nobody may happen to wait.
            check("under load %s is answered %s" % (event.decode(), expected.decode()),
                  sum(line.startswith(expected) for line in lines) >= (20 if event == b"user" else 15), lines)
        check("what costs nothing is not refused", all(refused(patient[b"indexer"], b"NOOP").startswith(b"y OK") for _ in range(5)))
        for c in busy:
            c.socket.close()
        end = time.monotonic() + 30
        while not (line := refused(patient[b"back-fill"], b"STATUS INBOX (MESSAGES)")).startswith(b"y OK") and time.monotonic() < end:
            time.sleep(0.2)
        check("and served when the load is gone", line.startswith(b"y OK"), line)
    finally:
        code = daemon.stop()
    check("it ends well", code == 0, code)


def main():
    args = runner.arguments(__doc__)
    daemon = Daemon(args.roost, users=1, extra="progress_s = 1\n")
    fill(daemon)
    failed = runner.run(globals(), args, lambda test, _: test(args.roost if runner.wants(test, "roost") else daemon))
    return daemon.stop() or failed


if __name__ == "__main__":
    sys.exit(bool(main()))
