"""The account files: passwd(5), shadow(5), group(5). Other records stay byte for byte."""

from __future__ import annotations  # runs with Python 3.7, where list[str] is no expression

from pathlib import Path

from .files import RefusedError, find_group, make_directory, read_text, rewrite

PASSWD, SHADOW, GROUP = "/etc/passwd", "/etc/shadow", "/etc/group"
NEVER_DAYS, WARN_DAYS = "99999", "7"


def add_user(name: str, ids: str, home: str, *rest: str) -> None:
    """Make an account with a locked password, its group and its home; an equal one stays.

    Args:
        name: Login name.
        ids: ``uid:gid``, the gid a number or a group's name.
        home: Home directory.
        *rest: Shell, comment, supplementary groups between commas, and today in days since 1970.
    """
    shell, comment, groups, day = rest
    uid, _, group = ids.partition(":")
    gid = group if group.isdigit() else str(find_group(group, 0))
    _check(name, [name, "x", uid, gid, comment, home, shell])
    _make_primary_group(name, gid)
    for each in filter(None, groups.split(",")):
        join_group(each, name)
    if _find(SHADOW, name) is None:
        locked = [name, "!", str(max(int(day), 1)), "0", NEVER_DAYS, WARN_DAYS, "", "", ""]
        _append(SHADOW, locked)
    if _find(PASSWD, name) is None:
        _append(PASSWD, [name, "x", uid, gid, comment, home, shell])
    if not Path(home).exists():
        make_directory(Path(home), 0o700, (int(uid), int(gid)))


def _check(name: str, wanted: list[str]) -> None:
    """Refuse an account whose name or id belongs to another."""
    found = _find(PASSWD, name)
    if found is not None and found[2:] != wanted[2:]:
        raise RefusedError(f"{PASSWD}: found {':'.join(found)}; wanted {':'.join(wanted)}")
    owner = next((r[0] for r in _records(PASSWD) if r[2:3] == wanted[2:3]), name)
    if found is None and owner != name:
        raise RefusedError(f"{PASSWD}: uid {wanted[2]} belongs to {owner}; wanted it for {name}")


def _make_primary_group(name: str, gid: str) -> None:
    """Make a group for a gid that no group has."""
    if any(record[2:3] == [gid] for record in _records(GROUP)):
        return
    if _find(GROUP, name) is not None:
        raise RefusedError(f"{GROUP}: group {name} has another gid; wanted {gid}")
    _append(GROUP, [name, "x", gid, ""])


def add_group(name: str, gid: str) -> None:
    """Make a group; an equal one stays."""
    for fields in _records(GROUP):
        if fields[0] == name and fields[2:3] == [gid]:
            return
        if fields[0] == name or fields[2:3] == [gid]:
            raise RefusedError(f"{GROUP}: found {':'.join(fields[:3])}; wanted {name}:x:{gid}")
    _append(GROUP, [name, "x", gid, ""])


def join_group(group: str, user: str) -> None:
    """Make a user a member of a group."""
    fields = _record(GROUP, group, 4)
    members = [member for member in fields[3].split(",") if member]
    if user not in members:
        _put(GROUP, group, [*fields[:3], ",".join([*members, user])])


def set_password(user: str, max_days: str, must_change: str, day: str, hashed: str) -> None:
    """Set a user's hash and its ageing; ``must_change`` is ``yes`` or ``no``.

    The day of the last change is always the build's: the installer may have set the same hash
    before, and left the day that its packages were made with.
    """
    fields = _record(SHADOW, user, 9)
    last = "0" if must_change == "yes" else str(max(int(day), 1))
    _put(
        SHADOW, user, [user, hashed, last, fields[3] or "0", max_days, WARN_DAYS, "", "", fields[8]]
    )
    known = _record(PASSWD, user, 7)
    _put(PASSWD, user, [user, "x", *known[2:]])


def _records(path: str) -> list[list[str]]:
    """Return the fields of every record."""
    lines = read_text(path).split("\n")
    return [line.split(":") for line in lines if line and not line.startswith("#")]


def _find(path: str, name: str) -> list[str] | None:
    """Return the fields of the first record of ``name``."""
    return next((fields for fields in _records(path) if fields[0] == name), None)


def _record(path: str, name: str, count: int) -> list[str]:
    """Return the fields of ``name``'s record, filled up to ``count``."""
    fields = _find(path, name)
    if fields is None:
        raise RefusedError(f"{path} has no {name}")
    return (fields + [""] * count)[:count]


def _put(path: str, name: str, fields: list[str]) -> None:
    """Replace the first record of ``name``."""

    def edited(text: str) -> str:
        lines = text.split("\n")
        index = next(i for i, line in enumerate(lines) if line.split(":")[0] == name)
        lines[index] = ":".join(fields)
        return "\n".join(lines)

    rewrite(path, edited)


def _append(path: str, fields: list[str]) -> None:
    """Add a record at the end."""

    def edited(text: str) -> str:
        gap = "" if not text or text.endswith("\n") else "\n"
        return f"{text}{gap}{':'.join(fields)}\n"

    rewrite(path, edited)
