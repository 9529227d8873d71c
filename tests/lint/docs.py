#!/usr/bin/env python3
"""docs/protocol-support.md names every transcript, with the RFC sections and the rule that its head states.

The part between the markers is written by `docs.py --write` from the heads of the transcripts; without it the lint fails
where the page and the transcripts differ, and where anything else in docs/ names a transcript that is not there.
"""
import pathlib, re, sys

PAGE, TRANSCRIPTS = pathlib.Path("docs/protocol-support.md"), pathlib.Path("tests/transcripts")
BEGIN, END = "<!-- transcripts: begin (tests/lint/docs.py --write) -->", "<!-- transcripts: end -->"
AREAS = {
    "basic": "Grammar, states, small commands", "auth": "Login and TLS", "mailbox": "Mailbox names and commands",
    "select": "SELECT and its kin, UIDs", "metadata": "Annotations",
    "append": "Adding messages", "fetch": "FETCH", "envelope": "ENVELOPE",
    "bodystructure": "BODYSTRUCTURE and MIME", "search": "SEARCH", "fuzzy": "FUZZY", "sort": "SORT", "thread": "THREAD", "store": "STORE", "copy": "COPY", "move": "MOVE",
    "expunge": "EXPUNGE", "idle": "IDLE", "notify": "NOTIFY", "condstore": "CONDSTORE", "qresync": "QRESYNC", "uidonly": "UIDONLY",
    "compress": "Compression", "quota": "Quota", "objectid": "Object ids, save dates, previews",
    "rev2": "IMAP4rev2, once enabled", "utf8": "UTF8=ACCEPT",
    "binary": "BINARY", "replace": "REPLACE", "catenate": "CATENATE",
    "multi": "Several sessions on one mailbox", "limits": "Limits",
    "lmtp": "LMTP", "clients": "Sessions as well-known clients hold them", "regress": "Regressions",
}


def head(path):
    """(RFC sections, rule) from the first line: `# RFC 3501 6.4.5, RFC 2177 3: rule`."""
    line = path.read_text(encoding="latin-1").split("\n", 1)[0]
    m = re.match(r"# (RFC .+?): (.+)$", line)
    return (m.group(1), m.group(2)) if m else None


def table(bad):
    out = []
    found = sorted(p.name for p in TRANSCRIPTS.iterdir() if p.is_dir())
    bad += [f"{TRANSCRIPTS}/{a}: an area without a title in tests/lint/docs.py" for a in found if a not in AREAS]
    for area, title in AREAS.items():
        files = sorted((TRANSCRIPTS / area).glob("*.imap"))
        if not files:
            continue
        out += [f"### {title}", "", "| RFC | rule | transcript |", "| --- | --- | --- |"]
        for path in files:
            said = head(path)
            if not said:
                bad.append(f"{path}:1: the first line is to be `# RFC nnnn section: rule`")
                continue
            cells = [c.replace("|", "\\|") for c in said]
            out.append(f"| {cells[0]} | {cells[1]} | `{area}/{path.stem}` |")
        out.append("")
    return "\n".join(out)


def main():
    bad = []
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    new = f"{before}{BEGIN}\n\n{table(bad)}\n{END}{after}"
    if "--write" in sys.argv:
        PAGE.write_text(new)
    elif new != text:
        bad.append(f"{PAGE} and the transcripts differ: run tests/lint/docs.py --write")
    for page in pathlib.Path("docs").rglob("*.md"):
        for number, line in enumerate(page.read_text().splitlines(), 1):
            for name in re.findall(r"`((?:%s)/[a-z0-9_]+)`" % "|".join(AREAS), line):
                if not (TRANSCRIPTS / (name + ".imap")).exists():
                    bad.append(f"{page}:{number}: there is no transcript {name}")
    print("\n".join(bad))
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
