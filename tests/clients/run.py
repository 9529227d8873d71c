#!/usr/bin/env python3
"""Real clients against a real daemon.  Each test_*.py here has functions test_*(daemon); each uses users of its own."""
import importlib, pathlib, sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / "harness")]
import runner  # noqa: E402 (the path is set above)
from daemon import Daemon  # noqa: E402

EXTRA = """
listen { protocol = "imap" address = "127.0.0.1" port = {strict} }
"""


def main():
    args = runner.arguments(__doc__)
    tests = {}
    for path in sorted(HERE.glob("test_*.py")):
        own = {name: test for name, test in vars(importlib.import_module(path.stem)).items() if name.startswith("test_")}
        assert not own.keys() & tests.keys(), own.keys() & tests.keys()
        tests |= own
    daemon = Daemon(args.roost, users=40, extra=EXTRA)
    failed = runner.run(tests, args, lambda test, _: test(daemon))
    return daemon.stop() or failed


if __name__ == "__main__":
    sys.exit(bool(main()))
