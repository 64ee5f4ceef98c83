"""A boot test: install, log in, run the checks, restart, run them again, connect from outside.

An installer ends by restarting the machine, which is switched off instead; an installer that fails
stays running, and its last console lines are reported.

QEMU accepts a connection to a forwarded port before the guest does, and keeps it when a packet
filter drops the guest's; so a port answers only when data comes back: to an HTTP request, or
unasked. DNS (RFC 1035, 4.1 and 4.2) is queried over UDP and TCP, and has to answer with the query's
number. Other UDP services cannot be tested.
"""

import secrets
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from builder.boot.access import PasswordLogin
from builder.boot.checks import FIRST, INSTALLATION, SECOND, Check, CheckResult
from builder.boot.console import CommandOutput, Console
from builder.boot.machine import PortForward, StartOptions, VirtualMachine
from builder.boot.session import RunningMachine, start_machine
from builder.errors import VerifyError
from builder.formats.foreign import find_tool, run_tool
from builder.structs import Struct, replace

_COMMAND_SECONDS = 60.0
_LOGIN_SECONDS = 30.0
_PAUSE_SECONDS = 1.0
_OUTSIDE_SECONDS = 60.0
_ROOT = "root"
_INSTALLS = "the medium installs, and restarts the machine"
_LOOPBACK = "127.0.0.1"
_PORT_SECONDS = 3.0
_DNS_PORT = 53
_DNS_ANSWER_SIZE = 4096
_DNS_QUERY = b"\x01\0\0\1\0\0\0\0\0\0\x04test\x07example\0\0\1\0\1"
"""After its number: a header with one question, the name, type A and class IN."""
_HTTP_REQUEST = b"GET / HTTP/1.0\r\n\r\n"


class SshLogin(Struct, frozen=True):
    """A login from outside by SSH.

    Attributes:
        user: The user.
        port: Port of the loopback that is forwarded to the guest's SSH server.
        identity: Private key.
    """

    user: str
    port: int
    identity: Path


class BootTest(Struct, frozen=True):
    """What a boot test does on every boot.

    Attributes:
        checks: Checks that run in the guest.
        accounts: Passwords to log in with, root's last; without root's the console is a root shell.
        ssh_logins: Logins from outside.
        forwards: Port forwards that must answer.
        boot_seconds: Timeout of a boot.
        boots: Names of the boots.
    """

    checks: tuple[Check, ...]
    accounts: tuple[PasswordLogin, ...] = ()
    ssh_logins: tuple[SshLogin, ...] = ()
    forwards: tuple[PortForward, ...] = ()
    boot_seconds: float = 240
    boots: tuple[str, ...] = (FIRST, SECOND)


def install(
    machine: VirtualMachine,
    setting: StartOptions,
    *,
    seconds: float,
    at_end: Callable[[RunningMachine], None],
) -> tuple[CheckResult, str]:
    """Install to the disk of ``setting``; return the result and the console's text.

    Args:
        machine: The machine with the medium.
        setting: How it is started; its disk is the target.
        seconds: Timeout.
        at_end: Called while the machine still runs, when the installation fails.
    """
    begun = time.monotonic()
    setting = replace(setting, ends_at_restart=True, forwards=())
    with start_machine(machine, setting, {}) as session:
        try:
            session.console.expect_end(seconds=seconds, what="the end of the installation")
        except VerifyError as error:
            at_end(session)
            found = "\n".join([str(error), *getattr(error, "__notes__", ())])
            passed = False
        else:
            found, passed = "an end", True
        spent = time.monotonic() - begun
        return CheckResult(
            INSTALLATION, _INSTALLS, passed, "an end", found, spent
        ), session.console.text


def run_test(session: RunningMachine, test: BootTest) -> Iterator[CheckResult]:
    """Yield a result for every check; a failed login is the last."""
    for number, boot in enumerate(test.boots):
        begun = time.monotonic()
        try:
            if number:
                session.console.type("systemctl reboot")
            yield from _log_in(session.console, test, boot)
        except VerifyError as error:
            found = "\n".join([str(error), *getattr(error, "__notes__", ())])
            yield CheckResult(boot, "a user can log in", passed=False, found=found)
            return
        yield CheckResult(boot, "the machine boots", passed=True, seconds=time.monotonic() - begun)
        yield from _run_checks(session.console, test.checks, boot)
        yield from (_log_in_by_ssh(login, boot) for login in test.ssh_logins)
        since = time.monotonic()
        yield from (_check_port(forward, boot, since) for forward in test.forwards)


def _log_in(console: Console, test: BootTest, boot: str) -> Iterator[CheckResult]:
    """Log in as every user in turn, root last, and keep a root shell."""
    for account in test.accounts:
        begun = time.monotonic()
        console.log_in(account.name, account.password, seconds=test.boot_seconds)
        seconds = time.monotonic() - begun
        name = f"{account.name} logs in with the password"
        yield CheckResult(boot, name, passed=True, seconds=seconds)
        if account.name != _ROOT:
            console.type("exit")
    if _ROOT not in {account.name for account in test.accounts}:
        console.expect_start(r"# *$", seconds=test.boot_seconds, what="the root shell")
    console.open_shell(seconds=_LOGIN_SECONDS)


def _run_checks(console: Console, checks: Sequence[Check], boot: str) -> Iterator[CheckResult]:
    """Run the checks of a boot; retries are timed from the end of the first."""
    since = None
    for check in checks:
        if check.only in {"", boot}:
            yield _check(console, check, boot, time.monotonic() if since is None else since)
            since = since or time.monotonic()


def _check(console: Console, check: Check, boot: str, since: float) -> CheckResult:
    """Run one check, repeatedly while it may be retried."""
    begun = time.monotonic()
    while True:
        answer = _run_command(console, check)
        passed = check.accepts(answer.code, answer.out)
        seconds = time.monotonic() - begun
        if passed or time.monotonic() - since > check.retry_seconds:
            found = answer.out or f"exit status {answer.code}"
            return CheckResult(boot, check.name, passed, check.wanted or "success", found, seconds)
        time.sleep(_PAUSE_SECONDS)


def _run_command(console: Console, check: Check) -> CommandOutput:
    """Run the command of a check; a timeout counts as its output."""
    try:
        return console.run(check.command, seconds=_COMMAND_SECONDS)
    except VerifyError as error:
        return CommandOutput(-1, str(error))


def _check_port(forward: PortForward, boot: str, since: float) -> CheckResult:
    """Connect to a port from outside, repeatedly within the time for all ports."""
    begun = time.monotonic()
    passed = port_answers(forward)
    while not passed and time.monotonic() - since < _OUTSIDE_SECONDS:
        time.sleep(_PAUSE_SECONDS)
        passed = port_answers(forward)
    name = f"port {forward.guest}/{forward.protocol} answers from outside"
    found = "an answer" if passed else "none"
    return CheckResult(boot, name, passed, "an answer", found, time.monotonic() - begun)


def _log_in_by_ssh(login: SshLogin, boot: str) -> CheckResult:
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
        login.identity,
        "-p",
        str(login.port),
    ]
    argv += [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    argv += [f"{login.user}@127.0.0.1", "id -un"]
    done = run_tool(argv, seconds=2 * _COMMAND_SECONDS, accept=range(256))
    found = (done.out + done.err).strip() or f"exit status {done.code}"
    passed = done.code == 0 and done.out.strip() == login.user
    name = f"{login.user} logs in by ssh with a key"
    return CheckResult(boot, name, passed, login.user, found, time.monotonic() - begun)


def port_answers(forward: PortForward) -> bool:
    """Return whether a service answers on a forwarded port."""
    number = secrets.token_bytes(2)
    query = number + _DNS_QUERY
    is_dns = forward.guest == _DNS_PORT
    try:
        match forward.protocol:
            case "tcp" if is_dns:
                answer = _ask_stream(forward.host, struct.pack(">H", len(query)) + query)
                return answer[2:4] == number
            case "tcp":
                return bool(_ask_stream(forward.host, _HTTP_REQUEST))
            case "udp":
                return is_dns and _ask_datagram(forward.host, query)[:2] == number
    except OSError:
        return False


def _ask_stream(port: int, request: bytes) -> bytes:
    with socket.create_connection((_LOOPBACK, port), _PORT_SECONDS) as connection:
        connection.sendall(request)
        return connection.recv(_DNS_ANSWER_SIZE)


def _ask_datagram(port: int, request: bytes) -> bytes:
    with socket.socket(type=socket.SOCK_DGRAM) as line:
        line.settimeout(_PORT_SECONDS)
        line.sendto(request, (_LOOPBACK, port))
        return line.recv(_DNS_ANSWER_SIZE)
