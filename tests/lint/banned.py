#!/usr/bin/env python3
"""Calls that have a safer or bounded counterpart, calls that belong to one layer, and variables that everybody could change."""
import pathlib, re, sys

EVERYWHERE = ["strcpy", "strcat", "sprintf", "vsprintf", "strtok", "gets", "atoi", "alloca", "localtime", "gmtime"]
bad = []
for layer in ("protocol", "storage", "server"):
    for path in sorted(pathlib.Path(layer).rglob("*.[ch]")):
        text = re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m.group()), path.read_text(), flags=re.S)
        for number, line in enumerate(text.splitlines(), 1):
            code = re.sub(r'"(\\.|[^"\\])*"|//.*', "", line)
            for name in EVERYWHERE:
                if re.search(rf"(?<![\w.>]){name}\s*\(", code):
                    bad.append(f"{path}:{number}: {name}() is banned")
            # Defined at file scope and not constant: a hidden global.  In main.c one may be.
            if path.name != "main.c" and re.match(r"(static )?(?!.*\bconst\b)(_Thread_local )?[a-z]\w* [\w *\[\],]*( =.*|;)$", code) \
                    and not re.match(r"(typedef|struct \w+;|enum \w+;|extern|return|goto|_Static_assert)", code):
                bad.append(f"{path}:{number}: a variable of the file that can change")
            if layer != "storage" and re.search(r"\bsqlite3_\w+\s*\(", code):
                bad.append(f"{path}:{number}: sqlite3_* stays in storage/")
print("\n".join(bad))
sys.exit(bool(bad))
