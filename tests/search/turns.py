#!/usr/bin/env python3
"""A command that takes long does not keep others of the account waiting: another session is answered again and again while
it runs, each time after one slice of it at most.  Counted, not timed: a command in one piece would let it have one answer.
"""
import argparse, pathlib, select, sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "clients"), str(HERE.parent / "harness")]
from daemon import Daemon  # noqa: E402 (the path is set above)
from response import Client  # noqa: E402

COMMANDS = ("SEARCH TEXT nowhere", "SORT (SUBJECT FROM DISPLAYFROM TO DISPLAYTO CC REVERSE DATE) UTF-8 1:* ALL", "THREAD REFERENCES UTF-8 1:* ALL",
            "SORT RETURN (COUNT PARTIAL 1:10) (REVERSE SUBJECT) UTF-8 TEXT chirp")
LONG_S, ANSWERS_MIN = 0.03, 3  # of the processor: half a dozen slices


def fill(client, count):
    for first in range(0, count, 500):
        parts = []
        for n in range(first, first + 500):
            raw = (f"From: p{n % 400}@example.org\r\nSubject: nest {n * 7919 % count}\r\nMessage-ID: <{n}@example.org>\r\n"
                   f"References: <{n // 8 * 8}@example.org> <{n - n % 3}@example.org>\r\n\r\nchirp\r\n").encode()
            parts.append(b"{%d+}\r\n" % len(raw) + raw)
        client.do(b"APPEND INBOX " + b" ".join(parts))


def turns(daemon, asker, other, command):
    """What it took of the processor, and how often the other session was answered meanwhile."""
    start, answers = daemon.cpu_s(), 0
    tag = asker.send(command)
    while not select.select([asker.socket], [], [], 0)[0]:
        other.do("STATUS INBOX (UIDNEXT)")
        answers += 1
    took = daemon.cpu_s() - start
    assert asker.answer(tag)[1].startswith(b"OK"), command
    return took, answers


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--roost", required=True)
    parser.add_argument("--messages", type=int, default=25000)
    args = parser.parse_args()
    daemon = Daemon(args.roost, users=1, extra="fulltext = false\n")
    asker, other = Client(daemon.imap).login("user1"), Client(daemon.imap).login("user1")
    fill(asker, args.messages)
    asker.do("SELECT INBOX")
    failed, long = False, 0
    for command in COMMANDS:
        took, answers = turns(daemon, asker, other, command)
        bad = took > LONG_S and answers < ANSWERS_MIN
        long += took > LONG_S
        failed = failed or bad
        print(f"{'FAILED ' if bad else ''}{command}: {answers} answers in {took * 1000:.0f} ms")
    code = daemon.stop()
    if not long:
        print("FAILED none of them took long: more messages are needed")
    sys.exit(failed or not long or code != 0)


if __name__ == "__main__":
    main()
