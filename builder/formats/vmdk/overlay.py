"""A stream-optimized VMDK as a writable disk: changed grains are kept apart.

Some clean and some dirty grains are kept as they are, the dirty ones that have not been written
for longest are deflated in the background and put aside: in memory, or where there is more room.
The VMDK itself is never written; see :mod:`builder.formats.vmdk.splice`.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from builder.errors import FormatError
from builder.formats.disk import SECTOR
from builder.formats.spool import Spool, load
from builder.formats.stream import Segment
from builder.formats.vmdk.grains import deflate_grain, inflate_grain
from builder.formats.vmdk.header import MAXIMUM_CAPACITY
from builder.formats.vmdk.stream_optimized import StreamOptimized

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

_CLEAN_GRAINS = 32
_DIRTY_GRAINS = 128
_PACKING_GRAINS = 16
_THREADS = 2
_DROPPED = b""


class GrainOverlay:
    """Copy-on-write over a VMDK; implements :class:`builder.formats.disk.Disk`.

    Args:
        vmdk: What is read where nothing has been written.
        spool: Temporary storage of deflated grains; without it all stay in memory.
        dirty_grains: How many changed grains are kept inflated.
    """

    def __init__(
        self,
        vmdk: StreamOptimized,
        spool: Spool | None = None,
        *,
        dirty_grains: int = _DIRTY_GRAINS,
    ) -> None:
        self.vmdk = vmdk
        self.size = vmdk.capacity
        self._spill = spool
        self._dirty_grains = dirty_grains
        self._zeros = bytes(vmdk.grain_size)
        self._clean: OrderedDict[int, bytes] = OrderedDict()
        self._dirty: OrderedDict[int, bytearray] = OrderedDict()
        self._packing: OrderedDict[int, Future[bytes | None]] = OrderedDict()
        self._packed: dict[int, Segment] = {}
        self._pool: ThreadPoolExecutor | None = None

    def read(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes."""
        self._check(offset, length)
        pieces = [
            self._content(grain)[start:end] for grain, start, end in self._split(offset, length)
        ]
        return bytes(pieces[0]) if len(pieces) == 1 else b"".join(pieces)

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Replace bytes; what equals what is there changes nothing."""
        self._check(offset, len(data))
        view = memoryview(data)
        for grain, start, end in self._split(offset, len(view)):
            piece, view = view[: end - start], view[end - start :]
            if memoryview(self._content(grain))[start:end] != piece:
                self._writable(grain)[start:end] = piece

    def grow(self, size: int) -> None:
        """Make the disk longer; what is added reads as zeros.

        Raises:
            FormatError: a VMDK cannot have that size, or the last grain of the base is partial.
        """
        if self.vmdk.capacity % self.vmdk.grain_size or size % SECTOR or size > MAXIMUM_CAPACITY:
            raise FormatError(
                f"{self.vmdk.name}: a disk of {self.vmdk.capacity} bytes cannot grow to {size}"
            )
        self.size = size

    def pack(self) -> dict[int, Segment]:
        """Return the records of the grains that differ from the VMDK's, by grain number.

        An empty record stands for a grain that the VMDK has and that is all zeros now.
        """
        while self._dirty:
            self._deflate_oldest()
        while self._packing:
            self._settle(next(iter(self._packing)))
        return dict(sorted(self._packed.items()))

    def _check(self, offset: int, length: int) -> None:
        """Refuse what is not all on the disk."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise FormatError(
                f"{self.vmdk.name}: bytes {offset} to {offset + length} of a disk of {self.size}"
            )

    def _split(self, offset: int, length: int) -> Iterator[tuple[int, int, int]]:
        """Yield the grains of a range, each with first and last byte inside of it."""
        size = self.vmdk.grain_size
        grain, start = divmod(offset, size)
        while True:
            end = min(size, start + length)
            yield grain, start, end
            length -= end - start
            if length <= 0:
                return
            grain, start = grain + 1, 0

    def _content(self, grain: int) -> bytes | bytearray:
        dirty = self._dirty.get(grain)
        if dirty is not None:
            return dirty
        content = self._clean.get(grain)
        if content is None:
            content = self._clean[grain] = self._load(grain)
            if len(self._clean) > _CLEAN_GRAINS:
                self._clean.popitem(last=False)
        else:
            self._clean.move_to_end(grain)
        return content

    def _load(self, grain: int) -> bytes:
        """Inflate a grain, from what was put aside or from the VMDK."""
        if grain in self._packing:
            self._settle(grain)
        record = self._packed.get(grain)
        if record is None:
            return self.vmdk.read_grain(grain) or self._zeros
        return inflate_grain(load(record), self.vmdk.grain_size) if record else self._zeros

    def _writable(self, grain: int) -> bytearray:
        """Return a grain that may be changed, making room for it."""
        dirty = self._dirty.get(grain)
        if dirty is not None:
            self._dirty.move_to_end(grain)
            return dirty
        while len(self._dirty) >= self._dirty_grains:
            self._deflate_oldest()
        dirty = self._dirty[grain] = bytearray(self._content(grain))
        return self._forget(grain, dirty)

    def _forget(self, grain: int, dirty: bytearray) -> bytearray:
        """Drop what else is held of a grain that has become dirty."""
        self._clean.pop(grain, None)
        packed = self._packed.pop(grain, None)
        if packed is not None and self._spill is not None:
            self._spill.drop(packed)
        return dirty

    def _deflate_oldest(self) -> None:
        """Hand the dirty grain that was written longest ago to the threads."""
        from concurrent.futures import ThreadPoolExecutor

        if self._pool is None:
            self._pool = ThreadPoolExecutor(_THREADS)
        if len(self._packing) >= _PACKING_GRAINS:
            self._settle(next(iter(self._packing)))
        grain, content = self._dirty.popitem(last=False)
        self._packing[grain] = self._pool.submit(self._pack_grain, grain, content)

    def _settle(self, grain: int) -> None:
        """Wait until a grain has been deflated, and keep the record."""
        record = self._packing.pop(grain).result()
        if record is not None:
            self._packed[grain] = record if self._spill is None else self._spill.keep(record)

    def _pack_grain(self, grain: int, content: bytearray) -> bytes | None:
        """Return a grain's record, ``None`` when it is what the VMDK holds; runs in a thread."""
        if content == (self.vmdk.read_grain(grain) or self._zeros):
            return None
        if content == self._zeros:
            return _DROPPED
        return deflate_grain(grain * self.vmdk.header.grain_sectors, content)
