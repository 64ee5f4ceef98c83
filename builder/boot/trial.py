"""A boot test: log in, ask everything, restart, ask everything again, knock from outside."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from builder.boot.access import Account
from builder.boot.checks import FIRST, SECOND, Check, Result
from builder.boot.console import Answer, Console
from builder.boot.machine import Forward
from builder.boot.outside import answers
from builder.boot.session import Session
from builder.errors import VerifyError
from builder.formats.foreign import find_tool, run_tool
from builder.structs import Struct

_COMMAND_SECONDS = 60.0
_LOGIN_SECONDS = 30.0
_PAUSE_SECONDS = 1.0
_OUTSIDE_SECONDS = 60.0
_ROOT = "root"


class Knock(Struct, frozen=True):
    """A login from outside by ssh.

    Attributes:
        user: Who.
        port: Port of loopback that leads to the guest's ssh server.
        identity: Private key.
    """

    user: str
    port: int
    identity: Path


class Trial(Struct, frozen=True):
    """What to try.

    Attributes:
        checks: Questions, asked on every boot.
        accounts: Passwords to log in with, root's last; without root's the console is its shell.
        knocks: Logins from outside, tried on every boot.
        forwards: Ports that somebody behind them must answer, asked on every boot.
        boot_seconds: How long a boot may take.
        boots: Names of the boots.
    """

    checks: tuple[Check, ...]
    accounts: tuple[Account, ...] = ()
    knocks: tuple[Knock, ...] = ()
    forwards: tuple[Forward, ...] = ()
    boot_seconds: float = 240
    boots: tuple[str, ...] = (FIRST, SECOND)


def run_trial(session: Session, trial: Trial) -> Iterator[Result]:
    """Yield a result for everything that is tried; the first that ends the trial is the last."""
    for number, boot in enumerate(trial.boots):
        begun = time.monotonic()
        try:
            if number:
                session.console.type("systemctl reboot")
            yield from _enter(session.console, trial, boot)
        except VerifyError as error:
            said = "\n".join([str(error), *getattr(error, "__notes__", ())])
            yield Result(boot, "somebody can log in", passed=False, found=said)
            return
        yield Result(boot, "the machine boots", passed=True, seconds=time.monotonic() - begun)
        yield from _ask_all(session.console, trial.checks, boot)
        yield from (_knock(knock, boot) for knock in trial.knocks)
        since = time.monotonic()
        yield from (_ask_outside(forward, boot, since) for forward in trial.forwards)


def _enter(console: Console, trial: Trial, boot: str) -> Iterator[Result]:
    """Log in as everybody in turn, root last, and stay with a shell of root's."""
    for account in trial.accounts:
        begun = time.monotonic()
        console.log_in(account.name, account.password, seconds=trial.boot_seconds)
        seconds = time.monotonic() - begun
        name = f"{account.name} logs in with the password"
        yield Result(boot, name, passed=True, seconds=seconds)
        if account.name != _ROOT:
            console.type("exit")
    if _ROOT not in {account.name for account in trial.accounts}:
        console.expect_start(r"# *$", seconds=trial.boot_seconds, what="root's shell")
    console.open_shell(seconds=_LOGIN_SECONDS)


def _ask_all(console: Console, checks: Sequence[Check], boot: str) -> Iterator[Result]:
    """Ask every question of a boot; patience begins when the first is answered."""
    since = None
    for check in checks:
        if check.only in {"", boot}:
            yield _ask(console, check, boot, time.monotonic() if since is None else since)
            since = since or time.monotonic()


def _ask(console: Console, check: Check, boot: str, since: float) -> Result:
    """Ask one question, again while there is patience."""
    begun = time.monotonic()
    while True:
        answer = _answer(console, check)
        passed = check.accepts(answer.code, answer.out)
        seconds = time.monotonic() - begun
        if passed or time.monotonic() - since > check.patience:
            found = answer.out or f"exit status {answer.code}"
            return Result(boot, check.name, passed, check.wanted or "success", found, seconds)
        time.sleep(_PAUSE_SECONDS)


def _answer(console: Console, check: Check) -> Answer:
    """Return the guest's answer; none in time is one too."""
    try:
        return console.run(check.command, seconds=_COMMAND_SECONDS)
    except VerifyError as error:
        return Answer(-1, str(error))


def _ask_outside(forward: Forward, boot: str, since: float) -> Result:
    """Ask from outside whether a port is served, again while there is patience for all ports."""
    begun = time.monotonic()
    passed = answers(forward)
    while not passed and time.monotonic() - since < _OUTSIDE_SECONDS:
        time.sleep(_PAUSE_SECONDS)
        passed = answers(forward)
    name = f"port {forward.guest}/{forward.protocol} answers from outside"
    found = "an answer" if passed else "none"
    return Result(boot, name, passed, "an answer", found, time.monotonic() - begun)


def _knock(knock: Knock, boot: str) -> Result:
    """Log in from outside and ask who we are."""
    begun = time.monotonic()
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "no",
        "UserKnownHostsFile": "/dev/null",
        "IdentitiesOnly": "yes",
        "ConnectTimeout": "30",
    }
    argv: list[str | Path] = [
        find_tool("ssh"),
        "-F",
        "none",
        "-q",
        "-i",
        knock.identity,
        "-p",
        str(knock.port),
    ]
    argv += [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    argv += [f"{knock.user}@127.0.0.1", "id -un"]
    done = run_tool(argv, seconds=2 * _COMMAND_SECONDS, accept=range(256))
    found = (done.out + done.err).strip() or f"exit status {done.code}"
    passed = done.code == 0 and done.out.strip() == knock.user
    name = f"{knock.user} logs in by ssh with a key"
    return Result(boot, name, passed, knock.user, found, time.monotonic() - begun)
