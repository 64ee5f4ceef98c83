"""Modes and owners by what a path is, not by git, umask or the builder's own disk.

networkd runs as uid 76 and skips files that it cannot read; sshd and sudo refuse
files that others can write; secrets are root's alone. Source: systemd.network(5),
sshd_config(5) StrictModes, sudoers(5), and Photon's default umask of 027.
"""

from builder.guestpath import GuestPath, name, parent

NETWORKD_DIRECTORY = "/etc/systemd/network"
NETWORK_GROUP = 76
"""The gid of systemd-network, fixed in every Photon release."""

_READABLE = 0o444
_PROGRAM_DIRECTORIES = frozenset({"bin", "sbin", "libexec"})
_SECRET_DIRECTORIES = frozenset({".ssh", "secrets"})
_LOGINS = frozenset({".netrc", ".pgpass", ".my.cnf", ".git-credentials", ".vault-token"})
_SECRET_KEYS = (b"PrivateKey=", b"PresharedKey=", b"Key=", b"Password=")


def file_mode(path: GuestPath, content: bytes) -> int:
    """Return the mode for a file at ``path``.

    Args:
        path: Where the file goes.
        content: Its first bytes, enough to see a ``#!`` line, an ELF header or a key.
    """
    folders = parent(path).split("/")
    is_own = is_secret(path) or holds_key(path, content)
    if is_own or path.startswith("/etc/ssh/sshd_config"):
        return 0o600
    if path.startswith("/etc/sudoers.d/"):
        return 0o440
    if _is_keyed_netdev(path, content):
        return 0o640
    if content.startswith(b"#!"):
        return 0o755
    in_programs = not _PROGRAM_DIRECTORIES.isdisjoint(folders)
    return 0o755 if in_programs and content.startswith(b"\x7fELF") else 0o644


def file_group(path: GuestPath, content: bytes) -> int:
    """Return the gid for a file at ``path``: systemd-network's for a device with a key."""
    return NETWORK_GROUP if _is_keyed_netdev(path, content) else 0


def directory_mode(path: GuestPath) -> int:
    """Return the mode for a directory at ``path``."""
    is_private = path.startswith("/etc/") and name(path) == "private"
    if name(path) in _SECRET_DIRECTORIES or is_private:
        return 0o700
    return 0o750 if path == "/etc/sudoers.d" else 0o755


def is_secret(path: GuestPath) -> bool:
    """Return whether what lies at ``path`` is root's alone: keys, ``*.env``, ``secrets/``."""
    base = name(path)
    folders = set(parent(path).split("/"))
    return (
        base.endswith(".env")
        or not _SECRET_DIRECTORIES.isdisjoint(folders)
        or base.startswith("wpa_supplicant")
        or (base.startswith("ssh_host_") and base.endswith("_key"))
    )


def holds_key(path: GuestPath, content: bytes) -> bool:
    """Return whether a file holds a private key or credentials, by first bytes or name."""
    base, folder = name(path), parent(path)
    if base in _LOGINS or (b"-----BEGIN " in content and b"PRIVATE KEY-----" in content):
        return True
    is_key = base.endswith(".key") and b"PUBLIC KEY" not in content
    return is_key or (folder.startswith("/etc/") and name(folder) == "private")


def is_unreadable_for_networkd(path: GuestPath, mode: int) -> bool:
    """Return whether networkd would skip a file of its own for lack of permission."""
    public = path.endswith((".network", ".link"))
    return parent(path) == NETWORKD_DIRECTORY and public and mode & _READABLE != _READABLE


def _is_keyed_netdev(path: GuestPath, content: bytes) -> bool:
    """Return whether a file is a network device with a secret in it."""
    return path.endswith(".netdev") and any(key in content for key in _SECRET_KEYS)
