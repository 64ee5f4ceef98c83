"""The command that starts an artifact: ``boot``."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from builder.cli.options import (
    PATH,
    chosen_targets,
    default_output,
    json_option,
    read_spec,
    write_result,
)
from builder.errors import UsageError, VerifyError

if TYPE_CHECKING:
    from builder.boot.checks import Result
    from builder.boot.machine import Forward, Machine, Setting
    from builder.boot.trial import Trial
    from builder.spec import Spec

_SSH = 22


class Choices(TypedDict):
    """The options of ``boot``."""

    spec: str | None
    forwards: tuple[str, ...]
    accelerator: str
    firmware: str | None
    memory: int | None
    identity: Path | None
    screenshot: Path | None
    junit: Path | None
    console_log: Path | None
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
@click.option("--firmware", type=click.Choice(["bios", "efi"]), help="Instead of the artifact's.")
@click.option("--memory", type=click.IntRange(128), metavar="MIB", help="Instead of its own.")
@click.option("--identity", type=PATH, metavar="KEY", help="Private key to test ssh with.")
@click.option("--screenshot", type=PATH, metavar="PNG", help="Keep the last screen of a test.")
@click.option("--junit", type=PATH, metavar="XML", help="Write the report as JUnit XML too.")
@click.option("--console-log", type=PATH, metavar="FILE", help="Keep the console of a test.")
@click.option("--once", is_flag=True, help="Leave the second boot out of a test.")
@click.option("--timeout", default=240.0, metavar="SECONDS", help="For one boot of a test [240].")
@json_option
def boot(artifact: Path, **choices: Unpack[Choices]) -> None:
    """Start an artifact in QEMU, on a throw-away copy of its disk.

    The serial console is the terminal; Ctrl-A X switches the machine off. With --test, the
    spec is checked from inside and from outside, on two boots.
    """
    from builder.boot.machine import read_machine

    machine = read_machine(artifact)
    if choices["firmware"]:
        machine = replace(machine, firmware="efi" if choices["firmware"] == "efi" else "bios")
    if choices["memory"]:
        machine = replace(machine, memory_mib=choices["memory"])
    for note in machine.notes:
        sys.stderr.write(f"{artifact.name}: {note}\n")
    if choices["spec"] is None:
        _attend(artifact, machine, choices)
    else:
        _try(artifact, machine, read_spec(choices["spec"], quiet=True), choices)


def _attend(artifact: Path, machine: "Machine", choices: Choices) -> None:
    """Start a machine for a person."""
    from builder import reproducible
    from builder.boot.session import attend_machine
    from builder.boot.visit import prepare_visit

    sys.stderr.write("starting; Ctrl-A X switches the machine off\n")
    pieces = prepare_visit(artifact, root_shell=False, timestamp=reproducible.timestamp())
    attend_machine(machine, _setting(choices), pieces)


def _try(artifact: Path, machine: "Machine", spec: "Spec", choices: Choices) -> None:
    """Start a machine for a test, and report."""
    from builder import reproducible
    from builder.boot import report
    from builder.boot.access import find_network
    from builder.boot.session import start_machine
    from builder.boot.trial import run_trial
    from builder.boot.visit import prepare_visit

    setting = replace(_setting(choices), network=find_network(spec))
    trial, setting = _plan_trial(artifact, spec, setting, choices)
    shell = "root" not in {account.name for account in trial.accounts}
    pieces = prepare_visit(artifact, root_shell=shell, timestamp=reproducible.timestamp())
    results: list[Result] = []
    with start_machine(machine, setting, pieces) as session:
        for result in run_trial(session, trial):
            results.append(result)
            sys.stderr.write(report.format_result(result))
        if choices["screenshot"]:
            session.take_screenshot(choices["screenshot"])
        console = session.console.text
    _keep(artifact, results, console, choices)
    summary = report.format_summary(results)
    rows = report.plain_results(results)
    write_result(rows, as_json=choices["as_json"], text=f"{artifact}: {summary}\n")
    if not all(result.passed for result in results):
        raise VerifyError(f"{artifact}: {summary}", hint="the lines marked FAIL say what")


def _plan_trial(
    artifact: Path, spec: "Spec", setting: "Setting", choices: Choices
) -> tuple["Trial", "Setting"]:
    """Return what to try, and the setting with a way in for ssh."""
    from builder.boot import access, trial
    from builder.boot.assertions import make_checks
    from builder.boot.checks import FIRST, SECOND
    from builder.boot.machine import Forward
    from builder.build import Request, prepare
    from builder.formats.foreign import find_tool, run_tool

    targets = chosen_targets(spec, ())
    suited = [entry for entry in targets if artifact.name.endswith(entry.suffix)] or targets
    plan, _ = prepare(Request(spec, suited[0], default_output()))
    knocks: tuple[trial.Knock, ...] = ()
    asked = setting.forwards
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
    checks = make_checks(spec, plan)
    plan_of_trial = trial.Trial(checks, accounts, knocks, asked, choices["timeout"], boots)
    return plan_of_trial, setting


def _keep(artifact: Path, results: "list[Result]", console: str, choices: Choices) -> None:
    """Write the files that were asked for."""
    from builder.boot.report import format_junit

    if choices["junit"]:
        choices["junit"].write_text(format_junit(artifact.name, results, console))
    if choices["console_log"]:
        choices["console_log"].write_text(console)


def _setting(choices: Choices) -> "Setting":
    """Return what the options decide about the start."""
    from builder.boot.accelerator import choose_accelerator
    from builder.boot.machine import Setting

    wanted = choices["accelerator"]
    accelerator = choose_accelerator() if wanted == "auto" else "kvm" if wanted == "kvm" else "tcg"
    return Setting(accelerator, tuple(map(_forward, choices["forwards"])))


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
