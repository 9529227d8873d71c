#!/usr/bin/env python3
"""COMPRESS=DEFLATE at its edges (RFC 4978): what is pipelined behind it, TLS below it, bombs, noise, ends, rests."""
import base64, json, os, socket, subprocess, sys, time, zlib

import runner
from connection import tls_context
from daemon import Daemon
from plumbing import MESSAGE, Client, append


class Deflated(Client):
    """A client that is logged in, over TLS or not, and compresses once it has said so."""

    def __init__(self, daemon, user, tls=False, buffer=None, compress=True, flush=zlib.Z_SYNC_FLUSH):
        super().__init__(daemon.imaps if tls else daemon.imap, buffer=buffer)
        self.socket.settimeout(120)  # 300 MB of a bomb, on a machine that is busy
        if tls:
            self.socket = tls_context().wrap_socket(self.socket, suppress_ragged_eofs=False)
        self.raw, self.deflater, self.inflater, self.flush = self.socket, None, None, flush
        self.log_in(user)
        if compress:
            self.send(b"z COMPRESS DEFLATE\r\n")
            self.begin()

    def begin(self):
        self.until(b"z OK")
        self.until(b"\r\n")
        self.deflater, self.inflater = zlib.compressobj(wbits=-15), zlib.decompressobj(wbits=-15)
        self.socket, self.data = self, self.inflater.decompress(self.data)

    def pack(self, data, flush=None):
        return self.deflater.compress(data) + self.deflater.flush(self.flush if flush is None else flush)

    def sendall(self, data):
        self.raw.sendall(self.pack(data))

    def recv(self, size):
        while True:
            more = self.raw.recv(size)
            out = self.inflater.decompress(more)
            if out or not more:
                return out

    def close(self):
        self.raw.close()


def memory(daemon):
    out = subprocess.run([daemon.roost, "-c", str(daemon.directory / "roost.conf"), "stats", "--json"],
                         capture_output=True, check=True, timeout=60).stdout
    return next(row["value"] for row in json.loads(out) if row["name"] == "memory_bytes")


def test_pipelined_in_one_packet(daemon):
    """What is behind the CRLF of COMPRESS is compressed, also where it came with it; TLS makes one record of them."""
    for tls in (False, True):
        c = Deflated(daemon, b"user1", tls, compress=False)
        deflater = zlib.compressobj(wbits=-15)
        behind = deflater.compress(b"b NOOP\r\nc CAPABILITY\r\n") + deflater.flush(zlib.Z_SYNC_FLUSH)
        c.send(b"a NOOP\r\nz COMPRESS DEFLATE\r\n" + behind)
        assert b"a OK" in c.until(b"\r\n")
        c.begin()
        c.deflater = deflater
        c.until(b"b OK")
        assert b"COMPRESS" not in c.until(b"c OK")
        c.send(b"d NOOP\r\n")
        c.until(b"d OK")
        c.close()


def test_clear_text_behind_it(daemon):
    """Which a client may not send (RFC 4978 3): it is not run."""
    c = Deflated(daemon, b"user1", compress=False)
    c.send(b"z COMPRESS DEFLATE\r\nb LOGOUT\r\nc NOOP\r\n")
    got = c.rest()
    assert b"z OK" in got and b"BYE" not in got, got


def test_unauthenticate_ends_it(daemon):
    """RFC 8437 4.1: behind its CRLF, and that of its OK, nothing is compressed; the client's stream may have an end."""
    for tls in (False, True):
        for flush in (zlib.Z_SYNC_FLUSH, zlib.Z_FINISH):
            c = Deflated(daemon, b"user1", tls)
            last = c.pack(b"a CAPABILITY\r\nb UNAUTHENTICATE\r\n", flush)
            pipelined = b"c LOGIN user2@example.org pass\r\n" if flush == zlib.Z_FINISH else b""
            c.raw.sendall(last + pipelined)
            got = b""
            while b"b OK" not in got or not got.endswith(b"\r\n"):
                got += c.inflater.decompress(c.raw.recv(1))  # what comes behind is plain
            assert b"UNAUTHENTICATE" in got, got
            if not pipelined:
                c.raw.sendall(b"c LOGIN user2@example.org pass\r\n")
                plain = b""
                while b"c OK" not in plain:
                    more = c.raw.recv(1 << 16)
                    assert more, plain
                    plain += more
                assert b"COMPRESS=DEFLATE" in plain, plain
            c.close()


def test_large_both_ways(daemon):
    """Through a small window; some flushes are in the middle of a response."""
    for tls in (False, True):
        c = Deflated(daemon, b"user2", tls, buffer=4096)
        append(c, b"INBOX", MESSAGE, 10)
        c.send(b"s SELECT INBOX\r\n")
        c.until(b"s OK")
        c.send(b"f FETCH 1:10 BODY.PEEK[]\r\n")
        got = c.until(b"f OK")
        assert got.count(MESSAGE) == 10, len(got)
        c.close()


def test_partial_flushes(daemon):
    """As mobile clients do it: a flush need not end at an octet."""
    c = Deflated(daemon, b"user3", flush=zlib.Z_PARTIAL_FLUSH)
    for i in range(100):
        c.send(b"n%d NOOP\r\n" % i)
        c.until(b"n%d OK" % i)
    c.close()


def answers(daemon):
    other = Client(daemon.imap).log_in(b"user6")
    other.send(b"n NOOP\r\n")
    other.until(b"n OK")
    other.socket.close()


def test_what_cannot_rest(daemon):
    """In the middle of a block, and with output that the client does not take: all others are served meanwhile."""
    noise = b"Subject: noise\r\n\r\n" + b"".join(base64.b64encode(os.urandom(54)) + b"\r\n" for _ in range(1500))
    stalled = Deflated(daemon, b"user2", buffer=4096)
    append(stalled, b"Sent", noise, 50)
    stalled.send(b"s SELECT Sent\r\nf FETCH 1:* BODY.PEEK[]\r\n")
    partial = [Deflated(daemon, b"user3", flush=zlib.Z_PARTIAL_FLUSH) for _ in range(8)]
    for n, c in enumerate(partial):
        c.send(b"s%s SELECT INBOX\r\ni IDLE\r\n" % (b"x" * n))
        c.until(b"+ ")
    end = time.monotonic() + 6
    while time.monotonic() < end:
        for _ in range(4):  # on whatever loop
            answers(daemon)
        time.sleep(0.2)
    assert stalled.until(b"f OK").count(noise) == 50
    time.sleep(5)  # now it rests
    stalled.send(b"n NOOP\r\n")
    stalled.until(b"n OK")
    for c in partial:
        c.send(b"DONE\r\n")
        c.until(b"i OK")
        c.close()
    stalled.close()


def test_bomb(daemon):
    """A thousand octets out of one: answered in portions, within the memory of any other session, and ended by its limits."""
    block = zlib.compressobj(9, wbits=-15)
    bomb = b"".join(block.compress(b"x" * 1_000_000) for _ in range(300)) + block.flush(zlib.Z_SYNC_FLUSH)
    assert len(bomb) < 400_000
    c = Deflated(daemon, b"user4")
    before = memory(daemon)
    c.raw.sendall(bomb)
    c.deflater = block
    most, end = 0, time.monotonic() + 2
    while time.monotonic() < end:
        most = max(most, memory(daemon))
    c.send(b"\r\nn NOOP\r\n")
    got = c.until(b"n OK")
    assert b"BAD" in got and most - before < 2_000_000, (got[:200], most - before)
    c.close()


def test_bomb_of_commands(daemon):
    """Its answers are not read: then nothing more of it is decompressed."""
    block = zlib.compressobj(9, wbits=-15)
    bomb = b"".join(block.compress(b"a NOOP\r\n" * 100_000) for _ in range(100)) + block.flush(zlib.Z_SYNC_FLUSH)
    c = Deflated(daemon, b"user5", buffer=4096)
    before = memory(daemon)
    c.raw.sendall(bomb)
    most, end = 0, time.monotonic() + 2
    while time.monotonic() < end:
        most = max(most, memory(daemon))
    assert most - before < 2_000_000, most - before
    other = Client(daemon.imap).log_in(b"user6")
    start = time.monotonic()
    other.send(b"n NOOP\r\n")
    other.until(b"n OK")
    assert time.monotonic() - start < 1
    c.close()


def test_noise(daemon):
    """The connection ends, the server does not."""
    for n in range(40):
        c = Deflated(daemon, b"user7")
        try:
            c.raw.sendall(bytes((i * i * 7 + n * 31 + 6) % 251 for i in range(3000)))
            c.raw.shutdown(socket.SHUT_WR)
            while c.raw.recv(65536):
                pass
        except ConnectionResetError:
            pass
        c.close()
    Deflated(daemon, b"user7").close()
    assert "event=deflate_failed" in daemon.log_tail(200)


def test_half_closed(daemon):
    """All that was sent before is answered, be it more than the server decompresses at once."""
    c = Deflated(daemon, b"user8", tls=False)
    c.raw.sendall(c.pack(b"".join(b"n%d NOOP\r\n" % i for i in range(30_000)) + b"l STATUS INBOX (MESSAGES)\r\n"))
    c.raw.shutdown(socket.SHUT_WR)
    got = c.until(b"l OK")
    assert got.count(b" OK") == 30_001, got.count(b" OK")
    c.until(b"\r\n")
    assert c.rest() == b""


def test_finished_stream(daemon):
    """A client that ends its stream has said all that it will."""
    c = Deflated(daemon, b"user8")
    c.raw.sendall(c.pack(b"a NOOP\r\n", zlib.Z_FINISH))
    assert c.until(b"\r\n").startswith(b"a OK")
    assert c.rest() == b""


def test_rest(daemon):
    """After some seconds the memory is given back; both ways go on as if nothing had happened, again and again."""
    before = memory(daemon)
    clients = [Deflated(daemon, b"user9", tls) for tls in (False, True) * 10]
    for c in clients:
        c.send(b"s SELECT INBOX\r\ni IDLE\r\n")
        c.until(b"+ ")
    busy = memory(daemon)
    counted = busy > 100_000  # else a sanitizer's allocator
    for turn in range(2):
        end = time.monotonic() + 20
        while counted and memory(daemon) - before > len(clients) * 70_000 and time.monotonic() < end:
            time.sleep(0.2)
        time.sleep(0 if counted else 5)
        resting = memory(daemon)
        assert not counted or (busy - before > len(clients) * 150_000 and resting - before < len(clients) * 70_000), \
            (before, busy, resting)
        clients[-1].send(b"DONE\r\n")
        clients[-1].until(b"i OK")
        append(clients[-1], b"INBOX", b"Subject: one more\r\n\r\n")
        clients[-1].send(b"i IDLE\r\n")
        clients[-1].until(b"+ ")
        for c in clients[:-1]:
            c.until(b"* %d EXISTS\r\n" % (turn + 1))
        for c in clients:
            c.send(b"DONE\r\n")
            c.until(b"i OK")
            c.send(b"i IDLE\r\n")
            c.until(b"+ ")
    for c in clients:
        c.close()


def main():
    args = runner.arguments(__doc__)
    daemon = Daemon(args.roost, users=10)
    failed = runner.run(globals(), args, lambda test, _: test(daemon))
    return daemon.stop() or failed


if __name__ == "__main__":
    sys.exit(bool(main()))
