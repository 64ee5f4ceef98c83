"""File operations: what every carrier can do without knowing the guest."""

from builder.blob import Blob
from builder.guestpath import GuestPath
from builder.structs import Struct


class Owner(Struct, frozen=True):
    """Owner of a node: ids, or names that the guest's own passwd and group resolve."""

    uid: int | str = 0
    gid: int | str = 0


ROOT = Owner()


class WriteFile(Struct, frozen=True):
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

    @property
    def secrets(self) -> tuple[str, ...]:
        """Fields that are never shown."""
        return ("content",) if self.secret else ()


class MakeDirectory(Struct, frozen=True):
    """Make ``path`` a directory with this mode and owner; missing parents are root's, 0755."""

    path: GuestPath
    mode: int = 0o755
    owner: Owner = ROOT

    @property
    def subject(self) -> str:
        """What this change alone decides: two changes of one subject must agree."""
        return f"path {self.path}"


class MakeSymlink(Struct, frozen=True):
    """Make ``path`` a symbolic link; ``target`` is stored as written; ``unless`` as above."""

    path: GuestPath
    target: str
    unless: GuestPath | None = None

    @property
    def subject(self) -> str:
        """What this change alone decides: two changes of one subject must agree."""
        return f"path {self.path}"


class Remove(Struct, frozen=True):
    """Make ``path`` and everything below it absent; absent already is fine."""

    path: GuestPath

    @property
    def subject(self) -> str:
        """What this change alone decides: two changes of one subject must agree."""
        return f"path {self.path}"
