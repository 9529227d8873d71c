#!/usr/bin/env python3
"""The daemon and who runs it: systemd's notifications, watchdog and sockets; SIGHUP, reload, the log and its level."""
import ctypes, os, pathlib, re, shutil, signal, socket, subprocess, sys, tempfile, time

import runner
from store import Store, with_users

ALICE = "alice@example.org"
ROOT = pathlib.Path(__file__).resolve().parents[2]


class Supervisor:
    """What stands at the other end of NOTIFY_SOCKET."""

    def __init__(self, abstract=False):
        self.directory = tempfile.TemporaryDirectory(prefix="roost-n")
        self.path = f"{self.directory.name}/notify"
        name = f"\0roost-test-{os.getpid()}" if abstract else self.path
        self.environment = "@" + name[1:] if abstract else self.path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(name)
        self.socket.settimeout(20)

    def hear(self, until):
        """All that is said, up to and with what has `until` in it."""
        said = []
        while not said or until not in said[-1]:
            said.append(self.socket.recv(4096).decode())
        return said


def start(store, environment, pass_fds=(), preexec=None):
    store.log = open(store.directory / "log", "ab")
    store.daemon = subprocess.Popen([store.roost, "serve", "-c", str(store.config)], stdout=subprocess.PIPE, stderr=store.log,
                                    env={**os.environ, **environment}, pass_fds=pass_fds, preexec_fn=preexec)
    line = store.daemon.stdout.readline()
    assert line.startswith(b"ready pid="), (line, (store.directory / "log").read_text()[-2000:])


def log_of(store):
    return (store.directory / "log").read_text()


def wait_for(what):
    deadline = time.monotonic() + 15
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_notifications(roost):
    for abstract in (False, True):
        store, supervisor = Store(roost), Supervisor(abstract)
        start(store, {"NOTIFY_SOCKET": supervisor.environment, "WATCHDOG_USEC": "300000", "WATCHDOG_PID": ""})
        assert "READY=1" in supervisor.hear("READY=1")[-1].split("\n")
        for _ in range(5):
            supervisor.hear("WATCHDOG=1")
        store.daemon.send_signal(signal.SIGHUP)
        said = supervisor.hear("READY=1")
        reloading = [s for s in said if "RELOADING=1" in s]
        assert reloading and re.search(r"^MONOTONIC_USEC=\d+$", reloading[0], re.M), said
        store.run("reload")
        assert any("RELOADING=1" in s for s in supervisor.hear("READY=1"))
        assert store.stop() == 0
        assert "STOPPING=1" in supervisor.hear("STOPPING=1")[-1]
        store.close()


class Held:
    """One thread of a process that stands still (ptrace)."""
    ATTACH, DETACH, ALL = 16, 17, 0x40000000

    def __init__(self, tid):
        self.tid, self.ptrace = tid, ctypes.CDLL(None, use_errno=True).ptrace
        self.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

    def __enter__(self):
        if self.ptrace(self.ATTACH, self.tid, None, None) != 0:
            raise PermissionError(ctypes.get_errno(), "ptrace")
        os.waitpid(self.tid, self.ALL)
        return self

    def is_over(self):
        """Its process has been ended by somebody; nobody else sees that before we have looked."""
        try:
            return os.WIFSIGNALED(os.waitpid(self.tid, self.ALL | os.WNOHANG)[1])
        except ChildProcessError:
            return True

    def __exit__(self, *_):
        self.ptrace(self.DETACH, self.tid, None, None)


def test_a_loop_that_hangs(roost):
    """The process as a whole lives, and says so no more: whoever watches starts it anew."""
    store, supervisor = Store(roost, "loops = 2\n"), Supervisor()
    start(store, {"NOTIFY_SOCKET": supervisor.environment, "WATCHDOG_USEC": "200000", "ASAN_OPTIONS": "detect_leaks=0"})
    supervisor.hear("WATCHDOG=1")
    threads = pathlib.Path(f"/proc/{store.daemon.pid}/task")

    def loops():  # they give themselves their names
        return [int(t.name) for t in threads.iterdir() if (t / "comm").read_text().startswith("loop")]
    wait_for(lambda: len(loops()) == 2)
    try:
        with Held(loops()[1]):
            time.sleep(0.5)  # what had turned before is said by then
            supervisor.socket.setblocking(False)
            try:
                while supervisor.socket.recv(4096):
                    pass
            except BlockingIOError:
                pass
            supervisor.socket.settimeout(1)
            try:
                raise AssertionError(supervisor.socket.recv(4096))
            except TimeoutError:
                pass
    except PermissionError:
        print("   (no thread can be held here)")
    supervisor.socket.settimeout(20)
    supervisor.hear("WATCHDOG=1")
    store.close()


def test_nobody_watches(roost):
    """Another process's watchdog, and a supervisor that is gone."""
    store, supervisor = Store(roost), Supervisor()
    start(store, {"NOTIFY_SOCKET": supervisor.environment, "WATCHDOG_USEC": "100000", "WATCHDOG_PID": "1"})
    supervisor.hear("READY=1")
    supervisor.socket.settimeout(0.5)
    try:
        raise AssertionError(supervisor.socket.recv(100))
    except TimeoutError:
        pass
    store.close()
    store = Store(roost)
    start(store, {"NOTIFY_SOCKET": f"{supervisor.directory.name}/none"})
    assert "event=supervisor_not_told" in log_of(store)
    store.close()


def handed(store, listeners, environment=None):
    """Starts it with these as descriptors 3 and up; LISTEN_PID must be its own, so it is set behind the fork."""
    for s in listeners:
        s.set_inheritable(True)
    fds = [s.fileno() for s in listeners]
    script = 'import os, sys\nfds = [int(f) for f in sys.argv[1].split(",")]\n' \
             'high = [os.dup2(f, 100 + i) for i, f in enumerate(fds)]\n' \
             'for i, f in enumerate(high):\n    os.dup2(f, 3 + i)\n    os.close(f)\n' \
             'os.environ["LISTEN_PID"] = os.environ.get("LISTEN_PID") or str(os.getpid())\n' \
             'os.environ["LISTEN_FDS"] = str(len(fds))\n' \
             'os.execv(sys.argv[2], sys.argv[2:])\n'
    store.log = open(store.directory / "log", "ab")
    store.daemon = subprocess.Popen([sys.executable, "-c", script, ",".join(map(str, fds)), store.roost, "serve", "-c",
                                     str(store.config)], stdout=subprocess.PIPE, stderr=store.log, pass_fds=fds,
                                    env={**os.environ, **(environment or {})})
    line = store.daemon.stdout.readline()
    assert line.startswith(b"ready pid="), (line, log_of(store)[-2000:])


def test_sockets(roost):
    store = Store(roost)
    with_users(store)
    path = f"{store.directory}/imap.sock"
    store.write(store.config.read_text() + f'listen {{ path = "{path}" cleartext_login = true }}\n')
    by_port, by_path = socket.socket(), socket.socket(socket.AF_UNIX)
    by_port.bind(("127.0.0.1", store.port))
    by_path.bind(path)
    for s in (by_port, by_path):
        s.listen(10)
    # Who came before the daemon was there is served.
    early = socket.create_connection(("127.0.0.1", store.port), 30)
    handed(store, [by_port, by_path])
    assert early.recv(1000).startswith(b"* OK")
    local = socket.socket(socket.AF_UNIX)
    local.connect(path)
    assert local.recv(1000).startswith(b"* OK")
    store.log_in(ALICE, "secret").logout()
    assert "sockets_not_used" not in log_of(store), log_of(store)
    assert store.stop() == 0
    assert os.path.exists(path), "a socket that is the supervisor's was removed"
    # It keeps who comes meanwhile waiting, for the next start.
    waiting = socket.create_connection(("127.0.0.1", store.port), 30)
    handed(store, [by_port, by_path])
    assert waiting.recv(1000).startswith(b"* OK")
    assert store.stop() == 0
    store.close()


def test_other_sockets(roost):
    """One that no section has is not served, and said; those of another process are not ours."""
    store, stray = Store(roost), socket.socket()
    stray.bind(("127.0.0.1", 0))
    stray.listen(1)
    handed(store, [stray])
    assert "event=sockets_not_used handed=1 used=0" in log_of(store), log_of(store)
    assert store.stop() == 0
    handed(store, [stray], {"LISTEN_PID": "1"})
    assert log_of(store).count("sockets_not_used") == 1
    store.close()


def test_reload(roost):
    store = Store(roost, "user_sessions_max = 5\n")
    with_users(store)
    store.start()
    before = store.config.read_text()
    c = store.log_in(ALICE, "secret")
    assert store.json("reload") == []
    store.write(before.replace("user_sessions_max = 5", "user_sessions_max = 9\nlog_level = \"warning\"\nloops = 3\nhostname = \"new\"")
                + "listen { port = 1 }\n")
    rows = {r["option"]: r["state"] for r in store.json("reload")}
    assert rows == {"user_sessions_max": "taken over", "log_level": "taken over", "loops": "restart to use it",
                    "hostname": "restart to use it", "listen": "restart to use it"}, rows
    for option in ("loops", "hostname", "listen"):
        assert f"event=option_not_reloaded option={option} " in log_of(store)
    # What can be set for users as well holds from the next command on, for sessions that are there too.
    limited = "user_sessions_max = 5\nquota_messages = 1\nremoved_days = 3\nretention_days = 1"
    store.write(before.replace("user_sessions_max = 5", limited))
    rows = {r["option"]: r["state"] for r in store.json("reload")}
    assert rows == dict.fromkeys(("quota_messages", "removed_days", "retention_days"), "taken over"), rows
    assert c.append("INBOX", None, None, b"x\r\n")[0] == "OK"
    assert "OVERQUOTA" in str(c.append("INBOX", None, None, b"x\r\n"))
    shown = {r["setting"]: r["value"] for r in store.json("user", "show", ALICE)}
    assert (shown["removed_days"], shown["retention_days"]) == ("3", "1"), shown
    store.run("user", "set", ALICE, "quota_messages", "5")
    assert c.append("INBOX", None, None, b"x\r\n")[0] == "OK", "what is set for the user goes before it"
    store.write(before.replace("user_sessions_max = 5", "user_sessions_max = 5\nlog_level = \"warning\""))
    store.run("reload")
    lines = log_of(store).count("event=login ")
    store.log_in(ALICE, "secret").logout()
    assert log_of(store).count("event=login ") == lines, "log_level was not taken over"
    # A configuration that is wrong changes nothing; nobody's session notices any of it.
    store.write(before + "nonsense = 1\n")
    store.daemon.send_signal(signal.SIGHUP)
    wait_for(lambda: "event=configuration_wrong" in log_of(store))
    store.write(before)
    store.run("reload")
    assert c.noop()[0] == "OK"
    store.run("log-level", "debug")
    c.noop()
    c.select("INBOX")
    wait_for(lambda: "command=SELECT" in log_of(store))
    line = [l for l in log_of(store).splitlines() if "event=command" in l and "command=SELECT" in l][0]
    assert re.search(r"level=debug event=command session=\d+ user=alice@example.org command=SELECT status=ok us=\d+$", line), line
    store.run("log-level", "error")
    assert "expected" in store.run("log-level", "loud", code=1)
    store.close()
    assert "no daemon" in Store(roost).run("log-level", "info", code=1)
    assert "no daemon" in Store(roost).run("reload", code=1)


def test_log_file(roost):
    """As logrotate does it."""
    store = Store(roost)
    log, old = store.directory / "mail.log", store.directory / "mail.log.1"
    store.write(store.config.read_text() + f'log = "{log}"\n')
    with_users(store)
    assert not log.exists(), "a command wrote to the daemon's log"
    store.start()
    store.log_in(ALICE, "secret").logout()
    wait_for(lambda: "event=logout" in log.read_text())
    log.rename(old)
    store.daemon.send_signal(signal.SIGHUP)
    wait_for(lambda: log.exists() and "event=reloaded" in log.read_text())
    store.log_in(ALICE, "secret").logout()
    wait_for(lambda: "event=logout" in log.read_text())
    assert old.read_text().count("event=login ") == 1 and log.read_text().count("event=login ") == 1
    assert log.stat().st_mode & 0o777 == 0o600, oct(log.stat().st_mode)
    assert "event=" not in log_of(store)
    store.write(store.config.read_text().replace(str(log), "/nowhere/log"))
    assert store.stop() == 0
    p = subprocess.run([roost, "serve", "-c", str(store.config)], capture_output=True, text=True, timeout=60)
    assert p.returncode == 1 and "/nowhere/log" in p.stderr, p
    store.close()


def test_logrotate(roost):
    """The file that is shipped for it, in logrotate's hands; what needs systemd and a user roost is put in other words."""
    logrotate = shutil.which("logrotate", path=os.environ["PATH"] + ":/usr/sbin")
    if not logrotate or os.geteuid() != 0:
        print("   (logrotate is not here, or this is not root)")
        return
    store = Store(roost)
    directory = store.directory / "log-directory"
    directory.mkdir(0o750)
    log = directory / "roost.log"
    store.write(store.config.read_text() + f'log = "{log}"\n')
    with_users(store)
    store.start()
    text = (ROOT / "contrib/logrotate/roost").read_text()
    for was, now in (("/var/log/roost/*.log", str(log)), ("su roost roost", "su root root"), ("create 0600 roost roost", "create 0600 root root"),
                     ("systemctl kill --signal=HUP --kill-whom=main roost.service 2>/dev/null || true", f"kill -HUP {store.daemon.pid}")):
        assert text.count(was) == 1, was
        text = text.replace(was, now)
    conf = directory / "conf"
    conf.write_text(text)
    for n in range(3):
        store.log_in(ALICE, "secret").logout()
        wait_for(lambda: "event=logout" in log.read_text())
        p = subprocess.run([logrotate, "-f", "-s", str(directory / "state"), str(conf)], capture_output=True, text=True, timeout=60)
        assert p.returncode == 0, p.stderr
        wait_for(lambda: "event=reloaded" in log.read_text())
        assert "event=login " in (directory / "roost.log.1").read_text() and "event=login " not in log.read_text()
    assert sorted(f.name for f in directory.iterdir()) == ["conf", "roost.log", "roost.log.1", "roost.log.2.gz", "roost.log.3.gz", "state"]
    store.close()


# The sockets of a journal and of a syslog of ours, where the machine's are, for this process alone.
ELSEWHERE = """set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/journal /run/dev
touch /run/systemd/journal/socket
mount --bind "{0}/journal" /run/systemd/journal/socket
mount -t tmpfs tmpfs /run/dev
cp -a /dev/null /dev/zero /dev/random /dev/urandom /run/dev
touch /run/dev/log
mount --bind "{0}/syslog" /run/dev/log
mount --rbind /run/dev /dev
"""


def test_journal_and_syslog(roost):
    """As journald and syslogd hear it."""
    store = Store(roost)
    with_users(store)
    script = ELSEWHERE.format(store.directory)
    heard = {}
    for name in ("journal", "syslog"):
        heard[name] = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        heard[name].bind(str(store.directory / name))
        heard[name].settimeout(20)
    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True).returncode:
        print("   (this takes root and mount namespaces)")
        return store.close()
    store.launcher = ("unshare", "--mount", "sh", "-c", script + 'exec "$0" "$@"')
    before = store.config.read_text()
    for name in heard:
        store.write(before + f'log = "{name}"\n')
        store.start()
        c = store.log_in(ALICE, "secret")
        assert "ready" not in log_of(store) and "event=" not in log_of(store)
        said = []
        while not said or b"event=login " not in said[-1]:
            said.append(heard[name].recv(65536))
        if name == "journal":
            fields = dict(line.split("=", 1) for line in said[-1].decode().rstrip("\n").split("\n"))
            assert fields["PRIORITY"] == "6" and fields["SYSLOG_IDENTIFIER"] == "roost" and fields["ROOST_EVENT"] == "login", fields
            assert fields["ROOST_USER"] == ALICE and fields["ROOST_PEER"] == "127.0.0.1", fields
            assert fields["MESSAGE"].startswith("level=info event=login session="), fields
        else:  # the facility mail, and information
            assert re.match(rf"<22>roost\[{store.daemon.pid}\]: time=\S+ level=info event=login session=\d+ user={ALICE} ", said[-1].decode()), said
        store.run("reload")  # which opens it afresh
        c.logout()
        while b"event=logout" not in said[-1]:
            said.append(heard[name].recv(65536))
        assert store.stop() == 0
        assert not any(b"secret" in line for line in said)
    store.launcher = ()
    store.close()


def test_units(roost):
    """What systemd says of the unit and of the socket, offline; and how far the daemon is shut in."""
    if not shutil.which("systemd-analyze"):
        print("   (systemd is not here)")
        return
    with tempfile.TemporaryDirectory(prefix="roost-u") as directory:
        service = (ROOT / "packaging/roost.service").read_text()
        assert "Type=notify" in service
        service = re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={roost}", re.sub(r"(?m)^Documentation=.*$", "", service))
        units = [pathlib.Path(directory) / "roost.service", pathlib.Path(directory) / "roost.socket"]
        units[0].write_text(service)
        units[1].write_text((ROOT / "contrib/systemd/roost.socket").read_text())
        p = subprocess.run(["systemd-analyze", "verify", *map(str, units)], capture_output=True, text=True, timeout=60)
        about_us = [line for line in (p.stdout + p.stderr).splitlines() if "roost." in line]
        assert not about_us, about_us
        p = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=25", str(units[0])], capture_output=True,
                           text=True, timeout=60)
        assert p.returncode == 0, p.stdout[-500:]


if __name__ == "__main__":
    args = runner.arguments(__doc__)
    sys.exit(bool(runner.run(globals(), args, lambda test, _: test(args.roost))))
