"""Two clients on one mailbox: each sees the other's flags, arrivals and expunges at once."""
import statistics, time

from connection import deliver
from response import Client

ROUNDS = 20


class Idler:
    def __init__(self, daemon, user):
        self.client = Client(daemon.imap).login(user)
        self.client.do("SELECT INBOX")
        self.start()

    def start(self):
        self.tag = self.client.send("IDLE")
        assert self.client.line().startswith(b"+ ")

    def wait(self, text):
        """Reads up to the response with `text`; returns the time it came."""
        while text not in self.client.line():
            pass
        return time.monotonic()

    def stop(self):
        self.client.socket.sendall(b"DONE\r\n")
        return self.client.answer(self.tag)


def report(what, times):
    median = statistics.median(times)
    print(f"   push of {what}: median {median * 1000:.1f} ms, worst {max(times) * 1000:.1f} ms")
    assert median < 0.1, f"{what}: {median:.3f} s"  # the worst of them is at the mercy of the machine
    assert max(times) < 5, f"{what}: {max(times):.3f} s"


def test_push(daemon):
    idler, other = Idler(daemon, "user4"), Client(daemon.imap).login("user4")
    other.do("SELECT INBOX")
    arrivals, flags, unflags, expunges = [], [], [], []
    for n in range(1, ROUNDS + 1):
        start = time.monotonic()
        deliver(daemon.lmtp, "user4@example.org", b"Subject: push\r\n\r\nx\r\n")
        arrivals.append(idler.wait(b" EXISTS") - start)
    other.do("NOOP")
    for n in range(1, ROUNDS + 1):
        start = time.monotonic()
        other.do(rf"STORE {n} +FLAGS.SILENT (\Flagged)")
        flags.append(idler.wait(b"* %d FETCH (FLAGS (\\Flagged" % n) - start)
        start = time.monotonic()
        other.do(rf"STORE {n} FLAGS.SILENT (\Deleted)")
        unflags.append(idler.wait(b"* %d FETCH (FLAGS (\\Deleted" % n) - start)
    for n in range(ROUNDS, 0, -1):
        start = time.monotonic()
        other.do(f"UID EXPUNGE {n}")
        expunges.append(idler.wait(b"* %d EXPUNGE" % n) - start)
    idler.stop()
    report("arrivals", arrivals)
    report("flags", flags + unflags)
    report("expunges", expunges)


def test_push_both_ways(daemon):
    """Both idle in turn; what one does, the other hears, and afterwards both agree."""
    a, b = Idler(daemon, "user5"), Idler(daemon, "user5")
    for n in range(1, 6):
        doer, hearer = (a, b) if n % 2 else (b, a)
        doer.stop()
        message = b"Subject: both %d\r\n\r\n" % n
        doer.client.do(b"APPEND INBOX (\\Flagged) {%d+}\r\n%s" % (len(message), message))
        hearer.wait(b"* %d EXISTS" % n)
        doer.client.do(rf"STORE {n} +FLAGS (keyword{n})")
        hearer.wait(b"keyword%d" % n)
        doer.start()
    a.stop()
    b.stop()
    views = []
    for one in (a, b):
        one.client.do("NOOP")
        got = one.client.fetch("1:*", "(UID FLAGS)")
        views.append({n: (v[b"UID"], sorted(f for f in v[b"FLAGS"] if f != rb"\Recent")) for n, v in got.items()})
    assert views[0] == views[1] and len(views[0]) == 5, views
