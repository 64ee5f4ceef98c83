"""The command line: arguments become one call, errors become sentences and exit codes.

Results go to standard output, progress and messages to standard error. The commands are
read lazily, each from the module that holds it.
"""

import importlib
import os
import signal
import sys

import click

from builder.cli.answers import begin, started, tell_error, tell_interrupt
from builder.cli.colour import with_colour_option
from builder.cli.events import finish
from builder.cli.logs import show_as_asked, with_log_options
from builder.cli.streams import prepare_streams
from builder.errors import BuilderError, HostError, InterruptError, UsageError
from builder.host import refusal

_NO_MEMORY = "there is not enough memory"
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
        """Return a command, or say which one may be meant."""
        if cmd_name not in COMMANDS:
            from difflib import get_close_matches

            near = get_close_matches(cmd_name, COMMANDS, 1)
            meant = f"; did you mean {near[0]}?" if near else ""
            ctx.fail(f"there is no command {cmd_name!r}{meant}")
        module = importlib.import_module(f"builder.cli.{COMMANDS[cmd_name]}")
        found = getattr(module, NAMES.get(cmd_name, cmd_name))
        if not isinstance(found, click.Command):
            return None
        return with_log_options(with_colour_option(found))


@click.command(
    cls=Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 2 usage, 3 spec, 4 target, 5 network, 6 digest, 7 base, "
    "8 spec and base don't fit, 9 foreign tool, 10 this machine, 11 verification, "
    "12 device refused, 130 interrupted.",
)
@click.version_option(package_name="photon-builder", message="photon-builder %(version)s")
def cli() -> None:
    """Make customised VMware Photon OS images from a short YAML spec.

    No root, no mounts, no virtual machine: only what changes is rewritten.
    """


def run(arguments: list[str]) -> int:
    """Run one command and return the exit code of the manual."""
    signal.signal(signal.SIGTERM, _interrupt)
    prepare_streams()
    begin(arguments)
    show_as_asked()
    code = _run(arguments)
    finish(code)
    return code


def _run(arguments: list[str]) -> int:
    """Run one command and return its exit code; what goes wrong is said."""
    try:
        code = int(cli.main(arguments, "photon-builder", standalone_mode=False) or 0)
        sys.stdout.flush()
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        return _tell(_usage_error(error))
    except (KeyboardInterrupt, click.Abort):
        return _say_interrupted()
    except Exception as error:  # the last door
        return _say_interrupted() if _was_interrupted(error) else _say(error)
    return code


def _say(error: Exception) -> int:
    """Say what went wrong, and return the exit code for it; a bug is shown as one."""
    match error:
        case BrokenPipeError():
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        case BuilderError():
            return _tell(error)
        case OSError():
            return _tell(refusal(error))
        case MemoryError():
            return _tell(HostError(_NO_MEMORY, hint=_MORE_MEMORY))
        case RuntimeError() if "start new thread" in str(error):
            return _tell(HostError("no more threads can be started", hint=_MORE_MEMORY))
        case _:
            from builder.cli.report import as_bug

            return _tell(as_bug(error))


def _tell(error: BuilderError) -> int:
    """Show an error and return its exit code."""
    tell_error(error)
    return error.exit_code


def _usage_error(error: click.ClickException) -> UsageError:
    """Return what click says of a command line in the form of every error."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "photon-builder"
    message = " ".join(error.format_message().split())
    return UsageError(message.rstrip("."), hint=f"see: {command} --help")


def _say_interrupted() -> int:
    """Say that the user stopped it, and return the exit code for that."""
    tell_interrupt(InterruptError(f"interrupted: {_kept()}"))
    return InterruptError.exit_code


def _kept() -> str:
    """Say what is left after an interrupt: the parts of downloads, which the next run completes."""
    if "builder.fetch" not in sys.modules:
        return "nothing was left half-made"
    from builder.cache import default_directory
    from builder.fetch.partial import kept_parts

    found = kept_parts(default_directory() / "partial", started())
    if not found:
        return "nothing was left half-made"
    told = ", ".join(f"{size / 1e6:.1f} MB of {name}" for name, size in found)
    return f"{told} are kept, and the next run goes on there; nothing else was left half-made"


def _was_interrupted(error: BaseException | None) -> bool:
    """Tell whether an error came up while an interrupt was being cleaned up after."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__context__
    return False


def _interrupt(number: int, frame: object) -> None:
    """Turn a polite request to stop into the same clean end as Ctrl-C."""
    del number, frame
    raise KeyboardInterrupt
