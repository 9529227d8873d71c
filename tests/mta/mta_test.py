#!/usr/bin/env python3
"""A real Postfix and a real Exim before Roost: mail by SMTP into mailboxes of two domains, unknown users, messages that are
too large, users that are over quota, a Roost that is away for a while; everything is looked for through IMAP."""
import argparse, email.policy, imaplib, os, pathlib, re, shutil, smtplib, socket, subprocess, sys, tempfile, time, traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "clients"), str(HERE.parent / "harness")]
from store import Store  # noqa: E402 (the path is set above)
from daemon import free_ports  # noqa: E402
import overlay  # noqa: E402

STAGE = HERE / "stage.sh"

POSTFIX_MAIN = """
compatibility_level = 3.6
myhostname = mx.example.com
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
maillog_file = {dir}/mta.log
maillog_file_prefixes = {dir}
virtual_mailbox_domains = example.org, example.net
virtual_transport = lmtp:unix:{socket}
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_recipient_restrictions = reject_unauth_destination, reject_unverified_recipient
unverified_recipient_reject_code = 550
# For a test only: everything soon.
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
transport_retry_time = 1s
address_verify_poll_count = 10
address_verify_poll_delay = 1s
bounce_queue_lifetime = 1d
"""

POSTFIX_MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 1 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
error     unix  - - n - - error
retry     unix  - - n - - error
lmtp      unix  - - n - - lmtp
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""

EXIM = """
primary_hostname = mx.example.com
domainlist ours = example.org : example.net
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
spool_directory = /var/spool/exim
log_file_path = {dir}/mta-%slog
pid_file_path = /var/spool/exim/pid
smtputf8_advertise_hosts = *
acl_smtp_rcpt = rcpt
message_size_limit = 20M

begin acl
rcpt:
  deny    message = relay not permitted
          !domains = +ours
  deny    message = unknown user
          !verify = recipient/callout=20s,defer_ok,no_cache
  accept

begin routers
roost:
  driver = accept
  domains = +ours
  transport = roost

begin transports
roost:
  driver = smtp
  protocol = lmtp
  hosts = 127.0.0.1
  port = {lmtp}
  allow_localhost
  max_rcpt = 50

begin retry
*  *  F,1h,1s
"""


class Mta:
    """One of the two, between SMTP on a port of its own and the store's LMTP."""

    def __init__(self, which, staged, store):
        self.which, self.directory = which, pathlib.Path(tempfile.mkdtemp(prefix="roost-mta"))
        self.port, = free_ports(1)
        os.chmod(self.directory, 0o755)
        (self.directory / "root").symlink_to(staged / "root")
        values = {"dir": self.directory, "port": self.port, "lmtp": store.lmtp, "socket": store.socket}
        etc = self.directory / "etc"
        (etc / "postfix").mkdir(parents=True)
        (etc / "exim4").mkdir()
        (etc / "postfix/main.cf").write_text(POSTFIX_MAIN.format(**values))
        (etc / "postfix/master.cf").write_text(POSTFIX_MASTER.format(**values))
        (etc / "exim4/exim4.conf").write_text(EXIM.format(**values))
        self.output = open(self.directory / "output", "wb")
        self.process = subprocess.Popen([str(STAGE), "run", which, str(self.directory)], stdout=self.output, stderr=self.output,
                                        stdin=subprocess.DEVNULL)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert self.process.poll() is None, self.log()
                time.sleep(0.1)
        raise AssertionError(f"{which} does not answer: {self.log()}")

    def log(self):
        found = [p.read_text(errors="replace")[-3000:] for p in (self.directory / "output", *sorted(self.directory.glob("mta*")))]
        return "\n".join(found)

    def stop(self):
        self.process.kill()  # and with it everything in its namespace
        self.process.wait()
        self.output.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def send(self, recipients, data, sender="alice@example.org", options=()):
        """What was refused: {recipient: (code, text)}."""
        with smtplib.SMTP("127.0.0.1", self.port, local_hostname="client.example.com", timeout=60) as s:
            try:
                return s.sendmail(sender, recipients, data, options)
            except smtplib.SMTPRecipientsRefused as e:
                return e.recipients


def look(store, user, mailbox="INBOX"):
    """The messages of a mailbox, whole."""
    c = imaplib.IMAP4("127.0.0.1", store.port)
    c.login(user, "secret")
    c.select(mailbox, readonly=True)
    found = [item[1] for item in c.uid("FETCH", "1:*", "(BODY.PEEK[])")[1] if isinstance(item, tuple)]
    c.logout()
    return found


def await_mail(store, user, word, mailbox="INBOX", seconds=40):
    """The message with this word in it, when it has come."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for message in look(store, user, mailbox):
            if word.encode() in message:
                return message
        time.sleep(0.2)
    raise AssertionError(f"no message with {word!r} came for {user}")


def has_verb(store, words):
    said = subprocess.run([store.roost, "help"], capture_output=True, text=True, check=True).stdout
    return any(line.startswith(f"  roost {words}") for line in said.splitlines())


def check_delivery(store, mta):
    body = "From here on\r\n.\r\n..two dots\r\n\u00e4\u00f6\u00fc \u4f60\u597d\r\n" + "x" * 900 + "\r\n"
    message = ("From: Alice <alice@example.org>\r\nTo: bob@example.net\r\nSubject: first by " + mta.which +
               "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + body).encode()
    recipients = ["alice@example.org", "bob@example.net", "carol+lists@example.net"]
    assert mta.send(recipients, message, options=["BODY=8BITMIME"]) == {}
    for user, mailbox in (("alice@example.org", "INBOX"), ("bob@example.net", "INBOX"), ("carol@example.net", "Lists")):
        got = await_mail(store, user, f"first by {mta.which}", mailbox)
        head, _, text = got.partition(b"\r\n\r\n")
        assert text == body.encode(), text
        assert head.startswith(b"Return-Path: <alice@example.org>\r\nDelivered-To: " + user.encode()), head
        assert head.count(b"\nReturn-Path:") == 0 and b"by mx.example.com" in head, head
    # Many at once, large and small.
    for n in range(20):
        assert mta.send(["bob@example.net"], b"Subject: number %d of %s\r\n\r\n%s\r\n" % (
            n, mta.which.encode(), b"y" * 70 + b"\r\n" * (400_000 if n % 7 == 0 else 10))) == {}
    end = time.monotonic() + 60
    while True:
        count = sum(f"number".encode() in m and mta.which.encode() in m for m in look(store, "bob@example.net"))
        if count == 20:
            break
        assert time.monotonic() < end, count
        time.sleep(0.3)


def check_refusals(store, mta):
    """The mail server asks Roost before it takes a message for somebody."""
    refused = mta.send(["nobody@example.org", "nobody@example.net"], b"Subject: to nobody\r\n\r\n")
    assert set(refused) == {"nobody@example.org", "nobody@example.net"} and all(c == 550 for c, _ in refused.values()), refused
    refused = mta.send(["nobody@example.org", "bob@example.net"], f"Subject: half by {mta.which}\r\n\r\n".encode())
    assert set(refused) == {"nobody@example.org"}, refused
    await_mail(store, "bob@example.net", f"half by {mta.which}")
    assert mta.send(["someone@elsewhere.example"], b"Subject: relay\r\n\r\n"), "it relays"
    # Larger than Roost takes: the sender is told, at once (Exim asks with the size) or by a message.
    refused = mta.send(["bob@example.net"], b"Subject: huge\r\n\r\n" + b"z" * 70 + b"\r\n" * 3_000_000)
    if refused:
        assert 500 <= refused["bob@example.net"][0] < 600, refused
    else:
        bounce = await_mail(store, "alice@example.org", "size limit")
        assert b"bob@example.net" in bounce and b"Return-Path: <>" in bounce, bounce[:500]


def check_over_quota(store, mta):
    if not has_verb(store, "quota set"):
        print("skip check_over_quota: this roost has no quotas")
        return
    assert mta.send(["full@example.org"], f"Subject: fits by {mta.which}\r\n\r\n".encode()) == {}
    await_mail(store, "full@example.org", f"fits by {mta.which}")
    store.run(*store.quota_words("full@example.org", 1))
    refused = mta.send(["full@example.org", "bob@example.net"], f"Subject: too much by {mta.which}\r\n\r\n".encode())
    await_mail(store, "bob@example.net", f"too much by {mta.which}")
    time.sleep(2)  # some tries of the queue
    assert not any(b"too much by" in m for m in look(store, "full@example.org"))
    store.run(*store.quota_words("full@example.org", 0))
    if refused:
        assert 400 <= refused["full@example.org"][0] < 500, refused
    else:
        await_mail(store, "full@example.org", f"too much by {mta.which}")


def check_absence(store, mta):
    """While Roost is away mail waits, and comes once when it is back."""
    assert mta.send(["bob@example.net"], f"Subject: before by {mta.which}\r\n\r\n".encode()) == {}
    await_mail(store, "bob@example.net", f"before by {mta.which}")
    assert store.stop() == 0
    refused = mta.send(["bob@example.net"], f"Subject: meanwhile by {mta.which}\r\n\r\n".encode())
    time.sleep(1)
    store.start()
    if refused:  # Postfix remembers whom it has asked about; else it is a temporary error, and the client tries again
        assert 400 <= refused["bob@example.net"][0] < 500, refused
        assert mta.send(["bob@example.net"], f"Subject: meanwhile by {mta.which}\r\n\r\n".encode()) == {}
    await_mail(store, "bob@example.net", f"meanwhile by {mta.which}")
    time.sleep(1)
    assert sum(f"meanwhile by {mta.which}".encode() in m for m in look(store, "bob@example.net")) == 1


class MtaStore(Store):
    def __init__(self, roost):
        super().__init__(roost)
        os.chmod(self.directory, 0o755)
        self.lmtp, = free_ports(1)
        self.socket = str(self.directory / "lmtp")
        with open(self.config, "a") as f:
            f.write(f'hostname = "store.example.com"\nmessage_bytes_max = 4000000\nlisten {{ protocol = "lmtp" path = "{self.socket}" }}\n'
                    f'listen {{ protocol = "lmtp" address = "127.0.0.1" port = {self.lmtp} }}\n')
        for domain in ("example.org", "example.net"):
            self.run("domain", "add", domain)
        for user in ("alice@example.org", "full@example.org", "bob@example.net", "carol@example.net"):
            self.run("user", "add", user, stdin=b"secret\n")
        self.start()
        c = imaplib.IMAP4("127.0.0.1", self.port)
        c.login("carol@example.net", "secret")
        c.create("Lists")
        c.logout()

    def quota_words(self, user, messages):
        return ("quota", "set", user, "--messages", str(messages))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--roost", required=True)
    parser.add_argument("--cache", required=True, help="where the packages are kept")
    parser.add_argument("--only", default="", choices=("", "postfix", "exim"))
    args = parser.parse_args()
    if overlay.missing():
        print(f"skip: {overlay.missing()}")
        return 0
    failed = 0
    for which in (args.only,) if args.only else ("postfix", "exim"):
        staged = pathlib.Path(args.cache).resolve() / which
        if not (staged / "root/usr").is_dir():
            p = subprocess.run([str(STAGE), "fetch", which, str(staged)], capture_output=True, text=True)
            if p.returncode:
                print(f"skip {which}: {p.stderr.strip()}")
                continue
        store = MtaStore(str(pathlib.Path(args.roost).resolve()))
        mta = None
        try:
            mta = Mta(which, staged, store)
            for check in (check_delivery, check_refusals, check_over_quota, check_absence):
                start = time.monotonic()
                check(store, mta)
                print(f"ok {which} {check.__name__} ({time.monotonic() - start:.1f} s)", flush=True)
            store.run("check", "--all")
        except Exception:  # noqa: whatever went wrong, its log is wanted
            failed += 1
            print(f"FAILED {which}\n{traceback.format_exc()[-3000:]}\n{mta.log() if mta else ''}", flush=True)
        finally:
            if mta:
                mta.stop()
            store.close()
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
