"""An installation medium that boots: Photon's layout, Debian's kernel, a stand-in installer.

``isolinux`` starts it under BIOS and GRUB in ``efiboot.img`` under UEFI, with Photon's menus. The
initrd has a shell, Python and the installer of :mod:`tests.support.stand_in_installer`, which
reads its words from the kernel's command line and installs the root that the bootable appliance
has too, less Docker's programs, which are large. Made once, in under a minute.
"""

import gzip
import json
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from builder.formats.disk import MIB
from tests.support.bootable import bootable_key, installed, make_bootable_root
from tests.support.ext4_image import MKE2FS_CONF
from tests.support.grub import add_fonts, bios_image, efi_image
from tests.support.judges import judge
from tests.support.kept import keep, key_of
from tests.support.media import RELEASES, make_medium
from tests.support.tree import MTIME, File, TreeFolder

DOCKER: Final = (
    "/usr/sbin/dockerd", "/usr/bin/dockerd", "/usr/bin/containerd", "/usr/bin/containerd-shim",
    "/usr/bin/containerd-shim-runc-v1", "/usr/bin/containerd-shim-runc-v2",
    "/usr/bin/containerd-stress", "/usr/bin/ctr", "/usr/bin/docker", "/usr/bin/dnet",
    "/usr/sbin/ovrouter", "/usr/sbin/runc", "/usr/sbin/docker-proxy", "/usr/share/stand-in",
)  # fmt: skip
"""What the medium does not install, because it would take a minute to copy."""
_PACKAGES: Final = (
    "busybox-static", "dosfstools", "e2fsprogs", "gdisk", "mount", "python3", "tar", "util-linux",
)  # fmt: skip
_COMMAND: Final = (
    "--variant=extract", "--quiet", '--aptopt=Acquire::Languages "none"',
    *(f"--dpkgopt=path-exclude=/usr/share/{unread}/*" for unread in ("man", "doc", "locale")),
    f"--include={','.join(_PACKAGES)}", "bookworm",
)  # fmt: skip
_MODULES: Final = (
    "ata_piix", "ahci", "vmw_pvscsi", "virtio_blk", "virtio_pci", "sd_mod", "sr_mod", "isofs",
    "ext4", "crc32c_generic", "vfat", "nls_cp437", "nls_ascii", "nls_iso8859-1",
)  # fmt: skip
_UNUSED: Final = (
    "usr/lib/python3.11/test", "usr/lib/python3.11/lib2to3", "usr/share/zoneinfo", "usr/share/perl",
    "usr/lib/x86_64-linux-gnu/perl", "usr/lib/x86_64-linux-gnu/perl-base",
    "usr/lib/x86_64-linux-gnu/gconv", "usr/bin/perl", "usr/lib/udev", "usr/lib/systemd", "var",
    "usr/share/i18n", "usr/share/bash-completion", "usr/lib/python3.11/pydoc_data",
)  # fmt: skip
_INSTALLER: Final = "usr/lib/python3.11/photon_installer"
_BY_BUSYBOX: Final = (
    "sh", "insmod", "reboot", "sleep", "cat", "ln", "mkdir", "sync", "setsid", "chroot",
)  # fmt: skip
_MERGED: Final = ("bin", "sbin", "lib", "lib64")
_STAND_IN: Final = Path(__file__).with_name("stand_in_installer")
_SOURCES: Final = (
    Path(__file__), Path(__file__).with_name("media.py"), _STAND_IN / "init",
    _STAND_IN / "installer.py",
)  # fmt: skip
_SYSLINUX: Final = Path("/usr/lib/syslinux/modules/bios")
_ESP_SIZE: Final = 3 * MIB


def make_boot_medium(cache: Path) -> Path:
    """Return the medium, making it below ``cache`` when it is not there; read-only, shared."""
    key = key_of(*_COMMAND, bootable_key(), sources=_SOURCES)
    return keep(cache, f"boot-medium-{key}.iso", lambda scratch: _make(scratch, cache))


def _make(scratch: Path, cache: Path) -> Path:
    """Make the medium in ``scratch``."""
    root = make_bootable_root(scratch / "root", cache)
    for path in DOCKER:
        root.remove(path)
    _make_fresh(root)
    tree = scratch / "medium"
    (tree / "RPMS").mkdir(parents=True)
    _write_tar(root, tree / "RPMS/unpacked.tar")
    isolinux = tree / "isolinux"
    isolinux.mkdir()
    for name in ("vesamenu.c32", "ldlinux.c32", "libcom32.c32", "libutil.c32"):
        shutil.copyfile(_SYSLINUX / name, isolinux / name)
    shutil.copyfile("/usr/lib/ISOLINUX/isolinux.bin", isolinux / "isolinux.bin")
    (isolinux / "stdmenu.cfg").write_text("menu color title 1;37;40 #ffffffff #00000000 std\n")
    modules = scratch / "modules"
    kernel = _take_kernel(installed(cache), modules)
    shutil.copyfile(kernel, isolinux / "vmlinuz")
    _write_initrd(scratch / "initrd", modules, isolinux / "initrd.img")
    for path, font in add_fonts().items():
        place = tree / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(font.content if isinstance(font, File) else b"")
    _make_esp(tree / "boot/grub2/efiboot.img", scratch)
    return make_medium(scratch, RELEASES["5.0"], tree=tree)


def _make_fresh(root: TreeFolder) -> None:
    """Undo what makes the root that of an appliance: root's password, and that ssh lets root in."""
    shadow = root.folder / "etc/shadow"
    lines = shadow.read_text().splitlines()
    fresh = ["root:x:19400:0:90:7:::" if line.startswith("root:") else line for line in lines]
    shadow.write_text("\n".join(fresh) + "\n")
    sshd = root.folder / "etc/ssh/sshd_config"
    sshd.write_text(sshd.read_text().replace("PermitRootLogin yes", "PermitRootLogin no"))
    for path in ("/etc/machine-id", "/etc/resolv.conf"):
        root.remove(path)
    efi = efi_image()
    for name in ("bootx64.efi", "grubx64.efi"):
        root.add(f"/boot/efi/EFI/BOOT/{name}", File(efi))


def _write_tar(root: TreeFolder, path: Path) -> None:
    """Write a tree as a tar, with the owners and modes that it should have."""
    names: dict[int, str] = {}
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for place in [root.folder, *sorted(root.folder.rglob("*"))]:
            name = f"/{place.relative_to(root.folder)}" if place != root.folder else "/"
            entry = tar.gettarinfo(place, f".{name}")
            node = place.lstat()
            first = names.setdefault(node.st_ino, entry.name)
            if entry.islnk() or (entry.isreg() and first != entry.name):
                entry.type, entry.linkname, entry.size = tarfile.LNKTYPE, first, 0
            owned = root.attributes.get(name)
            entry.uid, entry.gid = (owned.uid, owned.gid) if owned else (0, 0)
            entry.uname = entry.gname = ""
            entry.mode = owned.mode if owned else entry.mode
            if entry.isreg():
                with place.open("rb") as stream:
                    tar.addfile(entry, stream)
            else:
                tar.addfile(entry)


def _take_kernel(archive: Path, into: Path) -> Path:
    """Take the kernel and its modules out of the installed system; return the kernel."""
    into.mkdir()
    wanted = ("./boot/vmlinuz-", "./usr/lib/modules/")
    with tarfile.open(archive) as tar:
        chosen = [each for each in tar if each.name.startswith(wanted) and each.isreg()]
        tar.extractall(into, chosen, filter="data")
    return next(into.glob("boot/vmlinuz-*"))


def module_order(folder: Path, names: tuple[str, ...]) -> Iterator[Path]:
    """Yield the modules of a kernel that are wanted and those that they need, which come first.

    Args:
        folder: The kernel's modules, with their ``modules.dep``.
        names: Modules; one that is built into the kernel has no file.
    """
    needs = {}
    for line in (folder / "modules.dep").read_text().splitlines():
        path, _, rest = line.partition(":")
        needs[path] = rest.split()
    by_name = {Path(path).stem.replace("-", "_"): path for path in needs}
    done: set[str] = set()
    for name in names:
        wanted = by_name.get(name.replace("-", "_"))
        for each in [*reversed(needs[wanted]), wanted] if wanted else []:
            if each not in done:
                done.add(each)
                yield folder / each


def _write_initrd(root: Path, modules: Path, path: Path) -> None:
    """Write the initrd: programs, modules, the installer and its lists."""
    archive = root.with_suffix(".tar")
    judge("mmdebstrap", *_COMMAND, archive)
    with tarfile.open(archive) as tar:
        kept = [each for each in map(merged, tar) if each and not _is_unused(each.name)]
        tar.extractall(root, kept, filter="tar")
    for name in _MERGED:
        (root / name).symlink_to(f"usr/{name}")
    for name in _BY_BUSYBOX:
        (root / "usr/bin" / name).unlink(missing_ok=True)
        (root / "usr/bin" / name).symlink_to("/bin/busybox")
    ordered = list(module_order(next((modules / "usr/lib/modules").iterdir()), _MODULES))
    names = "".join(f"/lib/modules/{module.name}\n" for module in ordered)
    files = {
        **{f"usr/lib/modules/{module.name}": module.read_bytes() for module in ordered},
        f"{_INSTALLER}/__init__.py": b"",
        f"{_INSTALLER}/installer.py": (_STAND_IN / "installer.py").read_bytes(),
        "init": (_STAND_IN / "init").read_bytes(),
        "usr/lib/grub/boot.img": Path("/usr/lib/grub/i386-pc/boot.img").read_bytes(),
        "usr/lib/grub/core.img": bios_image(),
        "installer/packages_minimal.json": json.dumps({"packages": ["bash"]}).encode(),
        "modules": names.encode(),
        "etc/mke2fs.conf": MKE2FS_CONF.encode(),
        "etc/resolv.conf": b"",
        "etc/photon-release": b"VMware Photon OS 5.0\n",
    }
    for name, content in files.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    (root / "init").chmod(0o755)
    pack_initrd(root, path)


def pack_initrd(root: Path, path: Path) -> None:
    """Pack a tree as Photon packs its initrd: cpio, newc, gzip."""
    listed = sorted(str(each.relative_to(root)) for each in root.rglob("*"))
    packed = root.with_suffix(".cpio")
    judge(
        "cpio", "-o", "-H", "newc", "-R", "0:0", "--quiet", "-D", root, "-O", packed,
        text="".join(f"{name}\n" for name in listed),
    )  # fmt: skip
    with packed.open("rb") as source, gzip.GzipFile(path, "wb", 6, mtime=MTIME) as sink:
        shutil.copyfileobj(source, sink, MIB)


def merged(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Return a member where a merged /usr has it; ``None`` for devices, and what becomes a link."""
    name = merged_name(member.name)
    if member.ischr() or name.rstrip("/") in {f"usr/{top}" for top in _MERGED}:
        return None
    return member.replace(name=name)


def merged_name(name: str) -> str:
    """Return a path below the root as a merged /usr has it."""
    path = name.removeprefix("./")
    return f"usr/{path}" if path.partition("/")[0] in _MERGED else path


def _is_unused(name: str) -> bool:
    """Tell what an installer has no use for."""
    path = name.removeprefix("./")
    return any(path == unused or path.startswith(f"{unused}/") for unused in _UNUSED)


def _make_esp(path: Path, scratch: Path) -> None:
    """Make the image that UEFI starts from: GRUB alone, whose menu lies on the medium."""
    path.write_bytes(bytes(_ESP_SIZE))
    judge("mkfs.fat", path)
    judge("mmd", "-i", path, "::/EFI", "::/EFI/BOOT")
    loader = scratch / "bootx64.efi"
    loader.write_bytes(efi_image())
    judge("mcopy", "-i", path, loader, "::/EFI/BOOT/bootx64.efi")
