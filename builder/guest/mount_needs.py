"""Which mounts a path needs, and how a unit waits for them.

Source: systemd.unit(5), RequiresMountsFor=; systemd-fstab-generator(8): a mount with ``nofail``
is not ordered before local-fs.target, so services may start first and write below it.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from builder.engine.text.unit_names import escape_path


def mounts_at(paths: Iterable[str], mounts: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the paths to wait for: those on a mount, and mounts below one of them.

    Args:
        paths: Absolute paths that something writes to.
        mounts: Entries of the spec's ``mounts``.
    """
    points = [str(mount["path"]).rstrip("/") for mount in mounts if "path" in mount]
    found = {need for path in paths for need in _needs(path.rstrip("/"), points)}
    return sorted(found)


def mount_units(paths: Iterable[str], mounts: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the mount units among ``mounts`` that ``paths`` lie on or hold."""
    given = [path.rstrip("/") for path in paths]
    points = [str(mount["path"]).rstrip("/") for mount in mounts if "path" in mount]
    near = {p for p in points for path in given if _is_below(path, p) or _is_below(p, path)}
    return [f"{escape_path(point)}.mount" for point in sorted(near)]


def requires_mounts_for(paths: Iterable[str]) -> str:
    """Return the line by which a unit waits for mounts and fails without them."""
    return f"RequiresMountsFor={' '.join(map(_quoted, paths))}\n"


def _needs(path: str, points: list[str]) -> Iterator[str]:
    for point in points:
        if _is_below(path, point):
            yield path
        elif _is_below(point, path):
            yield point


def _is_below(path: str, folder: str) -> bool:
    """Return whether a path is a folder or lies in it."""
    return path == folder or path.startswith(f"{folder}/")


def _quoted(path: str) -> str:
    """Return a path as a word of a list of paths."""
    text = path.replace("%", "%%")
    if not any(letter in text for letter in " \t\"'\\"):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
