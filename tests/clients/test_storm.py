"""Ten sessions change one mailbox at full speed: none is told a wrong sequence number, and no change is lost.

Each session is a process with a picture of the mailbox that it makes of untagged responses alone.  Some name messages by sequence
number, some by UID, some use QRESYNC and lose their connection again and again, some UIDONLY, and some are told by NOTIFY while
they say nothing.  A session sets and clears a
keyword of its own, appends messages and deletes its own, so that what must be there at the end follows from what was
acknowledged; and at the end, after one NOOP, each picture must be the mailbox.
"""
import multiprocessing, random, re, time, traceback

from response import Client, parse_fetch

SECONDS = 7
SESSIONS = ("numbers",) * 2 + ("uids", "notified", "notified", "condstore", "qresync", "qresync", "qresync", "uidonly")
NEEDS = {"condstore": b"CONDSTORE", "qresync": b"QRESYNC", "uidonly": b"UIDONLY", "notified": b"NOTIFY"}
ENABLED = ("condstore", "qresync", "uidonly")
BY_UID = ("uids", "uidonly", "notified")  # to whom a number may be another at any time (RFC 5465 5.3), and who prefers it
MESSAGES = 150  # more are appended while there are fewer


class Wrong(AssertionError):
    pass


def numbers_of(text):
    """`1:3,5` as numbers."""
    for part in text.split(b","):
        low, _, high = part.partition(b":")
        yield from range(int(low), int(high or low) + 1)


class Session:
    def __init__(self, port, user, number, kind):
        self.port, self.user, self.number, self.kind = port, user, number, kind
        self.random = random.Random(number)
        self.keyword = b"own%d" % number
        self.view = []  # [uid, flags, modseq] by sequence number - 1; None where it was not told
        self.uidvalidity = self.modseq = None
        self.marks, self.appended, self.deleted = {}, set(), set()  # by UID, as acknowledged
        self.done = self.cuts = 0
        self.client = None
        self.connect()

    def fail(self, text):
        raise Wrong(f"session {self.number} ({self.kind}): {text}")

    # --- responses ---

    def find(self, uid):
        return next((i for i, m in enumerate(self.view) if m[0] == uid), None)

    def on_vanished(self, text):
        earlier, text = text.startswith(b"(EARLIER) "), text.removeprefix(b"(EARLIER) ")
        for uid in numbers_of(text):
            at = self.find(uid)
            if earlier:
                self.earlier.add(uid)
            elif at is not None:
                del self.view[at]
            else:  # one that was counted and never named: it lies between its neighbours
                after = max((i for i, m in enumerate(self.view) if m[0] and m[0] < uid), default=-1) + 1
                if after >= len(self.view) or self.view[after][0]:
                    self.fail(f"VANISHED {uid}, which it cannot know")
                del self.view[after]

    def on_fetch(self, line):
        if self.kind == "uidonly":
            if b"UIDFETCH" not in line:
                self.fail(f"under UIDONLY: {line!r}")
            uid, items = parse_fetch(line.replace(b" UIDFETCH ", b" FETCH ", 1))
            at = self.find(uid)
            if at is None:  # behind all that are known, or between them: numbers do not matter here
                at = next((i for i, m in enumerate(self.view) if m[0] is None), None)
                if at is None:
                    self.fail(f"UIDFETCH of {uid} beyond EXISTS")
            message = self.view[at]
        else:
            n, items = parse_fetch(line)
            if not 1 <= n <= len(self.view):
                self.fail(f"{line!r} of {len(self.view)}")
            message, uid = self.view[n - 1], int(items[b"UID"]) if b"UID" in items else None
        if uid and message[0] and message[0] != uid:
            self.fail(f"{line!r}, and it was UID {message[0]}")
        message[0] = uid or message[0]
        if b"FLAGS" in items:
            message[1] = frozenset(f for f in items[b"FLAGS"] if f != b"\\Recent")
        if b"MODSEQ" in items:
            message[2] = int(items[b"MODSEQ"][0])
            self.highest_told = max(self.highest_told, message[2])

    def on_line(self, line):
        number = re.match(rb"\* (\d+) (EXISTS|EXPUNGE)$", line)
        code = re.search(rb"\[HIGHESTMODSEQ (\d+)\]", line)
        if code:
            self.highest_code = int(code[1])
        if uidvalidity := re.search(rb"\[UIDVALIDITY (\d+)\]", line):
            self.uidvalidity = int(uidvalidity[1])
        if number and number[2] == b"EXISTS":
            if int(number[1]) < len(self.view):
                self.fail(f"{line!r}, and there were {len(self.view)}")
            self.view += [[None, None, None] for _ in range(int(number[1]) - len(self.view))]
        elif number:
            if self.kind != "notified" and self.command.split()[0] in (b"FETCH", b"STORE", b"SEARCH"):
                self.fail(f"{line!r} in {self.command!r}")
            if not 1 <= int(number[1]) <= len(self.view) or self.kind in ("qresync", "uidonly"):
                self.fail(f"{line!r} of {len(self.view)}")
            del self.view[int(number[1]) - 1]
        elif line.startswith(b"* VANISHED "):
            self.on_vanished(line[11:])
        elif b"FETCH (" in line:
            self.on_fetch(line)

    def do(self, command):
        """RFC 7162 6: HIGHESTMODSEQ counts where it is said, else the highest that was told."""
        command = command if isinstance(command, bytes) else command.encode()
        self.command, self.highest_code, self.highest_told, self.earlier = command, None, 0, set()
        tag = self.client.send(command) + b" "
        while not (line := self.client.line()).startswith(tag):
            self.on_line(line)
        self.on_line(line)
        if not line.startswith(tag + b"OK"):
            self.fail(f"{command!r}: {line!r}")
        if self.highest_code is not None:
            self.modseq = self.highest_code
        elif self.modseq is not None:
            self.modseq = max(self.modseq, self.highest_told)
        self.done += 1
        return line

    # --- the connection ---

    def connect(self):
        self.client = Client(self.port).login(self.user)
        if self.kind in ENABLED:
            self.client.do(b"ENABLE " + NEEDS[self.kind])
        old, self.view = self.view, []
        if self.kind == "qresync" and old:
            self.resync(old)
        else:
            self.do("SELECT INBOX")
        if self.kind == "notified":
            self.do("NOTIFY SET (SELECTED (MessageNew (UID FLAGS) MessageExpunge FlagChange))")
        self.learn()

    def resync(self, old):
        self.do(f"SELECT INBOX (QRESYNC ({self.uidvalidity} {self.modseq}))")
        told = {m[0]: m for m in self.view if m[0]}
        known = {m[0]: m for m in old if m[0] not in self.earlier} | told
        view = [known[uid] for uid in sorted(known)]
        if len(view) != len(self.view):
            self.fail(f"it knows {len(view)} messages after QRESYNC, and there are {len(self.view)}")
        for new, now in zip(view, self.view):
            if now[0] and new[0] != now[0]:
                self.fail(f"UID {now[0]} is where {new[0]} should be")
        self.view = view

    def learn(self):
        if self.kind == "uidonly":
            while any(m[0] is None or m[1] is None for m in self.view):  # others go on meanwhile
                self.view = [[None, None, None] for _ in self.view]
                self.do("UID FETCH 1:* (FLAGS)")
                self.view.sort(key=lambda m: m[0] or 1 << 40)
            return
        if self.kind == "notified":  # the rest comes by itself, but for what it appends itself
            if any(m[0] is None or m[1] is None for m in self.view):
                self.do("UID FETCH 1:* (FLAGS)")
            return
        while unknown := [n for n, m in enumerate(self.view, 1) if m[0] is None or m[1] is None]:
            self.do(f"FETCH {','.join(map(str, unknown))} (UID FLAGS{' MODSEQ' if self.kind in ('condstore', 'qresync') else ''})")

    # --- commands ---

    def append(self):
        message = b"Subject: storm\r\n\r\nx\r\n"
        answer = self.do(b"APPEND INBOX {%d+}\r\n%s" % (len(message), message))
        self.appended.add(int(re.search(rb"\[APPENDUID \d+ (\d+)\]", answer)[1]))

    def mark(self):
        known = [i for i, m in enumerate(self.view) if m[0]]
        chosen = sorted(self.random.sample(known, min(len(known), self.random.randint(1, 5))))
        if not chosen:
            return
        uids = [self.view[i][0] for i in chosen]
        on = self.random.random() < .6
        by_uid = self.kind in BY_UID or self.random.random() < .2
        for uid in uids:
            self.marks.pop(uid, None)
        self.do(b"%sSTORE %s %sFLAGS (%s)" % (b"UID " if by_uid else b"", b",".join(b"%d" % n for n in (uids if by_uid else [i + 1 for i in chosen])),
                                             b"+" if on else b"-", self.keyword))
        self.marks.update(dict.fromkeys(uids, on))

    def delete(self):
        mine = [m[0] for m in self.view if m[0] in self.appended and m[0] not in self.deleted]
        for uid in self.random.sample(mine, min(len(mine), 2)):
            self.do(rf"UID STORE {uid} +FLAGS (\Deleted)")
            self.deleted.add(uid)

    def expunge(self):
        mine = [u for u in self.deleted if self.find(u) is not None]
        if self.random.random() < .5 and mine:
            self.do(f"UID EXPUNGE {','.join(map(str, sorted(mine)))}")
        else:
            self.do("EXPUNGE")

    def fetch(self):
        low, high = sorted((self.random.randint(1, len(self.view)), self.random.randint(1, len(self.view))))
        if self.kind in ("numbers", "qresync"):
            self.do(f"FETCH {low}:{high} (UID FLAGS)")
        else:
            self.do(f"UID FETCH {self.view[low - 1][0] or 1}:{self.view[high - 1][0] or '*'} (FLAGS)")

    def cut(self):
        """In the middle of an answer, too."""
        self.client.send(self.random.choice(["NOOP", "UID FETCH 1:* (FLAGS)", "EXPUNGE"]))
        if self.random.random() < .5:
            self.client.line()
        self.client.close()
        self.cuts += 1
        self.connect()

    def step(self):
        r = self.random.random()
        if len(self.view) < MESSAGES and r < .4 or len(self.view) < 2:
            self.append()
        elif r < .6:
            self.mark()
        elif r < .7:
            self.delete()
        elif r < .8:
            self.expunge()
        elif r < .9:
            self.fetch()
        elif self.kind == "qresync" and r < .93:
            self.cut()
        else:
            self.do("NOOP")
        self.learn()


def run_session(results, barrier, port, user, number, kind):
    try:
        s = Session(port, user, number, kind)
        barrier.wait(60)
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            s.step()
        barrier.wait(60)
        if number == 0:
            s.do("EXPUNGE")
        barrier.wait(60)
        s.do("NOOP")
        results.put((number, s.done, s.cuts, s.view, s.marks, s.appended, s.deleted))
    except Exception:  # noqa: whatever it was, the parent is to hear of it
        barrier.abort()
        results.put((number, traceback.format_exc()[-2000:]))


def truth_of(daemon, user):
    truth = []
    client = Client(daemon.imap).login(user)
    client.do("SELECT INBOX")
    for line in client.do("FETCH 1:* (UID FLAGS)")[0]:
        if fetched := parse_fetch(line):
            truth.append((int(fetched[1][b"UID"]), frozenset(f for f in fetched[1][b"FLAGS"] if f != b"\\Recent")))
    client.close()
    return truth


def check_session(number, view, marks, truth):
    kind = SESSIONS[number]
    assert len(view) == len(truth), f"session {number} ({kind}) knows of {len(view)} messages, there are {len(truth)}"
    for n, (known, there) in enumerate(zip(view, truth), 1):
        uid, flags = known[0], known[1]
        assert uid is None or uid == there[0], f"session {number} ({kind}): message {n} is UID {there[0]}, not {uid}"
        assert flags is None or flags == there[1], f"session {number} ({kind}): UID {there[0]} has {there[1]}, not {flags}"
    for uid, flags in truth:
        lost = uid in marks and marks[uid] != (b"own%d" % number in flags)
        assert not lost, f"session {number} ({kind}) had set its keyword of UID {uid} to {marks[uid]}"


def test_storm(daemon):
    user = "user39"
    context = multiprocessing.get_context("fork")
    capabilities = b" ".join(Client(daemon.imap).login(user).do("CAPABILITY")[0]).split()
    kinds = [k if NEEDS.get(k, b"IDLE") in capabilities else "numbers" for k in SESSIONS]
    results, barrier = context.Queue(), context.Barrier(len(kinds))
    processes = [context.Process(target=run_session, args=(results, barrier, daemon.imap, user, n, k)) for n, k in enumerate(kinds)]
    for p in processes:
        p.start()
    got = [results.get(timeout=120) for _ in processes]
    for p in processes:
        p.join()
    broken = [text for r in got if len(r) == 2 and "BrokenBarrier" not in (text := r[1])]
    assert not broken, "\n".join(broken)
    truth = truth_of(daemon, user)
    uids = {uid for uid, _ in truth}
    for number, _, _, view, marks, _, _ in got:
        check_session(number, view, marks, truth)
    appended = set().union(*(r[5] for r in got))
    deleted = set().union(*(r[6] for r in got))
    assert appended - deleted == uids, f"lost {sorted(appended - deleted - uids)}, not gone {sorted(uids - (appended - deleted))}"
    print(f"   {sum(r[1] for r in got)} commands by {', '.join(sorted(set(kinds)))}; {sum(r[2] for r in got)} cuts, {len(deleted)} deleted")
