#!/usr/bin/env python3
"""Certificates of a running daemon: put there, replaced, broken, by the thousand; sessions and their tickets go on."""
import os, pathlib, re, shutil, ssl, statistics, socket, subprocess, sys, tempfile, time

import runner
from daemon import Daemon

PARTS = pathlib.Path()  # where certificates are made before they are put in place


def make(name, domains, days=60):
    """Certificate and key; the files' paths, and the certificate as clients see it."""
    pem, key = PARTS / f"{name}.crt", PARTS / f"{name}.key"
    names = ",".join(f"DNS:{d}" for d in domains.split())
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
                    str(days), "-subj", f"/CN={name}", "-addext", f"subjectAltName={names}", "-keyout", key, "-out", pem],
                   check=True, capture_output=True)
    return pem, key, ssl.PEM_cert_to_DER_cert(pem.read_text())


def context(version=None):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    c.set_alpn_protocols(["imap"])
    if version:
        c.minimum_version = c.maximum_version = version
    return c


def connect(daemon, name, c=None, session=None):
    s = (c or context()).wrap_socket(socket.create_connection(("127.0.0.1", daemon.imaps), 20), server_hostname=name, session=session)
    assert s.recv(1000).startswith(b"* OK")
    return s


def shown(daemon, name):
    with connect(daemon, name) as s:
        assert s.selected_alpn_protocol() == "imap"
        return s.getpeercert(True)


def wait_for(daemon, name, der, limit=5):
    """A second it is to be; the limit leaves room for a machine that has other things to do."""
    start = time.monotonic()
    while shown(daemon, name) != der:
        assert time.monotonic() - start < limit, f"{name}: not served after {limit} s\n{daemon.log_tail()}"
        time.sleep(0.02)
    return time.monotonic() - start


def said(session, command):
    session.sendall(command + b"\r\n")
    got = b""
    while command.split()[0] + b" " not in got:
        got += session.recv(10000)
    return got


def test_put_replaced_removed(daemon):
    directory = daemon.directory / "certificates"
    standard = shown(daemon, None)
    session = connect(daemon, "a.example")
    assert b"OK" in said(session, b"a LOGIN user1@example.org pass")
    pem, key, one = make("one", "a.example *.a.example")
    shutil.copy(pem, directory / "a.pem")
    shutil.copy(key, directory / "a.key")
    took = [wait_for(daemon, "a.example", one)]
    assert shown(daemon, "imap.a.example") == one and shown(daemon, "b.example") == standard == shown(daemon, None)
    pem, key, two = make("two", "a.example")
    (directory / "a.new").write_bytes(pem.read_bytes() + key.read_bytes())  # key and certificate in one, by rename
    os.rename(directory / "a.new", directory / "a.pem")
    took.append(wait_for(daemon, "a.example", two))
    assert shown(daemon, "imap.a.example") == standard
    os.unlink(directory / "a.pem")
    os.unlink(directory / "a.key")
    took.append(wait_for(daemon, "a.example", standard))
    assert b"OK" in said(session, b"b SELECT INBOX"), "a session goes on"
    session.close()
    print(f"   served after {', '.join(f'{t:.2f}' for t in took)} s")


def test_links_as_certbot_makes_them(daemon):
    directory, archive = daemon.directory / "certificates" / "c.example", daemon.directory / "archive"
    archive.mkdir()
    made = []
    for number in (1, 2):
        pem, key, der = make(f"c{number}", "c.example")
        shutil.copy(pem, archive / f"fullchain{number}.pem")
        shutil.copy(pem, archive / f"cert{number}.pem")
        shutil.copy(key, archive / f"privkey{number}.pem")
        made.append(der)
    directory.mkdir()
    for number, der in enumerate(made, 1):
        for file in ("cert", "fullchain", "privkey"):
            link = directory / f"{file}.pem"
            if link.is_symlink():
                link.unlink()
            time.sleep(0.03)
            link.symlink_to(archive / f"{file}{number}.pem")
        wait_for(daemon, "c.example", der)
    shutil.rmtree(directory)
    wait_for(daemon, "c.example", shown(daemon, None))


def test_broken_ones_are_named(daemon):
    directory = daemon.directory / "certificates"
    pem, key, good = make("good", "d.example")
    shutil.copy(pem, directory / "d.pem")
    shutil.copy(key, directory / "d.key")
    wait_for(daemon, "d.example", good)
    for text, reason in ((b"-----BEGIN CERTIFICATE-----\nMIIB", "makes no sense"), (b"nothing\n", "a PEM file with"),
                         (make("other", "d.example")[0].read_bytes(), "no file here holds its private key")):
        before = daemon.log_tail(1000).count(reason)
        (directory / "d.pem").write_bytes(text)
        deadline = time.monotonic() + 5
        while daemon.log_tail(1000).count(reason) == before:
            assert time.monotonic() < deadline, (reason, daemon.log_tail())
            time.sleep(0.05)
        assert shown(daemon, "d.example") == good, reason
        line = [l for l in daemon.log_tail(1000).splitlines() if reason in l][-1]
        assert "event=certificate_failed" in line and "file=d.pem" in line and "the old one goes on" in line, line
    pem, key, soon = make("soon", "d.example", days=10)
    shutil.copy(key, directory / "d.key")
    shutil.copy(pem, directory / "d.pem")
    wait_for(daemon, "d.example", soon)
    assert re.search(r"event=certificate_expires file=d.pem days=(9|10)\b", daemon.log_tail(1000)), daemon.log_tail()


def test_tickets_survive_new_certificates(daemon):
    directory = daemon.directory / "certificates"
    for number, version in enumerate((ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)):
        c = context(version)
        with connect(daemon, "e.example", c) as s:
            said(s, b"a CAPABILITY")  # TLS 1.3 sends its tickets behind the handshake
            ticket = s.session
            assert ticket.has_ticket and not s.session_reused
        pem, key, der = make(f"e{number}", "e.example")
        (directory / "e.pem").write_bytes(pem.read_bytes() + key.read_bytes())
        wait_for(daemon, "e.example", der)
        with connect(daemon, "e.example", c, session=ticket) as s:
            assert s.session_reused, version
            assert b"a OK" in said(s, b"a NOOP")


def test_another_protocol_is_refused(daemon):
    c = context()
    c.set_alpn_protocols(["http/1.1"])
    try:
        connect(daemon, "a.example", c)
        raise AssertionError("served")
    except (ssl.SSLError, ConnectionResetError):
        pass


def test_hangup_looks_again(daemon):
    """What inotify does not tell: here, bytes that change behind a link that does not."""
    directory, outside = daemon.directory / "certificates", daemon.directory / "outside.pem"
    pem, key, one = make("f1", "f.example")
    outside.write_bytes(pem.read_bytes() + key.read_bytes())
    (directory / "f.pem").symlink_to(outside)
    wait_for(daemon, "f.example", one)
    pem, key, two = make("f2", "f.example")
    outside.write_bytes(pem.read_bytes() + key.read_bytes())
    daemon.process.send_signal(1)
    wait_for(daemon, "f.example", two)


def handshake_s(daemon, names):
    """The median; with a context of its own each, so that none is resumed."""
    took = []
    for name in names:
        c, raw = context(), socket.create_connection(("127.0.0.1", daemon.imaps), 20)
        start = time.perf_counter()
        with c.wrap_socket(raw, server_hostname=name):
            took.append(time.perf_counter() - start)
    return statistics.median(took)


def test_five_thousand_domains(roost, maker):
    daemon = Daemon(roost, users=1)
    try:
        alone = handshake_s(daemon, ["localhost"] * 100)
        daemon.rest()
        subprocess.run([maker, daemon.directory / "certificates", "5000"], check=True, timeout=240)
        daemon.start()
        cpu_s = daemon.cpu_s()
        watched = b"__asan_init" in pathlib.Path(roost).read_bytes() or b"__tsan_init" in pathlib.Path(roost).read_bytes()
        ms = int(re.findall(r"event=certificates count=5001 ms=(\d+)", daemon.log_tail(100))[0])
        many = handshake_s(daemon, [f"mail.d{n * 49}.example" for n in range(100)])
        pem, key, der = make("late", "d4711.example")
        start = time.monotonic()
        (daemon.directory / "certificates" / "late.pem").write_bytes(pem.read_bytes() + key.read_bytes())
        wait_for(daemon, "d4711.example", der, 10)
        print(f"   loaded in {ms} ms, by {cpu_s:.2f} s of a processor, handshake {many * 1e3:.2f} ms (one certificate: {alone * 1e3:.2f} ms), "
              f"a new one after {time.monotonic() - start:.2f} s")
        assert cpu_s < (10 if watched else 2), (cpu_s, ms)
        assert many < 2 * alone + 0.002, (many, alone)
    finally:
        assert daemon.stop() == 0


def main():
    global PARTS
    args = runner.arguments(__doc__, "--maker")
    maker = args.maker or pathlib.Path(args.roost).parent / "tests" / "make_certificates"
    with tempfile.TemporaryDirectory(prefix="roost-c") as directory:
        PARTS = pathlib.Path(directory)
        daemon = Daemon(args.roost, users=3)
        failed = runner.run(globals(), args, lambda test, _: test(args.roost, maker) if runner.wants(test, "roost") else test(daemon))
        return daemon.stop() or failed


if __name__ == "__main__":
    sys.exit(bool(main()))
