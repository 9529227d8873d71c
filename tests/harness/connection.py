"""One client connection of a transcript, which sends and reads in the way the replay asks for."""
import random, re, socket, ssl, zlib

LONG = 600  # octets from either end of what is sent byte by byte
TIMEOUT_S = 60  # the machine may be busy; nothing waits this long unless the server never answers


def tls_context():
    """Trusts whoever answers; the system's authorities, which take long to read, are left alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Connection:
    def __init__(self, port, name, trace, way="whole", seed=0, tls=False, literals=True):
        self.socket = socket.socket()
        self.socket.settimeout(TIMEOUT_S)
        if way == "window":  # before connecting, or it does not count
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            # A window below one segment is opened by a timer of 200 ms alone.
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 88)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.name, self.trace, self.way, self.random = name, trace, way, random.Random(seed)
        self.data, self.at = b"", 0  # what came; read as far as here
        self.literals, self.tag = literals, 0
        self.deflater = self.inflater = None
        if tls:
            self.start_tls()

    def start_tls(self):
        if self._unread():
            raise AssertionError(f"plain text after the answer to STARTTLS: {self._unread()!r}")
        self.socket = tls_context().wrap_socket(self.socket, server_hostname="localhost")

    def compress(self):
        """From here on, both ways (RFC 4978)."""
        self.deflater, self.inflater = zlib.compressobj(wbits=-15), zlib.decompressobj(wbits=-15)
        self.data, self.at = self.inflater.decompress(self._unread()), 0

    def close(self):
        self.socket.close()

    def end(self):
        """Nothing more is sent; what comes is still read."""
        self.socket.shutdown(socket.SHUT_WR)

    def send(self, data, whole=False):
        self.trace.append((self.name, "C", data))
        if self.deflater:
            data = self.deflater.compress(data) + self.deflater.flush(zlib.Z_SYNC_FLUSH)
        if whole:
            self.socket.sendall(data)
        elif self.way == "bytes":
            # The middle of something long, where all is alike, goes in pieces of a prime length.
            middle = range(LONG, len(data) - LONG, 97)
            cuts = [*range(min(LONG, len(data))), *middle, *range(max(LONG, len(data) - LONG), len(data))]
            for start, end in zip(cuts, cuts[1:] + [len(data)]):
                self.socket.sendall(data[start:end])
        elif self.way == "cuts":
            sizes = (1, 2, 3, 5, 8, 40) if len(data) < 4000 else (1, 3, 40, 2000, 9000)
            at = 0
            while at < len(data):
                n = self.random.choice(sizes)
                self.socket.sendall(data[at:at + n])
                at += n
        else:
            self.socket.sendall(data)

    def _unread(self):
        return self.data[self.at:]

    def _more(self):
        have = len(self.data) - self.at
        slow = self.way == "window" and have < 2000
        more = self.socket.recv((1 if have < 60 else 64) if slow else 65536)
        if not more:
            if have:
                self.trace.append((self.name, "S", self._unread() + b" (the end)"))
            raise EOFError("the server closed the connection")
        self.data, self.at = self._unread() + (self.inflater.decompress(more) if self.inflater else more), 0

    def line(self):
        """The next response without its CRLF; literals and what follows them belong to it."""
        out = b""
        while True:
            while (end := self.data.find(b"\n", self.at)) < 0:
                self._more()
            line, self.at = self.data[self.at:end], end + 1
            if not line.endswith(b"\r"):
                raise AssertionError(f"a line ends in a bare LF: {line!r}")
            out += line[:-1]
            literal = self.literals and line.endswith(b"}\r") and re.search(rb"\{(\d+)\}\r$", line)
            if not literal:
                break
            count = int(literal.group(1))
            while len(self.data) - self.at < count:
                self._more()
            out, self.at = out + b"\r\n" + self.data[self.at:self.at + count], self.at + count
        text = out.decode("latin-1")
        self.trace.append((self.name, "S", text))
        return text


def deliver(port, address, message, sender="sender@example.net"):
    """Delivers one message by LMTP; AssertionError with the answer if it is refused."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as s:
        f = s.makefile("rwb")

        def reply():
            while True:
                line = f.readline()
                if line[3:4] != b"-":
                    return line
        reply()
        stuffed = re.sub(rb"(?m)^\.", b"..", message)
        for command in (b"LHLO test\r\n", b"MAIL FROM:<" + sender.encode() + b">\r\n",
                        b"RCPT TO:<" + address.encode() + b">\r\n", b"DATA\r\n", stuffed + b".\r\n"):
            f.write(command)
            f.flush()
            answer = reply()
            if answer[:1] not in (b"2", b"3"):
                raise AssertionError(f"LMTP {command[:40]!r}: {answer!r}")
