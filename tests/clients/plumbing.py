#!/usr/bin/env python3
"""Connections at their edges: peers that half close, do not read, flood, come by other ways, or are there at the stop."""
import base64, ctypes, json, os, pathlib, signal, socket, ssl, subprocess, sys, tempfile, time

import runner
from daemon import Daemon, free_ports


class Client:
    """A socket with lines."""

    def __init__(self, port, host="127.0.0.1", buffer=None):
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(20)
        self.socket.connect((host, port))
        self.data = b""

    def send(self, data):
        self.socket.sendall(data)

    def until(self, end):
        data, looked = bytearray(self.data), 0
        while (at := data.find(end, looked)) < 0:
            looked = max(0, len(data) - len(end))
            more = self.socket.recv(1 << 18)
            if not more:
                raise EOFError(f"closed before {end!r}: {bytes(data[-200:])!r}")
            data += more
        at += len(end)
        self.data = bytes(data[at:])
        return bytes(data[:at])

    def rest(self):
        while True:
            more = self.socket.recv(65536)
            if not more:
                return self.data
            self.data += more

    def log_in(self, user):
        self.until(b"\r\n")
        self.send(b"a LOGIN %s@example.org pass\r\n" % user)
        self.until(b"a OK")
        self.until(b"\r\n")
        return self


def append(client, mailbox, message, count=1):
    for _ in range(count):
        client.send(b"ap APPEND %s {%d+}\r\n%s\r\n" % (mailbox, len(message), message))
        client.until(b"ap OK")
        client.until(b"\r\n")


MESSAGE = b"Subject: large\r\n\r\n" + b"0123456789 abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ\r\n" * 1600


def test_binary_in_pieces(daemon):
    """A large part read with BINARY piece by piece costs some times what it costs at once, not hundreds of times."""
    size, step = 16 << 20, 1 << 16
    octets = bytes(range(1, 256)) * (size // 255)
    encoded = base64.encodebytes(octets).replace(b"\n", b"\r\n")
    c = Client(daemon.imap).log_in(b"user1")
    c.send(b"x CREATE pieces\r\n")
    c.until(b"x OK")
    append(c, b"pieces", b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n" + encoded)
    c.send(b"x EXAMINE pieces\r\n")
    c.until(b"x OK")
    begin = daemon.cpu_s()
    c.send(b"w FETCH 1 BINARY.PEEK[1]\r\n")
    assert octets in c.until(b"w OK")
    whole, begin = daemon.cpu_s() - begin, daemon.cpu_s()
    for at in range(0, len(octets), step):
        c.send(b"p FETCH 1 BINARY.PEEK[1]<%d.%d>\r\n" % (at, step))
        assert octets[at:at + step] in c.until(b"p OK"), at
    pieces = daemon.cpu_s() - begin
    assert pieces < 20 * whole + 1, (whole, pieces)
    c.send(b"x DELETE pieces\r\n")
    c.until(b"x OK")
    c.socket.close()


def test_half_closed(daemon):
    """All that was sent before is answered, then the server closes."""
    c = Client(daemon.imap).log_in(b"user1")
    c.send(b"b SELECT INBOX\r\n" + b"".join(b"n%d NOOP\r\n" % i for i in range(300)) + b"c STATUS INBOX (MESSAGES)\r\n")
    c.socket.shutdown(socket.SHUT_WR)
    got = c.rest()
    assert b"n299 OK" in got and b"c OK" in got, got[-300:]


def test_half_closed_before_login(daemon):
    """The password is hashed on another thread meanwhile."""
    for _ in range(10):
        c = Client(daemon.imap)
        c.send(b"a LOGIN user4@example.org pass\r\nb SELECT INBOX\r\n" + b"".join(b"n%d NOOP\r\n" % i for i in range(100)))
        c.socket.shutdown(socket.SHUT_WR)
        got = c.rest()
        assert b"a OK" in got and b"b OK" in got and b"n99 OK" in got, got[-300:]


def test_half_closed_in_a_line(daemon):
    c = Client(daemon.imap).log_in(b"user1")
    c.send(b"b NOOP\r\nc NO")
    c.socket.shutdown(socket.SHUT_WR)
    assert c.rest().startswith(b"b OK")


def test_slow_reader_gets_everything(daemon):
    c = Client(daemon.imap, buffer=4096).log_in(b"user2")
    append(c, b"INBOX", MESSAGE, 20)
    c.send(b"s SELECT INBOX\r\n")
    c.until(b"s OK")
    c.until(b"\r\n")
    c.send(b"f FETCH 1:* BODY.PEEK[]\r\n")
    time.sleep(0.3)
    got = c.until(b"f OK")
    assert got.count(MESSAGE) == 20, len(got)


def test_last_words_reach_a_flood(daemon):
    """The client goes on sending; closing at once would reset the connection and destroy the BYE."""
    for _ in range(5):
        c = Client(daemon.imap)
        c.until(b"\r\n")
        try:
            c.send(b"no such command\r\n" * 200_000)
        except (ConnectionResetError, BrokenPipeError):
            pass
        got = c.rest()
        assert b"BYE" in got, got


def test_logout_closes(daemon):
    c = Client(daemon.imap).log_in(b"user1")
    start = time.monotonic()
    c.send(b"b LOGOUT\r\n")
    got = c.rest()
    assert got.startswith(b"* BYE") and b"b OK" in got, got
    assert time.monotonic() - start < 1


def test_tls_closes_properly(daemon):
    """close_notify, in both versions; a truncated stream would raise."""
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = context.maximum_version = version
        context.set_alpn_protocols(["imap"])
        with socket.create_connection(("127.0.0.1", daemon.imaps), 20) as raw:
            with context.wrap_socket(raw, suppress_ragged_eofs=False) as s:
                assert s.selected_alpn_protocol() == "imap"
                s.sendall(b"a LOGOUT\r\n")
                got = b""
                while more := s.recv(65536):
                    got += more
                assert b"a OK" in got, got


def test_starttls_forgets_what_was_pipelined(daemon):
    """RFC 9051 6.2.1: in one segment with STARTTLS, in the clear.  It is neither run in the clear nor after the handshake."""
    c = Client(daemon.imap)
    c.until(b"\r\n")
    c.send(b"a STARTTLS\r\nb NOOP\r\nc CAPABILITY\r\n")
    assert c.until(b"\r\n").startswith(b"a OK")
    assert c.data == b""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(c.socket) as s:
        s.sendall(b"d NOOP\r\n")
        assert s.recv(1000).startswith(b"d OK")


def test_garbage_instead_of_tls(daemon):
    c = Client(daemon.imaps)
    c.send(b"a1 LOGIN user1@example.org pass\r\n" * 3)
    try:
        assert b"OK" not in c.rest()
    except ConnectionResetError:
        pass


def test_stats_count(daemon):
    def status():
        out = subprocess.run([daemon.roost, "-c", str(daemon.directory / "roost.conf"), "stats", "--json"],
                             capture_output=True, check=True, timeout=20).stdout
        return {row["name"]: row["value"] for row in json.loads(out)}
    before = status()
    clients = [Client(daemon.imap).log_in(b"user3") for _ in range(5)]
    strangers = [Client(daemon.imap) for _ in range(3)]
    for s in strangers:
        s.until(b"\r\n")
    after = status()
    assert after["connections"] - before["connections"] == 8, (before, after)
    assert after["connections_not_logged_in"] - before["connections_not_logged_in"] == 3, (before, after)
    assert after["accounts_open"] >= 1
    del clients


def test_still_here(roost):
    """A client in IDLE hears that often enough, with and without a mailbox, and no more once it has ended it."""
    daemon = Daemon(roost, users=1, extra="idle_pulse_s = 1\n")
    c = Client(daemon.imap).log_in(b"user1")
    for before in (b"", b"s SELECT INBOX\r\n"):
        c.send(before + b"i IDLE\r\n")
        c.until(b"+ ")
        start = time.monotonic()
        assert c.until(b"* OK Still here\r\n").count(b"* ") == 1
        assert time.monotonic() - start > 0.9, "it is said too often"
        c.send(b"DONE\r\n")
        c.until(b"i OK Done\r\n")
    time.sleep(2.5)
    c.send(b"n NOOP\r\n")
    assert b"Still here" not in c.until(b"n OK")
    assert daemon.stop() == 0


def test_stop(roost):
    """BYE to those who listen, exit 0 soon although one does not read; in the middle of a FETCH too."""
    daemon = Daemon(roost, users=3)
    idle, stalled = Client(daemon.imap).log_in(b"user1"), Client(daemon.imap, buffer=4096).log_in(b"user2")
    idle.send(b"s SELECT INBOX\r\ni IDLE\r\n")
    idle.until(b"+ ")
    append(stalled, b"INBOX", MESSAGE, 30)
    stalled.send(b"s SELECT INBOX\r\nf FETCH 1:* BODY[]\r\n")
    time.sleep(0.3)
    start = time.monotonic()
    daemon.process.send_signal(signal.SIGTERM)
    assert b"* BYE" in idle.rest()
    assert daemon.process.wait(10) == 0
    assert time.monotonic() - start < 6, time.monotonic() - start
    daemon.stop()


def test_hangup_is_survived(roost):
    daemon = Daemon(roost, users=1)
    daemon.process.send_signal(signal.SIGHUP)
    Client(daemon.imap).log_in(b"user1")
    assert daemon.stop() == 0


def test_other_addresses(roost):
    port, = free_ports(1)
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/lmtp"
        daemon = Daemon(roost, users=1, extra=f'listen {{ protocol = "imap" address = "::1" port = {port} cleartext_login = true }}\n'
                                              f'listen {{ protocol = "lmtp" path = "{path}" }}\n')
        Client(port, host="::1").log_in(b"user1")
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(path)
            assert s.recv(100).startswith(b"220")
        assert daemon.stop() == 0
        assert not os.path.exists(path)


def running_worker(pid):
    """The id of a worker's thread that is at work."""
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            name, state = (task / "stat").read_text().split("(", 1)[1].rsplit(")", 1)
        except OSError:
            continue
        if name.startswith("worker-") and state.split()[0] == "R":
            return int(task.name)
    return None


def crash_at_work(daemon, user):
    """Sends a worker a fatal signal while it searches for `user`."""
    c = Client(daemon.imap).log_in(user)
    c.send(b"s SELECT INBOX\r\n")
    c.until(b"s OK")
    kill_thread, SYS_TGKILL = ctypes.CDLL(None).syscall, 234
    for _ in range(200):
        c.send(b"".join(b"x%d SEARCH TEXT nowhere\r\n" % i for i in range(50)))
        looks = 0  # in a row at which a worker was busy: one that only woke up does not stay so
        for _ in range(50):
            time.sleep(0.003)
            thread = running_worker(daemon.pid)
            looks = looks + 1 if thread else 0
            if looks >= 3:
                kill_thread(SYS_TGKILL, daemon.pid, thread, int(signal.SIGSEGV))
                daemon.process.wait(60)
                return
    raise AssertionError("no worker was seen at work")


def test_a_crashing_account_is_held(roost):
    """Which takes others down no more: after three crashes in a row its ops are refused, and nobody else's."""
    if os.uname().machine != "x86_64":
        return
    daemon = Daemon(roost, users=2)
    c = Client(daemon.imap).log_in(b"user1")
    append(c, b"INBOX", MESSAGE, 40)
    c.send(b"s SELECT INBOX\r\n" + b"c COPY 1:* INBOX\r\n" * 4)  # each search takes a while
    for _ in range(4):
        c.until(b"c OK")
    crashes = daemon.directory / "store" / "crashes"
    seen = 0
    for _ in range(20):
        crash_at_work(daemon, b"user1")
        daemon.log.close()
        seen = len(crashes.read_text().splitlines()) if crashes.exists() else 0  # none when the op had just ended
        daemon.start()
        if seen >= 3:
            break
    assert seen >= 3 and crashes.read_text().count("SEARCH") == seen, crashes.read_text()
    held = Client(daemon.imap).log_in(b"user1")
    held.send(b"s SELECT INBOX\r\n")
    assert b"s NO [UNAVAILABLE]" in held.until(b"\r\n")
    other = Client(daemon.imap).log_in(b"user2")
    other.send(b"s SELECT INBOX\r\n")
    other.until(b"s OK")
    assert "event=account_held" in daemon.log_tail(200)
    crashes.unlink()
    assert daemon.stop() == 0


def test_out_of_descriptors(roost):
    """A flood of connections: what is over is refused; those who are in go on; later ones get in."""
    with tempfile.NamedTemporaryFile("w", prefix="roost-few-", delete=False) as few:
        few.write(f'#!/bin/sh\nulimit -n 256\nexec "{pathlib.Path(roost).resolve()}" "$@"\n')
    os.chmod(few.name, 0o700)
    daemon = Daemon(few.name, users=2)
    os.unlink(few.name)
    inside = Client(daemon.imap).log_in(b"user1")
    flood = []
    for _ in range(300):
        s = socket.socket()
        s.settimeout(5)
        s.connect(("127.0.0.1", daemon.imap))
        flood.append(s)
    time.sleep(0.5)
    inside.send(b"n NOOP\r\n")
    assert inside.until(b"\r\n").startswith(b"n OK")
    for s in flood:
        s.close()
    time.sleep(1.5)
    Client(daemon.imap).log_in(b"user2")
    assert "connection_refused" in daemon.log_tail(1000) or "accept_failed" in daemon.log_tail(1000)
    assert daemon.stop() == 0


def main():
    args = runner.arguments(__doc__)
    shared = Daemon(args.roost, users=10)
    failed = runner.run(globals(), args, lambda test, _: test(shared if runner.wants(test, "daemon") else args.roost))
    return failed or shared.stop()


if __name__ == "__main__":
    sys.exit(bool(main()))
