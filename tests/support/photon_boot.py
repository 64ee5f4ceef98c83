"""What boots a Photon root and mounts the rest: GRUB's files and fstab(5).

Own words with the effect of the installer's files; arguments and paths are theirs.
"""

from collections.abc import Iterator
from typing import Final

from tests.support.photon_releases import Placement, Release
from tests.support.tree import File, text

PATIENCE: Final = {
    "/etc/systemd/system.conf.d/emulated.conf": text("[Manager]\nDefaultDeviceTimeoutSec=15min\n")
}
"""For bases that boot: udev may find a disk later than systemd waits, on an emulated processor."""


def fstab(release: Release, placement: Placement) -> str:
    """Return fstab(5) as the release's installer writes it."""
    if release.ga:
        root = f"UUID={placement.boot_uuid} / ext4 defaults 1 1\n"
        return f"{root}/dev/cdrom /mnt/cdrom iso9660 ro,noauto 0 0\n"
    acl = "" if release.number == "5.0" else "noacl,"
    lines = ["#system\tmnt-pt\ttype\toptions\tdump\tfsck"]
    lines.append(
        f"PARTUUID={placement.root_partuuid}\t/\text4\tdefaults,barrier,noatime,{acl}data=ordered\t1\t1"
    )
    lines += [
        f"PARTUUID={uuid}\t{at}\t{kind}\tdefaults\t1\t2" for uuid, at, kind in placement.mounts
    ]
    lines.append("/dev/cdrom\t/mnt/cdrom\tiso9660\tro,noauto\t0\t0")
    return "\n".join(lines) + "\n"


def boot_files(release: Release, placement: Placement) -> Iterator[tuple[str, File]]:
    """Yield what GRUB reads on the root."""
    esx = (
        "init=/lib/systemd/systemd rcupdate.rcu_expedited=1 rw systemd.show_status=0 quiet "
        "noreplace-smp cpu_init_udelay=0"
    )
    yield (
        f"/boot/linux-{release.kernel}.cfg",
        text(
            f"# GRUB Environment Block\nphoton_cmdline={esx}\n"
            f"photon_linux=vmlinuz-{release.kernel}\nphoton_initrd=initrd.img-{release.kernel}\n"
        ),
    )
    yield (
        "/boot/systemd.cfg",
        text(f"# GRUB Environment Block\nsystemd_cmdline={release.systemd_cmdline}\n"),
    )
    yield "/boot/grub2/grub.cfg", text(_grub_cfg(placement), 0o600)


def _grub_cfg(placement: Placement) -> str:
    """Return the boot menu, which is written once and never regenerated."""
    at = "" if placement.has_boot_partition else "/boot"
    return f"""\
# Begin /boot/grub2/grub.cfg

set default=0
set timeout=5
search -n -u {placement.boot_uuid} -s
loadfont ascii
insmod gfxterm
set gfxmode="640x480"
gfxpayload=keep
terminal_output gfxterm
set theme={at}/grub2/themes/photon/theme.txt
load_env -f {at}/photon.cfg
if [ -f {at}/systemd.cfg ]; then
    load_env -f {at}/systemd.cfg
else
    set systemd_cmdline=net.ifnames=0
fi
set rootpartition=PARTUUID={placement.root_partuuid}

menuentry "Photon" {{
    linux {at}/$photon_linux root=$rootpartition $photon_cmdline $systemd_cmdline
    if [ -f {at}/$photon_initrd ]; then
        initrd {at}/$photon_initrd
    fi
}}
# End /boot/grub2/grub.cfg
"""
