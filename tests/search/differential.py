#!/usr/bin/env python3
"""Random SEARCH programs: what the server's plan and index find against oracle.py, which reads every message.

The mailbox is searched as it is filled, indexed, changed by expunges and copies, after kill -9, and with an index that is
cut short.  --programs N in each of these states.
"""
import argparse, pathlib, random, re, shutil, subprocess, sys, tempfile, time
from datetime import datetime, timezone

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "clients"), str(HERE.parent / "harness")]
from daemon import Daemon  # noqa: E402 (the path is set above)
from oracle import DAY_S, Held, Message, holds  # noqa: E402
from response import Client  # noqa: E402

MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
SYSTEM = ("ANSWERED", "DELETED", "DRAFT", "FLAGGED", "SEEN")
FIELDS = ("FROM", "TO", "CC", "BCC", "SUBJECT")
CHARSETS = ("utf-8", "utf-8", "utf-8", "koi8-r", "iso-2022-jp", "gb18030", "iso-8859-1", "windows-1252")


def imap_date(day):
    d = datetime.fromtimestamp(day * DAY_S, timezone.utc)
    return f"{d.day}-{MONTHS[d.month - 1]}-{d.year}"


def odd_messages():
    """What is easy to miss: (words that must be found, message)."""
    import base64, quopri
    head = "From: odd@example.org\r\nSubject: {}\r\nMIME-Version: 1.0\r\nContent-Type: text/{}; charset={}\r\nContent-Transfer-Encoding: {}\r\n\r\n"

    def one(subject, kind, charset, encoding, text):
        raw = text.encode(charset)
        if encoding == "base64":  # lines so short that words go across them
            text64 = base64.b64encode(raw).decode()
            raw = "".join(text64[i:i + 16] + "\r\n" for i in range(0, len(text64), 16)).encode()
        elif encoding == "quoted-printable":  # a soft break within each word
            raw = b"".join(b"=%02X" % b + (b"=\r\n" if i % 3 == 2 else b"") for i, b in enumerate(raw)) + b"\r\n"
        return head.format(subject, kind, charset, encoding).encode() + raw
    yield "осенний", one("koi", "plain", "koi8-r", "8bit", "осенний перелёт\r\n")
    yield "鶏小屋の朝", one("jis", "plain", "iso-2022-jp", "7bit", "鶏小屋の朝は早い\r\n")
    yield "母鸡回家", one("gb", "plain", "gb18030", "base64", "天黑了，母鸡回家了。\r\n")
    yield "windgeschützt", one("soft", "plain", "utf-8", "quoted-printable", "ein windgeschützter Platz\r\n")
    yield "unterschlupfmöglichkeit", one("b64", "plain", "utf-8", "base64", "Unterschlupfmöglichkeiten gibt es überall\r\n")
    yield "café&crème", one("html", "html", "utf-8", "8bit", "<p>caf&eacute;&amp;cr&#232;me</p>\r\n")
    yield "überschrift im kopf", "Subject: Überschrift im Kopf\r\nFrom: acht@example.org\r\n\r\nbody\r\n".encode()
    yield "zusammengesetzt", (b"Subject: =?utf-8?Q?zusammen?=\r\n =?iso-8859-1?B?Z2VzZXR6dA==?=\r\n\r\nbody\r\n")
    yield "größter anhang.pdf", (
        "Content-Type: multipart/mixed; boundary=b\r\nMIME-Version: 1.0\r\nSubject: name\r\n\r\n--b\r\n"
        "Content-Type: application/pdf\r\nContent-Disposition: attachment;\r\n filename*0*=utf-8''gr%C3%B6%C3%9Fter%20;\r\n"
        " filename*1*=anhang.pdf\r\n\r\nx\r\n--b--\r\n").encode()
    yield "unter der oberfläche", one("fwd", "plain", "utf-8", "8bit", "x").replace(
        b"text/plain; charset=utf-8", b"message/rfc822") .rsplit(b"\r\n\r\n", 1)[0] + b"\r\n\r\n" + one(
            "Unter der =?utf-8?Q?Oberfl=C3=A4che?=", "plain", "utf-8", "8bit", "innen")


def long_messages(rng):
    """Such as go into the index in several pieces: random words, in plain text, with accents, as HTML, in two alphabets."""
    for n, (kind, letters) in enumerate((("plain", "abcdefghijklmnopqrstuvwxyz"), ("plain", "aäbcdeéfghiïjklmnoöpqrsßtuüvwxyz"),
                                         ("html", "abcdefghijklmnopqrstuvwxyz"), ("plain", "абвгдежзийклмнопрстуфхцчшщъыьэюя鶏小屋朝早"))):
        words = ("".join(rng.choice(letters) for _ in range(rng.randint(2, 11))) for _ in range(9000))
        text, line = [], ""
        for word in words:
            line += word + " "
            if len(line) > 60:
                text.append(f"<p>{line}</p>" if kind == "html" else line)
                line = ""
        yield (f"From: long{n}@example.org\r\nSubject: long {n}\r\nMIME-Version: 1.0\r\nContent-Type: text/{kind}; charset=utf-8\r\n"
               "Content-Transfer-Encoding: 8bit\r\n\r\n" + "\r\n".join(text) + "\r\n").encode()


class Mailbox:
    def __init__(self, daemon, user, seed):
        self.daemon, self.user, self.rng = daemon, user, random.Random(seed)
        self.held, self.unknown, self.asked = {}, 0, 0
        self.connect()

    def connect(self):
        self.client = Client(self.daemon.imap).login(self.user)
        self.client.do("SELECT INBOX")

    # ---- what is in it ----

    def add(self, raw):
        flags = [f for f in SYSTEM if self.rng.random() < 0.3] + [k for k in ("$Junk", "todo", "hens") if self.rng.random() < 0.2]
        when = int(time.time()) - self.rng.randint(3, 900) * DAY_S // 2 - self.rng.randint(0, DAY_S)
        zone = self.rng.choice((0, 60, -480, 330, 765))
        local = datetime.fromtimestamp(when + zone * 60, timezone.utc)
        date = f"{local.day:2d}-{MONTHS[local.month - 1]}-{local.year} {local:%H:%M:%S} {'-' if zone < 0 else '+'}{abs(zone) // 60:02d}{abs(zone) % 60:02d}"
        names = " ".join("\\" + f.capitalize() if f in SYSTEM else f for f in flags)
        status = self.client.do(b'APPEND INBOX (%s) "%s" {%d+}\r\n' % (names.encode(), date.encode(), len(raw)) + raw)[1]
        uid = int(status.split(b"]")[0].split()[-1])
        self.held[uid] = Held(Message(raw), flags, when, zone, time.time())

    def expunge(self, share):
        gone = [u for u in self.held if self.rng.random() < share]
        self.client.do(f"UID STORE {','.join(map(str, gone))} +FLAGS.SILENT (\\Deleted)")
        self.client.do(f"UID EXPUNGE {','.join(map(str, gone))}")
        for uid in gone:
            del self.held[uid]

    def copy(self, n):
        """Contents that are there already, under new UIDs."""
        uids = self.rng.sample(sorted(self.held), n)
        for uid in uids:
            to = int(self.client.do(f"UID COPY {uid} INBOX")[1].split(b"]")[0].split()[-1])
            old = self.held[uid]
            self.held[to] = Held(old.message, old.flags, old.when, old.zone_min, time.time())
        self.client.do("NOOP")

    # ---- random programs: (program, the command's pieces, each text or a literal) ----

    def needle(self):
        rng = self.rng
        long = [u for u, h in self.held.items() if h.message.size > 50000]
        m = self.held[rng.choice(long if long and rng.random() < .2 else list(self.held))].message
        text = rng.choice(m.body + m.header + m.names or [""])
        lot = rng.random()
        if lot < 0.1:
            text = rng.choice(("zzzzqqqq", "хлебница", "a", "e", "", "鶏", "\u00df", "nowhere to be found", "%", "\"\\"))
        elif lot < 0.6:  # a part of a word
            word = rng.choice(text.split() or [""])
            at = rng.randint(0, max(0, len(word) - 2)) if rng.random() < .7 else 0
            text = word[at:at + rng.choice((1, 2, 2, rng.randint(1, 12)))]
        else:
            line = rng.choice(text.replace("\r", "").split("\n"))
            at = rng.randint(0, max(0, len(line) - 2))
            text = line[at:at + rng.randint(1, rng.choice((25, 25, 80)))]
        text = "".join(c for c in text if c.isprintable() and c != "\ufffd").strip()
        return rng.choice((text, text.upper(), text.lower())) if len(text.upper()) == len(text.lower()) == len(text) else text

    def leaf(self):
        rng = self.rng
        lot = rng.random()
        if lot < 0.3:
            kind, text = rng.choice(("BODY", "TEXT")), self.needle()
            return (kind, text), [kind + " ", text.encode("utf-8")]
        if lot < 0.45:
            kind, text = rng.choice(FIELDS), self.needle()
            return (kind, text), [kind + " ", text.encode("utf-8")]
        if lot < 0.5:
            name, text = rng.choice(("Message-ID", "References", "X-None", "Subject", "List-Id", "Content-Type")), self.needle()
            return ("HEADER", name, text), [f"HEADER {name} ", text.encode("utf-8")]
        if lot < 0.7:
            flag = rng.choice(SYSTEM)
            return rng.choice(((("FLAG", flag), [flag]), (("NOT", ("FLAG", flag)), ["UN" + flag])))
        if lot < 0.75:
            word = rng.choice(("$Junk", "todo", "hens", "none"))
            return rng.choice(((("FLAG", word), ["KEYWORD " + word]), (("NOT", ("FLAG", word)), ["UNKEYWORD " + word])))
        if lot < 0.8:
            key, n = rng.choice(("LARGER", "SMALLER")), rng.choice((0, 500, 1500, 3000, 20000))
            return (key, n), [f"{key} {n}"]
        if lot < 0.9:
            return self.date()
        if lot < 0.92:
            key, n = rng.choice(("OLDER", "YOUNGER")), rng.randint(1, 500) * DAY_S + 7
            return (key, n), [f"{key} {n}"]
        return self.identity() if lot < 0.96 else self.set()

    def learn(self):
        """What the server gave its messages."""
        for line in self.client.do("UID FETCH 1:* (FLAGS MODSEQ EMAILID THREADID)")[0]:
            m = re.search(rb"UID (\d+) FLAGS \(([^)]*)\) MODSEQ \((\d+)\) EMAILID \(([^)]+)\) THREADID (?:\(([^)]+)\)|NIL)", line)
            if m:
                held = self.held[int(m[1])]
                held.recent, held.modseq, held.email = b"\\Recent" in m[2], int(m[3]), m[4].decode()
                held.thread = m[5] and m[5].decode()

    def identity(self):
        """Keys whose answers come from the mailbox, and of what was saved."""
        rng = self.rng
        held = self.held[rng.choice(list(self.held))]
        lot = rng.randrange(8)
        if lot < 3:
            key = ("RECENT", "OLD", "NEW")[lot]
            return (key,), [key]
        if lot == 3:
            return ("MODSEQ", held.modseq), [f"MODSEQ {held.modseq}"]
        if lot == 4:
            return ("EMAILID", held.email), [f"EMAILID {held.email}"]
        if lot == 5:
            thread = held.thread or "T0000000000000000"
            return ("THREADID", thread), [f"THREADID {thread}"]
        if lot == 6:
            return ("UID", self.saved), [rng.choice(("$", "UID $"))]
        key = rng.choice(("ALL", "SAVEDATESUPPORTED"))
        return (key,), [key]

    def date(self):
        rng = self.rng
        key = rng.choice(("", "SENT", "SAVED")) + rng.choice(("BEFORE", "ON", "SINCE"))
        today = int(time.time()) // DAY_S
        base = {"SENT": 20459, "SAVE": today}.get(key[:4], today - 225)  # 20459: where the generator's clock starts
        day = base + rng.randint(-1, 1) if key.startswith("SAVED") else base + rng.randint(-230, 230) // rng.choice((1, 20))
        return (key, day), [f"{key} {imap_date(day)}"]

    def set(self):
        rng = self.rng
        uids = sorted(self.held)
        a, b = sorted((rng.randint(1, uids[-1]), rng.randint(1, uids[-1])))
        if rng.random() < 0.5:
            return ("UID", range(a, b + 1)), [f"UID {a}:{b}"]
        a, b = min(a, len(uids)), min(b, len(uids))
        return ("SEQ", range(a, b + 1)), [f"{a}:{b}"]

    def program(self, depth=0):
        rng = self.rng
        lot = rng.random()
        if depth >= 3 or lot < 0.4:
            return self.leaf()
        if lot < 0.45:
            one, text = self.program(depth + 1)
            return ("FUZZY", one), ["FUZZY ", *text]
        if lot < 0.6:
            one, text = self.program(depth + 1)
            return ("NOT", one), ["NOT ", *text]
        if lot < 0.8:
            (a, x), (b, y) = self.program(depth + 1), self.program(depth + 1)
            return ("OR", a, b), ["OR ", *x, " ", *y]
        parts = [self.program(depth + 1) for _ in range(rng.randint(2, 4))]
        text = ["("]
        for _, t in parts:
            text += [*t, " "]
        text[-1] = ")"
        return ("AND", *(p for p, _ in parts)), text

    # ---- asking ----

    def command(self, text):
        """In a charset that has all of its strings."""
        strings = [t.decode("utf-8") for t in text if isinstance(t, bytes)]
        for charset in [self.rng.choice(CHARSETS), "utf-8"]:
            try:
                encoded = {s: s.encode(charset) for s in strings}
                if any(e.decode(charset) != s for s, e in encoded.items()):
                    continue
                break
            except UnicodeError:
                continue
        out = b"UID SEARCH CHARSET " + charset.encode() + b" "
        for t in text:
            if isinstance(t, bytes):
                raw = encoded[t.decode("utf-8")]
                out += b"{%d+}\r\n" % len(raw) + raw
            else:
                out += t.encode()
        return out

    def ask(self, program, command):
        got = set()
        for line in self.client.do(command)[0]:
            if line.startswith(b"* SEARCH"):
                uids, _, modseq = line.partition(b" (MODSEQ ")
                got |= set(map(int, uids.split()[2:]))
                if modseq and int(modseq.rstrip(b")")) != max(self.held[uid].modseq for uid in got):
                    return f"the mod-sequence is {modseq}"
                if not modseq and got and "MODSEQ" in repr(program):
                    return "there is no mod-sequence"
        for number, uid in enumerate(sorted(self.held), 1):
            want = holds(program, uid, number, self.held[uid])
            self.asked += 1
            self.unknown += want is None
            if want is not None and want != (uid in got):
                return f"UID {uid} is {'missing' if want else 'too many'}"
        if not got <= set(self.held):
            return f"{got - set(self.held)} is not there"
        return None

    def check(self, state, count):
        self.learn()
        for n in range(count):
            if n % 50 == 0:
                a, b = sorted((self.rng.randint(1, max(self.held)), self.rng.randint(1, max(self.held))))
                self.saved = {u for u in self.held if a <= u <= b}
                self.client.do(f"UID SEARCH RETURN (SAVE) UID {a}:{b}")
            program, text = self.program()
            command = self.command(text)
            wrong = self.ask(program, command)
            if wrong:
                print(f"FAILED {state}: {command!r}: {wrong}\n  {program}")
                return False
        print(f"ok {state}: {count} programs over {len(self.held)} messages", flush=True)
        return True


def index_files(daemon):
    return list((daemon.directory / "store").rglob("search.db"))


def wait_for_index(daemon, user):
    """Until the index has all contents."""
    import json
    for _ in range(600):
        out = subprocess.run([daemon.roost, "index", "status", "-c", daemon.directory / "roost.conf", "--json",
                              f"{user}@example.org"], capture_output=True, text=True, check=True).stdout
        if all(row.get("behind", 0) == 0 for row in json.loads(out)):
            return
        time.sleep(0.1)
    raise SystemExit(f"the index is not filled: {out}")


def check_odd(box, state):
    for words, raw in odd_messages():
        uid = next(u for u, h in box.held.items() if h.message.raw == raw)
        for text in (words, words.upper() if len(words.upper()) == len(words) else words):
            command = box.command(["TEXT ", text.encode()])
            got = {int(n) for line in box.client.do(command)[0] if line.startswith(b"* SEARCH") for n in line.split()[2:]}
            if uid not in got:
                print(f"FAILED {state}: {text!r} is not found")
                return False
    return True


def run(daemon, messages, programs, seed):
    box = Mailbox(daemon, "user1", seed)
    yield "empty", box.client.do("UID SEARCH TEXT anything")[0] in ([b"* SEARCH"], [])
    for raw in messages[:len(messages) // 2]:
        box.add(raw)
    yield "while it is indexed", box.check("while it is indexed", programs)
    odd = [raw for _, raw in odd_messages()]
    for raw in messages[len(messages) // 2:] + odd + list(long_messages(box.rng)):
        box.add(raw)
    yield "odd messages, not yet indexed", check_odd(box, "odd, not yet indexed")
    wait_for_index(daemon, box.user)
    yield "an index", bool(index_files(daemon))
    yield "odd messages", check_odd(box, "odd")
    yield "indexed", box.check("indexed", programs)
    box.copy(20)
    box.expunge(0.2)
    for raw in messages[:40]:
        box.add(raw)
    yield "after expunges and copies", box.check("after expunges and copies", programs)
    daemon.kill()
    daemon.start()
    box.connect()
    yield "after kill -9", box.check("after kill -9", programs)
    wait_for_index(daemon, box.user)
    daemon.rest()
    for path in index_files(daemon):
        path.write_bytes(path.read_bytes()[:path.stat().st_size // 2 | 1])
    daemon.start()
    box.connect()
    yield "with an index cut short", box.check("with an index cut short", programs)
    daemon.rest()
    for path in index_files(daemon):
        path.unlink()
    daemon.start()
    box.connect()
    yield "without an index", box.check("without an index", programs)
    print(f"{box.asked} answers, {box.unknown} of them left open")
    yield "hardly any left open", box.unknown < box.asked / 10


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--roost", required=True)
    parser.add_argument("--messages", type=int, default=250)
    parser.add_argument("--programs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="roost-search") as directory:
        subprocess.run([sys.executable, HERE.parent / "corpus" / "generate.py", directory + "/mail", "--count",
                        str(args.messages), "--seed", str(args.seed)], check=True)
        messages = [p.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") for p in sorted(pathlib.Path(directory, "mail").glob("*.eml"))]
        pathlib.Path(directory, "daemon").mkdir()
        daemon = Daemon(args.roost, users=1, directory=directory + "/daemon")
        failed = None
        for name, good in run(daemon, messages, args.programs, args.seed):
            if not good:
                failed = name
                break
        code = daemon.stop()
        shutil.rmtree(directory + "/daemon", ignore_errors=True)
    print(f"FAILED {failed}" if failed else "all answers are the same")
    sys.exit(bool(failed) or code != 0)


if __name__ == "__main__":
    main()
