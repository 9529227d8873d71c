#!/usr/bin/env python3
"""Replays transcripts against a real daemon, each four ways: whole, byte by byte, cut at random, slow reader.

A transcript is lines of
    C: text        the client sends text CRLF (literals: lines follow their {n} as they are)
    S: text        the server must send exactly this line; $name captures or compares a word, ... matches anything
    U{ / U}        the S: lines between may come in any order
    A: / B: ...    `CONN A` switches connection (made when first named); the default is A
    DELIVER user   following `M: ` lines are delivered by LMTP to user@example.org
Each transcript has a user of its own, made for it (user1, user2, ... of the daemon), named $user.
"""
import argparse, pathlib, random, re, socket, subprocess, sys, tempfile, time

def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]

class Daemon:
    """A scratch server on ports of its own."""
    def __init__(self, roost, users=400):
        self.dir = tempfile.TemporaryDirectory(prefix="roost-t")
        self.imap, self.imaps, self.lmtp = free_port(), free_port(), free_port()
        script = pathlib.Path(__file__).resolve().parents[2] / "tools" / "scratch.sh"
        self.process = subprocess.Popen(
            [str(script), roost, "--dir", self.dir.name, "--imap", str(self.imap), "--imaps", str(self.imaps),
             "--lmtp", str(self.lmtp), "--users", str(users)], stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("ready pid="):
            raise SystemExit(f"the daemon did not start: {line!r}")
        self.pid = int(line.split("=")[1])

    def stop(self):
        self.process.terminate()
        code = self.process.wait(30)
        self.dir.cleanup()
        return code

class Connection:
    def __init__(self, port, way, seed):
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if way == "window":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        self.way, self.random, self.data = way, random.Random(seed), b""

    def send(self, data):
        if self.way == "bytes":
            for i in range(len(data)):
                self.socket.sendall(data[i:i + 1])
        elif self.way == "cuts":
            while data:
                n = self.random.randint(1, 7)
                self.socket.sendall(data[:n])
                data = data[n:]
                if self.random.random() < .1:
                    time.sleep(0.001)
        else:
            self.socket.sendall(data)

    def line(self):
        while b"\n" not in self.data:
            more = self.socket.recv(1 if self.way == "window" else 65536)
            if not more:
                raise EOFError("connection closed")
            self.data += more
        line, self.data = self.data.split(b"\n", 1)
        return line.rstrip(b"\r").decode("latin-1")

def lmtp_deliver(port, user, message):
    with socket.create_connection(("127.0.0.1", port), 20) as s:
        f = s.makefile("rwb")
        def reply():
            while True:
                line = f.readline()
                if line[3:4] != b"-":
                    return line
        reply()
        stuffed = re.sub(rb"(?m)^\.", b"..", message)
        for command in (b"LHLO test\r\n", b"MAIL FROM:<s@example.net>\r\n",
                        b"RCPT TO:<" + user.encode() + b"@example.org>\r\n", b"DATA\r\n", stuffed + b".\r\n"):
            f.write(command)
            f.flush()
            answer = reply()
            if answer[:1] not in (b"2", b"3"):
                raise AssertionError(f"LMTP {command[:20]!r}: {answer!r}")

def match(pattern, line, captures):
    out, pos = "", 0
    for m in re.finditer(r"\$(\w+)|\.\.\.", pattern):
        out += re.escape(pattern[pos:m.start()])
        name = m.group(1)
        if name is None:
            out += ".*"
        elif name in captures:
            out += re.escape(captures[name])
        else:
            out += f"(?P<{name}>[^ \\]\\)]+)"
        pos = m.end()
    m = re.fullmatch(out + re.escape(pattern[pos:]), line)
    if m:
        captures.update(m.groupdict())
    return bool(m)

def replay(path, daemon, way, user, seed):
    captures, connections, current = {"user": user}, {}, "A"
    lines = path.read_text(encoding="latin-1").splitlines()
    at = 0
    def connection():
        if current not in connections:
            connections[current] = Connection(daemon.imap, way, seed)
        return connections[current]
    def fill(text):
        return re.sub(r"\$(\w+)", lambda m: captures.get(m.group(1), m.group(0)), text)
    try:
        while at < len(lines):
            text, at = lines[at], at + 1
            if not text.strip() or text.startswith("#"):
                continue
            if text.startswith("CONN "):
                current = text.split()[1]
            elif text.startswith("SLEEP "):
                time.sleep(float(text.split()[1]))
            elif text.startswith("DELIVER "):
                message = b""
                while at < len(lines) and lines[at].startswith("M:"):
                    message += lines[at][3:].encode("latin-1") + b"\r\n"
                    at += 1
                lmtp_deliver(daemon.lmtp, fill(text.split()[1]), message)
            elif text.startswith("C: ") or text == "C:":
                connection().send(fill(text[3:]).encode("latin-1") + b"\r\n")
            elif text.startswith("CN: "):
                connection().send(fill(text[4:]).encode("latin-1"))
            elif text.startswith("S: ") or text == "S:":
                got = connection().line()
                if not match(text[3:], got, captures):
                    return f"{path}:{at} ({way}): expected {text[3:]!r}, got {got!r}"
            elif text == "U{":
                wanted = []
                while lines[at] != "U}":
                    wanted.append(lines[at][3:])
                    at += 1
                at += 1
                while wanted:
                    got = connection().line()
                    hit = next((w for w in wanted if match(w, got, captures)), None)
                    if hit is None:
                        return f"{path}:{at} ({way}): {got!r} is none of {wanted}"
                    wanted.remove(hit)
            elif text == "CLOSED":
                try:
                    return f"{path}:{at} ({way}): expected the end, got {connection().line()!r}"
                except (EOFError, ConnectionResetError):
                    connections.pop(current)
            else:
                return f"{path}:{at}: cannot read {text!r}"
    except (EOFError, OSError, AssertionError) as e:
        return f"{path}:{at} ({way}): {type(e).__name__} {e}"
    finally:
        for c in connections.values():
            c.socket.close()
    return None

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--roost", required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("path", type=pathlib.Path)
    args = parser.parse_args()
    files = [args.path] if args.path.is_file() else sorted(args.path.rglob("*.imap"))
    files = [f for f in files if args.only in str(f)]
    daemon = Daemon(args.roost, users=len(files) * 4 + 1)
    failures, number = [], 0
    try:
        for path in files:
            for way in ("whole", "bytes", "cuts", "window"):
                number += 1
                error = replay(path, daemon, way, f"user{number}", seed=number)
                if error:
                    failures.append(error)
    finally:
        code = daemon.stop()
    if code != 0:
        failures.append(f"the daemon ended with {code}")
    print("\n".join(failures))
    print(f"{number - len(failures)} passed, {len(failures)} failed")
    sys.exit(bool(failures) or not files)

if __name__ == "__main__":
    main()
