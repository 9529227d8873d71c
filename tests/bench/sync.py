#!/usr/bin/env python3
"""How soon other devices hear, and what coming back costs: sync.py [--quick] SERVER:IMAP_PORT:LMTP_PORT[:PID]...

push      500 sessions idle, five on each of 100 accounts, by IDLE and by NOTIFY; a sixth changes something, or a message is
          delivered.  From its tagged OK, or LMTP's 250, to the untagged response in each of the others; one that hears
          before the OK is read counts as 0, one that hears nothing for 3 s as that (Dovecot's
          NOTIFY tells flags with the next message only).
catch-up  SELECT (QRESYNC ...) after ten changes, on mailboxes of 1,000 to 1,000,000 messages: milliseconds as the client has
          them, beside a NOOP's on the same connection, octets of the answer, and milliseconds of processor time of the
          process PID, whatever else it does meanwhile.

The servers do the same in turns, in one run.  Times include this script's own.  Dovecot takes an inotify instance for each
idling session and looks every 30 s without one: raise fs.inotify.max_user_instances above 500 first, or be patient.
"""
import argparse, random, re, selectors, socket, statistics, sys, pathlib, time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "clients"))
from response import Client

ACCOUNTS, CHANGES, PATIENCE_S = 100, 10, 3
HOW = {"IDLE": 3, "NOTIFY selected": 1, "NOTIFY inboxes": 1}  # sessions on each account
MESSAGE = b"From: a@example.org\r\nTo: b@example.org\r\nSubject: sync\r\n\r\n" + b"x" * 1000 + b"\r\n"


def append(client, mailbox, flags=""):
    client.do(b"APPEND %s (%s) {%d+}\r\n%s" % (mailbox.encode(), flags.encode(), len(MESSAGE), MESSAGE))


class Lmtp:
    """Delivers to one user at a time; the connection stays."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 120)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")
        self.reply(b"220")
        self.ask(b"LHLO bench", b"250")

    def reply(self, code):
        line = self.file.readline()
        while line[3:4] == b"-":
            line = self.file.readline()
        assert line.startswith(code), line

    def ask(self, command, code):
        self.socket.sendall(command + b"\r\n")
        self.reply(code)

    def envelope(self, user):
        self.ask(b"MAIL FROM:<a@example.org>", b"250")
        self.ask(b"RCPT TO:<%s@example.org>" % user.encode(), b"250")
        self.ask(b"DATA", b"354")


class Crowd:
    """On each account one that acts, three in IDLE, one that asked NOTIFY for what it has selected, and one that has
    selected nothing and asked for its inbox."""

    def __init__(self, port, lmtp):
        self.actors, self.listeners, self.lmtp = [], [], Lmtp(lmtp)
        for n in range(1, ACCOUNTS + 1):
            actor = Client(port).login(f"user{n}")
            append(actor, "INBOX")
            actor.do("SELECT INBOX")
            self.actors.append(actor.socket)
            self.listeners.append({self.listen(port, n, how): how for how in HOW for _ in range(HOW[how])})

    @staticmethod
    def listen(port, n, how):
        client = Client(port).login(f"user{n}")
        if how != "NOTIFY inboxes":
            client.do("SELECT INBOX")
        if how == "IDLE":
            client.send("IDLE")
            while not client.line().startswith(b"+"):
                pass
        elif how == "NOTIFY selected":
            client.do("NOTIFY SET (SELECTED (MessageNew MessageExpunge FlagChange))")
        else:
            client.do("NOTIFY SET (inboxes (MessageNew MessageExpunge))")
        return client.socket

    def hear(self, n, actor, data, end, deaf=()):
        """Has `actor` send; the delays of those who listen on account n, {how: [seconds]}, from `end` of its answer."""
        waiting = {s: how for s, how in self.listeners[n].items() if how not in deaf}
        delays, heard, ok, answer, until = {}, {}, None, b"", time.monotonic() + PATIENCE_S
        with selectors.DefaultSelector() as wait:
            for s in [actor, *waiting]:
                wait.register(s, selectors.EVENT_READ)
            actor.sendall(data)
            while (ok is None or len(heard) < len(waiting)) and time.monotonic() < until:
                events = wait.select(1)
                now = time.perf_counter()
                for key, _ in events:
                    got = key.fileobj.recv(65536)
                    assert got, "a connection ended"
                    if key.fileobj is not actor:
                        heard.setdefault(key.fileobj, now)
                        continue
                    answer += got
                    if re.search(end, answer):
                        ok = now
        assert ok is not None, answer
        for s, how in waiting.items():
            delays.setdefault(how, []).append(max(0.0, heard[s] - ok) if s in heard else PATIENCE_S)
        return delays

    def command(self, n, command, deaf=()):
        return self.hear(n, self.actors[n], b"t1 " + command + b"\r\n", rb"(^|\n)t1 OK.*\r\n", deaf)

    def deliver(self, n):
        self.lmtp.envelope(f"user{n + 1}")
        return self.hear(n, self.lmtp.socket, MESSAGE + b".\r\n", rb"^250.*\r\n")

    def drain(self, n, name):
        """What is told in more than one piece, or late: Dovecot batches."""
        time.sleep(0.6 if name == "dovecot" else 0.02)
        for s in [self.actors[n], *self.listeners[n]]:
            s.setblocking(False)
            try:
                while s.recv(65536):
                    pass
            except BlockingIOError:
                pass
            s.setblocking(True)


def push(servers, rounds):
    unselected = ("NOTIFY inboxes",)  # hear of no flags
    steps = {
        "STORE": lambda c, n, i: c.command(n, b"STORE 1 +FLAGS.SILENT (k%d)" % i, unselected),
        "APPEND": lambda c, n, i: c.command(n, b"APPEND INBOX {%d+}\r\n" % len(MESSAGE) + MESSAGE),
        "EXPUNGE": lambda c, n, i: c.command(n, b"EXPUNGE"),
        "LMTP": lambda c, n, i: c.deliver(n),
    }
    crowds = {name: Crowd(port, lmtp) for name, port, lmtp, *_ in servers}
    delays = {}
    rng = random.Random(1)
    for i in range(rounds):
        n = rng.randrange(ACCOUNTS)
        for what, step in steps.items():
            for name, crowd in crowds.items():
                if what == "EXPUNGE":
                    crowd.command(n, b"STORE 1 +FLAGS.SILENT (\\Deleted)", tuple(HOW))
                    crowd.drain(n, name)
                for how, times in step(crowd, n, i).items():
                    delays.setdefault((name, how, what), []).extend(times)
                crowd.drain(n, name)
    print(f"push to {ACCOUNTS * sum(HOW.values())} idling sessions, ms after the OK{'':14}median      99 %     worst")
    for (name, how, what), times in sorted(delays.items(), key=lambda d: [list(crowds).index(d[0][0]), d[0][1:]]):
        times.sort()
        print(f"  {name:10}{how:20}{what:20}{statistics.median(times) * 1000:8.2f}{times[int(len(times) * 0.99)] * 1000:10.2f}"
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


def cpu_ms(pid):
    """Of all its threads."""
    return sum(int(t.read_text().split()[0]) for p in pid for t in pathlib.Path(f"/proc/{p}/task").glob("*/schedstat")) / 1e6


def catch_up(servers, sizes):
    print(f"\nSELECT (QRESYNC ...) after {CHANGES} changes{'':9}messages   median ms   NOOP ms  CPU ms    octets")
    for name, port, _, *pid in servers:
        for k, size in enumerate(sizes if name == "roost" else sizes[:3], 1):  # a file a message
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
            times, noops, work, octets = [], [], [], 0
            for _ in range(15):
                back = Client(port).login(user)
                back.do("ENABLE QRESYNC")
                before = cpu_ms(pid)
                ms, octets = timed(back, f"SELECT bench (QRESYNC ({validity} {modseq}))")
                times.append(ms)
                work.append(cpu_ms(pid) - before)
                noops.append(timed(back, "NOOP")[0])
                back.socket.close()
            print(f"  {name:38}{size:10}{statistics.median(times):12.2f}{statistics.median(noops):10.2f}"
                  f"{f'{statistics.median(work):8.2f}' if pid else '       -'}{octets:10}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("servers", nargs="+", metavar="SERVER:IMAP_PORT:LMTP_PORT[:PID]")
    args = parser.parse_args()
    servers = [(name, *map(int, numbers)) for name, *numbers in (s.split(":") for s in args.servers)]
    push(servers, 20 if args.quick else 100)
    catch_up(servers, [1000, 10000, 100000] + ([] if args.quick else [1000000]))


if __name__ == "__main__":
    main()
