"""Rules of accounts: who can log in, and with what."""

from collections.abc import Iterator
from typing import Any

from builder.errors import Diagnostic, KeyPath
from builder.guest.password import hash_password
from builder.rules.model import Rule, Subject, error, find, finding, warning
from builder.spec import Overlay

_KNOWN = "changeme"
"""The root password of the published images."""

_SCHEME = "$6$"
_PARTS = 4
_LOCKED = {"locked": True}
_ADD_KEYS = "add users: {root: {password: {env: ROOT_PASSWORD}}}, or ssh_keys to an account"


def _users(subject: Subject) -> Iterator[tuple[Overlay, str, dict[str, Any]]]:
    """Yield every account of every overlay."""
    for overlay, section in subject.sections("users"):
        for name, settings in section.items():
            yield overlay, name, settings


def _expired(subject: Subject) -> Iterator[Diagnostic]:
    """Find a root account that keeps the password of the published image."""
    if not subject.has_console or subject.is_sample or subject.passwords_of_root == {False}:
        return
    root = [(overlay, s) for overlay, name, s in _users(subject) if name == "root"]
    if any("password" in settings for _, settings in root):
        return
    hint = (
        "add users: {root: {password: {env: ROOT_PASSWORD}}}; "
        "{random: true} and {locked: true} are passwords too"
    )
    message = f"root keeps the published password, {_KNOWN}, and it has expired"
    if root:
        overlay, _ = root[0]
        message += ": with a key, too, sshd asks for a new one first"
        yield find(overlay, ("users", "root"), message, hint)
    else:
        document = subject.spec.document
        path: KeyPath = ("overlay",) if "overlay" in document.value else ()
        yield finding(message, document, path, hint, at_key=True)


def _locked_out(subject: Subject) -> Iterator[Diagnostic]:
    """Find a machine that nobody can log in to."""
    users = list(_users(subject))
    locked = [
        overlay for overlay, name, s in users if name == "root" and s.get("password") == _LOCKED
    ]
    if locked and not _has_way_in(users) and subject.has_console:
        message = "nobody can log in: root is locked, and no account has a password or a key"
        yield find(locked[0], ("users", "root", "password"), message, _ADD_KEYS)
    elif False in subject.passwords_of_root and not _has_way_in(users):
        message = (
            "nobody can log in: a medium gives root no password, and no account has one or a key"
        )
        document = subject.spec.document
        path: KeyPath = ("overlay",) if "overlay" in document.value else ()
        yield finding(message, document, path, _ADD_KEYS, at_key=True)


def _has_way_in(users: list[tuple[Overlay, str, dict[str, Any]]]) -> bool:
    """Return whether any account has a password or a key."""
    return any(s.get("ssh_keys") or s.get("password", _LOCKED) != _LOCKED for _, _, s in users)


def _well_known(subject: Subject) -> Iterator[Diagnostic]:
    """Find hashes of the password that everybody knows."""
    for overlay, name, settings in _users(subject):
        given = settings.get("password")
        text = given.get("hash") if isinstance(given, dict) else None
        if isinstance(text, str) and _is_known(text):
            message = f"the hash of {name} is that of {_KNOWN}, which everybody knows"
            path = ("users", name, "password", "hash")
            yield find(overlay, path, message, "make another one: openssl passwd -6")


def _is_known(text: str) -> bool:
    """Return whether a SHA-512 hash is that of the known password; other rounds are ignored."""
    parts = text.split("$")
    simple = text.startswith(_SCHEME) and len(parts) == _PARTS
    return simple and hash_password(_KNOWN, salt=parts[2]) == text


def _same_uid(subject: Subject) -> Iterator[Diagnostic]:
    """Find two accounts of one number."""
    seen: dict[int, str] = {}
    for overlay, name, settings in _users(subject):
        uid = settings.get("uid")
        other = seen.setdefault(uid, name) if isinstance(uid, int) else name
        if other != name:
            message = f"{name} and {other} both have uid {uid}: to the system they are one"
            yield find(overlay, ("users", name, "uid"), message, "give each account its own")


RULES: tuple[Rule, ...] = (
    warning(
        "ACC001",
        "an expired root password",
        "The published images come with root's password `changeme`, expired, so that the first "
        "login asks for a new one: on the console, and over ssh even with a key. Scripts then "
        "hang. Systems that a medium installs have no such password: there ACC002 counts. "
        "Any `password` under users.root ends this; `expire: first-login` "
        "asks for it on purpose.",
        _expired,
    ),
    warning(
        "ACC002",
        "nobody can log in",
        "Root's password is locked, or the target is an installation medium, which gives root none "
        "unless the spec does, and no account has a password or a key. That may be meant for a "
        "machine that is never looked after; otherwise add `ssh_keys`.",
        _locked_out,
    ),
    error(
        "ACC003",
        "a hash of the published password",
        "`changeme` is the root password of every published Photon image, so it is the first one "
        "that is tried.",
        _well_known,
    ),
    error(
        "ACC004",
        "two accounts with one uid",
        "Files belong to numbers, not to names: two accounts of one number own each other's files.",
        _same_uid,
    ),
    error(
        "USR001",
        "not a password hash",
        "The hash goes into /etc/shadow as it is. Plain text there never matches any password; MD5 "
        "and DES hashes are guessed within hours. A shell replaces $6 inside double quotes by "
        "nothing, which cuts hashes short: use single quotes. Make one with: openssl passwd -6.",
    ),
    error(
        "USR002",
        "a hash that the release cannot verify",
        "yescrypt ($y$) needs libxcrypt, which Photon has since 5.0. On 3.0 and 4.0 nobody could "
        "log in with it. SHA-512 ($6$) works on every release.",
    ),
    error(
        "USR003",
        "a password in no form, or in several",
        "A password has exactly one of env, file, random, locked and hash. env and file name where "
        "the plain password is on this machine; only its hash enters the image. random draws one "
        "and prints it once. locked allows no password at all.",
    ),
    error(
        "USR004",
        "an expiry without a password",
        "The age of a password is kept beside its hash in /etc/shadow and begins with the day it "
        "is set. Without a new password there is no such day. Give a password, or drop expire.",
    ),
    error(
        "USR005",
        "a password that cannot be typed",
        "A line break or another control character cannot be typed at a login prompt. It usually "
        "comes from a file with several lines or from a pasted value. Only line ends at the end of "
        "a file are left out.",
    ),
    error(
        "USR006",
        "a password that everybody tries first",
        "changeme is the password of Photon's own images, and scanners try it together with a "
        "handful of others within minutes. Photon's password rules would refuse it when typed. "
        "Choose another, or random: true.",
    ),
    error(
        "USR007",
        "a setting that root's account does not take",
        "root is an account of every base, with uid 0 and the home /root. Services and packages "
        "rely on both. Only its password, expire and ssh_keys are settings of the spec.",
    ),
    error(
        "USR008",
        "an account without a uid",
        "Without a fixed uid the number would depend on what else the base holds, and files on "
        "shares would change owner between builds. Choose one from 1000 up. The spec's builds then "
        "agree with each other.",
    ),
    warning(
        "USR012",
        "a weak password",
        "Programs that guess try short passwords, common ones, rows of the keyboard, and names "
        "that the machine tells by itself: those of the account and the host. Photon's own rules "
        "for passwords would refuse them when typed.",
    ),
    error(
        "USR010",
        "the file with the ssh key cannot be read",
        "file: names a file on this machine. Relative paths start at the folder of the file that "
        "names them; ~ is your home directory. The public key usually is ~/.ssh/id_ed25519.pub.",
    ),
    error(
        "USR011",
        "not a public ssh key",
        "A public key is one line: its type, base64 text, and a comment. The text holds the type "
        "again, which is compared. A key that is cut by a mail program or a narrow terminal fails "
        "that comparison. A private key never belongs into an image; DSA keys are no longer "
        "accepted by sshd.",
    ),
)
