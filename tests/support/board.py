"""An image for a board, which boots: Debian 12 for arm64 in Photon's shape, on an MBR.

The partitions are Photon's for the Raspberry Pi: 30 MiB of FAT for the firmware and GRUB, the rest
for the root, named by the UUID of its filesystem. Nothing of arm64 is run to make it: packages are
unpacked only, and what their scripts would do, as far as a boot needs it, is done here. The board's
own firmware is left out: QEMU's ``virt`` machine starts GRUB by UEFI, as u-boot does on the board.
"""

import lzma
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from builder.formats.disk import MIB, SECTOR
from tests.support.boot_medium import merged, merged_name, module_order, pack_initrd
from tests.support.bootable import debian_sshd
from tests.support.ext4_image import Region, make_ext4
from tests.support.grub import add_fonts, arm_image
from tests.support.judges import judge
from tests.support.kept import keep, key_of
from tests.support.photon_boot import PATIENCE
from tests.support.photon_releases import RELEASES, Placement
from tests.support.photon_root import photon_shape, shape_key
from tests.support.tree import Attributes, Entry, File, Link, TreeFolder, text

_SIZE: Final = 768 * MIB
BOOT_OFFSET: Final = 4 * MIB
"""First byte of the FAT filesystem that the firmware reads."""
_BOOT: Final = (BOOT_OFFSET, 30 * MIB)
_ROOT: Final = (34 * MIB, _SIZE - 34 * MIB)
_SIGNATURE: Final = "5EEDCAFE"
_ROOT_UUID: Final = "b0a2d000-5eed-4a4d-9b0b-0f0a11ce0001"
_PLACEMENT: Final = Placement(
    f"{_SIGNATURE.lower()}-02", _ROOT_UUID, ((f"{_SIGNATURE.lower()}-01", "/boot/efi", "vfat"),)
)
_PACKAGES: Final = (
    "base-files", "bash", "busybox-static", "coreutils", "dash", "dbus", "e2fsprogs", "fdisk",
    "findutils", "grep", "grub-efi-arm64-bin", "gzip", "iproute2", "iptables", "kmod", "libc-bin",
    "libnss-resolve",
    "linux-image-arm64", "login", "mount", "openssh-server", "passwd", "procps", "sed", "systemd",
    "systemd-resolved", "systemd-sysv", "systemd-timesyncd", "tar", "tzdata", "u-boot-rpi", "udev",
    "util-linux", "wpasupplicant",
)  # fmt: skip
_UNUSED_MODULES: Final = (
    "drivers/[!bnv]*", "drivers/bluetooth", "drivers/nfc", "drivers/nvdimm", "drivers/nvme",
    "drivers/net/[!v]*", "sound", "fs/[!aefjn]*", "net/[!cins]*", "crypto/async_tx",
)  # fmt: skip
_USED_MODULES: Final = (
    "drivers/mmc", "drivers/net/wireless/mac80211_hwsim.ko", "net/mac80211", "net/rfkill",
    "net/wireless",
)  # fmt: skip
_COMMAND: Final = (
    "--variant=extract", "--architectures=arm64", "--quiet", '--aptopt=Acquire::Languages "none"',
    *(f"--dpkgopt=path-exclude=/usr/share/{each}/*" for each in ("man", "doc", "locale", "i18n")),
    *(f"--dpkgopt=path-exclude=/lib/modules/*/kernel/{each}/*" for each in _UNUSED_MODULES),
    *(f"--dpkgopt=path-include=/lib/modules/*/kernel/{each}" for each in _USED_MODULES),
    *(f"--dpkgopt=path-include=/lib/modules/*/kernel/{each}/*" for each in _USED_MODULES),
    "--dpkgopt=path-exclude=/usr/lib/linux-image-*", "--dpkgopt=path-exclude=/lib/udev/hwdb.d/*",
    "--dpkgopt=path-include=/usr/lib/linux-image-*/broadcom/bcm2837-rpi-3-b.dtb",
    f"--include={','.join(_PACKAGES)}", "bookworm",
)  # fmt: skip
_BOOT_MODULES: Final = (
    "virtio_pci", "virtio_mmio", "virtio_blk", "bcm2835", "mmc_block", "ext4", "crc32c_generic",
)  # fmt: skip
_ALTERNATIVES: Final = {
    **{
        f"/usr/sbin/ip{six}tables{what}": Link("xtables-nft-multi")
        for six in ("", "6") for what in ("", "-restore", "-save")
    },
    "/usr/bin/awk": Link("mawk"),
}  # fmt: skip
_PAM: Final = {
    f"/etc/pam.d/common-{what}": text(f"{what.split('-')[0]} required pam_unix.so {more}\n")
    for what, more in (
        ("auth", "nullok"), ("account", ""), ("password", "yescrypt"), ("session", ""),
        ("session-noninteractive", ""),
    )
}  # fmt: skip
_TOOLS: Final = ("sh", "cat", "insmod", "mount", "umount", "findfs", "sleep", "switch_root")
_INIT: Final = """\
#!/bin/busybox sh
# Finds the root by what the kernel's command line says, and starts what is there.
export PATH=/bin
for module in $(cat /modules); do insmod "/lib/$module"; done
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for word in $(cat /proc/cmdline); do
  case $word in root=*) root=${word#root=} ;; esac
done
until device=$(findfs "$root"); do sleep 1; done
mount -t ext4 "$device" /root
umount /proc
exec switch_root /root /usr/lib/systemd/systemd
"""
_GRUB: Final = f"""\
# Begin /boot/grub2/grub.cfg

set default=0
set timeout=2
search -n -u {_ROOT_UUID} -s
load_env -f /boot/photon.cfg
if [ -f /boot/systemd.cfg ]; then
    load_env -f /boot/systemd.cfg
else
    set systemd_cmdline=net.ifnames=0
fi
set rootpartition=UUID={_ROOT_UUID}

menuentry "Photon" {{
    linux /boot/$photon_linux root=$rootpartition $photon_cmdline $systemd_cmdline \
rootwait rw console=ttyS0,115200n8 console=tty0
    if [ -f /boot/$photon_initrd ]; then
        initrd /boot/$photon_initrd
    fi
}}
# End /boot/grub2/grub.cfg
"""
_SOURCES: Final = (
    "board.py", "boot_medium.py", "bootable.py", "grub.py", "media.py", "photon_boot.py",
    "photon_releases.py", "photon_texts.py", "photon_units.py", "photon_root.py",
)  # fmt: skip


def make_board(cache: Path) -> Path:
    """Return the image, compressed as it is published, making it when it is not there."""
    sources = (Path(__file__).with_name(source) for source in _SOURCES)
    key = key_of(*_COMMAND, shape_key(RELEASES["5.0"].on("rpi")), sources=sources)
    return keep(cache, f"photon-rpi-{key}.raw.xz", lambda scratch: _make(scratch, cache))


def _make(scratch: Path, cache: Path) -> Path:
    """Make the image in ``scratch``."""
    (scratch / "root").mkdir()
    folder = TreeFolder(scratch / "root")
    _unpack(_packages(cache), folder)
    shape = photon_shape(RELEASES["5.0"].on("rpi"), _PLACEMENT)
    folder.add_tree({**shape, **debian_sshd(shape), **PATIENCE, **_ALTERNATIVES, **_PAM})
    loader = arm_image(folder.folder / "usr/lib/grub/arm64-efi")
    firmware = _firmware(folder.folder)
    for path in ("/usr/lib/grub", "/usr/lib/u-boot", *_kernel_folders(folder.folder)):
        folder.remove(path)
    for path, entry in _boot_files(folder).items():
        folder.add(path, entry)
    folder.seal()
    disk = scratch / "disk.raw"
    with disk.open("wb") as stream:
        stream.truncate(_SIZE)
    rows = (f"start={at // SECTOR}, size={size // SECTOR}, type={kind}"
            for (at, size), kind in ((_BOOT, "c"), (_ROOT, "83")))  # fmt: skip
    judge("sfdisk", "-q", disk, text=f"label: dos\nlabel-id: 0x{_SIGNATURE}\n" + "\n".join(rows))
    _make_esp(disk, {"/EFI/BOOT/bootaa64.efi": loader, **firmware}, scratch)
    make_ext4(Region(disk, *_ROOT), folder, uuid=_ROOT_UUID)
    made = scratch / "made.xz"
    with disk.open("rb") as source, lzma.open(made, "wb", preset=0) as sink:
        shutil.copyfileobj(source, sink, MIB)
    return made


def _packages(cache: Path) -> Path:
    """Return the unpacked packages as a tar, made once."""
    return keep(cache, f"debian-arm64-{key_of(*_COMMAND)}.tar", _fetch)


def _fetch(scratch: Path) -> Path:
    """Unpack the packages into a tar."""
    made = scratch / "root.tar"
    judge("mmdebstrap", *_COMMAND, made)
    return made


def _unpack(archive: Path, folder: TreeFolder) -> None:
    """Unpack with a merged /usr; owners are remembered."""
    with tarfile.open(archive) as tar:
        for member in map(merged, tar):
            if member is None:
                continue
            path = "/" + member.name.removeprefix("./").strip("/")
            attributes = Attributes(member.mode, member.uid, member.gid)
            if member.isdir():
                folder.add_directory(path, attributes)
            elif member.issym():
                folder.add_link(path, member.linkname)
            elif member.islnk():
                folder.add_hard_link(path, f"/{merged_name(member.linkname)}")
            elif stream := tar.extractfile(member):
                folder.add_stream(path, stream, attributes, int(member.mtime))


def _boot_files(folder: TreeFolder) -> dict[str, Entry]:
    """Return what starts the kernel, which moves to where Photon has it."""
    release = RELEASES["5.0"].on("rpi")
    kernel = next((folder.folder / "boot").glob("vmlinuz-*[!x]-arm64"))
    uname = kernel.name.removeprefix("vmlinuz-")
    modules = folder.folder / "usr/lib/modules" / uname
    judge("depmod", "-b", folder.folder, uname)
    files: dict[str, Entry] = {
        f"/boot/vmlinuz-{release.kernel}": File(kernel.read_bytes()),
        f"/boot/initrd.img-{release.kernel}": File(_initrd(folder.folder, modules)),
        "/boot/grub2/grub.cfg": text(_GRUB, 0o600),
        **add_fonts(),
    }
    for leftover in (f"/boot/{kernel.name}", f"/boot/System.map-{uname}", f"/boot/config-{uname}"):
        folder.remove(leftover)
    return files


def _initrd(root: Path, modules: Path) -> bytes:
    """Return an initrd that mounts the root: a shell with its own tools, and modules."""
    ordered = list(module_order(modules, _BOOT_MODULES))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "initrd")
        for inside in ("bin", "lib", "proc", "sys", "dev", "root"):
            (folder / inside).mkdir(parents=True)
        (folder / "init").write_text(_INIT)
        (folder / "modules").write_text("".join(f"{path.name}\n" for path in ordered))
        shutil.copyfile(root / "usr/bin/busybox", folder / "bin/busybox")
        for tool in _TOOLS:
            (folder / "bin" / tool).symlink_to("busybox")
        for path in ordered:
            shutil.copyfile(path, folder / "lib" / path.name)
        for path in (folder / "init", folder / "bin/busybox"):
            path.chmod(0o755)
        packed = Path(name, "packed")
        pack_initrd(folder, packed)
        return packed.read_bytes()


def _kernel_folders(root: Path) -> list[str]:
    """Return the folders of device trees, one for each kernel."""
    return [f"/usr/lib/{path.name}" for path in (root / "usr/lib").glob("linux-image-*")]


def _firmware(root: Path) -> dict[str, bytes]:
    """Return what the board's own firmware starts, and the device tree that it hands over.

    QEMU has no such firmware: it is given U-Boot, which looks for the device tree where it is here.
    """
    tree = next((root / "usr/lib").glob("linux-image-*/broadcom/bcm2837-rpi-3-b.dtb"))
    return {
        "/u-boot-rpi3.bin": (root / "usr/lib/u-boot/rpi_3/u-boot.bin").read_bytes(),
        "/dtb/broadcom/bcm2837-rpi-3-b.dtb": tree.read_bytes(),
    }


def _make_esp(disk: Path, files: dict[str, bytes], scratch: Path) -> None:
    """Make the first partition: what starts, and GRUB's way to the root's menu."""
    offset, size = _BOOT
    judge(
        "mkfs.fat",
        "-F",
        "16",
        "-i",
        "0F0A11CE",
        f"--offset={offset // SECTOR}",
        disk,
        str(size // 1024),
    )
    tree = TreeFolder(scratch / "esp")
    tree.folder.mkdir()
    for path, content in files.items():
        tree.add(path, File(content))
    chain = f"search -n -u {_ROOT_UUID} -s\nset prefix=($root)/boot/grub2\n"
    tree.add("/boot/grub2/grub.cfg", text(f"{chain}configfile /boot/grub2/grub.cfg\n"))
    tree.add("/config.txt", text("[all]\narm_64bit=1\nenable_uart=1\n"))
    judge(
        "mcopy", "-s", "-m", "-Q", "-i", f"{disk}@@{offset}", *sorted(tree.folder.iterdir()), "::/",
        env={"MTOOLS_SKIP_CHECK": "1"},
    )  # fmt: skip
