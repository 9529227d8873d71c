"""Replays one transcript against a daemon in one way."""
import base64, collections, operator, re, ssl

import connection
from daemon import run as run_roost
from match import expose, matches
from transcript import TranscriptError, parse

WAYS = ("whole", "bytes", "cuts", "window")
SAMPLED = ("tls", "deflate")  # these with one file of SAMPLE each
SAMPLE = 4
OPERATORS = {"<": operator.lt, "<=": operator.le, "=": operator.eq, "!=": operator.ne, ">=": operator.ge, ">": operator.gt}


class Mismatch(Exception):
    pass


class Replay:
    def __init__(self, path, daemon, way, user, seed):
        self.path, self.daemon, self.way, self.seed = path, daemon, way, seed
        self.captures, self.connections = {"user": user}, {}
        self.trace = collections.deque(maxlen=12)  # (connection, who, what): told when something goes wrong
        self.name, self.kind, self.last = "A", "imap", ""
        self.kept = {}  # by connection: a response read for S? or a block that is still to be matched

    def fill(self, text):
        if "$" not in text:
            return text.encode("latin-1")
        text = re.sub(r"\$([a-z]\w*)", lambda m: self.captures.get(m.group(1), m.group(0)), text)
        return re.sub(rb"\$BASE64\((.*?)\)", lambda m: base64.b64encode(m.group(1)), text.encode("latin-1"), flags=re.S)

    def open(self):
        if self.name not in self.connections:
            kind = "imaps" if self.way == "tls" and self.kind == "imap" else self.kind
            self.connections[self.name] = connection.Connection(
                self.daemon.port(kind), self.name, self.trace, self.way, self.seed, tls=kind == "imaps",
                literals=kind != "lmtp")
        return self.connections[self.name]

    def response(self):
        if self.name in self.kept:
            self.last = self.kept.pop(self.name)
        else:
            self.last = self.open().line()
        return self.last

    def send(self, parts, whole=False):
        """Sends a command; where a literal is synchronising, waits for the continuation."""
        for part in parts:
            if isinstance(part, str):
                self.open().send(self.fill(part) + b"\r\n", whole)
                return
            head, content = part
            self.open().send(self.fill(head) + b"\r\n", whole)
            if not head.endswith("+}"):
                got = self.response()
                if not got.startswith("+ "):
                    raise Mismatch(f"expected a continuation\n  got      {got!r}")
            self.open().send(self.fill(content), whole)

    def expect(self, text):
        if "$BASE64" in text:
            text = re.sub(r"\$BASE64\((.*?)\)", lambda m: base64.b64encode(expose(m.group(1)).encode("latin-1")).decode(), text)
        got = self.response()
        if not matches(text, got, self.captures):
            raise Mismatch(f"expected {expose(text)!r}\n  got      {got!r}")

    def step_send(self, parts):
        self.send(parts)

    def step_raw(self, text):
        self.open().send(self.fill(text))

    def step_expect(self, text):
        self.expect(text)

    def step_maybe(self, text):
        got = self.response()
        if not matches(text, got, self.captures):
            self.kept[self.name] = got

    def step_until(self, text):
        tagged = not text.startswith("* ")
        while (got := self.response()).startswith("* ") == tagged or not matches(text, got, self.captures):
            pass

    def step_block(self, block):
        wanted, optional, forbidden, others = list(block[0]), list(block[1]), block[2], block[3]
        while wanted or optional or others:
            got = self.response()
            if any(matches(f, got, dict(self.captures)) for f in forbidden):
                raise Mismatch(f"forbidden {got!r}")
            for expected in (wanted, optional):
                hit = next((w for w in expected if matches(w, got, self.captures)), None)
                if hit is not None:
                    expected.remove(hit)
                    break
            else:
                if others and got.startswith(("* ", "250")):
                    continue
                if not wanted:
                    self.kept[self.name] = got
                    return
                raise Mismatch("expected one of " + "\n           or ".join(repr(expose(w)) for w in wanted) +
                               f"\n  got      {got!r}")

    def step_do(self, parts):
        c = self.open()
        c.tag += 1
        tag = f"do{c.tag}"
        first = parts[0]
        parts = [f"{tag} {first}" if isinstance(first, str) else (f"{tag} {first[0]}", first[1])] + parts[1:]
        self.send(parts, whole=True)
        while True:
            got = self.response()
            if got.startswith(tag + " "):
                break
        if not got.startswith(tag + " OK"):
            raise Mismatch(f"expected OK\n  got      {got!r}")

    def step_login(self, address):
        self.expect("* OK ...")
        self.step_do([f"LOGIN {address or '$user@example.org'} pass"])
        if self.way == "deflate" and self.kind != "lmtp":
            self.step_do(["COMPRESS DEFLATE"])
            self.step_compress(None)

    def step_conn(self, text):
        self.name, _, kind = text.partition(" ")
        self.kind = kind or "imap"
        if self.name not in self.connections:
            self.open()

    def step_deliver(self, argument):
        address, message = argument
        address = self.fill(address or "$user").decode()
        if "@" not in address:
            address += "@example.org"
        connection.deliver(self.daemon.lmtp, address, self.fill(message))

    def step_roost(self, words):
        run_roost(self.daemon, *self.fill(words).decode().split())

    def step_has(self, words):
        for word in words.split():
            if not re.search(r"(?<![^ (\[])" + re.escape(word) + r"(?![^ )\]])", self.last):
                raise Mismatch(f"expected {word!r} in {self.last!r}")

    def step_hasnot(self, words):
        for word in words.split():
            if re.search(r"(?<![^ (\[])" + re.escape(word) + r"(?![^ )\]])", self.last):
                raise Mismatch(f"{word!r} may not be in {self.last!r}")

    def step_check(self, text):
        a, op, b = self.fill(text).decode().split()
        numbers = a.isdigit() and b.isdigit()
        if not OPERATORS[op](int(a) if numbers else a, int(b) if numbers else b):
            raise Mismatch(f"{text}: {a} {op} {b} does not hold")

    def step_closed(self, _):
        try:
            got = self.response()
        except (EOFError, ConnectionResetError, BrokenPipeError, ssl.SSLEOFError):
            self.connections.pop(self.name).close()
            return
        raise Mismatch(f"expected the end\n  got      {got!r}")

    def step_cut(self, _):
        self.connections.pop(self.name).close()

    def step_end(self, _):
        self.open().end()

    def step_starttls(self, _):
        self.open().start_tls()

    def step_compress(self, _):
        self.open().compress()

    def step_ways(self, _):
        pass

    def run(self):
        """None, or what went wrong and where."""
        where = None
        try:
            for where in parse(self.path):
                if where.verb == "ways" and self.way not in where.text.split():
                    return None
                getattr(self, "step_" + where.verb)(where.text)
            if self.kept:
                raise Mismatch(f"not expected {self.kept!r}")
        except TranscriptError as e:
            return f"{self.path}: {e}"
        except (Mismatch, EOFError, OSError, AssertionError) as e:
            kind = "" if isinstance(e, Mismatch) else type(e).__name__ + ": "
            last = "\n".join(f"    {name} {who}: {what!r}"[:400] for name, who, what in self.trace)
            return f"{self.path}:{where.number if where else 0}: ({self.way}) {kind}{e}\n{last}"
        finally:
            for c in self.connections.values():
                c.close()
        return None


def replay(path, daemon, way, user, seed):
    return Replay(path, daemon, way, user, seed).run()
