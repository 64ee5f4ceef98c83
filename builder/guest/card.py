"""What becomes of a board's card on the first boot: the root filesystem grows, swap is made.

Photon's ``resizefs.service`` gives the root nine tenths of the card and makes a swap partition of
the rest; it fails when there is no rest. Where no such partition is wanted, a unit of the same
name takes its place, so that everything that waits for it still does.

Sources: systemd.unit(5); sfdisk(8), partx(8), resize2fs(8); the kernel's zram documentation.
"""

from builder.engine.text.systemd import ETC
from builder.guest import patterns
from builder.guestpath import guest, join

UNIT = "resizefs.service"
UNIT_PATH = join(ETC, UNIT)
WANTED = join(ETC, "multi-user.target.wants", UNIT)
"""The link by which Photon's images enable it."""

SHARE = (9, 10)
"""Part of the disk at which Photon's unit ends the root."""

_SOURCES = ("LABEL=PHOTON_SWAP", "/dev/mmcblk0p3")
SWAP_LINES = f"^{patterns.BLANK}*({'|'.join(map(patterns.literal, _SOURCES))}){patterns.BLANK}"
"""Lines of fstab(5) for the partition that Photon's unit makes."""

GROW = guest("/usr/libexec/photon-builder/grow-root")
UNIT_TEXT = f"""\
[Unit]
Description=Let the root filesystem take the whole card
DefaultDependencies=no
Conflicts=shutdown.target
After=systemd-remount-fs.service
Before=systemd-sysusers.service sysinit.target shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={GROW}

[Install]
WantedBy=multi-user.target
"""
GROW_TEXT = """\
#!/bin/sh
# Lets the filesystem at a mount point, or the root, take the room that is behind its partition.
set -eu
source=$(findmnt -n -o SOURCE -M "${1:-/}")
part=$(readlink -f "/sys/class/block/$(basename "$(readlink -f "$source")")")
number=$(cat "$part/partition")
disk=$(dirname "$part")
device=/dev/$(basename "$disk")
end=$(($(cat "$part/start") + $(cat "$part/size")))
if [ $(($(cat "$disk/size") - end)) -gt 2048 ]; then
  # The table of a disk in use is written anyway; the kernel learns of this entry alone.
  echo ", +" | sfdisk --quiet --force --no-reread --no-tell-kernel -N "$number" "$device"
  partx --update --nr "$number" "$device"
fi
resize2fs "$source"
"""
