"""A store of one's own for a test: the commands of roost(1) on it, and a daemon that is started and stopped there."""
import contextlib, imaplib, json, os, pathlib, signal, socket, subprocess, tempfile

import runner
from daemon import free_ports

imaplib._MAXLINE = 100_000_000


class Store:
    """A store of its own, and the commands on it; start() and stop() run a daemon there."""

    def __init__(self, roost, extra=""):
        self.roost, self.daemon, self.launcher = roost, None, ()
        self.temporary = tempfile.TemporaryDirectory(prefix="roost-a")
        self.directory = pathlib.Path(self.temporary.name)
        self.config = self.directory / "roost.conf"
        self.port, = free_ports(1)
        self.write(f'store = "{self.directory}/store"\npassword_cost = 1\nscram_iterations = 4096\nlogin_delay_ms = 0\n'
                   f"listen {{ port = {self.port} cleartext_login = true }}\n{extra}")

    def write(self, text):
        self.config.write_text(text)

    def start(self, **environment):
        self.log = open(self.directory / "log", "ab")
        self.daemon = subprocess.Popen([*self.launcher, self.roost, "serve", "-c", str(self.config)], stdout=subprocess.PIPE, stderr=self.log,
                                       env={**os.environ, **environment})
        line = self.daemon.stdout.readline()
        assert line.startswith(b"ready pid="), (line, (self.directory / "log").read_text()[-2000:])

    def stop(self, number=signal.SIGTERM):
        self.daemon.send_signal(number)
        code = self.daemon.wait(30)
        self.daemon.stdout.close()
        self.log.close()
        self.daemon = None
        return code

    def run(self, *words, stdin=b"", code=0):
        """Standard output, or with `code` 1 or 2 what was said on standard error."""
        p = subprocess.run([self.roost, "-c", str(self.config), *words], input=stdin, capture_output=True, timeout=60)
        assert p.returncode == code, (words, p.returncode, p.stdout, p.stderr[-2000:])
        return (p.stderr if code else p.stdout).decode()

    def json(self, *words):
        return json.loads(self.run(*words, "--json"))

    def log_in(self, user, password):
        c = imaplib.IMAP4("127.0.0.1", self.port)
        c.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # it sends the end of an APPEND by itself
        c.login(user, password)
        return c

    def close(self):
        if self.daemon:
            assert self.stop() == 0
        self.temporary.cleanup()


def refused(store, user, password):
    try:
        store.log_in(user, password)
    except imaplib.IMAP4.error as e:
        assert b"AUTHENTICATIONFAILED" in e.args[0], e
        return True
    return False


def with_users(store):
    store.run("domain", "add", "example.org")
    store.run("user", "add", "alice@example.org", stdin=b"secret\n")


@contextlib.contextmanager
def served(store):
    """A daemon for IMAP, also in the tests that have none for the commands; its port."""
    started = not store.daemon
    if started:
        store.start()
    try:
        yield store.port
    finally:
        if started:
            store.stop()


def both_ways(test):
    """The test is run without a daemon, and once more with one that runs all the while."""
    test.both_ways = True
    return test


def run_with_stores(module, doc, at_once=1):
    """Runs a program's tests, each with a store of its own."""
    args = runner.arguments(doc)

    def call(test, way):
        store = Store(args.roost)
        try:
            if way:
                store.start()
            test(store)
            store.close()
        finally:
            if store.daemon:
                store.daemon.kill()

    def ways(test):
        return ("", "with a daemon") if hasattr(test, "both_ways") else ("",)

    raise SystemExit(bool(runner.run(module, args, call, ways, at_once)))
