"""A base that boots: Debian 12 with its kernel and GRUB, in Photon's shape, packed as an OVA.

Paths, boot files, units, accounts and firewall are Photon's; the kernel, which Photon has without
an initrd and this with a small one, and the programs are Debian's. GRUB starts it under BIOS
and UEFI, see :mod:`tests.support.grub`. Made once, in some two minutes.
"""

import fcntl
import hashlib
import json
import tempfile
from pathlib import Path
from typing import Final

from builder.formats.disk import GIB
from tests.support.bases import Base
from tests.support.disks import LAYOUTS, make_disk
from tests.support.ext4_image import Region, index_directories
from tests.support.grub import add_fonts, install_bios, install_efi
from tests.support.judges import judge
from tests.support.packers import PACKERS
from tests.support.photon_boot import PATIENCE
from tests.support.photon_real import _over as with_debian_accounts
from tests.support.photon_real import _reshape as reshape
from tests.support.photon_real import _unpack as unpack
from tests.support.photon_releases import RELEASES
from tests.support.photon_root import photon_shape, shape_key
from tests.support.photon_units import UNITS
from tests.support.recipes import Recipe
from tests.support.stand_in import stand_ins
from tests.support.tree import Entry, File, Link, Tree, TreeFolder, text

_RECIPE: Final = Recipe(size=8 * GIB, root="real")
_PACKAGES: Final = (
    "ca-certificates", "dbus", "docker.io", "e2fsprogs", "initramfs-tools", "iproute2", "iptables",
    "iputils-ping", "kmod", "libnss-resolve", "linux-image-amd64", "login", "nfs-common",
    "openssh-server", "passwd", "procps", "rpm", "systemd", "systemd-resolved", "systemd-sysv",
    "systemd-timesyncd", "tzdata", "udev",
)  # fmt: skip
_UNUSED_MODULES: Final = (
    "drivers/bluetooth", "drivers/comedi", "drivers/crypto", "drivers/edac", "drivers/firewire",
    "drivers/gpu", "drivers/hwmon", "drivers/i2c", "drivers/iio", "drivers/infiniband",
    "drivers/input", "drivers/isdn", "drivers/leds", "drivers/md", "drivers/media", "drivers/mfd",
    "drivers/mmc", "drivers/mtd", "drivers/net/ethernet", "drivers/net/wireless",
    "drivers/platform", "drivers/power", "drivers/staging", "drivers/target",
    "drivers/thunderbolt", "drivers/usb", "drivers/w1", "net/bluetooth", "net/mac80211",
    "net/wireless", "sound",
)  # fmt: skip
_BOOT_MODULES: Final = ("vmw_pvscsi", "mptspi", "ahci", "ata_piix", "virtio_pci", "virtio_blk",
                        "virtio_scsi", "sd_mod", "ext4")  # fmt: skip
_SMALL_INITRD: Final = (
    'mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d" && '
    'echo MODULES=list >"$1/etc/initramfs-tools/conf.d/driver-policy" && '
    f"printf '%s\\n' {' '.join(_BOOT_MODULES)} "
    '>"$1/usr/share/initramfs-tools/modules.d/photon"'
)
_COMMAND: Final = (
    "--variant=minbase", "--quiet", '--aptopt=Acquire::Languages "none"',
    *(f"--dpkgopt=path-exclude=/usr/share/{unread}/*" for unread in ("man", "doc", "locale")),
    *(f"--dpkgopt=path-exclude=/lib/modules/*/kernel/{unused}/*" for unused in _UNUSED_MODULES),
    f"--essential-hook={_SMALL_INITRD}", f"--include={','.join(_PACKAGES)}", "bookworm",
)  # fmt: skip
_SOURCES: Final = (
    "bootable.py", "disks.py", "ext4_image.py", "grub.py", "ovf_texts.py", "packers.py",
    "photon_boot.py", "photon_real.py", "photon_releases.py", "photon_root.py", "photon_texts.py",
    "photon_units.py", "recipes.py", "stand_in.py", "tree.py",
)  # fmt: skip
_NOT_HERE: Final = {
    "cloud-init-local.service": "ConditionPathExists=/usr/bin/cloud-init",
    "cloud-init.service": "ConditionPathExists=/usr/bin/cloud-init",
    "cloud-config.service": "ConditionPathExists=/usr/bin/cloud-init",
    "cloud-final.service": "ConditionPathExists=/usr/bin/cloud-init",
    "motdgen.service": "ConditionPathExists=/usr/bin/motdgen",
    "tdnf-cache-updateinfo.service": "ConditionPathExists=/usr/bin/tdnf-cache-updateinfo",
}
"""Unit to the condition that stands for a program left out."""

_RUN_FOLDER: Final = "[Service]\nRuntimeDirectory=sshd\n"
"""Debian's sshd wants its folder below ``/run``; Photon's has it elsewhere."""

_LEFT_OUT: Final = (
    "/vmlinuz", "/vmlinuz.old", "/initrd.img", "/initrd.img.old", "/etc/init.d", "/etc/rcS.d",
    *(f"/etc/rc{level}.d" for level in range(7)), "/usr/lib/sysusers.d/basic.conf",
)  # fmt: skip
"""What Photon has not: old start scripts, and accounts with Debian's numbers."""


def make_bootable(cache: Path) -> Base:
    """Return the bootable OVA, making it below ``cache`` when it is not there."""
    folder = cache / f"bootable-{bootable_key()}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=cache, prefix=".making-") as scratch:
                _make(Path(scratch), cache)
                (Path(scratch) / "finished").rename(folder)
    facts = json.loads((folder / "base.json").read_text())
    offset, size = _RECIPE.root_extent
    return Base(
        path=folder / facts["name"],
        digests=facts["digests"],
        layout=_RECIPE.layout_name,
        disk_size=_RECIPE.size,
        root_offset=offset,
        root_size=size,
        release=_RECIPE.release,
    )


def bootable_key() -> str:
    """Return what changes when another base would be made."""
    code = hashlib.sha256("\n".join(_COMMAND).encode())
    for source in _SOURCES:
        code.update(Path(__file__).with_name(source).read_bytes())
    code.update(shape_key(RELEASES[_RECIPE.release]).encode())
    return code.hexdigest()[:16]


def _make(scratch: Path, cache: Path) -> None:
    """Make the base in ``scratch/finished``."""
    layout = LAYOUTS[_RECIPE.layout_name]
    (scratch / "finished").mkdir()
    folder = make_bootable_root(scratch / "root", cache)
    disk = scratch / "disk.raw"
    make_disk(disk, layout, _RECIPE.size, folder)
    bios, esp, root = layout.extents(_RECIPE.size)
    index_directories(Region(disk, *root))
    install_bios(disk, bios, root_partition=3)
    install_efi(disk, esp)
    path = PACKERS[_RECIPE.kind](_RECIPE, disk, scratch / "finished")
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    facts = {"name": path.name, "digests": {"sha256": digest}}
    (scratch / "finished/base.json").write_text(json.dumps(facts))
    path.chmod(0o444)


def make_bootable_root(directory: Path, cache: Path) -> TreeFolder:
    """Write the root that boots below ``directory``."""
    directory.mkdir()
    folder = TreeFolder(directory)
    unpack(installed(cache), folder)
    reshape(folder)
    folder.add_tree(_shape(folder))
    folder.seal()
    return folder


def installed(cache: Path) -> Path:
    """Return the installed system as a tar, made once."""
    key = hashlib.sha256("\n".join(_COMMAND).encode()).hexdigest()[:16]
    made = cache / f"debian-bootable-{key}.tar"
    if not made.exists():
        with tempfile.TemporaryDirectory(dir=cache, prefix=".making-") as scratch:
            part = Path(scratch) / "root.tar"
            judge("mmdebstrap", *_COMMAND, part)
            part.rename(made)
    return made


def _shape(folder: TreeFolder) -> Tree:
    """Return what Photon's shape and Debian's kernel lay over the installed tree."""
    release = RELEASES[_RECIPE.release]
    placement = LAYOUTS[_RECIPE.layout_name].placement()
    shape = with_debian_accounts(folder, photon_shape(release, placement))
    kernel = _single(folder.folder / "boot", "vmlinuz-*")
    initrd = _single(folder.folder / "boot", "initrd.img-*")
    shape[f"/boot/vmlinuz-{release.kernel}"] = File(kernel.read_bytes())
    shape[f"/boot/initrd.img-{release.kernel}"] = File(initrd.read_bytes())
    for path in (kernel, initrd):
        folder.remove(f"/boot/{path.name}")
    for leftover in _LEFT_OUT:
        folder.remove(leftover)
    shape["/etc/gshadow"] = _of_groups(shape, "/etc/gshadow")
    for unit, lines in _NOT_HERE.items():
        (at,) = (each for each in shape if each.endswith(f"/system/{unit}"))
        shape[at] = text(_content(shape, at).replace("[Unit]\n", f"[Unit]\n{lines}\n"))
    return {
        **shape, **debian_sshd(shape), **PATIENCE, **_without_wait(shape), **add_fonts(),
        **stand_ins(folder.folder),
    }  # fmt: skip


def debian_sshd(shape: Tree) -> dict[str, Entry]:
    """Return Photon's unit of sshd as Debian's sshd can be run by it."""
    path = f"{UNITS}/sshd.service"
    return {path: text(_content(shape, path).replace("[Service]\n", _RUN_FOLDER))}


def _content(shape: Tree, path: str) -> str:
    """Return the text of a file."""
    entry = shape[path]
    if not isinstance(entry, File):
        raise TypeError(f"{path} must be a file")
    return entry.content.decode()


def _without_wait(shape: Tree) -> dict[str, Entry]:
    """Return the boot menu with one second to choose instead of five."""
    menu = "/boot/grub2/grub.cfg"
    shorter = _content(shape, menu).replace("set timeout=5\n", "set timeout=1\n")
    resolv = Link("../run/systemd/resolve/stub-resolv.conf")
    return {menu: text(shorter, 0o600), "/etc/resolv.conf": resolv}


def _of_groups(shape: Tree, path: str) -> File:
    """Return the file of group passwords without groups that do not exist."""
    groups, passwords = shape["/etc/group"], shape[path]
    if not isinstance(groups, File) or not isinstance(passwords, File):
        raise TypeError(f"{path} must be a file")
    names = {line.split(b":")[0] for line in groups.content.splitlines()}
    kept = [line for line in passwords.content.splitlines() if line.split(b":")[0] in names]
    return File(b"".join(line + b"\n" for line in kept), passwords.mode)


def _single(folder: Path, pattern: str) -> Path:
    """Return the one file that fits a pattern."""
    found = [path for path in folder.glob(pattern) if not path.is_symlink()]
    if len(found) != 1:
        raise AssertionError(f"{pattern}: {found}")
    return found[0]
