"""A VMDK made from another one and what changed: untouched grains are copied as they are.

Source: Virtual Disk Format 5.0 (VMware technical note), "Stream-Optimized Compressed Sparse
Extents". Grains come in order of the disk, tables in front, whatever the base's layout was.
"""

from collections.abc import Iterator
from heapq import merge

from builder.formats.disk import SECTOR
from builder.formats.stream import Segment, Span
from builder.formats.vmdk.front import check_size, iter_front, lay_out
from builder.formats.vmdk.grains import END_OF_STREAM
from builder.formats.vmdk.overlay import GrainOverlay
from builder.formats.vmdk.tables import GrainTables


class Splice:
    """The finished layout of a new VMDK.

    Attributes:
        size: Its length.

    Raises:
        FormatError: a grain of the base is not where its table says, or it gets too long.
    """

    def __init__(self, overlay: GrainOverlay) -> None:
        self._vmdk = overlay.vmdk
        self._descriptor = overlay.vmdk.descriptor_sectors
        self._header = lay_out(overlay.vmdk.header, len(self._descriptor) // SECTOR)
        self._tables = GrainTables()
        self._body: list[Segment] = []
        self._run = (0, 0)
        self._sector = self._header.overhead_sectors
        self._place_all(overlay.pack())
        self.size = self._sector * SECTOR + len(END_OF_STREAM)

    def segments(self) -> Iterator[Segment]:
        """Yield the whole file; untouched grains are spans of the base."""
        yield from iter_front(self._header, self._descriptor, self._tables)
        yield from self._body
        yield END_OF_STREAM

    def _place_all(self, fresh: dict[int, bytes]) -> None:
        """Give every grain its place, in order of the disk."""
        old = self._vmdk.tables
        added = ((grain, 0) for grain in fresh if not old.has_data(grain))
        for grain, sector in merge(old.iter_allocated(), added):
            record = fresh.get(grain)
            if record is None:
                self._place_old(grain, sector)
            elif record:
                self._place_new(grain, record)
        self._end_run()
        check_size(self._sector + 1, self._vmdk.name)

    def _place_old(self, grain: int, sector: int) -> None:
        """Take a grain over; neighbours in the base become one span."""
        count = self._vmdk.record_sectors(grain, sector)
        start, end = self._run
        if sector == end:
            self._run = (start, end + count)
        else:
            self._end_run()
            self._run = (sector, sector + count)
        self._place(grain, count)

    def _place_new(self, grain: int, record: bytes) -> None:
        """Put a changed grain in."""
        self._end_run()
        self._body.append(record)
        self._place(grain, len(record) // SECTOR)

    def _place(self, grain: int, count: int) -> None:
        """Note where a grain stands."""
        self._tables[grain] = self._sector & 0xFFFF_FFFF
        self._sector += count

    def _end_run(self) -> None:
        """Turn the run of untouched grains into a span."""
        start, end = self._run
        if end > start:
            self._body.append(
                Span(
                    self._vmdk.fd,
                    self._vmdk.offset + start * SECTOR,
                    (end - start) * SECTOR,
                )
            )
        self._run = (0, 0)


def splice(overlay: GrainOverlay) -> Splice:
    """Lay out the VMDK that ``overlay`` describes; nothing is written.

    Raises:
        FormatError: the base is damaged.
    """
    return Splice(overlay)
