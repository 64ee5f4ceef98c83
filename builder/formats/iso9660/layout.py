"""A changed ISO 9660 image as it will be written: spans of the old file, and what replaces them.

Does not decide what goes where: see ``append``.
"""

from collections.abc import Callable, Iterator, Sequence

from builder.errors import FormatError
from builder.formats.disk import MIB
from builder.formats.filesystem import Content
from builder.formats.iso9660.media_check import MediaSum, Summing, format_sum
from builder.formats.iso9660.volume import APPLICATION_USE, BLANK_USE
from builder.formats.reading import read_fully
from builder.formats.stream import Segment, Span
from builder.structs import Struct


class Patch(Struct, frozen=True):
    """Bytes that go to a place.

    Attributes:
        offset: Their place.
        length: How many there are.
        source: The bytes, content to be read, or ``None`` for zeros.
    """

    offset: int
    length: int
    source: bytes | Content | None


class IsoLayout(Struct, frozen=True):
    """An image to be written.

    Attributes:
        size: Bytes of the new file.
        fd: The old file, open.
        kept: Bytes of it that are still of use, from its beginning.
        patches: What is put over it, in order and apart from each other.
        descriptor: Offset of the primary descriptor.
        media_sum: The checksum it had implanted, to be made anew.
    """

    size: int
    fd: int
    kept: int
    patches: Sequence[Patch]
    descriptor: int
    media_sum: MediaSum | None = None

    @property
    def added(self) -> int:
        """Bytes that are not copied from the old file."""
        return sum(patch.length for patch in self.patches)

    def segments(self) -> Iterator[Segment]:
        """Yield what the new file consists of, for ``write_segments``.

        An image with an implanted checksum is read once more for that.

        Raises:
            FormatError: content is not as long as it said.
        """
        if self.media_sum is None:
            yield from self._with_use(lambda raw: raw)
            return
        summing = Summing(self.size, self.media_sum.skipped_blocks)
        for segment in self._with_use(_blank_use):
            for piece in _read(segment):
                summing.update(piece)
        text = format_sum(summing.result(supported=self.media_sum.supported))
        yield from self._with_use(lambda raw: _put_use(raw, text))

    def _with_use(self, edit: Callable[[bytes], bytes]) -> Iterator[Segment]:
        """Yield the segments with an edited primary descriptor."""
        position = 0
        for patch in self.patches:
            yield from self._gap(position, patch.offset)
            if patch.offset == self.descriptor and isinstance(patch.source, bytes):
                yield edit(patch.source)
            else:
                yield from _iter_patch(patch)
            position = patch.offset + patch.length
        yield from self._gap(position, self.size)

    def _gap(self, start: int, end: int) -> Iterator[Segment]:
        """Yield what lies between patches: the old file's bytes, zeros behind it."""
        kept = min(end, self.kept)
        if start < kept:
            yield Span(self.fd, start, kept - start)
        yield from _zeros(end - max(start, kept))


def _blank_use(raw: bytes) -> bytes:
    """Return a descriptor with a blank application use area."""
    return raw[: APPLICATION_USE.start] + BLANK_USE + raw[APPLICATION_USE.stop :]


def _put_use(raw: bytes, text: bytes) -> bytes:
    """Return a descriptor whose application use area begins with a text."""
    start = APPLICATION_USE.start
    return raw[:start] + text + raw[start + len(text) :]


def _iter_patch(patch: Patch) -> Iterator[bytes]:
    match patch.source:
        case None:
            yield from _zeros(patch.length)
        case bytes():
            yield patch.source
            yield from _zeros(patch.length - len(patch.source))
        case _:
            yield from _iter_content(patch.source)
            yield from _zeros(patch.length - patch.source.size)


def _iter_content(content: Content) -> Iterator[bytes]:
    """Yield exactly the bytes that content says it has."""
    left = content.size
    with content.open() as stream:
        while left:
            piece = stream.read(min(left, MIB))
            if not piece:
                break
            left -= len(piece)
            yield piece
        if left or stream.read(1):
            raise FormatError(
                f"a file to be added is not {content.size} bytes long any more",
                hint="was it changed while it was read? run again",
            )


def _zeros(count: int) -> Iterator[bytes]:
    for start in range(0, count, MIB):
        yield bytes(min(MIB, count - start))


def _read(segment: Segment) -> Iterator[bytes]:
    match segment:
        case Span(fd, offset, length):
            end = offset + length
            while offset < end:
                piece = read_fully(fd, min(MIB, end - offset), offset)
                if not piece:
                    raise FormatError(f"ISO 9660: the file ends at byte {offset}")
                yield piece
                offset += len(piece)
        case _:
            yield segment
