"""Python's imaplib: a walk over the commands, STARTTLS, SASL, IDLE by hand."""
import base64, hashlib, hmac, imaplib, os, ssl, time

from connection import tls_context

imaplib._MAXLINE = 100_000_000
MESSAGE = b"From: a@example.net\r\nSubject: walk %d\r\nDate: Tue, 24 Nov 2026 10:00:00 +0100\r\n\r\nbody %d\r\n"


def ok(result):
    assert result[0] == "OK", result
    return result[1]


def test_imaplib_walk(daemon):
    c = imaplib.IMAP4_SSL("127.0.0.1", daemon.imaps, ssl_context=tls_context())
    assert "IMAP4REV1" in c.capabilities
    ok(c.login("user3@example.org", "pass"))
    ok(c.create("walk/one"))
    ok(c.create('"with space"'))
    ok(c.subscribe("walk/one"))
    assert any(b"walk/one" in line for line in ok(c.lsub()))
    assert any(b'"with space"' in line for line in ok(c.list()))
    ok(c.unsubscribe("walk/one"))
    ok(c.rename("walk/one", "walk/two"))
    for n in range(10):
        ok(c.append("walk/two", r"(\Flagged)" if n % 2 else None, imaplib.Time2Internaldate(1_600_000_000 + n), MESSAGE % (n, n)))
    assert b"MESSAGES 10" in ok(c.status("walk/two", "(MESSAGES UNSEEN UIDNEXT UIDVALIDITY)"))[0]
    assert ok(c.select("walk/two")) == [b"10"]
    assert c.response("UIDVALIDITY")[1][0].isdigit()
    assert ok(c.search(None, "FLAGGED")) == [b"2 4 6 8 10"]
    assert ok(c.search("UTF-8", "SUBJECT", '"walk 3"')) == [b"4"]
    assert ok(c.uid("SEARCH", None, "ALL")) == [b"1 2 3 4 5 6 7 8 9 10"]
    data = ok(c.fetch("1:3", "(UID FLAGS RFC822.SIZE ENVELOPE BODY.PEEK[])"))
    assert [d[1] for d in data if isinstance(d, tuple)] == [MESSAGE % (n, n) for n in range(3)]
    assert len(ok(c.store("1:4", "+FLAGS", r"(\Deleted $Walk)"))) == 4
    ok(c.copy("1:4", '"with space"'))
    assert ok(c.expunge()) in ([b"1"] * 4, [b"4", b"3", b"2", b"1"])
    ok(c.uid("MOVE", "5:6", '"with space"'))
    assert ok(c.select('"with space"', readonly=True)) == [b"6"]
    assert c.store("1", "+FLAGS", r"(\Seen)")[0] == "NO", "read-only"
    ok(c.unselect())
    ok(c.select("walk/two"))
    ok(c.check())
    ok(c.noop())
    assert ok(c.namespace()) == [b'(("" "/")) NIL NIL']
    ok(c.close())
    ok(c.delete("walk/two"))
    assert c.select("walk/two")[0] == "NO"
    assert c.enable("CONDSTORE")[0] == "OK"
    assert c.logout()[0] == "BYE"


def test_imaplib_huge_header(daemon):
    """HEADER.FIELDS and SEARCH look at the first megabyte of a header (docs/limits.md); the whole is there to be fetched."""
    header = b"Subject: early\r\n" + (b"X-Filler: " + b"x" * 900 + b"\r\n") * 1300 + b"X-Late: late\r\n\r\n"
    c = imaplib.IMAP4("127.0.0.1", daemon.imap)
    ok(c.login("user26@example.org", "pass"))
    ok(c.append("INBOX", None, None, header + b"body\r\n"))
    ok(c.select("INBOX"))
    assert ok(c.fetch("1", "(BODY.PEEK[HEADER.FIELDS (SUBJECT X-LATE)])"))[0][1] == b"Subject: early\r\n\r\n"
    assert ok(c.fetch("1", "(BODY.PEEK[HEADER])"))[0][1] == header
    assert ok(c.search(None, "HEADER", "SUBJECT", "early")) == [b"1"] and ok(c.search(None, "HEADER", "X-LATE", "late")) == [b""]
    ok(c.search(None, "BODY", "body"))
    c.logout()


def test_imaplib_starttls(daemon):
    c = imaplib.IMAP4("127.0.0.1", daemon.strict)
    assert "LOGINDISABLED" in c.capabilities and "STARTTLS" in c.capabilities, c.capabilities
    try:
        c.login("user3@example.org", "pass")
        raise AssertionError("a clear-text login went through")
    except imaplib.IMAP4.error:
        pass
    ok(c.starttls(ssl_context=tls_context()))
    assert "LOGINDISABLED" not in c.capabilities and "STARTTLS" not in c.capabilities, c.capabilities
    assert c.sock.version() in ("TLSv1.2", "TLSv1.3")
    ok(c.authenticate("PLAIN", lambda _: b"\0user3@example.org\0pass"))
    ok(c.select())
    c.logout()


def test_tls_versions(daemon):
    for version, works in ((ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True), (ssl.TLSVersion.TLSv1_1, False)):
        context = tls_context()
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
        try:
            imaplib.IMAP4_SSL("127.0.0.1", daemon.imaps, ssl_context=context).logout()
            assert works, f"{version} was accepted"
        except (ssl.SSLError, OSError) as e:
            assert not works, f"{version}: {e}"


class Scram:
    """The client's side of RFC 5802, for imaplib's authenticate()."""

    def __init__(self, name, user, password):
        self.hash, self.password = name, password
        self.bare = f"n={user},r={base64.b64encode(os.urandom(18)).decode()}"
        self.step = 0

    def __call__(self, challenge):
        self.step += 1
        if self.step == 1:
            return ("n,," + self.bare).encode()
        if self.step == 2:
            return self.prove(challenge.decode())
        assert dict(f.split("=", 1) for f in challenge.decode().split(","))["v"] == self.expected, "the server's signature"
        return b""

    def prove(self, challenge):
        field = dict(f.split("=", 1) for f in challenge.split(","))
        assert field["r"].startswith(self.bare.split("r=")[1]) and int(field["i"]) >= 4096, challenge
        salted = hashlib.pbkdf2_hmac(self.hash, self.password.encode(), base64.b64decode(field["s"]), int(field["i"]))
        mac = lambda key, text: hmac.new(key, text.encode(), self.hash).digest()
        final = f"c=biws,r={field['r']}"
        text = f"{self.bare},{challenge},{final}"
        key = mac(salted, "Client Key")
        signature = mac(hashlib.new(self.hash, key).digest(), text)
        self.expected = base64.b64encode(mac(mac(salted, "Server Key"), text)).decode()
        return f"{final},p={base64.b64encode(bytes(a ^ b for a, b in zip(key, signature))).decode()}".encode()


def test_scram(daemon):
    for mechanism, name in (("SCRAM-SHA-1", "sha1"), ("SCRAM-SHA-256", "sha256")):
        c = imaplib.IMAP4_SSL("127.0.0.1", daemon.imaps, ssl_context=tls_context())
        assert f"AUTH={mechanism}" in c.capabilities, c.capabilities
        ok(c.authenticate(mechanism, Scram(name, "user3@example.org", "pass")))
        ok(c.select())
        c.logout()
        for user, password in (("user3@example.org", "wrong"), ("nobody@example.org", "pass")):
            c = imaplib.IMAP4_SSL("127.0.0.1", daemon.imaps, ssl_context=tls_context())
            try:
                c.authenticate(mechanism, Scram(name, user, password))
                raise AssertionError(f"{mechanism} let {user} in with {password!r}")
            except imaplib.IMAP4.error:
                pass
            c.shutdown()


def test_login_timing(daemon):
    """An unknown user costs what a wrong password costs, within noise: nobody learns names from the clock."""
    def seconds(user):
        c = imaplib.IMAP4_SSL("127.0.0.1", daemon.imaps, ssl_context=tls_context())
        start = time.monotonic()
        try:
            c.login(user, "wrong")
        except imaplib.IMAP4.error:
            pass
        c.shutdown()
        return time.monotonic() - start
    known, unknown = (sorted(seconds(u) for _ in range(5))[2] for u in ("user3@example.org", "nobody@example.org"))
    assert unknown > known / 4 - 0.005 and known > unknown / 4 - 0.005, (known, unknown)
