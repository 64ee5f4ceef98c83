"""Paths inside the image, kept apart by type from paths on this machine."""

from __future__ import annotations

import posixpath
from typing import NewType

from .errors import GuestPathError

GuestPath = NewType("GuestPath", str)


def guest(path: str) -> GuestPath:
    """Return ``path`` as a guest path: absolute, normalised, never above ``/``.

    Raises:
        GuestPathError: ``path`` is relative, has a ``..`` component or a NUL byte.
    """
    if not path.startswith("/") or ".." in path.split("/") or "\0" in path:
        raise GuestPathError(
            f"{path!r} is not a valid path inside an image; wanted an absolute one without `..`"
        )
    return GuestPath("/" + posixpath.normpath(path).lstrip("/"))


def parent(path: GuestPath) -> GuestPath:
    """Return the directory that holds ``path``; the parent of ``/`` is ``/``."""
    return GuestPath(posixpath.dirname(path))


def name(path: GuestPath) -> str:
    """Return the last component of ``path``; empty for ``/``."""
    return posixpath.basename(path)


def join(directory: GuestPath, *names: str) -> GuestPath:
    """Return ``names`` below ``directory``."""
    return guest(posixpath.join(directory, *names))
