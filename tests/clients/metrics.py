#!/usr/bin/env python3
"""The metrics: their text by a parser of the format written here, what they count, who may ask; and that the board asks for what
there is."""
import http.client, json, pathlib, re, smtplib, socket, sys

import runner
from store import Store, refused, with_users
from daemon import free_ports

ALICE = "alice@example.org"
ROOT = pathlib.Path(__file__).resolve().parents[2]
NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf'({NAME})(?:\{{((?:{NAME}="(?:[^"\\\n]|\\[\\"n])*",?)*)\}})? (\S+)$')
SUFFIXES = {"gauge": ("",), "counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}


def parse(text):
    """{name: (type, {(suffix, labels): value})}; fails where the text is not as OpenMetrics 1.0 has it."""
    assert text.endswith("# EOF\n") and text.count("# EOF") == 1
    families, now = {}, None
    for line in text.split("\n")[:-2]:
        if line.startswith("# "):
            keyword, name, rest = line[2:].split(" ", 2)
            assert keyword in ("TYPE", "HELP", "UNIT"), line
            if name != now:
                assert name not in families and keyword == "TYPE", f"a family comes twice, or without its type: {line}"
                now, families[name] = name, [rest, {}]
            if keyword == "UNIT":
                assert name.endswith("_" + rest), line
            assert not families[name][1], f"behind samples: {line}"
            continue
        match = SAMPLE.match(line)
        assert match, line
        kind, samples = families[now]
        assert match[1].startswith(now) and match[1][len(now):] in SUFFIXES[kind], line
        key = (match[1][len(now):], match[2] or "")
        assert key not in samples, line
        samples[key] = float(match[3])
        assert samples[key] >= 0, line
    for name, (kind, samples) in families.items():
        if kind == "histogram":
            check_histogram(name, samples)
        elif not name.startswith("roost_domain_"):
            assert len(samples) == 1, name
    return {name: (kind, samples) for name, (kind, samples) in families.items()}


def check_histogram(name, samples):
    series = {}
    for (suffix, labels), value in samples.items():
        if suffix == "_bucket":
            rest, le = re.fullmatch(r'(.*?),?le="([^"]*)"', labels).groups()
            series.setdefault(rest, []).append((float(le.replace("+Inf", "inf")), value))
    for rest, buckets in series.items():
        assert [b[0] for b in buckets] == sorted({b[0] for b in buckets}) and buckets[-1][0] == float("inf"), (name, rest)
        assert [b[1] for b in buckets] == sorted(b[1] for b in buckets), (name, buckets)
        assert samples[("_count", rest)] == buckets[-1][1] and ("_sum", rest) in samples, (name, rest)


def get(connection, method="GET", path="/metrics"):
    connection.request(method, path)
    answer = connection.getresponse()
    return answer.status, answer.getheader("Content-Type"), answer.read().decode()


class Local(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(self.path)


def scrape(port):
    status, kind, text = get(http.client.HTTPConnection("127.0.0.1", port, timeout=20))
    assert status == 200 and kind == "application/openmetrics-text; version=1.0.0; charset=utf-8", (status, kind)
    return parse(text)


def value(families, name):
    (v,) = families["roost_" + name][1].values()
    return v


def test_what_is_counted(roost):
    port, lmtp = free_ports(2)
    store = Store(roost, f'metrics = "127.0.0.1:{port}"\nlisten {{ protocol = "lmtp" port = {lmtp} }}\n')
    with_users(store)
    store.start()
    before = scrape(port)
    assert value(before, "sessions") == 0 and value(before, "logins") == 0
    assert refused(store, ALICE, "guess")
    c = store.log_in(ALICE, "secret")
    c.select("INBOX")
    for _ in range(3):
        c.noop()
    assert c.select("Nowhere")[0] == "NO"
    with smtplib.LMTP("127.0.0.1", lmtp) as m:
        m.sendmail("a@example.net", [ALICE], b"Subject: x\r\n\r\n" + b"y" * 1000)
        try:
            m.sendmail("a@example.net", ["nobody@example.org"], b"Subject: x\r\n\r\nx\r\n")
        except smtplib.SMTPRecipientsRefused:
            pass
    after = scrape(port)
    assert value(after, "sessions") == 1 and value(after, "logins") == 1 and value(after, "logins_failed") == 1
    assert value(after, "deliveries") == 1 and value(after, "syncs") > value(before, "syncs")
    assert value(after, "commands_no") >= 2  # the login, the mailbox
    commands = {k[1]: v for k, v in after["roost_command_duration_seconds"][1].items() if k[0] == "_count"}
    assert commands['command="NOOP"'] == 3 and commands['command="SELECT"'] == 2, commands
    c.logout()
    with smtplib.LMTP("127.0.0.1", lmtp) as m:
        m.noop()
    store.json("stats")  # by then the connections before it are gone, with their bytes counted
    end = scrape(port)
    assert value(end, "received_bytes") > 1000 and value(end, "sent_bytes") > 500, end
    rows = {r["name"]: r["value"] for r in store.json("stats")}
    assert {"roost_" + n for n in rows} == set(end) - {"roost_command_duration_seconds"}
    store.close()


def test_who_may_ask(roost):
    port, = free_ports(1)
    store = Store(roost)
    path = f"{store.directory}/metrics"
    store.write(store.config.read_text() + f'metrics = "{path}"\n')
    store.start()
    status, _, text = get(Local(path))
    assert status == 200 and "roost_sessions" in parse(text)
    assert get(Local(path), path="/")[0] == 404 and get(Local(path), "POST")[0] == 405
    assert get(Local(path), "HEAD")[2] == ""
    quiet = [socket.socket(socket.AF_UNIX) for _ in range(10)]  # who says nothing keeps nobody out
    for s in quiet:
        s.connect(path)
    assert get(Local(path))[0] == 200
    assert store.stop() == 0
    assert not pathlib.Path(path).exists()
    text = store.config.read_text()
    for where in (f"0.0.0.0:{port}", f"192.0.2.1:{port}", f"[::]:{port}", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:x", "localhost:1"):
        store.write(text.replace(path, where))
        assert "is expected" in store.run("serve", code=1), where
    taken = socket.socket()
    taken.bind(("127.0.0.1", port))
    taken.listen(1)
    store.write(text.replace(path, f"127.0.0.1:{port}"))
    assert "metrics" in store.run("serve", code=1)
    store.close()


def test_by_domain(roost):
    port, = free_ports(1)
    store = Store(roost, f'metrics = "127.0.0.1:{port}"\nmetrics_domains = true\n')
    with_users(store)
    store.run("domain", "add", "example.net")
    store.run("user", "add", "bob@example.net", stdin=b"secret\n")
    store.start()
    assert scrape(port)["roost_domain_sessions"][1] == {}
    there = [store.log_in(user, "secret") for user in (ALICE, ALICE, "bob@example.net")]
    assert scrape(port)["roost_domain_sessions"][1] == {("", 'domain="example.org"'): 2, ("", 'domain="example.net"'): 1}
    assert scrape(port)["roost_domain_storage_bytes"][1] == {}
    store.run("deliver", "bob@example.net", stdin=b"x" * 99 + b"\n")
    assert scrape(port)["roost_domain_storage_bytes"][1] == {("", 'domain="example.net"'): 101}
    for c in there:
        c.logout()
    store.close()


def deliver(port, to):
    with smtplib.LMTP("127.0.0.1", port) as m:
        try:
            m.sendmail("a@example.com", [to], b"Subject: x\r\n\r\nx\r\n")
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError):
            pass


def by_domain(families, name):
    kind, samples = families["roost_domain_" + name]
    assert kind == "counter" and all(suffix == "_total" for suffix, _ in samples), samples
    return {re.fullmatch(r'domain="(.*)"', labels)[1]: v for (_, labels), v in samples.items()}


def test_counted_by_domain(roost):
    port, lmtp = free_ports(2)
    store = Store(roost, f'metrics = "127.0.0.1:{port}"\nmetrics_domains = true\nlisten {{ protocol = "lmtp" port = {lmtp} }}\n')
    with_users(store)
    store.run("domain", "add", "example.net")
    store.run("user", "add", "bob@example.net", stdin=b"secret\n")
    store.start()
    names = ("logins", "logins_failed", "commands", "commands_no", "commands_bad", "command_seconds", "received_bytes", "sent_bytes",
             "deliveries", "deliveries_deferred", "deliveries_refused", "recipients_unknown")
    before = scrape(port)
    assert [by_domain(before, n) for n in names] == [{}] * len(names), before
    for user in ("nobody@example.net", "bob@example.net", "stranger@elsewhere.example", "no-address"):
        assert refused(store, user, "guess")
    c = store.log_in(ALICE, "secret")
    c.select("INBOX")
    assert c.select("Nowhere")[0] == "NO"
    assert c.append("INBOX", None, None, b"x" * 1000)[0] == "OK"
    try:
        c.xatom("NONSENSE")
    except c.error:
        pass
    c.logout()
    store.run("user", "set", "bob@example.net", "quota_messages", "1")
    for to in (ALICE, "bob@example.net", "bob@example.net", "nobody@example.net", "x@elsewhere.example", ALICE):
        deliver(lmtp, to)
    store.run("user", "set", "bob@example.net", "quota_refuse", "true")
    deliver(lmtp, "bob@example.net")
    store.json("stats")  # by then the connections before it are gone, with their bytes counted
    after = scrape(port)
    expected = {"logins": {"example.org": 1}, "logins_failed": {"example.net": 2}, "commands": {"example.org": 6},
                "commands_no": {"example.org": 1}, "commands_bad": {"example.org": 1},
                "deliveries": {"example.org": 2, "example.net": 1}, "deliveries_deferred": {"example.net": 1},
                "deliveries_refused": {"example.net": 1}, "recipients_unknown": {"example.net": 1}}
    assert {n: by_domain(after, n) for n in expected} == expected
    assert value(after, "recipients_unknown") == 2
    assert set(by_domain(after, "command_seconds")) == {"example.org"} and 0 < by_domain(after, "command_seconds")["example.org"] < 60
    got, sent = by_domain(after, "received_bytes"), by_domain(after, "sent_bytes")
    assert set(got) == set(sent) == {"example.org"}, (got, sent)
    assert 1000 < got["example.org"] < value(after, "received_bytes") and 100 < sent["example.org"] < value(after, "sent_bytes")
    store.close()


def test_the_board(roost):
    """It asks for what there is."""
    port, = free_ports(1)
    store = Store(roost, f'metrics = "127.0.0.1:{port}"\nmetrics_domains = true\n')
    with_users(store)
    store.start()
    store.log_in(ALICE, "secret").logout()
    families = scrape(port)
    names = {name + suffix for name, (kind, _) in families.items() for suffix in SUFFIXES[kind]}
    board = json.loads((ROOT / "contrib/grafana/roost.json").read_text())
    asked = set(re.findall(r"roost_\w+", json.dumps(board["panels"]) + json.dumps(board["templating"])))
    assert asked and asked <= names, asked - names
    assert len({p["id"] for p in board["panels"]}) == len(board["panels"])
    store.close()


if __name__ == "__main__":
    args = runner.arguments(__doc__)
    sys.exit(bool(runner.run(globals(), args, lambda test, _: test(args.roost))))
