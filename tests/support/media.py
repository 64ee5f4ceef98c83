"""Installation media shaped like Photon's, mastered by the program that masters the real ones."""

import gzip
import hashlib
import json
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from builder.facts import revisions
from builder.facts.data import table
from tests.support import photon_releases
from tests.support.judges import judge

VOLUME_ID: Final = "PHOTON_20230425"
_OPTIONS: Final = (
    *("-R", "-l", "-L", "-D", "-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat"),
    *("-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", "-eltorito-alt-boot"),
    *("-e", "boot/grub2/efiboot.img", "-no-emul-boot", "-V", VOLUME_ID),
)
ISOLINUX: Final = "include menu.cfg\ndefault vesamenu.c32\nprompt 0\ntimeout 0\n"
MENU: Final = """\
menu hshift 7
menu width 61

menu title Photon installer boot menu
include stdmenu.cfg

default install
label install
\tmenu label ^Install
\tmenu default
\tkernel vmlinuz
\tappend initrd=initrd.img root=/dev/ram0 loglevel=3 photon.media=cdrom
"""
GRUB: Final = """\
# Begin /boot/grub2/grub.cfg

set default=0
set timeout=3
loadfont ascii
set gfxmode="1024x768"
set theme=/boot/grub2/themes/photon/theme.txt
terminal_output gfxterm
probe -s photondisk -u ($root)

menuentry "Install" {
    linux /isolinux/vmlinuz root=/dev/ram0 loglevel=3 photon.media=UUID=$photondisk
    initrd /isolinux/initrd.img
}
# End /boot/grub2/grub.cfg
"""
_COMMON: Final = table("installer")["keys_common"].split()
_PACKAGE: Final = "usr/lib/python3.11/site-packages/photon_installer"
_STOCK: Final = (
    *("bash", "python3", "docker", "nfs-utils", "minimal", "initramfs", "lvm2", "xfsprogs"),
    *("linux", "linux-esx", "linux-rt", "linux-secure", "linux-aws"),
)


@dataclass(frozen=True, slots=True)
class Media:
    """What kind of medium is made.

    Attributes:
        release: Photon's number.
        keys: What its installer knows besides what all do; empty for 3.0 GA and where no source can
            be read.
        media: Where the installer mounts the medium.
        folder: Where its source lies in the initrd.
        packages: Names of the packages in the repository.
        extra: More files of the medium.
        bulk: How many more packages there are, and the bytes of each.
        noise: Bytes of the initrd that say nothing; packing halves them.
        minimal: What its packages_minimal.json lists.
        mkfs: Filesystems that its initrd has a mkfs for.
        build: Commit that its initrd names.
    """

    release: str
    keys: tuple[str, ...]
    media: str = "/mnt/media"
    folder: str = _PACKAGE
    packages: tuple[str, ...] = _STOCK
    extra: dict[str, bytes] = field(default_factory=dict)
    bulk: tuple[int, int] = (0, 0)
    noise: int = 100_000
    minimal: tuple[str, ...] = ("minimal", "linux", "linux-esx", "initramfs", "lvm2")
    mkfs: tuple[str, ...] = ("ext4", "ext3", "vfat")
    build: str = ""


def _media_of(identity: str) -> Media:
    """Return the medium of a published revision, as the tables know it."""
    facts = photon_releases.RELEASES[identity].on("iso-minimal").facts
    known = facts.installer
    folder = "installer" if facts.release == "3.0" else _PACKAGE
    more = () if identity == "3.0-GA" else ("lvm2",)
    return Media(
        facts.release,
        tuple(sorted(known.keys)) if known.refuses_other_keys and known.has_source else (),
        known.mount,
        folder if known.has_source else "elsewhere",
        minimal=("minimal", *known.kernels, "initramfs", *more),
        mkfs=tuple(name for name in known.mkfs if name != "swap"),
        build=facts.build,
    )


RELEASES: Final = {
    **{row["id"]: _media_of(row["id"]) for row in revisions()},
    "3.0 GA": _media_of("3.0-GA"),
    "3.0 Rev2": _media_of("3.0-Rev2"),
    "3.0 Rev3": _media_of("3.0-Rev2-U3"),
    "4.0": _media_of("4.0-Rev2"),
    "5.0": _media_of("5.0-GA"),
    "unknown": Media("5.0", (), folder="elsewhere"),
}
"""Media by the id of their revision, and by shorter names; those of 4.0 have no source to read."""


def make_medium(directory: Path, media: Media = RELEASES["5.0"], tree: Path | None = None) -> Path:
    """Master a medium; what is in ``tree`` already stays as it is."""
    tree = tree or directory / "tree"
    for name, data in {**_boot_files(media), **_packages(media), **media.extra}.items():
        place = tree / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            place.write_bytes(data)
    _write_bulk(tree / "RPMS/x86_64", *media.bulk)
    if not (tree / "boot/grub2/efiboot.img").exists():
        make_esp(tree / "boot/grub2/efiboot.img")
    iso = directory / f"photon-{media.release}.iso"
    judge("genisoimage", "-quiet", *_OPTIONS, "-o", iso, tree)
    return iso


def make_esp(path: Path, menu: str = "") -> None:
    """Make the image that UEFI boots from, as Photon's scripts do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(3 << 20))
    judge("mkfs.fat", path)
    judge("mmd", "-i", path, "::/EFI", "::/EFI/BOOT")
    if menu:
        text = path.with_name("menu")
        text.write_text(menu)
        judge("mcopy", "-i", path, text, "::/EFI/BOOT/grub.cfg")
        text.unlink()


def make_initrd(files: dict[str, bytes]) -> bytes:
    """Return an initrd: a newc archive, compressed."""
    return gzip.compress(make_archive(files), mtime=0)


def make_archive(files: dict[str, bytes]) -> bytes:
    """Return a newc archive."""
    parts = []
    for inode, (name, data) in enumerate({**files, "TRAILER!!!": b""}.items(), 1):
        mode = 0o100644 if name != "TRAILER!!!" else 0
        numbers = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08X" % number for number in numbers)
        head += name.encode() + b"\0"
        parts += [head, bytes(-len(head) % 4), data, bytes(-len(data) % 4)]
    return b"".join(parts)


def installer_source(media: Media) -> dict[str, bytes]:
    """Return the files of an initrd that tell which installer it has."""
    code = f'MOUNT = "{media.media}"\n'
    build = [f"PHOTON_BUILD_NUMBER={media.build}"] if media.build else []
    stated = [f"VMware Photon OS {media.release}", *build]
    files = {
        "etc/photon-release": "".join(f"{line}\n" for line in stated).encode(),
        "installer/packages_minimal.json": json.dumps({"packages": media.minimal}).encode(),
        "installer/packages_rt.json": json.dumps({"packages": ["minimal", "linux-rt"]}).encode(),
        **{f"usr/sbin/mkfs.{kind}": b"\x7fELF" for kind in media.mkfs},
        "usr/lib/noise": random.Random(1).randbytes(media.noise // 2).hex().encode(),
    }
    if media.folder == "elsewhere":
        return files
    if not media.keys:
        return {**files, "installer/iso_config.py": code.encode()}
    keys = ",\n        ".join(repr(key) for key in sorted({*_COMMON, *media.keys}))
    text = f"{code}class Installer:\n    known_keys = {{\n        {keys}\n    }}\n"
    return {**files, f"{media.folder}/installer.py": text.encode()}


def _boot_files(media: Media) -> dict[str, bytes]:
    """Return what boots."""
    noise = random.Random(5)
    return {
        "PHOTON_VMWARE_CD": b"",
        "isolinux/isolinux.cfg": ISOLINUX.encode(),
        "isolinux/menu.cfg": MENU.encode(),
        "isolinux/isolinux.bin": noise.randbytes(24576),
        "isolinux/vmlinuz": noise.randbytes(50_000),
        "isolinux/initrd.img": make_initrd(installer_source(media)),
        "boot/grub2/grub.cfg": GRUB.encode(),
    }


def _packages(media: Media) -> dict[str, bytes]:
    """Return a repository whose packages are empty."""
    return {f"RPMS/x86_64/{name}-1.0-1.ph5.x86_64.rpm": b"" for name in media.packages}


def _write_bulk(folder: Path, count: int, size: int) -> None:
    """Write packages whose content is noise, one at a time; each begins with its number."""
    noise = random.Random(7)
    for number in range(count):
        # genisoimage tells long names apart slowly unless they differ at the beginning.
        name = f"{number:05d}-with-quite-a-long-name-1.2.3-{number}.ph5.x86_64.rpm"
        (folder / name).write_bytes(noise.randbytes(size))


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
