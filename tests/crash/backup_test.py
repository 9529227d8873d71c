#!/usr/bin/env python3
"""A backup of all of the store as it is at one moment, taken under load from 20 clients, as a snapshot of the file system takes it;
then the load goes on and the daemon is killed.  Restored elsewhere, it has all that was acknowledged before that moment, and no number
that was given out since is given again; restored for one account, the others have all that came later."""
import argparse, copy, json, os, pathlib, random, shutil, signal, subprocess, sys, tempfile, time, types

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / "harness"), str(HERE.parent / "clients")]
from client import MAILBOXES, Load  # noqa: E402 (the path is set above)
from daemon import Daemon, run  # noqa: E402
from kill_test import CLIENTS, USERS, Account, Verdict, roost_check, verify_client, verify_numbers  # noqa: E402
from response import Client  # noqa: E402

NOTES = ("user", "number", "live", "delivered", "unsure_delivery", "created", "highest", "pending", "annotations")


def notes_of(loads):
    return [types.SimpleNamespace(**{name: copy.deepcopy(getattr(load, name)) for name in NOTES}) for load in loads]


def verify(daemon, notes, later, v):
    """The accounts hold what is in the notes; the numbers are above those given out later."""
    highest = {n.number: n.highest for n in later}
    for user in sorted({n.user for n in notes}):
        account = Account(daemon, user)
        mine = [n for n in copy.deepcopy(notes) if n.user == user]
        for n in mine:
            verify_client(n, account, v)
            n.highest = highest[n.number]
        verify_numbers(mine, account, v)
    roost_check(daemon, v)


def snapshot(daemon, directory):
    """Nothing of the daemon runs meanwhile, so this is what is in its files at one moment."""
    os.kill(daemon.pid, signal.SIGSTOP)
    time.sleep(1)  # the clients have read what it had sent
    subprocess.run(["cp", "-a", str(daemon.directory), str(directory)], check=True)


def under_load(daemon, rng, seconds, directory):
    """The notes at the moment of the backup, and those at the end."""
    loads = [Load(daemon, n, f"user{n % USERS + 1}", rng.getrandbits(32)) for n in range(CLIENTS)]
    for load in loads:
        load.start()
    time.sleep(seconds * rng.uniform(.7, 1))
    snapshot(daemon, directory)
    then = notes_of(loads)
    os.kill(daemon.pid, signal.SIGCONT)
    time.sleep(seconds)
    daemon.kill()
    for load in loads:
        load.join(60)
        assert not load.error, load.error
    print(f"{sum(len(n.live) for n in then)} messages of {CLIENTS} clients in the backup; {sum(load.done for load in loads)} operations in all", flush=True)
    return then, notes_of(loads)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--roost", required=True)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    args = parser.parse_args()
    print(f"seed {args.seed}")
    rng, v = random.Random(args.seed), Verdict()
    with tempfile.TemporaryDirectory(prefix="roost-backup") as temporary:
        top = pathlib.Path(temporary)
        (top / "first").mkdir()
        daemon = Daemon(args.roost, users=USERS, directory=top / "first")
        for user in range(1, USERS + 1):
            c = Client(daemon.imap).login(f"user{user}")
            for box in MAILBOXES[1:]:
                c.do(f"CREATE {box}")
            c.close()
        then, later = under_load(daemon, rng, args.seconds, top / "backup")

        # All of it, elsewhere, as docs/operations.md says.
        subprocess.run(["cp", "-a", str(top / "backup"), str(top / "second")], check=True)
        conf = top / "second/roost.conf"
        conf.write_text(conf.read_text().replace(str(top / "first"), str(top / "second")))
        second = types.SimpleNamespace(roost=args.roost, directory=top / "second")
        run(second, "jump", "--all")
        second = Daemon(args.roost, users=USERS, directory=top / "second")
        verify(second, then, later, v)
        v.check(second.stop() == 0, "the restored daemon did not end well")
        print(f"restored elsewhere: {len(v.bad)} findings", flush=True)

        # One account, in the store that went on.
        daemon.start()
        daemon.rest()
        account = next(r["account"] for r in json.loads(run(daemon, "user", "list", "--json")) if r["address"] == "user1@example.org")
        shutil.rmtree(top / "first/store/accounts" / account)
        shutil.copytree(top / "backup/store/accounts" / account, top / "first/store/accounts" / account)
        run(daemon, "jump", "user1@example.org")
        daemon.start()
        verify(daemon, [n for n in then if n.user == "user1"] + [n for n in later if n.user != "user1"], later, v)
        v.check(daemon.stop() == 0, "the daemon did not end well")
    print("\n".join(v.bad[:30]))
    print(f"{len(v.bad)} findings")
    sys.exit(bool(v.bad))


if __name__ == "__main__":
    main()
