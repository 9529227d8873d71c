"""Mail goes in by LMTP and comes out by IMAPS byte for byte; what FETCH says about it agrees with itself."""
import hashlib, re, socket, time

import messages
from response import Client, Quoted

VALUE_LIMIT = 8192  # an ENVELOPE may cut a value, but not before
TRACE = rb"(?i)(Return-Path|Delivered-To|Received):"


class Lmtp:
    """One connection that delivers many messages."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 120)
        self.file = self.socket.makefile("rb")
        self.reply()
        self.do(b"LHLO client.example.net")

    def reply(self):
        while True:
            line = self.file.readline()
            if line[3:4] != b"-":
                return line

    def do(self, command, good=b"23"):
        self.socket.sendall(command + b"\r\n")
        answer = self.reply()
        assert answer[:1] in [bytes([c]) for c in good], (command[:60], answer)

    def deliver(self, address, message):
        self.do(b"MAIL FROM:<sender@example.net>")
        self.do(b"RCPT TO:<" + address.encode() + b">")
        self.do(b"DATA")
        self.do(re.sub(rb"(?m)^\.", b"..", message) + b".")


def same(name, message, got):
    """Asserts that `got` is `message` with trace fields before it."""
    if message.startswith(b"\r\n"):
        kept = message
    else:
        kept = messages.without_return_path(message)
    assert got.endswith(kept), f"{name}: {got[:300]!r} does not end in {kept[:300]!r}"
    added = got[:len(got) - len(kept)]
    for field in re.split(rb"(?<=\r\n)(?![ \t])", added):
        assert not field or re.match(TRACE, field), f"{name}: {field!r} was added"


def deliver_all(daemon, user, source):
    lmtp, names = Lmtp(daemon.lmtp), []
    for name, message in source:
        if b"\0" in message:  # refused by rule
            continue
        lmtp.deliver(f"{user}@example.org", message)
        names.append((name, message))
    return names


def read_all(daemon, user, items, check):
    c = Client(daemon.imaps, tls=True).login(user)
    c.do("EXAMINE INBOX")
    count = int(next(l for l in c.do("STATUS INBOX (MESSAGES)")[0] if b"STATUS" in l).split()[-1].rstrip(b")"))
    for first in range(1, count + 1, 50):
        for number, got in sorted(c.fetch(f"{first}:{min(first + 49, count)}", items).items()):
            check(number, got, c)
    c.close()
    return count


def test_corpus_bytes(daemon):
    start = time.monotonic()
    sent = deliver_all(daemon, "user6", list(messages.generated(150, 1)) + list(messages.corpora()))
    delivered = time.monotonic()

    def check(number, got, _):
        name, message = sent[number - 1]
        body = got[b"BODY[]"]
        assert int(got[b"RFC822.SIZE"]) == len(body), name
        same(name, message, body)
    count = read_all(daemon, "user6", "(RFC822.SIZE BODY.PEEK[])", check)
    assert count == len(sent), (count, len(sent))
    print(f"   {count} messages: delivered in {delivered - start:.1f} s, read back in {time.monotonic() - delivered:.1f} s")


class Structure:
    """Walks a BODYSTRUCTURE and notes what each section should be."""

    def __init__(self, name, value):
        self.name = name
        self.leaves = {}  # section: (type, subtype, octets, lines or None)
        self.messages = []  # sections that are encapsulated messages
        self.walk(value, "", True)

    def walk(self, value, section, top):
        assert isinstance(value, list) and value, f"{self.name} {section}: {value!r}"
        if isinstance(value[0], list):
            parts = [v for v in value if isinstance(v, list)]
            children = value[:next(i for i, v in enumerate(value) if not isinstance(v, list))]
            assert isinstance(value[len(children)], Quoted), f"{self.name} {section}: no subtype"
            assert parts and len(value) - len(children) in (1, 5), f"{self.name} {section}: {len(value) - len(children)} fields"
            for n, child in enumerate(children, 1):
                self.walk(child, f"{section}.{n}" if section else str(n), False)
            return
        self.single(value, section or "1")

    def single(self, value, section):
        kind, subtype = value[0].upper(), value[1].upper()
        assert isinstance(value[0], Quoted) and isinstance(value[1], Quoted), (self.name, value[:2])
        assert value[2] is None or (value[2] and len(value[2]) % 2 == 0), (self.name, section, value[2])
        assert isinstance(value[5], Quoted) and value[6].isdigit(), (self.name, section, value[5:7])
        lines, at = None, 7
        if kind == b"TEXT":
            lines, at = int(value[7]), 8
        elif (kind, subtype) == (b"MESSAGE", b"RFC822"):
            envelope(f"{self.name} {section}", value[7])
            lines, at = int(value[9]), 10
            self.messages.append(section)
            inner = value[8]
            if isinstance(inner[0], list):
                self.walk(inner, section, False)
            else:
                self.single(inner, section + ".1")
        assert len(value) - at in (0, 4), f"{self.name} {section}: {value[at:]}"
        self.leaves[section] = (kind, subtype, int(value[6]), lines)


def address_list(name, value):
    if value is None:
        return
    depth = 0
    assert value, f"{name}: an empty address list"
    for a in value:
        assert len(a) == 4, (name, a)
        if a[3] is None:
            depth += 1 if a[2] is not None else -1
            assert depth in (0, 1), f"{name}: groups do not pair"
        else:
            assert a[2] is not None, f"{name}: {a}"
    assert depth == 0, f"{name}: a group without end"


def envelope(name, value):
    assert len(value) == 10, (name, value)
    for n in (0, 1, 8, 9):
        assert value[n] is None or isinstance(value[n], Quoted), (name, value[n])
    for n in range(2, 8):
        address_list(name, value[n])
    assert (value[2] is None) == (value[3] is None) or value[3] is not None, name


def field(header, name):
    """The first field of this name, unfolded and trimmed, or None."""
    m = re.search(rb"(?im)^" + name + rb"[ \t]*:((?:[^\n]*\r?\n[ \t]+)*[^\n]*)", header)
    return m and re.sub(rb"\r?\n", b"", m.group(1)).strip(b" \t\r")


def check_message(name, got, c, number):
    whole, header, text = got[b"BODY[]"], got[b"BODY[HEADER]"], got[b"BODY[TEXT]"]
    assert header + text == whole, f"{name}: HEADER and TEXT do not add up"
    assert int(got[b"RFC822.SIZE"]) == len(whole), name
    envelope(name, got[b"ENVELOPE"])
    for at, what in ((1, b"Subject"), (9, b"Message-ID"), (0, b"Date"), (8, b"In-Reply-To")):
        want = field(header, what)
        have = got[b"ENVELOPE"][at]
        whole_value = have == want or b"\r" in (want or b"") or (have and len(have) >= VALUE_LIMIT and want.startswith(have))
        assert whole_value, f"{name}: {what} {have!r}, not {want!r}"
    structure = Structure(name, got[b"BODYSTRUCTURE"])
    sections = list(structure.leaves)[:100]
    encapsulated = [s for s in structure.messages if s in sections]
    items = [f"BODY.PEEK[{s}{tail}]" for s in sections for tail in ("", ".MIME")]
    items += [f"BODY.PEEK[{s}.{tail}]" for s in encapsulated for tail in ("HEADER", "TEXT")]
    parts = {}
    for at in range(0, len(items), 20):
        parts.update(c.fetch(number, "(" + " ".join(items[at:at + 20]) + ")")[number])
    for section in sections:
        body, mime = parts[b"BODY[%s]" % section.encode()], parts[b"BODY[%s.MIME]" % section.encode()]
        kind, subtype, octets, lines = structure.leaves[section]
        assert body is not None and mime is not None, f"{name}: {section} is NIL"
        assert len(body) == octets, f"{name} {section}: {len(body)} octets, not {octets}"
        assert mime + body in whole, f"{name} {section}: MIME and body are not side by side"
        if lines is not None:
            assert lines in (body.count(b"\n"), body.count(b"\n") + 1), f"{name} {section}: {lines} lines, not {body.count(chr(10).encode())}"
        said = re.match(rb"([\w.+-]+)/([\w.+-]+)(\s*;|$)", field(mime, b"Content-Type") or b"")
        if said and kind != b"APPLICATION" and not (said.group(1).lower() in (b"message", b"multipart")):
            assert (kind, subtype) == (said.group(1).upper(), said.group(2).upper()), f"{name} {section}: {kind}/{subtype}, {said.group()!r}"
    for section in encapsulated:
        s = section.encode()
        assert parts[b"BODY[%s.HEADER]" % s] + parts[b"BODY[%s.TEXT]" % s] == parts[b"BODY[%s]" % s], f"{name} {section}: HEADER and TEXT"


ITEMS = "(RFC822.SIZE ENVELOPE BODYSTRUCTURE BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT])"


def test_corpus_structure(daemon):
    """ENVELOPE, BODYSTRUCTURE and every BODY[part] agree, for every message, by a parser that is not the server's."""
    sent = deliver_all(daemon, "user7", list(messages.generated(300, 2)) + list(messages.corpora()))
    bad = []

    def check(number, got, c):
        try:
            check_message(sent[number - 1][0], got, c, number)
        except AssertionError as e:
            bad.append(str(e)[:300])
    count = read_all(daemon, "user7", ITEMS, check)
    assert count == len(sent)
    assert not bad, f"{len(bad)} of {count}:\n" + "\n".join(bad[:20])
    print(f"   {count} messages")


def test_corpus_unchanging(daemon):
    """Every item of every message is the same before and after the daemon was started again."""
    def digest():
        h = hashlib.sha256()
        read_all(daemon, "user7", ITEMS, lambda number, got, _: h.update(repr((number, sorted(got.items()))).encode()))
        return h.hexdigest()
    before = digest()
    daemon.restart()
    assert digest() == before
