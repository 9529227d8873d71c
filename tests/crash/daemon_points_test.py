#!/usr/bin/env python3
"""The daemon dies at each named point of storage/points.h, under a load of IMAP and LMTP that takes it there.  What it
acknowledged is recorded here, outside it, as in kill_test.py; after a new start all of that is there, nothing is half-done, and
`roost check` agrees."""
import argparse, dataclasses, pathlib, random, re, subprocess, sys, threading, time

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / "harness"), str(HERE.parent / "clients")]
from client import HEAVY, MAILBOXES, Load  # noqa: E402 (the path is set above)
from daemon import ROOT, Daemon  # noqa: E402
from kill_test import Account, Verdict, roost_check, verify_client, verify_numbers  # noqa: E402
from response import Client  # noqa: E402

CLIENTS, USERS, PATIENCE_S = 4, 2, 60
SWEPT, FILLED = USERS + 1, USERS + 2  # users that two points need for themselves


class Heavy(Load):
    """Fills its account's log: messages that are nearly too large for the database."""

    def token(self):
        return super().token() + HEAVY

    def choose(self):
        return self.append


class Helper(threading.Thread):
    """Something beside the loads, until the daemon dies."""

    def __init__(self, daemon, seed):
        super().__init__(daemon=True)
        self.server, self.random, self.stopping, self.loads, self.error = daemon, random.Random(seed), False, [], None

    def run(self):
        try:
            while not self.stopping:
                self.act()
        except (EOFError, OSError):
            pass  # the death
        except Exception as e:  # noqa: whatever goes wrong is the test's to report
            self.error = f"{type(self).__name__}: {type(e).__name__} {e}"

    def verify(self, v):
        pass


class Quitter(Helper):
    """Begins messages, and goes away in the middle."""

    def act(self):
        c = Client(self.server.imap).login(f"user{self.random.randint(1, USERS)}")
        c.socket.sendall(b"a APPEND INBOX {500000+}\r\n" + self.random.randbytes(400_000).replace(b"\0", b"\1"))
        c.close()


class Newcomers(Helper):
    """Adds users, whose accounts the delivery of a message makes."""

    def act(self):
        number = len(self.loads) + 1
        load = Load(self.server, 1000 + number, f"new{self.random.getrandbits(40):x}", 1)
        load.lmtp = None
        p = self.roost("user", "add", "--password-stdin", f"{load.user}@example.org", stdin="pass\n")
        if p.returncode:
            raise EOFError
        self.loads.append(load)
        load.deliver()

    def roost(self, verb, word, *more, stdin=""):
        config = ["-c", str(self.server.directory / "roost.conf")]
        return subprocess.run([str(self.server.roost), *config, verb, word, *more], input=stdin, capture_output=True, text=True)

    def verify(self, v):
        there = self.roost("user", "list").stdout.split()
        for load in self.loads:
            if v.check(f"{load.user}@example.org" in there, f"{load.user} was added, and is not there"):
                verify_client(load, Account(self.server, load.user, ("INBOX",)), v)


@dataclasses.dataclass
class Way:
    """How the daemon is brought to a point: it dies at a passing up to `most`."""
    most: int
    files: float = .03      # of the messages
    load: type = Load
    helper: type = None
    user: int = 0           # instead of the common ones
    then: str = ""          # when the load has gone on for a moment: "rest", or "end" by SIGTERM
    after: str = ""         # a death at that point first: then it is the start, and log-ins alone, that pass the point


POINTS = {
    "image-open": Way(2, helper=Newcomers),
    "image-write": Way(2, helper=Newcomers),
    "image-sync": Way(2, helper=Newcomers),
    "image-rename": Way(2, helper=Newcomers),
    "schema-begin": Way(2, helper=Newcomers),
    "schema-commit": Way(2, helper=Newcomers),
    "begin": Way(60),
    "commit": Way(60),
    "commit-sync": Way(60),
    "committed": Way(60),
    "checkpoint-open": Way(3, after="commit"),
    "checkpoint-idle": Way(2, then="rest"),
    "checkpoint-full": Way(1, user=FILLED, load=Heavy),
    "checkpoint-close": Way(2, then="end"),
    "clean-begin": Way(2, then="end"),
    "clean-commit": Way(2, then="end"),
    "directory-begin": Way(3, helper=Newcomers),
    "directory-commit": Way(3, helper=Newcomers),
    "directory-sync": Way(3, helper=Newcomers),
    "search-begin": Way(2),
    "search-commit": Way(2),
    "tmp-open": Way(5, files=.3),
    "tmp-write": Way(10, files=.3),
    "tmp-sync": Way(5, files=.3),
    "tmp-unlink": Way(3, helper=Quitter),
    "tmp-clean": Way(1, after="tmp-sync"),
    "blob-rename": Way(5, files=.3),
    "blob-dir-sync": Way(5, files=.3),
    "blob-parent-sync": Way(3, files=.3),
    "blob-unlink": Way(2, files=.5, user=SWEPT, then="rest"),
    "account-dir-sync": Way(2, helper=Newcomers),
    "account-parent-sync": Way(2, helper=Newcomers),
}

# What a load of seconds does not come to: they are about search.db alone, which is disposable; and what clients/hosting.py
# brings the daemon to.
NOT_REACHED = {"search-checkpoint-full", "search-checkpoint-close", "search-rename", "search-unlink",
               "purge-unlink", "purge-directory", "purge-parent-sync"}


def names():
    return re.findall(r'\[POINT_\w+\] = "([a-z-]+)"', (ROOT / "storage" / "points.c").read_text())


class Test:
    def __init__(self, roost, seed):
        self.random, self.v = random.Random(seed), Verdict()
        self.daemon = Daemon(roost, users=FILLED, extra="retention_days = 0\n")
        self.notes = {}  # the loads of each user, as they ended
        for user in range(1, FILLED + 1):
            c = Client(self.daemon.imap).login(f"user{user}")
            for box in MAILBOXES[1:]:
                c.do(f"CREATE {box}")
            c.close()

    def start(self, point, passing):
        """False: it died as it started."""
        if self.daemon.alive():
            self.daemon.rest()
        self.daemon.environment["ROOST_CRASH_POINT"] = f"{point}:{passing}"
        try:
            self.daemon.start()
        except SystemExit:
            if self.daemon.process.wait(PATIENCE_S) != -9:
                raise
            return False
        finally:
            del self.daemon.environment["ROOST_CRASH_POINT"]
        return True

    def work(self, way):
        """Starts what is to run."""
        users = [way.user] if way.user else range(1, USERS + 1)
        loads = []
        for n in range(CLIENTS):
            user = f"user{users[n % len(users)]}"
            number = len(users) * 100 + n
            earlier = next((l for l in self.notes.get(user, []) if l.number == number), None)
            loads.append(way.load(self.daemon, number, user, self.random.getrandbits(32), earlier, way.files))
        helpers = [way.helper(self.daemon, self.random.getrandbits(32))] if way.helper else []
        for one in [*loads, *helpers]:
            one.start()
        return loads, helpers

    def log_in(self):
        try:
            for user in range(1, USERS + 1):
                Client(self.daemon.imap).login(f"user{user}").do("SELECT INBOX")
        except (EOFError, OSError):
            pass

    def die(self, point, way):
        """Has the daemon die there: the passing, and the loads and helpers that saw it."""
        passing = self.random.randint(1, way.most)
        loads, helpers = ([], [])
        if self.start(point, passing):
            if way.after:
                self.log_in()
            else:
                loads, helpers = self.work(way)
            if way.then:
                time.sleep(1.5)  # the load runs; nothing is waited for
                for one in [*loads, *helpers]:
                    one.stopping = True
                    one.join(PATIENCE_S)
            if way.then == "end":
                self.daemon.process.terminate()
        try:
            code = self.daemon.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            code = "nothing"
            self.daemon.kill()
        self.v.check(code == -9, f"{point}:{passing}: it ended with {code}, not by the point\n{self.daemon.log_tail(20)}")
        for one in [*loads, *helpers]:
            one.join(PATIENCE_S)
            self.v.check(not one.error, one.error)
        return passing, loads, helpers

    def verify(self, loads, helpers):
        self.daemon.start()
        for load in loads:
            self.notes.setdefault(load.user, [])
            self.notes[load.user] = [l for l in self.notes[load.user] if l.number != load.number] + [load]
        for user in sorted({load.user for load in loads}):
            account = Account(self.daemon, user)
            for load in self.notes[user]:
                verify_client(load, account, self.v)
                load.pending = load.unsure_delivery = None
            verify_numbers(self.notes[user], account, self.v)
        for helper in helpers:
            helper.verify(self.v)
        roost_check(self.daemon, self.v)
        self.v.bad += self.daemon.reports()

    def run(self, point):
        way, began = POINTS[point], time.monotonic()
        loads, helpers = [], []
        if way.after:
            _, loads, helpers = self.die(way.after, POINTS[way.after])
        passing, more, helpers_too = self.die(point, way)
        self.verify(loads + more, helpers + helpers_too)
        print(f"{point}:{passing}: {sum(l.done for l in loads + more)} operations acknowledged, "
              f"{time.monotonic() - began:.1f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--roost", required=True)
    parser.add_argument("--only", choices=POINTS)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    args = parser.parse_args()
    print(f"seed {args.seed}")
    assert sorted(names()) == sorted([*POINTS, *NOT_REACHED]), set(names()) ^ set(POINTS)
    test = Test(args.roost, args.seed)
    # An account is swept once an hour, and whoever opens it may bring that about: the one that is to be swept goes first.
    # The one that is filled is large from then on.
    order = {SWEPT: 0, FILLED: 2}
    for point in [args.only] if args.only else sorted(POINTS, key=lambda p: order.get(POINTS[p].user, 1)):
        test.run(point)
        if test.v.bad:
            break
    test.v.check(test.daemon.stop() == 0, "the daemon did not end well")
    print("\n".join(test.v.bad[:30]))
    print(f"{len(test.v.bad)} findings")
    sys.exit(bool(test.v.bad))


if __name__ == "__main__":
    main()
