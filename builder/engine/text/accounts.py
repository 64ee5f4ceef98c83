"""passwd(5), shadow(5) and group(5) as text: one record a line, fields between colons.

Records that are not concerned stay byte for byte as they were. Passwords are
never hashed here; see :mod:`builder.guest.password`.
"""

from __future__ import annotations

from typing import Iterable, Iterator, NamedTuple

from ..errors import GuestError
from ..paths import GuestPath, guest

PASSWD = guest("/etc/passwd")
SHADOW = guest("/etc/shadow")
GROUP = guest("/etc/group")

LOCKED = "!"
NEVER_DAYS = 99999
WARN_DAYS = "7"
_SHADOW_FIELDS = 9
_MAX_DIGITS = 10
_PASSWD_FIELDS = 7
_GROUP_FIELDS = 4


class Account(NamedTuple):
    """A user account as passwd(5) holds it, but for the password."""

    name: str
    uid: int
    gid: int
    home: GuestPath
    shell: str = "/bin/bash"
    comment: str = ""


class Databases(NamedTuple):
    """The texts of the three account files."""

    passwd: str
    shadow: str
    group: str


class Ageing(NamedTuple):
    """When a password expires.

    Attributes:
        day: Today, in days since 1970.
        max_days: Days until the password expires.
        must_change: Whether the first login asks for another.
        dates_anew: Whether the day of an equal password is not trusted.
    """

    day: int
    max_days: int
    must_change: bool
    dates_anew: bool = False


def set_password(shadow: str, user: str, hashed: str, ageing: Ageing) -> str:
    """Return ``shadow`` with a user's hash and ageing set.

    The account no longer expires or goes inactive. The day of the last change stays when the
    hash, the age limit and ``must_change`` hold already, unless ``dates_anew``.

    Raises:
        GuestError: ``shadow`` has no such user.
    """
    fields = _record(shadow, user, SHADOW, _SHADOW_FIELDS)
    limit, must_change = str(ageing.max_days), ageing.must_change
    held = (fields[1], fields[4], fields[2] == "0") == (hashed, limit, must_change)
    changed = 0 if must_change else max(ageing.day, 1)
    is_kept = held and fields[2] and not ageing.dates_anew
    last = fields[2] if is_kept else str(changed)
    wanted = [user, hashed, last, fields[3] or "0", limit, WARN_DAYS, "", "", fields[8]]
    return _put(shadow, user, wanted)


def set_passwd_x(passwd: str, user: str) -> str:
    """Return ``passwd`` with the user's password field sent to shadow(5).

    Raises:
        GuestError: ``passwd`` has no such user.
    """
    fields = _record(passwd, user, PASSWD, _PASSWD_FIELDS)
    return _put(passwd, user, [user, "x", *fields[2:]])


def add_user(
    texts: Databases, account: Account, groups: Iterable[str] = (), *, day: int
) -> Databases:
    """Return the databases with an account, password locked, that is in ``groups``.

    An equal account is left alone. A primary group id that no group has becomes a
    group with the user's name.

    Raises:
        GuestError: the name or the id belongs to a different account or group.
    """
    group = _with_primary_group(texts.group, account)
    for name in groups:
        group = join_group(group, name, account.name)
    shadow = texts.shadow
    if _find(shadow, account.name) is None:
        locked = [
            account.name,
            LOCKED,
            str(max(day, 1)),
            "0",
            str(NEVER_DAYS),
            WARN_DAYS,
            "",
            "",
            "",
        ]
        shadow = _append(shadow, locked)
    return Databases(_with_account(texts.passwd, account), shadow, group)


def _with_account(passwd: str, account: Account) -> str:
    """Return ``passwd`` with the account's record, which may be there already."""
    ids = (str(account.uid), str(account.gid))
    wanted = [account.name, "x", *ids, account.comment, account.home, account.shell]
    found = _find(passwd, account.name)
    if found is None:
        owner = next((r[0] for r in _records(passwd) if r[2:3] == [ids[0]]), None)
        if owner is not None:
            raise GuestError(
                f"{PASSWD}: uid {account.uid} belongs to {owner}; wanted it for {account.name}",
                hint=f"give users.{account.name} another uid",
            )
        return _append(passwd, wanted)
    if found[2:] != wanted[2:]:
        raise GuestError(
            f"{PASSWD}: found {':'.join(found)}; wanted {':'.join(wanted)}",
            hint=f"give users.{account.name} the values of the base, or another name",
        )
    return passwd


def _with_primary_group(group: str, account: Account) -> str:
    """Return ``group`` with a group for the account's gid."""
    gid = str(account.gid)
    if any(record[2:3] == [gid] for record in _records(group)):
        return group
    found = _find(group, account.name)
    if found is not None:
        raise GuestError(
            f"{GROUP}: group {account.name} has gid {':'.join(found[2:3])}; wanted gid {gid}",
            hint=f"give users.{account.name} the gid of that group",
        )
    return _append(group, [account.name, "x", gid, ""])


def add_group(text: str, name: str, gid: int) -> str:
    """Return group(5) text with a group; an equal one is left alone.

    Raises:
        GuestError: the name or the id belongs to a different group.
    """
    for fields in _records(text):
        if fields[0] == name and fields[2:3] == [str(gid)]:
            return text
        if fields[0] == name or fields[2:3] == [str(gid)]:
            raise GuestError(
                f"{GROUP}: found {':'.join(fields[:3])}; wanted {name} with gid {gid}",
                hint=f"give groups.{name} the gid of the base's group, or one that is free",
            )
    return _append(text, [name, "x", str(gid), ""])


def join_group(group: str, name: str, user: str) -> str:
    """Return ``group`` with ``user`` among the members of ``name``; gshadow(5) text works too.

    Raises:
        GuestError: there is no such group.
    """
    fields = _record(group, name, GROUP, _GROUP_FIELDS)
    members = [member for member in fields[3].split(",") if member]
    if user in members:
        return group
    return _put(group, name, [*fields[:3], ",".join((*members, user))])


class PasswdUser(NamedTuple):
    """A record of passwd(5), its home as the file has it."""

    name: str
    uid: int
    home: str


def iter_users(passwd: str) -> Iterator[PasswdUser]:
    """Yield the users of passwd(5) text; records that are not valid are skipped."""
    for fields in _records(passwd):
        if len(fields) == _PASSWD_FIELDS and fields[2].isascii() and fields[2].isdigit():
            yield PasswdUser(fields[0], int(fields[2]), fields[5])


def resolve_user(passwd: str, name: str) -> int:
    """Return a user's uid.

    Raises:
        GuestError: there is no such user, or its record is damaged.
    """
    return _number(_record(passwd, name, PASSWD, _PASSWD_FIELDS)[2], PASSWD, name)


def resolve_group(group: str, name: str) -> int:
    """Return a group's gid.

    Raises:
        GuestError: there is no such group, or its record is damaged.
    """
    return _number(_record(group, name, GROUP, _GROUP_FIELDS)[2], GROUP, name)


def _records(text: str) -> list[list[str]]:
    """Return the fields of every record."""
    return [line.split(":") for line in text.split("\n") if line and not line.startswith("#")]


def _find(text: str, name: str) -> list[str] | None:
    """Return the fields of the first record of ``name``."""
    return next((fields for fields in _records(text) if fields[0] == name), None)


def _record(text: str, name: str, path: GuestPath, count: int) -> list[str]:
    """Return the fields of ``name``'s record, filled up to ``count``."""
    fields = _find(text, name)
    if fields is None:
        what = "group" if path == GROUP else "user"
        raise GuestError(
            f"{path}: the base has no {what} {name!r}",
            hint=f"add it under users, or name a {what} that the base has",
        )
    return (fields + [""] * count)[:count]


def _number(field: str, path: GuestPath, name: str) -> int:
    """Return an id that a field holds."""
    if not (field.isascii() and field.isdigit() and len(field) <= _MAX_DIGITS):
        raise GuestError(f"{path}: the id of {name} is {field[:40]!r}; wanted a number")
    return int(field)


def _put(text: str, name: str, fields: list[str]) -> str:
    """Return ``text`` with the first record of ``name`` replaced."""
    lines = text.split("\n")
    index = next(i for i, line in enumerate(lines) if line.split(":")[0] == name)
    lines[index] = ":".join(fields)
    return "\n".join(lines)


def _append(text: str, fields: list[str]) -> str:
    """Return ``text`` with a record at the end."""
    gap = "" if not text or text.endswith("\n") else "\n"
    return f"{text}{gap}{':'.join(fields)}\n"
