"""Does a response fit what a transcript expects?

`...` matches anything, `$name` (lower case) captures a word or compares it.  What the protocol leaves free does not matter:
the order of flags, FETCH items, STATUS items, ESEARCH data and LIST attributes, whether a name is an atom or quoted, whether
a string is quoted or a literal.
"""
import re

# Text of an expectation that stands for itself (escapes, literals) is moved to this range, out of reach of `...` and `$name`.
PLAIN = 0xE000


TO_PLAIN = {n: PLAIN + n for n in range(256)}
FROM_PLAIN = {PLAIN + n: n for n in range(256)}
FREE = re.compile(r"\$([a-z]\w*)|\.\.\.")


def protect(text):
    return text.translate(TO_PLAIN)


def expose(text):
    return text if text.isascii() else text.translate(FROM_PLAIN)


def pattern(text, captures):
    """The regular expression for an expectation."""
    out, position, new = "", 0, set()
    for m in FREE.finditer(text):
        out += re.escape(expose(text[position:m.start()]))
        name = m.group(1)
        if name is None:
            out += ".*"
        elif name in captures:
            out += re.escape(captures[name])
        elif name in new:
            out += f"(?P={name})"
        else:
            out += f"(?P<{name}>[^ \\]\\)]+)"
            new.add(name)
        position = m.end()
    return re.compile(out + re.escape(expose(text[position:])), re.S)


def fits(expected, got, captures):
    """What `$names` stand for, or None.  Most expectations leave nothing or one thing free: those need no regular expression."""
    free = FREE.findall(expected)
    if not free:
        return {} if expose(expected) == got else None
    if free == [""]:
        head, tail = map(expose, expected.split("..."))
        return {} if len(got) >= len(head) + len(tail) and got.startswith(head) and got.endswith(tail) else None
    m = pattern(expected, captures).fullmatch(got)
    return m.groupdict() if m else None


def token_end(text, at):
    """Where the token that starts at `at` ends: a list, a quoted string, a literal, or an atom with a [section]."""
    if text[at] == "(":
        at += 1
        while text[at] != ")":
            at = at + 1 if text[at] == " " else token_end(text, at)
        return at + 1
    if text[at] == '"':
        at += 1
        while text[at] != '"':
            at += 2 if text[at] == "\\" else 1
        return at + 1
    literal = re.compile(r"\{(\d+)\}\r\n").match(text, at)
    if literal:
        return literal.end() + int(literal.group(1))
    start = at
    while at < len(text) and text[at] not in " ()":
        at = text.index("]", at) + 1 if text[at] == "[" else at + 1
    if at == start:
        raise ValueError("no token")
    return at


def tokens(text):
    out, at = [], 0
    while at < len(text):
        end = token_end(text, at)
        out.append(text[at:end])
        if end < len(text) and text[end] != " ":
            raise ValueError("no space between tokens")
        at = end + 1
    return out


def pairs_sorted(text):
    """`KEY value KEY value` by key."""
    t = tokens(text)
    if len(t) % 2:
        raise ValueError("a key without a value")
    return " ".join(f"{k} {v}" for k, v in sorted(zip(t[::2], t[1::2])))


def words_sorted(m):
    words = m.group(2).split(" ")
    return m.group(1) + "(" + " ".join(words if "..." in m.group(2) else sorted(words)) + ")"


def unquoted(text):
    return re.sub(r'"([A-Za-z0-9_/.&+-]+)"$', r"\1", text)


def quoted(text):
    """Literals that could as well be quoted strings, as those."""
    out, at = "", 0
    for m in re.finditer(r"\{(\d+)\}\r\n", text):
        if m.start() < at:
            continue
        end = m.end() + int(m.group(1))
        content = text[m.end():end]
        if re.fullmatch(r"[\x01-\x09\x0b\x0c\x0e-\x7f]*", expose(content)):
            out += text[at:m.start()] + '"' + re.sub(f'[{protect(chr(34) + chr(92) * 2)}"\\\\]', r"\\\g<0>", content) + '"'
        else:
            out += text[at:end]
        at = end
    return out + text[at:]


def normal(text):
    """The response with everything that is free in one form; as it is if it cannot be read."""
    text = quoted(text)
    try:
        m = re.match(r"(\* \d+ FETCH )\((.*)\)$", text, re.S)
        if m:
            text = m.group(1) + "(" + pairs_sorted(m.group(2)) + ")"
        m = re.match(r"(\* STATUS )(.*) \(([^()]*)\)$", text, re.S)
        if m:
            text = f"{m.group(1)}{unquoted(m.group(2))} ({pairs_sorted(m.group(3))})"
        m = re.match(r'(\* ESEARCH \(TAG "[^"]*"\)(?: UID)?) (.*)$', text)
        if m:
            text = f"{m.group(1)} {pairs_sorted(m.group(2))}"
    except (ValueError, IndexError):
        pass
    text = re.sub(r"(FLAGS )\(([^()]*)\)", words_sorted, text)
    if re.match(r"\* (LIST|LSUB) \(", text):
        text = unquoted(re.sub(r"^(\* \w+ )\(([^()]*)\)", words_sorted, text))
    return text


def matches(expected, got, captures):
    """True if it fits; then `captures` has what `$names` stood for."""
    found = fits(expected, got, captures)
    if found is None:
        found = fits(normal(expected), normal(got), captures)
    captures.update(found or {})
    return found is not None
