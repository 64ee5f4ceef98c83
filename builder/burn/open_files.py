"""Who uses a filesystem: the processes that have something open below its mount point.

Source: proc(5): ``cwd``, ``root`` and ``fd`` of every process, as far as we may look.
"""

from pathlib import Path

from builder.burn.system import System
from builder.printable import printable

_MOST = 5


def users_of(system: System, point: str) -> str:
    """Return the first few processes that use what is mounted there, such as ``bash (4711)``."""
    found = []
    for process in sorted(system.proc.glob("[0-9]*"), key=lambda path: int(path.name)):
        try:
            links = [process / "cwd", process / "root", *(process / "fd").iterdir()]
            if any(_is_below(link, point) for link in links):
                name = (process / "comm").read_text(errors="replace").strip()
                found.append(f"{printable(name)} ({process.name})")
        except OSError:  # it ended, or is none of our business
            continue
    more = [f"{len(found) - _MOST} more"] if len(found) > _MOST else []
    return ", ".join(found[:_MOST] + more)


def _is_below(link: Path, point: str) -> bool:
    """Tell whether a link of a process leads below a mount point."""
    try:
        return link.readlink().is_relative_to(point)
    except OSError:
        return False
