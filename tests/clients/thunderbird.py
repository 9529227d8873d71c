"""A Thunderbird on a screen of its own (Xvfb), with a profile made here, which is driven over its remote protocol.

The protocol (Marionette) is JSON with its length in front: [0, id, command, arguments] is answered by [1, id, error, result].
Scripts run inside the program itself, with its own modules: they do what its buttons do, and look at what is on the screen.
"""
import base64, json, os, pathlib, shutil, socket, subprocess, tempfile, time

from daemon import free_ports

PROGRAM = "/usr/lib/thunderbird/thunderbird"
START_S, ANSWER_S = 120, 60  # the machine may be busy

# What asks, greets, looks for updates or calls home is off.
PREFS = {
    "mail.provider.suppress_dialog_on_startup": True, "mail.spotlight.firstRunDone": True, "mail.winsearch.firstRunDone": True,
    "mailnews.start_page.enabled": False, "mail.rights.version": 1, "mail.shell.checkDefaultClient": False,
    "mail.inappnotifications.enabled": False, "app.donation.eoy.version.viewed": 999, "app.update.enabled": False,
    "datareporting.policy.dataSubmissionPolicyBypassNotification": True, "toolkit.telemetry.enabled": False,
    "network.proxy.type": 0, "network.captive-portal-service.enabled": False, "network.connectivity-service.enabled": False,
    "mail.biff.show_alert": False, "mail.biff.play_sound": False, "mail.warn_on_delete_from_trash": False,
}

# Each script begins with what all of them need.
SCRIPT = """
const done = arguments[arguments.length - 1];
(async () => {
	const {MailServices} = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
	const win = Services.wm.getMostRecentWindow("mail:3pane");
	const pane = win.document.getElementById("tabmail").currentAbout3Pane;
	const server = MailServices.accounts.accounts.find(a => a.incomingServer.type == "imap").incomingServer;
	const folder = name => server.rootFolder.subFolders.find(f => f.name.toLowerCase() == name.toLowerCase());
	const row = subject => [...Array(pane.gDBView.rowCount).keys()].find(i => pane.gDBView.getMsgHdrAt(i).mime2DecodedSubject == subject);
	%s
})().then(result => done({result}), error => done({error: `${error} ${error.stack}`}));
"""


def account_prefs(port, address):
    server = {"type": "imap", "hostname": "127.0.0.1", "port": port, "userName": address, "name": address, "socketType": 0,
              "authMethod": 3, "login_at_startup": False, "check_new_mail": False, "use_condstore": True}
    identity = {"useremail": address, "fullName": "A User", "valid": True}
    return {"mail.accountmanager.accounts": "account1", "mail.accountmanager.defaultaccount": "account1",
            "mail.account.account1.server": "server1", "mail.account.account1.identities": "id1",
            **{f"mail.server.server1.{k}": v for k, v in server.items()},
            **{f"mail.identity.id1.{k}": v for k, v in identity.items()}}


class Thunderbird:
    def __init__(self, port, address, password):
        assert os.path.exists(PROGRAM) and shutil.which("Xvfb"), "thunderbird or xvfb is not installed: ./dev deps"
        self.temporary = tempfile.TemporaryDirectory(prefix="roost-thunderbird", ignore_cleanup_errors=True)
        self.home = pathlib.Path(self.temporary.name)
        self.prefs = {**PREFS, **account_prefs(port, address)}
        self.screen = self.process = self.socket = None
        try:
            self.start_screen()
            self.start()
            self.script("""
                const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
                login.init("imap://127.0.0.1", null, "imap://127.0.0.1", args[0], args[1], "", "");
                await Services.logins.addLoginAsync(login);""", address, password)
        except BaseException:
            self.stop()
            raise

    def start_screen(self):
        here, there = os.pipe()
        self.screen = subprocess.Popen(["Xvfb", "-displayfd", str(there), "-screen", "0", "1200x800x24", "-nolisten", "tcp", "-noreset"],
                                       pass_fds=[there], stderr=subprocess.DEVNULL)
        os.close(there)
        with open(here) as numbers:
            self.display = ":" + numbers.readline().strip()

    def start(self):
        profile = self.home / "profile"
        profile.mkdir(exist_ok=True)
        port, = free_ports(1)
        prefs = {**self.prefs, "marionette.port": port}
        (profile / "user.js").write_text("".join(f"user_pref({json.dumps(k)}, {json.dumps(v)});\n" for k, v in prefs.items()))
        environment = {**os.environ, "HOME": str(self.home), "DISPLAY": self.display, "MOZ_ENABLE_WAYLAND": "0", "TZ": "UTC",
                       "MOZ_LOG": "sync,IMAP:4", "MOZ_LOG_FILE": str(self.home / "wire")}
        with open(self.home / "output", "ab") as output:
            self.process = subprocess.Popen([PROGRAM, "--profile", str(profile), "--no-remote", "--marionette",
                                             "--remote-allow-system-access"], env=environment, stdout=output, stderr=output)
        end = time.monotonic() + START_S
        while not self.socket:
            try:
                self.socket = socket.create_connection(("127.0.0.1", port), START_S)
            except OSError:
                assert time.monotonic() < end and self.process.poll() is None, "Thunderbird does not start: " + self.output()
                time.sleep(0.1)
        self.file, self.last = self.socket.makefile("rb"), 0
        self.read()
        self.command("WebDriver:NewSession", capabilities={"timeouts": {"script": ANSWER_S * 1000}})
        self.command("Marionette:SetContext", value="chrome")

    def output(self):
        return (self.home / "output").read_text(errors="replace")[-2000:]

    def wire(self, mailbox=""):
        """What was sent, a line each: Thunderbird's own log; of all connections, or of those that had this mailbox selected."""
        text = "".join(p.read_text(errors="replace") for p in sorted(self.home.glob("wire*")))
        mark = f":S-{mailbox}:SendData: " if mailbox else "SendData: "
        return [line.split("SendData: ", 1)[1] for line in text.splitlines() if mark in line]

    def wait_idle(self, mailbox):
        """Until it waits for news of the mailbox; what it hears while it is at something else it may not show at once."""
        end = time.monotonic() + ANSWER_S
        while not (self.wire(mailbox) or [""])[-1].endswith(" IDLE"):
            assert time.monotonic() < end, f"Thunderbird does not idle: {self.wire()[-9:]}"
            time.sleep(0.05)

    def read(self):
        length = b""
        while (c := self.file.read(1)) != b":":
            assert c, "Thunderbird has gone: " + self.output()
            length += c
        return json.loads(self.file.read(int(length)))

    def command(self, name, **arguments):
        self.last += 1
        data = json.dumps([0, self.last, name, arguments]).encode()
        self.socket.sendall(b"%d:%s" % (len(data), data))
        _, _, error, result = self.read()
        assert not error, f"{name}: {error}"
        return result

    def script(self, body, *args):
        """Runs it inside; `return` gives a value, `args` are there, and so is what SCRIPT defines."""
        text = SCRIPT % ("const args = " + json.dumps(args) + ";\n" + body)
        value = self.command("WebDriver:ExecuteAsyncScript", script=text, args=[], sandbox="system")["value"]
        assert "error" not in value, value
        return value.get("result")

    def wait(self, body, *args):
        """Until the script returns something true, which is given back."""
        end = time.monotonic() + ANSWER_S
        while not (value := self.script(body, *args)):
            assert time.monotonic() < end, f"Thunderbird does not come to: {body} {args} {self.wire()[-5:]}"
            time.sleep(0.05)
        return value

    def screenshot(self):
        """A PNG."""
        return base64.b64decode(self.command("WebDriver:TakeScreenshot", full=False)["value"])

    def quit(self):
        """As by its menu; start() opens it again with the same profile."""
        self.command("Marionette:Quit", flags=["eForceQuit"])
        self.process.wait(START_S)
        self.socket.close()
        self.socket = None

    def stop(self):
        for process in (self.process, self.screen):
            if process and process.poll() is None:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        self.temporary.cleanup()
