"""A stream-optimized VMDK that is read where it lies, one grain at a time.

Source: Virtual Disk Format 5.0 (VMware technical note), "Stream-Optimized Compressed Sparse
Extents". Grain directory and tables may stand in front (open-vmdk, qemu), at the end or
between the grains (VMware's tools, with a footer). Does not read disks in several files, deltas
of a parent, or any other kind of VMDK.
"""

import os

from builder.errors import FormatError
from builder.formats.disk import SECTOR
from builder.formats.reading import read_fully
from builder.formats.vmdk.descriptor import (
    Descriptor,
    check_stream_descriptor,
    parse_descriptor,
)
from builder.formats.vmdk.grains import (
    GRAIN_MARKER,
    Marker,
    Record,
    grain_sectors,
    inflate_grain,
    maximum_deflated_size,
    parse_marker,
)
from builder.formats.vmdk.header import (
    AT_END,
    HEADER_SIZE,
    SparseHeader,
    check_stream_header,
    parse_header,
)
from builder.formats.vmdk.tables import (
    ZERO_GRAIN,
    check_directory,
    read_directory,
    read_tables,
)
from builder.host import refusal

_TRUNCATED = "truncated? delete it from the cache and run again"
_MAXIMUM_DESCRIPTOR_SECTORS = 2048


class StreamOptimized:
    """A read-only view of a stream-optimized VMDK inside an open file.

    Attributes:
        fd: The file that it lies in.
        offset: Its first byte there.
        size: Its length; in whole sectors, ``size_sectors``.
        name: For messages.
        capacity: Bytes of the disk.
        grain_size: Bytes of a grain.
        header: The header, or the footer that replaces it.
        descriptor: The embedded descriptor, and as it stands there in ``descriptor_sectors``.
        tables: Where the grains lie.
        inflated: How many grains have been read so far.

    Raises:
        FormatError: it is another kind of file, truncated or damaged.
    """

    def __init__(self, fd: int, offset: int, size: int, *, name: str) -> None:
        self.fd = fd
        self.offset = offset
        self.size = size
        self.size_sectors = size // SECTOR
        self.name = name
        self.inflated = 0
        self.header = parse_header(self.read_at(0, min(size, HEADER_SIZE)), name)
        self.descriptor_sectors, self.descriptor = self._read_descriptor()
        check_stream_header(self.header, name)
        if self.header.directory_sector == AT_END:
            self.header = self._read_footer()
        self.capacity = self.header.capacity_sectors * SECTOR
        self.grain_size = self.header.grain_size
        self._grain_sectors = self.header.grain_sectors
        self._maximum_deflated = maximum_deflated_size(self.grain_size)
        self._check_capacity()
        self.directory = read_directory(
            self.read_sectors, self.header.directory_sector, self.header.table_count
        )
        check_directory(self.directory, self.size_sectors, name)
        self.tables = read_tables(self.read_sectors, self.directory)
        self._check_end()

    def read_at(self, offset: int, length: int) -> bytes:
        """Return bytes of the VMDK itself; fewer when the file ends.

        Raises:
            HostError: the file cannot be read.
        """
        if offset + length > self.size:
            length = max(0, self.size - offset)
        try:
            data = os.pread(self.fd, length, self.offset + offset)  # of each grain, its marker
            return (
                data if len(data) == length else read_fully(self.fd, length, self.offset + offset)
            )
        except OSError as error:
            raise refusal(error, self.name) from error

    def read_sectors(self, start_sector: int, count: int, what: str) -> bytes:
        """Return sectors of the VMDK itself.

        Raises:
            FormatError: they are not all there.
        """
        if not 1 <= start_sector <= self.size_sectors - count:
            raise FormatError(
                f"{self.name}: {what} lies at sectors {start_sector} to {start_sector + count}"
                f" of {self.size_sectors}",
                hint=_TRUNCATED,
            )
        raw = self.read_at(start_sector * SECTOR, count * SECTOR)
        if len(raw) != count * SECTOR:
            raise FormatError(f"{self.name}: the file ends inside {what}", hint=_TRUNCATED)
        return raw

    def read_grain(self, number: int) -> bytes | None:
        """Return a grain's content, ``None`` when all of it is zeros.

        Raises:
            FormatError: it is damaged.
        """
        sector = self.tables[number]
        if sector <= ZERO_GRAIN:
            return None
        count = self.record_sectors(number, sector)
        self.inflated += 1
        try:
            content = inflate_grain(self.read_sectors(sector, count, "a grain"), self.grain_size)
        except FormatError as error:
            raise FormatError(f"{self.name}: grain {number}: {error}") from error
        missing = self.grain_size - len(content)
        if missing and not self._may_be_short(number, len(content)):
            raise FormatError(
                f"{self.name}: grain {number} inflates to {len(content)} bytes,"
                f" wanted {self.grain_size}"
            )
        return content + bytes(missing) if missing else content

    def record_sectors(self, number: int, sector: int) -> int:
        """Return the length of a grain's record, its marker checked.

        Raises:
            FormatError: at that sector stands something else, or it is too long.
        """
        raw = self.read_at(sector * SECTOR, GRAIN_MARKER.size)
        if len(raw) != GRAIN_MARKER.size:
            raise FormatError(
                f"{self.name}: grain {number} lies at sector {sector} of {self.size_sectors}",
                hint=_TRUNCATED,
            )
        first_sector, size = GRAIN_MARKER.unpack(raw)
        wanted = number * self._grain_sectors
        if first_sector != wanted or not size:
            raise FormatError(
                f"{self.name}: grain {number}: the marker at sector {sector} is for disk sector"
                f" {first_sector} and {size} bytes, wanted disk sector {wanted}"
            )
        return self.check_length(number, sector, size)

    def check_length(self, number: int, sector: int, size: int) -> int:
        """Return the sectors of a record with ``size`` bytes of data, if that can be.

        Raises:
            FormatError: a grain never needs that much, or the file ends before.
        """
        count = -(-(GRAIN_MARKER.size + size) // SECTOR)
        if size > self._maximum_deflated:
            raise FormatError(
                f"{self.name}: grain {number}: {size} bytes of deflated data are more than"
                f" a grain of {self.grain_size} can need"
            )
        if sector + count > self.size_sectors:
            raise FormatError(
                f"{self.name}: grain {number} reaches to sector {sector + count}"
                f" of {self.size_sectors}",
                hint=_TRUNCATED,
            )
        return count

    def check(self, *, full: bool = False) -> None:
        """Check that stream and tables agree; ``full`` also inflates every grain.

        Raises:
            FormatError: naming the first thing that is wrong.
        """
        from builder.formats.vmdk.inspection import check_stream

        check_stream(self, full=full)

    def _read_descriptor(self) -> tuple[bytes, Descriptor]:
        """Return the embedded descriptor, refusing those of other kinds of disk."""
        start, count = self.header.descriptor_start_sector, self.header.descriptor_sectors
        if not start or not 0 < count <= _MAXIMUM_DESCRIPTOR_SECTORS:
            raise FormatError(
                f"{self.name}: has no embedded descriptor ({count} sectors at {start})",
                hint="wanted a stream-optimized VMDK, as OVAs contain",
            )
        raw = self.read_sectors(start, count, "the descriptor")
        descriptor = parse_descriptor(raw, self.name)
        check_stream_descriptor(descriptor, self.name)
        return raw, descriptor

    def _read_footer(self) -> SparseHeader:
        """Return the footer, which stands between its marker and the end-of-stream marker."""
        if self.size % SECTOR:
            raise FormatError(
                f"{self.name}: {self.size} bytes are no whole number of sectors", hint=_TRUNCATED
            )
        marker = self._marker_at(self.size_sectors - 3)
        if (marker.size, marker.type, marker.value) != (0, Marker.FOOTER, 1):
            raise FormatError(
                f"{self.name}: its grain directory is at the end, but there is no footer",
                hint=_TRUNCATED,
            )
        footer = parse_header(
            self.read_sectors(self.size_sectors - 2, 1, "the footer"), f"{self.name}: the footer"
        )
        check_stream_header(footer, f"{self.name}: the footer")
        if (footer.capacity_sectors, footer.grain_sectors) != (
            self.header.capacity_sectors,
            self.header.grain_sectors,
        ):
            raise FormatError(f"{self.name}: header and footer describe different disks")
        return footer

    def _check_capacity(self) -> None:
        """Refuse a header and a descriptor that do not agree on the disk's size."""
        wanted = self.descriptor.extents[0].capacity_sectors
        found, grain = self.header.capacity_sectors, self.header.grain_sectors
        # VMware's writers round the header up to a whole grain.
        if found not in {wanted, -(-wanted // grain) * grain}:
            raise FormatError(
                f"{self.name}: a capacity of {found} sectors, but its descriptor says {wanted}"
            )

    def _check_end(self) -> None:
        """Refuse a file that ends before its last grain does, or goes on after its end.

        qemu-img writes no end-of-stream marker: there the last grain ends with the file.
        """
        sector = self.tables.highest_sector()
        end = self.header.overhead_sectors
        if sector > ZERO_GRAIN:
            raw = self.read_at(sector * SECTOR, GRAIN_MARKER.size)
            size = GRAIN_MARKER.unpack(raw)[1] if len(raw) == GRAIN_MARKER.size else self.size
            end = sector + grain_sectors(size)
        if end > self.size_sectors or self.size % SECTOR:
            raise FormatError(
                f"{self.name}: its grains reach to sector {end}, the file has {self.size} bytes",
                hint=_TRUNCATED,
            )
        last = self._marker_at(self.size_sectors - 1)
        if end != self.size_sectors and (last.value, last.size, last.type) != (0, 0, Marker.END):
            raise FormatError(
                f"{self.name}: has no end-of-stream marker in its last sector", hint=_TRUNCATED
            )

    def _marker_at(self, sector: int) -> Record:
        return parse_marker(self.read_sectors(sector, 1, "a marker"))

    def _may_be_short(self, number: int, length: int) -> bool:
        """Return whether a grain may end here: the last one may stop where the disk does."""
        return number * self.grain_size + length >= self.capacity
