#!/usr/bin/env python3
"""What a provider of many domains needs: what a domain's users may have together, users and domains that go."""
import concurrent.futures, imaplib, json, os, random, re, signal, smtplib, sqlite3, subprocess, sys, time
from datetime import datetime

import runner
from store import Store
from daemon import free_ports


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


def directory(store, sql, *values):
    """By a connection of its own."""
    with sqlite3.connect(store.directory / "store" / "directory.db") as db:
        return db.execute(sql, values).fetchall()


def accounts(store):
    return {p.name for p in (store.directory / "store" / "accounts").iterdir()}


def account_of(store, address):
    return next(row["account"] for row in store.json("user", "list") if row["address"] == address)


def large():
    return b"Subject: large\n\n" + random.randbytes(300_000).replace(b"\0", b"1")


def wait_until(check, seconds=15):
    deadline = time.monotonic() + seconds
    while not check() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert check()


def twice(test):
    """With a daemon that runs, and with none."""
    def run(roost):
        for daemon in (False, True):
            store = Hosting(roost, users=3)
            if daemon:
                store.start()
            test(store)
            store.close()
    return run


@twice
def test_removed_and_had_back(store):
    store.run("deliver", "user1@example.org", stdin=b"Subject: kept\n\n")
    store.run("user", "set", "user1@example.org", "retention_days", "3")
    account = account_of(store, "user1@example.org")
    assert store.json("user", "removed") == []
    store.run("user", "remove", "user1@example.org")
    row, = store.json("user", "removed", "example.org")
    assert (row["address"], row["account"], row["going"]) == ("user1@example.org", account, False), row
    days = (datetime.strptime(row["until"], "%Y-%m-%dT%H:%M:%SZ") - datetime.strptime(row["removed"], "%Y-%m-%dT%H:%M:%SZ")).days
    assert days == 30, row
    assert store.json("user", "removed", "example.net") == []
    store.run("domain", "set", "example.org", "removed_days", "0")
    assert store.json("user", "removed")[0]["until"] == ""
    store.run("user", "restore", "user1@example.org")
    assert store.json("user", "removed") == []
    row, = store.json("quota", "show", "user1@example.org")
    assert row["messages"] == 1
    assert any(r["setting"] == "retention_days" and r["value"] == "3" for r in store.json("user", "show", "user1@example.org"))


@twice
def test_removed_for_good(store):
    for user in ("user1@example.org", "user2@example.org"):
        store.run("deliver", user, stdin=large())
    one, two = account_of(store, "user1@example.org"), account_of(store, "user2@example.org")
    assert {one, two} <= accounts(store)
    if store.daemon:  # sessions do not keep it
        there = store.log_in("user1@example.org", "pass")
        there.select()
    store.run("user", "remove", "user1@example.org", "--now")
    assert one not in accounts(store)
    assert "not found" in store.run("user", "restore", "user1@example.org", code=1)
    store.run("user", "remove", "user2@example.org")
    assert two in accounts(store)
    store.run("user", "remove", "user2@example.org", "--now")  # it was removed before
    assert accounts(store) & {one, two} == set() and store.json("user", "removed") == []
    assert "not found" in store.run("user", "remove", "user2@example.org", "--now", code=1)
    # Somebody new of that name begins with nothing.
    store.run("user", "add", "user1@example.org", "--password-stdin", stdin=b"pass\n")
    assert store.json("quota", "show", "user1@example.org")[0]["messages"] == 0
    if store.daemon:
        assert store.stop() == 0
    for table, column in (("credential", "account"), ("setting", "owner"), ("usage", "account"), ("removed", "account")):
        assert directory(store, f"SELECT * FROM {table} WHERE {column} IN (?, ?)", one, two) == [], table


@twice
def test_a_domain_goes_and_comes_back(store):
    store.run("domain", "set", "example.org", "retention_days", "5")
    store.run("alias", "add", "info@example.org", "bob@example.net")
    store.run("alias", "add", "all@example.net", "user1@example.org")
    store.run("user", "remove", "user3@example.org")  # before, and not with it
    store.run("deliver", "user1@example.org", stdin=b"Subject: kept\n\n")
    assert "--users" in store.run("domain", "remove", "example.org", code=1)
    assert len(store.json("user", "list", "example.org")) == 2
    store.run("domain", "remove", "example.org", "--users")
    assert [row["domain"] for row in store.json("domain", "list")] == ["example.net"]
    if store.daemon:
        for nobody in ("user1@example.org", "info@example.org", "all@example.net"):
            assert store.deliver(nobody) == 550, nobody
    store.run("domain", "restore", "example.org")
    assert "not found" in store.run("domain", "restore", "example.org", code=1), "it is there"
    assert [row["address"] for row in store.json("user", "list", "example.org")] == ["user1@example.org", "user2@example.org"]
    assert any(r["setting"] == "retention_days" and r["value"] == "5" for r in store.json("domain", "show", "example.org"))
    assert store.json("quota", "show", "user1@example.org")[0]["messages"] == 1
    if store.daemon:
        assert [store.deliver(a) for a in ("info@example.org", "all@example.net")] == [250, 250]
    # A new one of that name begins afresh.
    store.run("domain", "remove", "example.org", "--users")
    store.run("domain", "add", "example.org")
    assert not any(r["value"] == "5" for r in store.json("domain", "show", "example.org"))
    assert store.json("alias", "list", "example.org") == []
    assert len(store.json("user", "removed", "example.org")) == 3
    store.run("domain", "remove", "example.org", "--now")
    assert store.json("user", "removed") == [] and len(accounts(store)) <= 1
    assert "not found" in store.run("domain", "remove", "example.org", "--now", code=1)
    assert "not found" in store.run("domain", "restore", "example.org", code=1)


def test_grace_ends(roost):
    store = Hosting(roost, users=3)
    for i in range(1, 4):
        store.run("deliver", f"user{i}@example.org", stdin=b"Subject: x\n\n")
        store.run("user", "remove", f"user{i}@example.org")
    store.run("domain", "remove", "example.org")
    ids = {row["address"]: row["account"] for row in store.json("user", "removed")}
    directory(store, "UPDATE removed SET at=at-29*86400 WHERE address='user1@example.org'")
    directory(store, "UPDATE removed SET at=at-31*86400 WHERE address='user2@example.org'")
    directory(store, "UPDATE removed SET at=at-31*86400 WHERE address='user3@example.org'")
    directory(store, "INSERT INTO setting VALUES(?, 'removed_days', 40)", ids["user3@example.org"])
    store.start()
    wait_until(lambda: ids["user2@example.org"] not in accounts(store))
    wait_until(lambda: len(store.json("user", "removed")) == 2)
    assert {ids["user1@example.org"], ids["user3@example.org"]} <= accounts(store)
    assert re.search(r"event=purged user=user2@example.org", (store.directory / "log").read_text())
    assert store.stop() == 0
    directory(store, "UPDATE removed_domain SET at=at-31*86400")
    store.start()
    wait_until(lambda: directory(store, "SELECT * FROM removed_domain") == [])
    assert "not found" in store.run("domain", "restore", "example.org", code=1)
    store.close()


def test_death_in_the_middle_of_a_purge(roost):
    """Wherever the daemon dies, the next one goes on; there is no way back."""
    for point in ("purge-unlink:1", "purge-unlink:2", "purge-directory:1", "purge-directory:2", "purge-parent-sync:1", "directory-commit:1",
                  "directory-commit:2", "directory-sync:1", "directory-sync:2"):
        store = Hosting(roost, users=2)
        store.run("deliver", "user1@example.org", stdin=large())
        one = account_of(store, "user1@example.org")
        os.environ["ROOST_CRASH_POINT"] = point
        store.start()
        del os.environ["ROOST_CRASH_POINT"]
        store.run("user", "remove", "user1@example.org", "--now", code=1)
        assert store.daemon.wait(20) == -9, point
        store.stop()
        gone = store.json("user", "removed")
        there = [row["address"] for row in store.json("user", "list", "example.org")]
        store.start()
        if point == "directory-commit:1":  # nothing was done
            assert gone == [] and len(there) == 2, (point, gone, there)
        else:
            assert [row["going"] for row in gone] in ([True], []) and there == ["user2@example.org"], (point, gone, there)
            assert "not found" in store.run("user", "restore", "user1@example.org", code=1), point
            wait_until(lambda: one not in accounts(store) and store.json("user", "removed") == [])
        store.close()


def subjects(store, user):
    c = store.log_in(user, "pass")
    c.select(readonly=True)
    _, data = c.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    c.logout()
    return [part[1].decode().strip() for part in data if isinstance(part, tuple)]


def empty(store, user):
    c = store.log_in(user, "pass")
    c.select()
    c.store("1:*", "+FLAGS", r"\Deleted")
    c.expunge()
    c.logout()
    time.sleep(0.5)  # that it is below is noticed in the background, a tenth of a second later at most


def test_warnings_by_message(roost):
    store = Hosting(roost, users=3, extra='quota_warnings = "50 90"\nadmin_contact = "mailto:help@example.org"\n')
    store.run("domain", "set", "example.org", "quota_storage", "20K")
    store.start()
    user = "user1@example.org"

    def full(percent):
        return f"Subject: Your mailbox is {percent} % full"

    def warned():
        return [s for s in subjects(store, user) if s != "Subject: x"]
    assert store.deliver(user, 9000) == 250
    assert warned() == []
    assert store.deliver(user, 1000) == 250
    wait_until(lambda: warned() == [full(50)])
    assert store.deliver(user, 500) == 250
    assert store.stop() == 0
    store.start()
    assert store.deliver(user, 500) == 250, "it was told before the restart"
    assert store.deliver(user, 6000) == 250
    wait_until(lambda: warned() == [full(50), full(90)])
    assert store.deliver(user, 9000) == 452
    # Below it, and up again; from nothing over both, the higher is told.
    empty(store, user)
    assert store.deliver(user, 19000) == 250
    wait_until(lambda: warned() == [full(90)])
    time.sleep(0.5)
    assert warned() == [full(90)]
    # Messages count as well; a quota that is made less is noticed with the next op.
    store.run("quota", "set", "user2@example.org", "--messages", "2")
    user = "user2@example.org"
    assert store.deliver(user) == 250
    wait_until(lambda: warned() == [full(50)] or warned() == [full(50), full(90)])
    c = store.log_in(user, "pass")
    c.select()
    _, data = c.fetch("2", "(BODY.PEEK[])")
    text = data[0][1].decode()
    assert "help@example.org" in text and "Auto-Submitted: auto-generated" in text and f"To: <{user}>" in text, text
    c.logout()
    # Others hear nothing.
    user = "user3@example.org"
    assert store.deliver(user) == 250
    time.sleep(0.5)
    assert warned() == []
    assert store.json("check", "--all") == []
    store.close()


def test_warnings_by_command(roost):
    store = Hosting(roost, users=1)
    told, command = store.directory / "told", store.directory / "tell"
    command.write_text(f'#!/bin/sh\necho "$@" >>{told}\n')
    command.chmod(0o755)
    config = store.config.read_text()
    store.write(config + f'quota_warnings = "50"\nquota_command = "{command}"\n')
    store.run("quota", "set", "user1@example.org", "--messages", "2")
    store.start()
    for _ in range(2):
        assert store.deliver("user1@example.org") == 250
        wait_until(lambda: told.exists() and told.read_text().endswith("\n"))
    assert told.read_text() == "user1@example.org 50 messages 1 2\n"
    assert subjects(store, "user1@example.org") == ["Subject: x"] * 2
    empty(store, "user1@example.org")
    assert store.deliver("user1@example.org") == 250
    wait_until(lambda: told.read_text().count("\n") == 2)
    assert store.stop() == 0
    store.write(config + f'quota_warnings = "50"\nquota_command = "{store.directory}/missing"\n')
    empty_and_deliver = lambda: (empty(store, "user1@example.org"), store.deliver("user1@example.org"))  # noqa: E731
    store.start()
    empty_and_deliver()
    wait_until(lambda: "event=command_failed" in (store.directory / "log").read_text())
    assert store.stop() == 0
    for wrong in ("0", "101", "90 50", "50 50", "x", "1 2 3 4 5", "50,90"):
        store.write(config + f'quota_warnings = "{wrong}"\n')
        assert "ascending" in store.run("user", "list", code=1), wrong
    store.write(config + 'quota_command = "tell"\n')
    assert "begins with /" in store.run("user", "list", code=1)
    store.write(config)
    store.close()


@twice
def test_users_by_table(store):
    def table(text, *more, code=0):
        (store.directory / "users.csv").write_text(text)
        return store.run("user", "import", str(store.directory / "users.csv"), *more, code=code)

    def users():
        return [row["address"] for row in store.json("user", "list")]
    before = users()
    one = ('\ufeffaddress,password,quota_storage,aliases\r\n'
           'Ann@Example.org,"se,""cret",1G,info@example.org sales@example.org\r\n\r\n'
           'ben@example.org,other,,\r\n'
           'user1@example.org,,2G,')
    assert "would be: 2 added, 0 changed, 1 unchanged" in table(one, "--dry-run") and users() == before
    assert "2 added, 1 changed, 0 unchanged" in table(one)
    assert "0 added, 0 changed, 3 unchanged" in table(one), "again"
    assert sorted(before + ["ann@example.org", "ben@example.org"]) == users()
    assert [(r["alias"], r["target"]) for r in store.json("alias", "list")] == \
        [("info@example.org", "ann@example.org"), ("sales@example.org", "ann@example.org")]
    assert store.json("quota", "show", "ann@example.org")[0]["bytes_max"] == 1 << 30
    assert "0 added, 1 changed, 0 unchanged" in table("address,password\nben@example.org,new\n")
    if store.daemon:
        store.log_in("ann@example.org", 'se,"cret').logout()
        store.log_in("ben@example.org", "new").logout()
        store.log_in("user1@example.org", "pass").logout()
    # Every line that is wrong is named, and nothing is done.
    wrong = ("address,password,hash,quota_storage,aliases\n"
             "new@example.org,x,,1G,\n"
             "no address,x,,,\n"
             "a@nowhere.example,x,,,\n"
             "b@example.org,x,$y$x,,\n"
             "c@example.org,,nohash,,\n"
             "d@example.org,x,,much,\n"
             "new@example.org,x,,,\n"
             "e@example.org,x,,,user2@example.org\n"
             "f@example.org,x,,,\"a b@@\"\n"
             "g@example.org,\u0007,,,\n"
             "h@example.org,x,,,,,\n")
    (store.directory / "users.csv").write_text(wrong)
    p = subprocess.run([store.roost, "-c", str(store.config), "user", "import", str(store.directory / "users.csv"), "--json"],
                       capture_output=True, text=True)
    said = json.loads(p.stdout)
    assert p.returncode == 1 and sorted({r["line"] for r in said}) == list(range(3, 13)), said
    assert "new@example.org" not in users()
    for text, problem in (("", "empty"), ("name\nx\n", "no such column"), ("password\nx\n", 'no column "address"'),
                          ('address\n"a@example.org\n', "not closed"), ('address\n"a"b\n', "closing quote"),
                          ("address,address\n", "twice")):
        (store.directory / "users.csv").write_text(text)
        p = subprocess.run([store.roost, "-c", str(store.config), "user", "import", "-"], input=text, capture_output=True, text=True)
        assert p.returncode == 1 and problem in p.stdout, (text, p.stdout, p.stderr)
    assert "No such file" in store.run("user", "import", str(store.directory / "missing"), code=1)
    assert "problems: 1; nothing was changed" in table("address\na@new.example\n", code=1)
    assert "1 added" in table("address,aliases\na@new.example,b@newer.example\n", "--domains")


@twice
def test_users_exported_and_read_again(store):
    store.run("user", "set", "user1@example.org", "capabilities_off", "UIDONLY QRESYNC")
    store.run("user", "set", "user2@example.org", "quota_storage", "3G")
    store.run("alias", "add", "x@example.org", "user2@example.org")
    store.run("user", "add", "--no-password", "card@example.org")
    table = store.run("user", "export", "example.org")
    assert table.startswith("address,hash,scram_sha1,scram_sha256,aliases,") and table.count("\n") == 5, table
    assert [r["address"] for r in store.json("user", "export", "example.org")] == [l.split(",")[0] for l in table.splitlines()[1:]]
    assert "0 added, 0 changed, 4 unchanged" in store.run("user", "import", "-", stdin=table.encode())
    other = Hosting(store.roost, users=1)
    other.run("user", "remove", "user1@example.org", "--now")
    assert "4 added" in other.run("user", "import", "-", stdin=table.encode())
    assert other.run("user", "export", "example.org") == table
    other.start()
    other.log_in("user1@example.org", "pass").logout()
    c = imaplib.IMAP4("127.0.0.1", other.port)
    for password in ("", "x", "*"):
        try:
            c.login("card@example.org", password or '""')
            raise AssertionError(password)
        except imaplib.IMAP4.error as e:
            assert "AUTHENTICATIONFAILED" in str(e), e
    c.logout()
    assert other.deliver("card@example.org") == 250
    other.close()


if __name__ == "__main__":
    args = runner.arguments(__doc__)
    sys.exit(bool(runner.run(globals(), args, lambda test, _: test(args.roost))))
