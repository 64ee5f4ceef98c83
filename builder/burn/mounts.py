r"""What is mounted and what is swapped to.

Sources: proc(5), ``/proc/pid/mountinfo`` and ``/proc/swaps``; blanks and such in them are written
``\040``. A mount is known by the number of its device; the name of its source is asked only
where a filesystem has no device of its own (Btrfs, overlay).
"""

import re
from pathlib import PurePosixPath

from builder.burn.system import System, read_attribute
from builder.structs import Struct

_ESCAPE = re.compile(r"\\([0-7]{3})")
_FIELDS = re.compile(r"\d+ \d+ (\d+:\d+) \S+ (\S+) \S+(?: \S+)*? - (\S+) (\S+) ?(\S*)")


class Mount(Struct, frozen=True):
    """One mounted filesystem.

    Attributes:
        number: Major and minor of what it is on; the major is 0 without a device.
        point: Where it is mounted.
        kind: Such as ``ext4``.
        source: As it was given to mount(8).
        options: Those of the filesystem.
    """

    number: str
    point: str
    kind: str
    source: str
    options: str

    def paths(self) -> tuple[str, ...]:
        """Return the folders that an overlay is made of."""
        fields = (field.partition("=") for field in self.options.split(","))
        wanted = {"lowerdir", "upperdir", "workdir"}
        return tuple(p for key, _, value in fields if key in wanted for p in value.split(":") if p)


def read_mounts(system: System) -> tuple[Mount, ...]:
    """Return what is mounted, in the order of mounting."""
    lines = read_attribute(system.proc / "self/mountinfo").splitlines()
    return tuple(mount for line in lines if (mount := _parse(line)) is not None)


def read_swaps(system: System) -> tuple[str, ...]:
    """Return the partitions and files that are swapped to."""
    lines = read_attribute(system.proc / "swaps").splitlines()[1:]
    return tuple(_unescape(line.split()[0]) for line in lines if line.split())


def mount_of(mounts: tuple[Mount, ...], path: str) -> Mount | None:
    """Return the filesystem that a path is on; the last mounted of equal points hides others."""
    fitting = [m for m in mounts if PurePosixPath(path).is_relative_to(m.point)]
    return max(reversed(fitting), key=lambda m: len(m.point), default=None)


def _parse(line: str) -> Mount | None:
    """Return the mount of one line, ``None`` when it is none."""
    found = _FIELDS.match(line)
    return Mount(*map(_unescape, found.groups())) if found else None


def _unescape(text: str) -> str:
    """Return a field with its blanks."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 8)), text)
