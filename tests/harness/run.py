#!/usr/bin/env python3
"""Replays transcripts against a real daemon: whole, byte by byte, cut at random and through a slow reader's window; with
--samples a part of them over TLS and compressed.  Each replay has a user of its own, so that many run at once over one daemon.  See transcript.py for the language."""
import argparse, gc, itertools, multiprocessing, pathlib, sys, time, zlib

from daemon import Daemon
from replay import SAMPLE, SAMPLED, WAYS, replay

EXTRA = """
admin_contact = "mailto:postmaster@example.org"
listen { protocol = "imap" address = "127.0.0.1" port = {strict} literal_minus = true seven_bit_headers = true capabilities_off = "UIDONLY UNAUTHENTICATE" }
message_bytes_max = 1000000
"""


class Ports:
    """What a worker process needs of the daemon."""

    def __init__(self, daemon):
        self.roost, self.directory = daemon.roost, daemon.directory
        self.imap, self.imaps, self.lmtp, self.strict = daemon.imap, daemon.imaps, daemon.lmtp, daemon.strict

    def port(self, kind):
        return getattr(self, kind)


def one(task):
    """All replays of a file, so that it is parsed once: [(way, what went wrong, seconds)]."""
    path, ports, plan = task
    results = []
    for way, number in plan:
        start = time.monotonic()
        error = replay(path, ports, way, f"user{number}", number)
        results.append((way, error, time.monotonic() - start))
    return path, results


def sampled_ways(path):
    lot = zlib.crc32(str(path.name).encode()) % SAMPLE
    return SAMPLED[lot:lot + 1]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--roost", required=True)
    parser.add_argument("--only", default="", help="only files with this in their path")
    parser.add_argument("--ways", default="", help="only these ways, with commas: whole,bytes,cuts,window,tls,deflate")
    parser.add_argument("--samples", action="store_true", help="a sample of the files over TLS, another one compressed")
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("-v", action="store_true", help="the slowest replays, and every failure whole")
    parser.add_argument("paths", type=pathlib.Path, nargs="+")
    args = parser.parse_args()
    files = [f for p in args.paths for f in ([p] if p.is_file() else sorted(p.rglob("*.imap"))) if args.only in str(f)]
    numbers = itertools.count(1)
    ways = args.ways.split(",") if args.ways else WAYS
    plans = [(f, [(way, next(numbers)) for way in (sampled_ways(f) if args.samples else ways)]) for f in files]
    daemon = Daemon(args.roost, users=next(numbers), extra=EXTRA)
    tasks = [(f, Ports(daemon), plan) for f, plan in plans]
    failures, times, failed_files = [], [], set()
    gc.freeze()  # what is there is shared with the processes, as long as no collector touches it
    with multiprocessing.Pool(args.jobs) as pool:
        for path, results in pool.imap_unordered(one, tasks):
            times += [(seconds, path, way) for way, _, seconds in results]
            errors = [error for _, error, _ in results if error]
            failures += errors
            if errors:
                print("\n".join(errors if args.v else errors[:1]), flush=True)
                failed_files.add(path)
            if not daemon.alive():
                print(f"the daemon died; among the files that were replayed was {path}")
                pool.terminate()
                break
    code = daemon.stop()
    if args.v:
        for seconds, path, way in sorted(times, reverse=True)[:10]:
            print(f"{seconds:.2f} s {path} ({way})")
    if failed_files:
        print("failed: " + " ".join(sorted(map(str, failed_files))))
    print(f"{len(files)} transcripts, {len(times) - len(failures)} replays passed, {len(failures)} failed")
    sys.exit(bool(failures) or code != 0 or not times)


if __name__ == "__main__":
    main()
