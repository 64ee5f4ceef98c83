"""The command line: parses arguments, runs one command, prints errors, sets the exit code.

Results go to standard output, progress and messages to standard error. The commands are
read lazily, each from the module that holds it.
"""

import importlib
import os
import signal
import sys

import click

from builder.cli.answers import begin, report_error, report_interrupt, started
from builder.cli.colour import with_colour_option
from builder.cli.events import finish
from builder.cli.logs import show_as_asked, with_log_options
from builder.cli.streams import prepare_streams
from builder.errors import BuilderError, HostError, InterruptError, UsageError
from builder.host import refusal

_NO_MEMORY = "out of memory"
_MORE_MEMORY = "close other programs, or raise the limits: ulimit -v, ulimit -u"

COMMANDS = {
    "build": "make",
    "fetch": "make",
    "check": "specs",
    "plan": "specs",
    "lock": "lock",
    "targets": "knowledge",
    "catalog": "knowledge",
    "facts": "facts",
    "schema": "knowledge",
    "explain": "knowledge",
    "init": "specs",
    "doctor": "doctor",
    "inspect": "look",
    "ls": "look",
    "cat": "look",
    "diff": "look",
    "verify": "proof",
    "apply": "apply",
    "boot": "boot",
    "devices": "devices",
    "nightly": "nightly",
    "burn": "burn",
    "os-list": "imager",
    "cache": "storage",
}
"""Command to the module of this package that holds it."""

NAMES = {"ls": "list_directory", "diff": "show_differences", "os-list": "os_list"}
"""Command to the function's name, where that is another."""


class Lazy(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands' names."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, or suggest the closest one."""
        if cmd_name not in COMMANDS:
            from difflib import get_close_matches

            near = get_close_matches(cmd_name, COMMANDS, 1)
            meant = f"; did you mean `{near[0]}`?" if near else ""
            ctx.fail(f"unknown command `{cmd_name}`{meant}")
        module = importlib.import_module(f"builder.cli.{COMMANDS[cmd_name]}")
        found = getattr(module, NAMES.get(cmd_name, cmd_name))
        if not isinstance(found, click.Command):
            return None
        return with_log_options(with_colour_option(found))


@click.command(
    cls=Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 2 usage, 3 spec, 4 target, 5 network, 6 digest, 7 base, "
    "8 spec and base don't fit, 9 external tool, 10 host, 11 verification, "
    "12 device refused, 130 interrupted.",
)
@click.version_option(package_name="photon-builder", message="photon-builder %(version)s")
def cli() -> None:
    """Make customised VMware Photon OS images from a short YAML spec.

    No root, no mounts, no virtual machine: only what changes is rewritten.
    """


def run(arguments: list[str]) -> int:
    """Run one command and return its documented exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    prepare_streams()
    begin(arguments)
    show_as_asked()
    code = _run(arguments)
    finish(code)
    return code


def _run(arguments: list[str]) -> int:
    """Run one command, report errors, and return the exit code."""
    try:
        code = int(cli.main(arguments, "photon-builder", standalone_mode=False) or 0)
        sys.stdout.flush()
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        return _report_error(_usage_error(error))
    except (KeyboardInterrupt, click.Abort):
        return _report_interrupt()
    except Exception as error:  # report every error, bugs included
        return _report_interrupt() if _was_interrupted(error) else _report(error)
    return code


def _report(error: Exception) -> int:
    """Report an error and return its exit code; an unexpected one is reported as a bug."""
    match error:
        case BrokenPipeError():
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        case BuilderError():
            return _report_error(error)
        case OSError():
            return _report_error(refusal(error))
        case MemoryError():
            return _report_error(HostError(_NO_MEMORY, hint=_MORE_MEMORY))
        case RuntimeError() if "start new thread" in str(error):
            return _report_error(HostError("cannot start another thread", hint=_MORE_MEMORY))
        case _:
            from builder.cli.report import as_bug

            return _report_error(as_bug(error))


def _report_error(error: BuilderError) -> int:
    """Show an error and return its exit code."""
    report_error(error)
    return error.exit_code


def _usage_error(error: click.ClickException) -> UsageError:
    """Return a usage error of click as a ``UsageError``."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "photon-builder"
    message = " ".join(error.format_message().split())
    return UsageError(message.rstrip("."), hint=f"see `{command} --help`")


def _report_interrupt() -> int:
    """Report the interrupt, and return its exit code."""
    report_interrupt(InterruptError(f"interrupted: {_kept()}"))
    return InterruptError.exit_code


def _kept() -> str:
    """Return what an interrupt left: partial downloads, which the next run resumes."""
    if "builder.fetch" not in sys.modules:
        return "no partial files were left"
    from builder.cache import default_directory
    from builder.fetch.partial import kept_parts

    found = kept_parts(default_directory() / "partial", started())
    if not found:
        return "no partial files were left"
    kept = ", ".join(f"{size / 1e6:.1f} MB of {name}" for name, size in found)
    return f"kept {kept} for the next run to resume; no other partial files were left"


def _was_interrupted(error: BaseException | None) -> bool:
    """Return whether an error was raised during the clean-up after an interrupt."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__context__
    return False


def _interrupt(number: int, frame: object) -> None:
    """Handle SIGTERM as Ctrl-C: clean up and exit."""
    del number, frame
    raise KeyboardInterrupt
