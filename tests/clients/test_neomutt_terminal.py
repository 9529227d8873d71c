"""neomutt as somebody uses it: in a terminal (tmux), key by key, with eyes on the screen: opens, reads, flags, deletes, saves,
searches, and sees mail come while it is open."""
import os, pathlib, re, shutil, subprocess, tempfile, time

from connection import deliver
from response import Client
from test_neomutt import RC, message

USER = "user23"


class Terminal:
    """A tmux of its own, of one window that runs `command`."""

    def __init__(self, home, *command):
        self.socket = str(pathlib.Path(home) / "tmux")
        env = {**os.environ, "HOME": str(home), "LC_ALL": "C.UTF-8", "TERM": "xterm"}
        env.pop("TMUX", None)
        subprocess.run(["tmux", "-S", self.socket, "-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "40", *command], env=env, check=True)

    def tmux(self, *words):
        return subprocess.run(["tmux", "-S", self.socket, *words], capture_output=True, text=True)

    def screen(self):
        return self.tmux("capture-pane", "-p").stdout

    def type(self, *keys):
        for key in keys:
            assert self.tmux("send-keys", key).returncode == 0, key

    def write(self, text):
        assert self.tmux("send-keys", "-l", text).returncode == 0, text

    def wait(self, what, want=True, seconds=30):
        """Until the pattern stands on the screen, or no longer does; the screen."""
        until = time.monotonic() + seconds
        while bool(re.search(what, screen := self.screen(), re.M)) != want:
            assert time.monotonic() < until, f"{'no' if want else 'still'} {what!r} on the screen:\n{screen}"
            time.sleep(0.05)
        return screen

    def ended(self):
        return self.tmux("has-session").returncode != 0

    def close(self):
        self.tmux("kill-server")


def wait_for(true, what):
    until = time.monotonic() + 30
    while not true():
        assert time.monotonic() < until, what
        time.sleep(0.05)


def use(t, c, daemon):
    """What somebody does with it, and what another client then sees."""
    def found(program):
        return c.do(f"UID SEARCH {program}")[0][-1].split()[2:]

    t.wait(r"m30$")
    t.type("=")
    t.wait(r"^->.* m1$")
    t.type("Enter")
    t.wait(r"^body 1$")
    t.type("q")
    t.wait(r"^->.* m1$")
    t.type("j", "F")
    t.wait(r"^->.*!.* m2$")
    t.type("j", "d")
    t.wait(r"^->.*D.* m3$")
    t.type("j", "s")
    t.wait(r"Save to mailbox")
    t.type("C-u")
    t.write("=Kept")
    t.type("Enter")
    t.wait(r"^.*D.* m4$")
    t.type("/")
    t.wait(r"Search for")
    t.write("m25")
    t.type("Enter")
    t.wait(r"^->.* m25$")
    t.type("Enter")
    t.wait(r"^body 25$")
    t.type("q")
    t.wait(r"^->.* m25$")
    t.type("l")
    t.wait(r"Limit to messages matching")
    t.type("C-u")
    t.write('=b "body 17"')  # which the server is asked for
    t.type("Enter")
    screen = t.wait(r"m30$", want=False)
    assert re.search(r"^->.* m17$", screen, re.M) and not re.search(r" m16$", screen, re.M), screen
    t.type("l")
    t.wait(r"Limit to messages matching")
    t.type("C-u")
    t.write("all")
    t.type("Enter")
    t.wait(r" m30$")
    deliver(daemon.lmtp, f"{USER}@example.org", message(31))
    t.wait(r" m31$")  # nobody has pressed a key
    t.type("$")
    t.wait(r" m3$", want=False)
    wait_for(lambda: c.do("NOOP") and found("UID 3:4") == [], "two are gone")
    assert found("FLAGGED") == [b"2"] and found("SEEN") == [b"1", b"25"], (found("FLAGGED"), found("SEEN"))
    assert found("ALL")[-1] == b"31" and len(found("ALL")) == 29
    assert any(line.endswith(b"(MESSAGES 1)") for line in c.do("STATUS Kept (MESSAGES)")[0])
    # What another client does is seen here, too.
    c.do(r"UID STORE 30 +FLAGS (\Flagged)")
    t.wait(r"!.* m30$")
    c.do(r"UID STORE 29 +FLAGS.SILENT (\Deleted)")
    c.do("EXPUNGE")
    t.wait(r" m29$", want=False)
    t.type("q")
    wait_for(t.ended, "it ends")


def test_neomutt_in_a_terminal(daemon):
    assert shutil.which("neomutt") and shutil.which("tmux"), "neomutt or tmux is not installed: ./dev deps"
    c = Client(daemon.imap).login(USER)
    for n in range(1, 31):
        c.do(b"APPEND INBOX {%d+}\r\n%s" % (len(message(n)), message(n)))
    c.do("CREATE Kept")
    c.do("SELECT INBOX")
    with tempfile.TemporaryDirectory(prefix="roost-neomutt") as home:
        (pathlib.Path(home) / "cache").mkdir()
        (pathlib.Path(home) / "rc").write_text(RC.format(user=USER, port=daemon.imap, home=home)
                                               + 'set arrow_cursor = yes\nset imap_idle = yes\nset index_format = "%4C %Z %s"\nset sort = mailbox-order\n')
        t = Terminal(home, "neomutt", "-n", "-F", f"{home}/rc")
        try:
            use(t, c, daemon)
        finally:
            t.close()
    c.close()
