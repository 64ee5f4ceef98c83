"""Disks that belong to a ZFS pool which is in use: ZFS tells the kernel nothing of its members.

Source: OpenZFS ``module/os/linux/spl/spl-kstat.c``: every imported pool has a folder in
``/proc/spl/kstat/zfs``. Which pool a disk is part of says its label, which only root may read;
without that right nothing is found here, and nothing can be written either.
"""

from collections.abc import Iterator

from builder.burn.devices import Device, clean
from builder.burn.safety import Refusal
from builder.burn.system import System
from builder.errors import FormatError
from builder.formats.partitions import read_partitions
from builder.formats.sparse import SparseDisk
from builder.formats.zfs import iter_labels


def pool_refusals(device: Device, system: System) -> Iterator[Refusal]:
    """Yield the pools in use that a disk or one of its partitions is part of."""
    folder = system.proc / "spl/kstat/zfs"
    pools = {entry.name for entry in folder.iterdir()} if folder.is_dir() else set[str]()
    for pool in sorted(pools & set(_iter_pools(device, system) if pools else ())):
        name = clean(pool)
        yield Refusal(
            f"is part of the ZFS pool {name}, which is in use",
            f"zpool export {name}, if it may be erased",
        )


def _iter_pools(device: Device, system: System) -> Iterator[str]:
    """Yield the pools that the labels of a disk name."""
    try:
        with system.below(str(device.path)).open("rb", buffering=0) as stream:
            disk = SparseDisk(stream.fileno(), device.size, name=str(device.path))
            try:
                runs = [(part.offset, part.size) for part in read_partitions(disk)]
            except FormatError:
                runs = []
            for offset, size in ((0, disk.size), *runs):
                yield from (pool for _, pool in iter_labels(disk, offset, size))
    except OSError:
        return
