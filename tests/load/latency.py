#!/usr/bin/env python3
"""How long others wait, and how soon they hear.

NOOP of one session while another of the same account has the whole of a large mailbox fetched and searched: under 20 ms
for 99 of 100.  A change that one session makes, until an idling one has it on the wire: no timer stands in that path.
"""
import argparse, pathlib, select, sys, threading, time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / d) for d in ("harness", "clients")]
from daemon import Daemon
from plumbing import Client, append

LIMIT_MS = 20
SMALL = b"From: a@example.net\r\nTo: b@example.org\r\nSubject: small\r\nDate: Mon, 7 Feb 1994 21:52:25 -0800\r\n\r\nA few words.\r\n"


def percentiles(name, seconds):
    ordered = sorted(seconds)
    pick = lambda p: ordered[min(len(ordered) - 1, int(len(ordered) * p))] * 1e3
    print(f"{name}: median {pick(.5):.3f} ms, 99 % {pick(.99):.3f} ms, most {ordered[-1] * 1e3:.3f} ms ({len(ordered)})",
          flush=True)
    return pick(.5), pick(.99)


def command(c, text):
    c.send(b"x " + text + b"\r\n")
    got = c.until(b"x OK")
    c.until(b"\r\n")
    return got


def fill(c, messages):
    append(c, b"INBOX", SMALL, 100)
    command(c, b"SELECT INBOX")
    have = 100
    while have < messages:
        command(c, b"COPY 1:%d INBOX" % min(have, messages - have))
        have += min(have, messages - have)
        command(c, b"NOOP")


def work(daemon, stop, text):
    """Runs a command again and again, and throws its answer away."""
    c = Client(daemon.imap).log_in(b"user1")
    command(c, b"SELECT INBOX")
    while not stop.is_set():
        c.send(b"x " + text + b"\r\n")
        tail = b""
        while b"x OK" not in tail:
            tail = tail[-200:] + c.socket.recv(1 << 20)
    c.socket.close()


def noop_beside(daemon, text, seconds):
    stop, waits = threading.Event(), []
    worker = threading.Thread(target=work, args=(daemon, stop, text))
    c = Client(daemon.imap).log_in(b"user1")
    command(c, b"SELECT INBOX")
    worker.start()
    time.sleep(0.3)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        start = time.perf_counter()
        command(c, b"NOOP")
        waits.append(time.perf_counter() - start)
        time.sleep(0.002)
    stop.set()
    worker.join()
    c.socket.close()
    return percentiles(f"NOOP beside {text.decode()}", waits)[1]


def push(daemon, rounds):
    """From the OK the writer gets (sent after the commit, like the wake-up) to the bytes the idler gets; and in all."""
    writer, idler = Client(daemon.imap).log_in(b"user2"), Client(daemon.imap).log_in(b"user2")
    append(writer, b"INBOX", SMALL, 10)
    command(writer, b"SELECT INBOX")
    command(idler, b"SELECT INBOX")
    idler.send(b"i IDLE\r\n")
    idler.until(b"+ ")
    idler.until(b"\r\n")
    after, whole = [], []
    for i in range(rounds):
        sign = b"+" if i % 2 == 0 else b"-"
        start = time.perf_counter()
        writer.send(b"x STORE 5 %sFLAGS.SILENT (\\Flagged)\r\n" % sign)
        seen, left = {}, [writer.socket, idler.socket]
        while left:
            for s in select.select(left, [], [], 5)[0]:
                seen[s] = time.perf_counter()
                s.recv(4096)
                left.remove(s)
        after.append(max(0, seen[idler.socket] - seen[writer.socket]))
        whole.append(seen[idler.socket] - start)
    percentiles("push, after the writer's OK", after)
    percentiles("push, from the STORE", whole)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--roost", required=True)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=4)
    args = parser.parse_args()
    daemon = Daemon(args.roost, users=2)
    fill(Client(daemon.imap).log_in(b"user1"), args.messages)
    push(daemon, 300)
    failed = False
    for text in (b"FETCH 1:* (FLAGS)", b"FETCH 1:* (ENVELOPE BODY.PEEK[])", b"SEARCH TEXT nowhere",
                 b"STORE 1:* +FLAGS.SILENT (\\Seen)"):
        # Of three tries the first good one counts: the machine may be busy with something else.
        if not any(noop_beside(daemon, text, args.seconds) < LIMIT_MS for _ in range(3)):
            print(f"FAILED: beside {text.decode()} more than 1 of 100 waits {LIMIT_MS} ms")
            failed = True
    sys.exit(daemon.stop() != 0 or failed)


if __name__ == "__main__":
    main()
