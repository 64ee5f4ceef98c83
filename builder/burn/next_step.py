"""What to do with a card that is done, from what it says of itself: a name, an address, a key.

Sources: systemd.network(5) for the address and for which files count (``/etc`` before ``/usr/lib``,
equal names once, the first in the order of names); hostname(5), passwd(5), sshd(8) for the rest.
The card is read, so this is true of any image, packed or not, and of every card's own settings.
"""

import os
import re
from collections.abc import Iterator
from ipaddress import ip_interface

from builder.burn.devices import Device, clean
from builder.engine.tree import Tree, read_text, resolve
from builder.errors import BuilderError, GuestError
from builder.formats.shadow import ShadowDisk
from builder.formats.sparse import SparseDisk
from builder.guestpath import GuestPath, guest
from builder.roots.disk import open_root
from builder.structs import Struct

_NETWORKS = ("/etc/systemd/network", "/usr/lib/systemd/network")
_ADDRESS = re.compile(r"(?m)^\s*Address\s*=\s*(\S+)")
_USERS = range(1000, 60000)
_NAME = re.compile(r"[a-z_][a-z0-9_-]*")
"""Of a user: what is printed to be typed must not mean more than that to a shell."""
_PASSWD_FIELDS = 7


class NextStep(Struct, frozen=True):
    """What to do with a card.

    Attributes:
        text: A sentence.
        command: What to type then; empty when nobody knows the address.
    """

    text: str
    command: str = ""


def next_step(device: Device) -> NextStep:
    """Look at a card that has been written, and say what to do with it."""
    try:
        fd = os.open(device.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return NextStep("start the machine from it")
    try:
        disk = ShadowDisk(SparseDisk(fd, device.size, name=str(device.path)))
        return _of_root(open_root(disk, timestamp=0))
    except BuilderError:  # not a Photon, or a root that only its own kernel reads
        return NextStep("start the machine from it")
    finally:
        os.close(fd)


def _of_root(root: Tree) -> NextStep:
    """Say how a machine with this root is reached."""
    user = next(_iter_users_with_keys(root), "root")
    name = clean(read_text(root, guest("/etc/hostname"), missing="")) or "its name"
    address = next(_iter_addresses(root), "")
    if address:
        return NextStep(f"start {name} from it, then log in", f"ssh {user}@{address}")
    return NextStep(
        f"start {name} from it; it asks for an address by DHCP: look for {name} in the list of "
        f"your router, then ssh {user}@ADDRESS"
    )


def _iter_addresses(root: Tree) -> Iterator[str]:
    """Yield the addresses that the machine gives itself, without their prefix."""
    files: dict[str, str] = {}
    for folder in _NETWORKS:
        for name in _names(root, guest(folder)):
            if name.endswith(".network"):
                files.setdefault(name, f"{folder}/{name}")
    for _, path in sorted(files.items()):
        for text in _ADDRESS.findall(_text(root, path)):
            try:
                address = ip_interface(text).ip
            except ValueError:
                continue
            if not (address.is_loopback or address.is_link_local or address.is_unspecified):
                yield str(address)


def _iter_users_with_keys(root: Tree) -> Iterator[str]:
    """Yield the users, root first, whom an SSH key lets in."""
    for line in read_text(root, guest("/etc/passwd"), missing="").splitlines():
        fields = line.split(":")
        if len(fields) != _PASSWD_FIELDS or not fields[2].isdecimal():
            continue
        user, number, home = fields[0], int(fields[2]), fields[5]
        logs_in = (number == 0 or number in _USERS) and _NAME.fullmatch(user)
        if logs_in and _text(root, f"{home}/.ssh/authorized_keys").strip():
            yield user


def _names(root: Tree, folder: GuestPath) -> list[str]:
    """Return what is in a folder, nothing when there is none."""
    try:
        return root.names(resolve(root, folder))
    except GuestError:
        return []


def _text(root: Tree, path: str) -> str:
    """Return the text of a file; that of a masked, a missing or another thing is empty."""
    try:
        return read_text(root, guest(path), missing="")
    except (GuestError, ValueError):
        return ""
