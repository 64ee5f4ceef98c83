"""Accounts, their passwords and the keys that may log in."""

from collections.abc import Iterator, Mapping
from typing import Any

from builder.changes import AddUser
from builder.errors import Diagnostic
from builder.features import Context, Feature, Requested, form
from builder.features.sources import guest_path
from builder.features.users import sudo
from builder.features.users.cloud import root_kept_changes
from builder.features.users.joined_groups import group_changes
from builder.features.users.passwords import password_changes
from builder.features.users.public_keys import key_changes, root_key_changes
from builder.features.users.sudo import sudo_changes
from builder.guestpath import GuestPath

_NAME = r"^[a-z_][a-z0-9_-]{0,31}$"
_GROUP = form(r"^[^\s:,]+$", "the name of a group")
_REFERENCE = "`env: NAME`, `file: path`, `random: true`, `locked: true` or `hash: $6$…`"
_USER = {
    "uid": {"type": "integer", "minimum": 1, "maximum": 60000, "description": "User id; not root."},
    "gid": {"type": ["integer", "string"], **_GROUP, "description": "Primary group; else `users`."},
    "groups": {"type": "array", "items": {"type": "string", **_GROUP}, "description": "Others."},
    "home": {"type": "string", "description": "Home directory; /home/NAME by default."},
    "shell": {"type": "string", "description": "Login shell.", **form("^/[^:\n]*$", "a full path")},
    "comment": {"type": "string", "description": "Name.", **form("^[^:\n]*$", "text without `:`")},
    "password": {"type": ["object", "string"], "description": _REFERENCE},
    "expire": {
        "anyOf": [{"enum": ["never", "first-login"]}, {"type": "integer", "minimum": 1}],
        "description": "When the password has to be changed: `never` by default, or days.",
    },
    "ssh_keys": {
        "type": "array",
        "items": {"type": "string"},
        "description": "Public keys, or `file:path` of a file with some.",
    },
    "sudo": sudo.SCHEMA,
}
SCHEMA = {
    "type": "object",
    "description": "Accounts by name; `root` exists already and takes no uid.",
    "propertyNames": form(_NAME, "small letters, digits, `_` and `-`, at most 32"),
    "additionalProperties": {
        "type": "object",
        "additionalProperties": False,
        "properties": _USER,
    },
}
_ROOT_ONLY = ("password", "expire", "ssh_keys")


def changes(value: Mapping[str, Any], context: Context) -> Iterator[Requested]:
    """Yield accounts, passwords and keys, and stop cloud-init from overwriting those of root."""
    for user, settings in value.items():
        home = guest_path(_home(user, settings), user, "home")
        if isinstance(home, Diagnostic):
            yield home
            continue
        yield from group_changes(user, settings, context)
        yield from _account(user, settings, home)
        yield from password_changes(user, settings, context)
        yield from key_changes(user, settings, home, context)
        if user != "root":
            yield from sudo_changes(user, settings, context)
    root = value.get("root", {})
    yield from root_kept_changes(root, context)
    if root.get("ssh_keys"):
        yield from root_key_changes(context)


def _home(user: str, settings: Mapping[str, Any]) -> str:
    """Return the home directory as the spec has it, or the usual one."""
    return "/root" if user == "root" else str(settings.get("home", f"/home/{user}"))


def _account(user: str, settings: Mapping[str, Any], home: GuestPath) -> Iterator[Requested]:
    """Yield the account; root's is in every base."""
    if user == "root":
        for key in sorted(settings.keys() - set(_ROOT_ONLY)):
            message = f"root is an account of every base: its {key} stays as it is"
            yield Diagnostic(message, "USR007", f"drop {key}", (user, key))
    elif "uid" not in settings:
        message = f"{user} has no uid; wanted a number, so that every build gives the same one"
        yield Diagnostic(message, "USR008", "add uid: 1000", (user,))
    else:
        uid, gid, groups = (settings.get(key) for key in ("uid", "gid", "groups"))
        shell, comment = settings.get("shell", "/bin/bash"), settings.get("comment", "")
        group = "users" if gid is None else gid
        yield AddUser(user, uid or 0, group, home, shell, comment, tuple(groups or ()))


FEATURE = Feature(
    "users",
    "Accounts, passwords and ssh keys",
    SCHEMA,
    changes,
    "{root: {password: {locked: true}}, ada: {uid: 1000, sudo: nopasswd, ssh_keys: [ssh-ed25519 "
    "AAAAC3NzaC1lZDI1NTE5AAAAIDc0cGhvdG9uLWJ1aWxkZXItcXVpY2tzdGFydC1r ada@example.org]}}",
)
