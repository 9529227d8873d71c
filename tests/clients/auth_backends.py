#!/usr/bin/env python3
"""Other back ends than the store's own directory: saslauthd (a double that speaks its protocol, and Debian's own), and the sql and ldapdb
plugins of libsasl2; by domain, and what a client hears when one of them is down."""
import glob, os, pathlib, re, shutil, socket, sqlite3, struct, subprocess, sys, tempfile, threading, time

import runner
from auth import FAILED, Client, b64, log_in
from daemon import Daemon, free_ports

UNAVAILABLE = "NO [UNAVAILABLE]"


class Saslauthd(threading.Thread):
    """Answers as `answer(user, password, service, realm)` says: bytes behind the length, or None for silence."""

    def __init__(self, path, answer):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen()
        self.path, self.answer, self.asked = path, answer, []
        self.start()

    def run(self):
        while True:
            try:
                c, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def serve(self, c):
        with c:
            file = c.makefile("rb")
            parts = [file.read(struct.unpack("!H", file.read(2))[0]).decode() for _ in range(4)]
            self.asked.append(parts)
            if (answer := self.answer(*parts)) is not None:
                for byte in struct.pack("!H", len(answer)) + answer:
                    c.sendall(bytes([byte]))

    def stop(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        os.unlink(self.path)


def command(daemon, *words, stdin=""):
    subprocess.run([daemon.roost, words[0], words[1], "-c", str(daemon.directory / "roost.conf"), *words[2:]], input=stdin, text=True,
                   check=True, capture_output=True)


def add_users(daemon):
    """alice@ and bob@ a second domain, with a password in the directory that must not be of use there."""
    command(daemon, "domain", "add", "elsewhere.example")
    for name in ("alice", "bob"):
        command(daemon, "user", "add", "--password-stdin", f"{name}@elsewhere.example", stdin="directory\n")


def has_plugin(name):
    return bool(glob.glob(f"/usr/lib/*/sasl2/{name}.so"))


def attempt(daemon, text):
    c = Client(daemon.imap)
    answer = c.command(text)
    c.close()
    return answer


PASSWORD = "s\u00e9cret words"


def check_app_passwords(daemon):
    """They are good whoever knows the user's own password."""
    config = str(daemon.directory / "roost.conf")
    made = subprocess.run([daemon.roost, "-c", config, "password", "add", "alice@elsewhere.example", "Phone"], capture_output=True,
                          text=True, check=True, timeout=60).stdout.strip()
    for mechanism in ("PLAIN", "LOGIN"):
        c = Client(daemon.imap)
        assert log_in(c, mechanism, "alice@elsewhere.example", made).startswith("OK"), mechanism
        c.close()
        c = Client(daemon.imap)
        assert log_in(c, mechanism, "bob@elsewhere.example", made).startswith(FAILED), mechanism
        c.close()
    assert attempt(daemon, f"LOGIN alice@elsewhere.example {made}").startswith("OK")


def test_saslauthd(roost, directory):
    path = directory / "mux"
    right = lambda user, password, service, realm: b"OK yes" if password == PASSWORD else b"NO no"
    double = Saslauthd(path, right)
    daemon = Daemon(roost, users=2, extra=f'login_delay_ms = 0\nlogin_failures_max = 3\n'
                                          f'auth {{ who = "Elsewhere.example" backend = "saslauthd" socket = "{path}" }}\n')
    try:
        add_users(daemon)
        c = Client(daemon.imap)
        assert "SCRAM" not in c.greeting and "AUTH=PLAIN" in c.greeting, c.greeting
        assert c.command("AUTHENTICATE SCRAM-SHA-256").startswith("NO ")
        for mechanism in ("PLAIN", "LOGIN"):
            answer = log_in(c, mechanism, "Alice@elsewhere.example", PASSWORD)
            assert answer.startswith("OK"), answer
            assert c.command("UNAUTHENTICATE").startswith("OK")
        assert double.asked == [["alice", PASSWORD, "imap", "elsewhere.example"]], "the second time it was remembered"
        assert log_in(c, "PLAIN", "alice@elsewhere.example", "directory").startswith(FAILED)
        assert log_in(c, "PLAIN", "nobody@elsewhere.example", PASSWORD).startswith(FAILED), "right, but there is no mailbox"
        c.close()
        command(daemon, "user", "add", "--no-password", "carol@elsewhere.example")
        assert attempt(daemon, "LOGIN carol@elsewhere.example wrong").startswith(FAILED)
        assert log_in(Client(daemon.imap), "PLAIN", "carol@elsewhere.example", PASSWORD).startswith("OK"), "she needs none here"
        del double.asked[3:]
        assert attempt(daemon, "LOGIN user1@example.org pass").startswith("OK"), "other domains have the directory"
        assert len(double.asked) == 3
        check_app_passwords(daemon)
        assert [a[0] for a in double.asked[3:]] == ["bob", "bob"], "app passwords are the store's own"
        # Down, silent, mad: never a failed login, so never slowed nor cut.
        for answer in (lambda *a: b"", lambda *a: b"XX what", None):
            if answer:
                double.answer = answer
            else:
                double.stop()
            c = Client(daemon.imap)
            for _ in range(5):
                assert c.command("LOGIN bob@elsewhere.example pw").startswith(UNAVAILABLE)
            assert log_in(c, "PLAIN", "bob@elsewhere.example", "pw").startswith(UNAVAILABLE)
            assert c.command("LOGIN user1@example.org pass").startswith("OK")
            c.close()
        log = (daemon.directory / "daemon.log").read_text()
        assert "event=auth_backend_failed backend=saslauthd" in log and len(re.findall(r"login_failed session=\d+ peer=127.0.0.1 user=bob@", log)) == 2  # those by an app password
        assert PASSWORD not in log and b64(PASSWORD.encode()) not in log
    finally:
        assert daemon.stop() == 0


def test_saslauthd_is_slow(roost, directory):
    """It takes its time, and nobody else's."""
    path = directory / "slow"
    double = Saslauthd(path, lambda *a: time.sleep(2) or b"OK")
    daemon = Daemon(roost, users=2, extra=f'auth_threads = 2\nauth {{ who = "elsewhere.example" backend = "saslauthd" socket = "{path}" }}\n')
    try:
        add_users(daemon)
        waits, waiting = [], Client(daemon.imap)
        idle = Client(daemon.imap)
        assert idle.command("LOGIN user1@example.org pass").startswith("OK")
        waiting.send("x LOGIN alice@elsewhere.example pw")
        for _ in range(20):
            start = time.monotonic()
            assert idle.command("NOOP").startswith("OK")
            waits.append(time.monotonic() - start)
        assert attempt(daemon, "LOGIN user2@example.org pass").startswith("OK"), "the other thread is free"
        assert max(waits) < 1, waits
        assert waiting.line().startswith("x OK")
    finally:
        assert daemon.stop() == 0
        double.stop()


def test_debians_saslauthd(roost, directory):
    """With sasldb, which needs little of the machine; saslauthd asks for user and realm as they were sent."""
    if not (shutil.which("saslauthd") or os.path.exists("/usr/sbin/saslauthd")) or os.geteuid() != 0:
        return print("   skipped: no saslauthd here, or not root")
    sasldb, run = directory / "sasldb2", directory / "run"
    run.mkdir()
    subprocess.run(["/usr/sbin/saslpasswd2", "-p", "-c", "-f", sasldb, "-u", "elsewhere.example", "alice"], input=b"from sasldb", check=True)
    # Its sasldb has a fixed place; a mount of our own hides the machine's.
    daemon_line = f"mount --bind {sasldb} /etc/sasldb2 && exec /usr/sbin/saslauthd -d -n 1 -a sasldb -m {run}"
    made = not os.path.exists("/etc/sasldb2")
    if made:
        return print("   skipped: there is no /etc/sasldb2 to put ours over")
    p = subprocess.Popen(["unshare", "-m", "sh", "-c", daemon_line], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                         start_new_session=True)  # it ends its whole process group
    daemon = None
    try:
        deadline = time.monotonic() + 5
        while not (run / "mux").exists():
            if p.poll() is not None or time.monotonic() > deadline:
                return print("   skipped: saslauthd does not start here")
            time.sleep(0.05)
        daemon = Daemon(roost, users=1, extra=f'auth {{ backend = "saslauthd" socket = "{run}/mux" }}\n'
                                              'auth { who = "example.org" backend = "directory" }\n')
        add_users(daemon)
        assert attempt(daemon, 'LOGIN alice@elsewhere.example "from sasldb"').startswith("OK")
        assert attempt(daemon, "LOGIN alice@elsewhere.example directory").startswith(FAILED)
        assert attempt(daemon, "LOGIN user1@example.org pass").startswith("OK")
    finally:
        if daemon:
            assert daemon.stop() == 0
        p.terminate()
        p.wait(10)


def test_sql(roost, directory):
    """libsasl2's sql plugin on SQLite: every mechanism, SCRAM too, from the password in clear."""
    if not has_plugin("libsql"):
        return print("   skipped: libsasl2-modules-sql is not there")
    database, options = directory / "users.db", directory / "sasl.conf"
    db = sqlite3.connect(database)
    db.execute("CREATE TABLE users(name TEXT, domain TEXT, password TEXT)")
    db.execute("INSERT INTO users VALUES('alice', 'elsewhere.example', 'from sql'), ('stranger', 'elsewhere.example', 'from sql')")
    db.commit()
    db.close()
    options.write_text(f"sql_engine: sqlite3\nsql_database: {database}\nsql_hostnames: none\nsql_user: x\nsql_passwd: x\n"
                       "sql_select: SELECT password FROM users WHERE name = '%u' AND domain = '%r' AND '%p' = 'userPassword'\n")
    daemon = Daemon(roost, users=2, extra=f'login_delay_ms = 0\nlogin_failures_max = 3\nsasl_config = "{options}"\n'
                                          'auth { who = "elsewhere.example" backend = "sql" }\n',
                    environment={"ASAN_OPTIONS": "detect_leaks=0"})  # the plugin loses some bytes of names it has to escape
    mechanisms = ("PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256")
    try:
        add_users(daemon)
        for mechanism in mechanisms:
            for user, password, said in (("alice@elsewhere.example", "from sql", "OK"), ("alice@elsewhere.example", "directory", FAILED),
                                         ("bob@elsewhere.example", "directory", FAILED), ("nobody@elsewhere.example", "x", FAILED),
                                         ("stranger@elsewhere.example", "from sql", FAILED), ("user1@example.org", "pass", "OK"),
                                         ("user1@example.org", "wrong", FAILED), ("a'or'1@elsewhere.example", "from sql", FAILED)):
                c = Client(daemon.imap)
                answer = log_in(c, mechanism, user, password)
                assert answer.startswith(said), (mechanism, user, answer)
                c.close()
        assert attempt(daemon, 'LOGIN alice@elsewhere.example "from sql"').startswith("OK")
        assert attempt(daemon, "LOGIN alice@elsewhere.example directory").startswith(FAILED)
        check_app_passwords(daemon)
        database.rename(directory / "away.db")
        database.mkdir()  # cannot be opened
        before = (daemon.directory / "daemon.log").read_text().count("login_failed")
        for mechanism in mechanisms:
            c = Client(daemon.imap)
            for _ in range(4):
                answer = log_in(c, mechanism, "alice@elsewhere.example", "from sql")
                assert answer.startswith(UNAVAILABLE), (mechanism, answer)
            c.close()
        assert (daemon.directory / "daemon.log").read_text().count("login_failed") == before
        database.rmdir()
        (directory / "away.db").rename(database)
        for mechanism in mechanisms:
            c = Client(daemon.imap)
            assert log_in(c, mechanism, "alice@elsewhere.example", "from sql").startswith("OK"), "it is back"
            c.close()
        assert 'backend=sasl reason="sql plugin' in (daemon.directory / "daemon.log").read_text()
        assert "from sql" not in (daemon.directory / "daemon.log").read_text()
    finally:
        assert daemon.stop() == 0


def test_ldapdb_is_down(roost, directory):
    """Nobody listens where the directory should be."""
    if not has_plugin("libldapdb"):
        return print("   skipped: libsasl2-modules-ldap is not there")
    options = directory / "sasl.conf"
    options.write_text("ldapdb_uri: ldap://127.0.0.1:9\nldapdb_id: roost\nldapdb_pw: x\nldapdb_mech: DIGEST-MD5\n")
    daemon = Daemon(roost, users=1, extra=f'login_failures_max = 2\nsasl_config = "{options}"\nauth {{ who = "" backend = "ldapdb" }}\n'
                                          'auth { who = "example.org" }\n', environment={"ASAN_OPTIONS": "detect_leaks=0"})
    try:
        add_users(daemon)
        for mechanism in ("PLAIN", "SCRAM-SHA-256"):
            c = Client(daemon.imap)
            for _ in range(3):
                answer = log_in(c, mechanism, "alice@elsewhere.example", "directory")
                assert answer.startswith(UNAVAILABLE), (mechanism, answer)
            assert log_in(c, mechanism, "user1@example.org", "pass").startswith("OK")
            c.close()
    finally:
        assert daemon.stop() == 0


SLAPD = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {directory}/slapd.pid
password-hash {{CLEARTEXT}}
authz-policy to
authz-regexp ^uid=([^,]+),.*cn=auth$ uid=$1,ou=people,dc=example
database mdb
suffix dc=example
directory {directory}/ldap
access to attrs=userPassword by self read by anonymous auth
access to * by * read
"""

ENTRIES = """dn: dc=example
objectClass: dcObject
objectClass: organization
dc: example
o: example

dn: ou=people,dc=example
objectClass: organizationalUnit
ou: people
"""


def ldap_entry(uid, password, more=""):
    return (f"\ndn: uid={uid},ou=people,dc=example\nobjectClass: account\nobjectClass: simpleSecurityObject\n"
            f"uid: {uid}\nuserPassword:: {b64(password.encode())}\n{more}")


class Slapd:
    """OpenLDAP's, with a user that may act for all others and those others' passwords in clear."""

    def __init__(self, directory):
        self.port, = free_ports(1)
        self.conf = directory / "slapd.conf"
        self.conf.write_text(SLAPD.format(directory=directory))
        (directory / "ldap").mkdir()
        entries = (ENTRIES + ldap_entry("roost", "the daemon's", "authzTo: {0}dn.regex:^uid=.*,ou=people,dc=example$\n")
                   + ldap_entry("alice@elsewhere.example", PASSWORD) + ldap_entry("other@elsewhere.example", "other"))
        subprocess.run(["/usr/sbin/slapadd", "-f", str(self.conf)], input=entries, text=True, check=True, capture_output=True)
        self.start()

    def start(self):
        self.process = subprocess.Popen(["/usr/sbin/slapd", "-h", f"ldap://127.0.0.1:{self.port}", "-f", str(self.conf), "-d", "0"])
        deadline = time.monotonic() + 30
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                assert time.monotonic() < deadline and self.process.poll() is None, "slapd does not start"
                time.sleep(0.05)

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def test_ldapdb(roost, directory):
    """With a real LDAP server: what is in it is the password, for all mechanisms, also while it comes and goes."""
    if not has_plugin("libldapdb") or not os.path.exists("/usr/sbin/slapd"):
        return print("   skipped: libsasl2-modules-ldap or slapd is not there")
    slapd = Slapd(directory)
    options = directory / "sasl.conf"
    options.write_text(f"ldapdb_uri: ldap://127.0.0.1:{slapd.port}\nldapdb_id: roost\nldapdb_pw: the daemon's\nldapdb_mech: DIGEST-MD5\n")
    daemon = Daemon(roost, users=1, extra=f'login_delay_ms = 0\nlogin_failures_max = 100\nsasl_config = "{options}"\n'
                                          'auth { who = "elsewhere.example" backend = "ldapdb" }\n',
                    environment={"ASAN_OPTIONS": "detect_leaks=0"})

    def answers(user, password):
        out = []
        for mechanism in ("PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256"):
            c = Client(daemon.imap)
            out.append(log_in(c, mechanism, user, password))
            c.close()
        return out

    try:
        add_users(daemon)
        assert all(a.startswith("OK") for a in answers("alice@elsewhere.example", PASSWORD)), answers("alice@elsewhere.example", PASSWORD)
        for user, password in (("alice@elsewhere.example", "directory"), ("bob@elsewhere.example", "directory"),
                               ("bob@elsewhere.example", PASSWORD), ("other@elsewhere.example", "other")):
            assert all(a.startswith(FAILED) for a in answers(user, password)), (user, password, answers(user, password))
        assert all(a.startswith("OK") for a in answers("user1@example.org", "pass")), "who is in the directory"
        slapd.stop()
        assert all(a.startswith(UNAVAILABLE) for a in answers("alice@elsewhere.example", "while it is away"))
        slapd.start()
        assert all(a.startswith("OK") for a in answers("alice@elsewhere.example", PASSWORD)), "it is back"
        assert PASSWORD not in (daemon.directory / "daemon.log").read_text()
    finally:
        slapd.stop()
        assert daemon.stop() == 0


def test_what_is_missing_is_said(roost, directory):
    base = f'store = "{directory}/store"\nlisten {{ path = "{directory}/imap" }}\n'
    for text, expected in ((base + 'auth { backend = "sql" }\n', "sasl_config must be given where sql or ldapdb"),
                           (base + f'sasl_config = "{directory}/none.conf"\nauth {{ backend = "sql" }}\n', "sql_select"),
                           (base + 'sasl_config = "sasl.conf"\n', "a path that begins with / and ends in .conf"),
                           (base + 'auth { backend = "pam" }\n', "directory, saslauthd, sql or ldapdb is expected")):
        config = directory / "roost.conf"
        config.write_text(text)
        p = subprocess.run([roost, "serve", "-c", str(config)], capture_output=True, text=True, timeout=60)
        assert p.returncode == 1 and expected in p.stderr, (text, p.stderr)


def main():
    args = runner.arguments(__doc__)

    def call(test, _):
        with tempfile.TemporaryDirectory(prefix="roost-b") as directory:
            test(args.roost, pathlib.Path(directory))

    return runner.run(globals(), args, call)


if __name__ == "__main__":
    sys.exit(bool(main()))
