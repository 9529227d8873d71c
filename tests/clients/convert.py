#!/usr/bin/env python3
"""The text of attachments, as converters of the configuration make it: found by searches, whatever the converters do."""
import base64, ctypes, os, pathlib, shutil, signal, stat, tempfile, time

from store import run_with_stores, with_users

ALICE = "alice@example.org"
LONG = " ".join(f"w{n}" + "\r\n" * (n % 9 == 0) for n in range(10000, 26000)).encode()  # more than the index has in one piece
PDFTOTEXT = shutil.which("pdftotext")


def pdf(*lines):
    """A document of one page."""
    text = "BT /F1 12 Tf 72 720 Td 14 TL " + " ".join(f"({line}) Tj T*" for line in lines) + " ET"
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
               "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
               f"<< /Length {len(text)} >>\nstream\n{text}\nendstream", "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    out, places = "%PDF-1.4\n", []
    for n, body in enumerate(objects, 1):
        places.append(len(out))
        out += f"{n} 0 obj\n{body}\nendobj\n"
    table = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n" + "".join(f"{at:010} 00000 n \n" for at in places)
    return (out + f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n").encode()


def message(subject, attachment, kind="application/pdf", name="paper.pdf"):
    return (f"Subject: {subject}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nsee there\r\n--b\r\n"
            f"Content-Type: {kind}; name=\"{name}\"\r\nContent-Transfer-Encoding: base64\r\n"
            f"Content-Disposition: attachment; filename=\"{name}\"\r\n\r\n").encode() + base64.encodebytes(attachment).replace(
                b"\n", b"\r\n") + b"--b--\r\n"


def section(kind, command, more=""):
    return f'convert {{ type = "{kind}" command = "{command}" {more} }}\n'


def fake(store, name, script):
    """A converter of the test's own: its path.  What it writes, $1 and on, goes to a file in /tmp, as it may nowhere else."""
    path = store.directory / name
    path.write_text(f"#!/bin/sh\nto={written(store, name)}\n" + script)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def written(store, name):
    """Where a fake writes: "$to"."""
    return pathlib.Path("/tmp") / f"{store.directory.name}-{name}"


def take_written(store, name, suffix=""):
    path = pathlib.Path(f"{written(store, name)}{suffix}")
    data = path.read_bytes()
    path.unlink()
    return data


def configure(store, *sections):
    own = store.config.read_text().split("convert {")[0]
    store.write(own + "".join(sections))


def put(c, *messages):
    for m in messages:
        assert c.append("INBOX", None, None, m)[0] == "OK"


def search(c, *words):
    kind, data = c.uid("SEARCH", *words)
    assert kind == "OK", (kind, data)
    return [int(u) for u in data[0].split()]


def wait_found(store, uids, *words, seconds=60):
    """Until that is the answer: what is converted is found some seconds later."""
    until, found = time.monotonic() + seconds, None
    while time.monotonic() < until:
        c = store.log_in(ALICE, "secret")
        c.select("INBOX", readonly=True)
        found = search(c, *words)
        c.logout()
        if found == uids:
            return
        time.sleep(2.5)  # an account is at rest after two seconds
    raise AssertionError(f"{words}: {found}\n" + (store.directory / "log").read_text()[-3000:])


def log_lines(store, event):
    return [line for line in (store.directory / "log").read_text().splitlines() if f"event={event}" in line]


def test_pdf(store):
    if not PDFTOTEXT:
        print("(it needs pdftotext)")
        return
    configure(store, section("application/pdf", f"{PDFTOTEXT} -q -enc UTF-8 - -", 'suffix = ".pdf"'))
    store.start()
    with_users(store)
    c = store.log_in(ALICE, "secret")
    put(c, message("one", pdf("Quarterly zebra", "figures of Ostrich Ltd")), b"Subject: none\r\n\r\nzebra crossing\r\n",
        message("two", pdf("Walrus accounts"), "application/octet-stream", "WALRUS.PDF"),
        message("three", pdf("Walrus"), "application/octet-stream", "tusk.doc"), message("broken", b"%PDF-1.4\nnothing\n"),
        message("long", pdf("Okapi ledger")).replace(b"see there", LONG))
    c.logout()
    wait_found(store, [3], "TEXT", '"walrus accounts"')
    wait_found(store, [6], "TEXT", "okapi")
    c = store.log_in(ALICE, "secret")
    c.select("INBOX", readonly=True)
    answers = {("BODY", "ZEBRA"): [1, 2], ("TEXT", '"zebra figures"'): [1], ("BODY", "ostrich"): [1], ("SUBJECT", "zebra"): [],
               ("NOT", "TEXT", "zebra"): [3, 4, 5, 6], ("FUZZY", "TEXT", '"ostri"'): [1], ("BODY", "zq"): [], ("TEXT", '"nothing"'): [],
               ("OR", "BODY", "accounts", "BODY", "crossing"): [2, 3],
               ("BODY", "okapi"): [6], ("BODY", "w25999"): [6], ("FUZZY", "TEXT", '"okapi w25999"'): [6],
               ("FUZZY", "TEXT", '"ledger w10001"'): [6]}
    for words, expected in answers.items():
        assert search(c, *words) == expected, (words, search(c, *words))
    c.logout()
    assert store.json("index", "status", ALICE)[0]["texts"] == 3
    assert [1, 2] == [int(u) for u in store.json("search", ALICE, "INBOX", "TEXT zebra")[0]["uids"].replace(":", ",").split(",")]
    broken, = log_lines(store, "convert_failed")
    assert "content=5" in broken and "type=application/pdf" in broken, broken
    # An index that is made anew has them again.
    store.run("reindex", ALICE)
    wait_found(store, [1], "TEXT", "ostrich")
    # So it is after a start, without a word of programs.
    assert store.stop() == 0
    before = len(log_lines(store, "convert_failed"))
    store.start()
    wait_found(store, [1], "TEXT", "ostrich")
    assert len(log_lines(store, "convert_failed")) == before
    assert "0 problems" in store.run("check", ALICE)


def runs(pid):
    """Whether there is such a process that was not killed: an orphan is a zombie until whoever is the first process looks."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_whatever_they_do(store):
    """One that hangs, with a child; one that crashes; one that never ends writing; one that is not there: the others go on."""
    kinds = {
        "hangs": "echo $$ > $to.pid\nsleep 600 & echo $! > $to.child\nwait\n",
        "crashes": "echo halfway\nkill -SEGV $$\n",
        "floods": "echo floodbegin\nexec yes and so on\n",
        "memory": "python3 -c 'b = bytearray(3 << 30)' || exit 3\n",
        "fine": "cat\n",
    }
    configure(store, *(section(f"application/x-{name}", fake(store, name, script), "seconds = 5") for name, script in kinds.items()),
              section("application/x-absent", store.directory / "absent"))
    store.start()
    with_users(store)
    c = store.log_in(ALICE, "secret")
    put(c, *(message(name, b"text of " + name.encode(), f"application/x-{name}", "a") for name in [*kinds, "absent"]))
    put(c, message("last", b"the very last", "application/x-fine", "a"))
    c.logout()
    wait_found(store, [7], "TEXT", '"very last"')
    said = {line.split("type=application/x-")[1].split()[0]: line for line in log_lines(store, "convert_failed")}
    assert len(said) == len(log_lines(store, "convert_failed")) == 4 and set(said) == {"hangs", "crashes", "memory", "absent"}, said
    assert "after 5 seconds" in said["hangs"] and f"signal {int(signal.SIGSEGV)}" in said["crashes"], said
    assert "No such file" in said["absent"] and "exit status 3" in said["memory"], said
    for suffix in (".pid", ".child"):
        pid = take_written(store, "hangs", suffix).decode().strip()
        for _ in range(100):
            if not runs(pid):
                break
            time.sleep(0.1)
        assert not runs(pid), suffix
    for uids, word in (([3], "floodbegin"), ([], "halfway"), ([5], '"text of fine"')):
        wait_found(store, uids, "TEXT", word)
    size = sum(f.stat().st_size for f in (store.directory / "store/accounts").glob("*/search.db*"))
    assert size < 20_000_000, size


def many(subject, names):
    """A message with an attachment of each name, which is its text."""
    parts = "".join(f"--b\r\nContent-Type: application/x-many; name={n}\r\n\r\ntext of {n}\r\n" for n in names)
    return f"Subject: {subject}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{parts}--b--\r\n".encode()


def test_many_in_a_message(store):
    """More than an account's turn is long: each is converted once; and those that are too many are told of, once."""
    path = fake(store, "counted", "echo >> $to.count\ncat\n")
    configure(store, section("application/x-many", path))
    store.start()
    with_users(store)
    c = store.log_in(ALICE, "secret")
    put(c, many("twenty", [f"early{n}" for n in range(20)]), many("hundred", [f"late{n}" for n in range(100)]),
        many("one", ["behind"]))
    c.logout()
    for uids, word in (([3], "behind"), ([1], "early19"), ([2], "late63"), ([], "late64")):
        wait_found(store, uids, "TEXT", f'"text of {word}"')
    assert take_written(store, "counted", ".count").count(b"\n") == 20 + 64 + 1
    assert len(log_lines(store, "convert_failed")) == 1, log_lines(store, "convert_failed")


def test_what_they_are_given(store):
    """No descriptors, no environment, no terminal, low priority, limits; and the bytes of the attachment."""
    script = ("(env; echo nice $(nice); for l in f v t n c; do echo limit $l $(ulimit -$l); done; ls -l /proc/self/fd; echo session $(cut -d' ' -f6 /proc/self/stat)) > $to.said 2>&1\n"
              "echo \"$@\" >> $to.said\ncat > $to.bytes; echo done 'naïve Straße' $#\n")
    path = fake(store, "curious", script)
    configure(store, section("application/x-any", f"{path} -a  $HOME ;"))
    store.start(SECRET="nothing to see")
    with_users(store)
    content = os.urandom(100_000)
    c = store.log_in(ALICE, "secret")
    put(c, message("bytes", content, "Application/X-ANY"))
    put(c, b"Subject: alone\r\nContent-Type: application/x-any\r\n\r\nthe whole message\r\n")
    c.logout()
    wait_found(store, [1, 2], "TEXT", '"done na"')
    said = take_written(store, "curious", ".said").decode()
    assert take_written(store, "curious", ".bytes") in (content, b"the whole message\r\n")
    assert "SECRET" not in said and "nice 10" in said and "-a $HOME ;" in said, said
    links = [line for line in said.splitlines() if " -> " in line]
    assert len(links) <= 5 and not any("socket" in link or ".db" in link for link in links), said
    for limit in ("f 8192", "v 1048576", "t 60", "n 64", "c 0"):  # blocks of 512, KiB, seconds
        assert f"limit {limit}\n" in said, (limit, said)


def test_what_they_may_not(store):
    """Files that are no business of theirs, the daemon, privileges: refused, as far as the kernel can."""
    c = ctypes.CDLL(None)
    version = c.syscall(444, None, 0, 1)  # of Landlock
    with tempfile.TemporaryDirectory(dir="/var/tmp") as private:
        secret = pathlib.Path(private) / "secret"
        secret.write_text("hidden thing")
        path = fake(store, "spy", f"cat {secret} || echo unread\necho x > {private}/new || echo unwritten\nls {private} || echo unlisted\n"
                    "cat /etc/hostname || echo nothostname\nkill -0 $PPID || echo unsignalled\n"
                    "grep NoNewPrivs:.1 /proc/self/status && echo unprivileged\necho spied\n")
        configure(store, section("application/x-any", path))
        store.start()
        with_users(store)
        c = store.log_in(ALICE, "secret")
        put(c, message("n", b"x", "application/x-any"))
        c.logout()
        wait_found(store, [1], "TEXT", "spied")
        assert bool(log_lines(store, "convert_unconfined")) == (version < 1)
        wait_found(store, [1], "TEXT", "unprivileged")
        if version < 1:
            print("(the kernel has no Landlock)")
            return
        for word in ("unread", "unwritten", "unlisted", "nothostname", *(["unsignalled"] if version >= 6 else [])):
            wait_found(store, [1], "TEXT", word)
        wait_found(store, [], "TEXT", '"hidden thing"')
        assert os.listdir(private) == ["secret"]


def test_cut_short_and_changed(store):
    """Killed while it converts, it goes on; with another command all is made anew, and without any nothing is done."""
    slow = fake(store, "slow", "sleep 0.2; tr a-z A-Z\n")
    configure(store, section("application/x-any", slow))
    store.start()
    with_users(store)
    c = store.log_in(ALICE, "secret")
    put(c, *(message(f"n{n}", f"paper{n}x".encode(), "application/x-any") for n in range(1, 13)))
    c.logout()
    for _ in range(3):
        time.sleep(4.5)
        assert store.stop(signal.SIGKILL) == -signal.SIGKILL
        store.start()
        c = store.log_in(ALICE, "secret")
        c.select("INBOX")
        c.logout()
    wait_found(store, [12], "TEXT", "paper12x", seconds=120)
    c = store.log_in(ALICE, "secret")
    c.select("INBOX", readonly=True)
    for n in range(1, 13):
        assert search(c, "BODY", f"PAPER{n}X") == [n], n
    c.logout()
    assert store.stop() == 0
    configure(store, section("application/x-any", fake(store, "other", "echo other $(cat)\n")))
    store.start()
    wait_found(store, list(range(1, 13)), "TEXT", '"other paper"', seconds=120)
    assert store.stop() == 0
    configure(store)
    store.start()
    c = store.log_in(ALICE, "secret")
    put(c, message("late", b"latecomer", "application/x-any"))
    c.logout()
    time.sleep(4)
    wait_found(store, [], "TEXT", "latecomer")
    wait_found(store, [7], "TEXT", '"other paper7x"')  # what was made stays


def test_ends_at_once(store):
    """A converter that runs does not keep the daemon from ending."""
    configure(store, section("application/x-any", fake(store, "long", "touch $to.began; exec sleep 300\n"), "seconds = 300"))
    store.start()
    with_users(store)
    c = store.log_in(ALICE, "secret")
    put(c, message("n", b"x", "application/x-any"))
    c.logout()
    until = time.monotonic() + 30
    while not pathlib.Path(f"{written(store, 'long')}.began").exists():
        assert time.monotonic() < until
        time.sleep(0.1)
    take_written(store, "long", ".began")
    began = time.monotonic()
    assert store.stop() == 0 and time.monotonic() - began < 20
    assert not log_lines(store, "convert_failed")


if __name__ == "__main__":
    run_with_stores(globals(), __doc__, at_once=5)
