#!/usr/bin/env python3
"""The throw-away server: its store is kept, whatever interrupted an earlier start, and belongs to one server at a time."""
import argparse, os, pathlib, subprocess, sys, tempfile, time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
from daemon import ROOT, Daemon, free_ports
from plumbing import Client


def test_unfinished_store(roost):
    """What an interrupted first start leaves: the domain, and some of the users."""
    with tempfile.TemporaryDirectory(prefix="roost-t") as directory:
        conf = pathlib.Path(directory, "roost.conf")
        conf.write_text(f'store = "{directory}/store"\nhostname = "localhost"\npassword_cost = 1\n')
        for words in (["domain", "add", "example.org"], ["user", "add", "--password-stdin", "--count", "2", "user@example.org"]):
            subprocess.run([roost, "-c", conf, *words], input=b"pass\n", check=True, stdout=subprocess.DEVNULL)
        daemon = Daemon(roost, users=3, directory=directory)
        for user in (b"user1", b"user3"):
            Client(daemon.imap).log_in(user)
        time.sleep(0.5)
        assert daemon.stop() == 0
        # An account's files are made when it is first used: nobody has read or written mail.
        assert not list(daemon.directory.glob("store/accounts/*/index.db"))


def test_more_users(roost):
    """A later start may ask for more; a smaller number takes none away."""
    with tempfile.TemporaryDirectory(prefix="roost-t") as directory:
        for users in (2, 4, 1):
            daemon = Daemon(roost, users=users, directory=directory)
            Client(daemon.imap).log_in(b"user%d" % max(users, 2))
            assert daemon.stop() == 0


def test_any_directory(roost):
    """Whatever stands in its name is no part of the configuration's grammar."""
    with tempfile.TemporaryDirectory(prefix="roost-t") as outer:
        directory = os.path.join(outer, "it's \"a\" \\ ${HOME} # of } mine")
        os.mkdir(directory)
        daemon = Daemon(roost, users=1, directory=directory)
        Client(daemon.imap).log_in(b"user1")
        assert daemon.stop() == 0
        assert os.path.exists(os.path.join(directory, "store", "directory.db")), os.listdir(directory)


def test_one_at_a_time(roost):
    """A second start on the same store is refused, and leaves the first one's configuration alone."""
    with tempfile.TemporaryDirectory(prefix="roost-t") as directory:
        daemon = Daemon(roost, users=1, directory=directory)
        before = (daemon.directory / "roost.conf").read_text()
        ports = [word for option, port in zip(("--imap", "--imaps", "--lmtp"), free_ports(3)) for word in (option, str(port))]
        second = subprocess.run([ROOT / "tools" / "scratch.sh", roost, "--dir", directory, *ports], capture_output=True,
                                text=True, timeout=60)
        assert second.returncode == 2 and "another server runs" in second.stderr, second
        assert second.stdout == "" and (daemon.directory / "roost.conf").read_text() == before
        Client(daemon.imap).log_in(b"user1")
        assert daemon.stop() == 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--roost", required=True)
    args = parser.parse_args()
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test(os.path.realpath(args.roost))
            print(f"ok {name}", flush=True)


if __name__ == "__main__":
    main()
