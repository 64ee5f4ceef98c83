"""A disk as one root: its partitions looked into, the root found, the others mounted in it.

The root is found by what it holds, never by its number: Photon's is the second partition on
some media and the third on others. What else belongs to the tree is read from its fstab(5).
"""

from collections.abc import Iterator

from builder.engine.tree import read_text, resolve
from builder.errors import FormatError, GuestError
from builder.formats.disk import Disk, Partition
from builder.formats.ext4 import Ext4, is_ext4
from builder.formats.fat import Fat, is_fat
from builder.formats.partitions import read_partitions
from builder.formats.signatures import foreign_filesystem
from builder.guest import fstab, os_release
from builder.guestpath import GuestPath, guest
from builder.roots.mounted import MountedRoot
from builder.structs import Struct


class Volume(Struct, frozen=True):
    """A partition and what it holds.

    Attributes:
        partition: Where it lies.
        filesystem: The filesystem in it, if it is one that can be edited.
        kind: ``ext4``, ``fat``, or the name of what was found instead.
    """

    partition: Partition
    filesystem: Ext4 | Fat | None
    kind: str


def open_volumes(disk: Disk, *, timestamp: int) -> tuple[Volume, ...]:
    """Open what every partition of ``disk`` holds."""
    return tuple(_open_volume(disk, part, timestamp) for part in read_partitions(disk))


def mount_root(volumes: tuple[Volume, ...]) -> MountedRoot:
    """Return the tree that the guest sees, every partition of its fstab mounted.

    Raises:
        FormatError: no partition holds a Photon root that can be edited; says what was found.
    """
    for volume in volumes:
        if isinstance(volume.filesystem, Ext4):
            alone = MountedRoot({guest("/"): volume.filesystem})
            if is_photon(alone):
                return MountedRoot(dict(_mounts(alone, volume, volumes)))
    found = "; ".join(f"partition {v.partition.number}: {v.kind}" for v in volumes)
    raise FormatError(
        f"no partition is an ext4 root of Photon OS; found {found or 'no partitions'}",
        hint="customise an image that Photon publishes, or one installed with an ext4 root",
    )


def open_root(disk: Disk, *, timestamp: int) -> MountedRoot:
    """Open the root of a disk; see :func:`mount_root`."""
    return mount_root(open_volumes(disk, timestamp=timestamp))


def iter_used(volumes: tuple[Volume, ...]) -> Iterator[tuple[int, int]]:
    """Yield offset and length of what partitions hold, zeros included, in bytes of the disk.

    What is no ext4 counts as full.
    """
    for volume in volumes:
        part, filesystem = volume.partition, volume.filesystem
        if isinstance(filesystem, Ext4):
            for offset, length in filesystem.iter_used():
                yield part.offset + offset, length
        else:
            yield part.offset, part.size


def is_photon(root: MountedRoot) -> bool:
    """Return whether a tree is the root of a Photon OS."""
    try:
        read_release(root)
    except GuestError:
        return False
    return True


def read_release(root: MountedRoot) -> os_release.Release:
    """Return the release that a root states.

    Raises:
        GuestError: it is no Photon OS.
    """
    return os_release.parse_release(
        read_text(root, os_release.OS_RELEASE, missing=""),
        read_text(root, os_release.PHOTON_RELEASE, missing=""),
    )


def _open_volume(disk: Disk, part: Partition, timestamp: int) -> Volume:
    name = f"partition {part.number}"
    for kind, sniff, opened in (("ext4", is_ext4, Ext4), ("fat", is_fat, Fat)):
        if sniff(disk, part.offset):
            try:
                return Volume(part, opened(disk, part.offset, timestamp=timestamp, name=name), kind)
            except (FormatError, GuestError) as error:
                return Volume(part, None, f"{kind} that cannot be edited ({error})")
    return Volume(part, None, foreign_filesystem(disk, part.offset, part.size) or "nothing known")


def _mounts(
    alone: MountedRoot, own: Volume, volumes: tuple[Volume, ...]
) -> Iterator[tuple[GuestPath, Ext4 | Fat]]:
    """Yield mount point and filesystem of the root and of what its fstab mounts."""
    if own.filesystem is not None:
        yield guest("/"), own.filesystem
    for entry in fstab.parse_fstab(read_text(alone, fstab.FSTAB, missing="")):
        volume = _find(entry.source, volumes)
        if volume is None or volume is own or not entry.path.startswith("/"):
            continue
        point = resolve(alone, _mount_point(entry.path))
        if volume.filesystem is None:
            if volume.kind != "swap":
                raise FormatError(
                    f"partition {volume.partition.number}, mounted at {point}, holds "
                    f"{volume.kind}: it cannot be edited",
                )
            continue
        yield point, volume.filesystem


def _mount_point(path: str) -> GuestPath:
    """Return the mount point of a line of fstab(5).

    Raises:
        GuestError: it is not a valid path.
    """
    try:
        return guest(path)
    except ValueError:
        raise GuestError(f"{fstab.FSTAB}: {path!r} is not a valid mount point") from None


def _find(source: str, volumes: tuple[Volume, ...]) -> Volume | None:
    """Return the volume that the first field of an fstab line names."""
    return next((volume for volume in volumes if source in _names(volume)), None)


def _names(volume: Volume) -> set[str]:
    """Return the ways in which fstab(5) may name a volume of the only disk."""
    number, part = volume.partition.number, volume.partition
    names = {f"PARTUUID={part.uuid}", f"PARTUUID={part.uuid.upper()}"}
    names |= {f"/dev/{disk}{number}" for disk in ("sda", "vda", "xvda", "hda")}
    names |= {f"/dev/{disk}p{number}" for disk in ("nvme0n1", "mmcblk0")}
    if part.name:
        names.add(f"PARTLABEL={part.name}")
    if volume.filesystem is not None:
        names.add(f"UUID={volume.filesystem.uuid}")
        if volume.filesystem.label:
            names.add(f"LABEL={volume.filesystem.label}")
    return names
