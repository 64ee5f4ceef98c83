"""Virtual appliances: an OVF envelope, a disk and their digests in one tar archive.

Source: DSP0243 1.1, 5.3 "Distribution as a Single File": USTAR; the envelope is the first
member; the manifest may follow it, as ovftool does, or come last, as this module writes it,
because then one pass is enough.

Reads appliances with one disk in one file. A certificate is not checked, and not written: a
signature over other digests says nothing.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from builder.errors import FormatError
from builder.formats import magic
from builder.formats.disk import MIB
from builder.formats.mbr import has_boot_signature
from builder.formats.ovf import (
    DiskReference,
    Envelope,
    FileReference,
    Manifest,
    format_manifest,
    parse_envelope,
    parse_manifest,
)
from builder.formats.ovf.manifest import ALGORITHMS
from builder.formats.ovf.manifest import SIZE_LIMIT as MANIFEST_LIMIT
from builder.formats.ovf.xml import SIZE_LIMIT as ENVELOPE_LIMIT
from builder.formats.reading import read_fully
from builder.formats.stream import RangeDigest, Segment, Span, allocate, write_segments
from builder.formats.tar import BLOCK, FILE, RECORD, Member, format_header, padded, read_members
from builder.host import refusal
from builder.progress import Advance
from builder.structs import Struct

_PIECE = MIB
_BAD_NAME = re.compile(r"[/\\\x00-\x1f\x7f]")
_HINT = "use an appliance, as Photon publishes it for this target"


class Ova(Struct, frozen=True):
    """An opened appliance.

    Attributes:
        name: File name, for messages.
        fd: The file, open for reading.
        members: What the archive holds.
        envelope_name: The ``.ovf`` member.
        envelope: What it says.
        manifest: Digests; ``None`` when there are none.
        has_certificate: Whether it is signed.
    """

    name: str
    fd: int
    members: tuple[Member, ...]
    envelope_name: str
    envelope: Envelope
    manifest: Manifest | None
    has_certificate: bool

    @property
    def disk(self) -> tuple[Member, DiskReference]:
        """The only disk, and the member that holds it.

        Raises:
            FormatError: the appliance has no disk or several, or the disk is compressed or split.
        """
        disks = [disk for disk in self.envelope.disks if disk.file is not None]
        if len(disks) != 1 or disks[0].file is None:
            listed = ", ".join(disk.disk_id for disk in disks)
            raise FormatError(
                f"{self.name}: {len(disks)} disks with content{f' ({listed})' * bool(disks)}; "
                "wanted one"
            )
        file = disks[0].file
        if file.compression or file.is_chunked:
            state = f"compressed with {file.compression}" if file.compression else "split in chunks"
            raise FormatError(f"{self.name}: {file.href} is {state}; wanted a plain file")
        return self.member(file.href), disks[0]

    @property
    def others(self) -> tuple[tuple[str, Span], ...]:
        """Files of the envelope besides the disk, to be kept in a new appliance."""
        disk = self.disk[0].name
        kept = [self.member(file.href) for file in self.envelope.files if file.href != disk]
        return tuple((one.name, Span(self.fd, one.offset, one.size)) for one in kept)

    def member(self, name: str) -> Member:
        """Return the member of that name, which has been checked to be there."""
        return next(member for member in self.members if member.name == name)

    def check_digests(self, advance: Advance = lambda _: None) -> None:
        """Read every member that the manifest names and compare its digest.

        Raises:
            FormatError: a digest differs.
        """
        for line in self.manifest.lines if self.manifest else ():
            digest = hashlib.new(line.algorithm.lower(), usedforsecurity=False)
            for piece in self._pieces(self.member(line.name)):
                digest.update(piece)
                advance(len(piece))
            if digest.hexdigest() != line.digest:
                raise FormatError(
                    f"{self.name}: {line.name}: {line.algorithm} {digest.hexdigest()}; "
                    f"the manifest says {line.digest}",
                    hint="the file is damaged or was changed: download it again",
                )

    def vouches_for(self, member: Member) -> bool:
        """Return whether the manifest has a digest of a member."""
        lines = self.manifest.lines if self.manifest else ()
        return any(line.name == member.name for line in lines)

    def _pieces(self, member: Member) -> Iterator[bytes]:
        """Yield a member's content."""
        for offset in range(member.offset, member.offset + member.size, _PIECE):
            length = min(_PIECE, member.offset + member.size - offset)
            yield _read(self.fd, offset, length, f"{self.name}: {member.name}")


class OvaDigests(Struct, frozen=True):
    """What was written.

    Attributes:
        size: Length of the whole file.
        sha256: Its digest.
        manifest: Text of the manifest in it.
    """

    size: int
    sha256: str
    manifest: str


class Appliance(Struct, frozen=True):
    """What a new appliance consists of.

    Attributes:
        envelope_name: The ``.ovf`` file.
        envelope: Its text, which says the disk's name and size.
        disk_name: File of the disk.
        disk_size: Its length.
        disk_segments: Its bytes; they may be produced while they are written.
        algorithm: Of the manifest: ``SHA1``, ``SHA256`` or ``SHA512``.
        mtime: Time of every member, seconds since the epoch.
        others: Further files of the envelope.
    """

    envelope_name: str
    envelope: bytes
    disk_name: str
    disk_size: int
    disk_segments: Iterable[Segment]
    algorithm: str
    mtime: int
    others: Sequence[tuple[str, Span]] = ()


@contextmanager
def open_ova(path: Path) -> Iterator[Ova]:
    """Open an appliance and check that its parts fit each other; digests are not read.

    Raises:
        FormatError: it is not an OVA, is damaged, or contradicts itself.
        HostError: it cannot be read.
    """
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise refusal(error, path) from error
    try:
        yield _open(fd, path)
    finally:
        os.close(fd)


def write_ova(fd: int, appliance: Appliance, advance: Advance = lambda _: None) -> OvaDigests:
    """Write an appliance into an empty file in one pass, and return its digests.

    ``fd`` is open for reading and writing; ``advance`` is called with the bytes written.

    Raises:
        FormatError: a name cannot be a member's.
        HostError: it cannot be written.
    """
    if appliance.algorithm not in ALGORITHMS:
        raise ValueError(f"unknown manifest algorithm {appliance.algorithm}")
    plan = _Plan(appliance)
    whole = RangeDigest("sha256")
    allocate(fd, plan.total)
    size = write_segments(fd, plan.segments(), [whole, *plan.digests], advance)
    return OvaDigests(size, whole.hexdigest(), plan.manifest)


class _Plan:
    """The members of a new archive in order, and where each begins."""

    def __init__(self, new: Appliance) -> None:
        self._mtime = new.mtime
        self._algorithm = new.algorithm
        self._members: list[tuple[str, int, Iterable[Segment]]] = []
        self._end = 0
        self.digests: list[RangeDigest] = []
        self.manifest = ""
        self._add(new.envelope_name, len(new.envelope), (new.envelope,))
        self._add(new.disk_name, new.disk_size, new.disk_segments)
        for name, span in new.others:
            self._add(name, span.length, (span,))

    @property
    def total(self) -> int:
        """Length of the archive."""
        return -(-(self._end + BLOCK + padded(len(self._blank())) + 2 * BLOCK) // RECORD) * RECORD

    def segments(self) -> Iterator[Segment]:
        """Yield the archive; the manifest when everything before it has been written."""
        for name, size, segments in self._members:
            yield format_header(name, size, mtime=self._mtime)
            yield from _measured(segments, size, name)
            yield bytes(padded(size) - size)
        names = [name for name, _, _ in self._members]
        self.manifest = format_manifest(
            self._algorithm,
            zip(names, (digest.hexdigest() for digest in self.digests), strict=True),
        )
        text = self.manifest.encode()
        yield format_header(self._manifest_name(), len(text), mtime=self._mtime)
        yield text.ljust(padded(len(text)), b"\0")
        yield bytes(self.total - self._end - BLOCK - padded(len(text)))

    def _add(self, name: str, size: int, segments: Iterable[Segment]) -> None:
        _check_name(name, where="a new appliance")
        start = self._end + len(format_header(name, size, mtime=self._mtime))
        self._members.append((name, size, segments))
        self.digests.append(RangeDigest(self._algorithm.lower(), start, size))
        self._end = start + padded(size)

    def _manifest_name(self) -> str:
        """Return the name that belongs to the envelope's."""
        return f"{self._members[0][0].removesuffix('.ovf')}.mf"

    def _blank(self) -> bytes:
        """Return a manifest of the right length."""
        digits = "0" * 2 * hashlib.new(self._algorithm.lower(), usedforsecurity=False).digest_size
        return format_manifest(self._algorithm, [(m[0], digits) for m in self._members]).encode()


def _measured(segments: Iterable[Segment], size: int, name: str) -> Iterator[Segment]:
    """Yield segments, which must be ``size`` bytes together."""
    total = 0
    for segment in segments:
        total += segment.length if isinstance(segment, Span) else len(segment)
        yield segment
    if total != size:
        raise ValueError(f"{name} has {total} bytes, {size} were announced")


def _open(fd: int, path: Path) -> Ova:
    try:
        return _read_ova(fd, path.name)
    except IsADirectoryError as error:
        raise FormatError(f"{path}: is a directory; wanted an OVA file") from error
    except OSError as error:
        raise refusal(error, path) from error


def _read_ova(fd: int, name: str) -> Ova:
    """Read the table, the envelope and the manifest, and check them against each other."""
    size = os.lseek(fd, 0, os.SEEK_END)
    _refuse_other_formats(read_fully(fd, BLOCK, 0), name)
    members = read_members(fd, size, name=name)
    _check_members(members, name)
    envelope_member = members[0]
    raw = _read_small(fd, envelope_member, ENVELOPE_LIMIT, name)
    envelope = parse_envelope(raw, name=f"{name}: {envelope_member.name}")
    for file in envelope.files:
        _check_reference(file, members, name)
    manifest = _read_manifest(fd, members, name)
    return Ova(
        name=name,
        fd=fd,
        members=members,
        envelope_name=envelope_member.name,
        envelope=envelope,
        manifest=manifest,
        has_certificate=any(_suffix(member) == ".cert" for member in members),
    )


def _refuse_other_formats(head: bytes, name: str) -> None:
    """Refuse a file that is not a tar archive, naming its type when it is known."""
    if not head:
        raise FormatError(f"{name}: the file is empty")
    kind = magic.identify(head)
    if kind is not None and kind is not magic.TAR:
        raise FormatError(f"{name}: not an OVA but {kind.noun}", hint=_HINT)
    if has_boot_signature(head):
        raise FormatError(f"{name}: not an OVA but a raw disk", hint=_HINT)


def _check_members(members: tuple[Member, ...], name: str) -> None:
    """Refuse a member that has no place in an appliance."""
    if not members:
        raise FormatError(f"{name}: not an OVA but an empty archive")
    seen: set[str] = set()
    for member in members:
        _check_name(member.name, where=name)
        if member.kind != FILE:
            raise FormatError(f"{name}: {member.name} is a {member.kind}; wanted a regular file")
        if member.name in seen:
            raise FormatError(f"{name}: two members are named {member.name}")
        seen.add(member.name)
    envelopes = [member.name for member in members if _suffix(member) == ".ovf"]
    if len(envelopes) != 1:
        raise FormatError(
            f"{name}: a tar archive with {len(envelopes)} OVF envelopes; an OVA has one"
        )
    if envelopes[0] != members[0].name:
        raise FormatError(f"{name}: the first member is {members[0].name}; wanted {envelopes[0]}")


def _check_name(member: str, *, where: str) -> None:
    """Refuse a name that is not that of a file beside the envelope."""
    wrong = _BAD_NAME.search(member)
    surrogate = any("\ud800" <= c <= "\udfff" for c in member)
    if not member or member in {".", ".."} or wrong or surrogate:
        raise FormatError(f"{where}: a member is named {member!r}; wanted a plain file name")


def _check_reference(file: FileReference, members: tuple[Member, ...], name: str) -> None:
    """Refuse a file of the envelope that is not in the archive as announced."""
    found = [member for member in members if member.name == file.href]
    if file.is_chunked:
        return
    if not found:
        raise FormatError(f"{name}: the envelope names {file.href}, which is not in the archive")
    if file.size is not None and found[0].size != file.size:
        raise FormatError(
            f"{name}: {file.href} has {found[0].size} bytes; the envelope says {file.size}",
            hint="the file is damaged or was changed: download it again",
        )


def _read_manifest(fd: int, members: tuple[Member, ...], name: str) -> Manifest | None:
    """Read the manifest, if there is one; the files that it names must be there."""
    found = [member for member in members if _suffix(member) == ".mf"]
    if len(found) > 1:
        raise FormatError(f"{name}: {len(found)} manifests; wanted one")
    if not found:
        return None
    where = f"{name}: {found[0].name}"
    manifest = parse_manifest(_read_small(fd, found[0], MANIFEST_LIMIT, name), name=where)
    names = {member.name for member in members}
    for line in manifest.lines:
        if line.name not in names:
            raise FormatError(f"{where}: names {line.name}, which is not in the archive")
    return manifest


def _suffix(member: Member) -> str:
    """Return the end of a member's name from its last dot on."""
    return PurePosixPath(member.name).suffix.lower()


def _read_small(fd: int, member: Member, limit: int, name: str) -> bytes:
    """Return a member's whole content."""
    if member.size > limit:
        raise FormatError(f"{name}: {member.name} has {member.size} bytes; wanted at most {limit}")
    return _read(fd, member.offset, member.size, f"{name}: {member.name}")


def _read(fd: int, offset: int, length: int, where: str) -> bytes:
    """Return bytes of the file, which must all be there."""
    raw = read_fully(fd, length, offset)
    if len(raw) != length:
        raise FormatError(f"{where}: the file ends at byte {offset + len(raw)} while being read")
    return raw
