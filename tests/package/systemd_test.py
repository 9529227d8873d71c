#!/usr/bin/env python3
"""The unit in the hands of a real systemd, which is the first process of namespaces of its own and sees a copy of this system that is
thrown away: readiness, journal, reload, watchdog, restart, sockets, an end; users and directories as sysusers and tmpfiles make them."""
import argparse, imaplib, os, pathlib, re, signal, socket, subprocess, sys, tempfile, textwrap, time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/harness"), str(ROOT / "tests/clients")]
import overlay
from daemon import free_ports
from supervised import Held

ALICE = "alice@example.org"
CGROUPS = pathlib.Path("/sys/fs/cgroup")

# From the outside, in a mount namespace of its own, to the first process of the copy.
BOOT = "top=$1" + overlay.COPY + textwrap.dedent(r"""
    mount -t tmpfs tmpfs "$root/dev"
    for device in null zero full random urandom tty; do cp -a /dev/$device "$root/dev"; done
    ln -s /proc/self/fd "$root/dev/fd"
    ln -s pts/ptmx "$root/dev/ptmx"
    mkdir "$root/dev/shm" "$root/dev/pts" "$root/dev/mqueue" "$root/dev/hugepages"
    mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
    mount -t sysfs -o ro sysfs "$root/sys"
    if [ -d /sys/fs/cgroup/systemd ]; then
        mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
        mkdir "$root/sys/fs/cgroup/systemd" "$root/sys/fs/cgroup/unified"
        mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
        mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup/unified"
    else
        mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    fi
    for directory in run tmp var/log; do mount -t tmpfs tmpfs "$root/$directory"; done
    chmod 1777 "$root/tmp"
    mkdir "$root/run/copy"
    cp -a "$top"/files/* "$root/run/copy"
    cd "$root"
    mkdir oldroot
    pivot_root . oldroot
    exec chroot . /bin/bash /run/copy/prepare
""")

# In the copy, before systemd begins: nothing is started but what is asked for, and what that needs.
PREPARE = textwrap.dedent(r"""
    set -e
    export PATH=/usr/sbin:/usr/bin:/sbin:/bin
    umount -l /oldroot
    : >/etc/fstab
    # What does not come up here is not waited for.
    printf '[Manager]\nDefaultTimeoutStartSec=20\nDefaultDeviceTimeoutSec=2\n' >/etc/systemd/system.conf
    rm -rf /etc/systemd/system
    mkdir /etc/systemd/system
    cd /etc/systemd/system
    printf '[Unit]\nDefaultDependencies=no\n' >nothing.target
    for unit in systemd-udevd systemd-udev-trigger systemd-modules-load systemd-sysctl systemd-binfmt systemd-firstboot systemd-repart \
            systemd-random-seed systemd-update-utmp systemd-tmpfiles-setup-dev kmod-static-nodes systemd-machine-id-commit systemd-logind; do
        ln -s /dev/null $unit.service
    done
    ln -s /dev/null proc-sys-fs-binfmt_misc.automount
    echo 0123456789abcdef0123456789abcdef >/etc/machine-id
    rm -rf /var/lib/roost /var/log/roost /etc/roost
    cp /run/copy/roost.service .
    cp -r /run/copy/roost.service.d .
    cp /run/copy/roost.socket .
    cp /run/copy/roost /usr/sbin/roost
    mkdir /etc/roost
    cp /run/copy/roost.conf /etc/roost
    systemd-sysusers /run/copy/sysusers.conf
    systemd-tmpfiles --create /run/copy/tmpfiles.conf
    cp /run/copy/certificate.pem /etc/roost/certificates
    chgrp roost /etc/roost/certificates/certificate.pem
    chmod 640 /etc/roost/certificates/certificate.pem
    exec env -i container=other PATH=$PATH /lib/systemd/systemd --system --unit=nothing.target --log-target=journal
""")

DROP_IN = """[Service]
WatchdogSec=3
TimeoutStartSec=120
# Of sanitizers: the search for leaks traces the process, which it may not.
Environment=ASAN_OPTIONS=detect_leaks=0:handle_abort=0
"""

CONFIG = """store = "/var/lib/roost"
certificates = "/etc/roost/certificates"
log = "journal"
password_cost = 1
listen {{ protocol = "imap" address = "127.0.0.1" port = {imap} cleartext_login = true }}
listen {{ protocol = "imaps" address = "127.0.0.1" port = {imaps} }}
listen {{ protocol = "lmtp" path = "/run/roost/lmtp" }}
"""


# What the first process needs besides an overlay.
PROBE = """
    set -e
    mount --make-rprivate /
    mount -t tmpfs tmpfs /mnt
    mkdir /mnt/proc /mnt/sys /mnt/pts /mnt/groups
    mount -t proc proc /mnt/proc
    mount -t sysfs -o ro sysfs /mnt/sys
    mount -t devpts -o newinstance devpts /mnt/pts
    [ ! -d /sys/fs/cgroup/systemd ] || mount -t cgroup -o none,name=systemd cgroup /mnt/groups
    mount -t cgroup2 cgroup2 /mnt/groups
"""
NAMESPACES = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--cgroup", "--uts", "--ipc")


def missing():
    if overlay.missing():
        return overlay.missing()
    if not os.access("/lib/systemd/systemd", os.X_OK):
        return "there is no systemd"
    p = subprocess.run([*NAMESPACES, "sh", "-c", PROBE], capture_output=True, text=True)
    if p.returncode:
        return f"this takes namespaces in which systemd can be the first process: {(p.stderr.strip().splitlines() or ['?'])[-1]}"
    try:
        for h in hierarchies():
            (h / f"roost-probe-{os.getpid()}").mkdir()
            (h / f"roost-probe-{os.getpid()}").rmdir()
    except OSError as e:
        return f"this takes control groups of its own: {e}"
    return None


def hierarchies():
    """Where a group of ours is made: the ones systemd uses, by version 1 or 2."""
    return [CGROUPS / "systemd", CGROUPS / "unified"] if (CGROUPS / "systemd").is_dir() else [CGROUPS]


class System:
    """The copy, booted."""

    def __init__(self, top, files):
        self.groups = [h / f"roost-test-{os.getpid()}" for h in hierarchies()]
        for group in self.groups:
            group.mkdir()
        (files / "prepare").write_text(PREPARE)
        self.output = open(top / "output", "w+")
        self.process = subprocess.Popen([*NAMESPACES, "bash", "-c", BOOT, "boot", str(top)], stdin=subprocess.DEVNULL,
                                        stdout=self.output, stderr=self.output, preexec_fn=self.enter)
        self.first = None

    def boot(self):
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        self.until(lambda: self.process.poll() is not None or self.is_up(children), "systemd does not come up")

    def enter(self):
        for group in self.groups:
            (group / "cgroup.procs").write_text(str(os.getpid()))

    def is_up(self, children):
        words = children.read_text().split()
        self.first = int(words[0]) if words else None
        return self.first and os.readlink(f"/proc/{self.first}/exe").endswith("/systemd") and self.run("systemctl", "list-jobs").returncode == 0

    def text(self):
        self.output.seek(0)
        journal = self.run("journalctl", "-n", "40", "--no-pager").stdout if self.first else ""
        return self.output.read()[-3000:] + journal

    def until(self, what, why, seconds=60):
        end = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < end, f"{why}: {self.text()}"
            time.sleep(0.1)
        assert self.process.poll() is None, self.text()

    def run(self, *words, stdin=""):
        return subprocess.run(["nsenter", "-t", str(self.first), "-m", "-p", "-i", "-u", *words], input=stdin, capture_output=True, text=True, timeout=120)

    def do(self, *words, stdin=""):
        p = self.run(*words, stdin=stdin)
        assert p.returncode == 0, (words, p.stdout[-1000:], p.stderr[-1000:], self.text())
        return p.stdout

    def property(self, name, unit="roost.service"):
        return self.do("systemctl", "show", "--value", "-p", name, unit).strip()

    def pid(self):
        """Of the daemon, as it is called outside."""
        inside = self.property("MainPID")
        for status in pathlib.Path("/proc").glob("[0-9]*/status"):
            try:
                found = re.search(r"^NSpid:\s(\d+)\s(\d+)$", status.read_text(), re.M)
            except OSError:
                continue
            if found and found[2] == inside and os.readlink(f"/proc/{found[1]}/ns/pid") == os.readlink(f"/proc/{self.first}/ns/pid"):
                return int(found[1])
        raise AssertionError(f"there is no process {inside}")

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.output.close()
        end = time.monotonic() + 10
        for group in self.groups:
            while group.exists() and time.monotonic() < end:
                for directory in sorted(group.rglob("*/"), reverse=True) + [group]:
                    try:
                        directory.rmdir()
                    except OSError:
                        time.sleep(0.05)


def log_in(port):
    c = imaplib.IMAP4("127.0.0.1", port)
    c.login(ALICE, "secret")
    assert c.select()[0] == "OK"
    return c


def check_start(s, imap):
    s.do("systemctl", "start", "roost.service")  # which returns once it is ready
    assert s.property("ActiveState") == "active" and s.property("StatusText") == "Serving", s.do("systemctl", "status", "roost")
    socket.create_connection(("127.0.0.1", imap), 10).close()
    assert s.do("stat", "-c", "%U:%a", "/var/lib/roost", "/var/log/roost", "/run/roost").split() == ["roost:700", "roost:750", "roost:750"]
    status = s.do("cat", f"/proc/{s.property('MainPID')}/status")
    assert re.search(r"^NoNewPrivs:\s1$", status, re.M) and re.search(r"^Seccomp:\s2$", status, re.M), status
    assert re.search(r"^CapBnd:\s0000000000000400$", status, re.M), status  # CAP_NET_BIND_SERVICE
    s.do("roost", "domain", "add", "example.org")
    s.do("roost", "user", "add", "--password-stdin", ALICE, stdin="secret\n")
    s.do("roost", "deliver", ALICE, stdin="Subject: kept\n\nmail\n")
    log_in(imap).logout()


def check_journal(s):
    s.until(lambda: "event=logout" in s.run("journalctl", "-o", "cat", f"ROOST_USER={ALICE}").stdout, "the journal has it not by user")
    line = s.do("journalctl", "-o", "export", "-n", "1", "ROOST_EVENT=login")
    for field in ("PRIORITY=6", "SYSLOG_IDENTIFIER=roost", "_SYSTEMD_UNIT=roost.service", f"ROOST_USER={ALICE}", "ROOST_PEER=127.0.0.1"):
        assert field + "\n" in line, line


def check_reload(s, imap):
    c, before = log_in(imap), s.property("MainPID")
    s.do("sed", "-i", "s/^password_cost.*/user_sessions_max = 7/", "/etc/roost/roost.conf")
    s.do("systemctl", "reload", "roost.service")
    assert s.property("ActiveState") == "active" and s.property("MainPID") == before
    s.until(lambda: "option=user_sessions_max" in s.run("journalctl", "-o", "cat", "ROOST_EVENT=option_reloaded").stdout, "nothing was reloaded")
    assert c.noop()[0] == "OK"
    c.logout()


def check_watchdog(s, imap):
    """A loop that hangs: three seconds later systemd ends the daemon, and starts another."""
    before, pid = s.property("MainPID"), s.pid()
    s.until(lambda: any(t.read_text() == "loop-0\n" for t in pathlib.Path(f"/proc/{pid}/task").glob("*/comm")), "there is no loop")
    tid = next(int(t.parent.name) for t in pathlib.Path(f"/proc/{pid}/task").glob("*/comm") if t.read_text().startswith("loop-0"))
    with Held(tid) as held:
        s.until(lambda: held.is_over() and s.property("MainPID") not in (before, "0") and s.property("ActiveState") == "active", "it is not started again")
    assert "Watchdog timeout" in s.do("journalctl", "-o", "cat", "-u", "roost.service"), "it was not the watchdog"
    log_in(imap).logout()


def check_crash(s, imap):
    before = s.property("MainPID")
    os.kill(s.pid(), signal.SIGKILL)
    s.until(lambda: s.property("MainPID") not in (before, "0") and s.property("ActiveState") == "active", "it is not started again")
    log_in(imap).logout()


def check_end(s):
    s.do("systemctl", "stop", "roost.service")
    assert s.property("Result") == "success" and s.property("ExecMainStatus") == "0", s.do("systemctl", "status", "roost")
    assert "event=stopped" in s.do("journalctl", "-o", "cat", "-n", "20", "-u", "roost.service")


def check_sockets(s, imap):
    """systemd's sockets: who comes first starts it, and who comes while it restarts waits."""
    s.do("sed", "-i", "s:/run/roost/lmtp:/run/roost-lmtp/lmtp:", "/etc/roost/roost.conf")
    s.do("systemctl", "start", "roost.socket")
    assert s.property("ActiveState") == "inactive"
    log_in(imap).logout()
    assert s.property("ActiveState") == "active"
    restart = subprocess.Popen(["nsenter", "-t", str(s.first), "-m", "-p", "-i", "-u", "systemctl", "restart", "roost.service"])
    while restart.poll() is None:
        try:
            log_in(imap).logout()  # nobody is refused
        except imaplib.IMAP4.abort:  # who was there when it stopped was told so
            pass
    assert restart.returncode == 0
    log_in(imap).logout()
    assert s.do("python3", "-c", "import smtplib; c = smtplib.LMTP('/run/roost-lmtp/lmtp'); print(c.sendmail('', ['alice@example.org'], 'x'))") == "{}\n"
    s.do("systemctl", "stop", "roost.socket", "roost.service")
    assert s.property("Result") == "success"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--roost", required=True)
    args = parser.parse_args()
    if missing():
        print(f"skip: {missing()}")
        return 0
    imap, imaps = free_ports(2)
    with tempfile.TemporaryDirectory(prefix="roost-systemd") as directory:
        top = pathlib.Path(directory)
        files = top / "files"
        (files / "roost.service.d").mkdir(parents=True)
        (files / "roost.service.d/test.conf").write_text(DROP_IN)
        (files / "roost").write_bytes(pathlib.Path(args.roost).read_bytes())
        (files / "roost").chmod(0o755)
        (files / "roost.conf").write_text(CONFIG.format(imap=imap, imaps=imaps))
        (files / "roost.service").write_text((ROOT / "packaging/roost.service").read_text())
        sockets = (ROOT / "contrib/systemd/roost.socket").read_text()
        for was, now in (("0.0.0.0:143\n", f"127.0.0.1:{imap}\n"), ("0.0.0.0:993\n", f"127.0.0.1:{imaps}\n")):
            assert was in sockets
            sockets = sockets.replace(was, now)
        (files / "roost.socket").write_text(sockets)
        for name in ("sysusers.conf", "tmpfiles.conf"):
            (files / name).write_text((ROOT / "contrib/systemd" / name).read_text())
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj",
                        "/CN=localhost", "-keyout", files / "key.pem", "-out", files / "certificate.pem"], check=True, capture_output=True)
        (files / "certificate.pem").write_text((files / "certificate.pem").read_text() + (files / "key.pem").read_text())
        s = System(top, files)
        try:
            s.boot()
            for check, words in ((check_start, (imap,)), (check_journal, ()), (check_reload, (imap,)), (check_watchdog, (imap,)), (check_crash, (imap,)),
                                 (check_end, ()), (check_sockets, (imap,))):
                start = time.monotonic()
                check(s, *words)
                print(f"ok {check.__name__} ({time.monotonic() - start:.1f} s)", flush=True)
        finally:
            s.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
