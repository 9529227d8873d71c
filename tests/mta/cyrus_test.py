#!/usr/bin/env python3
"""Moving in from a real Cyrus as docs/migration.md has it: by doveadm over IMAP into a Maildir, and that into Roost, once days before
the switch and once at it.  The same UIDs, UIDVALIDITYs, flags, dates and subscriptions in the end."""
import argparse, imaplib, os, pathlib, random, shutil, socket, subprocess, sys, tempfile, time

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "clients"), str(HERE.parent / "harness")]
from store import Store, with_users  # noqa: E402 (the path is set above)
from transfer import ALICE, Mail, as_stored, assert_same, fill_box, look  # noqa: E402
from daemon import free_ports  # noqa: E402
import overlay  # noqa: E402

STAGE = HERE / "stage.sh"

IMAPD = """
configdirectory: /var/lib/cyrus
defaultpartition: default
partition-default: /var/spool/cyrus
admins: manager
allowplaintext: yes
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {dir}/sasldb
sasl_mech_list: PLAIN
sievedir: /var/spool/cyrus/sieve
servername: localhost
unixhierarchysep: yes
altnamespace: yes
"""

CYRUS = """
START {{
  recover cmd="/usr/lib/cyrus/bin/ctl_cyrusdb -r"
}}
SERVICES {{
  imap cmd="/usr/lib/cyrus/bin/imapd -U 30" listen="127.0.0.1:{port}" prefork=0 maxchild=20
}}
EVENTS {{
}}
"""

# As in docs/migration.md, but for the machine's own, and as the administrator.
SYNC = """
ssl = no
imapc_host = 127.0.0.1
imapc_port = {port}
imapc_user = alice
imapc_master_user = manager
imapc_password = word
imapc_features = rfc822.size fetch-headers
mail_location = maildir:{out}:LAYOUT=fs
mail_home = {out}-home
mail_uid = mail
mail_gid = mail
first_valid_uid = 1
log_path = {dir}/doveadm.log
base_dir = {dir}/doveadm
namespace inbox {{
  inbox = yes
  separator = /
}}
"""


class Cyrus:
    def __init__(self, staged):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="roost-cyrus"))
        self.port, = free_ports(1)
        os.chmod(self.directory, 0o755)
        (self.directory / "root").symlink_to(staged / "root")
        (self.directory / "etc").mkdir()
        (self.directory / "etc/imapd.conf").write_text(IMAPD.format(dir=self.directory))
        (self.directory / "etc/cyrus.conf").write_text(CYRUS.format(port=self.port))
        for user, word in (("alice", "secret"), ("manager", "word")):
            subprocess.run(["saslpasswd2", "-p", "-c", "-u", "localhost", "-f", str(self.directory / "sasldb"), user], input=word.encode(), check=True)
        os.chmod(self.directory / "sasldb", 0o644)
        self.output = open(self.directory / "output", "wb")
        self.process = subprocess.Popen([str(STAGE), "run", "cyrus", str(self.directory)], stdout=self.output, stderr=self.output,
                                        stdin=subprocess.DEVNULL)
        for _ in range(300):
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as s:
                    if b"OK" in s.recv(1000):
                        return
            except OSError:
                assert self.process.poll() is None, self.log()
            time.sleep(0.1)
        raise AssertionError("Cyrus does not answer: " + self.log())

    def log_in(self, user="alice", word="secret"):
        c = imaplib.IMAP4("127.0.0.1", self.port)
        c.login(user, word)
        return c

    def log(self):
        return "\n".join(p.read_text(errors="replace")[-3000:] for p in (self.directory / "output", self.directory / "doveadm.log") if p.exists())

    def stop(self):
        self.process.kill()  # and with it everything in its namespace
        self.process.wait()
        self.output.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def look(self):
        return Mail(self.port, "alice", "secret")

    def copy(self, to):
        """doveadm backup, by whom the Maildir belongs to."""
        (self.directory / "sync.conf").write_text(SYNC.format(port=self.port, out=to, dir=self.directory))
        to.mkdir(exist_ok=True)
        shutil.chown(to, "mail", "mail")
        home = pathlib.Path(f"{to}-home")
        home.mkdir(exist_ok=True)
        shutil.chown(home, "mail", "mail")
        p = subprocess.run(["doveadm", "-c", str(self.directory / "sync.conf"), "backup", "-R", "imapc:"], user="mail", group="mail",
                           extra_groups=[], env={"PATH": os.environ["PATH"], "HOME": str(home), "USER": "mail"}, capture_output=True, text=True)
        assert p.returncode == 0, (p.returncode, p.stderr[-3000:], self.log())


def as_cyrus_takes_it(message):
    """Without bare CR and LF."""
    message = as_stored(message).replace(b"\ra", b"a")
    return message.replace(b"\r\n", b"\n").replace(b"\r", b"").replace(b"\n", b"\r\n")


def fill(cyrus):
    c = cyrus.log_in("manager", "word")
    assert c.create("user/alice")[0] == "OK"
    c.logout()
    c, rng = cyrus.log_in(), random.Random(5)
    for box in ("Work", "Work/Projects", "&AOQA9g-", "a.b"):
        assert c.create(f'"{box}"')[0] == "OK", box
    assert c.subscribe("Work/Projects")[0] == c.subscribe("a.b")[0] == "OK" and c.subscribe('"&AOQA9g-"')[0] == "OK"
    for box in ("INBOX", "Work/Projects", "&AOQA9g-", "a.b"):
        fill_box(c, rng, box, as_cyrus_takes_it)
        c.unselect()
    c.logout()


def change(cyrus):
    """What happens between the two runs."""
    c = cyrus.log_in()
    c.select("INBOX")
    c.store("1:5", "+FLAGS", "\\Seen")
    c.store("6", "FLAGS", "(again)")
    c.store("20", "-FLAGS", "\\Deleted")
    c.store("8,10", "+FLAGS", "\\Deleted")
    c.expunge()
    c.copy("2", "Work")
    assert c.append("INBOX", "(\\Seen)", '"01-Apr-2020 12:00:00 +0000"', b"Subject: of late\r\n\r\n.\r\n")[0] == "OK"
    c.select("Work/Projects")
    c.store("1:*", "+FLAGS", "\\Deleted")
    c.expunge()
    c.create("Later")
    c.logout()


def check_same(store, cyrus):
    theirs, ours = cyrus.look(), look(store)
    assert_same(ours.all(), theirs.all())
    assert theirs.subscribed <= ours.subscribed, (theirs.subscribed, ours.subscribed)
    for name, (validity, messages) in theirs.boxes.items():
        assert ours.boxes[name][0] == validity, name
        assert ours.uidnext[name] == theirs.uidnext[name], (name, ours.uidnext[name], theirs.uidnext[name])
    return theirs


def check_migration(store, cyrus):
    with_users(store)
    fill(cyrus)
    out = cyrus.directory / "copy"
    cyrus.copy(out)
    assert "0 problems" in store.run("import", ALICE, str(out))
    before = check_same(store, cyrus)
    assert sum(len(messages) for _, messages in before.boxes.values()) == 96
    change(cyrus)
    cyrus.copy(out)
    said = store.run("import", ALICE, str(out), "--update", "--delete")
    assert "2 messages taken in" in said and "26 are gone there and were deleted" in said and "0 problems" in said, said
    check_same(store, cyrus)
    assert "0 problems" in store.run("check", ALICE)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--roost", required=True)
    parser.add_argument("--cache", required=True, help="where the packages are kept")
    args = parser.parse_args()
    lacks = overlay.missing() or next((f"it needs {p}" for p in ("doveadm", "saslpasswd2") if not shutil.which(p)), None)
    staged = pathlib.Path(args.cache).resolve() / "cyrus"
    if not lacks and not (staged / "root/usr").is_dir():
        p = subprocess.run([str(STAGE), "fetch", "cyrus", str(staged)], capture_output=True, text=True)
        lacks = p.stderr.strip() if p.returncode else None
    if lacks:
        print(f"skip: {lacks}")
        return 0
    store, cyrus = Store(str(pathlib.Path(args.roost).resolve())), None
    try:
        cyrus = Cyrus(staged)
        check_migration(store, cyrus)
        print("ok check_migration")
    except BaseException:
        print(cyrus.log() if cyrus else "")
        raise
    finally:
        if cyrus:
            cyrus.stop()
        store.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
