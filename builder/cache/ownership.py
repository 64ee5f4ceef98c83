"""Whose a cache is: what others may write proves nothing.

A file in the cache counts as checked because nobody but its owner could have put it there.
"""

import grp
import os
import pwd
import stat
from pathlib import Path

from builder.errors import HostError

_PARTS = (".", "blobs", "blobs/sha256", "index", "sample")


def check_owner(directory: Path) -> None:
    """Refuse a cache that somebody else may write.

    Raises:
        HostError: names the folder, and who may write it.
    """
    for part in _PARTS:
        folder = directory / part
        try:
            status = folder.stat()
        except OSError:
            continue  # said when it is used
        if writer := _other_writer(status):
            raise HostError(
                f"{folder}: {writer} may write it, so what is in this cache proves nothing",
                hint=f"take it over: chown -R {os.geteuid()} {directory}; chmod -R go-w {directory}"
                "; or choose another: export PHOTON_BUILDER_CACHE=DIR",
            )


def _other_writer(status: os.stat_result) -> str:
    """Return who besides us, and root, may write a folder; empty when nobody may."""
    if status.st_uid not in {0, os.geteuid(), _caller()}:
        return f"user {_user(status.st_uid)}"
    if status.st_mode & stat.S_IWOTH:
        return "everybody"
    if status.st_mode & stat.S_IWGRP and not _is_private(status.st_gid, status.st_uid):
        return f"group {_group(status.st_gid)}"
    return ""


def _caller() -> int:
    """Return the user who called sudo(8), who may become us at any time; else ourselves."""
    called = os.environ.get("SUDO_UID", "")
    return int(called) if called.isdecimal() and os.geteuid() == 0 else os.geteuid()


def _is_private(gid: int, uid: int) -> bool:
    """Tell the group that a user has alone, as most distributions make one for each user."""
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
