"""neomutt without a screen: reads, flags, deletes and copies; with its header cache and QRESYNC, a second
opening asks what changed and fetches only what is new."""
import fcntl, os, pathlib, pty, re, select, shutil, struct, subprocess, tempfile, termios, time

from connection import deliver
from response import Client

RC = """
set folder = "imap://{user}@example.org@127.0.0.1:{port}/"
set spoolfile = "+INBOX"
set imap_pass = "pass"
set imap_authenticators = "login"
set ssl_starttls = no
set ssl_force_tls = no
set imap_condstore = yes
set imap_qresync = yes
set header_cache = "{home}/cache/"
set imap_list_subscribed = no
set quit = yes
set delete = yes
set move = no
set confirmappend = no
set confirmcreate = no
set wait_key = no
set auto_tag = no
set resolve = no
set mark_old = no
set mail_check = 1
set timeout = 1
set pager_stop = yes
set read_inc = 0
"""


class Neomutt:
    def __init__(self, daemon, user, home):
        self.home = pathlib.Path(home)
        (self.home / "rc").write_text(RC.format(user=user, port=daemon.imap, home=home))
        (self.home / "cache").mkdir()
        self.runs = 0

    def run(self, keys, until=None):
        """Types `keys` into the index of INBOX once it is there; returns its log.  With `until`, which is asked
        again and again about all that the screen has shown, it is left after that says so."""
        self.runs += 1
        log = self.home / f"log{self.runs}."
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        p = subprocess.Popen(["neomutt", "-n", "-F", str(self.home / "rc"), "-d", "3", "-l", str(log), "-e", f"push '{keys}'"],
                             stdin=slave, stdout=slave, stderr=slave, close_fds=True, start_new_session=True,
                             env={**os.environ, "TERM": "xterm", "HOME": str(self.home), "LC_ALL": "C.UTF-8"})
        os.close(slave)
        screen, end = b"", time.monotonic() + 60
        try:
            while p.poll() is None:
                if until and until(screen):
                    until = None
                    os.write(master, b"q")
                assert time.monotonic() < end, f"neomutt does not end: {screen[-1500:]!r}"
                if select.select([master], [], [], 0.1)[0]:
                    try:
                        screen += os.read(master, 65536)
                    except OSError:  # it has closed its side
                        pass
        finally:
            if p.poll() is None:
                p.kill()
            p.wait()
            os.close(master)
        assert p.returncode == 0, (p.returncode, screen[-1500:])
        return (self.home / f"log{self.runs}.0").read_text(errors="replace")  # the newest of some


def message(n):
    return b"From: a@example.net\r\nSubject: m%d\r\nMessage-ID: <nm%d@example.net>\r\n\r\nbody %d\r\n" % (n, n, n)


def test_neomutt(daemon):
    assert shutil.which("neomutt"), "neomutt is not installed: ./dev deps"
    c = Client(daemon.imap).login("user21")
    for n in range(1, 51):
        c.do(b"APPEND INBOX {%d+}\r\n%s" % (len(message(n)), message(n)))
    c.do("CREATE Kept")
    c.do("SELECT INBOX")
    with tempfile.TemporaryDirectory(prefix="roost-neomutt") as home:
        m = Neomutt(daemon, "user21", home)
        m.run("<first-entry><display-message><exit><next-entry><flag-message><next-entry><delete-message>"
              "<last-entry><copy-message>=Kept<enter><quit>")
        c.do("NOOP")
        assert b"* SEARCH 1" in c.do("UID SEARCH SEEN")[0]
        assert b"* SEARCH 2" in c.do("UID SEARCH FLAGGED")[0]
        assert b"* SEARCH" in c.do("UID SEARCH UID 3")[0], "deleted and expunged"
        status = c.do("STATUS Kept (MESSAGES)")[0]
        assert any(line.endswith(b"(MESSAGES 1)") for line in status), status
        c.do(r"UID STORE 10:12 +FLAGS.SILENT (\Seen)")
        c.do(r"UID STORE 20 +FLAGS.SILENT (\Deleted)")
        c.do("EXPUNGE")
        deliver(daemon.lmtp, "user21@example.org", message(51))

        def until(screen):
            """A message comes while it is open, and is shown."""
            if b"m52" not in screen and b"* SEARCH 2 51" in c.do("UID SEARCH FLAGGED")[0] and not late:
                late.append(deliver(daemon.lmtp, "user21@example.org", message(52)))
            return b"m52" in screen
        late = []
        log = m.run("<last-entry><flag-message><sync-mailbox>", until)
        assert "VANISHED)" in log and "ENABLE QRESYNC" in log, "QRESYNC was not used"
        fetched = re.findall(r"> a\d+ FETCH (\S+) \(UID FLAGS INTERNALDATE", log)
        assert len(fetched) <= 3 and all(re.fullmatch(r"(\d+)(:\1)?", which) for which in fetched), f"of 51 headers 2 are new: {fetched}"
        c.do("NOOP")
        assert b"* SEARCH 2 51" in c.do("UID SEARCH FLAGGED")[0], c.do("UID SEARCH FLAGGED")
    c.close()
