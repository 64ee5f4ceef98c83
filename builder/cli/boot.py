"""The command that starts an artifact: ``boot``."""

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from builder.cli.boot_report import Told
from builder.cli.options import PATH, default_output, json_option
from builder.cli.reading import read_spec
from builder.errors import UsageError, VerifyError
from builder.host import refusal
from builder.selection import target_of
from builder.structs import Struct, replace

if TYPE_CHECKING:
    from builder.boot.machine import Accelerator, Forward, Machine, Setting
    from builder.boot.trial import Trial
    from builder.spec import Spec

_SSH = 22
_INSTALLATIONS = 6
"""An installation may take as long as so many boots."""


class Choices(TypedDict):
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
@click.option("--test", "spec", metavar="SPEC", help="Check the spec from inside, and report.")
@click.option(
    "--forward", "-p", "forwards", multiple=True, metavar="HOST:GUEST[/udp]",
    help="Let a port of this machine's loopback lead into the guest; may be repeated.",
)  # fmt: skip
@click.option(
    "--accel", "accelerator", type=click.Choice(["auto", "kvm", "tcg"]), default="auto",
    help="How instructions are executed [auto: KVM when a guest really runs under it].",
)  # fmt: skip
@click.option(
    "--cpu", default="", metavar="MODEL",
    help="Instead of the usual processor, as QEMU names it; under TCG, qemu64 is the quickest.",
)  # fmt: skip
@click.option("--firmware", type=click.Choice(["bios", "efi"]), help="Instead of the artifact's.")
@click.option("--memory", type=click.IntRange(128), metavar="MIB", help="Instead of its own.")
@click.option("--disk", type=PATH, metavar="RAW", help="Keep what a medium installs in a test.")
@click.option("--identity", type=PATH, metavar="KEY", help="Private key to test ssh with.")
@click.option(
    "--run", "scripts", type=PATH, multiple=True, metavar="SCRIPT",
    help="Ask one more question: a shell script, which root runs and which must succeed.",
)  # fmt: skip
@click.option("--screenshot", type=PATH, metavar="PNG", help="Keep the last screen of a test.")
@click.option("--junit", type=PATH, metavar="XML", help="Write the report as JUnit XML too.")
@click.option("--console-log", type=PATH, metavar="FILE", help="Keep the console of a test.")
@click.option("--report", type=PATH, metavar="FOLDER", help="Keep all that a test finds there.")
@click.option("--once", is_flag=True, help="Leave the second boot out of a test.")
@click.option("--timeout", default=240.0, metavar="SECONDS", help="For one boot of a test [240].")
@json_option
def boot(artifact: Path, **choices: Unpack[Choices]) -> None:
    """Start an artifact in QEMU, on a throw-away copy of its disk.

    The serial console is the terminal; Ctrl-A X switches the machine off. With --test, the
    spec is checked from inside and from outside, on two boots. A medium finds an empty disk,
    installs to it, and what it has installed is checked.
    """
    from builder.boot.unpacked import ready
    from builder.samples import HINT, SENTENCE, is_sample

    if is_sample(artifact):
        raise VerifyError(f"{artifact}: {SENTENCE}", hint=HINT)
    with ready(artifact) as disk:
        if disk != artifact and is_sample(disk):
            raise VerifyError(f"{artifact}: {SENTENCE}", hint=HINT)
        spec = read_spec(choices["spec"], quiet=True) if choices["spec"] else None
        machine = _machine(artifact, disk, spec, choices)
        if spec:
            _try(Subject(artifact, disk, machine), spec, choices)
        else:
            _attend(Subject(artifact, disk, machine), choices)


class Subject(Struct, frozen=True):
    """What is started.

    Attributes:
        artifact: As the user named it.
        disk: The same, or what was packed in it.
        machine: The machine that it asks for.
    """

    artifact: Path
    disk: Path
    machine: "Machine"


def _machine(artifact: Path, disk: Path, spec: "Spec | None", choices: Choices) -> "Machine":
    """Return the machine that an artifact asks for, as the options change it; say what differs."""
    from builder.boot.machine import read_machine

    machine = replace(read_machine(disk), name=artifact.name)
    install = spec.sections.get("install", {}) if spec and machine.medium else {}
    firmware = choices["firmware"] or ("efi" if install.get("bootmode") == "efi" else None)
    if firmware:
        machine = replace(machine, firmware="efi" if firmware == "efi" else "bios")
    if "disk" in install:
        machine = replace(machine, disk=install["disk"].removeprefix("/dev/"))
    if choices["memory"]:
        machine = replace(machine, memory_mib=choices["memory"])
    for note in machine.notes:
        sys.stderr.write(f"{artifact.name}: {note}\n")
    return machine


def _attend(subject: Subject, choices: Choices) -> None:
    """Start a machine for a person."""
    from builder.boot.session import attend_machine

    sys.stderr.write("starting; Ctrl-A X switches the machine off\n")
    pieces = {} if subject.machine.medium else _visit(subject, shell=False)
    attend_machine(subject.machine, _setting(subject.machine, choices), pieces)


def _visit(subject: Subject, *, shell: bool) -> dict[int, bytes]:
    """Return what to write to the throw-away copy, so that its console can be used."""
    from builder import reproducible
    from builder.boot.visit import prepare_visit

    return prepare_visit(
        subject.disk,
        root_shell=shell,
        timestamp=reproducible.timestamp(),
        console=subject.machine.console,
    )


def _try(subject: Subject, spec: "Spec", choices: Choices) -> None:
    """Start a machine for a test, and report."""
    from builder.boot.access import find_network

    setting = replace(_setting(subject.machine, choices), network=find_network(spec))
    told = Told(subject.artifact, choices["report"], as_json=choices["as_json"])
    for name in ("screenshot", "junit", "console_log"):
        told.keep(name, choices[name])
    trial, setting = _plan_trial(subject.artifact, spec, setting, choices)
    with ExitStack() as stack:
        installed: Subject | None = subject
        if subject.machine.medium:
            disk = choices["disk"] or _scratch(stack) / "disk.raw"
            seconds = choices["timeout"] * _INSTALLATIONS
            installed = _install(subject, replace(setting, disk=disk), told, seconds)
        if installed is not None:
            _start(installed, setting, trial, told)
    told.finish()


def _scratch(stack: ExitStack) -> Path:
    """Return a folder that goes at the end."""
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="photon-boot-")))


def _install(subject: Subject, setting: "Setting", told: Told, seconds: float) -> Subject | None:
    """Let a medium install to the setting's disk and return that; ``None`` when it does not."""
    from builder.boot.installation import install, installed_machine, make_empty_disk

    disk = setting.disk
    if disk is None:
        raise TypeError("there is no disk to install to")
    make_empty_disk(disk)
    result, console = install(subject.machine, setting, seconds=seconds, at_end=told.see)
    told.tell(result, console)
    if not result.passed:
        return None
    return Subject(subject.artifact, disk, installed_machine(subject.machine, disk))


def _start(subject: Subject, setting: "Setting", trial: "Trial", told: Told) -> None:
    """Start the machine and ask it everything."""
    from builder.boot.session import start_machine
    from builder.boot.trial import run_trial

    shell = "root" not in {account.name for account in trial.accounts}
    pieces = _visit(subject, shell=shell)
    with start_machine(subject.machine, setting, pieces) as session:
        for result in run_trial(session, trial):
            told.tell(result)
        told.see(session)
        told.console += session.console.text


def _plan_trial(
    artifact: Path, spec: "Spec", setting: "Setting", choices: Choices
) -> tuple["Trial", "Setting"]:
    """Return what to try, and the setting with a way in for ssh."""
    from builder.boot import access, trial
    from builder.boot.assertions import make_checks
    from builder.boot.checks import FIRST, SECOND, script_check
    from builder.boot.composed import published_ports
    from builder.boot.machine import Forward
    from builder.build import Request, prepare
    from builder.formats.foreign import find_tool, run_tool

    plan, _ = prepare(Request(spec, target_of(artifact, spec), default_output()))
    knocks: tuple[trial.Knock, ...] = ()
    given = {(each.guest, each.protocol) for each in setting.forwards}
    own = [each for each in published_ports(spec) if (each.guest, each.protocol) not in given]
    asked = (*setting.forwards, *own)
    setting = replace(setting, forwards=asked)
    identity = choices["identity"]
    if identity is not None:
        public = run_tool([find_tool("ssh-keygen"), "-y", "-f", identity]).out
        port = access.free_port()
        users = access.find_key_users(spec, public)
        if not users:
            raise UsageError(f"{identity}: lets in nobody of {spec.path}", hint="see users")
        knocks = tuple(trial.Knock(user, port, identity) for user in users)
        setting = replace(setting, forwards=(*setting.forwards, Forward(port, _SSH)))
    boots = (FIRST,) if choices["once"] else (FIRST, SECOND)
    accounts = access.find_accounts(spec)
    scripts = tuple(script_check(path.name, _read_script(path)) for path in choices["scripts"])
    checks = (*make_checks(spec, plan), *scripts)
    plan_of_trial = trial.Trial(checks, accounts, knocks, asked, choices["timeout"], boots)
    return plan_of_trial, setting


def _read_script(path: Path) -> str:
    """Return the text of a script.

    Raises:
        HostError: it cannot be read.
        UsageError: it is no text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is no text in UTF-8") from error
    except OSError as error:
        raise refusal(error, path) from error


def _setting(machine: "Machine", choices: Choices) -> "Setting":
    """Return what the options decide about the start."""
    from builder.boot.accelerator import choose_accelerator
    from builder.boot.machine import Setting

    wanted = choices["accelerator"]
    chosen = choose_accelerator(machine.architecture) if wanted == "auto" else wanted
    accelerator: Accelerator = "kvm" if chosen == "kvm" else "tcg"
    forwards = tuple(map(_forward, choices["forwards"]))
    return Setting(accelerator, forwards, cpu=choices["cpu"])


def _forward(text: str) -> "Forward":
    """Return the forward that an option means.

    Raises:
        UsageError: it means none.
    """
    from builder.boot.machine import Forward

    ports, _, protocol = text.partition("/")
    host, _, guest = ports.partition(":")
    valid = all(port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16
                for port in (host, guest))  # fmt: skip
    if not valid or protocol not in {"", "tcp", "udp"}:
        raise UsageError(f"--forward {text}: wanted two ports", hint="try --forward 8080:80")
    return Forward(int(host), int(guest), "udp" if protocol == "udp" else "tcp")
