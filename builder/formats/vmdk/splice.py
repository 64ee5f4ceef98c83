"""A VMDK made from another one and what changed: untouched grains are copied as they are.

Source: Virtual Disk Format 5.0 (VMware technical note), "Stream-Optimized Compressed Sparse
Extents". Grains come in order of the disk, tables in front, whatever the base's layout was.
"""

from collections.abc import Iterator
from heapq import merge

from builder.formats.disk import SECTOR
from builder.formats.stream import Segment, Span
from builder.formats.vmdk.descriptor import resize_descriptor
from builder.formats.vmdk.front import check_size, iter_front, lay_out
from builder.formats.vmdk.grains import END_OF_STREAM
from builder.formats.vmdk.overlay import GrainOverlay
from builder.formats.vmdk.tables import GrainTables
from builder.structs import replace


class Splice:
    """The finished layout of a new VMDK.

    Attributes:
        size: Its length.

    Raises:
        FormatError: a grain of the base is not where its table says, or it gets too long.
    """

    def __init__(self, overlay: GrainOverlay) -> None:
        self._vmdk = overlay.vmdk
        header, self._descriptor = overlay.vmdk.header, overlay.vmdk.descriptor_sectors
        if overlay.size != overlay.vmdk.capacity:
            header = replace(header, capacity_sectors=overlay.size // SECTOR)
            self._descriptor = resize_descriptor(self._descriptor, header.capacity_sectors)
        self._header = lay_out(header, len(self._descriptor) // SECTOR)
        self._tables = GrainTables()
        self._body: list[Segment] = []
        self._sector = self._header.overhead_sectors
        self._place_all(overlay.pack())
        self.size = self._sector * SECTOR + len(END_OF_STREAM)

    def segments(self) -> Iterator[Segment]:
        """Yield the whole file; untouched grains are spans of the base."""
        yield from iter_front(self._header, self._descriptor, self._tables)
        yield from self._body
        yield END_OF_STREAM

    def _place_all(self, fresh: dict[int, Segment]) -> None:
        """Give every grain its place, in order of the disk."""
        old, measure, tables = self._vmdk.tables, self._vmdk.record_sectors, self._tables
        added = ((grain, 0) for grain in fresh if not old.has_data(grain))
        start = end = 0
        for grain, sector in merge(old.iter_allocated(), added):
            record = fresh.get(grain)
            if record is None:
                if sector != end:  # neighbours in the base become one span
                    self._take_over(start, end)
                    start = end = sector
                count = measure(grain, sector)
                end += count
            elif record:
                self._take_over(start, end)
                start = end = 0
                self._body.append(record)
                count = (record.length if isinstance(record, Span) else len(record)) // SECTOR
            else:
                continue
            tables[grain] = self._sector & 0xFFFF_FFFF
            self._sector += count
        self._take_over(start, end)
        check_size(self._sector + 1, self._vmdk.name)

    def _take_over(self, start: int, end: int) -> None:
        """Make a run of sectors of the base a part of the new file."""
        if end > start:
            offset = self._vmdk.offset + start * SECTOR
            self._body.append(Span(self._vmdk.fd, offset, (end - start) * SECTOR))


def splice(overlay: GrainOverlay) -> Splice:
    """Lay out the VMDK that ``overlay`` describes; nothing is written.

    Raises:
        FormatError: the base is damaged.
    """
    return Splice(overlay)
