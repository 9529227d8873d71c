#!/usr/bin/env python3
"""Those who guess, and those behind a proxy: failed logins that are held, the PROXY protocol, and what fail2ban reads of it."""
import base64, glob, os, pathlib, re, shutil, signal, socket, sqlite3, ssl, struct, subprocess, sys, tempfile, time

import runner
from store import Store, with_users
from auth import Client, scram
from daemon import free_ports

ALICE = "alice@example.org"
HELD = "NO [UNAVAILABLE] Too many logins have failed"
WRONG = "NO [AUTHENTICATIONFAILED]"
ROOT = pathlib.Path(__file__).resolve().parents[2]


class Behind(Store):
    """A store whose daemon also has a listener for proxies, on `proxied`."""

    def __init__(self, roost, networks="127.0.0.1", extra="", **environment):
        self.proxied, = free_ports(1)
        super().__init__(roost, f'trusted_networks = "10.9.0.0/16"\nlogin_hold_failures = 3\n{extra}\n'
                                f'listen {{ port = {self.proxied} cleartext_login = true proxy_networks = "{networks}" }}\n')
        with_users(self)
        self.start(**environment)

    def client(self, header, pieces=None):
        """A connection that begins with the header, in pieces of so many bytes."""
        c = Client.__new__(Client)
        c.socket = socket.create_connection(("127.0.0.1", self.proxied), 30)
        c.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(header), pieces or len(header)):
            c.socket.sendall(header[at:at + (pieces or len(header))])
            if pieces:
                time.sleep(0.002)
        c.file, c.tag = c.socket.makefile("rb"), 0
        c.greeting = c.line()
        return c

    def log_text(self):
        return (self.directory / "log").read_text()


def v1(source):
    return f"PROXY TCP4 {source} 198.51.100.1 40000 143\r\n".encode()


def v2(source, tlvs=b"", command=1):
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    pton = socket.inet_pton
    addresses = pton(family, source) + pton(family, "::1" if ":" in source else "198.51.100.1") + struct.pack("!HH", 40000, 143)
    body = addresses + tlvs
    kind = 0x21 if ":" in source else 0x11
    return b"\r\n\r\n\0\r\nQUIT\n" + struct.pack("!BBH", 0x20 | command, kind, len(body)) + body


GUESSES = (f"guess{i}" for i in range(10000))


def login(store, source, user, password):
    password = next(GUESSES) if password == "guess" else password
    c = store.client(v1(source))
    answer = c.command(f'LOGIN {user} "{password}"')
    c.close()
    return answer


def test_guessing_is_held(roost):
    store = Behind(roost)
    assert login(store, "192.0.2.1", ALICE, "secret").startswith("OK")  # known there from now on
    for _ in range(3):
        assert login(store, "192.0.2.66", ALICE, "guess").startswith(WRONG)
    # Held, whatever the password is and whichever way it comes; users who do not exist are no different.
    assert login(store, "192.0.2.66", ALICE, "secret").startswith(HELD)
    assert scram(store.client(v1("192.0.2.66")), "SCRAM-SHA-256", ALICE, "secret").startswith(HELD)
    c = store.client(v1("192.0.2.66"))
    assert c.command("AUTHENTICATE PLAIN " + base64.b64encode(f"\0{ALICE}\0secret".encode()).decode()).startswith(HELD)
    for _ in range(3):
        assert login(store, "192.0.2.66", "nobody@example.org", "guess").startswith(WRONG)
    assert login(store, "192.0.2.66", "nobody@example.org", "guess").startswith(HELD)
    # Elsewhere she gets in; and where she is known also when all the world guesses.
    for host in range(10):
        assert login(store, f"203.0.113.{host}", ALICE, "guess").startswith(WRONG if host < 6 else HELD), host
    assert login(store, "198.51.100.9", ALICE, "secret").startswith(HELD)
    assert login(store, "192.0.2.1", ALICE, "secret").startswith("OK")
    # Trusted networks are not counted, and not refused.
    for _ in range(5):
        assert login(store, "10.9.0.1", ALICE, "guess").startswith(WRONG)
    assert login(store, "10.9.0.1", ALICE, "secret").startswith("OK")
    rows = store.json("abuse", "list")
    assert any(r["who"] == f"{ALICE} from 192.0.2.66" and r["held_s"] > 0 and r["failures"] == 3 for r in rows), rows
    assert "forgotten" in store.run("abuse", "clear", ALICE)
    assert login(store, "198.51.100.9", ALICE, "secret").startswith("OK")
    assert re.search(r"event=login_held session=\d+ peer=192.0.2.66 user=alice@example.org", store.log_text())
    store.close()


def test_a_device_gets_in(roost):
    """Whoever else guesses, and wherever the device is: an app password is none that is guessed, so it is looked at."""
    store = Behind(roost)
    made = store.run("password", "add", ALICE, "Phone").strip()
    wrong = made[:-1] + ("a" if made[-1] != "a" else "b")
    for host in range(9):
        assert login(store, f"203.0.113.{host}", ALICE, "guess").startswith(WRONG), host

    def plain(source, password):
        c = store.client(v1(source))
        answer = c.command("AUTHENTICATE PLAIN " + base64.b64encode(f"\0{ALICE}\0{password}".encode()).decode())
        c.close()
        return answer

    def by_login(source, password):
        c = store.client(v1(source))
        c.send("a AUTHENTICATE LOGIN")
        for word in (ALICE, password):
            assert c.line().startswith("+ ")
            c.send(base64.b64encode(word.encode()).decode())
        answer = c.line()
        c.close()
        return answer.removeprefix("a ")
    for number, way in enumerate((plain, by_login, lambda source, password: login(store, source, ALICE, password))):
        source = f"198.51.100.{number}"
        for password in ("secret", wrong, made + "x"):
            assert way(source, password).startswith(HELD), (number, password)
        assert way(source, made).startswith("OK"), number
        assert way(source, "secret").startswith("OK"), "she is known there then"
    assert scram(store.client(v1("198.51.100.77")), "SCRAM-SHA-256", ALICE, "secret").startswith(HELD)
    store.close()


def test_another_back_end_is_not_asked(roost):
    """While a user of its domain is held; of an app password it knows nothing anyway."""
    if not glob.glob("/usr/lib/*/sasl2/libsql.so"):
        print("   (libsasl2-modules-sql is not there)")
        return
    with tempfile.TemporaryDirectory() as directory:
        database, options = pathlib.Path(directory, "users.db"), pathlib.Path(directory, "sasl.conf")
        db = sqlite3.connect(database)
        db.execute("CREATE TABLE users(name TEXT, password TEXT)")
        db.execute("INSERT INTO users VALUES('alice', 'from sql')")
        db.commit()
        db.close()
        options.write_text(f"sql_engine: sqlite3\nsql_database: {database}\nsql_hostnames: none\nsql_user: x\nsql_passwd: x\n"
                           "sql_select: SELECT password FROM users WHERE name = '%u' AND '%p' = 'userPassword'\n")
        store = Behind(roost, extra=f'sasl_config = "{options}"\nauth {{ backend = "sql" }}\n', ASAN_OPTIONS="detect_leaks=0")
        made = store.run("password", "add", ALICE, "Phone").strip()
        assert login(store, "198.51.100.1", ALICE, "from sql").startswith("OK")
        for host in range(9):
            assert login(store, f"203.0.113.{host}", ALICE, "guess").startswith(WRONG), host
        os.rename(database, f"{database}.away")
        database.mkdir()  # cannot be opened
        asked = login(store, "198.51.100.1", ALICE, "from sql")
        assert asked.startswith("NO [UNAVAILABLE]") and not asked.startswith(HELD), f"it does not answer: {asked}"
        failures = store.log_text().count("event=auth_backend_failed")
        assert failures > 0
        assert login(store, "198.51.100.2", ALICE, "from sql").startswith(HELD)
        assert login(store, "198.51.100.2", ALICE, made).startswith("OK")
        assert store.log_text().count("event=auth_backend_failed") == failures, "it was asked"
        store.close()


def test_known_after_a_restart(roost):
    """Who guesses does not wait for the owner to be known again."""
    store = Behind(roost)
    assert login(store, "192.0.2.1", ALICE, "secret").startswith("OK")
    for number in range(2):
        assert store.stop(signal.SIGTERM) == 0
        known = store.directory / "store/known"
        assert known.stat().st_mode & 0o777 == 0o600 and b"alice" not in known.read_bytes()
        store.start()
        for host in range(9):
            assert login(store, f"203.0.113.{host}", ALICE, "guess").startswith(WRONG), host
        assert login(store, "198.51.100.9", ALICE, "secret").startswith(HELD)
        assert login(store, "192.0.2.1", ALICE, "secret").startswith("OK"), number
    for damage in (b"", b"nonsense" * 10, known.read_bytes()[:-9]):
        assert store.stop() == 0
        known.write_bytes(damage)
        store.start()
        for host in range(9):
            assert login(store, f"203.0.113.{host}", ALICE, "guess").startswith(WRONG), host
        assert login(store, "192.0.2.1", ALICE, "secret").startswith(HELD), damage  # nobody is known
    store.close()


def test_an_old_password(roost):
    """A device that has one, beside another that has the right one."""
    store = Behind(roost)
    for _ in range(8):
        assert login(store, "192.0.2.1", ALICE, "as it was").startswith(WRONG)
    assert login(store, "192.0.2.1", ALICE, "secret").startswith("OK")
    store.close()


def test_it_is_over_some_time(roost):
    store = Behind(roost, extra="login_hold_s = 1")
    for _ in range(3):
        assert login(store, "192.0.2.66", ALICE, "guess").startswith(WRONG)
    deadline = time.monotonic() + 10
    while not login(store, "192.0.2.66", ALICE, "secret").startswith("OK"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    store.close()


def test_proxy_headers(roost):
    store = Behind(roost)
    tlvs = b"\x02\x00\x0bexample.org" + b"\x04\x00\x00"
    for header, peer in ((v1("192.0.2.7"), "192.0.2.7"), (v2("192.0.2.8", tlvs), "192.0.2.8"), (v2("2001:db8::9"), "2001:db8::9"),
                         (b"PROXY TCP6 2001:db8::a ::1 1 2\r\n", "2001:db8::a"), (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
                         (v2("192.0.2.9", command=0), "127.0.0.1")):
        for pieces in (None, 1):
            c = store.client(header, pieces)
            assert c.greeting.startswith("* OK"), c.greeting
            assert c.command(f"LOGIN {ALICE} secret").startswith("OK")
            assert [s["remote"] for s in store.json("sessions")] == [peer], (peer, store.json("sessions"))
            assert c.command("LOGOUT").startswith("OK")
            c.close()
    # The client's first bytes in the same packet.
    c = store.client(v2("192.0.2.8") + f"a LOGIN {ALICE} secret\r\n".encode())
    assert c.line().startswith("a OK")
    c.close()
    store.close()


def closed_with_nothing(port, data):
    s = socket.create_connection(("127.0.0.1", port), 30)
    s.settimeout(20)
    s.sendall(data)
    try:
        got = s.recv(100)
    except ConnectionResetError:
        got = b""
    s.close()
    return got == b""


def test_what_is_no_header(roost):
    store = Behind(roost)
    for data in (b"a LOGIN x y\r\n", b"PROXY TCP4 1.2.3.4\r\n", b"\x16\x03\x01\x02\x00", v2("192.0.2.8", b"\xff\xff\xff"),
                 b"PROXY UNKNOWN " + b"x" * 200):
        assert closed_with_nothing(store.proxied, data), data
    assert 'reason="no PROXY header"' in store.log_text()
    # It has ten seconds between bytes; and a proxy that hangs up in the middle is let go.
    s = socket.create_connection(("127.0.0.1", store.proxied), 30)
    s.sendall(b"PROXY TC")
    s.shutdown(socket.SHUT_WR)
    s.settimeout(20)
    assert s.recv(10) == b""
    start = time.monotonic()
    assert closed_with_nothing(store.proxied, b"PROXY TC") and 5 < time.monotonic() - start < 18
    store.close()
    # Nobody else may come where proxies are expected.
    store = Behind(roost, networks="192.0.2.0/24 2001:db8::/32")
    assert closed_with_nothing(store.proxied, b"")
    assert closed_with_nothing(store.proxied, v1("192.0.2.7"))
    assert 'reason="not one of proxy_networks"' in store.log_text()
    store.close()


def test_tls_behind_it(roost):
    with tempfile.TemporaryDirectory() as certificates:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=mail.example.org", "-days", "2",
                        "-keyout", f"{certificates}/a.pem", "-out", f"{certificates}/b.pem"], check=True, capture_output=True)
        port, = free_ports(1)
        store = Behind(roost, extra=f'certificates = "{certificates}"\n'
                                    f'listen {{ protocol = "imaps" port = {port} proxy_networks = "127.0.0.1" }}')
        for header in (v1("192.0.2.7"), v2("192.0.2.7")):
            raw = socket.create_connection(("127.0.0.1", port), 30)
            raw.sendall(header)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            tls = context.wrap_socket(raw)
            assert tls.recv(1000).startswith(b"* OK")
            tls.sendall(f"a LOGIN {ALICE} secret\r\n".encode())
            assert tls.recv(1000).startswith(b"a OK")
            row, = store.json("sessions")
            assert row["remote"] == "192.0.2.7" and row["tls"] == "TLSv1.3", row
            tls.close()
            deadline = time.monotonic() + 10
            while store.json("sessions"):
                assert time.monotonic() < deadline
                time.sleep(0.02)
        store.close()


def test_fail2ban(roost):
    if not shutil.which("fail2ban-regex"):
        print("   (fail2ban is not here)")
        return
    store = Behind(roost)
    for i in range(4):
        login(store, "192.0.2.66", ALICE, "guess")
    c = store.client(v2("2001:db8::1"))
    # A name that wants to look like the line of somebody else.
    assert c.command('LOGIN "x event=login_failed peer=192.0.2.1 user=" guess').startswith(WRONG)
    login(store, "192.0.2.99", ALICE, "secret")
    log = store.directory / "log"
    p = subprocess.run(["fail2ban-regex", "--print-all-matched", str(log), str(ROOT / "contrib/fail2ban/filter.d/roost.conf")],
                       capture_output=True, text=True, timeout=120)
    assert p.returncode == 0, p.stdout + p.stderr
    assert "5 matched" in p.stdout, p.stdout
    matched = p.stdout[p.stdout.index("Matched line(s)"):]
    assert matched.count("peer=192.0.2.66") == 4 and matched.count("peer=2001:db8::1") == 1, matched
    hosts = subprocess.run(["fail2ban-regex", "-o", "<ip>", str(log), str(ROOT / "contrib/fail2ban/filter.d/roost.conf")],
                           capture_output=True, text=True, timeout=120).stdout.split()
    assert sorted(hosts) == ["192.0.2.66"] * 4 + ["2001:db8::1"], hosts
    store.close()


if __name__ == "__main__":
    args = runner.arguments(__doc__)
    sys.exit(bool(runner.run(globals(), args, lambda test, _: test(args.roost))))
