#!/usr/bin/env python3
"""Roundcube (Debian's package) in headless Chromium before Roost: users of two domains log in, read, flag, search, work with
folders, move, delete, keep drafts.  What the browser does is looked for through IMAP.  ./dev webmail installs what it takes."""
import argparse, imaplib, os, pathlib, re, shutil, signal, sqlite3, subprocess, sys, tempfile, time, traceback

try:
    from selenium import webdriver
except ImportError:  # Debian's package is for Debian's Python
    if sys.executable != "/usr/bin/python3" and os.access("/usr/bin/python3", os.X_OK):
        os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])
    webdriver = None
if webdriver:
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path += [str(HERE.parent / "clients"), str(HERE.parent / "harness")]
from store import Store  # noqa: E402 (the path is set above)
from daemon import free_ports  # noqa: E402

ROUNDCUBE = pathlib.Path("/usr/share/roundcube")

CONFIG = """<?php
$config['db_dsnw'] = 'sqlite:///{dir}/roundcube.db?mode=0600';
$config['imap_host'] = '127.0.0.1:{imap}';
$config['smtp_host'] = '127.0.0.1:1';
$config['des_key'] = 'twenty-four-bytes-of-key';
$config['log_dir'] = '{dir}/logs/';
$config['temp_dir'] = '{dir}/temp/';
$config['plugins'] = [];
$config['skin'] = 'elastic';
$config['language'] = 'en_US';
$config['enable_installer'] = false;
$config['create_default_folders'] = false;
$config['quota_zero_as_unlimited'] = true;
$config['check_all_folders'] = true;
$config['refresh_interval'] = 60;
"""


class Webmail:
    """PHP's own server on loopback, with Roundcube and a SQLite database of its own."""

    def __init__(self, store):
        self.temporary = tempfile.TemporaryDirectory(prefix="roost-webmail")
        self.directory = pathlib.Path(self.temporary.name)
        for name in ("config", "logs", "temp"):
            (self.directory / name).mkdir()
        for name in ("defaults.inc.php", "mimetypes.php"):
            (self.directory / "config" / name).symlink_to(f"/etc/roundcube/{name}")
        (self.directory / "config/config.inc.php").write_text(CONFIG.format(dir=self.directory, imap=store.port))
        db = sqlite3.connect(self.directory / "roundcube.db")
        db.executescript((ROUNDCUBE / "SQL/sqlite.initial.sql").read_text())
        db.close()
        self.port, = free_ports(1)
        self.log = open(self.directory / "php.log", "wb")
        root = pathlib.Path("/var/lib/roundcube/public_html")
        self.process = subprocess.Popen(
            ["php", "-d", "display_errors=0", "-S", f"127.0.0.1:{self.port}", "-t", str(root if (root / "index.php").exists()
                                                                                    else root.parent)],
            stdout=self.log, stderr=self.log, start_new_session=True,
            env={**os.environ, "ROUNDCUBE_CONFIG_DIR": str(self.directory / "config"), "PHP_CLI_SERVER_WORKERS": "3"})
        self.url = f"http://127.0.0.1:{self.port}/"

    def logs(self):
        text = (self.directory / "php.log").read_text(errors="replace")[-1500:]
        return text + "".join(p.read_text(errors="replace")[-3000:] for p in sorted((self.directory / "logs").iterdir()))

    def stop(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait()
        self.log.close()
        self.temporary.cleanup()


class Browser:
    """One user's window."""

    def __init__(self, webmail, user, password):
        options = webdriver.ChromeOptions()
        for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,800"):
            options.add_argument(word)
        options.binary_location = "/usr/bin/chromium"
        self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        self.driver.set_page_load_timeout(60)
        self.url = webmail.url
        self.driver.get(self.url)
        self.find("#rcmloginuser").send_keys(user)
        self.find("#rcmloginpwd").send_keys(password)
        self.find("#rcmloginsubmit").click()
        self.find("#messagelist")

    def wait(self, what, why, seconds=30):
        return WebDriverWait(self.driver, seconds, poll_frequency=0.1).until(lambda _: what(), why)

    def find(self, css):
        return self.wait(lambda: (self.driver.find_elements(By.CSS_SELECTOR, css) or [None])[0], f"no {css}")

    def js(self, code, *args):
        return self.driver.execute_script(code, *args)

    def idle(self):
        self.wait(lambda: self.js("return window.rcmail && !rcmail.busy && document.readyState == 'complete'"), "Roundcube stays busy")

    def open(self, query):
        self.driver.get(self.url + "?" + query)
        self.wait(lambda: self.js("return !!window.rcmail && document.readyState == 'complete'"), f"{query} does not load")

    def subjects(self):
        return self.js("return [...document.querySelectorAll('#messagelist tbody tr')].filter(r => r.offsetParent)"
                       ".map(r => r.querySelector('td.subject span.subject').innerText.trim())")

    def show(self, mailbox):
        self.open(f"_task=mail&_mbox={mailbox}")
        self.find("#messagelist")
        self.idle()

    def await_subjects(self, count):
        self.wait(lambda: len(self.subjects()) == count, f"{count} messages are not listed but {self.subjects()}")
        return self.subjects()

    def select(self, subject):
        self.wait(lambda: any(subject in s for s in self.subjects()), f"{subject} is not listed")
        self.js("""for (const r of document.querySelectorAll('#messagelist tbody tr'))
                     if (r.innerText.includes(arguments[0])) { rcmail.message_list.select(r.uid); return; }""", subject)

    def command(self, *words):
        self.js("rcmail.command.apply(rcmail, arguments[0])", list(words))

    def close(self):
        self.driver.quit()


class Imap:
    def __init__(self, store, user):
        self.c = imaplib.IMAP4("127.0.0.1", store.port)
        self.c.login(user, "secret")

    def names(self):
        return {re.match(rb'\(.*?\) "/" (.*)$', line).group(1).decode().strip('"') for line in self.c.list()[1]}

    def count(self, mailbox, *criteria):
        if self.c.select(f'"{mailbox}"', readonly=True)[0] != "OK":
            return None
        return len(self.c.search(None, *(criteria or ("ALL",)))[1][0].split())

    def until(self, what, why, seconds=20):
        end = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < end, why
            time.sleep(0.2)


def fill(store, user):
    for n in range(1, 8):
        body = f"Hello {user}, this is number {n}.\r\n" + ("The barn swallow nests here.\r\n" if n == 3 else "")
        store.run("deliver", user, stdin=(f"From: Sender {n} <s{n}@example.com>\r\nTo: {user}\r\nSubject: =?utf-8?q?Nest_n=C2=BA?= {n}\r\n"
                                          f"Date: Tue, {n} Sep 2026 10:00:00 +0000\r\nMessage-ID: <{n}.{user}>\r\nMIME-Version: 1.0\r\n"
                                          f"Content-Type: text/plain; charset=utf-8\r\n\r\n{body}").encode())


def check_user(store, webmail, user, quota, picture):
    fill(store, user)
    imap = Imap(store, user)
    b = Browser(webmail, user, "secret")
    try:
        got = b.await_subjects(7)
        assert "Nest n\u00ba 7" in got[0] or "Nest n\u00ba 1" in got[0], got
        # Read: the body is shown, and the message is seen.
        b.select("Nest n\u00ba 3")
        uid = b.js("return rcmail.message_list.get_single_selection()")
        if picture:
            b.wait(lambda: b.js("const f = document.querySelector('#messagecontframe');"
                                "return !!(f && f.contentDocument && f.contentDocument.body && f.contentDocument.body.innerText.includes('barn swallow'))"), "no preview")
            time.sleep(1)
            b.driver.save_screenshot(str(picture))
        b.open(f"_task=mail&_mbox=INBOX&_uid={uid}&_action=show")
        assert "barn swallow" in b.find("#messagebody").text
        imap.until(lambda: imap.count("INBOX", "SEEN") == 1, "it is not seen")
        # Flag, and as unread again.
        b.show("INBOX")
        b.select("Nest n\u00ba 2")
        b.command("mark", "flagged")
        imap.until(lambda: imap.count("INBOX", "FLAGGED") == 1, "it is not flagged")
        # Search in headers and bodies.
        b.js("rcmail.env.search_mods = {'*': {'text': 1}, 'INBOX': {'text': 1}}; $(rcmail.gui_objects.qsearchbox).val('swallow');"
             "rcmail.qsearch('swallow')")
        b.wait(lambda: b.subjects() == ["Nest n\u00ba 3"], "the search does not find it")
        # A folder: made, renamed, with a name beyond ASCII, deleted.
        b.open("_task=settings&_action=edit-folder&_framed=1")
        b.find("input[name=_name]").send_keys("Projects")
        b.find("button.submit").click()
        imap.until(lambda: "Projects" in imap.names(), "the folder is not made")
        b.open("_task=settings&_action=edit-folder&_mbox=Projects&_framed=1")
        name = b.find("input[name=_name]")
        name.clear()
        name.send_keys("N\u00e4ster")
        b.find("button.submit").click()
        imap.until(lambda: "N&AOQ-ster" in imap.names() and "Projects" not in imap.names(), "the folder is not renamed")
        # Move there, delete to Trash.
        b.show("INBOX")
        b.select("Nest n\u00ba 4")
        b.command("move", "N&AOQ-ster")
        imap.until(lambda: imap.count("N&AOQ-ster") == 1 and imap.count("INBOX") == 6, "it is not moved")
        b.await_subjects(6)
        b.select("Nest n\u00ba 5")
        b.command("delete")
        imap.until(lambda: imap.count("Trash") == 1 and imap.count("INBOX") == 5, "it is not deleted")
        b.open("_task=settings&_action=folders")
        b.idle()
        b.js("rcmail.delete_folder('N&AOQ-ster')")
        b.find(".ui-dialog-buttonset button.mainaction").click()
        imap.until(lambda: "N&AOQ-ster" not in imap.names(), "the folder is not deleted")
        # A draft, saved twice: there is one.
        b.open("_task=mail&_action=compose")
        b.find("#compose-subject").send_keys("A draft")
        b.find("#composebody").send_keys("What I wanted to say")
        b.command("savedraft")
        imap.until(lambda: imap.count("Drafts", "SUBJECT", '"A draft"') == 1, "there is no draft")
        b.idle()
        b.find("#composebody").send_keys(" and more")
        b.command("savedraft")
        imap.until(lambda: imap.count("Drafts", "BODY", '"and more"') == 1, "the draft is not saved again")
        assert imap.count("Drafts") == 1
        # New mail is seen without being asked for.
        b.driver.execute_script("window.onbeforeunload = null; rcmail.compose_skip_unsavedcheck = true")
        b.show("INBOX")
        b.await_subjects(5)
        store.run("deliver", user, stdin=b"Subject: just now\r\n\r\n")
        b.command("checkmail")
        b.await_subjects(6)
        # The quota, where there is one.
        used, = re.findall(r"\(STORAGE (\d+) ", imap.c.getquotaroot("INBOX")[1][1][0].decode()) if quota else ["0"]
        b.wait(lambda: b.find("#quotadisplay").text.strip() == f"{int(used) * 10}%", "not the quota is shown but " + b.find("#quotadisplay").text)
    finally:
        b.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--roost", required=True)
    parser.add_argument("--picture", help="keep a screenshot there")
    args = parser.parse_args()
    missing = [p for p in ("/usr/bin/chromium", "/usr/bin/chromedriver", "/usr/bin/php", str(ROUNDCUBE / "index.php")) if not os.path.exists(p)]
    if missing or not webdriver:
        print("skip: Roundcube, Chromium or what drives it is not here; ./dev webmail installs it")
        return 0
    store = Store(str(pathlib.Path(args.roost).resolve()))
    webmail, failed = None, 0
    try:
        for user in ("alice@example.org", "bob@example.net"):
            store.run("domain", "add", user.split("@")[1])
            store.run("user", "add", user, stdin=b"secret\n")
        store.run("quota", "set", "alice@example.org", "--storage", "10K")
        store.start()
        webmail = Webmail(store)
        for user in ("alice@example.org", "bob@example.net"):
            start = time.monotonic()
            check_user(store, webmail, user, user.startswith("alice"), args.picture if user.startswith("alice") else None)
            print(f"ok {user} ({time.monotonic() - start:.1f} s)", flush=True)
        store.run("check", "--all")
    except Exception:  # noqa: whatever went wrong, the logs are wanted
        failed = 1
        print(f"FAILED\n{traceback.format_exc()[-3000:]}\n{webmail.logs() if webmail else ''}", flush=True)
    finally:
        if webmail:
            webmail.stop()
        store.close()
    return failed


if __name__ == "__main__":
    sys.exit(main())
