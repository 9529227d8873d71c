#!/usr/bin/env python3
"""What SEARCH costs: search.py [--sizes N,N...] [--rounds N] [--status COMMAND] SERVER[@SIZE_MAX]:IMAP_PORT:PID...

A mailbox of each size: real mail where ../shared/corpus is found (lists, newsletters, personal mail, spam, some 5 KB each;
again and again, each with lines of its own) and generated mail, one in thirty of it Chinese.  Each program first cold (the
first time that this is asked in this connection), then warm: the median of the rounds in milliseconds as the client has it, with
the messages found, and the mean CPU time that the server's processes took.  A mailbox that is there already, of that size, is taken as it is.  The servers do the same, one after the other; one that is named with a size has no larger
mailboxes.  --short: mail of lists, of half a kilobyte, so that a million of them are soon there; SORT, THREAD and pages are
asked, too.  --status: a command that tells in JSON how much of a user's mail is "behind" in roost's index.
"""
import argparse, base64, io, json, pathlib, random, re, statistics, subprocess, sys, tarfile, time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "clients"))
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import sort
from response import Client

START, BATCH_BYTES, BATCH = 1_600_000_000, 1 << 20, 500
CORPUS = pathlib.Path(__file__).resolve().parents[2] / ".." / "shared" / "corpus" / "realistic.tar.zst"
RARE_EVERY, SOME_EVERY, CHINESE_EVERY = 50_000, 1000, 30
FIRST_HAN = 0x4e00
PROGRAMS = [
    ("flags", "UNSEEN"),
    ("flags", "KEYWORD $label UNDELETED"),
    ("arrival", "SINCE 14-Sep-2020 BEFORE 15-Sep-2020"),
    ("sent date", "SENTSINCE 1-Aug-2002 SENTBEFORE 1-Sep-2002"),
    ("size", "LARGER 20000"),
    ("header, rare word", "SUBJECT quagga"),
    ("header, a word", "SUBJECT newsletter"),
    ("header, a person", "FROM sandpiper"),
    ("header, absent", "SUBJECT qqxzvkw"),
    ("text, rare word", "TEXT quagga"),
    ("body, rare word", "BODY quagga"),
    ("text, some", "TEXT wheelbarrow"),
    ("text, common word", "TEXT message"),
    ("text, absent word", "TEXT qqxzvkw"),
    ("text, absent phrase", "TEXT {absent words of mine}"),
    ("text and flag", "UNSEEN TEXT wheelbarrow"),
    ("not, or", "OR BODY quagga NOT TEXT message"),
    ("two letters, rare", "SUBJECT qx"),
    ("two letters", "SUBJECT ju"),
    ("two letters, common", "TEXT in"),
    ("Chinese, two, some", "TEXT {\u9e21\u820d}"),
    ("Chinese, two, absent", "TEXT {\u820d\u9e21}"),
    ("Chinese, one", "TEXT {\u9e21}"),
    ("fuzzy", "FUZZY TEXT {wheelb nest}"),
    ("fuzzy, scored", "RETURN (COUNT RELEVANCY) FUZZY TEXT wheelb"),
]


def corpus():
    """The messages of the realistic corpus, as they are; nothing when it is not there or cannot be unpacked."""
    if not CORPUS.exists():
        return []
    data = subprocess.run(["zstd", "-dcq", str(CORPUS)], stdout=subprocess.PIPE, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = sorted((m for m in tar if m.name.endswith(".eml")), key=lambda m: m.name)
        mail = [tar.extractfile(m).read() for m in members]
    return [re.sub(rb"\r?\n", b"\r\n", m) for m in mail if b"\0" not in m]


def chinese(r):
    """Random text of 1,500 characters, the first ones often; it has neither of the two that are looked for."""
    text = "".join(chr(FIRST_HAN + min(int(r.expovariate(.004)), 1500)) for _ in range(400)).replace("\u9e21", "").replace("\u820d", "")
    return "\r\n".join(text[i:i + 30] + "\u3002" for i in range(0, 400, 30))


def generated(r, n):
    words = "nest egg barn twig straw fence grain feather morning water field door market basket list meeting draft".split()
    lines = [" ".join(r.choice(words) + (f"{r.getrandbits(16):x}" if r.random() < .05 else "") for _ in range(11))
             for _ in range(min(int(r.expovariate(.02)) + 3, 400))]
    return (f"From: Person {r.randrange(400)} <p{r.randrange(400)}@example.org>\r\nTo: birds@lists.example.org\r\n"
            f"Subject: {' '.join(r.choices(words, k=4))}\r\nMessage-ID: <{n}.{r.getrandbits(40):x}@example.org>\r\n"
            + "\r\n" + "\r\n".join(lines) + "\r\n").encode()


def mail(count, real):
    """(message, INTERNALDATE, flags) one after the other."""
    r = random.Random(count)
    for n in range(count):
        head, text = f"X-Number: n{n}x{r.getrandbits(32):08x}\r\n", ""
        if n % CHINESE_EVERY == 1:
            text = chinese(r) + ("\u9e21\u820d\r\n" if n // CHINESE_EVERY % 50 == 3 else "")
            subject = base64.b64encode(text[:8].encode()).decode()
            message = (f"From: p{n % 400}@example.org\r\nSubject: =?utf-8?b?{subject}?=\r\nMIME-Version: 1.0\r\n"
                       "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + text).encode()
        elif real and r.random() < .8:
            message = real[n * 7919 % len(real)]
        else:
            message = generated(r, n)
        if n % RARE_EVERY == 777:
            head += "Subject: the quagga\r\n"
        if n % SOME_EVERY == 555:
            head += "X-Garden: a wheelbarrow, nests\r\nFrom: sandpiper@example.org\r\n"
        flags = ([b"\\Seen"] if r.random() < .97 else []) + ([b"$label"] if r.random() < .01 else [])
        yield head.encode() + message, START + n * 60, b" ".join(flags)


def short_mail(count):
    """The same of short ones: each has some twenty words, of which no two messages have the same."""
    r = random.Random(count)
    syllables = [a + b for a in "bdfgklmnprstvw" for b in ("a", "e", "i", "o", "u", "an", "er", "ol")]
    vocabulary = ["".join(r.choice(syllables) for _ in range(r.randint(1, 4))) for _ in range(20000)]
    for n, (message, arrived) in enumerate(sort.mail(count)):
        words = [vocabulary[min(int(r.expovariate(.0005)), 19999)] for _ in range(20)]
        head = "Subject: the quagga\r\n" if n % RARE_EVERY == 777 else ""
        if n % SOME_EVERY == 555:
            head += "X-Garden: a wheelbarrow, nests\r\nFrom: sandpiper@example.org\r\n"
        text = "\u9e21\u820d" if n % (50 * CHINESE_EVERY) == 3 else f"{r.getrandbits(32):08x} a message"
        flags = ([b"\\Seen"] if r.random() < .97 else []) + ([b"$label"] if r.random() < .01 else [])
        yield head.encode() + message + f"{' '.join(words)} {text}\r\n".encode(), arrived, b" ".join(flags)


def fill(client, messages):
    client.do("CREATE bench")
    parts, size = [], 0
    for message, arrived, flags in messages:
        date = time.strftime("%d-%b-%Y %H:%M:%S +0000", time.gmtime(arrived)).encode()
        parts.append(b"(%s) \"%s\" {%d+}\r\n%s" % (flags, date, len(message), message))
        size += len(message)
        if size >= BATCH_BYTES or len(parts) == BATCH:
            client.do(b"APPEND bench " + b" ".join(parts))
            parts, size = [], 0
    if parts:
        client.do(b"APPEND bench " + b" ".join(parts))


def command_of(program):
    """The command's octets; what stands in braces is a literal."""
    returns = b"" if program.startswith("RETURN") else b"RETURN (COUNT) "
    literal = re.search(r"\{(.*)\}", program)
    if literal:
        text = literal.group(1).encode()
        program = program[:literal.start()].encode() + b"{%d+}\r\n%s" % (len(text), text) + program[literal.end():].encode()
    else:
        program = program.encode()
    if returns:
        return b"SEARCH " + returns + b"CHARSET UTF-8 " + program
    options, rest = program.split(b") ", 1)
    return b"SEARCH " + options + b") CHARSET UTF-8 " + rest


def timed(client, command):
    """Milliseconds, and how many were found."""
    start = time.perf_counter()
    client.socket.sendall(b"q1 " + command + b"\r\n")
    answer = bytearray()
    while b"\r\nq1 " not in answer[-200:] or not answer.endswith(b"\r\n"):
        answer += client.socket.recv(1 << 20)
    took = (time.perf_counter() - start) * 1000
    count = re.search(rb"COUNT (\d+)", answer)
    assert b"\r\nq1 OK" in answer and count, bytes(answer[-200:])
    return took, int(count.group(1))


def cpu_ms(pid):
    """What a process and its children have taken, all threads."""
    parents, total = {}, 0
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            pass
    for one in parents:
        above = one
        while above in parents and above != pid:
            above = parents[above]
        if above != pid:
            continue
        for schedstat in pathlib.Path(f"/proc/{one}/task").glob("*/schedstat"):
            try:
                total += int(schedstat.read_text().split()[0])
            except OSError:
                pass
    return total / 1e6


def wait(status, user, limit_s=7200):
    """Until the index is complete; its size in octets."""
    for _ in range(limit_s):
        row = json.loads(subprocess.run(status + [user], stdout=subprocess.PIPE, check=True).stdout)[0]
        if row["behind"] == 0:
            return row["bytes"]
        time.sleep(1)
    sys.exit(f"{user}: never indexed")


def measure(name, port, pid, user, size, real, args):
    client = Client(port, timeout_s=3600).login(user)
    listed = b" ".join(client.do("CAPABILITY")[0]).decode().split()
    began, octets = time.perf_counter(), [0]
    there = f"MESSAGES {size})".encode() in b"".join(client.answer(client.send("STATUS bench (MESSAGES)"))[0])

    def counted():
        for message in short_mail(size) if args.short else mail(size, real):
            octets[0] += len(message[0])
            yield message
    if not there:
        fill(client, counted())
    filled = time.perf_counter()
    print(f"{name:12}{size:9} messages, {octets[0] / 1e6:.0f} MB: filled in {filled - began:.0f} s", end="", flush=True)
    if name.startswith("roost") and args.status:
        size_of_index = wait(args.status.split(), user + "@example.org")
        print(f", indexed {time.perf_counter() - filled:.0f} s later, the index has {size_of_index / 1e6:.0f} MB", end="")
    print(flush=True)
    client.do("SELECT bench")
    for what, program in PROGRAMS:
        if "FUZZY" in program and "SEARCH=FUZZY" not in listed:
            continue
        cold, found = timed(client, command_of(program))
        rounds, limit, before = [], time.perf_counter() + args.seconds, cpu_ms(pid)
        while len(rounds) < args.rounds and (not rounds or time.perf_counter() < limit):
            rounds.append(timed(client, command_of(program))[0])
        print(f"{name:12}{size:9}  {what:22}{program:46}{found:9}{cold:11.2f}{statistics.median(rounds):11.2f}"
              f"{(cpu_ms(pid) - before) / len(rounds):11.2f}", flush=True)
    for capability, command in sort.COMMANDS if args.short else ():
        cold, size_of_answer = sort.timed(client, command)
        before = cpu_ms(pid)
        rounds = [sort.timed(client, command)[0] for _ in range(args.rounds)]
        print(f"{name:12}{size:9}  {'':8}{command:60}{size_of_answer:9}{cold:11.2f}{statistics.median(rounds):11.2f}"
              f"{(cpu_ms(pid) - before) / len(rounds):11.2f}", flush=True)
    client.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="1000,10000,100000")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=20, help="no further round after so long")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--status")
    parser.add_argument("servers", nargs="+", metavar="SERVER[@SIZE_MAX]:IMAP_PORT:PID")
    args = parser.parse_args()
    real = corpus()
    print(f"{'':12}{'messages':>9}  {'':22}{'program':46}{'found':>9}{'cold ms':>11}{'warm ms':>11}{'CPU ms':>11}")
    for user, size in enumerate(map(int, args.sizes.split(",")), 31):
        for server in args.servers:
            name, port, pid = server.split(":")
            name, _, most = name.partition("@")
            if not most or size <= int(most):
                measure(name, int(port), int(pid), f"user{user}", size, real, args)


if __name__ == "__main__":
    main()
