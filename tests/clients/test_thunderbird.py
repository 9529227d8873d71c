"""Thunderbird, as one who has it open sees it: folders, mail that arrives, what is read and deleted here and there.

With ROOST_WRITE_DOCS set in the environment the last picture is kept in docs/images.
"""
import os, time

from connection import deliver
from daemon import ROOT
from response import Client
from thunderbird import Thunderbird

MAIL = (
    ("Ada Lovelace <ada@example.net>", "Notes on the engine", "It can do whatever we know how to order it to perform.\r\n"),
    ("Grace Hopper <grace@example.net>", "A moth in the relay", "Taped into the log book.\r\n"),
    ("Barbara Liskov <barbara@example.net>", "It came while you were looking", "This message was delivered to an open mailbox:\r\n"
     "the server pushed it, and reading it here marks it read everywhere.\r\n"),
)

OPEN = 'pane.displayFolder(folder("INBOX")); server.getNewMessages(folder("INBOX"), win.msgWindow, null);'


def send(daemon, n):
    sender, subject, text = MAIL[n]
    deliver(daemon.lmtp, "user22@example.org", (
        f"From: {sender}\r\nTo: user22@example.org\r\nSubject: {subject}\r\nDate: Wed, 25 Nov 2026 1{n}:24:00 +0000\r\n"
        f"Message-ID: <t{n}@example.net>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}").encode())


def shown(client, what):
    """What another session sees, within some seconds."""
    end = time.monotonic() + 30
    while True:
        client.do("NOOP")
        found = client.do(f"UID SEARCH {what}")[0]
        uids = next(line for line in found if line.startswith(b"* SEARCH")).split()[2:]
        if uids or time.monotonic() > end:
            return [int(uid) for uid in uids]
        time.sleep(0.05)


def test_thunderbird(daemon):
    send(daemon, 0), send(daemon, 1)
    other = Client(daemon.imap).login("user22")
    other.do("SELECT INBOX")
    t = Thunderbird(daemon.imap, "user22@example.org", "pass")
    try:
        t.script(OPEN)
        t.wait('return ["INBOX", "Drafts", "Sent", "Archive", "Junk", "Trash"].every(folder);')
        t.wait('return pane.gDBView?.rowCount == 2;')
        t.wait('return folder("Sent").getFlag(Ci.nsMsgFolderFlags.SentMail) && folder("Junk").getFlag(Ci.nsMsgFolderFlags.Junk);')

        t.wait_idle("INBOX")
        send(daemon, 2)  # it appears by itself, and reading it here shows there
        t.wait('return pane.gDBView.rowCount == 3 && row(args[0]) !== undefined;', MAIL[2][1])
        t.script('pane.threadTree.selectedIndex = row(args[0]);', MAIL[2][1])
        assert shown(other, "SEEN") == [3]

        t.wait_idle("INBOX")
        other.do(r"UID STORE 1 +FLAGS (\Flagged)")  # and from there to here
        t.wait('return pane.gDBView.getMsgHdrAt(row(args[0])).isFlagged;', MAIL[0][1])
        t.wait('return pane.messageBrowser.contentWindow.getMessagePaneBrowser().contentDocument?.body?.textContent.includes("pushed it");')
        picture = t.screenshot()
        assert picture.startswith(b"\x89PNG") and len(picture) > 10_000
        if os.environ.get("ROOST_WRITE_DOCS"):
            (ROOT / "docs" / "images").mkdir(exist_ok=True)
            (ROOT / "docs" / "images" / "thunderbird.png").write_bytes(picture)

        t.script('pane.threadTree.selectedIndex = row(args[0]); win.goDoCommand("cmd_delete");', MAIL[1][1])
        t.wait('return pane.gDBView.rowCount == 2;')
        trash = Client(daemon.imap).login("user22")
        trash.do("SELECT Trash")
        assert shown(trash, "ALL") == [1], "deleting moves to the trash"
        t.wait_idle("INBOX")
        other.do(r"UID STORE 3 +FLAGS (\Deleted)")
        other.do("EXPUNGE")
        t.wait('return pane.gDBView.rowCount == 1;')
        assert any("COMPRESS DEFLATE" in line for line in t.wire())

        t.wait_idle("INBOX")
        t.quit()
        other.do(r"UID STORE 1 -FLAGS (\Flagged)")
        send(daemon, 1)
        t.start()  # it asks what has changed since, by CONDSTORE
        t.script(OPEN)
        t.wait('return pane.gDBView?.rowCount == 2 && !pane.gDBView.getMsgHdrAt(row(args[0])).isFlagged;', MAIL[0][1])
        assert any("CHANGEDSINCE" in line for line in t.wire()), t.wire()
        trash.close()
    finally:
        t.stop()
    other.close()
