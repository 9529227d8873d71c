"""imapflow, as programs use it: compression, special uses, object ids, push,
synchronisation by CONDSTORE and QRESYNC.  Its version is pinned with its checksums."""
import pathlib, shutil, subprocess

from daemon import ROOT

HERE = pathlib.Path(__file__).resolve().parent / "imapflow"
PLACE = ROOT / "build" / "imapflow"


def install():
    """`npm ci` into build/, unless that is what is there."""
    assert shutil.which("npm") and shutil.which("node"), "npm is not installed: ./dev deps"
    PLACE.mkdir(parents=True, exist_ok=True)
    lock = (HERE / "package-lock.json").read_bytes()
    done = PLACE / "installed"
    if not done.exists() or done.read_bytes() != lock:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, PLACE)
        p = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(PLACE)],
                           capture_output=True, text=True, timeout=300)
        assert p.returncode == 0, f"npm ci: {p.stdout[-1000:]}{p.stderr[-2000:]}"
        done.write_bytes(lock)
    shutil.copy(HERE / "session.js", PLACE)  # from beside its modules


def test_imapflow(daemon):
    install()
    p = subprocess.run(["node", str(PLACE / "session.js"), str(daemon.imap), "user20"], capture_output=True, text=True, timeout=120)
    assert p.returncode == 0, p.stdout + p.stderr[-3000:]
