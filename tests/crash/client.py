"""One client of the kill test: it does one thing at a time, writes down what was acknowledged, and knows what may be half-told.

A client touches only messages of its own, though in mailboxes that it shares, so that what must be there after a crash follows
from its own notes: everything acknowledged, and the one operation that was under way either whole or not at all.
"""
import base64, hashlib, random, re, socket, threading

from response import Client

MAILBOXES = ("INBOX", "one", "two")
ACCOUNT = '""'  # is annotated as a mailbox is (RFC 5464)
ANNOTATIONS = "/private/vendor/kill"
FLAGS = (r"\Seen", r"\Flagged", r"\Answered", r"\Draft", "kept", "$Label")
LIVE_MAX = 40  # messages of one client
# What a token ends with when its message is too large for the database, however well it is packed: a file of its own; or
# just small enough not to be.
FILE, HEAVY = "F", "H"


def content(token):
    """The message that a token stands for."""
    seed = int.from_bytes(hashlib.sha256(token.encode()).digest()[:8], "big")
    r = random.Random(seed)
    kind = ""
    if token.endswith((FILE, HEAVY)):
        # Noise that claims to be text would keep the full-text index busy for longer than the tests are.
        kind = "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"
        body = base64.encodebytes(r.randbytes(200_000 if token.endswith(FILE) else 110_000)).replace(b"\n", b"\r\n")
    else:
        lines = 3000 if r.random() < .03 else r.choice((0, 3, 10, 60))
        body = "".join(f"{token} {n} {r.getrandbits(60):x}\r\n" for n in range(lines)).encode()
    return f"X-Id: {token}\r\nSubject: {token}\r\nFrom: {token} <a@example.net>\r\n{kind}\r\n".encode() + body


def uids_of(text):
    out = []
    for part in text.decode().split(","):
        low, _, high = part.partition(":")
        out += range(int(low), int(high or low) + 1)
    return out


def as_set(uids):
    return ",".join(map(str, uids))


class Pending:
    """An operation that was sent.  `gone`: keys of `Load.live` it takes away; `new`: (mailbox, token, flags) it brings;
    `flags`: {key: flags} it gives; `annotations`: {(mailbox, entry): value or None} it sets."""

    def __init__(self, what, gone=(), new=(), flags=None, annotations=None):
        self.what, self.gone, self.new, self.flags = what, list(gone), list(new), dict(flags or {})
        self.annotations = dict(annotations or {})

    def __str__(self):
        set_to = {key: value and value[:40] for key, value in self.annotations.items()}
        return f"{self.what}: gone {self.gone}, new {self.new}, flags {self.flags}, annotations {set_to}"


def annotated(annotations, pending):
    """What they are after it; an entry without a value is not there."""
    return {key: value for key, value in {**annotations, **pending.annotations}.items() if value is not None}


class Load(threading.Thread):
    """`earlier`: the same client's last run, whose notes go on.  `files`: how many of its messages are files."""

    def __init__(self, daemon, number, user, seed, earlier=None, files=.03):
        super().__init__(daemon=True)
        self.files, self.stopping = files, False
        self.ports, self.number, self.user = (daemon.imap, daemon.lmtp), number, user
        self.random = random.Random(seed)
        self.live = earlier.live if earlier else {}            # (mailbox, uid): [token, flags]
        self.delivered = earlier.delivered if earlier else []  # tokens that LMTP took
        self.created = earlier.created if earlier else []      # mailboxes
        self.highest = earlier.highest if earlier else {}      # by mailbox: (UIDVALIDITY, highest UID acknowledged)
        self.annotations = earlier.annotations if earlier else {}  # (mailbox, entry): value; entries of this client alone
        self.next_token = earlier.next_token if earlier else 0
        self.pending, self.unsure_delivery = None, None
        self.done, self.error = 0, None

    def token(self):
        self.next_token += 1
        return f"c{self.number}-{self.next_token}" + (FILE if self.random.random() < self.files else "")

    def some_flags(self):
        return frozenset(self.random.sample(FLAGS, self.random.randint(0, 3)))

    def some_messages(self):
        """(mailbox, uids) of a few messages of one mailbox, or None."""
        boxes = sorted({box for box, _ in self.live})
        if not boxes:
            return None
        box = self.random.choice(boxes)
        uids = sorted(uid for b, uid in self.live if b == box)
        return box, sorted(self.random.sample(uids, self.random.randint(1, min(5, len(uids)))))

    def select(self, box):
        if self.selected != box:
            self.client.do(f"SELECT {box}")
            self.selected = box

    def saw(self, box, validity, uids):
        before = self.highest.get(box, (validity, 0))
        assert before[0] == validity, f"UIDVALIDITY of {box} changed from {before[0]} to {validity}"
        self.highest[box] = (validity, max(before[1], *uids))

    def copied(self, box, source, responses):
        """New keys in `box` by the order of `source`, from a COPYUID."""
        m = next(m for line in responses if (m := re.search(rb"\[COPYUID (\d+) ([\d:,]+) ([\d:,]+)\]", line)))
        old, new = uids_of(m.group(2)), uids_of(m.group(3))
        assert old == source and len(new) == len(old), (source, m.group())
        self.saw(box, int(m.group(1)), new)
        return new

    # ---- the operations ----

    def append(self):
        box, count = self.random.choice(MAILBOXES), self.random.choice((1, 1, 1, 3))
        items = [(self.token(), self.some_flags()) for _ in range(count)]
        command = b"APPEND " + box.encode()
        for token, flags in items:
            message = content(token)
            command += b" (%s) {%d+}\r\n%s" % (" ".join(sorted(flags)).encode(), len(message), message)
        self.pending = Pending("APPEND", new=[(box, token, flags) for token, flags in items])
        _, status = self.client.do(command)
        m = re.search(rb"\[APPENDUID (\d+) ([\d:,]+)\]", status)
        uids = uids_of(m.group(2))
        assert len(uids) == count, status
        self.saw(box, int(m.group(1)), uids)
        for uid, (token, flags) in zip(uids, items):
            self.live[box, uid] = [token, flags]

    def store(self):
        chosen = self.some_messages()
        if not chosen:
            return self.append()
        (box, uids), flags = chosen, self.some_flags()
        how = self.random.choice(("+FLAGS", "-FLAGS", "FLAGS"))
        after = {"+FLAGS": lambda old: old | flags, "-FLAGS": lambda old: old - flags, "FLAGS": lambda old: flags}[how]
        self.select(box)
        self.pending = Pending("STORE", flags={(box, u): after(self.live[box, u][1]) for u in uids})
        silent = self.random.choice(("", ".SILENT"))
        self.client.do(f"UID STORE {as_set(uids)} {how}{silent} ({' '.join(sorted(flags))})")
        for key, value in self.pending.flags.items():
            self.live[key][1] = value

    def copy(self):
        return self.transfer("COPY")

    def move(self):
        return self.transfer("MOVE")

    def transfer(self, verb):
        chosen = self.some_messages()
        if not chosen:
            return self.append()
        box, uids = chosen
        to = self.random.choice(MAILBOXES)
        self.select(box)
        gone = [(box, u) for u in uids] if verb == "MOVE" else []
        self.pending = Pending(verb, gone, [(to, *self.live[box, u]) for u in uids])
        untagged, status = self.client.do(f"UID {verb} {as_set(uids)} {to}")
        new = self.copied(to, uids, [*untagged, status])
        entries = [list(self.live[box, u]) for u in uids]
        for key in gone:
            del self.live[key]
        for uid, entry in zip(new, entries):
            self.live[to, uid] = entry

    def expunge(self):
        chosen = self.some_messages()
        if not chosen:
            return self.append()
        box, uids = chosen
        self.select(box)
        keys = [(box, u) for u in uids]
        self.pending = Pending("STORE", flags={k: self.live[k][1] | {r"\Deleted"} for k in keys})
        self.client.do(rf"UID STORE {as_set(uids)} +FLAGS.SILENT (\Deleted)")
        for key in keys:
            self.live[key][1] |= {r"\Deleted"}
        self.pending = Pending("EXPUNGE", gone=keys)
        self.client.do(f"UID EXPUNGE {as_set(uids)}")
        for key in keys:
            del self.live[key]

    def deliver(self):
        token = self.token()
        self.unsure_delivery = token
        if not self.lmtp:
            self.lmtp = socket.create_connection(("127.0.0.1", self.ports[1]), 60)
            self.replies = self.lmtp.makefile("rb")
            self.lmtp_reply()
            self.lmtp_do(b"LHLO kill.test")
        self.lmtp_do(b"MAIL FROM:<a@example.net>")
        self.lmtp_do(f"RCPT TO:<{self.user}@example.org>".encode())
        self.lmtp_do(b"DATA")
        self.lmtp_do(content(token) + b".")
        self.delivered.append(token)
        self.unsure_delivery = None

    def lmtp_reply(self):
        while True:
            line = self.replies.readline()
            if not line.endswith(b"\r\n"):
                raise EOFError("LMTP ended")
            if line[3:4] != b"-":
                return line

    def lmtp_do(self, command):
        self.lmtp.sendall(command + b"\r\n")
        reply = self.lmtp_reply()
        assert reply[:1] in b"23", (command[:60], reply)

    def create(self):
        name = f"made-{self.number}-{self.token()}"
        self.client.do(f"CREATE {name}")
        self.created.append(name)

    def annotate(self):
        """A few entries in one command, which takes some away."""
        place, command, values = self.random.choice((*MAILBOXES, ACCOUNT)), b"", {}
        for n in self.random.sample(range(4), self.random.randint(1, 3)):
            entry, value = f"{ANNOTATIONS}/c{self.number}-{n}", None
            if self.random.random() < .7:
                value = self.token().encode() + b"x" * self.random.choice((0, 10, 1000, 40000))
            command += b" %s %s" % (entry.encode(), b"{%d+}\r\n%s" % (len(value), value) if value else b"NIL")
            values[place, entry] = value
        self.pending = Pending("SETMETADATA", annotations=values)
        self.client.do(b"SETMETADATA %s (%s)" % (place.encode(), command[1:]))
        self.annotations = annotated(self.annotations, self.pending)

    # ---- the thread ----

    def run(self):
        try:
            self.work()
        except (EOFError, OSError):
            pass  # the kill
        except Exception as e:  # noqa: whatever goes wrong is the test's to report
            self.error = f"client {self.number}: {type(e).__name__} {e}"

    def choose(self):
        if self.random.random() < .003:
            return self.create
        return self.expunge if len(self.live) > LIVE_MAX else self.random.choice(
            [self.append] * 5 + [self.store] * 6 + [self.copy] * 2 + [self.move] * 3 + [self.expunge] * 3 +
            [self.deliver] * 2 + [self.annotate] * 3)

    def work(self):
        self.selected, self.lmtp = None, None
        self.client = Client(self.ports[0]).login(self.user)
        while not self.stopping:
            self.choose()()
            self.pending = None
            self.done += 1
