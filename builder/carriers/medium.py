"""Carry a plan on Photon's installation media: a kickstart, a bundle, and the boot menus.

What a medium shall hold is worked out as file operations on the medium's own tree. Making it is
adding them to the base; proving it is working them out once more on the finished file, where
none may be left.
"""

import base64
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

from builder.blob import Blob
from builder.carriers import menus, script
from builder.carriers.bundle import make_bundle
from builder.carriers.kickstart import InstallerInput, kickstart_password, render
from builder.carriers.repository import add_packages, check_names, keep
from builder.changes import (
    Change,
    FileOp,
    MakeDirectory,
    MakeSymlink,
    Remove,
    SetPassword,
    WriteFile,
)
from builder.changes import replace as changed
from builder.engine.overlay import OverlayTree
from builder.engine.tree import Tree, ids
from builder.errors import FormatError, GuestError
from builder.formats.early_copy import copy_early
from builder.formats.iso9660 import Iso, open_iso
from builder.formats.iso9660 import edits as iso
from builder.formats.iso9660.append import plan_append
from builder.formats.stream import RangeDigest, write_segments
from builder.guest import install_keys, preload
from builder.guest.boot_menu import MenuEntry
from builder.guest.installer import Installer
from builder.guestpath import guest, join, name
from builder.job import Job, Made, Wanted
from builder.roots.medium import open_medium, read_arch, read_installer
from builder.structs import Struct

DIRECTORY = guest("/photon-builder")
KICKSTART = join(DIRECTORY, "ks.json")
BUNDLE = join(DIRECTORY, "bundle.pyz")
IMAGES = join(DIRECTORY, "preload")
_LARGEST_FILE = (1 << 32) - 1
_READABLE = 0o644
_LARGEST_INLINE = 8 << 20
_SECONDS = 5
_LOCKED = SetPassword("root", "*")
"""What all installers but the first make of no password; that one stops."""

_ALWAYS = "python3"
"""What the script needs; every medium has it, because cloud-init needs it too."""


class Defaults(Struct, frozen=True):
    """What a medium is for, when the spec does not say.

    Attributes:
        package_list: The installer's list of packages.
        linux_flavor: The kernel.
    """

    package_list: str = "packages_minimal.json"
    linux_flavor: str = "linux"


def build_medium(job: Job, work_out: Callable[[Tree, Wanted], list[FileOp]]) -> Made:
    """Make a medium from a medium.

    Raises:
        FormatError: the base is damaged.
        GuestError: the plan does not fit the base.
    """
    with open_iso(job.base) as base, copy_early(base.disk.fd, job.fd, base.size) as early:
        if not job.is_pinned:
            _check_base(base)
        ops = work_out(open_medium(base), job.wanted)
        name = job.sections.get("install", {}).get("volume_id")
        layout = plan_append(base, map(_edit, ops), timestamp=job.timestamp, volume_id=name)
        digest = RangeDigest("sha256")
        with job.progress.count("copying", layout.size) as advance:
            write_segments(job.fd, layout.segments(), [digest], advance, early)
        return Made(digest.hexdigest(), layout.size, len(ops), layout.added)


def _check_base(base: Iso) -> None:
    """Refuse a base that :mod:`verify` would refuse, once something is added to it."""
    from builder.formats.iso9660.second_reader import check_image

    check_image(base)


def installation(root: Tree, wanted: Wanted, defaults: Defaults) -> list[FileOp]:
    """Return what has to be done to the tree of installation media."""
    known = read_installer(root)
    if known is None:
        raise FormatError(
            "the medium has no initrd: it installs nothing",
            hint="use an ISO of Photon OS that installs: full, minimal or real-time",
        )
    arch = read_arch(root)
    install = {
        "linux_flavor": defaults.linux_flavor,
        "package_list": defaults.package_list,
        **install_keys.default_bootmode(arch, known),
        **wanted.sections["install"],
    }
    install_keys.check_bootmode(install.get("bootmode", ""), arch)
    given = render(wanted.plan.steps)
    images = [step.change for step in given.steps if _is_image(step.change)]
    others = [step for step in given.steps if not _is_image(step.change)]
    bundle = make_bundle(others, wanted.timestamp)
    kept = OverlayTree(root)
    keys = _keys(given, install, known)
    names = {*keys["additional_packages"]}
    added = add_packages(kept, given.rpms, wanted.timestamp)
    check_names(root, {*names, install["linux_flavor"]} - {_ALWAYS, *added})
    keys |= {"additional_packages": sorted({*names, *added}), **_delivery(bundle, known)}
    if images:
        keys["additional_files"] = [*_brought(images, known), *keys["additional_files"]]
    for op in (
        WriteFile(KICKSTART, Blob.text(install_keys.format_kickstart(keys, known))),
        *([WriteFile(BUNDLE, bundle)] if known.copies_files else []),
        *(changed(each, path=join(IMAGES, name(each.path)), mode=_READABLE) for each in images),
        *menus.edit_menus(kept, _entry(wanted.name, install), wanted.timestamp),
    ):
        keep(kept, op)
    return kept.operations()


def warn(sections: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a person must know before building such a medium."""
    disk = sections.get("install", {}).get("disk", "")
    return (f"whatever starts from this medium installs unattended: this erases {disk}",)


def _is_image(change: Change) -> TypeGuard[WriteFile]:
    """Tell an archive of a container image: a file of the medium, and no part of the bundle."""
    return isinstance(change, WriteFile) and preload.is_archive(change.path)


def _brought(images: list[WriteFile], known: Installer) -> list[dict[str, str]]:
    """Return the key that brings images into the installed system: a folder as a whole.

    The folder is not there before, and only folders are copied with those above them.

    Raises:
        GuestError: the installer copies no files, or a medium holds none so large.
    """
    for image in images:
        if not known.copies_files or image.content.size >= _LARGEST_FILE:
            why = "is too large for a medium" if known.copies_files else "cannot be copied"
            raise GuestError(
                f"{image.path} {why}: {image.content.size} bytes, by {known.name}",
                code="INS006",
                hint="use a newer ISO" if not known.copies_files else "use a smaller image",
            )
    return [{f"{known.media}{IMAGES}": preload.FOLDER}]


def _keys(given: InstallerInput, install: Mapping[str, Any], known: Installer) -> dict[str, Any]:
    """Return the kickstart's keys, but for how the bundle is delivered."""
    keys = {
        **install_keys.make_disk_keys(install, known),
        **install_keys.make_package_keys(install, (_ALWAYS, *given.packages), known),
        "password": kickstart_password(given.root_password or _LOCKED),
    }
    if given.hostname:
        keys["hostname"] = given.hostname
    return keys


def _delivery(bundle: Blob, known: Installer) -> dict[str, Any]:
    """Return the keys that bring the bundle into the system, and run it there."""
    lines = script.BOOTSTRAP.splitlines()
    if known.copies_files:
        return {
            "additional_files": [{f"{known.media}{BUNDLE}": script.PAYLOAD}],
            "postinstall": lines,
        }
    if bundle.size > _LARGEST_INLINE:
        raise GuestError(
            f"{known.name} copies no files, and {bundle.size} bytes are too many for a kickstart",
            code="INS006",
            hint="use a newer ISO",
        )
    with bundle.open() as stream:
        text = base64.encodebytes(stream.read()).decode().splitlines()
    return {"postinstall": [lines[0], script.INLINE_HEAD, *text, "EOF", *lines[1:]]}


def _entry(name: str, install: Mapping[str, Any]) -> MenuEntry:
    """Return the entry of the boot menus."""
    words = [f"ks=cdrom:{KICKSTART}", *install.get("kernel_arguments", ())]
    if "serial" in install:
        words.append(f"console={install['serial']}")
    title = f"Install {name} unattended - this erases {install['disk']}"
    return MenuEntry(title, tuple(words), install.get("timeout", _SECONDS))


def _edit(op: FileOp) -> iso.Edit:
    """Return an operation in the words of the codec."""
    match op:
        case WriteFile(path, content, mode, owner):
            uid, gid = ids(owner)
            return iso.AddFile(path, content, mode, uid, gid)
        case MakeDirectory(path, mode, owner):
            uid, gid = ids(owner)
            return iso.AddDirectory(path, mode, uid, gid)
        case MakeSymlink(path, target):
            return iso.AddSymlink(path, target)
        case Remove(path):
            return iso.Remove(path)
