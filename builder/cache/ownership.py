"""Ownership of the cache: files that other users may write are not trusted.

A cached file counts as checked because only its owner could have stored it.
"""

import grp
import os
import pwd
import stat
from pathlib import Path

from builder.errors import HostError

_PARTS = (".", "blobs", "blobs/sha256", "index", "sample")


def check_owner(directory: Path) -> None:
    """Refuse a cache that another user may write.

    Raises:
        HostError: another user or group may write the directory.
    """
    for part in _PARTS:
        folder = directory / part
        try:
            status = folder.stat()
        except OSError:
            continue  # said when it is used
        if writer := _other_writer(status):
            raise HostError(
                f"{folder}: {writer} may write it, so the cache cannot be trusted",
                hint=f"run chown -R {os.geteuid()} {directory}; chmod -R go-w {directory}"
                "; or choose another: export PHOTON_BUILDER_CACHE=DIR",
            )


def _other_writer(status: os.stat_result) -> str:
    """Return the user or group that may write a directory besides us and root; else empty."""
    if status.st_uid not in {0, os.geteuid(), _caller()}:
        return f"user {_user(status.st_uid)}"
    if status.st_mode & stat.S_IWOTH:
        return "everybody"
    if status.st_mode & stat.S_IWGRP and not _is_private(status.st_gid, status.st_uid):
        return f"group {_group(status.st_gid)}"
    return ""


def _caller() -> int:
    """Return the user who called sudo(8), else the effective user."""
    called = os.environ.get("SUDO_UID", "")
    return int(called) if called.isdecimal() and os.geteuid() == 0 else os.geteuid()


def _is_private(gid: int, uid: int) -> bool:
    """Return whether a group is the private group of a user."""
    try:
        group, user = grp.getgrgid(gid), pwd.getpwuid(uid)
    except KeyError:
        return False
    return user.pw_gid == gid and set(group.gr_mem) <= {user.pw_name}


def _user(uid: int) -> str:
    """Return a user's name, or the number of one without."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    """Return a group's name, or the number of one without."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
