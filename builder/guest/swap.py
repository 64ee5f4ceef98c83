"""Swap space that a unit makes on the first boot and turns on at every boot.

A file is written in full: the kernel refuses one with holes, and zeros in an image would make it
longer for nothing. Sources: swapon(8), mkswap(8), btrfs(5); the kernel's zram documentation.
"""

from builder.engine.text.systemd import ETC
from builder.guestpath import guest, join

UNIT = "photon-builder-swap.service"
UNIT_PATH = join(ETC, UNIT)
FILE = guest("/var/lib/photon-builder/swap")
SCRIPT = guest("/usr/libexec/photon-builder/swap")
SCRIPT_TEXT = """\
#!/bin/sh
# Turns swap on: `zram` is compressed memory, `file` a part of the disk; then its size in MiB.
set -eu
case $1 in
zram)
  modprobe zram
  memory=$(sed -n 's/^MemTotal: *\\([0-9]*\\) kB$/\\1/p' /proc/meminfo)
  mib=${2:-$((memory / 2048))}
  echo "${mib}M" >/sys/block/zram0/disksize
  mkswap /dev/zram0
  swapon --priority 100 /dev/zram0
  ;;
file)
  file=/var/lib/photon-builder/swap
  if [ ! -e "$file" ]; then
    mkdir -p "${file%/*}"
    umask 077
    rm -f "$file.new"
    free=$(($(stat -f -c '%a * %S' "${file%/*}") / 1048576))
    if [ "$free" -le "$2" ]; then
      echo "no room for a swap file of $2 MiB: $free MiB are free" >&2
      exit 1
    fi
    : >"$file.new"
    chattr +C "$file.new" 2>/dev/null || : # Btrfs swaps to files that are never copied on write
    if ! dd if=/dev/zero of="$file.new" bs=1M count="$2" conv=notrunc,fsync 2>/dev/null; then
      rm -f "$file.new"
      echo "a swap file of $2 MiB cannot be written" >&2
      exit 1
    fi
    mkswap "$file.new"
    sync
    mv "$file.new" "$file"
  fi
  swapon "$file"
  ;;
esac
"""


def format_unit(kind: str, size_mib: int | None) -> str:
    """Return the unit that turns swap on; ``kind`` is ``zram`` or ``file``.

    It comes after what grows the root on the first boot: Photon's unit on a board, cloud-init
    in a cloud.
    """
    words = " ".join(filter(None, (SCRIPT, kind, str(size_mib or ""))))
    return f"""\
[Unit]
Description=Swap space: {kind}
After=resizefs.service cloud-init.service local-fs.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={words}

[Install]
WantedBy=multi-user.target
"""
