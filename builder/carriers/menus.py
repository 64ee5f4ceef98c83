"""Edit every boot menu of installation media: those of BIOS and of UEFI, and copies of them.

Photon's GRUB reads its menu from the ISO 9660 tree, but a copy inside the EFI system partition
image would win where there is one, so it is edited too.
"""

from collections.abc import Callable, Iterator

from builder.blob import Blob
from builder.changes import FileOp, Owner, WriteFile
from builder.engine.tree import Tree, read_text
from builder.errors import GuestError
from builder.formats.fat import Fat, is_fat
from builder.formats.filesystem import Kind
from builder.formats.memory import MemoryDisk
from builder.guest import boot_menu
from builder.guest.boot_menu import MenuEntry
from builder.guestpath import guest, join
from builder.roots.mounted import MountedRoot

ESP = guest("/boot/grub2/efiboot.img")
_DIRECTORIES = tuple(
    map(guest, ("/isolinux", "/boot/grub2", "/boot/grub", "/EFI/BOOT", "/boot/isolinux"))
)
_LARGEST_ESP = 64 << 20
_FILE_MODE = 0o755
"""What FAT shows for every file."""


def edit_menus(root: Tree, entry: MenuEntry, timestamp: int) -> Iterator[FileOp]:
    """Yield the menus of a medium with an entry put first.

    Args:
        root: The medium's tree.
        entry: The entry.
        timestamp: Time of a menu inside the EFI image, seconds since the epoch.

    Raises:
        GuestError: there is no menu in which a kernel is booted.
    """
    edited = list(_edited(root, entry))
    if not any(boot_menu.LABEL in _text(op) or "menuentry" in _text(op) for op in edited):
        raise GuestError(
            f"the medium has no boot menu that could be edited in {', '.join(_DIRECTORIES)}",
            hint="use an ISO that Photon publishes",
        )
    yield from edited
    yield from _edited_esp(root, entry, timestamp)


def _edited(root: Tree, entry: MenuEntry) -> Iterator[WriteFile]:
    """Yield the menus in the directories of a tree."""
    for directory in _DIRECTORIES:
        for name, edit in _EDITS.items():
            path = join(directory, name)
            node = root.lstat(path)
            if node is not None and node.kind is Kind.FILE:
                before = read_text(root, path)
                after = edit(before, entry)
                content = Blob.of(after.encode(errors="surrogateescape"))
                yield WriteFile(path, content, node.mode, Owner(node.uid, node.gid))


def _edited_esp(root: Tree, entry: MenuEntry, timestamp: int) -> Iterator[WriteFile]:
    """Yield the EFI system partition image, when a menu in it had to be edited."""
    node = root.lstat(ESP)
    if node is None or node.kind is not Kind.FILE or node.size > _LARGEST_ESP:
        return
    disk = MemoryDisk(b"".join(root.chunks(ESP)), name=ESP)
    if not is_fat(disk, 0):
        return
    inside = MountedRoot({guest("/"): Fat(disk, 0, timestamp=timestamp, name=ESP)})
    changed = [op for op in _edited(inside, entry) if _text(op) != read_text(inside, op.path)]
    for op in changed:
        inside.apply(WriteFile(op.path, op.content, _FILE_MODE))
    if changed:
        inside.flush()
        yield WriteFile(ESP, Blob.of(bytes(disk.data)), node.mode, Owner(node.uid, node.gid))


def _edit_isolinux_cfg(text: str, entry: MenuEntry) -> str:
    """Return ``isolinux.cfg`` edited, with labels of its own or without."""
    return boot_menu.edit_isolinux_cfg(boot_menu.edit_menu_cfg(text, entry), entry)


_EDITS: dict[str, Callable[[str, MenuEntry], str]] = {
    "isolinux.cfg": _edit_isolinux_cfg,
    "menu.cfg": boot_menu.edit_menu_cfg,
    "grub.cfg": boot_menu.edit_grub_cfg,
}


def _text(op: WriteFile) -> str:
    """Return the text that an operation writes."""
    with op.content.open() as stream:
        return stream.read().decode(errors="surrogateescape")
