"""The transcript language: a file becomes a list of steps.

    # text              a comment; the first lines name the RFC sections that the transcript is for
    CONN name [kind]    the lines that follow belong to this connection, opened when first named; kind is imap (the default),
                        imaps, strict (IMAP without clear-text login, with LITERAL- and
                        without UIDONLY and UNAUTHENTICATE) or lmtp.  The first connection is A
    LOGIN [address]     reads the greeting and logs in
    DO command          sends the command with a tag of its own and skips everything up to its tagged OK: preparation, sent
                        whole in every way
    C: text             sends text CRLF
    CN: text            sends text as it is
    S: text             the next response is this
    S? text             the next response may be this
    UNTIL text          responses are skipped up to this one
    U{ ... U}           the responses between come in any order; `S? text` may come, a line `...` allows any other untagged
                        response (or 250 line of LMTP), `N: text` forbids one
    L: text             a line (LN: without CRLF) of the literal that `{}`, `{+}` or `{n}` at the end of the last line stands for;
                        after it, `C+ text` or `S+ text` continue the line
    DELIVER [address]   the `M: text` lines that follow are delivered by LMTP to the transcript's user
    ROOST words         runs `roost words` against the daemon's configuration, which must go well
    HAS words           the last response held these words; HASNOT: none of them
    CHECK a op b        compares two captured or written numbers (<, <=, =, !=, >=, >), or words (=, !=)
    CLOSED              the server closes the connection
    CUT                 the client cuts the connection
    END                 the client sends its end and goes on reading (not under TLS)
    STARTTLS            the TLS handshake happens here
    COMPRESS            from here on what both sides send is compressed
    WAYS way...         replay only in these ways

In every line: `\\xNN` is an octet, `$(text*n)` is text n times, `$user` the transcript's own user (an address without
its domain), `$name` a capture; `$BASE64(text)` is encoded.  Everything else is taken as it stands.
"""
import collections, functools, re

from match import protect

Step = collections.namedtuple("Step", "number verb text")

PLAIN_VERBS = {"ROOST", "CONN", "LOGIN", "CHECK", "HAS", "HASNOT", "CLOSED", "CUT", "END", "STARTTLS", "COMPRESS", "WAYS"}


class TranscriptError(Exception):
    pass


def escapes(text, keep=lambda c: c):
    def plain(m):
        if m.group(2):
            return escapes(m.group(1), keep) * int(m.group(2))
        return keep(chr(int(m.group(3), 16)))
    return re.sub(r"\$\((.+?)\*(\d+)\)|\\x([0-9A-Fa-f]{2})", plain, text)


class Parser:
    def __init__(self, path):
        self.lines = path.read_text(encoding="latin-1").splitlines()
        self.at = 0

    def error(self, text):
        return TranscriptError(f"line {self.at}: {text}")

    def peek(self):
        return self.lines[self.at] if self.at < len(self.lines) else ""

    def literal(self, verbs=("L", "LN")):
        """The L: or M: lines here as one text, or None if there are none."""
        out = None
        while True:
            verb, colon, text = self.peek().partition(":")
            if not colon or verb not in verbs:
                return out
            out = (out or "") + escapes(text[1:]) + ("" if verb == "LN" else "\r\n")
            self.at += 1

    def command(self, text):
        """A command as parts to send; each but the first follows a literal and, if `{n}`, a continuation."""
        parts = [escapes(text)]
        while True:
            m = re.search(r"\{(\d*)(\+?)\}$", parts[-1])
            if not m or not self.peek().startswith(("L:", "LN:")):
                return parts
            content = self.literal()
            if m.group(1) and int(m.group(1)) != len(content):
                raise self.error(f"the literal has {len(content)} octets")
            parts[-1] = parts[-1][:m.start()] + f"{{{len(content)}{m.group(2)}}}"
            rest = ""
            if self.peek().startswith("C+"):
                rest = escapes(self.peek()[3:])
                self.at += 1
            parts[-1] = (parts[-1], content)
            parts.append(rest)

    def expected(self, text):
        """An expectation with its literals in place."""
        text = escapes(text, protect)
        while True:
            m = re.search(r"\{(\d*)\}$", text)
            if not m:
                return text
            content = self.literal()
            if content is not None:
                if m.group(1) and int(m.group(1)) != len(content):
                    raise self.error(f"the literal has {len(content)} octets")
                text = f"{text[:m.start()]}{{{len(content)}}}\r\n{protect(content)}"
                if self.peek().startswith("S+"):
                    text += escapes(self.peek()[3:], protect)
                    self.at += 1
            elif m.group(1):  # the lines that follow are as they are on the wire
                count, lines = int(m.group(1)), []
                while len("\r\n".join(lines)) < count or not lines:
                    if not self.peek().startswith("S:"):
                        raise self.error(f"less than the literal's {count} octets are here")
                    lines.append(self.peek()[3:])
                    self.at += 1
                wire = "\r\n".join(lines)
                text = f"{text}\r\n{protect(wire[:count])}{wire[count:]}"
            else:
                raise self.error("{} without L: lines")

    def block(self):
        wanted, optional, forbidden, others = [], [], [], False
        while True:
            line = self.peek()
            self.at += 1
            if line == "U}":
                return wanted, optional, forbidden, others
            if line == "...":
                others = True
            elif line.startswith("S: "):
                wanted.append(self.expected(line[3:]))
            elif line.startswith("S? "):
                optional.append(self.expected(line[3:]))
            elif line.startswith("N: "):
                forbidden.append(escapes(line[3:], protect))
            elif line.strip() and not line.startswith("#"):
                raise self.error(f"not for a block: {line!r}")

    def steps(self):
        while self.at < len(self.lines):
            line = self.lines[self.at]
            self.at += 1
            number = self.at
            verb, _, rest = line.partition(" ")
            if not line.strip() or line.startswith("#"):
                continue
            if verb == "C:":
                yield Step(number, "send", self.command(rest))
            elif verb == "DO":
                yield Step(number, "do", self.command(rest))
            elif verb == "CN:":
                yield Step(number, "raw", escapes(rest))
            elif verb in ("S:", "S?"):
                yield Step(number, "expect" if verb == "S:" else "maybe", self.expected(rest))
            elif verb == "U{":
                yield Step(number, "block", self.block())
            elif verb == "DELIVER":
                yield Step(number, "deliver", (rest, self.literal(("M",)) or ""))
            elif verb == "UNTIL":
                yield Step(number, "until", self.expected(rest))
            elif verb in PLAIN_VERBS:
                yield Step(number, verb.lower(), rest)
            else:
                raise self.error(f"cannot read {line!r}")


@functools.lru_cache(4)
def parse(path):
    return list(Parser(path).steps())
