"""Artifacts opened for reading; each module is one container format."""

import importlib
import os
import pkgutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder.errors import BuilderError, FormatError, GuestError, HostError
from builder.facts import facts_of_build
from builder.formats.disk import Disk
from builder.formats.partition_types import purpose_of
from builder.guest.os_release import Release
from builder.host import refusal
from builder.roots.disk import Volume, mount_root, open_volumes, read_release
from builder.roots.mounted import MountedRoot
from builder.structs import Struct

if TYPE_CHECKING:
    from builder.formats.ovf import Envelope

HEAD_SIZE = 1 << 18
"""Enough for the first blocks of every compression to come out."""
TAIL_SIZE = 1 << 9


@dataclass(slots=True)
class Image:
    """An opened artifact.

    Attributes:
        kind: Name of the container, such as ``ova``.
        disk: The disk inside.
        facts: Properties of the container, for ``inspect``.
        check: Checks the container; ``full`` reads all of its data. Raises ``FormatError``.
        has_guest: Whether there is a disk in it that a guest runs from.
        envelope: What an appliance says of its hardware; ``None`` for all others.
    """

    kind: str
    disk: Disk
    facts: Mapping[str, Any]
    check: Callable[[bool], None]
    has_guest: bool = True
    envelope: "Envelope | None" = None
    _volumes: tuple[Volume, ...] | None = None

    def volumes(self) -> tuple[Volume, ...]:
        """Return the partitions of the disk, opened."""
        if self._volumes is None:
            self._volumes = open_volumes(self.disk, timestamp=0)
        return self._volumes

    def root(self) -> MountedRoot:
        """Return the tree that the guest sees."""
        return mount_root(self.volumes())


class Container(Struct, frozen=True):
    """A kind of artifact that can be opened.

    Attributes:
        name: As ``Image.kind``.
        sniff: Returns whether a file is one, from its first 256 KiB and its last 512 bytes.
        open: Opens it.
        order: Sniffed in this order: the pickiest first.
        is_direct: Whether a guest's file can be read without unpacking all of it.
    """

    name: str
    sniff: Callable[[bytes], bool]
    open: Callable[[Path], AbstractContextManager[Image]]
    order: int = 0
    is_direct: bool = False


def discover() -> tuple[Container, ...]:
    """Return every container in this package, in the order in which they are tried."""
    modules = (
        importlib.import_module(m.name) for m in pkgutil.iter_modules(__path__, f"{__name__}.")
    )
    return tuple(sorted((m.CONTAINER for m in modules), key=lambda c: (c.order, c.name)))


@contextmanager
def open_image(path: Path) -> Iterator[Image]:
    """Open an artifact by what it holds, not by its name.

    Raises:
        FormatError: the format is unknown, or the file is damaged.
        HostError: it cannot be read.
    """
    head = read_head(path)
    for container in discover():
        if container.sniff(head):
            with container.open(path) as image:
                yield image
            return
    raise _refusal(path, head)


def _refusal(path: Path, head: bytes) -> FormatError:
    """Return the error for a file of an unknown container format."""
    from builder.formats.foreign_disks import describe_head

    kind, hint = describe_head(head)
    known = ", ".join(container.name for container in discover())
    told = (
        f"is {kind}; wanted one of {known}" if kind else f"unknown format; known formats: {known}"
    )
    return FormatError(
        f"{path}: {told}" if head else f"{path}: the file is empty",
        hint=hint or "use an artifact of photon-builder or of Photon",
    )


def read_release_of(path: Path) -> Release | None:
    """Return what the guest in an artifact says it is.

    ``None`` when that would take unpacking all of it, when there is no Photon in it, and when it
    cannot be read: whoever opens it next says why.
    """
    try:
        head = read_head(path)
        kind = next((each for each in discover() if each.sniff(head)), None)
        if kind is None or not kind.is_direct:
            return None
        with kind.open(path) as image:
            return read_release(image.root()) if image.has_guest else None
    except BuilderError:
        return None


_SAMPLE = "sample"
"""``VARIANT_ID`` of the sample base."""


def describe(image: Image, *, packages: bool = False) -> dict[str, Any]:
    """Return the properties of an artifact: container, partitions, release.

    Args:
        image: The opened artifact.
        packages: List the installed packages, too.
    """
    if not image.has_guest:
        return {"kind": image.kind, **image.facts, "size": image.disk.size}
    found = {"kind": image.kind, **image.facts, "disk_size": image.disk.size}
    try:
        volumes = image.volumes()
    except FormatError as error:
        if image.envelope is None:
            raise
        return {**found, "partitions": [], "root": str(error)}  # its hardware is known
    try:
        root = image.root()
        release = read_release(root)
    except (FormatError, GuestError) as error:
        rows = [_row_of(volume, None) for volume in volumes]
        return {**found, "partitions": rows, "root": str(error)}
    said = {"release": release.version, "build": release.build, "base": name_base(release)}
    if packages:
        from builder.packages.installed import read_installed

        found["packages"] = [package.row() for package in read_installed(root)]
    return {**found, "partitions": [_row_of(volume, root) for volume in volumes], **said}


def _row_of(volume: Volume, root: MountedRoot | None) -> dict[str, Any]:
    """Return the properties of a partition."""
    part, filesystem = volume.partition, volume.filesystem
    mounts = root.mounts.items() if root and filesystem else ()
    return {
        "number": part.number,
        "offset": part.offset,
        "size": part.size,
        "type": part.type,
        "purpose": purpose_of(part.type),
        "name": part.name,
        "uuid": part.uuid,
        "holds": volume.kind,
        "label": filesystem.label if filesystem else "",
        "free": filesystem.free if filesystem else None,
        "mounted": [point for point, mounted in mounts if mounted is filesystem],
    }


def name_base(release: Release) -> str:
    """Return what a guest is a build of, by the commit that it was built from."""
    known = facts_of_build(release.version, release.build)
    name = f"{known.text} ({release.build})"
    if not known.is_known:
        stated = f"build {release.build}" if release.build else "no build number"
        name = f"Photon {release.version}, {stated}: not a published revision that is known here"
    is_sample = release.variant == _SAMPLE
    return f"the sample of {name}, which does not boot" if is_sample else name


def read_head(path: Path) -> bytes:
    """Return the first bytes of a file or a disk and, of a longer one, its last."""
    try:
        kind = path.stat().st_mode
        if stat.S_ISFIFO(kind) or stat.S_ISCHR(kind) or stat.S_ISSOCK(kind):
            raise HostError(f"{path}: is a pipe or a device; expected a file")
        with path.open("rb") as stream:
            head = stream.read(HEAD_SIZE)
            stream.seek(max(len(head), stream.seek(0, os.SEEK_END) - TAIL_SIZE))
            return head + stream.read(TAIL_SIZE)
    except OSError as error:
        raise refusal(error, path) from error
