"""What to do with a finished card: its host name, address and SSH user, read from the card.

Sources: systemd.network(5) for the address and for which files count (``/etc`` before ``/usr/lib``,
equal names once, the first in the order of names); hostname(5), passwd(5), sshd(8) for the rest.
The card is read, so this holds for any image, packed or not, and with the settings of each card.
"""

import os
import re
from collections.abc import Iterator
from ipaddress import ip_interface

from builder.burn.devices import Device, clean
from builder.engine.text.accounts import iter_users
from builder.engine.text.systemd import iter_assignments
from builder.engine.tree import Tree, read_text, resolve
from builder.errors import BuilderError, GuestError
from builder.formats.shadow import ShadowDisk
from builder.formats.sparse import SparseDisk
from builder.guestpath import GuestPath, guest
from builder.roots.disk import open_root
from builder.structs import Struct

_NETWORKS = ("/etc/systemd/network", "/usr/lib/systemd/network")
_ADDRESS_SECTIONS = frozenset({"Network", "Address"})
_USERS = range(1000, 60000)
_NAME = re.compile(r"[a-z_][a-z0-9_-]*")
"""A user name that needs no quotes in a shell: the command is printed to be copied."""
_START = "start the machine from it"


class NextStep(Struct, frozen=True):
    """What to do with a card.

    Attributes:
        text: A sentence.
        command: The command to run then; empty when the address is not known.
    """

    text: str
    command: str = ""


def next_step(device: Device) -> NextStep:
    """Read a finished card, and return what to do with it."""
    try:
        fd = os.open(device.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return NextStep(_START)
    try:
        disk = ShadowDisk(SparseDisk(fd, device.size, name=str(device.path)))
        return _of_root(open_root(disk, timestamp=0))
    except BuilderError:  # not Photon, or a root filesystem that is not supported
        return NextStep(_START)
    finally:
        os.close(fd)


def _of_root(root: Tree) -> NextStep:
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
    """Yield the static addresses of the machine, without their prefix."""
    files: dict[str, str] = {}
    for folder in _NETWORKS:
        for name in _names(root, guest(folder)):
            if name.endswith(".network"):
                files.setdefault(name, f"{folder}/{name}")
    for _, path in sorted(files.items()):
        for section, key, value in iter_assignments(_text(root, path)):
            if key == "Address" and section in _ADDRESS_SECTIONS and (found := _address(value)):
                yield found


def _address(text: str) -> str:
    """Return an address without its prefix, empty when a client cannot use it."""
    try:
        address = ip_interface(text).ip
    except ValueError:
        return ""
    is_local = address.is_loopback or address.is_link_local or address.is_unspecified
    return "" if is_local else str(address)


def _iter_users_with_keys(root: Tree) -> Iterator[str]:
    """Yield the users with an SSH key, in the order of passwd(5)."""
    for user in iter_users(read_text(root, guest("/etc/passwd"), missing="")):
        can_log_in = (user.uid == 0 or user.uid in _USERS) and _NAME.fullmatch(user.name)
        if can_log_in and _text(root, f"{user.home}/.ssh/authorized_keys").strip():
            yield user.name


def _names(root: Tree, folder: GuestPath) -> list[str]:
    try:
        return root.names(resolve(root, folder))
    except GuestError:
        return []


def _text(root: Tree, path: str) -> str:
    """Return the text of a file; empty when it is missing, masked or not a file."""
    try:
        return read_text(root, guest(path), missing="")
    except (GuestError, ValueError):
        return ""
