"""curl over IMAPS and STARTTLS: list, fetch, part of a message, append, search."""
import subprocess, tempfile

from connection import deliver


def curl(daemon, user, url, *options):
    p = subprocess.run(["curl", "-sS", "-k", "--max-time", "60", "-u", f"{user}@example.org:pass", *options, "--url", url],
                       capture_output=True)
    assert p.returncode == 0, (url, options, p.stderr)
    return p.stdout


def test_curl(daemon):
    imaps, imap, user = f"imaps://127.0.0.1:{daemon.imaps}", f"imap://127.0.0.1:{daemon.imap}", "user2"
    deliver(daemon.lmtp, f"{user}@example.org", b"Subject: for curl\r\n\r\nhello curl\r\n")
    assert curl(daemon, user, f"{imaps}/INBOX;MAILINDEX=1").endswith(b"Subject: for curl\r\n\r\nhello curl\r\n")
    assert curl(daemon, user, f"{imaps}/INBOX;UID=1;SECTION=TEXT") == b"hello curl\r\n"
    assert b"Subject: for curl" in curl(daemon, user, f"{imaps}/INBOX;UID=1;SECTION=HEADER.FIELDS%20(SUBJECT)")

    with tempfile.NamedTemporaryFile() as f:
        f.write(b"Subject: appended\r\n\r\nby curl\r\n")
        f.flush()
        curl(daemon, user, f"{imaps}/INBOX", "-T", f.name)
    assert curl(daemon, user, f"{imaps}/INBOX;UID=2") == b"Subject: appended\r\n\r\nby curl\r\n"
    assert curl(daemon, user, f"{imaps}/INBOX?SUBJECT%20appended").strip() == b"* SEARCH 2"
    assert curl(daemon, user, f"{imaps}/INBOX?ALL").strip() == b"* SEARCH 1 2"
    assert b"EXISTS" in curl(daemon, user, f"{imaps}/", "-X", "EXAMINE INBOX")
    assert rb"\Flagged" in curl(daemon, user, f"{imaps}/INBOX", "-X", r"STORE 1 +FLAGS (\Flagged)")

    out = curl(daemon, user, f"{imap}/", "--ssl-reqd")
    assert b"INBOX" in out and b"Trash" in out, out
    assert b"INBOX" in curl(daemon, user, f"{imaps}/", "--login-options", "AUTH=PLAIN")
    # The response with the command (RFC 4959), and LOGIN's user name so.
    for mechanism, first in (("PLAIN", b"AUTHENTICATE PLAIN A"), ("LOGIN", b"AUTHENTICATE LOGIN ")):
        p = subprocess.run(["curl", "-sS", "-v", "-k", "--max-time", "60", "--sasl-ir", "--login-options", f"AUTH={mechanism}",
                            "-u", f"{user}@example.org:pass", "--url", f"{imaps}/"], capture_output=True)
        assert p.returncode == 0 and b"INBOX" in p.stdout and first in p.stderr, p.stderr
    p = subprocess.run(["curl", "-sS", "-k", "-u", f"{user}@example.org:wrong", "--url", f"{imaps}/INBOX"], capture_output=True)
    assert p.returncode == 67, "login denied is curl's 67"
