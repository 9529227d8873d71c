"""Reads IMAP by itself: a client connection and a response parser that share no code with the server or with imaplib.

A response becomes nested lists of bytes (atoms, as they are), Quoted (strings) and None (NIL).
"""
import re, socket, ssl


class Quoted(bytes):
    """A string that came quoted or as a literal; an atom is plain bytes."""


class Cursor:
    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def peek(self):
        return self.data[self.at:self.at + 1]

    def value(self):
        c = self.peek()
        if c == b"(":
            return self.list()
        if c == b'"':
            return self.quoted()
        literal = re.compile(rb"\{(\d+)\}\r\n").match(self.data, self.at)
        if literal:
            end = literal.end() + int(literal.group(1))
            out = Quoted(self.data[literal.end():end])
            assert end <= len(self.data), "a literal that is cut off"
            self.at = end
            return out
        return self.atom()

    def quoted(self):
        out, self.at = bytearray(), self.at + 1
        while self.peek() != b'"':
            if self.peek() == b"\\":
                self.at += 1
                assert self.peek() in (b"\\", b'"'), f"escape at {self.at}"
            assert self.peek() not in (b"", b"\r", b"\n", b"\0") and self.peek() < b"\x80", f"octet in a quoted string at {self.at}"
            out += self.peek()
            self.at += 1
        self.at += 1
        return Quoted(out)

    def atom(self):
        start = self.at
        while self.at < len(self.data) and self.data[self.at] not in b' ()"':
            if self.data[self.at] == ord("["):  # a section, with its list of names
                self.at = self.data.index(b"]", self.at)
            self.at += 1
        assert self.at > start, f"no value at {start}: {self.data[start:start + 40]!r}"
        out = self.data[start:self.at]
        return None if out.upper() == b"NIL" else out

    def list(self):
        """A list; two lists may stand side by side without a space (the parts of a multipart, addresses)."""
        out, self.at = [], self.at + 1
        while self.peek() != b")":
            out.append(self.value())
            if self.peek() == b" ":
                self.at += 1
                assert self.peek() != b")", f"a space before the end of a list at {self.at}"
            else:
                assert self.peek() == b")" or (self.peek() == b"(" and isinstance(out[-1], list)), f"no space at {self.at}"
        self.at += 1
        return out


def parse_fetch(line):
    """`* n FETCH (...)` as (n, {KEY: value}), else None."""
    m = re.match(rb"\* (\d+) FETCH ", line)
    if not m:
        return None
    cursor = Cursor(line, m.end())
    items = cursor.list()
    assert cursor.at == len(line), f"more after the end: {line[cursor.at:][:40]!r}"
    return int(m.group(1)), {k.upper(): v for k, v in zip(items[::2], items[1::2])}


class Client:
    """A connection that sends commands and returns what came back; NO and BAD raise."""

    def __init__(self, port, tls=False, timeout_s=120):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket)
        self.file = self.socket.makefile("rb", 1 << 18)
        self.tag = 0
        self.greeting = self.line()

    def close(self):
        self.file.close()
        self.socket.close()

    def line(self):
        out = b""
        while True:
            part = self.file.readline()
            if not part.endswith(b"\r\n"):
                raise EOFError(f"the connection ended after {part!r}")
            out += part[:-2]
            m = re.search(rb"\{(\d+)\}$", part[:-2])
            if not m:
                return out
            content = self.file.read(int(m.group(1)))
            if len(content) != int(m.group(1)):
                raise EOFError("the connection ended in a literal")
            out += b"\r\n" + content

    def send(self, command):
        """Sends without waiting; returns the tag.  Bytes after a newline in `command` belong to literals (`{n+}`)."""
        self.tag += 1
        tag = b"c%d" % self.tag
        self.socket.sendall(tag + b" " + (command if isinstance(command, bytes) else command.encode()) + b"\r\n")
        return tag

    def answer(self, tag):
        """(untagged responses, tagged text) for the command with this tag, whatever the outcome."""
        untagged = []
        while True:
            line = self.line()
            if line.startswith(tag + b" "):
                return untagged, line[len(tag) + 1:]
            untagged.append(line)

    def do(self, command):
        untagged, status = self.answer(self.send(command))
        if not status.startswith(b"OK"):
            raise AssertionError(f"{command[:100]!r}: {status!r}")
        return untagged, status

    def login(self, user):
        self.do(f"LOGIN {user}@example.org pass")
        return self

    def fetch(self, numbers, items, uid=False):
        """{number: {ITEM: value}} for all responses."""
        out = {}
        for line in self.do(f"{'UID ' if uid else ''}FETCH {numbers} {items}")[0]:
            one = parse_fetch(line)
            if one:
                out.setdefault(one[0], {}).update(one[1])
        return out
