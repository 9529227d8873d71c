#!/usr/bin/env python3
"""The full-text index of a daemon: filled in the background, answers the same without it, survives what becomes of its file."""
import contextlib, random, signal, sqlite3, subprocess, time

from store import both_ways, run_with_stores, with_users

ALICE = "alice@example.org"
WORDS = "house garden river mountain letter window Straße señor 会議室 вечер invoice meeting budget lunch weather".split()


def message(rng, n):
    """Each number has a word of its own, `tag<n>x`, in one place or another."""
    words = [rng.choice(WORDS) for _ in range(rng.randint(5, 80))]
    tag, where = f"tag{n}x", n % 4
    subject = tag if where == 0 else "of " + rng.choice(WORDS)
    words.insert(rng.randint(0, len(words)), tag if where == 1 else "and")
    lines = [" ".join(words[i:i + 9]) for i in range(0, len(words), 9)]
    body = "\r\n".join(lines)
    if where == 2:
        body = f"<p>{body}</p><p>t&#97;g<b>{n}</b>x</p>"
    name = f' name="{tag}.txt";' if where == 3 else ""
    return (f"Subject: {subject}\r\nContent-Type: text/{'html' if where == 2 else 'plain'};{name} charset=utf-8\r\n\r\n{body}\r\n").encode()


def fill(store, first, last, seed=1):
    rng = random.Random(seed)
    c = store.log_in(ALICE, "secret")
    for n in range(first, last + 1):
        assert c.append("INBOX", None, None, message(rng, n))[0] == "OK"
    c.logout()


def status(store):
    return store.json("index", "status", ALICE)[0]


QUIET_S, BUSY_S = 3.2, 0.3  # an account is at rest after two seconds, which is looked at each second


def wait_indexed(store, count, seconds=30, between_s=QUIET_S):
    """Until all of it is in the index.  Who looks is a use of the account: when that is never at rest, it takes ten seconds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        s = status(store)
        if s["behind"] == 0 and s["indexed"] == count:
            return s
        time.sleep(between_s)
    raise AssertionError(f"not indexed: {s}")


def search(c, *words):
    kind, data = c.uid("SEARCH", *words)
    assert kind == "OK", (kind, data)
    return [int(u) for u in data[0].split()]


def check_answers(store, last):
    """What only one message holds, what many do, and what none does."""
    c = store.log_in(ALICE, "secret")
    c.select("INBOX", readonly=True)
    for n in range(1, last + 1, max(1, last // 40)):
        assert search(c, "TEXT", f"Tag{n}X") == [n], n
    everything = search(c, "ALL")
    house = search(c, "BODY", "HOUSE")
    assert house and house != everything, house
    assert sorted(house + search(c, "NOT", "BODY", "house")) == everything
    assert search(c, "TEXT", '"nothing of that kind"') == []
    for word in ("ВЕЧЕР", "会議室", "STRASSE", "SEÑOR"):
        c.literal = word.encode()
        assert bool(search(c, "CHARSET", "UTF-8", "TEXT")) == (word != "STRASSE"), word
    c.logout()


def file_of(store):
    found = list((store.directory / "store/accounts").glob("*/search.db"))
    return found[0] if found else None


def log_has(store, text):
    return text in (store.directory / "log").read_text()


def test_in_the_background(store):
    store.start()
    with_users(store)
    assert status(store)["indexed"] == 0
    fill(store, 1, 60)
    check_answers(store, 60)
    s = wait_indexed(store, 60, between_s=BUSY_S)
    assert s["bytes"] > 0 and s["dead"] == 0, s
    check_answers(store, 60)
    fill(store, 61, 70, seed=2)
    check_answers(store, 70)  # a part of it is not in the index yet
    wait_indexed(store, 70)
    check_answers(store, 70)
    assert "0 problems" in store.run("check", ALICE)


@both_ways
def test_reindex(store):
    with_users(store)
    rng = random.Random(1)
    for n in range(1, 21):
        store.run("deliver", ALICE, stdin=message(rng, n))
    assert "20 contents indexed" in store.run("reindex", ALICE)
    s = status(store)
    assert (s["indexed"], s["behind"], s["dead"]) == (20, 0, 0), s
    assert "1 accounts indexed" in store.run("reindex", "--all") and status(store)["indexed"] == 20
    assert len(store.json("index", "status", "--all")) == 1
    assert "not found" in store.run("reindex", "nobody@example.org", code=1)
    if store.daemon:
        check_answers(store, 20)


def test_search(store):
    """The plan: a rare word narrows by the index, a flag by memory; few messages are looked into rather than asked for."""
    store.start()
    with_users(store)
    fill(store, 1, 100)
    store.run("reindex", ALICE)
    assert store.json("search", ALICE, "INBOX", 'TEXT "Tag7x"') == [{"uids": "7"}]
    assert store.json("search", ALICE, "INBOX", "UID 3:5,9 UNSEEN") == [{"uids": "3:5,9"}]
    assert store.json("search", ALICE, "INBOX", "SEEN") == []
    plan = {row["key"].strip(): row for row in store.json("search", ALICE, "INBOX", 'UNSEEN NOT TEXT "tag7x"', "--explain")}
    body = next(row for key, row in plan.items() if key.startswith("TEXT"))
    assert body["by"] == "index, then messages" and body["named"] == body["looked"] == body["held"] == 1, plan
    assert plan["\\Seen"]["by"] == "memory", plan
    few = [r for r in store.json("search", ALICE, "INBOX", 'UID 1:3 TEXT "tag2x"', "--explain") if "TEXT" in r["key"]]
    assert (few[0]["by"], few[0]["named"], few[0]["looked"], few[0]["held"]) == ("messages", "", 3, 1), few
    assert "1 of 100 messages" in store.run("search", ALICE, "INBOX", "UID 1:3 TEXT tag2x", "--explain")
    assert "not a SEARCH program" in store.run("search", ALICE, "INBOX", "NONSENSE", code=1)
    assert "not found" in store.run("search", ALICE, "Nowhere", "ALL", code=1)


def test_killed_again_and_again(store):
    """Whenever it dies, the answers are complete, and the index gets there in the end."""
    store.start()
    with_users(store)
    fill(store, 1, 400)
    rng, cut_short = random.Random(5), 0
    for round in range(24):
        if round % 4 == 3:
            check_answers(store, 400)  # what was begun before is gone on with meanwhile
        else:
            store.log_in(ALICE, "secret").select("INBOX")  # which begins it
            time.sleep(rng.random() * 0.12)
        assert store.stop(signal.SIGKILL) == -signal.SIGKILL
        file = file_of(store)
        complete = status(store)["behind"] == 0
        cut_short += bool(file and not complete)
        if complete:
            file.unlink()  # it is disposable
        store.start()
    assert cut_short, "it never died in the midst"
    wait_indexed(store, 400)
    check_answers(store, 400)
    assert not log_has(store, "index_dropped"), (store.directory / "log").read_text()[-2000:]


def test_damaged(store):
    """A file that is not what it should be is thrown away, with a word in the log, and made anew."""
    store.start()
    with_users(store)
    fill(store, 1, 300)
    wait_indexed(store, 300)
    rng = random.Random(7)
    garbage = bytes(rng.randrange(256) for _ in range(40000))
    for number, damage in enumerate(("garbage", "cut", "foreign", "middle")):
        assert store.stop() == 0
        file = file_of(store)
        whole = file.read_bytes()
        if damage == "foreign":
            file.unlink()
            other = sqlite3.connect(file)
            other.execute("CREATE TABLE somebody(elses)")
            other.execute("PRAGMA user_version=3")
            other.commit()
            other.close()
        else:
            file.write_bytes({"garbage": garbage, "cut": whole[:len(whole) // 2],
                              "middle": whole[:16384] + garbage[:len(whole) - 16384]}[damage])
        store.start()
        check_answers(store, 300)
        fill(store, 301 + number, 301 + number, seed=number)
        wait_indexed(store, 301 + number)
        check_answers(store, 301 + number)
        text = (store.directory / "log").read_text()
        assert text.count("index_dropped") == number + 1, (damage, text[-2000:])


def test_flipped_bits(store):
    """A flipped bit would be another list of ids: it is found out before it makes an answer wrong, by a search and by a check."""
    store.start()
    with_users(store)
    fill(store, 1, 300)
    wait_indexed(store, 300)
    assert store.stop() == 0
    whole = file_of(store).read_bytes()
    assert len(whole) % 16384 == 0
    rng, pages, path, found = random.Random(3), len(whole) // 16384, file_of(store), 0
    chosen = rng.sample(range(pages), min(pages, 10))
    for page in chosen:
        damaged = bytearray(whole)
        damaged[page * 16384 + 100 + rng.randrange(16384 - 100)] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        check_answers_without_daemon(store, 300)
        said = subprocess.run([store.roost, "-c", str(store.config), "check", ALICE], capture_output=True, text=True)
        found += "search.db was damaged" in said.stdout or not path.exists() or path.read_bytes() != damaged
    assert found > len(chosen) / 2, f"{found} of {len(chosen)}"  # the others are in pages that are free
    path.write_bytes(whole)
    assert "0 problems" in store.run("check", ALICE) and path.exists()


def check_answers_without_daemon(store, last):
    for n in range(1, last + 1, last // 4):
        assert store.json("search", ALICE, "INBOX", f'TEXT "tag{n}x"') == [{"uids": str(n)}], n


@contextlib.contextmanager
def small_disk(store, megabytes):
    """The store on a disk of its own; a call with more megabytes makes it larger.  None: there can be none here."""
    top = store.directory / "store"
    top.mkdir(exist_ok=True)

    def mount(size, *options):
        return subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join([*options, f"size={size}m"]), "tmpfs", str(top)],
                              stderr=subprocess.DEVNULL).returncode == 0
    mounted = mount(megabytes)
    try:
        yield (lambda size: mount(size, "remount")) if mounted else None
    finally:
        if mounted:
            if store.daemon:
                store.stop()
            subprocess.run(["umount", str(top)], check=True)


def test_full_disk(store):
    """Where there is no room, mail is refused in order and what was taken is found; with room again the index catches up."""
    with small_disk(store, 10) as resize:
        if not resize:
            print("(only root can have a disk fill up)")
            return
        store.start()
        with_users(store)
        rng, n, refused = random.Random(1), 0, 0
        c = store.log_in(ALICE, "secret")
        while refused < 20:  # the index is at work meanwhile
            said = c.append("INBOX", None, None, message(rng, n + 1) + b"x" * 3000 + rng.randbytes(1500).hex().encode())
            n += said[0] == "OK"
            refused += said[0] != "OK"
            if said[0] != "OK":
                assert b"disk of the server is full" in said[1][0] and c.noop()[0] == "OK", said
                time.sleep(0.1)
        c.logout()
        check_answers(store, n)
        time.sleep(QUIET_S)
        check_answers(store, n)
        assert resize(200)
        fill(store, n + 1, n + 20, seed=9)
        wait_indexed(store, n + 20, between_s=BUSY_S)
        check_answers(store, n + 20)
        assert "0 problems" in store.run("check", ALICE)


def test_off(store):
    store.write(store.config.read_text() + "fulltext = false\n")
    store.start()
    with_users(store)
    fill(store, 1, 40)
    check_answers(store, 40)
    time.sleep(QUIET_S + 1)
    assert file_of(store) is None
    assert status(store)["behind"] == 40


if __name__ == "__main__":
    run_with_stores(globals(), __doc__, at_once=4)
