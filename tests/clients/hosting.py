#!/usr/bin/env python3
"""What a provider of many domains needs: what a domain's users may have together."""
import argparse, concurrent.futures, pathlib, re, signal, smtplib, sys, time, traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / "harness")]
from admin import Store  # noqa: E402 (the path is set above)
from daemon import free_ports  # noqa: E402


class Hosting(Store):
    """example.org with user1, user2, ... and example.net with bob; LMTP on a port of its own."""

    def __init__(self, roost, users=8, extra=""):
        self.lmtp, = free_ports(1)
        super().__init__(roost, f'listen {{ protocol = "lmtp" port = {self.lmtp} }}\n{extra}')
        self.run("domain", "add", "example.org")
        self.run("user", "add", "user@example.org", "--count", str(users), "--password-stdin", stdin=b"pass\n")
        self.run("domain", "add", "example.net")
        self.run("user", "add", "bob@example.net", "--password-stdin", stdin=b"pass\n")

    def deliver(self, to, size=1000):
        """The reply's code."""
        with smtplib.LMTP("127.0.0.1", self.lmtp) as c:
            try:
                c.sendmail("a@example.com", [to], b"Subject: x\r\n\r\n" + b"x" * (size - 16) + b"\r\n")
            except smtplib.SMTPRecipientsRefused as e:
                return e.recipients[to][0]
            except smtplib.SMTPDataError as e:
                return e.smtp_code
        return 250

    def domain(self, name="example.org"):
        row, = self.json("quota", "domains", name)
        return row

    def sum(self, domain="example.org"):
        """Of what each user has by the account itself."""
        return sum(row["bytes"] for row in self.json("quota", "show", "--all") if row["address"].endswith("@" + domain))


def test_domain_limit_holds_for_all_at_once(roost):
    store = Hosting(roost)
    store.run("domain", "set", "example.org", "quota_domain", "20K")
    store.start()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda i: store.deliver(f"user{i % 8 + 1}@example.org"), range(40)))
    assert set(codes) == {250, 452}, codes
    have = store.domain()
    assert have["bytes_max"] == 20480 and have["bytes"] <= 20480 < have["bytes"] + 1300, have
    assert have["bytes"] == store.sum(), have
    assert have["users"] == 8 and have["users_unlimited"] == 8, have
    assert store.deliver("bob@example.net") == 250, "another domain has nothing to do with it"
    row, = store.json("quota", "show", "user1@example.org")
    assert (row["domain_bytes"], row["domain_bytes_max"]) == (have["bytes"], 20480)
    # By IMAP too; and what is expunged by one is room for another.
    c = store.log_in("user1@example.org", "pass")
    assert "OVERQUOTA" in str(c.append("INBOX", None, None, b"x" * 1000))
    c.select()
    assert "OVERQUOTA" in str(c.copy("1", "Sent"))
    assert c.uid("move", "1", "Sent")[0] == "OK"
    c.select("Sent")
    c.store("1:*", "+FLAGS", r"\Deleted")
    c.expunge()
    assert store.deliver("user2@example.org") == 250
    assert store.deliver("user3@example.org") == 452
    c.logout()
    store.close()


def test_domain_sum_outlives_the_daemon(roost):
    store = Hosting(roost, users=4)
    store.start()
    for i in range(4):
        assert store.deliver(f"user{i + 1}@example.org") == 250
    have = store.sum()
    assert store.domain()["bytes"] == have
    assert store.stop() == 0
    assert store.domain()["bytes"] == have, "without a daemon, no account is opened for it"
    store.start()
    assert store.deliver("user1@example.org") == 250
    assert store.stop(signal.SIGKILL) != 0
    store.start()  # accounts that have changed since are counted
    have = store.sum()
    deadline = time.monotonic() + 10
    while store.domain()["bytes"] != have and time.monotonic() < deadline:
        time.sleep(0.1)
    assert store.domain()["bytes"] == have
    store.close()


def test_crash_is_counted_without_a_look(roost):
    """Nobody opens the account that got mail just before: the daemon does by itself."""
    store = Hosting(roost, users=2)
    store.start()
    for i in range(5):
        assert store.deliver("user1@example.org") == 250
    assert store.stop(signal.SIGKILL) != 0
    store.start()
    deadline = time.monotonic() + 10
    while store.domain()["bytes"] < 5000 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert store.domain()["bytes"] == store.sum() > 5000
    store.close()


def test_domain_sum_follows_users(roost):
    store = Hosting(roost, users=3)
    store.start()
    for user in ("user1@example.org", "user2@example.org", "user2@example.org", "bob@example.net"):
        assert store.deliver(user) == 250
    have = {row["address"]: row["bytes"] for row in store.json("quota", "show", "--all")}

    def check():
        for domain in ("example.org", "example.net"):
            deadline = time.monotonic() + 10
            while store.domain(domain)["bytes"] != store.sum(domain) and time.monotonic() < deadline:
                time.sleep(0.1)
            assert store.domain(domain)["bytes"] == store.sum(domain), domain
    check()
    store.run("user", "rename", "user2@example.org", "carol@example.net")
    assert store.deliver("carol@example.net") == 250
    check()
    assert store.domain()["bytes"] == have["user1@example.org"]
    time.sleep(6)  # it is recorded
    check()
    store.run("user", "remove", "carol@example.net")
    check()
    store.run("user", "restore", "carol@example.net")
    assert store.deliver("carol@example.net") == 250
    check()
    # With a daemon that starts: by the table alone.
    assert store.stop() == 0
    store.run("user", "rename", "carol@example.net", "user2@example.org")
    assert store.domain("example.net")["bytes"] == have["bob@example.net"]
    assert store.domain()["bytes"] > 2 * have["user2@example.org"]
    store.start()
    check()
    store.close()


def test_over_allocation(roost):
    store = Hosting(roost, users=3)
    store.run("domain", "set", "example.org", "quota_storage", "10K")
    store.run("domain", "set", "example.org", "quota_domain", "15K")
    store.run("quota", "set", "user3@example.org", "--storage", "0")
    have = store.domain()
    assert (have["users_bytes_max"], have["users_unlimited"], have["bytes_max"]) == (20480, 1, 15360), have
    assert "no such setting" in store.run("user", "set", "user1@example.org", "quota_domain", "1", code=1)
    store.start()
    assert [store.deliver("user1@example.org", 4000) for _ in range(3)] == [250, 250, 452]
    assert [store.deliver("user3@example.org", 4000) for _ in range(2)] == [250, 452]
    # What is above a limit that was made less stays; nothing is added.
    store.run("domain", "set", "example.org", "quota_domain", "1K")
    assert store.deliver("user2@example.org") == 452
    store.run("domain", "set", "example.org", "quota_domain")
    assert store.deliver("user2@example.org") == 250
    store.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--roost", required=True)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    roost = str(pathlib.Path(args.roost).resolve())
    failed = 0
    for name, test in [(n, t) for n, t in globals().items() if n.startswith("test_") and args.only in n]:
        try:
            test(roost)
            print(f"ok {name}", flush=True)
        except Exception as e:
            failed += 1
            print(f"FAILED {name}: {type(e).__name__}: {str(e)[:2000]}", flush=True)
            traceback.print_exc()
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
