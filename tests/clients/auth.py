#!/usr/bin/env python3
"""Logging in: every mechanism, by clients written here from the RFCs; certificates by name; failures and what they cost.

SCRAM (RFC 5802, 7677) is an implementation of its own, on nothing but Python's hashes.
"""
import base64, concurrent.futures, hashlib, hmac, os, pathlib, socket, ssl, statistics, subprocess, sys, tempfile, time

import runner
from daemon import Daemon

MECHANISMS = ("PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256")


def b64(data):
    return base64.b64encode(data).decode()


class Client:
    """An IMAP connection, line by line."""

    def __init__(self, port, tls=False, name=None):
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self.certificate = None
        if tls:
            self.wrap(name)
        self.file = self.socket.makefile("rb")
        self.greeting = self.line()
        self.tag = 0

    def wrap(self, name):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["imap"])
        self.socket = context.wrap_socket(self.socket, server_hostname=name)
        self.certificate = self.socket.getpeercert(True)

    def starttls(self, name=None):
        assert self.command("STARTTLS").startswith("OK")
        self.wrap(name)
        self.file = self.socket.makefile("rb")

    def line(self):
        line = self.file.readline()
        assert line.endswith(b"\r\n"), f"cut off: {line!r}"
        return line[:-2].decode()

    def send(self, text):
        self.socket.sendall(text.encode() + b"\r\n")

    def command(self, text):
        """The tagged answer without its tag; or the continuation."""
        self.tag += 1
        self.send(f"t{self.tag} {text}")
        return self.answer()

    def answer(self):
        while True:
            line = self.line()
            if line.startswith("+ "):
                return line
            if line.startswith(f"t{self.tag} "):
                return line.split(" ", 1)[1]

    def respond(self, text):
        self.send(text)
        return self.answer()

    def capabilities(self):
        self.send("c CAPABILITY")
        words = self.line().split()[2:]
        assert self.line().startswith("c OK")
        return words

    def close(self):
        self.socket.close()


def first_answer(client, mechanism, initial, with_initial=True):
    if with_initial:
        return client.command(f"AUTHENTICATE {mechanism} {b64(initial)}")
    assert client.command(f"AUTHENTICATE {mechanism}") == "+ "
    return client.respond(b64(initial))


def scram(client, mechanism, user, password, gs2="n,,", with_initial=True, spoil=None, binding=b""):
    """RFC 5802 3.  `spoil` changes the client's last message; `binding` is the data of the channel's."""
    algorithm = {"SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256"}[mechanism.removesuffix("-PLUS")]
    nonce = base64.b64encode(os.urandom(18)).decode()
    bare = f"n={user.replace('=', '=3D').replace(',', '=2C')},r={nonce}"
    answer = first_answer(client, mechanism, (gs2 + bare).encode(), with_initial)
    if not answer.startswith("+ "):
        return answer
    server_first = base64.b64decode(answer[2:]).decode()
    fields = dict(part.split("=", 1) for part in server_first.split(","))
    assert fields["r"].startswith(nonce) and len(fields["r"]) > len(nonce) + 16, server_first
    assert int(fields["i"]) >= 4096, server_first

    def mac(key, text):
        return hmac.new(key, text, algorithm).digest()

    salted = hashlib.pbkdf2_hmac(algorithm, password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
    client_key = mac(salted, b"Client Key")
    without_proof = f"c={b64(gs2.encode() + binding)},r={fields['r']}"
    message = f"{bare},{server_first},{without_proof}".encode()
    signature = mac(hashlib.new(algorithm, client_key).digest(), message)
    proof = bytes(a ^ b for a, b in zip(client_key, signature))
    final = f"{without_proof},p={b64(proof)}"
    answer = client.respond(b64((spoil(final) if spoil else final).encode()))
    if answer.startswith("+ "):
        assert base64.b64decode(answer[2:]).decode() == "v=" + b64(mac(mac(salted, b"Server Key"), message)), answer
        answer = client.respond("")
    return answer


def log_in(client, mechanism, user, password, **options):
    if mechanism == "PLAIN":
        return first_answer(client, "PLAIN", f"\0{user}\0{password}".encode(), **options)
    if mechanism == "LOGIN":
        assert client.command("AUTHENTICATE LOGIN") == "+ " + b64(b"Username:")
        assert client.respond(b64(user.encode())) == "+ " + b64(b"Password:")
        return client.respond(b64(password.encode()))
    return scram(client, mechanism, user, password, **options)


FAILED = "NO [AUTHENTICATIONFAILED]"


def test_every_mechanism(daemon):
    for mechanism in MECHANISMS:
        for tls in (False, True):
            c = Client(daemon.imaps if tls else daemon.imap, tls)
            answer = log_in(c, mechanism, "user1@example.org", "pass")
            assert answer.startswith("OK [CAPABILITY IMAP4rev1 "), (mechanism, answer)
            assert "AUTH=" not in answer and c.command("SELECT INBOX").startswith("OK")
            c.close()
            for user, password in (("user1@example.org", "wrong"), ("nobody@example.org", "pass"), ("user1", "pass")):
                c = Client(daemon.imap)
                answer = log_in(c, mechanism, user, password)
                assert answer.startswith(FAILED), (mechanism, user, answer)
                assert c.command("SELECT INBOX").startswith("BAD")
                assert log_in(c, mechanism, "User1@EXAMPLE.org", "pass").startswith("OK"), "a second try, in other case"
                c.close()


def test_without_initial_response(daemon):
    for mechanism in ("PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256"):
        c = Client(daemon.imap)
        assert log_in(c, mechanism, "user2@example.org", "pass", with_initial=False).startswith("OK"), mechanism
        c.close()


def test_listed_capabilities(daemon):
    listed = [f"AUTH={m}" for m in ("SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN")]
    bound = ["AUTH=SCRAM-SHA-256-PLUS", "AUTH=SCRAM-SHA-1-PLUS"]
    for c, expected in ((Client(daemon.imaps, True), bound + listed), (Client(daemon.imap), listed)):
        assert [w for w in c.capabilities() if w.startswith("AUTH=")] == expected
        assert "LOGINDISABLED" not in c.capabilities()
        c.close()


def test_acting_for_another(daemon):
    c = Client(daemon.imap)
    plain = b64(b"user1@example.org\0user2@example.org\0pass")
    assert c.command(f"AUTHENTICATE PLAIN {plain}").startswith("NO [AUTHORIZATIONFAILED]")
    own = b64(b"user2@example.org\0user2@example.org\0pass")
    assert c.command(f"AUTHENTICATE PLAIN {own}").startswith("OK")
    c.close()
    for mechanism in ("SCRAM-SHA-1", "SCRAM-SHA-256"):
        c = Client(daemon.imap)
        answer = scram(c, mechanism, "user2@example.org", "pass", gs2="n,a=user1@example.org,")
        assert answer.startswith("NO [AUTHORIZATIONFAILED]"), answer
        answer = scram(c, mechanism, "user2@example.org", "wrong", gs2="n,a=user1@example.org,")
        assert answer.startswith(FAILED), answer
        assert scram(c, mechanism, "user2@example.org", "pass", gs2="n,a=user2@example.org,").startswith("OK")
        c.close()


def test_broken_scram(daemon):
    """RFC 5802 5.1, 7: what makes no sense is refused, whatever it is, and the daemon goes on."""
    spoils = (lambda m: m.replace("r=", "r=x"), lambda m: m.replace("c=", "c=x"), lambda m: m[:-4], lambda m: "",
              lambda m: m.split(",p=")[0], lambda m: m.replace("c=biws", "c=" + b64(b"y,,")), lambda m: m + ",x=y",
              lambda m: "p=,," + m, lambda m: m.replace(",p=", ",p=A"), lambda m: "\0" + m, lambda m: "c=" * 3000)
    for number, spoil in enumerate(spoils):
        c = Client(daemon.imap)
        answer = scram(c, "SCRAM-SHA-256", "user1@example.org", "pass", spoil=spoil)
        assert answer.startswith(FAILED), (number, answer)
        c.close()
    firsts = ("", "n", "n,,", "n,,n=", "n,,n=user1@example.org", "n,,n=user1@example.org,", "n,,n=user1@example.org,r=",
              "p=tls-unique,,n=user1@example.org,r=abcdefgh", "p=tls-exporter,,n=user1@example.org,r=abcdefgh", "p,,n=a,r=b",
              "n,,m=x,n=user1@example.org,r=abcdefgh", "n,,n=us=er,r=abcdefgh", "n,,n=user=2,r=abcdefgh", "x,,n=a,r=abcdefgh",
              "n,b=c,n=a,r=abcdefgh", "n,a=,n=user1@example.org,r=abcdefgh", "n,,n=" + "x" * 9000 + ",r=abcdefgh", "\0" * 20)
    for first in firsts:
        c = Client(daemon.imap)
        answer = first_answer(c, "SCRAM-SHA-1", first.encode()) if first else c.command("AUTHENTICATE SCRAM-SHA-1 =")
        if answer.startswith("+ "):
            answer = c.respond(b64(b"c=biws,r=nonsense,p=AAAA"))
        assert answer.startswith(FAILED) or answer.startswith("NO [AUTHORIZATIONFAILED]"), (first, answer)
        c.close()
    test_without_initial_response(daemon)


def test_unknown_users_look_alike(daemon):
    """RFC 5802 has the server tell a salt before it knows who asks: an unknown user's is as stable as a real one's."""
    def salt(user):
        c = Client(daemon.imap)
        answer = first_answer(c, "SCRAM-SHA-256", f"n,,n={user},r=abcdefgh".encode())
        assert c.respond("*").startswith("BAD")
        c.close()
        return dict(p.split("=", 1) for p in base64.b64decode(answer[2:]).decode().split(","))
    real, unknown = salt("user1@example.org"), salt("nobody@example.org")
    assert len(real["s"]) == len(unknown["s"]) and real["i"] == unknown["i"], (real, unknown)
    assert unknown["s"] == salt("nobody@example.org")["s"] == salt("Nobody@example.org")["s"]
    assert unknown["s"] != salt("noone@example.org")["s"]


def test_cleartext_is_refused(daemon):
    c = Client(daemon.strict)
    assert "LOGINDISABLED" in c.greeting and "STARTTLS" in c.greeting and "AUTH=" not in c.greeting, c.greeting
    assert c.command("LOGIN user1@example.org pass").startswith("NO [PRIVACYREQUIRED]")
    for mechanism in MECHANISMS:
        assert c.command(f"AUTHENTICATE {mechanism}").startswith("NO [PRIVACYREQUIRED]")
    c.starttls()
    words = c.capabilities()
    assert "LOGINDISABLED" not in words and "STARTTLS" not in words and "AUTH=PLAIN" in words, words
    assert c.command("STARTTLS").startswith("BAD")
    assert c.command("LOGIN user1@example.org pass").startswith("OK")
    c.close()


def test_certificate_by_name(daemon):
    wanted = {}
    for domain in ("example.org", "example.net"):
        pem = (daemon.directory / "certificates" / f"{domain}.pem").read_text()
        wanted[domain] = ssl.PEM_cert_to_DER_cert(pem[pem.index("-----BEGIN CERT"):])
    standard = ssl.PEM_cert_to_DER_cert((daemon.directory / "certificates" / "cert.pem").read_text())
    for domain, der in (*wanted.items(), ("elsewhere.example", standard), (None, standard)):
        c = Client(daemon.imaps, True, name=domain)
        assert c.certificate == der, f"IMAPS for {domain}"
        assert c.socket.selected_alpn_protocol() == "imap"
        c.close()
        c = Client(daemon.strict)
        c.starttls(domain)
        assert c.certificate == der, f"STARTTLS for {domain}"
        c.close()


def test_failures_are_slowed_and_cut(daemon):
    c = Client(daemon.imap)
    waits = []
    for _ in range(5):
        start = time.time()
        assert c.command("LOGIN user1@example.org wrong").startswith(FAILED) or waits, waits
        waits.append(time.time() - start)
    # 50 ms at first in a scratch server, doubled three times; the loop's clock counts whole milliseconds.
    assert all(wait >= least - 0.002 for wait, least in zip(waits, (0.05, 0.1, 0.2, 0.4, 0.4))), waits
    rest = c.file.read()
    assert rest.startswith(b"* BYE") and rest.count(b"\n") == 1, f"the connection is cut after the fifth: {rest}"
    c.close()


def test_connection_gone_meanwhile(daemon):
    """The client goes away while its login is worked on, waits for an answer, or is delayed."""
    for _ in range(30):
        for text in ("x LOGIN user1@example.org pass", "x LOGIN user1@example.org wrong", "x AUTHENTICATE PLAIN",
                     f"x AUTHENTICATE SCRAM-SHA-1 {b64(b'n,,n=user1@example.org,r=abcdefgh')}"):
            s = socket.create_connection(("127.0.0.1", daemon.imap))
            s.sendall(text.encode() + b"\r\n")
            s.close()
    test_without_initial_response(daemon)


def test_pipelined_behind_login(daemon):
    c = Client(daemon.imap)
    c.send("a LOGIN user1@example.org pass\r\nb SELECT INBOX\r\nc LOGIN user1@example.org pass")
    lines = []
    while not lines or not lines[-1].startswith("c "):
        lines.append(c.line())
    tagged = [l for l in lines if l[0] in "abc" and l[1] == " "]
    assert tagged[0].startswith("a OK") and tagged[1].startswith("b OK") and tagged[2].startswith("c BAD"), tagged
    c.close()


def test_long_answers(daemon):
    """12 KiB are read (tokens are long); what is longer is refused, and the session goes on."""
    c = Client(daemon.imap)
    for size, said in ((12288, FAILED), (100000, "BAD")):
        assert c.command("AUTHENTICATE PLAIN") == "+ "
        answer = c.respond("A" * size)
        assert answer.startswith(said), (size, answer)
    assert c.command(f"AUTHENTICATE PLAIN {'A' * 12288}").startswith(FAILED)
    assert c.command("LOGIN user1@example.org pass").startswith("OK")
    c.close()


def make_certificate(directory, domain):
    """Key and certificate in one file, as one may be put there."""
    directory.mkdir(exist_ok=True)
    path = directory / f"{domain}.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "60", "-subj", f"/CN={domain}", "-addext", f"subjectAltName=DNS:{domain}", "-keyout",
                    f"{path}.part", "-out", path], check=True, capture_output=True)
    path.write_text(pathlib.Path(f"{path}.part").read_text() + path.read_text())


def slow_daemon(roost):
    """Hashing takes about 70 ms on the one thread for it, and two logins may wait."""
    daemon = Daemon(roost, users=1, extra="password_cost = 7\nauth_threads = 1\nauth_queue_max = 2\nlogin_delay_ms = 0\n")
    subprocess.run([roost, "-c", str(daemon.directory / "roost.conf"), "user", "add", "--password-stdin", "--count", "13", "slow@example.org"],
                   input=b"pass\n", check=True, stdout=subprocess.DEVNULL)
    return daemon


def test_hashing_blocks_nobody(roost):
    daemon = slow_daemon(roost)
    try:
        def wrong(number):
            c = Client(daemon.imap)
            answer = c.command(f"LOGIN slow{number}@example.org wrong")
            c.close()
            return answer
        idle = Client(daemon.imap)
        assert idle.command("LOGIN slow1@example.org pass").startswith("OK")
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            answers = [pool.submit(wrong, n) for n in range(2, 14)]
            waits = []
            for _ in range(20):
                start = time.time()
                assert idle.command("NOOP").startswith("OK")
                waits.append(time.time() - start)
            answers = [a.result() for a in answers]
        assert statistics.median(waits) < 0.05, waits
        kinds = {a.split("]")[0] + "]" for a in answers}
        assert kinds == {"NO [UNAVAILABLE]", FAILED}, answers
        idle.close()
    finally:
        assert daemon.stop() == 0


def test_verified_passwords_are_remembered(roost):
    daemon = slow_daemon(roost)
    try:
        def log_in_took(user, password, answer="OK"):
            c = Client(daemon.imap)
            start = time.time()
            got = c.command(f"LOGIN {user}@example.org {password}")
            c.close()
            assert got.startswith(answer), got
            return time.time() - start
        first = log_in_took("slow1", "pass")
        again = statistics.median(log_in_took("slow1", "pass") for _ in range(5))
        assert first > 0.02 and again < first / 3, (first, again)
        # What it costs: of a processor, not of the clock; here with what a session is besides, and perhaps a sanitizer.
        c, before = Client(daemon.imap), daemon.cpu_s()
        for _ in range(200):
            assert c.command("LOGIN slow1@example.org pass").startswith("OK") and c.command("UNAUTHENTICATE").startswith("OK")
        each = (daemon.cpu_s() - before) / 200
        c.close()
        assert each < 0.003, f"{each * 1e6:.0f} us"
        # A wrong password and an unknown user are never quick, and take the same time.
        wrong = statistics.median(log_in_took("slow1", "wrong", FAILED) for _ in range(5))
        unknown = statistics.median(log_in_took("nobody", "wrong", FAILED) for _ in range(5))
        assert min(wrong, unknown) > first / 3 and max(wrong, unknown) < 3 * min(wrong, unknown), (first, wrong, unknown)
    finally:
        assert daemon.stop() == 0


def main():
    args = runner.arguments(__doc__)
    with tempfile.TemporaryDirectory(prefix="roost-auth") as directory:
        for domain in ("example.org", "example.net"):
            make_certificate(pathlib.Path(directory) / "certificates", domain)
        daemon = Daemon(args.roost, users=20, extra="listen { port = {strict} }\n", directory=directory)
        failed = runner.run(globals(), args, lambda test, _: test(args.roost if runner.wants(test, "roost") else daemon))
        return daemon.stop() or failed


if __name__ == "__main__":
    sys.exit(bool(main()))
