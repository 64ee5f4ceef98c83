"""Rules of access: what the ssh server reads, and who can become root."""

from collections.abc import Iterator, Mapping
from typing import Any

from builder.errors import Diagnostic
from builder.facts import Facts
from builder.rules.model import Rule, Subject, error, find, warning
from builder.spec import Overlay

_LOCKED = {"locked": True}
_SUDO = "sudo"
_ADMINS = frozenset({"wheel", "sudo"})
"""Groups that Photon's sudoers lets become root."""

_SUDOERS = "/etc/sudoers"
_SOCKET = "sshd.socket"
_STANDARD_PORT = 22
_ASKS = "sudo asks for a password, and {} has none"


def _cannot_become_root(subject: Subject) -> Iterator[Diagnostic]:
    """Find accounts that are to become root and cannot."""
    users = _users(subject)
    alone = _root_is_closed(subject, users.get("root", {}))
    for overlay, section in subject.sections("users"):
        for name in section:
            if name != "root":
                yield from _findings(subject, overlay, (name, users), alone=alone)


def _findings(
    subject: Subject,
    overlay: Overlay,
    account: tuple[str, Mapping[str, Mapping[str, Any]]],
    *,
    alone: bool,
) -> Iterator[Diagnostic]:
    """Find what keeps one account from becoming root, where an overlay asks for it."""
    name, users = account
    settings, stated = users[name], overlay.values["users"][name]
    has_password = settings.get("password", _LOCKED) != _LOCKED
    if settings.get(_SUDO):
        if stated.get(_SUDO) is True and not has_password:
            message = f"{_ASKS.format(name)}: it cannot become root"
            hint = f"write `{_SUDO}: nopasswd`, or give {name} a password"
            yield find(overlay, ("users", name, _SUDO), message, hint)
    elif alone and _ADMINS & set(stated.get("groups", ())):
        lacking = [] if _brings_sudo(subject, users) else _without_sudo(subject)
        why = f"the base of {', '.join(lacking)} has no sudo" if lacking else ""
        if not (why or has_password or _has_rules(subject)):
            why = _ASKS.format(name)
        if why:
            message = (
                f"{name} is in wheel and cannot become root: {why}, and root has no password for su"
            )
            hint = f"add `{_SUDO}: {'true' if has_password else 'nopasswd'}` to users.{name}"
            yield find(overlay, ("users", name, "groups"), message, hint)


def _port_of_a_socket(subject: Subject) -> Iterator[Diagnostic]:
    """Find a port of ssh that a socket of the spec makes void."""
    listed = [str(name) for _, _, name in subject.listed("services", "enable")]
    if _SOCKET not in listed:
        return
    for overlay, section in subject.sections("ssh"):
        if section.get("port", _STANDARD_PORT) != _STANDARD_PORT:
            message = f"the port has no effect: {_SOCKET} is enabled, and serves {_STANDARD_PORT}"
            hint = f"drop {_SOCKET} from `services.enable`"
            yield find(overlay, ("ssh", "port"), message, hint)


def _users(subject: Subject) -> dict[str, dict[str, Any]]:
    """Return what all overlays say of each account."""
    merged: dict[str, dict[str, Any]] = {}
    for _, section in subject.sections("users"):
        for name, settings in section.items():
            merged[name] = {**merged.get(name, {}), **settings}
    return merged


def _root_is_closed(subject: Subject, root: Mapping[str, Any]) -> bool:
    """Return whether nobody gets in as root: no key, and no password that su would take."""
    if root.get("ssh_keys"):
        return False
    if "password" in root:
        return bool(root["password"] == _LOCKED)
    known = [facts.has_root_password for facts in subject.bases.values()]
    return bool(known) and all(has is False for has in known)


def _brings_sudo(subject: Subject, users: Mapping[str, Mapping[str, Any]]) -> bool:
    """Return whether the spec has sudo installed."""
    return _SUDO in subject.packages() or any(each.get(_SUDO) for each in users.values())


def _without_sudo(subject: Subject) -> list[str]:
    """Return the targets whose base is known to have no sudo."""
    return [name for name, facts in subject.bases.items() if facts.has_package(_SUDO) is False]


def _has_rules(subject: Subject) -> bool:
    """Return whether the spec brings rules of its own for sudo."""
    paths = [str(entry.get("path")) for _, _, entry in subject.listed("files")]
    folders = [overlay.files for overlay in subject.spec.overlays if overlay.files]
    return any(path.startswith(_SUDOERS) for path in paths) or any(
        (folder / f"{_SUDOERS.lstrip('/')}.d").is_dir() for folder in folders
    )


def _missing_groups(subject: Subject) -> Iterator[Diagnostic]:
    """Find groups that accounts join and that no base of the spec has."""
    own = {str(name) for _, section in subject.sections("groups") for name in section}
    for overlay, section in subject.sections("users"):
        for user, settings in section.items():
            for index, group in enumerate(settings.get("groups") or ()):
                lacking = next((f for f in _lacking(subject, group) if group not in own), None)
                if lacking is not None:
                    package = lacking.package_for_group(group)
                    message = f"{lacking.text} has no group {group}: the package {package} makes it"
                    hint = f"add `packages: [{package}]`"
                    yield find(overlay, ("users", user, "groups", index), message, hint)


def _lacking(subject: Subject, group: str) -> Iterator[Facts]:
    """Yield the bases that lack a group, and to which no package of the spec brings it."""
    for facts in subject.bases.values():
        is_coming = facts.package_for_group(group) in subject.packages()
        if facts.has_group(group) is False and not is_coming:
            yield facts


RULES: tuple[Rule, ...] = (
    warning(
        "ACC005",
        "an account that cannot become root",
        "Photon's sudoers lets the group wheel become root, with the account's own password; su "
        "asks for root's. Photon's OVA, its Raspberry Pi image and the minimal installation of 3.0 "
        "GA and Rev2 have no sudo at all. `sudo: nopasswd` of an account writes a rule and brings "
        "the package; `sudo: true` is for accounts with a password.",
        _cannot_become_root,
    ),
    error(
        "ACC006",
        "a group that the base does not have",
        "An account joins groups that are there: those of the base, those under `groups`, and "
        "those that packages make. Photon's image for the Raspberry Pi has no docker, and so no "
        "group of that name: with `packages: [docker]` it is made beforehand.",
        _missing_groups,
    ),
    error(
        "SSH002",
        "a file that sshd does not read",
        "Photon's sshd_config has no Include. Where a file in /etc/ssh/sshd_config.d is given, the "
        "line is added; it takes names that end in .conf, and OpenSSH 8.2 or later. Photon 3.0 has "
        "7.8, where the same line stops sshd from starting: use `ssh`, or give the whole "
        "sshd_config.",
    ),
    warning(
        "SSH003",
        "a port that sshd does not decide about",
        "sshd.socket listens on port 22 itself and starts a server for each connection; `Port` of "
        "sshd_config has no effect then, and sshd.service does not start beside it.",
        _port_of_a_socket,
    ),
)
