"""Carry a plan by way of Photon's installer: few keys, one payload, one script.

A native key is used for what must precede post-install (packages), and for what the installer
would write over afterwards (hostname, root's password): it runs its own modules in directory
order. All else is unpacked and run by the script, in the order of the plan.
"""

import io
import shlex
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from builder.blob import Blob
from builder.carriers import script
from builder.carriers.layer import write_layer
from builder.carriers.scratch import make_scratch
from builder.changes import (
    AddGroup,
    AddUser,
    Change,
    EnsureLine,
    FileOp,
    InstallPackages,
    MakeDirectory,
    MakeSymlink,
    Remove,
    ReplaceText,
    Require,
    RequireModule,
    SetKernelArguments,
    SetPassword,
    SetUnitState,
    WriteFile,
    replace,
)
from builder.engine.edit import VOLATILE
from builder.errors import GuestError
from builder.guest import installer
from builder.guestpath import GuestPath, guest, join
from builder.plan import Step
from builder.structs import Struct, field

_DAY_SECONDS = 86400
_HOSTNAME = guest("/etc/hostname")
_OVERWRITTEN = tuple(map(guest, ("/etc/locale.conf", "/etc/resolv.conf")))
"""What the installer writes or removes when the script may have run already."""

_IN_GUEST = Path(__file__).with_name("in_guest")
_NEVER_DAYS = 99999
_LARGEST_IN_MEMORY = 64 << 20


class InstallerInput(Struct):
    """What the installer is given.

    Attributes:
        packages: Names for the package manager.
        rpms: RPM files that join the repository of the ISO.
        hostname: Name of the machine, empty when the plan leaves it.
        root_password: The change that sets root's password.
        files: What the payload unpacks.
        commands: Label and argv of each step of the script, in order.
    """

    packages: list[str] = field(default_factory=list)
    rpms: list[tuple[str, Blob]] = field(default_factory=list)
    hostname: str = ""
    root_password: SetPassword | None = None
    files: list[FileOp] = field(default_factory=list)
    commands: list[tuple[str, list[str]]] = field(default_factory=list)

    def script(self) -> str:
        """Return the script; this is the only place that quotes."""
        late = [
            ("keep " + op.path, ["keep", op.path]) for op in self.files if op.path in _OVERWRITTEN
        ]
        lines = (shlex.join(["step", label, *argv]) for label, argv in [*self.commands, *late])
        return script.HEAD + "".join(f"{line}\n" for line in lines) + script.TAIL

    def payload(self, timestamp: int) -> Blob:
        """Return the tar that the script runs from and unpacks."""
        own = {"script": self.script().encode(errors="surrogateescape"), **_guest_modules()}
        inside = [WriteFile(guest(f"/{name}"), Blob.of(data)) for name, data in own.items()]
        everything = [_below("/install", op) for op in inside]
        everything += [_below("/root", op) for op in self.files]
        return _packed(everything, timestamp)


def render(steps: Sequence[Step], timestamp: int) -> InstallerInput:
    """Say every step of a plan in the installer's words.

    What the plan leaves open is stated where an installed system may differ from a disk.

    Args:
        steps: In canonical order.
        timestamp: Time of the build, seconds since the epoch; ageing of passwords counts from it.

    Raises:
        GuestError: a step would have no effect; its notes name the key that asked.
    """
    out = InstallerInput()
    for step in steps:
        try:
            _add(out, step.change, str(timestamp // _DAY_SECONDS))
        except GuestError as error:
            error.add_note(f"asked for by {step}")
            raise
    decided = {step.change.unit for step in steps if isinstance(step.change, SetUnitState)}
    for unit in installer.DISK_UNITS:
        if unit not in decided:
            out.commands.append((f"unit {unit} as on a disk", ["stock", unit]))
    return out


def _add(out: InstallerInput, change: Change, day: str) -> None:
    """Add one change."""
    match change:
        case WriteFile() | MakeDirectory() | MakeSymlink():
            _refuse_volatile(change.path)
            if not out.files:
                unpack = ["in_guest", "unpack", script.PAYLOAD, "root/"]
                out.commands.append(("unpack files", unpack))
            out.files.append(change)
            if isinstance(change, WriteFile) and change.path == _HOSTNAME:
                out.hostname = _text(change.content).strip()
        case Remove(path):
            out.commands.append((f"remove {path}", ["rm", "-rf", "--", path]))
        case InstallPackages(names, files):
            out.packages += names
            out.rpms += files
        case _:
            if isinstance(change, SetPassword) and change.user == "root":
                out.root_password = change
            out.commands.append((change.subject, _argv(change, day)))


def _argv(change: Change, day: str) -> list[str]:
    """Return the command that makes a guest change true."""
    match change:
        case SetUnitState(unit, state, if_present):
            return ["unit", state, unit, "optional" if if_present else "needed"]
        case SetKernelArguments(add, remove):
            return ["in_guest", "kernel-arguments", " ".join(add), " ".join(remove)]
        case ReplaceText(pattern, old, new):
            return ["in_guest", "replace-text", pattern, old, new]
        case EnsureLine(path, line, before, replaces, mode, owner):
            where = "end" if before is None else f"before:{before}"
            made = (f"{mode:o}", f"{owner.uid}:{owner.gid}")
            return ["in_guest", "ensure-line", path, line, where, replaces, *made]
        case Require() | RequireModule():
            return _need_argv(change)
        case SetPassword() | AddGroup() | AddUser():
            return _account_argv(change, day)
        case _:
            raise TypeError(type(change))


def _need_argv(change: Require | RequireModule) -> list[str]:
    """Return the command that looks for what the system needs."""
    match change:
        case Require(path, message):
            return ["in_guest", "require", path, message]
        case RequireModule(name):
            return ["in_guest", "require-module", name]


def _account_argv(change: SetPassword | AddGroup | AddUser, day: str) -> list[str]:
    """Return the command that edits the account files."""
    match change:
        case SetPassword(user, hashed, max_days, must_change):
            ageing = (str(max_days), "yes" if must_change else "no", day)
            return ["in_guest", "set-password", user, *ageing, hashed]
        case AddGroup(name, gid):
            return ["in_guest", "add-group", name, str(gid)]
        case AddUser(name, uid, gid, home):
            rest = (change.shell, change.comment, ",".join(change.groups), day)
            return ["in_guest", "add-user", name, f"{uid}:{gid}", home, *rest]


def kickstart_password(change: SetPassword) -> dict[str, object]:
    """Return the installer's words for root's password: always a hash."""
    days = -1 if change.max_days == _NEVER_DAYS else change.max_days
    return {"crypted": True, "text": change.hash, "age": 0 if change.must_change else days}


def _refuse_volatile(path: GuestPath) -> None:
    """Refuse to write where nobody would ever see it."""
    hidden = next((hidden for hidden in VOLATILE if path.startswith(f"{hidden}/")), None)
    if hidden is not None:
        raise GuestError(
            f"{path} would never be seen: {hidden} is a fresh filesystem at every boot",
            code="FIL010",
            hint="for files made at boot write a tmpfiles.d(5) line instead",
        )


def _packed(ops: list[FileOp], timestamp: int) -> Blob:
    """Return the tar of operations, in memory unless it is large."""
    if sum(op.content.size for op in ops if isinstance(op, WriteFile)) < _LARGEST_IN_MEMORY:
        out = io.BytesIO()
        write_layer(out, ops, mtime=timestamp)
        return Blob.of(out.getvalue())
    path = make_scratch()
    write_layer(path.file, ops, mtime=timestamp)
    path.file.flush()
    return Blob.file(path)


def _below(directory: str, op: FileOp) -> FileOp:
    """Return an operation on a path that lies below a directory of the payload."""
    return replace(op, path=join(guest(directory), op.path.lstrip("/")))


@cache
def _guest_modules() -> dict[str, bytes]:
    """Return the modules that run in the installed system, by name in the payload."""
    return {f"in_guest/{path.name}": path.read_bytes() for path in sorted(_IN_GUEST.glob("*.py"))}


def _text(content: Blob) -> str:
    """Return a small file's content."""
    with content.open() as stream:
        return stream.read().decode(errors="replace")
