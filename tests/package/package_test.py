#!/usr/bin/env python3
"""The Debian package: installed, started as its unit says, upgraded, removed and purged, in a copy of this machine's system that is
thrown away (an overlay in a mount namespace).  Mail survives all of it."""
import argparse, imaplib, os, pathlib, re, shutil, subprocess, sys, tempfile, textwrap

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Runs in the namespace, as root, changed into the copy.
SCRIPT = textwrap.dedent(r"""
    set -eu
    export DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin
    say() { echo "ok $*"; }
    fail() { echo "FAILED: $*"; exit 1; }
    ! getent passwd roost >/dev/null || fail "there is a user roost on this machine"
    dpkg -i /debs/roost_*_first.deb >/tmp/dpkg.log 2>&1 || { cat /tmp/dpkg.log; fail "it cannot be installed"; }
    [ "$(stat -c %U:%a /var/lib/roost)" = roost:700 ] || fail "the store's directory"
    [ "$(stat -c %U:%G:%a /etc/roost/certificates)" = root:roost:750 ] || fail "the certificates' directory"
    [ "$(stat -c %G:%a /etc/roost/certificates/self-signed.pem)" = roost:640 ] || fail "the certificate"
    man -w roost >/dev/null 2>&1 || [ -e /usr/share/man/man1/roost.1 ] || fail "no manual"
    bash -c '. /usr/share/bash-completion/completions/roost; COMP_WORDS=(roost dom); COMP_CWORD=1; _roost; [ "${COMPREPLY[*]}" = domain ]' || fail "the completion"
    if command -v systemd-analyze >/dev/null; then
        systemd-analyze verify /lib/systemd/system/roost.service >/tmp/verify 2>&1 || true
        ! grep -E 'roost.service.*(Unknown|Invalid|Failed)' /tmp/verify || fail "the unit"
    fi
    [ "$(stat -c %U:%a /var/log/roost)" = roost:750 ] || fail "the log's directory"
    if command -v logrotate >/dev/null; then logrotate -d /etc/logrotate.d/roost >/tmp/rotate 2>&1 || { cat /tmp/rotate; fail "logrotate"; }; fi
    say "installed"

    # What the unit says, by hand: there is no systemd here.
    sed -i 's/address = "0.0.0.0"/address = "127.0.0.1"/; s/"imap"  address = "127.0.0.1"/"imap" address = "127.0.0.1" port = @IMAP@ cleartext_login = true/; s/"imaps" address = "127.0.0.1"/"imaps" address = "127.0.0.1" port = @IMAPS@/' /etc/roost/roost.conf
    command=$(sed -n 's/^ExecStart=//p' /lib/systemd/system/roost.service)
    start() {
        install -d -m 0750 -o roost -g roost /run/roost
        setpriv --reuid roost --regid roost --clear-groups --no-new-privs $command >/tmp/out 2>/tmp/err &
        pid=$!
        for _ in $(seq 100); do ! grep -q '^ready' /tmp/out || return 0; kill -0 $pid 2>/dev/null || break; sleep 0.1; done
        cat /tmp/out /tmp/err; fail "it does not start"
    }
    stop() { kill $pid; wait $pid || fail "it ended with $?: $(cat /tmp/err)"; }
    start
    roost domain add example.org
    echo secret | roost user add --password-stdin alice@example.org
    printf 'Subject: kept\r\n\r\nmail\r\n' | roost deliver alice@example.org
    [ -S /run/roost/lmtp ] || fail "no LMTP socket"
    python3 /debs/look.py @IMAP@ @IMAPS@
    say "started, and in use"

    # The administrator's configuration stays, also when the package's own changes.
    dpkg -i --force-confold /debs/roost_*_second.deb >/tmp/dpkg.log 2>&1 || { cat /tmp/dpkg.log; fail "it cannot be upgraded"; }
    grep -q "port = @IMAP@" /etc/roost/roost.conf || fail "the upgrade changed the configuration"
    stop
    start
    python3 /debs/look.py @IMAP@ @IMAPS@
    roost check --all >/dev/null
    say "upgraded: $(dpkg-query -W -f '${Version}' roost)"
    stop

    dpkg -r roost >/dev/null 2>&1 || fail "it cannot be removed"
    [ ! -e /usr/sbin/roost ] && [ -e /etc/roost/roost.conf ] && [ -d /var/lib/roost/accounts ] || fail "what remove leaves"
    dpkg -i /debs/roost_*_second.deb >/dev/null 2>&1 || fail "it cannot be installed again"
    start
    python3 /debs/look.py @IMAP@ @IMAPS@
    stop
    dpkg -P roost >/tmp/dpkg.log 2>&1 || { code=$?; cat /tmp/dpkg.log; fail "it cannot be purged: $code"; }
    grep -q "is kept" /tmp/dpkg.log && [ -d /var/lib/roost/accounts ] || fail "the mail went with the package"
    for left in /etc/logrotate.d/roost /etc/fail2ban/filter.d/roost.conf /var/log/roost /lib/systemd/system/roost.service; do
        [ ! -e $left ] || fail "purge leaves $left"
    done
    [ ! -e /etc/roost ] || fail "purge leaves /etc/roost: $(ls -R /etc/roost)"
    say "removed, installed again, purged: the mail is there"

    rm -rf /var/lib/roost
    dpkg -i /debs/roost_*_second.deb >/dev/null 2>&1 || fail "it cannot be installed after that"
    dpkg -P roost >/dev/null 2>&1
    ! getent passwd roost >/dev/null && [ ! -e /var/lib/roost ] && [ ! -e /run/roost ] || fail "purge without mail leaves something"
    say "purged without mail: nothing is left"
""")

LOOK = """
import imaplib, ssl, sys
for c in (imaplib.IMAP4("127.0.0.1", int(sys.argv[1])),
          imaplib.IMAP4_SSL("127.0.0.1", int(sys.argv[2]), ssl_context=ssl._create_unverified_context())):
    c.login("alice@example.org", "secret")
    c.select()
    assert c.fetch("1", "(BODY[TEXT])")[1][0][1] == b"mail\\r\\n"
    c.logout()
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deb", help="a package that was built; else ./dev package builds one")
    args = parser.parse_args()
    sys.path.insert(0, str(ROOT / "tests/harness"))
    import overlay
    from daemon import free_ports
    if overlay.missing():
        print(f"skip: {overlay.missing()}")
        return 0
    if not args.deb and not shutil.which("dpkg-shlibdeps"):
        print("skip: apt-get install dpkg-dev, which makes the package")
        return 0
    deb = args.deb or subprocess.run([str(ROOT / "dev"), "package"], capture_output=True, text=True, check=True).stdout.split()[-1]
    if shutil.which("lintian"):
        p = subprocess.run(["lintian", "--fail-on", "error,warning", "--allow-root", deb], capture_output=True, text=True)
        if p.returncode:
            print(f"FAILED: lintian finds:\n{p.stdout}{p.stderr}")
            return 1
        print("ok lintian finds nothing", flush=True)
    imap, imaps = free_ports(2)
    with tempfile.TemporaryDirectory(prefix="roost-package") as directory:
        debs = pathlib.Path(directory) / "debs"
        debs.mkdir()
        first = debs / "roost_1_first.deb"
        shutil.copy(deb, first)
        # The same once more as the next version, with another file of configuration.
        tree = pathlib.Path(directory) / "tree"
        subprocess.run(["dpkg-deb", "-R", str(first), str(tree)], check=True)
        control = tree / "DEBIAN/control"
        control.write_text(re.sub(r"(?m)^(Version: .*)$", r"\1+next", control.read_text()))
        with open(tree / "etc/roost/roost.conf", "a") as f:
            f.write("# The next version says more.\n")
        subprocess.run(["dpkg-deb", "--root-owner-group", "-b", str(tree), str(debs / "roost_2_second.deb")], check=True,
                       capture_output=True)
        (debs / "look.py").write_text(LOOK)
        script = pathlib.Path(directory) / "script"
        script.write_text(SCRIPT.replace("@IMAP@", str(imap)).replace("@IMAPS@", str(imaps)))
        p = subprocess.run(["unshare", "--mount", "--pid", "--fork", "bash", "-c", "top=$1" + overlay.COPY + """
            mount --rbind /dev "$root/dev"
            mount -t tmpfs tmpfs "$root/run"
            mount -t tmpfs tmpfs "$root/tmp"
            mkdir -p "$root/debs"
            cp "$top"/debs/* "$root/debs/"
            cp "$top/script" "$root/tmp/script"
            exec chroot "$root" bash /tmp/script
        """, "copy", directory], timeout=300)
        return p.returncode


if __name__ == "__main__":
    sys.exit(main())
