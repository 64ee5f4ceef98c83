"""Where the kernel tells of itself: ``/sys``, ``/proc``, ``/dev``, below a root that can be moved.

Sources: sysfs(5), proc(5), and the kernel's ``Documentation/ABI/stable/sysfs-block``.
"""

from pathlib import Path

from builder.structs import Struct


class System(Struct, frozen=True):
    """The machine whose devices are looked at; a directory that looks like one will do.

    Attributes:
        root: What stands for ``/``.
    """

    root: Path = Path("/")

    @property
    def blocks(self) -> Path:
        """Folder with a link for every block device, partitions included."""
        return self.root / "sys/class/block"

    @property
    def proc(self) -> Path:
        """Folder of the processes, and of what the kernel tells."""
        return self.root / "proc"

    @property
    def dev(self) -> Path:
        """Folder of the device nodes."""
        return self.root / "dev"

    def below(self, path: str) -> Path:
        """Return where an absolute path of the system lies."""
        return self.root / path.lstrip("/")


def read_attribute(path: Path) -> str:
    """Return a file's text without its end of line; empty when it is not there or not told."""
    try:
        return path.read_bytes().decode("utf-8", "replace").strip("\0\n ")
    except OSError:
        return ""


def read_number(path: Path) -> int:
    """Return the number in a file, zero when there is none."""
    text = read_attribute(path)
    return int(text) if text.isascii() and text.isdigit() else 0
