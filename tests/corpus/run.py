#!/usr/bin/env python3
"""run.py --checker corpus_test [--all]: the corpora through the MIME parser and its oracle (oracle.h).

Always: tests/corpus/odd and messages that generate.py makes.  With --all: more of those, and every archive in
../shared/corpus, where there is one.
"""
import argparse, pathlib, subprocess, sys, tempfile

HERE = pathlib.Path(__file__).resolve().parent
SHARED = HERE.parents[2] / "shared" / "corpus"

args = argparse.ArgumentParser()
args.add_argument("--checker", required=True)
args.add_argument("--all", action="store_true")
args = args.parse_args()

with tempfile.TemporaryDirectory(prefix="roost-corpus-") as temp:
    made = pathlib.Path(temp, "made")
    subprocess.run([sys.executable, HERE / "generate.py", made, "--count", "2000" if args.all else "200", "--seed", "26"], check=True)
    dirs = [HERE / "odd", made]
    for archive in sorted(SHARED.glob("*.tar.zst")) if args.all else []:
        dirs.append(pathlib.Path(temp, archive.name.split(".")[0]))
        dirs[-1].mkdir()
        subprocess.run(["tar", "--zstd", "-xf", archive, "-C", dirs[-1]], check=True)
    sys.exit(subprocess.run([args.checker, *dirs]).returncode)
