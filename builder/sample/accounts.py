"""Accounts of a sample: names and ids of Photon's, and root's password by image."""

from collections.abc import Iterable

from builder.facts import Facts
from builder.facts.data import table

_USERS = (
    ("root", 0, 0, "/root", "/bin/bash"),
    ("bin", 1, 1, "/dev/null", "/bin/false"),
    ("daemon", 6, 6, "/dev/null", "/bin/false"),
    ("messagebus", 18, 18, "/var/run/dbus", "/bin/false"),
    ("sshd", 50, 50, "/var/lib/sshd", "/bin/false"),
    ("systemd-network", 76, 76, "/", "/bin/false"),
    ("systemd-resolve", 77, 77, "/", "/bin/false"),
    ("systemd-timesync", 78, 78, "/", "/bin/false"),
    ("nobody", 65534, 65533, "/dev/null", "/bin/false"),
)
_GROUPS = {
    "root": 0,
    "bin": 1,
    "sys": 2,
    "kmem": 3,
    "tape": 4,
    "tty": 5,
    "daemon": 6,
    "floppy": 7,
    "disk": 8,
    "lp": 9,
    "dialout": 10,
    "audio": 11,
    "video": 12,
    "utmp": 13,
    "usb": 14,
    "cdrom": 15,
    "adm": 16,
    "messagebus": 18,
    "systemd-journal": 23,
    "input": 24,
    "sudo": 27,
    "wheel": 28,
    "kvm": 30,
    "mail": 34,
    "sshd": 50,
    "systemd-network": 76,
    "systemd-resolve": 77,
    "systemd-timesync": 78,
    "users": 100,
    "nogroup": 65533,
}
_DOCKER = {"docker": 999}
"""The group that docker's package adds."""

_CHANGEME = (
    "$6$samplebase$GqJUIuQ8BWGS1k/cVxWfd8O/SLrD.y4vWu5Qsxne7isR7bRfOzUr44lmH0Xn9g1uJLCW1hObo0VnY6z2"
    "OHK2v.:0:0:90:7:::"
)
"""``changeme``, to be changed at the first login."""

_GIVEN = "changeme"
_LOCKED = "18518:0:90:7:::"


def account_files(facts: Facts) -> dict[str, str]:
    """Return the four files of accounts by path."""
    groups = _GROUPS | (_DOCKER if facts.has_docker else {})
    password = table("system")["accounts"]["images"].get(facts.image, "")
    root = _CHANGEME if password.startswith(_GIVEN) else f"*:{_LOCKED}"
    shadow = [f"root:{root}", *(f"{user[0]}:!*:{_LOCKED}" for user in _USERS[1:])]
    return {
        "/etc/passwd": _lines(
            f"{name}:x:{uid}:{gid}:{'root' if name == 'root' else ''}:{home}:{shell}"
            for name, uid, gid, home, shell in _USERS
        ),
        "/etc/group": _lines(f"{name}:x:{number}:" for name, number in groups.items()),
        "/etc/shadow": _lines(shadow),
        "/etc/gshadow": _lines(f"{name}:{'' if name == 'root' else '!'}::" for name in groups),
    }


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
