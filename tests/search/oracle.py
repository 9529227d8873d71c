"""SEARCH by reading every message, written to be obviously right: no index, no plan, nothing of the server's.

A program is a nested tuple; `holds` says True, False, or None where it is open how a message reads: white space in HTML,
parts that are not in the charset they name.
"""
import email, email.utils, html.parser, re, time, unicodedata
from datetime import datetime, timezone

WORD = re.compile(r"=\?([^?*]+)(?:\*[^?]*)?\?([bBqQ])\?([^?]*)\?=")
DAY_S = 86400


def fold(text):
    """i;unicode-casemap (RFC 5051): title case, character by character, then decomposed."""
    def title(c):
        t = c.title()
        return t if len(t) == 1 else c
    return unicodedata.normalize("NFKD", "".join(map(title, text)))


def plain(text):
    """Folded, without accents."""
    return "".join(c for c in fold(text) if unicodedata.category(c) not in ("Mn", "Me"))


def words_of(text):
    """What FUZZY takes for words (RFC 6203 3 leaves it to the server)."""
    return "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in plain(text)).split()


def is_unspaced(c):
    return any(a <= ord(c) < b for a, b in ((0xe00, 0xf00), (0x1000, 0x10a0), (0x1780, 0x1800), (0x3040, 0x3130), (0x31f0, 0xa000),
                                            (0xf900, 0xfb00), (0xff66, 0xffa0), (0x20000, 0x40000)))


def begins_a_word(word, texts):
    return any(word in t if is_unspaced(word[0]) else any(w.startswith(word) for w in words_of(t)) for t in texts)


def decode_word(m):
    import base64, quopri
    charset, how, text = m.group(1), m.group(2).upper(), m.group(3).encode("latin-1")
    raw = base64.b64decode(text + b"=" * (-len(text) % 4)) if how == "B" else quopri.decodestring(text.replace(b"_", b" "), True)
    return raw.decode(charset, "replace")


def decode_words(value):
    """Encoded-words become text, and white space between two of them goes (RFC 2047 6.2)."""
    value = re.sub(r"(\?=)[ \t]+(?==\?)", r"\1", value)
    return WORD.sub(decode_word, value)


def fields(block):
    """[(name, value)] of a header block, unfolded and decoded."""
    out = []
    for line in re.split(r"\r\n(?![ \t])", block):
        name, colon, value = line.partition(":")
        if colon:
            out.append((name.strip(), decode_words(value.replace("\r\n", ""))))
    return out


class Reader(html.parser.HTMLParser):
    """The text of HTML, as one reads it."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.text, self.hidden = [], 0

    def handle_starttag(self, tag, attrs):
        self.hidden += tag in ("script", "style")
        self.text.append(" " if tag in ("p", "div", "br", "li", "tr", "td", "h1", "h2") else "")

    def handle_endtag(self, tag):
        self.hidden -= tag in ("script", "style")
        self.text.append(" " if tag in ("p", "div", "br", "li", "tr", "td", "h1", "h2") else "")

    def handle_data(self, data):
        self.text.append("" if self.hidden else data)


def header_block(entity):
    """The raw header of an entity."""
    end = entity.find(b"\r\n\r\n")
    head = entity if end < 0 else entity[:end + 2]
    for charset in ("ascii", "utf-8"):
        try:
            return head.decode(charset)
        except UnicodeDecodeError:
            pass
    return head.decode("latin-1")


class Message:
    """What is searched of a message, folded."""

    def __init__(self, raw):
        self.raw, self.size = raw, len(raw)
        self.own = fields(header_block(raw))
        self.header = [f"{n}:{v}" for n, v in self.own]
        self.body, self.names, self.html, self.inner = [], [], [], []
        self.vague = False  # a part is not in its charset
        self.look(email.message_from_bytes(raw), True)
        self.fields_folded = [(n.lower(), fold(v)) for n, v in self.own]
        self.text_folded = [fold(t) for t in self.header + self.inner + self.body + self.names]
        self.body_folded = [fold(t) for t in self.inner_headers + self.body + self.names]
        self.html_folded = [fold(t) for t in self.html]
        date = next((v for n, v in self.own if n.lower() == "date"), None)
        parsed = email.utils.parsedate(date) if date else None
        self.sent = datetime(*parsed[:3], tzinfo=timezone.utc).timestamp() // DAY_S if parsed else None

    def look(self, part, top):
        if top:
            self.inner_headers = []
        else:
            block = "".join(f"{n}: {v}\r\n" for n, v in part.raw_items())
            (self.inner_headers if part.is_message else self.inner).extend(f"{n}:{v}" for n, v in fields(block))
        name = part.get_filename()
        if name:
            self.names.append(email.utils.collapse_rfc2231_value(name) if isinstance(name, tuple) else decode_words(name))
        if part.is_multipart():
            for child in part.get_payload():
                child.is_message = part.get_content_type() == "message/rfc822"
                self.look(child, False)
        elif part.get_content_maintype() == "text":
            try:
                text = part.get_payload(decode=True).decode(part.get_content_charset("us-ascii"))
            except UnicodeDecodeError:
                self.vague = True
                return
            self.body.append(text)
            if part.get_content_subtype() == "html":
                reader = Reader()
                reader.feed(text)
                reader.close()
                self.html.append(" ".join("".join(reader.text).split()))
        if top:
            self.inner += self.inner_headers

    def has(self, needle, kind):
        """BODY or TEXT."""
        needle = fold(needle)
        if any(needle in t for t in (self.text_folded if kind == "TEXT" else self.body_folded)):
            return True
        if needle == "" or any(needle in t for t in self.html_folded):
            return True
        return None if self.vague or (self.html and re.search(r"\s", needle)) else False

    def has_words(self, needle, kind):
        """The same of FUZZY."""
        words = words_of(needle)
        if not words:
            return self.has(needle, kind)
        texts = [plain(t) for t in (self.inner if kind == "TEXT" else self.inner_headers) + ([] if self.html else self.body) + self.names]
        if kind == "TEXT":
            texts += [plain(v) for _, v in self.own]
        found = all(begins_a_word(w, texts) for w in words)
        return found or (None if self.vague or self.html else False)

    def has_field_words(self, name, needle):
        words = words_of(needle)
        if not words:
            return self.has_field(name, needle)
        return all(begins_a_word(w, [plain(v) for n, v in self.own if n.lower() == name.lower()]) for w in words)

    def has_field(self, name, needle):
        return any(n == name.lower() and fold(needle) in v for n, v in self.fields_folded)


class Held:
    """A message in a mailbox."""

    def __init__(self, message, flags, when, zone_min, saved):
        self.message, self.flags, self.when, self.zone_min, self.saved = message, set(flags), when, zone_min, saved
        self.recent, self.modseq, self.email, self.thread = False, 0, None, None  # as FETCH tells them


def compare(key, value, wanted):
    if value is None:
        return False
    return {"BEFORE": value < wanted, "ON": value == wanted, "SINCE": value >= wanted}[key]


def holds(program, uid, number, held, fuzzy=False):
    key, *rest = program
    m = held.message
    if key == "FUZZY":
        return holds(rest[0], uid, number, held, True)
    if key == "AND":
        return every(holds(p, uid, number, held, fuzzy) for p in rest)
    if key == "OR":
        return negate(every(negate(holds(p, uid, number, held, fuzzy)) for p in rest))
    if key == "NOT":
        return negate(holds(rest[0], uid, number, held, fuzzy))
    if key == "ALL":
        return True
    if key == "FLAG":
        return rest[0] in held.flags
    if key == "UID":
        return uid in rest[0]
    if key == "SEQ":
        return number in rest[0]
    if key in ("RECENT", "OLD", "NEW"):
        return not held.recent if key == "OLD" else held.recent and (key == "RECENT" or "SEEN" not in held.flags)
    if key == "MODSEQ":
        return held.modseq >= rest[0]
    if key in ("EMAILID", "THREADID"):
        return rest[0] == (held.email if key == "EMAILID" else held.thread)
    if key == "SAVEDATESUPPORTED":
        return True
    if key in ("LARGER", "SMALLER"):
        return m.size > rest[0] if key == "LARGER" else m.size < rest[0]
    if key in ("BEFORE", "ON", "SINCE"):
        return compare(key, (held.when + held.zone_min * 60) // DAY_S, rest[0])
    if key.startswith("SENT"):
        return compare(key[4:], m.sent, rest[0])
    if key.startswith("SAVED"):
        return compare(key[5:], held.saved // DAY_S, rest[0])
    if key in ("OLDER", "YOUNGER"):
        age = time.time() - held.when
        return age >= rest[0] if key == "OLDER" else age <= rest[0]
    if key in ("BODY", "TEXT"):
        return m.has_words(rest[0], key) if fuzzy else m.has(rest[0], key)
    has_field = m.has_field_words if fuzzy else m.has_field
    if key == "HEADER":
        return has_field(rest[0], rest[1])
    return rest[0] == "" or has_field(key, rest[0])  # FROM and its like: nothing is a part of every field


def negate(answer):
    return None if answer is None else not answer


def every(answers):
    answers = list(answers)
    return False if False in answers else (None if None in answers else True)
