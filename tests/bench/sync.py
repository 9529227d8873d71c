#!/usr/bin/env python3
"""How soon other devices hear, and what coming back costs: sync.py [--quick] SERVER:IMAP_PORT...

push      500 sessions idle, five on each of 100 accounts; a sixth changes something.  From its tagged OK to the untagged
          response in each of the others, of STORE, APPEND and EXPUNGE; one that hears before the OK is read counts as 0.
catch-up  SELECT (QRESYNC ...) after ten changes, on mailboxes of 1,000 to 1,000,000 messages: milliseconds as the client has
          them, beside a NOOP's on the same connection, and octets of the answer.

The servers do the same in turns, in one run.  Times include this script's own.  Dovecot takes an inotify instance for each
idling session and looks every 30 s without one: raise fs.inotify.max_user_instances above 500 first, or be patient.
"""
import argparse, random, re, selectors, statistics, sys, pathlib, time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "clients"))
from response import Client

ACCOUNTS, IDLERS, CHANGES = 100, 5, 10
MESSAGE = b"From: a@example.org\r\nTo: b@example.org\r\nSubject: sync\r\n\r\n" + b"x" * 1000 + b"\r\n"


def append(client, mailbox, flags=""):
    client.do(b"APPEND %s (%s) {%d+}\r\n%s" % (mailbox.encode(), flags.encode(), len(MESSAGE), MESSAGE))


class Crowd:
    def __init__(self, port):
        self.actors, self.idlers = [], []
        for n in range(1, ACCOUNTS + 1):
            actor = Client(port).login(f"user{n}")
            append(actor, "INBOX")
            actor.do("SELECT INBOX")
            self.actors.append(actor)
            self.idlers.append([self.idle(port, n) for _ in range(IDLERS)])

    @staticmethod
    def idle(port, n):
        client = Client(port).login(f"user{n}")
        client.do("SELECT INBOX")
        client.send("IDLE")
        while not client.line().startswith(b"+"):
            pass
        return client.socket

    def round(self, n, command):
        """Sends it on account n; the delays of its idlers in seconds."""
        actor = self.actors[n].socket
        with selectors.DefaultSelector() as wait:
            for s in [actor] + self.idlers[n]:
                wait.register(s, selectors.EVENT_READ)
            actor.sendall(b"t1 " + command + b"\r\n")
            heard, ok, answer = {}, None, b""
            while ok is None or len(heard) < IDLERS:
                events = wait.select(90)
                now = time.perf_counter()
                assert events, f"{command!r}: {len(heard)} heard, OK {ok}"
                for key, _ in events:
                    data = key.fileobj.recv(65536)
                    if key.fileobj is not actor:
                        heard.setdefault(key.fileobj, now)
                        continue
                    answer += data
                    if b"\r\nt1 " in b"\r\n" + answer:
                        assert b"t1 OK" in answer, answer
                        ok = now
        return [max(0.0, t - ok) for t in heard.values()]

    def drain(self, n):
        """What is told in more than one piece."""
        for s in self.idlers[n]:
            s.setblocking(False)
            try:
                while s.recv(65536):
                    pass
            except BlockingIOError:
                pass
            s.setblocking(True)


def push(servers, rounds):
    commands = {"STORE +FLAGS": b"STORE 1 +FLAGS.SILENT (k%d)", "APPEND": b"APPEND INBOX {%d+}\r\n" % len(MESSAGE) + MESSAGE,
                "EXPUNGE": None}
    crowds = {name: Crowd(port) for name, port in servers}
    delays = {(name, what): [] for name in crowds for what in commands}
    rng = random.Random(1)
    for i in range(rounds):
        n = rng.randrange(ACCOUNTS)
        for name, crowd in crowds.items():
            for what, command in commands.items():
                if what == "EXPUNGE":
                    crowd.round(n, b"STORE 1 +FLAGS.SILENT (\\Deleted)")
                    time.sleep(0.6 if name == "dovecot" else 0.02)  # it batches
                    crowd.drain(n)
                    command = b"EXPUNGE"
                delays[name, what] += crowd.round(n, command % i if what.startswith("STORE") else command)
                time.sleep(0.6 if name == "dovecot" else 0.02)
                crowd.drain(n)
    print(f"push to {ACCOUNTS * IDLERS} idling sessions, ms after the OK{'':14}median      99 %     worst")
    for (name, what), times in delays.items():
        times.sort()
        print(f"  {name:10}{what:40}{statistics.median(times) * 1000:8.2f}{times[int(len(times) * 0.99)] * 1000:10.2f}"
              f"{times[-1] * 1000:10.2f}")


def number(answer, code):
    return int(re.search(rb"\[%s (\d+)\]" % code, answer).group(1))


def fill(client, size):
    """By COPY, which doubles."""
    client.do("CREATE bench")
    for _ in range(100):
        append(client, "bench")
    client.do("SELECT bench")
    have = 100
    while have < size:
        n = min(have, size - have)
        client.do(f"COPY 1:{n} bench")
        client.do("NOOP")
        have += n


def timed(client, command):
    """Milliseconds, and octets of the answer."""
    tag = b"q1"
    start = time.perf_counter()
    client.socket.sendall(tag + b" " + command.encode() + b"\r\n")
    answer = b""
    while tag + b" " not in answer or not answer.endswith(b"\r\n"):
        answer += client.socket.recv(1 << 20)
    assert b"q1 OK" in answer, answer[-200:]
    return (time.perf_counter() - start) * 1000, len(answer)


def catch_up(servers, sizes):
    print(f"\nSELECT (QRESYNC ...) after {CHANGES} changes{'':9}messages   median ms   NOOP ms    octets")
    for name, port in servers:
        for k, size in enumerate(sizes if name == "roost" else sizes[:2], 1):
            user, rng = f"user{k}", random.Random(size)
            client = Client(port).login(user)
            fill(client, size)
            answer = b"".join(client.do("SELECT bench (CONDSTORE)")[0])
            validity, modseq = number(answer, b"UIDVALIDITY"), number(answer, b"HIGHESTMODSEQ")
            for _ in range(CHANGES // 2):
                client.do(f"STORE {rng.randrange(1, size - 10)} +FLAGS.SILENT (\\Flagged)")
            for _ in range(CHANGES // 2):
                client.do(f"STORE {rng.randrange(1, size - 10)} +FLAGS.SILENT (\\Deleted)")
            client.do("EXPUNGE")
            times, noops, octets = [], [], 0
            for _ in range(15):
                back = Client(port).login(user)
                back.do("ENABLE QRESYNC")
                ms, octets = timed(back, f"SELECT bench (QRESYNC ({validity} {modseq}))")
                times.append(ms)
                noops.append(timed(back, "NOOP")[0])
                back.socket.close()
            print(f"  {name:38}{size:10}{statistics.median(times):12.2f}{statistics.median(noops):10.2f}{octets:10}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("servers", nargs="+", metavar="SERVER:IMAP_PORT")
    args = parser.parse_args()
    servers = [(s.split(":")[0], int(s.split(":")[1])) for s in args.servers]
    push(servers, 20 if args.quick else 100)
    catch_up(servers, [1000, 10000, 100000] + ([] if args.quick else [1000000]))


if __name__ == "__main__":
    main()
