#!/usr/bin/env python3
"""Replays transcripts against a real daemon: whole, byte by byte, cut at random, through a slow reader's window, and samples
over TLS and compressed.  Each replay has a user of its own, so that many run at once over one daemon.  See transcript.py for the language."""
import argparse, multiprocessing, pathlib, sys, time, zlib

from daemon import Daemon
from replay import WAYS, replay

EXTRA = """
admin_contact = "mailto:postmaster@example.org"
listen { protocol = "imap" address = "127.0.0.1" port = {strict} literal_minus = true seven_bit_headers = true capabilities_off = "UIDONLY" }
message_bytes_max = 1000000
"""
SAMPLE = 4  # one file of so many


class Ports:
    """What a worker process needs of the daemon."""

    def __init__(self, daemon):
        self.imap, self.imaps, self.lmtp, self.strict = daemon.imap, daemon.imaps, daemon.lmtp, daemon.strict

    def port(self, kind):
        return getattr(self, kind)


def one(task):
    path, ports, way, user, seed = task
    start = time.monotonic()
    error = replay(path, ports, way, user, seed)
    return path, way, error, time.monotonic() - start


def ways_for(path, wanted):
    lot = zlib.crc32(str(path.name).encode()) % SAMPLE
    ways = WAYS + {0: ("tls",), 1: ("deflate",)}.get(lot, ())
    return wanted.split(",") if wanted else ways


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--roost", required=True)
    parser.add_argument("--only", default="", help="only files with this in their path")
    parser.add_argument("--ways", default="", help="only these ways, with commas: whole,bytes,cuts,window,tls,deflate")
    parser.add_argument("--jobs", type=int, default=6)
    parser.add_argument("-v", action="store_true", help="the slowest replays, and every failure whole")
    parser.add_argument("paths", type=pathlib.Path, nargs="+")
    args = parser.parse_args()
    files = [f for p in args.paths for f in ([p] if p.is_file() else sorted(p.rglob("*.imap"))) if args.only in str(f)]
    plan = [(f, way) for f in files for way in ways_for(f, args.ways)]
    daemon = Daemon(args.roost, users=len(plan) + 1, extra=EXTRA)
    tasks = [(f, Ports(daemon), way, f"user{n}", n) for n, (f, way) in enumerate(plan, 1)]
    failures, times, failed_files = [], [], set()
    with multiprocessing.Pool(args.jobs) as pool:
        for path, way, error, seconds in pool.imap_unordered(one, tasks):
            times.append((seconds, path, way))
            if error:
                failures.append(error)
                if path not in failed_files or args.v:
                    print(error, flush=True)
                failed_files.add(path)
            if not daemon.alive():
                print(f"the daemon died; among the replays that ran was {path} ({way})")
                pool.terminate()
                break
    code = daemon.stop()
    if args.v:
        for seconds, path, way in sorted(times, reverse=True)[:10]:
            print(f"{seconds:.2f} s {path} ({way})")
    if failed_files:
        print("failed: " + " ".join(sorted(map(str, failed_files))))
    print(f"{len(files)} transcripts, {len(times) - len(failures)} replays passed, {len(failures)} failed")
    sys.exit(bool(failures) or code != 0 or not files)


if __name__ == "__main__":
    main()
