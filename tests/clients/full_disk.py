#!/usr/bin/env python3
"""A store whose disk fills up, and has room again: what was acknowledged stays, reading goes on, nobody is cut off.

The disk is a small one in memory, mounted in a namespace of its own: nothing is left of it.  Where that is not allowed
there is no test.
"""
import argparse, os, pathlib, subprocess, sys, tempfile, time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
from daemon import Daemon
from lmtp import Lmtp
from plumbing import Client

SIZE = 48 << 20


def command(client, text):
    """The answer, up to its tagged line; the connection must live."""
    client.send(b"t " + text + b"\r\n")
    lines = []
    while True:
        lines.append(client.until(b"\r\n"))
        assert not lines[-1].startswith(b"* BYE"), (text, lines)
        if lines[-1].startswith(b"t "):
            return lines


def append(client, size):
    message = b"Subject: s\r\n\r\n" + os.urandom(size // 2).hex().encode()
    return command(client, b"APPEND INBOX {%d+}\r\n%s" % (len(message), message))[-1]


def ok(client, *texts):
    for text in texts:
        answer = command(client, text)
        assert answer[-1].startswith(b"t OK"), (text, answer)


def refused(client, *texts):
    for text in texts:
        answer = command(client, text)
        assert answer[-1].startswith(b"t NO"), (text, answer)


def exists(client):
    return next(int(line.split()[1]) for line in command(client, b"EXAMINE INBOX") if line.endswith(b" EXISTS\r\n"))


def fill_with_mail(client):
    """Until no more is taken; how many messages were."""
    taken, refusals = 0, 0
    while refusals < 20:
        answer = append(client, (2000, 60000, 300000)[(taken + refusals) % 3])
        assert answer.startswith((b"t OK", b"t NO [UNAVAILABLE]")), answer
        if answer.startswith(b"t OK"):
            taken += 1
        else:
            refusals += 1
    return taken


def fill_with_bytes(path):
    with open(path, "ab", buffering=0) as f:
        try:
            while True:
                f.write(bytes(4096))
        except OSError:
            pass
    time.sleep(0.1)


def fill_and_empty(daemon, disk):
    (disk / "other").write_bytes(bytes(8 << 20))
    client = Client(daemon.imap).log_in(b"user1")
    ok(client, b"SELECT INBOX")
    taken = fill_with_mail(client)
    assert taken > 20, taken
    # No mail is added; what was kept back is there for the rest.
    Lmtp(daemon).deliver(["user2@example.org"], b"Subject: s\r\n\r\n" + os.urandom(150000).hex().encode() + b"\r\n", "452 ")
    refused(client, b"COPY 1:* Trash")
    ok(client, b"FETCH 1 BODY[]", b"STORE 1:* +FLAGS (\\Flagged)", b"CREATE box", b"STORE 1:5 +FLAGS (\\Deleted)", b"MOVE 6 Trash", b"EXPUNGE")
    taken -= 6
    # Another program takes the rest.
    fill_with_bytes(disk / "other")
    ok(client, b"SELECT INBOX", b"FETCH 1:* (FLAGS BODY[])", b"SEARCH TEXT nothing", b"STATUS Trash (MESSAGES)", b"NOOP")
    refused(client, b"STORE 1 +FLAGS (x)", b"EXPUNGE", b"MOVE 1 Trash", b"CREATE other")
    assert append(client, 100).startswith(b"t NO")
    other = Client(daemon.imap).log_in(b"user1")
    ok(other, b"SELECT INBOX", b"FETCH 1 BODY[]")
    # And then there is room.
    os.unlink(disk / "other")
    time.sleep(0.1)
    assert append(client, 100).startswith(b"t OK")
    ok(client, b"STORE 1 +FLAGS (x)")
    assert exists(client) == taken + 1


def run(roost, disk):
    (disk / "store").mkdir()
    daemon = Daemon(roost, users=3, directory=disk / "store")
    try:
        fill_and_empty(daemon, disk)
    except BaseException:
        daemon.kill()
        raise
    assert daemon.stop() == 0
    check = subprocess.run([roost, "-c", disk / "store" / "roost.conf", "check", "--all"], capture_output=True, text=True)
    assert check.returncode == 0, check


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--roost", required=True)
    parser.add_argument("--inside", action="store_true")
    args = parser.parse_args()
    if not args.inside:
        space = ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "--mount", "--map-root-user"]
        if subprocess.run([*space, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], stderr=subprocess.DEVNULL).returncode:
            print("no file system may be mounted here: not tested")
            return
        sys.exit(subprocess.run([*space, sys.executable, __file__, "--inside", "--roost", args.roost]).returncode)
    with tempfile.TemporaryDirectory(prefix="roost-t") as directory:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", directory], check=True)
        try:
            run(os.path.realpath(args.roost), pathlib.Path(directory))
            print("ok")
        finally:
            subprocess.run(["umount", "-l", directory], check=True)


if __name__ == "__main__":
    main()
