"""SORT and THREAD against another implementation (sort_oracle.py), over mailing lists made from a seed and over the corpora
where they are found; and threads as deep as a mailbox."""
import email.utils, random, re, sys, time

import messages
import sort_oracle as oracle
from response import Client

START = 1_700_000_000
SUBJECTS = ["nests", "Nests", "the barn door", "[list] nests", "RE: nests", "Fwd: the barn door", "(fwd)", "", "[x]", "Re[2]: nests",
            "Re: [list] re: nests (fwd)", "[fwd: nests]", "=?utf-8?q?Stra=C3=9Fe?=", "=?utf-8?b?w4lUw4k=?=", "\u00e9t\u00e9",
            "egg\r\n yolk", "egg \t yolk", "re:", "ree: x", "re [a] [b]: x", "[a][b] re: [c] x"]
PEOPLE = ["Ann <ann@example.net>", "ann@example.org", "\"Bob, B.\" <bob@example.org>", "=?utf-8?q?J=C3=BCrgen?= <j@x.example>",
          "carol@example.org (Carol)", "Flock: dave@example.net, eve@example.net;", "Empty:;", "ZOE <Zoe@a>", "zoe@b"]
KEYS = sorted(oracle.KEYS)


def list_mail(seed, count):
    """A mailing list: (message, INTERNALDATE) with threads that are cut, doubled, tied in loops and out of order."""
    r, ids, out = random.Random(seed), [], []
    for n in range(count):
        own = f"<{seed}.{n}@list>" if r.random() < .95 else r.choice(ids or ["<nobody>"])
        lines, refs = [], []
        if ids and r.random() < .8:
            refs = r.sample(ids, min(len(ids), r.choice([1, 1, 2, 3, 8]))) if r.random() < .4 else ids[-r.randint(1, 12):]
        if r.random() < .1:
            refs.append(f"<{seed}.{n + r.randint(0, 5)}@list>")
        if r.random() < .15:
            refs.insert(r.randint(0, len(refs)), f"<lost.{r.randrange(9)}@list>")
        if refs:
            lines.append("References: " + r.choice([" ", "\r\n "]).join(refs) if r.random() < .8 else f"In-Reply-To: {refs[-1]} and more {refs[0]}")
        if r.random() < .93:
            lines.append(f"Message-ID: {own}")
        subject = r.choice(SUBJECTS)
        if r.random() < .9:
            lines.append("Subject: " + (subject if r.random() < .7 else "Re: " + subject))
        lines += [f"{name}: {', '.join(r.sample(PEOPLE, r.randint(1, 3)))}" for name in ("From", "To", "Cc") if r.random() < .9]
        sent = START + r.randrange(count // 4 + 1) * 60
        if r.random() < .9:
            zone = r.choice(["+0000", "-0800", "+0530", "EST", "nonsense"])
            seconds = sent + {"-0800": -8 * 3600, "+0530": 19800, "EST": -5 * 3600}.get(zone, 0)
            lines.append("Date: " + email.utils.formatdate(seconds)[:-5] + zone)
        r.shuffle(lines)
        out.append(("\r\n".join(lines).encode() + b"\r\n\r\n" + b"x" * r.randrange(30), START + r.randrange(count)))
        ids.append(own)
    return out


def fill(daemon, user, mailbox, mail):
    c = Client(daemon.imap).login(user)
    c.do(f"CREATE {mailbox}")
    for first in range(0, len(mail), 200):
        parts = []
        for message, arrived in mail[first:first + 200]:
            date = time.strftime("%d-%b-%Y %H:%M:%S +0000", time.gmtime(arrived))
            parts.append(b"(\\Seen) \"%s\" {%d+}\r\n%s" % (date.encode(), len(message), message))
        c.do(f"APPEND {mailbox} ".encode() + b" ".join(parts))
    c.do(f"SELECT {mailbox}")
    return c


def read(c):
    """The messages as the oracle wants them."""
    out = []
    fetched = c.fetch("1:*", "(ENVELOPE INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER])")
    for number, got in sorted(fetched.items()):
        date = email.utils.mktime_tz(email.utils.parsedate_tz(got[b"INTERNALDATE"].decode().replace("-", " ").strip()))
        out.append(oracle.Message(number, got[b"BODY[HEADER]"], got[b"ENVELOPE"], date, int(got[b"RFC822.SIZE"])))
    return out


def numbers(untagged):
    line = next(l for l in untagged if l.startswith(b"* SORT"))
    return [int(n) for n in line.split()[2:]]


def check_sorts(c, mail, criteria="ALL", rounds=40, seed=1):
    r = random.Random(seed)
    wanted = [[k] for k in KEYS] + [["REVERSE " + k] for k in KEYS]
    wanted += [[r.choice(["", "REVERSE "]) + k for k in r.sample(KEYS, r.randint(2, 4))] for _ in range(rounds)]
    for keys in wanted:
        want = oracle.sort(mail, keys)
        got = numbers(c.do(f"SORT ({' '.join(keys)}) UTF-8 {criteria}")[0])
        assert got == want, (keys, next((i, a, b) for i, (a, b) in enumerate(zip(got, want)) if a != b))
        # A page of it is that part of it, from either end.
        first = r.randint(1, len(want) + 3)
        last = first + r.randint(0, 20)
        for sign, part in ("", want[first - 1:last]), ("-", want[max(0, len(want) - last):max(0, len(want) - first + 1)]):
            line = c.do(f"SORT RETURN (PARTIAL {sign}{first}:{sign}{last}) ({' '.join(keys)}) UTF-8 {criteria}")[0][-1]
            told = re.search(rb"PARTIAL \([-\d:]+ ([\d,:]+|NIL)\)", line).group(1)
            assert expand(told) == part, (keys, first, last, line, part)


def expand(told):
    out = []
    for one in [] if told == b"NIL" else told.split(b","):
        low, _, high = one.partition(b":")
        out += range(int(low), int(high or low) + 1)
    return out


def check_threads(c, mail, criteria="ALL"):
    for algorithm in "ORDEREDSUBJECT", "REFERENCES", "REFS":
        line = next(l for l in c.do(f"THREAD {algorithm} UTF-8 {criteria}")[0] if l.startswith(b"* THREAD"))
        got, want = oracle.parse_threads(line), oracle.thread(mail, algorithm)
        assert got == want, (algorithm, next((a, b) for a, b in zip(got + [None], want + [None]) if a != b))


def test_sort_lists(daemon):
    sys.setrecursionlimit(20000)
    for seed in range(6):
        c = fill(daemon, "user30", f"list{seed}", list_mail(seed, 150 if seed else 12))
        mail = read(c)
        assert all(m.judged for m in mail)
        check_sorts(c, mail, seed=seed)
        check_threads(c, mail)
        # Only some of the messages; then the others are not there at all.
        some = [m for m in mail if m.number % 3]
        named = ",".join(str(m.number) for m in some)
        check_sorts(c, some, named, 5, seed)
        check_threads(c, some, named)
        # What is expunged is gone, what comes and what is copied is there.
        c.do(f"STORE {','.join(str(m.number) for m in mail if m.number % 7 == 1)} +FLAGS.SILENT (\\Deleted)")
        c.do("EXPUNGE")
        c.do(f"COPY 1:5 list{seed}")
        c.do("NOOP")
        mail = read(c)
        check_sorts(c, mail, rounds=5, seed=seed)
        check_threads(c, mail)
        c.close()


def test_sort_corpora(daemon):
    """Where the oracle judges a message at all: it knows neither odd charsets nor odd addresses."""
    sys.setrecursionlimit(20000)
    mail = [(m, START + n % 977) for n, (name, m) in enumerate(messages.corpora()) if "realistic" in name and b"\0" not in m]
    if not mail:
        return
    c = fill(daemon, "user31", "corpora", mail)
    all_mail = read(c)
    judged = [m for m in all_mail if m.judged]
    assert len(judged) > len(all_mail) * .8, (len(judged), len(all_mail))
    c.do("STORE 1:* -FLAGS.SILENT (\\Seen)")
    for first in range(0, len(judged), 500):
        c.do(f"STORE {','.join(str(m.number) for m in judged[first:first + 500])} +FLAGS.SILENT (\\Seen)")
    check_sorts(c, judged, "SEEN", 8)
    check_threads(c, judged, "SEEN")
    c.close()


def test_thread_deep(daemon):
    """Each message answers the one before: in order, from the end, and at random; none is too deep."""
    count, r = 3000, random.Random(5)
    for name, order in ("down", range(count)), ("up", reversed(range(count))), ("any", r.sample(range(count), count)):
        mail = []
        for n in order:
            above = f"References: <{name}.{n - 1}@deep>\r\n" if n else ""
            mail.append((f"Message-ID: <{name}.{n}@deep>\r\n{above}Subject: deep\r\n\r\n".encode(), START + n))
        c = fill(daemon, "user32", name, mail)
        line = c.do("THREAD REFERENCES UTF-8 ALL")[0][-1]
        words = line[len(b"* THREAD ("):-1].split()
        assert len(words) == count and line.count(b"(") == 1, line[:200]
        numbers_by_depth = {n: i + 1 for i, (n, _) in enumerate(sorted(enumerate(mail), key=lambda x: x[1][1]))}
        assert [numbers_by_depth[int(w) - 1] for w in words] == list(range(1, count + 1))
        c.close()
