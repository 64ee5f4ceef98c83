"""Carry a plan into a disk image: unpack it to a sparse file, edit that, pack it again.

Zeros are neither written nor deflated, so the cost follows what the disk holds, not its size.
Scratch space is what the disk holds; memory is a few pieces for each processor.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from builder.carriers.edit import edit, in_disk_of
from builder.carriers.grow import fit_disk
from builder.carriers.packing import Packing, disk_size
from builder.formats.bmap import Stretches, make_bmap
from builder.formats.compression import Compression, iter_packed
from builder.formats.disk_file import Packed, unpack_disk
from builder.formats.disk_tar import format_header, format_trailer
from builder.formats.shadow import ShadowDisk
from builder.formats.sparse import STRETCH, SparseDisk, Window, iter_pieces, open_scratch
from builder.formats.stream import RangeDigest, digest_file, truncate, write_all, write_segments
from builder.formats.vhd import FOOTER_SIZE, Footer, format_footer
from builder.job import Job, Made
from builder.reproducible import derived_uuid
from builder.roots.disk import iter_used, open_root, open_volumes

BMAP = ".bmap"


def build_disk_image(job: Job, packing: Packing) -> Made:
    """Make a packed disk from a packed disk, whatever either is packed in.

    Raises:
        FormatError: the base is damaged, or holds no disk that can be edited.
        GuestError: the plan does not fit the base.
    """
    with _place(job, is_plain=packing.chosen(job.options) == (Compression.NONE, False)) as fd:
        with job.progress.count(f"unpacking {job.base.name}", None) as advance:
            disk, packed = unpack_disk(job.base, fd, advance)
        with in_disk_of(job.base):
            fit_disk(disk, disk_size(job.sections), packing.multiple, job)
            root = open_root(disk, timestamp=job.timestamp)
            done = edit(root, job.plan.steps, job.timestamp)
            root.flush()
        with ThreadPoolExecutor(1) as pool:
            digest = pool.submit(_content, job, packing, disk)
            sha256, beside = _finish(job, packing, disk, packed)
            content = digest.result()
    size = os.fstat(job.fd).st_size
    return Made(sha256, size, len(done), size, beside, content)


def _content(job: Job, packing: Packing, disk: SparseDisk) -> dict[str, int | str] | None:
    """Return size and digest of what a packed card image holds."""
    compression, archive = packing.chosen(job.options)
    if not packing.is_card or archive or compression == Compression.NONE:
        return None
    return {"size": disk.size, "sha256": digest_file(disk.fd, ["sha256"])["sha256"]}


@contextmanager
def _place(job: Job, *, is_plain: bool) -> Iterator[int]:
    """Open the file for the disk: the artifact itself when nothing is to be packed."""
    if is_plain:
        yield job.fd
        return
    with open_scratch(job.directory) as fd:
        yield fd


def _window(disk: SparseDisk) -> Window:
    """Return a whole disk."""
    return Window(disk.fd, 0, disk.size)


def _footer(job: Job, disk: SparseDisk) -> bytes:
    """Return the footer that makes a disk a VHD."""
    uuid = derived_uuid("vhd", job.name, job.plan.digest, str(disk.size))
    return format_footer(Footer(disk.size, job.timestamp, uuid))


def _finish(
    job: Job, packing: Packing, disk: SparseDisk, packed: Packed
) -> tuple[str, dict[str, str]]:
    """Make the artifact from an edited disk, and return its digest and what belongs beside it.

    What is not compressed is mostly holes: its digests are those of its block map.
    """
    name, archive = packing.chosen(job.options)
    compression = Compression(name)
    footer = _footer(job, disk) if packing.is_vhd else b""
    parts: list[bytes | Window] = [_window(disk), footer]
    if archive:
        parts = _parts(job, packing, disk, footer)
    is_card = not archive and not packing.is_vhd
    if compression is not Compression.NONE:
        return _write(job, parts, compression), {BMAP: _map(disk, {})} if is_card else {}
    if archive:
        _write_sparse(job.fd, parts)
    else:
        write_all(job.fd, footer, disk.size)
    known = {} if archive else _known(job, disk, packed)
    whole = Window(job.fd, 0, os.fstat(job.fd).st_size)
    return "", {BMAP: _map(disk, known) if is_card else make_bmap(whole, known=known)}


def _known(job: Job, disk: SparseDisk, packed: Packed) -> Stretches:
    """Return what is known of a copy of the base, where the copy was not changed."""
    if job.base_map is None or packed.member or packed.compression is not Compression.NONE:
        return {}
    return {
        at: ranges
        for at, ranges in job.base_map.stretches().items()
        if at not in disk.written and at + STRETCH <= disk.size
    }


def _map(disk: SparseDisk, known: Stretches) -> str:
    """Return the block map of a disk as it is written to a card."""
    used = iter_used(open_volumes(ShadowDisk(disk), timestamp=0))
    return make_bmap(_window(disk), used, known)


def _parts(job: Job, packing: Packing, disk: SparseDisk, footer: bytes) -> list[bytes | Window]:
    """Return what the tar with a disk consists of."""
    size = disk.size + (FOOTER_SIZE if footer else 0)
    header = format_header(packing.member.format(name=job.name), size, job.timestamp)
    return [header, _window(disk), footer, format_trailer(size, header)]


def _write(job: Job, parts: list[bytes | Window], compression: Compression) -> str:
    """Write the artifact and return its digest."""
    digest = RangeDigest("sha256")
    total = sum(part.size if isinstance(part, Window) else len(part) for part in parts)
    with job.progress.count("packing", total) as advance:
        packed = iter_packed(parts, compression, level=job.options.get("level"), advance=advance)
        write_segments(job.fd, packed, [digest])
    return digest.hexdigest()


def _write_sparse(fd: int, parts: list[bytes | Window]) -> None:
    """Write parts as they are, with holes for zeros."""
    offset = 0
    for piece in iter_pieces(parts):
        if isinstance(piece, bytes):
            write_all(fd, piece, offset)
        offset += piece if isinstance(piece, int) else len(piece)
    truncate(fd, offset)
