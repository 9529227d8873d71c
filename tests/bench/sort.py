#!/usr/bin/env python3
"""What SORT and THREAD cost: sort.py [--sizes N,N...] [--rounds N] SERVER:IMAP_PORT...

A mailbox of each size, of lists' mail: threads of some eight messages, a subject each, dates about in the order of arrival.
Each command first cold (nothing of the mailbox was sorted yet in this connection's life of the account), then warm: the
median of the rounds in milliseconds as the client has it, with the octets of the answer.  The servers do the same in
turns.  Commands that a server does not list are left out.  Times include this script's own reading of the answer.  What
names sequence numbers is made anew each time; "came" is a page that a new connection asks for after a message has come.
"""
import argparse, email.utils, pathlib, random, statistics, sys, time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "clients"))
from response import Client

START, BATCH = 1_600_000_000, 500
COMMANDS = [
    ("SORT", "SORT (REVERSE DATE) UTF-8 ALL"),
    ("SORT", "UID SORT (REVERSE DATE) UTF-8 ALL"),
    ("SORT", "SORT (REVERSE DATE) UTF-8 1:* ALL"),
    ("SORT", "SORT (REVERSE ARRIVAL) UTF-8 ALL"),
    ("SORT", "SORT (SUBJECT DATE) UTF-8 ALL"),
    ("SORT=DISPLAY", "SORT (DISPLAYFROM REVERSE DATE) UTF-8 ALL"),
    ("ESORT", "SORT RETURN (PARTIAL 1:50 COUNT) (REVERSE DATE) UTF-8 ALL"),
    ("ESORT", "SORT RETURN (PARTIAL 1:50 COUNT) (SUBJECT) UTF-8 UNDELETED"),
    ("THREAD=REFERENCES", "THREAD REFERENCES UTF-8 ALL"),
    ("THREAD=REFS", "THREAD REFS UTF-8 ALL"),
    ("THREAD=ORDEREDSUBJECT", "THREAD ORDEREDSUBJECT UTF-8 ALL"),
]


def mail(count):
    """(message, INTERNALDATE) one after the other."""
    r, threads = random.Random(count), []
    for n in range(count):
        if threads and r.random() < .88:
            thread = threads[-1 - min(int(r.expovariate(.1)), len(threads) - 1)]
        else:
            thread = (f"{r.choice(['nests', 'eggs', 'barn', 'twigs'])} {r.getrandbits(24):x} in the {n}th tree", [])
            threads.append(thread)
        subject, ids = thread
        own, person = f"<{n}.{r.getrandbits(40):x}@lists.example.org>", r.randrange(400)
        head = [f"From: Person {person} <p{person}@example.org>", "To: birds@lists.example.org",
                f"Subject: {'Re: ' if ids else ''}[birds] {subject}", f"Message-ID: {own}",
                f"Date: {email.utils.formatdate(START + n * 60 + r.randrange(7200))}"]
        if ids:
            head += [f"In-Reply-To: {ids[-1]}", "References: " + "\r\n ".join(ids[-12:])]
        ids.append(own)
        yield "\r\n".join(head).encode() + b"\r\n\r\nChirp.\r\n", START + n * 60


def fill(client, count):
    client.do("CREATE bench")
    parts = []
    for n, (message, arrived) in enumerate(mail(count), 1):
        date = time.strftime("%d-%b-%Y %H:%M:%S +0000", time.gmtime(arrived)).encode()
        parts.append(b"\"%s\" {%d+}\r\n%s" % (date, len(message), message))
        if len(parts) == BATCH or n == count:
            client.do(b"APPEND bench " + b" ".join(parts))
            parts = []


def timed(client, command):
    """Milliseconds, and octets of the answer."""
    start = time.perf_counter()
    client.socket.sendall(b"q1 " + command.encode() + b"\r\n")
    answer = bytearray()
    while b"\r\nq1 " not in answer[-200:] or not answer.endswith(b"\r\n"):
        answer += client.socket.recv(1 << 20)
    assert b"\r\nq1 OK" in answer, bytes(answer[-200:])
    return (time.perf_counter() - start) * 1000, len(answer)


PAGE = "UID SORT RETURN (PARTIAL 1:50 COUNT) (REVERSE DATE) UTF-8 ALL"


def timed_after_mail(client, port, user):
    """The same of a page, by a new connection after a message has come."""
    message, _ = next(mail(1))
    client.do(b"APPEND bench {%d+}\r\n%s" % (len(message), message))
    other = Client(port, timeout_s=900).login(user)
    other.do("SELECT bench")
    result = timed(other, PAGE)
    other.close()
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="1000,10000,100000")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("servers", nargs="+", metavar="SERVER:IMAP_PORT")
    args = parser.parse_args()
    print(f"{'':10}{'command':72}{'messages':>10}{'cold ms':>10}{'warm ms':>10}{'octets':>10}")
    for user, size in enumerate(map(int, args.sizes.split(",")), 11):
        for name, port in [(s.split(":")[0], int(s.split(":")[1])) for s in args.servers]:
            client = Client(port, timeout_s=900).login(f"user{user}")
            listed = b" ".join(client.do("CAPABILITY")[0]).decode().split()
            fill(client, size)
            client.do("SELECT bench")
            for capability, command in COMMANDS:
                if capability not in listed or ("PARTIAL" in command and "PARTIAL" not in listed
                                                and "CONTEXT=SORT" not in listed):
                    continue
                cold, octets = timed(client, command)
                warm = statistics.median(timed(client, command)[0] for _ in range(args.rounds))
                print(f"{name:10}{command:72}{size:10}{cold:10.2f}{warm:10.2f}{octets:10}", flush=True)
            if "PARTIAL" in listed:
                times = [timed_after_mail(client, port, f"user{user}") for _ in range(args.rounds)]
                print(f"{name:10}{'came: ' + PAGE:72}{size:10}{times[0][0]:10.2f}{statistics.median(t for t, _ in times):10.2f}{times[0][1]:10}")
            client.close()


if __name__ == "__main__":
    main()
