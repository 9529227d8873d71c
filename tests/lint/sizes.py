#!/usr/bin/env python3
"""A file over 600 lines or a function over 100 lines needs a reason in sizes.exceptions; the list may only shrink."""
import pathlib, sys

FILE_LINES, FUNCTION_LINES = 600, 100
known = {}
exceptions = pathlib.Path("tests/lint/sizes.exceptions")
for line in exceptions.read_text().splitlines() if exceptions.exists() else []:
    if line.strip() and not line.startswith("#"):
        name, _, reason = line.partition(" ")
        known[name] = reason
seen, bad = set(), []

def report(key, text):
    seen.add(key)
    if key not in known:
        bad.append(text)

for layer in ("protocol", "storage", "server"):
    for path in sorted(pathlib.Path(layer).rglob("*.[ch]")):
        lines = path.read_text().splitlines()
        if len(lines) > FILE_LINES:
            report(str(path), f"{path}: {len(lines)} lines (limit {FILE_LINES})")
        start = None
        for number, line in enumerate(lines, 1):
            if line == "{":
                start = number
            elif line == "}" and start:
                if number - start - 1 > FUNCTION_LINES:
                    name = lines[start - 2].split("(")[0].split()[-1].lstrip("*")
                    report(f"{path}:{name}", f"{path}:{start}: {name}: {number - start - 1} lines (limit {FUNCTION_LINES})")
                start = None
bad += [f"{exceptions}: {key} is no longer needed" for key in known if key not in seen]
print("\n".join(bad))
sys.exit(bool(bad))
