"""Messages for the tests: made from a seed, and the corpora where they are found.  All in CRLF form."""
import base64, pathlib, random, re, subprocess, tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORDS = "roost barn swallow nest egg feather perch branch wing flight grün été 木 straw".split()


def crlf(data):
    """The one form that is compared: every line ends in CRLF, also the last."""
    data = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return data if data.endswith(b"\r\n") else data + b"\r\n"


class Generator:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def words(self, low, high):
        return " ".join(self.r.choices(WORDS, k=self.r.randint(low, high)))

    def text(self):
        return "\r\n".join(self.words(0, 14) for _ in range(self.r.randint(0, 40))).encode()

    def leaf(self):
        kind = self.r.randrange(5)
        if kind == 0:
            return b"", self.text().decode().encode("ascii", "replace")
        if kind == 1:
            return b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n", self.text()
        if kind == 2:
            return b"Content-Type: text/html; charset=\"iso-8859-1\"\r\n", self.text().decode().encode("latin-1", "replace")
        data = self.r.randbytes(self.r.randint(0, 3000))
        head = b"Content-Type: application/octet-stream; name=\"%d.bin\"\r\nContent-Transfer-Encoding: base64\r\n" \
               b"Content-Disposition: attachment;\r\n filename*=utf-8''%%C3%%A9t%%C3%%A9-%d\r\n" % (kind, kind)
        return head, base64.encodebytes(data).replace(b"\n", b"\r\n")

    def entity(self, depth):
        """(header, body) of a part: a leaf, a multipart or a message."""
        kind = self.r.random()
        if depth > 3 or kind < 0.5:
            return self.leaf()
        if kind < 0.85:
            boundary = b"=_%d_%d" % (depth, self.r.getrandbits(40))
            body = b"".join(b"--%s\r\n%s\r\n%s\r\n" % (boundary, *self.entity(depth + 1)) for _ in range(self.r.randint(1, 4)))
            subtype = self.r.choice([b"mixed", b"alternative", b"related", b"digest"])
            tail = b"" if self.r.random() < .1 else b"--%s--\r\n" % boundary
            return b"Content-Type: multipart/%s;\r\n\tboundary=\"%s\"\r\n" % (subtype, boundary), body + tail
        return b"Content-Type: message/rfc822\r\n", self.message(depth + 1)

    def message(self, depth=0):
        header, body = self.entity(depth)
        people = ["Ann <ann@example.net>", "\"Bob, B.\" <bob@example.org>", "carol@example.org (Carol)",
                  "Friends: dave@example.net, Eve <eve@example.net>;", "undisclosed-recipients:;", "=?utf-8?q?J=C3=BCrgen?= <j@x.example>"]
        lines = [f"From: {self.r.choice(people[:3])}", f"To: {', '.join(self.r.sample(people, self.r.randint(1, 4)))}",
                 f"Subject: {self.words(1, 30)}", f"Message-ID: <{self.r.getrandbits(64):x}@example.net>",
                 f"Date: Tue, {self.r.randint(1, 28)} Nov 2026 10:{self.r.randrange(60):02}:00 +0000"]
        self.r.shuffle(lines)
        if self.r.random() < .3:
            lines.append("X-Long: " + "\r\n ".join(self.words(5, 12) for _ in range(30)))
        return "\r\n".join(lines).encode() + b"\r\n" + header + b"\r\n" + body


def generated(count, seed):
    for n in range(count):
        yield f"generated {seed}.{n}", crlf(Generator(f"{seed}.{n}").message())
    yield "large", b"Subject: large\r\n\r\n" + b"".join(b"%d large line of a large message\r\n" % n for n in range(60000))
    yield "header only", b"Subject: header only\r\n"
    yield "long line", b"Subject: long\r\n\r\n" + b"x" * 200000 + b"\r\n"


def corpora():
    """(name, message) of tests/corpus and of the archives beside the project, as far as they are there."""
    for path in sorted((ROOT / "tests" / "corpus").rglob("*.eml")):
        yield str(path.relative_to(ROOT)), crlf(path.read_bytes())
    for archive in sorted((ROOT.parent / "shared" / "corpus").glob("*.tar.zst")):
        with tempfile.TemporaryDirectory() as d:
            subprocess.run(["tar", "--zstd", "-C", d, "-xf", str(archive)], check=True)
            for path in sorted(pathlib.Path(d).rglob("*.eml")):
                yield f"{archive.name}:{path.relative_to(d)}", crlf(path.read_bytes())


def without_return_path(message):
    """What a delivery keeps of a message: all but its own Return-Path fields (RFC 5321 4.4)."""
    header, blank, body = message.partition(b"\r\n\r\n")
    fields = re.split(rb"(?<=\r\n)(?![ \t])", header + (b"\r\n" if blank else b""))
    return b"".join(f for f in fields if not re.match(rb"(?i)return-path[ \t]*:", f)) + blank[2:] + body
