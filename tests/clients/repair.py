#!/usr/bin/env python3
"""roost check --repair: stores that were damaged in each way are sound afterwards, and have every message that can be read."""
import hashlib, imaplib, random, re, shutil, sqlite3, subprocess

from store import run_with_stores, served, with_users

ALICE = "alice@example.org"
SMALL, LARGE = 270, 1
BOX = "Lists/Sample"

# What is done, and how many of the sample's messages are whole afterwards (None: all), in its mailbox or in Recovered.
# {box}, {small}, {large}, {gone}: the mailbox, and a content that is in the database, in a file, in the graveyard.
ROW = "(SELECT min(id) FROM segment WHERE id>>32={box})"
DAMAGES = [ # tests/unit/repair_test.c has each that there is; these need what the server does, or show what a user sees
    ("UPDATE mailbox SET modseq=modseq-5 WHERE id=0", None),
    ("UPDATE mailbox SET parent=4711 WHERE id={box}", None),
    ("UPDATE mailbox SET uidnext=100 WHERE id={box}", None),
    ("UPDATE mailbox SET state=1 WHERE id={box}", None),
    ("UPDATE segment SET data=zeroblob(length(data)) WHERE id=" + ROW, None),
    ("UPDATE segment SET data=(SELECT data FROM segment WHERE id=" + ROW + "), count=(SELECT count FROM segment WHERE id=" + ROW
     + ") WHERE id>>32={box} AND id>" + ROW, "twice"),
    ("DELETE FROM content WHERE id={small}", None),  # its bytes are still there
    ("UPDATE content SET size=5 WHERE id={small}", "changed"),
    ("UPDATE content SET digest=zeroblob(16) WHERE id={large}", None),
    ("UPDATE header SET data='nonsense' WHERE content={small}", None),
    ("DELETE FROM body WHERE content={small}", -1),
    ("UPDATE body SET data=zeroblob(length(data)) WHERE content={small}", -1),
    ("UPDATE gone SET data=zeroblob(length(data))", None),
    ("UPDATE change SET flags=x'01' WHERE flags IS NOT NULL", None),
    ("DELETE FROM keys WHERE content={small}", None),
    ("file removed", -1),
    ("file damaged", -1),
]


def make_template(store):
    """A mailbox of many small messages and a large one, with flags; some expunged.  Everything that is to be there again."""
    with_users(store)
    rng = random.Random(3)
    top = store.directory / "in" / ".Lists.Sample"
    for sub in ("cur", "new", "tmp"):
        (top / sub).mkdir(parents=True)
    digests = []
    for n in range(SMALL + LARGE + 10):
        body = rng.randbytes(200_000).hex() if n == SMALL else "word " * rng.randrange(200)
        text = f"From: s{n}@example.net\r\nSubject: number {n}\r\n\r\n{body}\r\n"
        (top / "cur" / f"{n:06d}.x:2,{'S' if n % 3 else ''}").write_bytes(text.encode())
        if n < SMALL + LARGE:
            digests.append(hashlib.sha256(text.encode()).hexdigest())
    store.run("import", ALICE, str(store.directory / "in"))
    with served(store) as port:
        c = imaplib.IMAP4("127.0.0.1", port)
        c.login(ALICE, "secret")
        c.select(BOX)
        c.store(f"{SMALL + LARGE + 1}:*", "+FLAGS", r"(\Deleted)")
        c.expunge()
        c.store("5:20", "+FLAGS", r"(\Flagged todo)")
        c.logout()
    account, = (store.directory / "store/accounts").iterdir()
    db = sqlite3.connect(account / "index.db")
    one = lambda sql: db.execute(sql).fetchone()[0]
    ids = {"box": one("SELECT id FROM mailbox WHERE leaf='Sample'"), "large": one("SELECT content FROM body WHERE data IS NULL"),
           "small": one("SELECT min(id)+3 FROM content"), "gone": one("SELECT max(id) FROM content")}
    db.close()
    return account.name, ids, sorted(digests)


def damage(account, sql, ids):
    path = account / "blob" / f"{ids['large'] & 255:02x}" / str(ids["large"])
    if sql == "file removed":
        path.unlink()
    elif sql == "file damaged":
        data = bytearray(path.read_bytes())
        data[70000] ^= 1
        path.write_bytes(data)
    else:
        db = sqlite3.connect(account / "index.db")
        db.execute(sql.format(**ids))
        assert db.total_changes > 0, sql
        db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.close()


def exported(store):
    """Digests of all messages in the account, in CRLF form, and those that tell of damage."""
    out = store.directory / "out"
    shutil.rmtree(out, ignore_errors=True)
    said = store.run("export", ALICE, str(out))
    assert "0 problems" in said, said
    files = [re.sub(rb"(?<!\r)\n", b"\r\n", f.read_bytes()) for f in out.rglob("*") if f.parent.name == "cur"]
    told = [f for f in files if f.startswith(b"X-Roost-Damage: ") or b"(this message is lost)" in f]
    return sorted(hashlib.sha256(f).hexdigest() for f in files), told


def check_repair(store, template, sql, expected):
    name, ids, digests = template
    account = store.directory / "store/accounts" / name
    shutil.rmtree(account)
    shutil.copytree(store.directory / "template", account)
    damage(account, sql, ids)
    p = subprocess.run([store.roost, "-c", str(store.config), "check", ALICE, "--repair"], capture_output=True, text=True, timeout=60)
    said = p.stdout + p.stderr
    assert p.returncode == 0 and " 0 problems are left" in said and not re.search(r" 0 things mended", said), said
    have, told = exported(store)
    if expected == "twice":  # which of the two copies of a row is the right one nobody can know
        assert set(digests) <= set(have), said
    elif expected == "changed":
        assert len(have) == len(digests), said
    else:
        missing = [d for d in digests if d not in have]
        assert len(have) == len(digests) and len(missing) == -(expected or 0) == len(told), (len(have), len(missing), said)
    return said


def test_each_damage(store):
    template = make_template(store)
    shutil.copytree(store.directory / "store/accounts" / template[0], store.directory / "template")
    have, told = exported(store)
    assert have == template[2] and not told
    assert "0 problems, 0 leftovers" in store.run("check", ALICE, "--repair")  # a sound one is left alone
    for sql, expected in DAMAGES:  # what is left is told by the repair's own last look
        try:
            check_repair(store, template, sql, expected)
        except Exception as e:
            raise AssertionError(f"{sql}: {e}") from e


def test_what_clients_see(store):
    """Under a daemon: the message whose body was lost has a new UID, UIDVALIDITY stays, and mod-sequences only rise."""
    name, ids, _ = make_template(store)
    def look():
        c = imaplib.IMAP4("127.0.0.1", store.port)
        c.login(ALICE, "secret")
        status = c.status(BOX, "(UIDVALIDITY UIDNEXT HIGHESTMODSEQ MESSAGES)")[1][0].decode()
        c.select(BOX, readonly=True)
        uids = set(c.uid("SEARCH", "ALL")[1][0].split())
        found = c.uid("SEARCH", "HEADER", "X-Roost-Damage", '"bytes are missing"')[1][0].split()
        flagged = len(c.uid("SEARCH", "KEYWORD", "todo")[1][0].split())
        c.logout()
        return {k: int(v) for k, v in re.findall(r"([A-Z]+) (\d+)", status)}, uids, found, flagged
    store.start()
    before = look()
    store.stop()
    damage(store.directory / "store/accounts" / name, "file damaged", ids)
    # What can be read of it can also be taken away as it is.
    p = subprocess.run([store.roost, "-c", str(store.config), "export", ALICE, str(store.directory / "damaged")],
                       capture_output=True, text=True, timeout=60)
    assert p.returncode == 0 and "is damaged: what is missing of it is left out" in p.stderr and "1 problems" in p.stdout, p
    assert len([f for f in (store.directory / "damaged").rglob("*") if f.parent.name == "cur"]) == before[0]["MESSAGES"]
    store.start()
    rows = store.json("check", ALICE, "--repair")
    assert any("it is there again with a new UID" in r.get("mended", "") for r in rows), rows
    after = look()
    assert after[0]["UIDVALIDITY"] == before[0]["UIDVALIDITY"] and after[0]["HIGHESTMODSEQ"] > before[0]["HIGHESTMODSEQ"]
    assert after[0]["MESSAGES"] == before[0]["MESSAGES"] and after[3] == before[3] == 16
    assert len(before[1] - after[1]) == 1 and after[1] - before[1] == set(after[2]), (before, after)
    assert "1 accounts looked at, 0 problems" in store.run("check", "--all", "--repair")


def change(path, sql):
    db = sqlite3.connect(path)
    db.execute(sql)
    db.commit()
    db.close()


def test_it_is_said(store):
    """A client hears a few words, and the log what is the matter: damage, and what another version has made."""
    with_users(store)
    store.run("deliver", ALICE, stdin=b"Subject: x\n\nx\n")
    log = store.directory / "log"
    directory = store.directory / "store/directory.db"
    account, = (store.directory / "store/accounts").iterdir()
    index = account / "index.db"
    change(index, "UPDATE body SET data=zeroblob(length(data))")
    with served(store):
        c = store.log_in(ALICE, "secret")
        c.select("INBOX")
        try:  # the octets that were promised cannot come
            c.fetch("1", "(BODY[])")
        except imaplib.IMAP4.abort:
            pass
        assert store.log_in(ALICE, "secret").select("INBOX")[0] == "OK"
    assert re.search(rf"event=answered_error user={ALICE} account={account.name} op=FETCH error=corrupt", log.read_text()), log.read_text()
    change(index, "ALTER TABLE content RENAME COLUMN sent TO sent_at")
    with served(store):
        answer = store.log_in(ALICE, "secret").append("INBOX", None, None, b"y\r\n")
        assert answer == ("NO", [b"[SERVERBUG] The store was made by another version"]), answer
    assert re.search(rf'event=store_fault account={account.name} op=APPEND error=foreign fault="another version of roost has made it: .*sent"',
                     log.read_text()), log.read_text()
    change(index, "PRAGMA user_version = 2")
    said = store.run("mailbox", "list", ALICE, code=1)
    assert "made by another version" in said and "its tables are version 2, this one knows them up to 1" in said, said
    change(directory, "PRAGMA user_version = 7")
    for words in (("user", "list"), ("serve",)):
        said = store.run(*words, code=1)
        assert "directory.db" in said and "its tables are version 7, this one knows them up to 1" in said, said


if __name__ == "__main__":
    run_with_stores(globals(), __doc__)
