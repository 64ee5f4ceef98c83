"""What a change may ask that its tree does not tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator, Optional, Sequence

from .errors import GuestError

if TYPE_CHECKING:
    from .kinds.install_packages import InstallPackages
    from .ops import FileOp
    from .tree import Tree

_DAY_SECONDS = 86400


class Knowledge:
    """The time of a plan, and what is known of packages: here, where a plan is applied, nothing.

    Attributes:
        timestamp: Time of the plan, seconds since the epoch.
        is_fresh: Whether an installer has just made the tree: it was told the same passwords, and
            left days of its own, or of its packages.
    """

    def __init__(self, timestamp: int, *, is_fresh: bool = False) -> None:
        self.timestamp = timestamp
        self.is_fresh = is_fresh

    @property
    def day(self) -> int:
        """Day of the plan, since 1970; ageing of passwords counts from it."""
        return self.timestamp // _DAY_SECONDS

    def stage(self, change: InstallPackages, tree: Tree) -> Iterator[FileOp]:
        """Yield what makes packages be installed on the first boot.

        Raises:
            GuestError: that needs a reader of RPM packages, which the builder has.
        """
        del change, tree
        raise GuestError(
            "packages are put aside for the first boot by photon-builder alone",
            hint="install them with tdnf, or drop `packages` from the spec",
        )

    def brings(self, packages: Sequence[str], unit: str, tree: Tree) -> Optional[bool]:
        """Return whether packages bring a unit; ``None`` when nobody knows."""
        del packages, unit, tree
        return None

    def package_for(self, unit: str, tree: Tree) -> str:
        """Return the package that would bring a unit; empty when nobody knows."""
        del unit, tree
        return ""
