"""mbsync, two ways: 500 messages, flags on both sides, and a further run that finds nothing to do."""
import pathlib, shutil, subprocess, tempfile

from response import Client

RC = """
IMAPStore far
Host 127.0.0.1
Port {port}
User {user}@example.org
Pass pass
SSLType None
AuthMechs LOGIN

MaildirStore near
Path {home}/mail/
Inbox {home}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns INBOX
Create Both
Expunge Both
SyncState *
"""


class Mbsync:
    def __init__(self, daemon, user, home):
        self.home = pathlib.Path(home)
        self.inbox = self.home / "mail" / "INBOX"
        (self.home / "mail").mkdir()
        (self.home / "rc").write_text(RC.format(port=daemon.imap, user=user, home=home))

    def sync(self):
        p = subprocess.run(["mbsync", "-V", "-c", str(self.home / "rc"), "-a"], capture_output=True, text=True, timeout=300)
        assert p.returncode == 0, p.stdout[-1000:] + p.stderr
        return p.stdout + p.stderr

    def files(self):
        return sorted(f for d in ("cur", "new") for f in (self.inbox / d).iterdir())

    def flags(self):
        return {f.name.split(",U=")[0]: f.name.partition(":2,")[2] for f in self.files()}

    def set_flags(self, file, flags):
        file.rename(self.inbox / "cur" / (file.name.split(":")[0] + ":2," + flags))


def test_mbsync(daemon):
    assert shutil.which("mbsync"), "mbsync is not installed: ./dev deps"
    c = Client(daemon.imap).login("user1")
    for n in range(500):
        message = b"Subject: m%d\r\nMessage-ID: <mb%d@example.net>\r\n\r\nbody %d\r\n" % (n, n, n)
        c.do(b"APPEND INBOX {%d+}\r\n%s" % (len(message), message))
    with tempfile.TemporaryDirectory(prefix="roost-mbsync") as home:
        m = Mbsync(daemon, "user1", home)
        m.sync()
        assert len(m.files()) == 500, len(m.files())
        subjects = {f.read_bytes().split(b"\n", 1)[0] for f in m.files()}
        assert len(subjects) == 500, "every message once"

        for file in m.files()[:3]:
            m.set_flags(file, "FS")
        c.do("SELECT INBOX")
        c.do(r"STORE 401:410 +FLAGS.SILENT (\Answered)")
        m.sync()
        found = c.do("SEARCH FLAGGED SEEN")[0]
        assert any(len(line.split()) == 2 + 3 for line in found if line.startswith(b"* SEARCH")), found
        assert sum("R" in flags for flags in m.flags().values()) == 10, "flags set on the far side"

        m.files()[0].unlink()
        c.do(r"STORE 500 +FLAGS.SILENT (\Deleted)")
        (m.inbox / "new" / "1.near.example").write_bytes(b"Subject: from near\n\nbody\n")
        m.sync()
        c.do("NOOP")
        c.do("EXPUNGE")
        status = c.do("STATUS INBOX (MESSAGES)")[0]
        assert any(line.endswith(b"(MESSAGES 499)") for line in status), status
        assert b"* SEARCH 499" in c.do('SEARCH SUBJECT "from near"')[0]

        m.sync()
        before = [f.name for f in m.files()]
        assert len(before) == 499, len(before)
        modified = c.do("STATUS INBOX (MESSAGES UIDNEXT UNSEEN)")[0]
        output = m.sync()
        assert before == [f.name for f in m.files()], "another run changes nothing near"
        assert modified == c.do("STATUS INBOX (MESSAGES UIDNEXT UNSEEN)")[0], "and nothing far"
        for word in ("Far: +0 *0 #0", "Near: +0 *0 #0"):
            assert word in output or "Far:" not in output, output
    c.close()
