#!/usr/bin/env python3
"""SORT and THREAD from what was kept against the same made anew, while the mailbox changes.

Each program is asked as it is, which may be answered from what is kept, or from that with a few messages taken out and put
in; and with sequence numbers beside it, which finds the same and is never kept.  Some sessions are told of changes late.
"""
import argparse, pathlib, random, re, sys, time

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "clients"), str(HERE.parent / "harness")]
from daemon import Daemon  # noqa: E402 (the path is set above)
from response import Client  # noqa: E402

PROGRAMS = ("ALL", "UNDELETED", "UNSEEN", "KEYWORD todo", "SUBJECT nest", "NOT FROM ada", "OR FLAGGED SUBJECT egg", "UID 3:*",
            "LARGER 330", "UID 1:40 UNDELETED", "BODY chirp", "NOT (DELETED SEEN)", "SENTSINCE 3-Jan-2024")
KEYS = ("DATE", "REVERSE DATE", "ARRIVAL", "REVERSE ARRIVAL", "SUBJECT", "REVERSE SUBJECT DATE", "FROM SIZE", "DISPLAYFROM",
        "REVERSE SIZE", "TO REVERSE DATE", "CC ARRIVAL", "DISPLAYTO SUBJECT")
THREADS = ("REFERENCES", "REFS", "ORDEREDSUBJECT")


class Box:
    def __init__(self, daemon, seed):
        self.port, self.rng, self.ids, self.asked, self.failed = daemon.imap, random.Random(seed), [], 0, None
        self.writer = self.connect()
        self.reader = self.connect()

    def connect(self):
        client = Client(self.port).login("user1")
        client.do("SELECT INBOX")
        return client

    # ---- what happens to the mailbox ----

    def append(self, count):
        parts, rng = [], self.rng
        for _ in range(count):
            own, name = f"<{rng.getrandbits(60):x}@example.org>", rng.choice(("ada", "bea", "cleo", "dora"))
            head = [f"From: {name.title()} <{name}@example.org>", f"To: {rng.choice(('zoe', 'yvo'))}@example.org",
                    f"Subject: {rng.choice(('', 'Re: '))}{rng.choice(('nest', 'egg', 'twig', ''))} {rng.randrange(9)}",
                    f"Message-ID: {own}"]
            if rng.random() < .8:
                head.append(f"Date: {rng.randrange(1, 9)} Jan 2024 {rng.randrange(24):02}:00:00 +0000")
            if rng.random() < .3:
                head.append(f"Cc: {rng.choice('klm')}@example.org")
            if self.ids and rng.random() < .5:
                head.append("References: " + " ".join(rng.sample(self.ids, min(3, len(self.ids)))))
            self.ids = self.ids[-200:] + [own]
            raw = ("\r\n".join(head) + "\r\n\r\n" + rng.choice(("chirp", "peep")) * rng.randrange(1, 9) + "\r\n").encode()
            date = f'"{rng.randrange(10, 28)}-Jan-2024 10:00:{rng.randrange(60):02} +0000"'
            parts.append(date.encode() + b" {%d+}\r\n" % len(raw) + raw)
        self.writer.do(b"APPEND INBOX " + b" ".join(parts))

    def some(self):
        uids = [int(n) for line in self.writer.do("UID SEARCH ALL")[0] for n in line.split()[2:] if line.startswith(b"* SEARCH")]
        return ",".join(map(str, self.rng.sample(uids, min(len(uids), self.rng.choice((1, 1, 2, 5))))))

    def change(self):
        what, some = self.rng.randrange(8), self.some()
        if what < 2 or not some:
            self.append(self.rng.choice((1, 1, 2, 7)))
        elif what < 5:
            flag = self.rng.choice(("\\Seen", "\\Deleted", "\\Flagged", "todo"))
            self.writer.do(f"UID STORE {some} {self.rng.choice('+-')}FLAGS.SILENT ({flag})")
        elif what == 5:
            self.writer.do(f"UID STORE {some} +FLAGS.SILENT (\\Deleted)")
            self.writer.do(f"UID EXPUNGE {some}")
        elif what == 6:
            self.writer.do(f"UID COPY {some} INBOX")
        elif self.rng.random() < .1:
            self.append(300)  # more than is mended

    # ---- asking ----

    def ask(self, client, command):
        out = [line for line in client.do(command)[0] if re.match(rb"\* (SORT|THREAD|ESEARCH)", line)]
        return [re.sub(rb'\(TAG "[^"]*"\)', b"", line) for line in out]

    def compare(self, client, before, after):
        self.asked += 1
        got, want = self.ask(client, before + after), self.ask(client, f"{before}1:* {after}")
        if got != want:
            self.failed = self.failed or (before + after, got, want)

    def check(self):
        rng = self.rng
        program = rng.choice(PROGRAMS)
        client = self.connect() if rng.random() < .5 else self.reader
        if rng.random() < .3:
            client.do("NOOP")
        elif not client.do("UID SEARCH ALL")[0][0].split()[2:]:
            client.do("NOOP")  # "1:*" is an error in an empty mailbox
        uid = rng.choice(("UID ", "UID ", ""))
        if rng.random() < .25:
            self.compare(client, f"{uid}THREAD {rng.choice(THREADS)} UTF-8 ", program)
        else:
            a, b = rng.randrange(1, 30), rng.randrange(1, 30)
            returns = rng.choice(("", "", f"RETURN (PARTIAL {a}:{b} COUNT) ", f"RETURN (PARTIAL -{a}:-{b}) ",
                                  f"RETURN (MIN MAX PARTIAL {a}:{b}) ", "RETURN (MIN) ", "RETURN (ALL COUNT) ", "RETURN (COUNT) "))
            self.compare(client, f"{uid}SORT {returns}({rng.choice(KEYS)}) UTF-8 ", program)
        if client is not self.reader:
            client.close()


def run(daemon, rounds, seed):
    box = Box(daemon, seed)
    box.append(60)
    start, n = time.time(), 0
    for n in range(rounds):
        for _ in range(box.rng.choice((0, 0, 1, 1, 3))):
            box.change()
        for _ in range(3):
            box.check()
        if n % 97 == 96:
            daemon.kill()
            daemon.start()
            box.port = daemon.imap
            box.writer, box.reader = box.connect(), box.connect()
        if box.failed:
            break
    print(f"{box.asked} answers in {n + 1} rounds, {time.time() - start:.1f} s")
    return box.failed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--roost", required=True)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    daemon = Daemon(args.roost, users=1)
    failed = run(daemon, args.rounds, args.seed)
    code = daemon.stop()
    if failed:
        print("FAILED {}\n got  {}\n want {}".format(*failed))
    sys.exit(bool(failed) or code != 0)


if __name__ == "__main__":
    main()
