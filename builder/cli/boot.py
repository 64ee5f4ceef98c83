"""The command that starts an artifact: ``boot``."""

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from builder.cli.boot_report import BootReport
from builder.cli.options import PATH, default_output, json_option
from builder.cli.reading import read_spec
from builder.errors import UsageError, VerifyError
from builder.host import refusal
from builder.selection import target_of
from builder.structs import Struct, replace

if TYPE_CHECKING:
    from builder.boot.machine import Accelerator, PortForward, StartOptions, VirtualMachine
    from builder.boot.trial import BootTest, SshLogin
    from builder.spec import Spec

_SSH = 22
_INSTALLATIONS = 6
"""An installation may take as long as so many boots."""


class _Options(TypedDict):
    """The options of ``boot``."""

    spec: str | None
    forwards: tuple[str, ...]
    accelerator: str
    cpu: str
    firmware: str | None
    memory: int | None
    disk: Path | None
    identity: Path | None
    scripts: tuple[Path, ...]
    screenshot: Path | None
    junit: Path | None
    console_log: Path | None
    report: Path | None
    once: bool
    timeout: float
    as_json: bool


@click.command()
@click.argument("artifact", type=PATH)
@click.option("--test", "spec", metavar="SPEC", help="Check a spec in the guest, and report.")
@click.option(
    "--forward", "-p", "forwards", multiple=True, metavar="HOST:GUEST[/udp]",
    help="Forward a port of the host's loopback to the guest; may be repeated.",
)  # fmt: skip
@click.option(
    "--accel", "accelerator", type=click.Choice(["auto", "kvm", "tcg"]), default="auto",
    help="Accelerator [auto: KVM when a guest runs under it].",
)  # fmt: skip
@click.option(
    "--cpu", default="", metavar="MODEL",
    help="QEMU's processor model; under TCG, qemu64 is the fastest.",
)  # fmt: skip
@click.option("--firmware", type=click.Choice(["bios", "efi"]), help="Override the firmware.")
@click.option("--memory", type=click.IntRange(128), metavar="MIB", help="Override the memory.")
@click.option("--disk", type=PATH, metavar="RAW", help="Keep the disk that a medium installs to.")
@click.option("--identity", type=PATH, metavar="KEY", help="Private key to test ssh with.")
@click.option(
    "--run", "scripts", type=PATH, multiple=True, metavar="SCRIPT",
    help="Add a check: a shell script that root runs and that must succeed.",
)  # fmt: skip
@click.option("--screenshot", type=PATH, metavar="PNG", help="Keep the last screen of a test.")
@click.option("--junit", type=PATH, metavar="XML", help="Write the report as JUnit XML too.")
@click.option("--console-log", type=PATH, metavar="FILE", help="Keep the console of a test.")
@click.option("--report", type=PATH, metavar="FOLDER", help="Write all of a test's report there.")
@click.option("--once", is_flag=True, help="Skip the second boot of a test.")
@click.option("--timeout", default=240.0, metavar="SECONDS", help="Timeout of one boot [240].")
@json_option
def boot(artifact: Path, **options: Unpack[_Options]) -> None:
    """Start an artifact in QEMU, on a temporary copy of its disk.

    The serial console is the terminal; Ctrl-A X switches the machine off. With --test, the
    spec is checked from inside and from outside, on two boots. A medium installs to an empty
    disk, and the installed system is checked.
    """
    from builder.boot.disk import open_disk
    from builder.samples import HINT, SENTENCE, is_sample

    if is_sample(artifact):
        raise VerifyError(f"{artifact}: {SENTENCE}", hint=HINT)
    with open_disk(artifact) as disk:
        if disk != artifact and is_sample(disk):
            raise VerifyError(f"{artifact}: {SENTENCE}", hint=HINT)
        spec = read_spec(options["spec"], quiet=True) if options["spec"] else None
        target = BootTarget(artifact, disk, _machine(artifact, disk, spec, options))
        if spec:
            _test(target, spec, options)
        else:
            _run(target, options)


class BootTarget(Struct, frozen=True):
    """What is started.

    Attributes:
        artifact: As the user named it.
        disk: The same, or the disk that was compressed in it.
        machine: The machine that it asks for.
    """

    artifact: Path
    disk: Path
    machine: "VirtualMachine"


def _machine(
    artifact: Path, disk: Path, spec: "Spec | None", options: _Options
) -> "VirtualMachine":
    """Return the machine that an artifact asks for, changed by the options; print differences."""
    from builder.boot.machine import read_machine

    machine = replace(read_machine(disk), name=artifact.name)
    install = spec.sections.get("install", {}) if spec and machine.medium else {}
    firmware = options["firmware"] or ("efi" if install.get("bootmode") == "efi" else None)
    if firmware:
        machine = replace(machine, firmware="efi" if firmware == "efi" else "bios")
    if "disk" in install:
        machine = replace(machine, disk=install["disk"].removeprefix("/dev/"))
    if options["memory"]:
        machine = replace(machine, memory_mib=options["memory"])
    for note in machine.notes:
        sys.stderr.write(f"{artifact.name}: {note}\n")
    return machine


def _run(target: BootTarget, options: _Options) -> None:
    """Start a machine with its console on the terminal."""
    from builder.boot.session import run_on_terminal

    sys.stderr.write("starting; Ctrl-A X switches the machine off\n")
    blocks = {} if target.machine.medium else _console_blocks(target, root_shell=False)
    run_on_terminal(target.machine, _start_options(target.machine, options), blocks)


def _console_blocks(target: BootTarget, *, root_shell: bool) -> dict[int, bytes]:
    from builder import reproducible
    from builder.boot.disk import console_blocks

    return console_blocks(
        target.disk,
        root_shell=root_shell,
        timestamp=reproducible.timestamp(),
        console=target.machine.console,
    )


def _test(target: BootTarget, spec: "Spec", options: _Options) -> None:
    """Start a machine for a test, and report."""
    report = BootReport(target.artifact, options["report"], as_json=options["as_json"])
    for name in ("screenshot", "junit", "console_log"):
        report.keep(name, options[name])
    test, setting = _plan_test(target, spec, options)
    with ExitStack() as stack:
        installed: BootTarget | None = target
        if target.machine.medium:
            disk = options["disk"] or _scratch(stack) / "disk.raw"
            seconds = options["timeout"] * _INSTALLATIONS
            installed = _install(target, replace(setting, disk=disk), report, seconds)
        if installed is not None:
            _run_test(installed, setting, test, report)
    report.finish()


def _scratch(stack: ExitStack) -> Path:
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="photon-boot-")))


def _install(
    target: BootTarget, setting: "StartOptions", report: BootReport, seconds: float
) -> BootTarget | None:
    """Let a medium install to the setting's disk; return that, ``None`` when it fails."""
    from builder.boot.disk import installed_machine, make_empty_disk
    from builder.boot.trial import install

    disk = setting.disk
    if disk is None:
        raise TypeError("there is no disk to install to")
    make_empty_disk(disk)
    result, console = install(target.machine, setting, seconds=seconds, at_end=report.take_screen)
    report.add(result, console)
    if not result.passed:
        return None
    return BootTarget(target.artifact, disk, installed_machine(target.machine, disk))


def _run_test(
    target: BootTarget, setting: "StartOptions", test: "BootTest", report: BootReport
) -> None:
    """Start the machine and run the checks."""
    from builder.boot.session import start_machine
    from builder.boot.trial import run_test

    root_shell = "root" not in {account.name for account in test.accounts}
    blocks = _console_blocks(target, root_shell=root_shell)
    with start_machine(target.machine, setting, blocks) as running:
        for result in run_test(running, test):
            report.add(result)
        report.take_screen(running)
        report.console += running.console.text


def _plan_test(
    target: BootTarget, spec: "Spec", options: _Options
) -> tuple["BootTest", "StartOptions"]:
    """Return the checks of a spec, and the setting with the port forwards that they need."""
    from builder.boot.access import find_accounts, find_network
    from builder.boot.assertions import make_checks, published_ports
    from builder.boot.checks import FIRST, SECOND, script_check
    from builder.boot.trial import BootTest
    from builder.build import Request, prepare

    plan, _ = prepare(Request(spec, target_of(target.artifact, spec), default_output()))
    setting = _start_options(target.machine, options)
    given = {(each.guest, each.protocol) for each in setting.forwards}
    published = [each for each in published_ports(spec) if (each.guest, each.protocol) not in given]
    tested = (*setting.forwards, *published)
    logins, ssh = _ssh_logins(spec, options["identity"])
    scripts = tuple(script_check(path.name, _read_script(path)) for path in options["scripts"])
    test = BootTest(
        checks=(*make_checks(spec, plan), *scripts),
        accounts=find_accounts(spec),
        ssh_logins=logins,
        forwards=tested,
        boot_seconds=options["timeout"],
        boots=(FIRST,) if options["once"] else (FIRST, SECOND),
    )
    return test, replace(setting, forwards=(*tested, *ssh), network=find_network(spec))


def _ssh_logins(
    spec: "Spec", identity: Path | None
) -> tuple[tuple["SshLogin", ...], tuple["PortForward", ...]]:
    """Return the logins with a private key, and the port forward that they need."""
    from builder.boot.access import find_key_users, free_port
    from builder.boot.machine import PortForward
    from builder.boot.trial import SshLogin
    from builder.formats.foreign import find_tool, run_tool

    if identity is None:
        return (), ()
    users = find_key_users(spec, run_tool([find_tool("ssh-keygen"), "-y", "-f", identity]).out)
    if not users:
        raise UsageError(
            f"{identity}: no user of {spec.path} has this key",
            hint="add its public key to users.NAME.ssh_keys",
        )
    port = free_port()
    return tuple(SshLogin(user, port, identity) for user in users), (PortForward(port, _SSH),)


def _read_script(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not valid UTF-8") from error
    except OSError as error:
        raise refusal(error, path) from error


def _start_options(machine: "VirtualMachine", options: _Options) -> "StartOptions":
    from builder.boot.machine import StartOptions
    from builder.boot.qemu import choose_accelerator

    wanted = options["accelerator"]
    chosen = choose_accelerator(machine.architecture) if wanted == "auto" else wanted
    accelerator: Accelerator = "kvm" if chosen == "kvm" else "tcg"
    return StartOptions(accelerator, tuple(map(_forward, options["forwards"])), cpu=options["cpu"])


def _forward(text: str) -> "PortForward":
    """Parse a port forward.

    Raises:
        UsageError: it is not valid.
    """
    from builder.boot.machine import PortForward

    ports, _, protocol = text.partition("/")
    host, _, guest = ports.partition(":")
    valid = all(port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16
                for port in (host, guest))  # fmt: skip
    if not valid or protocol not in {"", "tcp", "udp"}:
        raise UsageError(
            f"--forward {text}: is not a valid port forward; wanted HOST:GUEST",
            hint="try --forward 8080:80",
        )
    return PortForward(int(host), int(guest), "udp" if protocol == "udp" else "tcp")
