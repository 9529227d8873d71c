#!/usr/bin/env python3
"""Every BEGIN, COMMIT, fsync, rename and unlink passes a named point (storage/points.h), each its own, so that the crash
and the fault tests reach it.  Prints how many there are."""
import pathlib, re, sys

RAW = re.compile(r"(?<![\w.>])(fsync|fdatasync|sync_file_range|rename|renameat2?|unlink|unlinkat|remove)\s*\(")
POINTED = re.compile(r"(?<!\w)(file_create|file_write|file_sync|file_rename|file_unlink|dir_sync|db_begin|db_commit|db_sync|"
                     r"db_checkpoint|env_point|point_error)\s*\(")
# Calls that have nothing to do with the store: the file, the call, why.
FREE = {
    ("server/server.c", "unlink"): "a listener's socket",
    ("server/abuse.c", "rename"): "where users are known: a help that may be lost, or be an hour old",
    ("server/accounts.c", "unlink"): "a file that loses its name as it is made: nothing of it outlives the process",
    ("server/mail_out.c", "rename"): "an exported archive",
    ("server/mail_out.c", "renameat"): "an exported file",
    ("server/listener.c", "unlink"): "a listener's socket",
    ("server/metrics_http.c", "unlink"): "the socket of metrics",
    ("server/admin.c", "unlink"): "the admin socket",
    ("server/crash.c", "unlink"): "an old crash record",
    ("server/crash.c", "fsync"): "a crash record",
    ("server/crash.c", "rename"): "a crash record",
    ("server/crash.c", "unlinkat"): "an old crash record",
}
bad, used, calls = [], {}, 0


def without_comments(text):
    return re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.S)


header = without_comments(pathlib.Path("storage/points.h").read_text())
points = re.findall(r"^\t(POINT_\w+),", header, re.M)
names = re.findall(r'\[(POINT_\w+)\] = "([a-z-]+)"', pathlib.Path("storage/points.c").read_text())
for point in points:
    if [p for p, _ in names].count(point) != 1:
        bad.append(f"storage/points.c: {point} needs one name")
if len({n for _, n in names}) != len(names):
    bad.append("storage/points.c: two points have one name")

for path in sorted(p for layer in ("storage", "server") for p in pathlib.Path(layer).glob("*.c")):
    if path.name == "points.c":
        continue
    text = without_comments(path.read_text())
    for point in re.findall(r"\bPOINT_\w+", text):
        used.setdefault(point, []).append(str(path))
    for m in RAW.finditer(text):
        line = text[: m.start()].count("\n") + 1
        if str(path) != "storage/file.c" and (str(path), m.group(1)) not in FREE:
            bad.append(f"{path}:{line}: {m.group(1)}() outside storage/file.c passes no named point")
    for m in re.finditer(r'"\s*(BEGIN|COMMIT|END TRANSACTION)\b', text):
        if str(path) != "storage/db.c":
            bad.append(f"{path}:{text[: m.start()].count(chr(10)) + 1}: {m.group(1)} outside storage/db.c passes no named point")
    for m in POINTED.finditer(text):
        end = text.find(";", m.start())
        brace = text.find("{", m.start())
        if 0 <= brace < end:
            continue_at = text.rfind("\n", 0, m.start())
            if not text[continue_at + 1: m.start()].startswith("\t"):
                continue  # a definition
        call = text[m.start():end]
        calls += 1
        if "POINT_" not in call and str(path) not in ("storage/file.c", "storage/db.c"):
            bad.append(f"{path}:{text[: m.start()].count(chr(10)) + 1}: {m.group(1)}() without a point of its own")

for point in points:
    if len(used.get(point, [])) != 1:
        bad.append(f"{point}: used {len(used.get(point, []))} times, each has one place ({', '.join(used.get(point, []))})")
crash = "".join(p.read_text() for p in pathlib.Path("tests/crash").glob("*.c")) if pathlib.Path("tests/crash").exists() else ""
for point in points:
    if crash and "STORE_POINTS" not in crash and point not in crash:
        bad.append(f"{point}: not in the crash test")
print("\n".join(bad) or f"{len(points)} points at {calls} calls")
sys.exit(bool(bad))
