#!/usr/bin/env python3
"""generate.py DIR [--count N] [--seed N]: realistic mail of the project's own making, NAME.eml each.

The same seed gives the same messages.  They are conversations (Message-ID, In-Reply-To, References) among people who write
in many languages and charsets: plain text, HTML, alternatives, inline pictures, attachments, forwarded messages, digests,
list mail.  The generator knows what it put together, so beside each message NAME.want says what its BODYSTRUCTURE and
date must be; corpus_test compares.
"""
import argparse, base64, datetime, pathlib, quopri, random

VOICES = [  # language, charsets it is written in, names, words
    ("en", ["us-ascii", "utf-8", "iso-8859-1"], ["Alice Archer", "Bob Baker", "Carol \"CC\" Carver", "Dave (night shift)"],
     "the barn door stays open until the hens have come home and someone counts them twice before dark".split()),
    ("de", ["utf-8", "iso-8859-1", "iso-8859-15", "windows-1252"], ["Jürgen Größe", "Zoë Müller", "Käthe Weiß"],
     "die Hühner gehen früh schlafen doch der Hahn möchte draußen bleiben bis es kühl wird".split()),
    ("fr", ["utf-8", "iso-8859-1", "windows-1252"], ["Hélène Forêt", "François Perché"],
     "le perchoir est près de la fenêtre où il fait déjà très froid à l'été comme à l'hiver".split()),
    ("ru", ["koi8-r", "utf-8", "windows-1251"], ["Иван Насестов", "Ольга Курицына"],
     "петух проснулся раньше всех и ждёт когда откроют дверь курятника".split()),
    ("el", ["utf-8", "iso-8859-7"], ["Ελένη Κοτέτση"], "η κότα κοιμάται ψηλά στην κούρνια".split()),
    ("ja", ["iso-2022-jp", "utf-8", "shift_jis", "euc-jp"], ["鳥居 太郎", "巣山 花子"],
     "鶏 は 夕方 に なる と 止まり木 へ 戻って きます".split()),
    ("zh", ["gb2312", "utf-8", "big5"], ["林 小雨"], "母 在 上 下 天 好 日 光 中 人".split()),
    ("ko", ["euc-kr", "utf-8"], ["김 나리"], "닭 은 저녁 에 횃대 로 돌아 온다".split()),
    ("ar", ["utf-8", "windows-1256"], ["ليلى طائر"], "تعود الدجاجة إلى البيت قبل الغروب".split()),
]
HOSTS = ["example.org", "example.net", "mail.example.com", "xn--bcher-kva.example"]
LISTS = ["hens", "coop-dev", "weather"]


def upper(text):
    return '"' + text.upper() + '"'


def string(text):
    """As the server writes it: quoted, or a literal where 8-bit text forbids that.  Escaped as corpus_test prints."""
    if any(ord(c) > 126 or c in "\r\n" for c in text):
        raw = text.encode("utf-8")
        return "{%d}\\x0d\\x0a" % len(raw) + "".join("\\x%02x" % b if b < 32 or b >= 127 else chr(b) for b in raw)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\\", "\\x5c") + '"'


def params(pairs):
    return "(" + " ".join(upper(n) + " " + string(v) for n, v in pairs) + ")" if pairs else "NIL"


class Part:
    """Bytes of a MIME entity and what BODYSTRUCTURE must say of it."""

    def __init__(self, header, body, structure):
        self.header, self.body, self.structure = header, body, structure

    def entity(self):
        return self.header + b"\r\n" + self.body


class Maker:
    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.clock = datetime.datetime(2026, 1, 5, 8, 0, tzinfo=datetime.timezone.utc)
        self.threads = []
        self.serial = 0

    # ---- words ----

    def voice(self):
        return self.rng.choices(VOICES, [8, 3, 2, 2, 1, 2, 1, 1, 1])[0]

    def sentence(self, voice, n):
        return " ".join(self.rng.choice(voice[3]) for _ in range(n)).capitalize() + self.rng.choice(".!?")

    def text(self, voice, lines):
        return "".join(self.sentence(voice, self.rng.randint(3, 12)) + ("\r\n" if self.rng.random() < .9 else "\r\n\r\n")
                       for _ in range(lines))

    def word(self, text, charset):
        """An encoded-word, or several where one would be too long (RFC 2047 2)."""
        out = []
        for at in range(0, len(text), 12):
            raw = text[at:at + 12].encode(charset, "replace")
            if self.rng.random() < .5:
                out.append("=?%s?B?%s?=" % (charset, base64.b64encode(raw).decode()))
            else:
                q = "".join(chr(b) if chr(b).isascii() and chr(b).isalnum() else "_" if b == 32 else "=%02X" % b for b in raw)
                out.append("=?%s?Q?%s?=" % (charset, q))
        return "\r\n ".join(out)

    def phrase(self, voice, name, charset):
        if not name.isascii():
            return self.word(name, charset)
        return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"' if self.rng.random() < .5 or not name.replace(" ", "").isalpha() else name

    def mailbox(self):
        voice = self.voice()
        name = self.rng.choice(voice[2])
        local = self.rng.choice(["hen", "cock", "chick", "j.r", "first.last", "o'brien", "a+tag"])
        address = "%s@%s" % (local, self.rng.choice(HOSTS))
        kind = self.rng.random()
        if kind < .2:
            return address
        if kind < .3 and name.isascii() and "(" not in name:
            return "%s (%s)" % (address, name)
        return "%s <%s>" % (self.phrase(voice, name, self.rng.choice(voice[1])), address)

    def mailboxes(self, most):
        return ",\r\n ".join(self.mailbox() for _ in range(self.rng.randint(1, most)))

    def boundary(self):
        self.serial += 1
        return self.rng.choice(["=_%d_part", "----=_Next_%d.1", "b%d", "coop (%d) yard", "'%d'"]) % self.serial

    # ---- parts: header without blank line ----

    def leaf(self, kind, subtype, pairs, raw, encoding, disposition=None, text=None, extra=b"", ident=None, description=None):
        head = "Content-Type: %s/%s%s\r\n" % (kind, subtype, "".join(';\r\n\t%s="%s"' % p for p in pairs))
        if encoding:
            head += "Content-Transfer-Encoding: %s\r\n" % encoding
        if ident:
            head += "Content-ID: %s\r\n" % ident
        if description:
            head += "Content-Description: %s\r\n" % description
        if disposition:
            head += "Content-Disposition: %s%s\r\n" % (disposition[0], "".join('; %s="%s"' % p for p in disposition[1]))
        lines = " %d" % raw.count(b"\n") if kind == "text" else ""
        dsp = "(%s %s)" % (upper(disposition[0]), params(disposition[1])) if disposition else "NIL"
        structure = "(%s %s %s %s %s %s %d%s NIL %s NIL NIL)" % (
            upper(kind), upper(subtype), params(pairs), string(ident) if ident else "NIL",
            string(description) if description else "NIL", upper(encoding or "7bit"), len(raw), lines, dsp)
        return Part(head.encode() + extra, raw, structure)

    def encoded(self, text, charset):
        raw = text.encode(charset, "replace")
        choice = self.rng.random()
        if max(raw, default=0) < 128 and choice < .7:
            return raw, self.rng.choice([None, "7bit"])
        if choice < .4:
            return raw, "8bit"
        if choice < .7:
            return base64.encodebytes(raw).replace(b"\n", b"\r\n"), "base64"
        return quopri.encodestring(raw.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n"), "quoted-printable"

    def plain(self, lines=None):
        voice = self.voice()
        charset = self.rng.choice(voice[1])
        raw, encoding = self.encoded(self.text(voice, self.rng.randint(1, 30) if lines is None else lines), charset)
        return self.leaf("text", "plain", [("charset", charset)] + ([("format", "flowed")] if self.rng.random() < .2 else []), raw, encoding)

    def html(self):
        voice = self.voice()
        charset = self.rng.choice(voice[1])
        body = "<html><head><style>p { color: #333 }</style></head><body>\r\n" + "".join(
            "<p>%s</p>\r\n" % self.sentence(voice, 9).replace("&", "&amp;") for _ in range(self.rng.randint(1, 12))) + "</body></html>\r\n"
        raw, encoding = self.encoded(body, charset)
        return self.leaf("text", "html", [("charset", charset)], raw, encoding)

    def attachment(self):
        kind, subtype, name = self.rng.choice([("application", "pdf", "annual report.pdf"), ("image", "png", "coop.png"),
                                               ("text", "csv", "eggs.csv"), ("application", "octet-stream", "a;b=c.bin")])
        data = self.rng.randbytes(self.rng.choice([0, 1, 100, 5000, 60000]))
        raw = base64.encodebytes(data).replace(b"\n", b"\r\n")
        return self.leaf(kind, subtype, [("name", name)], raw, "base64", ("attachment", [("filename", name)]),
                         description=self.rng.choice([None, "what you asked for"]))

    def picture(self):
        raw = base64.encodebytes(self.rng.randbytes(300)).replace(b"\n", b"\r\n")
        return self.leaf("image", "gif", [], raw, "base64", ("inline", []), ident="<pic%d@example.org>" % self.rng.randint(1, 99))

    def multi(self, subtype, children):
        boundary = self.boundary()
        body = self.rng.choice([b"", b"This is a message in several parts.\r\n"])
        for child in children:
            body += b"--" + boundary.encode() + b"\r\n" + child.entity() + b"\r\n"
        body += b"--" + boundary.encode() + b"--" + self.rng.choice([b"", b"\r\n", b"\r\nAn epilogue.\r\n"])
        head = 'Content-Type: multipart/%s;\r\n boundary="%s"\r\n' % (subtype, boundary)
        structure = "(%s %s %s NIL NIL NIL)" % ("".join(c.structure for c in children), upper(subtype), params([("boundary", boundary)]))
        return Part(head.encode(), body, structure)

    def forwarded(self, declared=True):
        """A message inside; the envelope is whatever corpus_test finds right, so only its place is known: a mark."""
        date = "Mon, 05 Jan 2026 10:00:00 +0000"
        part = self.plain(self.rng.randint(0, 6)) if self.rng.random() < .8 else self.multi("mixed", [self.plain(2), self.attachment()])
        head = "From: <in@example.org>\r\nSubject: inside\r\nDate: %s\r\n" % date
        raw = head.encode() + part.entity()
        who = '((NIL NIL "in" "example.org"))'
        envelope = '("%s" "inside" %s %s %s NIL NIL NIL NIL NIL)' % (date, who, who, who)
        structure = '("MESSAGE" "RFC822" NIL NIL NIL "7BIT" %d %s %s %d NIL NIL NIL NIL)' % (
            len(raw), envelope, part.structure, raw.count(b"\n"))
        return Part(b"Content-Type: message/rfc822\r\n" if declared else b"", raw, structure)

    def body(self):
        kind = self.rng.random()
        if kind < .35:
            return self.plain()
        if kind < .45:
            return self.html()
        if kind < .65:
            return self.multi("alternative", [self.plain(), self.html()])
        if kind < .72:
            return self.multi("related", [self.html(), self.picture()])
        if kind < .85:
            return self.multi("mixed", [self.plain()] + [self.attachment() for _ in range(self.rng.randint(1, 4))])
        if kind < .91:
            return self.multi("mixed", [self.multi("alternative", [self.plain(), self.html()]), self.forwarded()])
        if kind < .95:
            return self.multi("digest", [self.forwarded(declared=False) for _ in range(self.rng.randint(1, 6))])
        return self.multi("signed", [self.plain(), self.leaf("application", "pgp-signature", [], b"-----BEGIN\r\n", None)])

    # ---- messages ----

    def references(self):
        """A new thread or an answer in one of the last: (subject, header lines, own id)."""
        self.serial += 1
        own = "<%d.%x@%s>" % (self.serial, self.rng.getrandbits(40), self.rng.choice(HOSTS))
        if not self.threads or self.rng.random() < .4:
            voice = self.voice()
            text, charset = self.sentence(voice, 5), self.rng.choice(voice[1])
            subject = text if text.isascii() else self.word(text, charset)
            self.threads.append((subject, [own]))
            self.threads = self.threads[-20:]
            return subject, "", own
        subject, ids = self.rng.choice(self.threads)
        parent = self.rng.choice(ids)
        refs = ids[:ids.index(parent) + 1]
        ids.append(own)
        lines = "In-Reply-To: %s\r\nReferences: %s\r\n" % (parent, "\r\n ".join(refs))
        return self.rng.choice(["Re: ", "RE: ", "Fwd: ", "Re[2]: "]) + subject, lines, own

    def message(self):
        self.clock += datetime.timedelta(seconds=self.rng.randint(1, 7200))
        zone = self.rng.choice([0, 60, 120, 330, 540, -300, -480])
        local = self.clock + datetime.timedelta(minutes=zone)
        date = local.strftime("%a, %d %b %Y %H:%M:%S ") + "%s%02d%02d" % ("-" if zone < 0 else "+", abs(zone) // 60, abs(zone) % 60)
        subject, thread, own = self.references()
        part = self.body()
        lines = ["Return-Path: <bounce@example.net>", "Date: " + date, "From: " + self.mailbox(), "Subject: " + subject,
                 "To: " + self.mailboxes(4), "Message-ID: " + own, "MIME-Version: 1.0"]
        if self.rng.random() < .3:
            lines.append("Cc: " + self.mailboxes(30))
        if self.rng.random() < .2:
            name = self.rng.choice(LISTS)
            lines += ["List-Id: <%s.lists.example.org>" % name, "List-Post: <mailto:%s@lists.example.org>" % name,
                      "Sender: %s-bounces@lists.example.org" % name, "Reply-To: %s@lists.example.org" % name]
        for hop in range(self.rng.randint(0, 4)):
            lines.append("Received: from a%d.example.net (a%d.example.net [192.0.2.%d])\r\n\tby b%d.example.org with ESMTPS id x%06x;\r\n\t%s"
                         % (hop, hop, hop, hop, self.rng.getrandbits(24), date))
        self.rng.shuffle(lines)
        raw = ("\r\n".join(lines) + "\r\n" + thread).encode("utf-8") + part.entity()
        days = (local.date() - datetime.date(1970, 1, 1)).days
        want = "BODYSTRUCTURE %s\nDATE day %d utc %d\n" % (part.structure, days, int(self.clock.timestamp()))
        return raw, want


def main():
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("dir", type=pathlib.Path)
    args.add_argument("--count", type=int, default=200)
    args.add_argument("--seed", type=int, default=1)
    args = args.parse_args()
    args.dir.mkdir(parents=True, exist_ok=True)
    maker = Maker(args.seed)
    for n in range(1, args.count + 1):
        raw, want = maker.message()
        if n % 7 == 0:  # as a Unix program writes it; intake makes the CRLF form
            raw = raw.replace(b"\r\n", b"\n")
        (args.dir / ("%06d.eml" % n)).write_bytes(raw)
        (args.dir / ("%06d.want" % n)).write_text(want)


if __name__ == "__main__":
    main()
