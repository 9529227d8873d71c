#!/usr/bin/env python3
"""Who logs in as another: master users, off until somebody is made one, in the log and in the history; and how users may call themselves."""
import re, subprocess, sys

import runner
from auth import FAILED, Client, first_answer, log_in, scram
from daemon import Daemon

REFUSED = "NO [AUTHORIZATIONFAILED]"
ALL = ("PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256")


def command(daemon, *words, stdin=""):
    n = 3 if words[0] == "index" else 2
    return subprocess.run([daemon.roost, *words[:n - 1], *words[n - 1:], "-c", str(daemon.directory / "roost.conf")], input=stdin, text=True,
                          check=True, capture_output=True).stdout


def attempt(daemon, mechanism, user, password="pass"):
    """The answer; whose mail it is, is seen by the mailbox that is there."""
    c = Client(daemon.imap)
    answer = log_in(c, mechanism, user, password) if mechanism else c.command(f'LOGIN "{user}" {password}')
    if answer.startswith("OK"):
        c.send("m LIST \"\" box-*")
        line = c.line()
        answer = f"OK {re.search(r'box-(.+)', line).group(1)}" if "box-" in line else f"OK nobody: {line}"
    c.close()
    return answer


def make_boxes(daemon, *users):
    for user in users:
        c = Client(daemon.imap)
        assert c.command(f'LOGIN "{user}" pass').startswith("OK"), user
        assert c.command(f"CREATE box-{user.replace('*', '-')}").startswith("OK")
        c.close()


def test_nobody_is_at_first(daemon):
    for mechanism in (*ALL, None):
        assert attempt(daemon, mechanism, "user1@example.org*user2@example.org").startswith(REFUSED), mechanism
        assert attempt(daemon, mechanism, "user1@example.org*user2@example.org", "wrong").startswith(FAILED), mechanism


def test_master(daemon):
    command(daemon, "user", "set", "user2@example.org", "master", "true")
    for mechanism in (*ALL, None):
        for name in ("user1@example.org*user2@example.org", "User1@example.org*USER2", "user1*user2"):
            assert attempt(daemon, mechanism, name) == "OK user1@example.org", (mechanism, name)
        assert attempt(daemon, mechanism, "far@elsewhere.example*user2@example.org") == "OK far@elsewhere.example"
        assert attempt(daemon, mechanism, "user2@example.org") == "OK user2@example.org", "as itself"
        assert attempt(daemon, mechanism, "user2@example.org*user2@example.org") == "OK user2@example.org"
        for name, password, said in (("user1@example.org*user2@example.org", "wrong", FAILED), ("nobody@example.org*user2", "pass", REFUSED),
                                     ("user1@example.org*user3", "pass", REFUSED), ("user1@example.org*nobody", "pass", FAILED),
                                     ("*user2", "pass", FAILED), ("user1*", "pass", FAILED), ("user1*user3*user2", "pass", REFUSED)):
            answer = attempt(daemon, mechanism, name, password)
            assert answer.startswith(said), (mechanism, name, answer)
    log = daemon.log_tail(300)
    assert re.search(r"event=login .*user=user1@example.org .*master=user2@example.org\b", log), log
    assert re.search(r"event=login_failed .*user=user2@example.org .*as=user1@example.org\b", log)
    assert not re.search(r"event=login .*user=user2@example.org .*master=", log)


def test_authorization_identity(daemon):
    command(daemon, "user", "set", "user2@example.org", "master", "true")
    for wanted, said in (("user1@example.org", "OK"), ("USER1", "OK"), ("nobody@example.org", REFUSED), ("no address at all", REFUSED)):
        c = Client(daemon.imap)
        answer = first_answer(c, "PLAIN", f"{wanted}\0user2@example.org\0pass".encode())
        assert answer.startswith(said), (wanted, answer)
        c.close()
        for mechanism in ALL[2:]:
            c = Client(daemon.imap)
            answer = scram(c, mechanism, "user2@example.org", "pass", gs2=f"n,a={wanted},")
            assert answer.startswith(said), (mechanism, wanted, answer)
            c.close()
    for wanted, name, said in (("user1@example.org", "user1*user2", "OK"), ("user3@example.org", "user1*user2", REFUSED)):
        c = Client(daemon.imap)
        assert first_answer(c, "PLAIN", f"{wanted}\0{name}\0pass".encode()).startswith(said), "named in two places"
        c.close()


def test_of_a_domain(daemon):
    command(daemon, "user", "set", "user4@example.org", "domain_master", "true")
    assert attempt(daemon, "PLAIN", "user1@example.org*user4@example.org") == "OK user1@example.org"
    assert attempt(daemon, "PLAIN", "far@elsewhere.example*user4@example.org").startswith(REFUSED)


def test_taken_away(daemon):
    command(daemon, "user", "set", "user5@example.org", "master", "true")
    assert attempt(daemon, "PLAIN", "user1*user5") == "OK user1@example.org"
    command(daemon, "user", "set", "user5@example.org", "master")
    assert attempt(daemon, "PLAIN", "user1*user5").startswith(REFUSED)


def test_history_names_the_master(daemon):
    command(daemon, "user", "set", "user2@example.org", "master", "true")
    c = Client(daemon.imap)
    assert c.command('LOGIN "user1*user2" pass').startswith("OK")
    assert c.command("CREATE by-master").startswith("OK")
    c.close()
    assert "user2@example.org" in command(daemon, "history", "user1@example.org"), "who did it"


def test_a_star_in_a_name(daemon):
    """A user whose name has a star in it is that user."""
    command(daemon, "user", "add", "--password-stdin", "user1*user2@example.org", stdin="pass\n")
    make_boxes(daemon, "user1*user2@example.org")
    command(daemon, "user", "set", "user2@example.org", "master", "true")
    try:
        for mechanism in (*ALL, None):
            assert attempt(daemon, mechanism, "user1*user2@example.org").startswith("OK user1"), mechanism
            assert attempt(daemon, mechanism, "user1*user2@example.org") != "OK user1@example.org"
    finally:
        command(daemon, "user", "remove", "user1*user2@example.org")


def test_default_domain(daemon):
    for mechanism in (*ALL, None):
        for name in ("user1", "USER1", "user1@example.org"):
            assert attempt(daemon, mechanism, name) == "OK user1@example.org", (mechanism, name)
        assert attempt(daemon, mechanism, "nobody").startswith(FAILED)


def test_alias(daemon):
    """An alias of one user is a name of that user, through other aliases too; one of several is nobody's."""
    for address, target in (("sales@example.org", "user1@example.org"), ("shop@elsewhere.example", "sales@example.org"),
                            ("both@example.org", "user1@example.org"), ("both@example.org", "user3@example.org"),
                            ("@elsewhere.example", "user1@example.org")):
        command(daemon, "alias", "add", address, target)
    command(daemon, "user", "set", "user2@example.org", "master", "true")
    for mechanism in (*ALL, None):
        for name in ("sales@example.org", "Sales", "shop@elsewhere.example"):
            assert attempt(daemon, mechanism, name) == "OK user1@example.org", (mechanism, name)
            assert attempt(daemon, mechanism, name, "wrong").startswith(FAILED), (mechanism, name)
        assert attempt(daemon, mechanism, "sales*user2") == "OK user1@example.org", mechanism
        for name in ("both@example.org", "anybody@elsewhere.example", "sales+x@example.org"):
            assert attempt(daemon, mechanism, name).startswith(FAILED), (mechanism, name)
    c = Client(daemon.imap)
    assert first_answer(c, "PLAIN", b"sales@example.org\0user1@example.org\0pass").startswith("OK"), "both are the same one"
    c.close()
    command(daemon, "alias", "remove", "sales@example.org")
    assert attempt(daemon, "PLAIN", "sales@example.org").startswith(FAILED)


def main():
    args = runner.arguments(__doc__)
    daemon = Daemon(args.roost, users=5, extra='default_domain = "example.org"\nlogin_delay_ms = 0\n')
    command(daemon, "domain", "add", "elsewhere.example")
    command(daemon, "user", "add", "--password-stdin", "far@elsewhere.example", stdin="pass\n")
    make_boxes(daemon, "far@elsewhere.example", *(f"user{n}@example.org" for n in range(1, 6)))
    failed = runner.run(globals(), args, lambda test, _: test(daemon))
    return daemon.stop() or failed


if __name__ == "__main__":
    sys.exit(bool(main()))
