"""Guest changes: what is wanted of accounts, units, text files and the boot, said as such."""

from enum import StrEnum

from builder.blob import Blob
from builder.changes.files import ROOT, Owner
from builder.guestpath import GuestPath
from builder.structs import Struct


class UnitState(StrEnum):
    """What systemd should do with a unit at boot."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    MASKED = "masked"


class SetUnitState(Struct, frozen=True):
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


class AddGroup(Struct, frozen=True):
    """Make a group exist; an equal one is left alone, with its members.

    Attributes:
        name: Its name.
        gid: Its id, chosen by the spec so that builds agree.
    """

    name: str
    gid: int

    @property
    def subject(self) -> str:
        """What this change alone decides: two changes of one subject must agree."""
        return f"group {self.name}"


class AddUser(Struct, frozen=True):
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


class SetPassword(Struct, frozen=True):
    """Set a user's crypt(5) hash and its ageing; the plain text never enters a plan.

    Attributes:
        user: An account of the base or of this plan.
        hash: As shadow(5) holds it; ``!`` alone locks the password.
        max_days: Days until it expires; 99999 is never.
        must_change: Whether the first login asks for a new one.
        drawn: Whether it was drawn for this build; such plans are equal whatever they drew.
    """

    user: str
    hash: str
    max_days: int = 99999
    must_change: bool = False
    drawn: bool = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}(user={self.user!r}, max_days={self.max_days}, …)"

    @property
    def secrets(self) -> tuple[str, ...]:
        """Fields that are never shown."""
        return ("hash",)

    @property
    def subject(self) -> str:
        """What this change alone decides: two changes of one subject must agree."""
        return f"the password of {self.user}"


class EnsureLine(Struct, frozen=True):
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


class ReplaceText(Struct, frozen=True):
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


class SetKernelArguments(Struct, frozen=True):
    """Add and remove arguments of the kernel command line, where the base's boot loader has it.

    An argument ``key=value`` that is added takes the place of others with the same key.
    """

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """What this change alone decides: two changes of one subject must agree."""
        return f"kernel arguments {self.add} {self.remove}"


class InstallPackages(Struct, frozen=True):
    """Install packages of the repositories, and RPM files, with dependencies.

    A disk that is only edited installs them once, on its first boot with a network.

    Attributes:
        names: Package names for tdnf.
        files: RPM file name and content.
        source: Whose packages a disk takes: ``release`` or ``updates``; empty for those of the
            repositories that the base has enabled.
    """

    names: tuple[str, ...] = ()
    files: tuple[tuple[str, Blob], ...] = ()
    source: str = ""

    @property
    def subject(self) -> str:
        """What this change alone decides: two changes of one subject must agree."""
        return f"packages {self.names} {[name for name, _ in self.files]}"


class Require(Struct, frozen=True):
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


class RequireModule(Struct, frozen=True):
    """State that a kernel of the finished root has a module, or has it built in.

    Nothing is changed. A root without lists of modules says nothing, and passes.
    """

    name: str

    @property
    def subject(self) -> str:
        """What this change alone decides: two changes of one subject must agree."""
        return f"kernel module {self.name}"


class SetFirmware(Struct, frozen=True):
    """Set, add or remove one setting in the config.txt that a board's firmware reads.

    Attributes:
        section: Filter that it is under, without brackets: ``all``, ``pi4``.
        line: The setting as the file has it; empty for none.
        drops: Key, or whole setting, of which every other one goes; empty for none.
    """

    section: str
    line: str
    drops: str = ""

    @property
    def subject(self) -> str:
        """What this change alone decides: two changes of one subject must agree."""
        return f"{self.drops or self.line} under [{self.section}] of config.txt"
