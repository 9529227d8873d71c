#!/usr/bin/env python3
"""Logins that use the TLS they come over: SCRAM bound to the channel (RFC 5802, 5929, 9266), and client certificates (EXTERNAL)."""
import hashlib, os, pathlib, re, signal, socket, ssl, subprocess, sys, tempfile, time

import runner
from auth import FAILED, Client, b64, scram
from daemon import Daemon, free_ports

PLUS = ("SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS")
USER = "user1@example.org"


class TlsClient(Client):
    """With a version of TLS, a certificate of its own, a session to resume."""

    def __init__(self, port, version=None, certificate=None, context=None, session=None):
        c = context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
        if version:
            c.minimum_version = c.maximum_version = version
        if certificate:
            c.load_cert_chain(certificate)
        self.context = c
        self.socket = c.wrap_socket(socket.create_connection(("127.0.0.1", port), 30), session=session)
        self.file = self.socket.makefile("rb")
        self.greeting = self.line()
        self.tag = 0

    def end_point(self):
        return "tls-server-end-point", hashlib.sha256(self.socket.getpeercert(True)).digest()

    def unique(self):
        return "tls-unique", self.socket.get_channel_binding("tls-unique")


class ExportingClient(Client):
    """openssl s_client, which can say what it exports (Python cannot)."""

    def __init__(self, port, version="-tls1_3"):
        self.process = subprocess.Popen(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", version, "-nocommands", "-ign_eof", "-keymatexport",
             "EXPORTER-Channel-Binding", "-keymatexportlen", "32"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.exported = None
        self.tag = 0
        while not (line := self.raw()).startswith("* OK"):
            if m := re.search(r"Keying material: ([0-9A-F]+)", line):
                self.exported = bytes.fromhex(m.group(1))
        self.greeting = line

    def raw(self):
        line = self.process.stdout.readline().decode(errors="replace")
        assert line, "s_client has ended"
        return line.rstrip("\r\n")

    def line(self):
        while not re.match(r"\* |\+ |[a-z]\d* (OK|NO|BAD)", line := self.raw()):
            pass  # what s_client says of tickets
        return line

    def send(self, text):
        self.process.stdin.write(text.encode() + b"\r\n")
        self.process.stdin.flush()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def bound(client, mechanism, binding, user=USER, password="pass", named=None):
    """SCRAM with that binding; `named` is the type that is claimed instead."""
    name, data = binding
    return scram(client, mechanism, user, password, gs2=f"p={named or name},,", binding=data)


def test_listed(daemon):
    c = Client(daemon.imap)
    assert not [w for w in c.capabilities() if "PLUS" in w or "EXTERNAL" in w], "without TLS there is nothing to be bound to"
    c.starttls()
    assert [w[5:] for w in c.capabilities() if w.startswith("AUTH=")][:2] == ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"]
    c.close()


def test_every_binding(daemon):
    for mechanism in PLUS:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            c = TlsClient(daemon.imaps, version)
            assert bound(c, mechanism, c.end_point(), password="wrong").startswith(FAILED)
            assert bound(c, mechanism, c.end_point()).startswith("OK"), (mechanism, version)
            c.close()
        c = TlsClient(daemon.imaps, ssl.TLSVersion.TLSv1_2)
        assert bound(c, mechanism, c.unique()).startswith("OK"), mechanism
        c.close()
        c = ExportingClient(daemon.imaps)
        assert bound(c, mechanism, ("tls-exporter", c.exported), password="wrong").startswith(FAILED)
        assert bound(c, mechanism, ("tls-exporter", c.exported)).startswith("OK"), mechanism
        c.close()


def test_without_initial_response(daemon):
    c = TlsClient(daemon.imaps)
    name, data = c.end_point()
    answer = scram(c, "SCRAM-SHA-256-PLUS", USER, "pass", gs2=f"p={name},,", binding=data, with_initial=False)
    assert answer.startswith("OK"), answer
    c.close()


def test_another_channel(daemon):
    """Whoever stands between has two channels, and two bindings."""
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        c, other = TlsClient(daemon.imaps, version), TlsClient(daemon.imaps, version)
        name, data = c.end_point()
        wrong = [(name, bytes([data[0] ^ 1]) + data[1:]), (name, data[:-1]), (name, b""), ("tls-exporter", data),
                 ("tls-nothing", data), ("", data)]
        if version == ssl.TLSVersion.TLSv1_2:
            wrong += [other.unique(), ("tls-exporter", c.unique()[1])]
        else:
            wrong.append(("tls-unique", data))
        for binding in wrong:
            assert bound(c, PLUS[1], binding).startswith(FAILED), (version, binding)
            c.close()
            c = TlsClient(daemon.imaps, version)
        other.close()
        c.close()


def test_downgrade(daemon):
    """RFC 5802 6: a client that could bind, and says it was not offered it, was; somebody took the -PLUS out of the list."""
    for mechanism in ("SCRAM-SHA-1", "SCRAM-SHA-256"):
        c = TlsClient(daemon.imaps)
        assert scram(c, mechanism, USER, "pass", gs2="y,,").startswith(FAILED), mechanism
        assert scram(c, mechanism, USER, "pass", gs2="n,,").startswith("OK"), "a client that cannot is served"
        c.close()
        c = TlsClient(daemon.imaps)
        name, data = c.end_point()
        assert scram(c, mechanism, USER, "pass", gs2=f"p={name},,", binding=data).startswith(FAILED), "without -PLUS"
        for gs2 in ("n,,", "y,,"):
            assert scram(c, mechanism + "-PLUS", USER, "pass", gs2=gs2).startswith(FAILED), (mechanism, gs2)
        c.close()
        c = Client(daemon.imap)
        assert scram(c, mechanism, USER, "pass", gs2="y,,").startswith("OK"), "without TLS nothing was offered"
        assert c.command("LOGOUT").startswith("OK")
        c.close()
        c = Client(daemon.imap)
        assert c.command(f"AUTHENTICATE {mechanism}-PLUS").startswith("NO "), "nor taken"
        c.close()


def test_resumed(daemon):
    """A resumed connection has bindings of its own; but the certificate it stands for is the one that was shown at first, whatever
    lies in its place now."""
    certificates = daemon.directory / "certificates"
    kept = {f: (certificates / f).read_bytes() for f in ("cert.pem", "key.pem")}
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        c = TlsClient(daemon.imaps, version)
        context, end_point = c.context, c.end_point()
        first = c.unique() if version == ssl.TLSVersion.TLSv1_2 else None
        assert c.command("NOOP").startswith("OK")
        session = c.socket.session
        c.close()
        try:
            openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "60", "-subj",
                    "/CN=localhost", "-keyout", certificates / "key.pem", "-out", certificates / "cert.pem")
            deadline = time.monotonic() + 5
            while (other := TlsClient(daemon.imaps)).end_point() == end_point:
                other.close()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            other.close()
            for _ in range(2):  # the second time by a ticket that was made of a ticket
                c = TlsClient(daemon.imaps, context=context, session=session)
                assert c.socket.session_reused
                if first:
                    assert c.unique() != first and bound(c, PLUS[0], first).startswith(FAILED)
                    assert bound(c, PLUS[0], c.unique()).startswith("OK")
                    c.close()
                    c = TlsClient(daemon.imaps, context=context, session=session)
                assert bound(c, PLUS[1], end_point).startswith("OK"), version
                session = c.socket.session
                c.close()
        finally:
            for file, text in kept.items():
                (certificates / file).write_bytes(text)
            deadline = time.monotonic() + 5
            while (other := TlsClient(daemon.imaps)).end_point() != end_point:
                other.close()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            other.close()


# --- EXTERNAL ---


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True)


class Authority:
    def __init__(self, directory, name):
        self.directory, self.name = directory, name
        self.pem, self.key = directory / f"{name}.crt", directory / f"{name}.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "60", "-subj",
                f"/CN={name}", "-keyout", self.key, "-out", self.pem)

    def sign(self, file, subject, names=None, days=60):
        """A client's certificate and key in one file."""
        at = self.directory / f"{self.name}-{file}"
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", subject, "-keyout", f"{at}.key",
                "-out", f"{at}.csr")
        extensions = self.directory / "extensions"
        extensions.write_text("extendedKeyUsage=clientAuth\n" + (f"subjectAltName={names}\n" if names else ""))
        openssl("x509", "-req", "-in", f"{at}.csr", "-CA", self.pem, "-CAkey", self.key, "-days", str(days), "-extfile", extensions,
                "-out", f"{at}.crt")
        pem = pathlib.Path(f"{at}.pem")
        pem.write_bytes(pathlib.Path(f"{at}.crt").read_bytes() + pathlib.Path(f"{at}.key").read_bytes())
        return pem


    def revoke(self, out, *certificates, times=("-crldays", "30")):
        """A list of those that this authority has taken back so far, and of these."""
        config = self.directory / f"{self.name}.cnf"
        config.write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={self.directory}/{self.name}.db\ndefault_md=sha256\n")
        (self.directory / f"{self.name}.db").touch()
        words = ("ca", "-config", config, "-cert", self.pem, "-keyfile", self.key)
        for pem in certificates:
            openssl(*words, "-revoke", pem)
        openssl(*words, "-gencrl", *times, "-out", f"{out}.new")
        os.rename(f"{out}.new", out)


def external(client, initial="="):
    return client.command(f"AUTHENTICATE EXTERNAL {initial}")


def test_external(roost):
    with tempfile.TemporaryDirectory(prefix="roost-x") as temporary:
        ours, theirs = (Authority(pathlib.Path(temporary), name) for name in ("ours", "theirs"))
        asks, asks_too = free_ports(2)
        daemon = Daemon(roost, users=5, extra="".join(
            f'listen {{ protocol = "imaps" port = {port} client_authorities = "{ca.pem}" default_domain = "Example.ORG" }}\n'
            for port, ca in ((asks, ours), (asks_too, theirs))))
        try:
            by_mail = ours.sign("mail", "/CN=Somebody", "email:User1@example.org")
            by_name = ours.sign("name", "/CN=user2")
            several = ours.sign("several", "/CN=user5@example.org", "email:user3@example.org,email:user4@example.org")
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                for pem, initial, user in ((by_mail, "=", "user1"), (by_name, "=", "user2"), (several, "=", "user3"),
                                           (several, b64(b"user4@example.org"), "user4"), (by_mail, b64(b"user1"), "user1")):
                    c = TlsClient(asks, version, pem)
                    assert "AUTH=EXTERNAL" in c.greeting, c.greeting
                    assert external(c, initial).startswith("OK"), (pem, initial)
                    assert re.search(f"event=login .*user={user}@example.org", daemon.log_tail(3)), daemon.log_tail(3)
                    c.close()
            c = TlsClient(asks, certificate=by_mail)
            assert c.command("AUTHENTICATE EXTERNAL") == "+ " and c.respond("").startswith("OK"), "without an initial response"
            c.close()
            for initial, said in ((b64(b"user2@example.org"), "NO [AUTHORIZATIONFAILED]"), (b64(b"user1@example.org\0x"), "NO ["),
                                  (b64(b"nobody@example.org"), "NO [AUTHORIZATIONFAILED]"), (b64(b"no address at all"), FAILED)):
                c = TlsClient(asks, certificate=by_mail)
                assert external(c, initial).startswith(said), (initial, said)
                c.close()
            nobody = ours.sign("nobody", "/CN=x", "email:nobody@example.org")
            c = TlsClient(asks, certificate=nobody)
            assert external(c).startswith(FAILED)
            c.close()
            strangers = (None, theirs.sign("mail", "/CN=x", "email:user1@example.org"), ours.sign("old", "/CN=x", "email:user1@example.org", -1))
            for pem in strangers:
                c = TlsClient(asks, certificate=pem)
                assert "AUTH=EXTERNAL" not in c.greeting and external(c).startswith("NO "), pem
                assert c.command("LOGIN user1 pass").startswith("OK"), "a password is as good, and the domain is the standard one"
                c.close()
            c = TlsClient(daemon.imaps, certificate=by_mail)
            assert "AUTH=EXTERNAL" not in c.greeting and external(c).startswith("NO "), "where clients are not asked"
            c.close()
            # A ticket takes the certificate along, but not to where others vouch.
            c = TlsClient(asks, ssl.TLSVersion.TLSv1_2, by_mail)
            session, context = c.socket.session, c.context
            c.close()
            c = TlsClient(asks, context=context, session=session)
            assert c.socket.session_reused and external(c).startswith("OK")
            c.close()
            for port in (asks_too, daemon.imaps):
                try:
                    c = TlsClient(port, context=context, session=session)
                except ssl.SSLError:
                    continue  # OpenSSL refuses instead of shaking hands anew
                assert not c.socket.session_reused and external(c).startswith("NO ")
                c.close()
        finally:
            assert daemon.stop() == 0


def test_revoked(roost):
    """Lists of certificates that were taken back: read anew at SIGHUP, and for tickets that were made before."""
    with tempfile.TemporaryDirectory(prefix="roost-x") as temporary:
        directory = pathlib.Path(temporary)
        ours, theirs = Authority(directory, "ours"), Authority(directory, "theirs")
        lists, (asks,) = directory / "revoked.crl", free_ports(1)
        lost, kept = ours.sign("lost", "/CN=x", "email:user1@example.org"), ours.sign("kept", "/CN=x", "email:user2@example.org")
        ours.revoke(lists)
        daemon = Daemon(roost, users=5, extra=f'listen {{ protocol = "imaps" port = {asks} client_authorities = "{ours.pem}" '
                        f'client_revocations = "{lists}" }}\n')

        def log_count(text):
            return (daemon.directory / "daemon.log").read_text().count(text)

        def reload(event="event=revocations_read"):
            before, deadline = log_count(event), time.monotonic() + 10
            os.kill(daemon.pid, signal.SIGHUP)
            while log_count(event) == before:
                assert time.monotonic() < deadline, daemon.log_tail(10)
                time.sleep(0.02)

        def may(pem, context=None, session=None):
            c = TlsClient(asks, ssl.TLSVersion.TLSv1_2, pem) if pem else TlsClient(asks, context=context, session=session)
            try:
                assert pem or c.socket.session_reused
                listed = "AUTH=EXTERNAL" in c.greeting
                assert external(c).startswith("OK" if listed else "NO "), listed
                return listed, c.context, c.socket.session
            finally:
                c.close()

        try:
            allowed, context, session = may(lost)
            assert allowed and may(None, context, session)[0] and may(kept)[0]
            ours.revoke(lists, lost)
            reload()
            assert not may(lost)[0] and may(kept)[0]
            assert not may(None, context, session)[0], "a ticket from before"
            c = TlsClient(asks, certificate=lost)
            assert c.command("LOGIN user1@example.org pass").startswith("OK"), "a password is as good"
            c.close()
            # What cannot be used changes nothing, and is said.
            good = lists.read_bytes()
            for bad in (b"", b"no list\n", good[:-80], None):
                if bad is None:
                    theirs.revoke(lists)
                else:
                    lists.write_bytes(bad)
                reload("event=revocations_failed")
                assert not may(lost)[0] and may(kept)[0], bad
            subprocess.run(["openssl", "crl", "-outform", "DER", "-out", lists], input=good, check=True)
            reload()
            assert not may(lost)[0] and may(kept)[0], "DER"
            ours.revoke(lists, times=("-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", "20200201000000Z"))
            reload("event=revocations_expired")
            assert not may(lost)[0] and not may(kept)[0], "a list past its time"
        finally:
            assert daemon.stop() == 0
        lists.unlink()
        p = subprocess.run([roost, "serve", "-c", daemon.directory / "roost.conf"], capture_output=True, text=True, timeout=30)
        assert p.returncode != 0, "without its list it does not start"


def main():
    args = runner.arguments(__doc__)
    daemon = Daemon(args.roost, users=3, extra="login_delay_ms = 0\nlogin_failures_max = 1000\n")
    failed = runner.run(globals(), args, lambda test, _: test(args.roost if runner.wants(test, "roost") else daemon))
    return daemon.stop() or failed


if __name__ == "__main__":
    sys.exit(bool(main()))
