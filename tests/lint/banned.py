#!/usr/bin/env python3
"""Calls that have a safer or bounded counterpart, calls that belong to one layer, and variables that everybody could change."""
import pathlib, re, sys

EVERYWHERE = ["strcpy", "strcat", "sprintf", "vsprintf", "strtok", "gets", "atoi", "alloca", "localtime", "gmtime"]
CALL = re.compile(rf"(?<![\w.>])({'|'.join(EVERYWHERE)})\s*\(")
COMMENT = re.compile(r"/\*.*?\*/", re.S)
STRING = re.compile(r'"(\\.|[^"\\])*"|//.*')
# Defined at file scope and not constant: a hidden global.  In main.c one may be.
VARIABLE = re.compile(r"(static )?(?!.*\bconst\b)(_Thread_local )?[a-z]\w* [\w *\[\],]*( =.*|;)$")
NO_VARIABLE = re.compile(r"(typedef|struct \w+;|enum \w+;|extern|return|goto|_Static_assert)")
SQLITE = re.compile(r"\bsqlite3_\w+\s*\(")
bad = []
for layer in ("protocol", "storage", "server"):
    for path in sorted(pathlib.Path(layer).rglob("*.[ch]")):
        text = COMMENT.sub(lambda m: "\n" * m.group().count("\n"), path.read_text())
        for number, line in enumerate(text.splitlines(), 1):
            code = STRING.sub("", line)
            call = CALL.search(code)
            if call:
                bad.append(f"{path}:{number}: {call.group(1)}() is banned")
            if path.name != "main.c" and VARIABLE.match(code) and not NO_VARIABLE.match(code):
                bad.append(f"{path}:{number}: a variable of the file that can change")
            if layer != "storage" and SQLITE.search(code):
                bad.append(f"{path}:{number}: sqlite3_* stays in storage/")
print("\n".join(bad))
sys.exit(bool(bad))
