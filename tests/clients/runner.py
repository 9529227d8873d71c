"""Runs the functions test_* of a test program, in the order they stand there."""
import argparse, concurrent.futures, pathlib, sys, time, traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))


def arguments(doc, *more):
    """The command line, with `roost` as an absolute path; `more` are further options that take a value."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--roost", required=True)
    parser.add_argument("--only", default="", help="only tests with this in their name")
    for option in more:
        parser.add_argument(option)
    args = parser.parse_args()
    args.roost = str(pathlib.Path(args.roost).resolve())
    return args


def run(module, args, call, ways=lambda test: ("",), at_once=1):
    """Calls call(test, way) for each test in `module`, its globals(), and each of its ways; returns how many failed.

    A test may fail in any way, the others run all the same.  None at all is a failure, too.  `at_once` is how many may run at
    the same time: where most of the time is waiting.
    """
    def one(test, label, way):
        start = time.monotonic()
        try:
            call(test, way)
            print(f"ok {label} ({time.monotonic() - start:.1f} s)", flush=True)
            return True
        except Exception:  # noqa: see above
            print(f"FAILED {label}\n{traceback.format_exc()[-4000:]}", flush=True)
            return False

    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        results = [pool.submit(one, test, f"{name} {way}".strip(), way) for name, test in list(module.items())
                   if name.startswith("test_") and args.only in name for way in ways(test)]
        passed = [r.result() for r in results].count(True)
    print(f"{passed} passed, {len(results) - passed} failed")
    return len(results) - passed if results else 1


def wants(test, name):
    """Is `name` what the test's first argument is called?"""
    return bool(test.__code__.co_argcount) and test.__code__.co_varnames[0] == name
