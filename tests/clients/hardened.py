#!/usr/bin/env python3
"""The options of roost.service that keep the daemon in its place: all of it works under the filter of system calls that they mean, and
systemd, where it is installed, finds the unit sound and little to blame."""
import imaplib, os, pathlib, re, shutil, socket, ssl, subprocess, sys, time, urllib.request

import runner
import sandbox
from daemon import free_ports
from store import Store, with_users

ALICE = "alice@example.org"
ROOT = pathlib.Path(__file__).resolve().parents[2]
UNIT = ROOT / "packaging/roost.service"


def test_the_filter_is_one():
    """What is refused to a program that tries."""
    program = ("import ctypes, mmap, socket, sys\n"
               "def refused(f):\n    try:\n        f()\n    except OSError:\n        return True\n"
               "c = ctypes.CDLL(None)\n"
               "socket.socket(socket.AF_INET), socket.socket(socket.AF_UNIX)\n"
               "assert refused(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))\n"
               "assert refused(lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC))\n"
               "assert c.unshare(0x10000000) == -1 and c.ptrace(0, 0, 0, 0) == -1 and c.mount(b'a', b'/', b'b', 0, 0) == -1\n")
    subprocess.run([sys.executable, str(ROOT / "tests/clients/sandbox.py"), str(UNIT), sys.executable, "-c", program], check=True)


def test_systemd_analyze():
    p = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20", str(UNIT)], capture_output=True, text=True)
    assert p.returncode == 0, p.stdout[-3000:] + p.stderr
    unit = pathlib.Path(os.environ.get("TMPDIR", "/tmp")) / f"roost-unit-{os.getpid()}.service"
    unit.write_text(UNIT.read_text().replace("/usr/sbin/roost", "/bin/true"))
    try:
        p = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True)
        assert unit.name not in p.stderr, p.stderr
    finally:
        unit.unlink()


def test_everything_works_under_it(roost):
    """Certificates that come, all ways in, the index, reload, metrics, the commands, and the end."""
    store = Store(roost)
    imaps, metrics = free_ports(2)
    certificates = store.directory / "certificates"
    certificates.mkdir()

    def make_certificate():
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj",
                        "/CN=localhost", "-keyout", certificates / "key.new", "-out", certificates / "cert.pem"], check=True, capture_output=True)
        os.rename(certificates / "key.new", certificates / "key.pem")

    make_certificate()
    converter = store.directory / "converter"
    converter.write_text("#!/bin/sh\necho priority $(nice) limit $(ulimit -n)\ncat\n")
    converter.chmod(0o755)
    store.write(store.config.read_text() + f'certificates = "{certificates}"\nmetrics = "127.0.0.1:{metrics}"\nlog = "{store.directory}/roost.log"\n'
                f'convert {{ type = "application/x-any" command = "{converter}" }}\n'
                f'listen {{ protocol = "imaps" port = {imaps} }}\nlisten {{ protocol = "lmtp" path = "{store.directory}/lmtp" }}\n')
    with_users(store)
    store.launcher = (sys.executable, str(ROOT / "tests/clients/sandbox.py"), str(UNIT))
    store.start(ASAN_OPTIONS="detect_leaks=0")  # which would trace the process
    try:
        use(store, imaps, metrics, make_certificate)
        store.close()
    finally:
        if store.daemon:
            store.daemon.kill()


def use(store, imaps, metrics, make_certificate):
    log = store.directory / "roost.log"
    context = ssl._create_unverified_context()
    c = imaplib.IMAP4_SSL("127.0.0.1", imaps, ssl_context=context)
    c.login(ALICE, "secret")
    for n in range(20):
        assert c.append("INBOX", None, None, b"Subject: %d\r\n\r\nwords%d\r\n" % (n, n) + b"x" * (300_000 if n == 7 else 10))[0] == "OK"
    assert c.append("Drafts", None, None, b"Content-Type: application/x-any\r\n\r\nscrutable\r\n")[0] == "OK"
    store.run("deliver", ALICE, stdin=b"Subject: delivered\r\n\r\nbody\r\n")
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(store.directory / "lmtp"))
        s.sendall(b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n")
        time.sleep(0.3)
        s.sendall(b"Subject: by LMTP\r\n\r\n" + b"line of text\r\n" * 100_000 + b".\r\nQUIT\r\n")
        said = s.makefile("rb").read()
        assert b"250 2.0.0" in said, said
    assert c.select()[1] == [b"22"]
    assert c.uid("SEARCH", "TEXT", "words17")[1] == [b"18"] and c.uid("SORT", "(REVERSE SUBJECT)", "UTF-8", "ALL")[0] == "OK"
    assert len(c.fetch("8", "(BODY[])")[1][0][1]) > 300_000
    c.store("1:3", "+FLAGS", "\\Deleted")
    assert c.expunge()[0] == "OK"
    assert "messages are back" in store.run("undelete", ALICE)
    store.run("reindex", ALICE)
    assert "0 problems" in store.run("check", "--all")
    store.run("export", ALICE, str(store.directory / "out.tar"))
    store.run("user", "add", "bob@example.org", stdin=b"secret\n")
    store.run("import", "bob@example.org", str(store.directory / "out.tar"))
    assert "roost_" in urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics").read().decode()
    old = store.directory / "roost.log.1"
    served = log.read_text().count("event=certificate_served")
    make_certificate()
    os.rename(log, store.directory / "roost.log.1")
    store.run("reload")
    deadline = time.monotonic() + 10
    while not log.exists() or (old.read_text() + log.read_text()).count("event=certificate_served") == served:
        assert time.monotonic() < deadline, "neither the certificate nor the log file is new"
        time.sleep(0.05)
    wait_converted(c)
    c.logout()
    text = log.read_text() + (store.directory / "roost.log.1").read_text()
    assert not re.search(r"not permitted|level=error", text), text[-3000:]


def wait_converted(c):
    """A program that makes text of attachments, with low priority and limits."""
    deadline, found = time.monotonic() + 30, [b""]
    c.select("Drafts")
    while found != [b"1"]:
        assert time.monotonic() < deadline, "nothing was converted"
        time.sleep(2.5)
        found = c.uid("SEARCH", "TEXT", '"priority 10 limit 64 scrutable"')[1]


def main():
    if sandbox.missing():
        print(f"skip: {sandbox.missing()}")
        return 0
    args = runner.arguments(__doc__)
    return runner.run(globals(), args, lambda test, _: test(args.roost) if runner.wants(test, "roost") else test())


if __name__ == "__main__":
    sys.exit(bool(main()))
