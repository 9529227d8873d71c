"""SORT and THREAD (RFC 5256, 5957) once more, as plainly as can be: from a message's header and ENVELOPE, with objects,
recursion over small trees and Python's own sort.  Shares nothing with the server."""
import email.header, email.utils, re, unicodedata

WSP = "[ \t]"
BLOB = r"\[[^\[\]]*\][ \t]*"
REFWD = r"(?:re|fwd?)[ \t]*(?:%s)?:" % BLOB
LEADER = re.compile(r"(?i)(?:(?:%s)*%s|[ \t])" % (BLOB, REFWD))
TRAILER = re.compile(r"(?i)(?:\(fwd\)|[ \t])$")


def base_subject(text):
    """(base subject, is it a reply or forward) of a decoded subject (RFC 5256 2.1)."""
    reply = False
    text = re.sub(r"[\t\r\n ]+", " ", text)
    while True:
        while m := TRAILER.search(text):
            reply |= m.group().lower() == "(fwd)"
            text = text[:m.start()]
        while True:
            if m := LEADER.match(text):
                reply |= m.group() not in " \t"
                text = text[m.end():]
            elif (m := re.match(BLOB, text)) and text[m.end():]:
                text = text[m.end():]
            else:
                break
        if text.lower().startswith("[fwd:") and text.endswith("]"):
            text, reply = text[5:-1], True
            continue
        return text, reply


def titlecase(c):
    return c.title() if len(c.title()) == 1 else c


def casemap(text):
    """i;unicode-casemap (RFC 5051): octets that compare."""
    return unicodedata.normalize("NFKD", "".join(titlecase(c) for c in text)).encode()


def decoded(raw):
    """A header value as text; None where this oracle does not judge."""
    value = re.sub(rb"\r\n(?=[ \t])", b"", raw)
    try:
        if b"=?" not in value:
            return value.decode()
        text = value.decode("ascii")
        return str(email.header.make_header(email.header.decode_header(text)))
    except (UnicodeError, LookupError, email.errors.HeaderParseError):
        return None


def field(header, name):
    """The raw value of the first field of this name; None: there is none."""
    for one in re.split(rb"\r\n(?![ \t])", header):
        found, colon, value = one.partition(b":")
        if colon and found.strip(b" \t").lower() == name:
            return value.strip(b"\r\n \t")
    return None


def message_ids(raw):
    out = []
    for m in re.finditer(rb"<([^<>]*)>", raw or b""):
        one = re.sub(rb"\r\n[ \t]*", b"", m.group(1)).replace(b'"', b"")
        if re.fullmatch(rb"[^\s@][^\s]*@[^\s]*[^\s@]", one) or re.fullmatch(rb"[^\s@]+@[^\s@]+", one):
            out.append(one)
    return out


class Message:
    def __init__(self, number, header, envelope, arrived, size):
        """`envelope` as FETCH tells it; arrived in Unix seconds."""
        self.number, self.arrived, self.size = number, arrived, size
        raw = field(header, b"subject")
        self.judged = True
        subject = decoded(raw) if raw is not None else ""
        if subject is None:
            self.judged, subject = False, ""
        base, self.is_reply = base_subject(subject)
        self.subject = casemap(base)
        self.sent = arrived
        date = field(header, b"date")
        if date:
            parsed = email.utils.parsedate_tz(date.decode("latin-1"))
            self.judged &= not re.search(rb" \d{4,} *$", date[16:])  # what Python takes for a zone is none
            self.sent = email.utils.mktime_tz(parsed) if parsed else arrived
        ids = message_ids(field(header, b"message-id"))
        self.id = ids[0] if ids else None
        self.references = message_ids(field(header, b"references")) or \
            message_ids(field(header, b"in-reply-to"))[:1]
        self.sender, self.display_from = self.address(envelope[2])
        self.recipient, self.display_to = self.address(envelope[5])
        self.copied, _ = self.address(envelope[6])

    def address(self, found):
        """(addr-mailbox, what is displayed) of the first address (RFC 5256, RFC 5957 3)."""
        if not found:
            return b"", b""
        name, _, mailbox, host = found[0]
        mailbox = mailbox if mailbox != b"MISSING_MAILBOX" else None  # the ENVELOPE's way to say that there is none
        host = host if host != b"MISSING_DOMAIN" else None
        shown = decoded(bytes(name)) if name else ""
        if shown is None or not (mailbox or b"").isascii():
            self.judged, shown = False, ""
        if not shown and mailbox:
            shown = mailbox.decode("latin-1") + ("@" + host.decode("latin-1") if host else "")
        return casemap((mailbox or b"").decode("latin-1")), casemap(shown)


KEYS = {"ARRIVAL": lambda m: m.arrived, "CC": lambda m: m.copied, "DATE": lambda m: m.sent,
        "DISPLAYFROM": lambda m: m.display_from, "DISPLAYTO": lambda m: m.display_to, "FROM": lambda m: m.sender,
        "SIZE": lambda m: m.size, "SUBJECT": lambda m: m.subject, "TO": lambda m: m.recipient}


def sort(messages, keys):
    """Numbers in the order of keys such as ["REVERSE DATE", "FROM"]."""
    out = list(messages)
    for key in reversed(keys):
        # Python's reverse keeps the order of what is equal, as RFC 5256 wants.
        out.sort(key=KEYS[key.split()[-1]], reverse=key.startswith("REVERSE"))
    return [m.number for m in out]


# ---- threads ----

class Node:
    def __init__(self, message=None):
        self.message, self.parent, self.children = message, None, []

    def detach(self):
        if self.parent:
            self.parent.children.remove(self)
        self.parent = None

    def attach(self, child):
        child.detach()
        child.parent = self
        self.children.append(child)

    def is_below(self, other):
        node = self
        while node:
            if node is other:
                return True
            node = node.parent
        return False

    def first(self):
        return self.message or self.children[0].first()

    def order(self):
        m = self.first()
        return m.sent, m.number


def link(messages):
    """Steps 1 and 2: the nodes without parents."""
    by_id, nodes, every = {}, [], []
    for m in messages:
        node = Node(m)
        nodes.append(node)
        if m.id is not None and m.id not in by_id:
            by_id[m.id] = node
    every += nodes
    for node in nodes:
        above = None
        for one in node.message.references:
            if one not in by_id:
                by_id[one] = Node()
                every.append(by_id[one])
            current = by_id[one]
            if above and not current.parent and not above.is_below(current):
                above.attach(current)
            above = current
        node.detach()
        if above and not above.is_below(node):
            above.attach(node)
    return [n for n in every if not n.parent]


def prune(node):
    """Step 3, below a node: what stands for its children."""
    out = []
    for child in list(node.children):
        below = prune(child)
        if child.message:
            child.children = below
            out.append(child)
        else:
            out += below
    return out


def prune_roots(roots):
    out = []
    for node in roots:
        node.children = prune(node)
        for child in node.children:
            child.parent = node
        if node.message:
            out.append(node)
        elif len(node.children) == 1:
            out += node.children
        elif node.children:
            out.append(node)
    for node in out:
        node.parent = None
    return out


def sort_tree(nodes):
    for node in nodes:
        node.children = sort_tree(node.children)
    return sorted(nodes, key=Node.order)


def merge_subjects(roots):
    """Step 5; the roots are sorted."""
    table = {}
    for node in roots:
        subject = node.first().subject
        known = table.get(subject)
        if subject and (not known or (known.message and (not node.message or (
                known.message.is_reply and not node.message.is_reply)))):
            table[subject] = node
    out = []
    for node in roots:
        subject = node.first().subject
        known = table.get(subject)
        if not subject or known is node or node.parent:
            if not node.parent:
                out.append(node)
        elif not known.message and not node.message:
            known.children += node.children
        elif not known.message or (node.message.is_reply and not (known.message and known.message.is_reply)):
            known.children.append(node)
        else:
            dummy = Node()
            dummy.children = [known, node]
            known.parent = node.parent = dummy
            if known in out:
                out.remove(known)
            out.append(dummy)
            table[subject] = dummy
    return [n for n in out if not n.parent]


def latest(node):
    return max([node.message.arrived] if node.message else [], default=0) if not node.children else \
        max([latest(c) for c in node.children] + ([node.message.arrived] if node.message else []))


def told(node):
    """A node and what is below it, in the form of parse_threads()."""
    if node.message is None:
        return [told(c) for c in node.children]
    if len(node.children) == 1:
        return [node.message.number, *told(node.children[0])]
    return [node.message.number, *[told(c) for c in node.children]]


def thread(messages, algorithm):
    if algorithm == "ORDEREDSUBJECT":
        groups = {}
        for m in sorted(messages, key=lambda m: (m.sent, m.number)):
            groups.setdefault(m.subject, []).append(m.number)
        return [g if len(g) < 3 else [g[0], *[[n] for n in g[1:]]] for g in groups.values()]
    roots = sort_tree(prune_roots(link(messages)))
    if algorithm == "REFERENCES":
        roots = sort_tree(merge_subjects(roots))
    else:
        roots.sort(key=latest)
    return [told(n) for n in roots]


def parse_threads(line):
    """`* THREAD (1 2 (3)(4))` as [[1, 2, [3], [4]]]."""
    assert line.startswith(b"* THREAD"), line[:100]
    stack = [[]]
    for word in re.findall(rb"[()]|\d+", line[8:]):
        if word == b"(":
            stack.append([])
        elif word == b")":
            done = stack.pop()
            stack[-1].append(done)
        else:
            stack[-1].append(int(word))
    assert len(stack) == 1, "parentheses"
    return stack[0]
