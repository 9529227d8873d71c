"""A throw-away daemon on ports of its own, for every test that talks to one."""
import os, pathlib, re, signal, socket, subprocess, tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


def free_ports(count):
    """Ports nobody listens on; all are held while they are picked, so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


def run(daemon, *words):
    """A command of roost(1) on the daemon's store, which must go well; what it prints.  What it leaks tests/clients/admin.py
    sees: looking for it takes longer than the command does."""
    command = [str(daemon.roost), "-c", str(daemon.directory / "roost.conf"), *words]
    p = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    assert p.returncode == 0, (words, p.stdout, p.stderr)
    return p.stdout


class Daemon:
    """A scratch server: user1..userN@example.org with the password "pass".

    `extra` is text for the configuration file; {strict} in it is a free port.  `directory` is kept if given, so that
    a daemon can be started again on the same store; else it is a temporary one.
    """

    def __init__(self, roost, users=100, extra="", directory=None, environment=None):
        self.temporary = None if directory else tempfile.TemporaryDirectory(prefix="roost-t")
        self.directory = pathlib.Path(directory or self.temporary.name)
        self.roost, self.users, self.extra = roost, users, extra
        self.environment = {**os.environ, **(environment or {})}
        self.process = None
        self.start()

    def start(self):
        self.imap, self.imaps, self.lmtp, self.strict = free_ports(4)
        extra = self.directory / "extra.conf"
        extra.write_text(self.extra.replace("{strict}", str(self.strict)))
        self.log = open(self.directory / "daemon.log", "ab")
        self.process = subprocess.Popen(
            [str(ROOT / "tools" / "scratch.sh"), str(self.roost), "--dir", str(self.directory), "--imap", str(self.imap),
             "--imaps", str(self.imaps), "--lmtp", str(self.lmtp), "--users", str(self.users), "--extra", str(extra)],
            stdout=subprocess.PIPE, stderr=self.log, text=True, env=self.environment)
        line = self.process.stdout.readline()
        if not line.startswith("ready pid="):
            raise SystemExit(f"the daemon did not start: {line!r}\n{self.log_tail()}")
        self.pid = int(line.split("=")[1])

    def port(self, kind):
        return getattr(self, kind)

    def alive(self):
        return self.process.poll() is None

    def cpu_s(self):
        """User's and system's time of all its threads."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def log_tail(self, lines=60):
        if not self.log.closed:
            self.log.flush()
        text = (self.directory / "daemon.log").read_text(errors="replace").splitlines()
        return "\n".join(text[-lines:])

    def reports(self):
        """What a sanitizer found, from the log."""
        text = (self.directory / "daemon.log").read_text(errors="replace")
        return re.findall(r"^.*(?:WARNING: ThreadSanitizer|ERROR: AddressSanitizer|runtime error:|ERROR: LeakSanitizer).*$", text, re.M)

    def kill(self):
        """kill -9; the store is left as it is.  What a sanitizer had to say before it is in reports()."""
        os.kill(self.pid, signal.SIGKILL)
        self.process.wait()
        self.log.close()

    def rest(self):
        """Stops in order; start() goes on with the same store."""
        self.process.terminate()
        code = self.process.wait(60)
        assert code == 0, f"the daemon ended with {code}: {self.log_tail()}"
        self.log.close()

    def restart(self):
        """Stops in order and starts on the same store, on new ports."""
        self.rest()
        self.start()

    def stop(self):
        """SIGTERM; returns the exit code, and prints the log when that is not 0."""
        if self.alive():
            self.process.terminate()
        try:
            code = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = "no exit within 60 s of SIGTERM"
        if code != 0:
            print(f"the daemon ended with {code}; its log:\n{self.log_tail()}")
        self.log.close()
        if self.temporary:
            self.temporary.cleanup()
        return code
