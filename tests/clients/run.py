#!/usr/bin/env python3
"""Real clients against a real daemon.  Each test_*.py here has functions test_*(daemon); each uses users of its own."""
import argparse, importlib, pathlib, sys, time, traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / "harness")]
from daemon import Daemon  # noqa: E402 (the path is set above)

EXTRA = """
listen { protocol = "imap" address = "127.0.0.1" port = {strict} }
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--roost", required=True)
    parser.add_argument("--only", default="", help="only tests with this in their name")
    args = parser.parse_args()
    tests = [(name, f) for path in sorted(HERE.glob("test_*.py"))
             for name, f in vars(importlib.import_module(path.stem)).items()
             if name.startswith("test_") and args.only in name]
    daemon, failed = Daemon(args.roost, users=40, extra=EXTRA), 0
    for name, test in tests:
        start = time.monotonic()
        try:
            test(daemon)
            print(f"ok {name} ({time.monotonic() - start:.1f} s)", flush=True)
        except Exception:  # noqa: a test may fail in any way, the others run all the same
            failed += 1
            print(f"FAILED {name}\n{traceback.format_exc()[-3000:]}", flush=True)
    code = daemon.stop()
    print(f"{len(tests) - failed} passed, {failed} failed")
    sys.exit(bool(failed) or code != 0 or not tests)


if __name__ == "__main__":
    main()
