#!/usr/bin/env python3
"""kill -9 of the daemon under load from 20 clients.  What it acknowledged is recorded here, outside it; after a new start all
of that is there once, with its bytes and flags, and its annotations, nothing is half-done, UIDs never ran backwards, and `roost check` agrees."""
import argparse, pathlib, random, re, subprocess, sys, time

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / "harness"), str(HERE.parent / "clients")]
from client import ACCOUNT, ANNOTATIONS, MAILBOXES, Load, annotated, content  # noqa: E402 (the path is set above)
from daemon import Daemon  # noqa: E402
from response import Client, Cursor  # noqa: E402

CLIENTS, USERS = 20, 5


class Account:
    """What one account holds after a restart, read by a client."""

    def __init__(self, daemon, user, boxes=MAILBOXES):
        self.found = {}  # (mailbox, uid): (token, flags, body)
        self.status = {}
        self.annotations = {}  # (mailbox, entry): value
        c = Client(daemon.imap, timeout_s=300).login(user)
        self.names = {line.rsplit(b" ", 1)[1].decode() for line in c.do('LIST "" *')[0]}
        for box in boxes:
            line = next(l for l in c.do(f"STATUS {box} (UIDNEXT UIDVALIDITY MESSAGES)")[0] if l.startswith(b"* STATUS"))
            self.status[box] = {k: int(v) for k, v in re.findall(r"([A-Z]+) (\d+)", line.decode())}
            c.do(f"EXAMINE {box}")
            got = c.fetch("1:*", "(UID FLAGS BODY.PEEK[])", uid=True)
            assert len(got) == self.status[box]["MESSAGES"], (user, box, len(got), self.status[box])
            for item in got.values():
                token = re.search(rb"(?m)^X-Id: (\S+)\r$", item[b"BODY[]"]).group(1).decode()
                flags = frozenset(f.decode() for f in item[b"FLAGS"]) - {r"\Recent"}
                self.found[box, int(item[b"UID"])] = (token, flags, item[b"BODY[]"])
        for place in (*boxes, ACCOUNT):
            for line in c.do(f"GETMETADATA (DEPTH infinity) {place} {ANNOTATIONS}")[0]:
                if line.startswith(b"* METADATA "):
                    entries = Cursor(line, line.index(b"(")).list()
                    self.annotations.update({(place, e.decode()): v for e, v in zip(entries[::2], entries[1::2])})
        c.close()

    def of(self, number):
        """The messages of one client."""
        return {key: v for key, v in self.found.items() if v[0].startswith(f"c{number}-")}

    def annotations_of(self, number):
        return {key: v for key, v in self.annotations.items() if key[1].startswith(f"{ANNOTATIONS}/c{number}-")}


class Verdict:
    def __init__(self):
        self.bad = []

    def check(self, truth, text):
        if not truth:
            self.bad.append(text)
        return truth


def outcomes(load):
    """The states that the client's notes allow: (what, {key: (token, flags)}, [(mailbox, token, flags)] of unknown UID,
    annotations)."""
    before = {key: (token, flags) for key, (token, flags) in load.live.items()}
    yield "before", before, [], load.annotations
    p = load.pending
    if p:
        after = {key: (token, p.flags.get(key, flags)) for key, (token, flags) in before.items() if key not in p.gone}
        yield f"after {p.what}", after, p.new, annotated(load.annotations, p)


def fits(found, known, new, highest):
    """`found` is `known`, and `new` with UIDs above those acknowledged; then the keys that the new ones got, else None."""
    left = {key: (token, flags) for key, (token, flags, _) in found.items()}
    for key, value in known.items():
        if left.pop(key, None) != value:
            return None
    keys = []
    for box, token, flags in new:
        hit = next((k for k, v in left.items() if k[0] == box and v == (token, flags) and k[1] > highest.get(box, (0, 0))[1]), None)
        if hit is None:
            return None
        keys.append((hit, token, flags))
        del left[hit]
    return keys if not left else None


def verify_client(load, account, v):
    """Notes what is wrong; brings the notes up to what the operation under way has become."""
    found = account.of(load.number)
    for key, (token, _, body) in found.items():
        v.check(body.endswith(content(token)), f"{load.user} {key}: the bytes of {token} are not what was sent")
    delivered = {}
    for key in [k for k, (token, *_) in found.items() if token in load.delivered or token == load.unsure_delivery]:
        delivered.setdefault(found.pop(key)[0], []).append(key)
    for token in load.delivered:
        v.check(len(delivered.get(token, [])) == 1, f"{load.user}: delivered {token} is there {delivered.get(token)}")
    if load.unsure_delivery:
        times = delivered.get(load.unsure_delivery, [])
        v.check(len(times) <= 1, f"{load.user}: {load.unsure_delivery}, not acknowledged, is there {times}")
        if times:
            load.delivered.append(load.unsure_delivery)
    annotations = account.annotations_of(load.number)
    for what, known, new, noted in outcomes(load):
        keys = fits(found, known, new, load.highest)
        if keys is not None and annotations == noted:
            load.annotations = noted
            load.live = {key: [token, flags] for key, (token, flags) in known.items()}
            load.live.update({key: [token, flags] for key, token, flags in keys})
            return what
    states = [{**known, **noted} for _, known, _, noted in outcomes(load)]
    have = {**{key: value[:2] for key, value in found.items()}, **annotations}
    wrong = {k: (states[0].get(k), have.get(k)) for k in {*states[0], *have} if states[0].get(k) != have.get(k)}
    v.check(False, f"{load.user}, client {load.number}: neither before nor after {load.pending}\n"
            f"      key: (noted, found): {wrong}")
    return "neither"


def verify_numbers(loads, account, v):
    for load in loads:
        for box, (validity, highest) in load.highest.items():
            s = account.status[box]
            v.check(s["UIDVALIDITY"] == validity, f"{load.user} {box}: UIDVALIDITY {s['UIDVALIDITY']}, was {validity}")
            v.check(s["UIDNEXT"] > highest, f"{load.user} {box}: UIDNEXT {s['UIDNEXT']}, but {highest} was given out")
        for name in load.created:
            v.check(name in account.names, f"{load.user}: {name} was made, and is not there")


def roost_check(daemon, v):
    p = subprocess.run([str(daemon.roost), "check", "-c", str(daemon.directory / "roost.conf"), "--all"],
                       capture_output=True, text=True, timeout=600)
    v.check(p.returncode == 0, f"roost check: {p.stdout[-2000:]}{p.stderr[-2000:]}")


def one_round(daemon, loads, seconds):
    for load in loads:
        load.start()
    time.sleep(seconds)  # the load runs; nothing is waited for
    errors = [load.error for load in loads if load.error]
    alive = daemon.alive()
    daemon.kill()
    errors += daemon.reports()
    for load in loads:
        load.join(60)
    if not alive:
        errors.append("the daemon died by itself:\n" + daemon.log_tail())
    return errors + [load.error for load in loads if load.error and load.error not in errors]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--roost", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    args = parser.parse_args()
    print(f"seed {args.seed}")
    rng = random.Random(args.seed)
    daemon = Daemon(args.roost, users=USERS)
    for user in range(1, USERS + 1):
        c = Client(daemon.imap).login(f"user{user}")
        for box in MAILBOXES[1:]:
            c.do(f"CREATE {box}")
        c.close()
    loads, v = [Load(daemon, n, f"user{n % USERS + 1}", rng.getrandbits(32)) for n in range(CLIENTS)], Verdict()
    for number in range(1, args.rounds + 1):
        v.bad += one_round(daemon, loads, args.seconds * rng.uniform(.7, 1))
        daemon.start()
        became = {}
        for user in range(1, USERS + 1):
            account, mine = Account(daemon, f"user{user}"), [l for l in loads if l.user == f"user{user}"]
            for load in mine:
                what = verify_client(load, account, v)
                became[what] = became.get(what, 0) + 1
            verify_numbers(mine, account, v)
        roost_check(daemon, v)
        print(f"round {number}: {sum(l.done for l in loads)} operations acknowledged; {became}", flush=True)
        if v.bad:
            break
        loads = [Load(daemon, l.number, l.user, rng.getrandbits(32), l) for l in loads]
    v.check(daemon.stop() == 0, "the daemon did not end well")
    print("\n".join(v.bad[:30]))
    print(f"{len(v.bad)} findings")
    sys.exit(bool(v.bad))


if __name__ == "__main__":
    main()
