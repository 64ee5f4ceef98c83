"""The change vocabulary: everything that may be done to a guest, as data.

Two levels. A *file operation* is what every carrier can do blindly. A *guest
change* says what is wanted; :mod:`builder.carriers.lower` turns it into file
operations once a root can be read, and an installer is told it in its own words.
Features are open; this list is closed: a new member makes mypy point at every
carrier that must learn it.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from builder.blob import Blob
from builder.guestpath import GuestPath


@dataclass(frozen=True, slots=True)
class Owner:
    """Owner of a node: ids, or names that the guest's own passwd and group resolve."""

    uid: int | str = 0
    gid: int | str = 0


ROOT = Owner()

SECRET = {"secret": True}
"""Marks a field that is printed as a digest only."""


@dataclass(frozen=True, slots=True)
class WriteFile:
    """Make ``path`` a regular file with exactly this content, mode and owner.

    ``secret`` hides even the content's digest from plans and logs. Nothing is done where the
    base has ``unless``, links followed.
    """

    path: GuestPath
    content: Blob
    mode: int = 0o644
    owner: Owner = ROOT
    secret: bool = False
    unless: GuestPath | None = None

    @property
    def subject(self) -> str:
        """What this change alone decides: two changes of one subject must agree."""
        return f"path {self.path}"


@dataclass(frozen=True, slots=True)
class MakeDirectory:
    """Make ``path`` a directory with this mode and owner; missing parents are root's, 0755."""

    path: GuestPath
    mode: int = 0o755
    owner: Owner = ROOT

    @property
    def subject(self) -> str:
        """What this change alone decides: two changes of one subject must agree."""
        return f"path {self.path}"


@dataclass(frozen=True, slots=True)
class MakeSymlink:
    """Make ``path`` a symbolic link; ``target`` is stored as written; ``unless`` as above."""

    path: GuestPath
    target: str
    unless: GuestPath | None = None

    @property
    def subject(self) -> str:
        """What this change alone decides: two changes of one subject must agree."""
        return f"path {self.path}"


@dataclass(frozen=True, slots=True)
class Remove:
    """Make ``path`` and everything below it absent; absent already is fine."""

    path: GuestPath

    @property
    def subject(self) -> str:
        """What this change alone decides: two changes of one subject must agree."""
        return f"path {self.path}"


FileOp: TypeAlias = WriteFile | MakeDirectory | MakeSymlink | Remove


class UnitState(StrEnum):
    """What systemd should do with a unit at boot."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    MASKED = "masked"


@dataclass(frozen=True, slots=True)
class SetUnitState:
    """Enable, disable or mask a systemd unit, as ``systemctl --root`` would, with a preset line.

    ``if_present`` makes a unit that the base does not have nothing to do instead of an error.
    """

    unit: str
    state: UnitState
    if_present: bool = False

    @property
    def subject(self) -> str:
        """What this change alone decides: two changes of one subject must agree."""
        return f"unit {self.unit}"


@dataclass(frozen=True, slots=True)
class AddUser:
    """Make a user account exist, with a locked password; an equal one is left alone.

    Attributes:
        name: Login name.
        uid: User id, chosen by the spec so that builds agree.
        gid: Primary group: an id, or the name of a group of the base.
        home: Home directory, made 0700 for the user when absent.
        shell: Login shell.
        comment: The GECOS field.
        groups: Supplementary groups of the base to join.
    """

    name: str
    uid: int
    gid: int | str
    home: GuestPath
    shell: str = "/bin/bash"
    comment: str = ""
    groups: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """What this change alone decides: two changes of one subject must agree."""
        return f"user {self.name}"


@dataclass(frozen=True, slots=True)
class SetPassword:
    """Set a user's crypt(5) hash and its ageing; the plain text never enters a plan.

    Attributes:
        user: An account of the base or of this plan.
        hash: As shadow(5) holds it; ``!`` alone locks the password.
        max_days: Days until it expires; 99999 is never.
        must_change: Whether the first login asks for a new one.
        drawn: Whether it was drawn for this build; such plans are equal whatever they drew.
    """

    user: str
    hash: str = field(repr=False, metadata=SECRET)
    max_days: int = 99999
    must_change: bool = False
    drawn: bool = False

    @property
    def subject(self) -> str:
        """What this change alone decides: two changes of one subject must agree."""
        return f"the password of {self.user}"


@dataclass(frozen=True, slots=True)
class EnsureLine:
    """Make ``line`` a line of the text file ``path``; the file is made when it is absent.

    Attributes:
        path: The file, followed when it is a symbolic link.
        line: The line, without its newline.
        before: A line to insert before (its first occurrence, white space at the ends
            ignored); ``""`` is the top of the file, ``None`` the end. When the named
            line is missing, the line goes to the end.
        replaces: A POSIX extended regular expression; lines that match it are dropped first.
        mode: Mode of the file if it has to be made.
        owner: Its owner then.
    """

    path: GuestPath
    line: str
    before: str | None = None
    replaces: str = ""
    mode: int = 0o644
    owner: Owner = ROOT

    @property
    def subject(self) -> str:
        """What this change alone decides: two changes of one subject must agree."""
        return f"the line {self.replaces or self.line!r} of {self.path}"


@dataclass(frozen=True, slots=True)
class ReplaceText:
    """Replace one literal text by another in every regular file that a glob matches.

    ``pattern`` is a guest path whose last component may hold ``*``; no match is fine.
    """

    pattern: GuestPath
    old: str
    new: str

    @property
    def subject(self) -> str:
        """What this change alone decides: two changes of one subject must agree."""
        return f"the text {self.old!r} in {self.pattern}"


@dataclass(frozen=True, slots=True)
class SetKernelArguments:
    """Add and remove arguments of the kernel command line, where the base's boot loader has it.

    An argument ``key=value`` that is added takes the place of others with the same key.
    """

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """What this change alone decides: two changes of one subject must agree."""
        return f"kernel arguments {self.add} {self.remove}"


@dataclass(frozen=True, slots=True)
class InstallPackages:
    """Install packages of the repositories, and RPM files, with dependencies.

    A disk that is only edited installs them once, on its first boot with a network.

    Attributes:
        names: Package names for tdnf.
        files: RPM file name and content.
    """

    names: tuple[str, ...] = ()
    files: tuple[tuple[str, Blob], ...] = ()

    @property
    def subject(self) -> str:
        """What this change alone decides: two changes of one subject must agree."""
        return f"packages {self.names} {[name for name, _ in self.files]}"


@dataclass(frozen=True, slots=True)
class Require:
    """State that the finished root must have ``path``, links followed; nothing is changed.

    Attributes:
        path: What must be there.
        message: The sentence when it is not.
        code: Name of the diagnostic.
        hint: What to type then.
    """

    path: GuestPath
    message: str
    code: str
    hint: str = ""

    @property
    def subject(self) -> str:
        """What this change alone decides: two changes of one subject must agree."""
        return f"{self.code} {self.path}"


GuestChange: TypeAlias = (
    InstallPackages
    | AddUser
    | SetPassword
    | EnsureLine
    | ReplaceText
    | SetKernelArguments
    | SetUnitState
    | Require
)
Change: TypeAlias = FileOp | GuestChange

STAGES: tuple[tuple[type[Change], ...], ...] = (
    (InstallPackages,),
    (Remove,),
    (AddUser,),
    (MakeDirectory, WriteFile, MakeSymlink),
    (ReplaceText,),
    (EnsureLine,),
    (SetPassword,),
    (SetKernelArguments,),
    (SetUnitState,),
    (Require,),
)
"""When each kind applies; within a stage changes are independent and go by subject."""
