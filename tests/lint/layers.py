#!/usr/bin/env python3
"""Includes go one way: protocol -> protocol, storage -> storage, server -> all; and never in a circle."""
import pathlib, re, sys

ALLOWED = {"protocol": {"protocol"}, "storage": {"storage"}, "server": {"protocol", "storage", "server"}}
FOREIGN = {  # system headers that belong to other layers
    "protocol": ("sqlite3.h", "uv.h", "openssl/", "sasl/", "zstd.h", "pthread.h"),
    "storage": ("uv.h", "openssl/", "sasl/", "utf8proc.h", "pthread.h"),
    "server": ("sqlite3.h",),
}
# Inside server/ includes go downwards: the plumbing knows no session, no command, no way in.
PLUMBING = {"accounts", "certificate", "certificate_index", "certificate_watch", "certificates", "conn", "conn_io", "crash", "crash_point", "deflate", "lane", "limits", "listener", "log", "loop", "notify",
            "op", "outq", "peers", "quota", "settings", "sweeper", "tls", "tls_peer", "tls_stream", "tls_tickets", "wheel", "worker"}
ABOVE = re.compile(r"server/(admin|auth|cli|cmd_|command|delivery|fetch_items|intake|lmtp|password|sasl|search|session|slice|spool|view)")
bad, graph = [], {}
for layer, allowed in ALLOWED.items():
    for path in sorted(pathlib.Path(layer).rglob("*.[ch]")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            m = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if not m:
                continue
            quote, target = m.groups()
            if quote == '"':
                if target.split("/")[0] not in allowed:
                    bad.append(f"{path}:{number}: {layer}/ may not include {target}")
                if layer == "server" and path.stem in PLUMBING and ABOVE.match(target):
                    bad.append(f"{path}:{number}: plumbing may not include {target}")
                graph.setdefault(str(path), []).append(target)
            elif target.startswith(FOREIGN[layer]):
                bad.append(f"{path}:{number}: <{target}> belongs to another layer")

state = {}
def visit(node, trail):
    if state.get(node) == "done":
        return
    if state.get(node) == "open":
        bad.append("include cycle: " + " -> ".join(trail[trail.index(node):] + [node]))
        return
    state[node] = "open"
    for target in graph.get(node, []):
        if target.endswith(".h"):
            visit(target, trail + [node])
    state[node] = "done"
for node in list(graph):
    visit(node, [])

print("\n".join(bad))
sys.exit(bool(bad))
