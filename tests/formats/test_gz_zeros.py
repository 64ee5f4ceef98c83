"""Our own gzip read back: zeros are skipped, and nothing else is."""

import gzip
import itertools
import random
import zlib
from collections.abc import Iterator
from io import BytesIO

import pytest

from builder.errors import FormatError
from builder.formats.compression import Compression, iter_stream
from builder.formats.disk import KIB, MIB
from builder.formats.gz import HEADER, TRAILER, iter_gz
from builder.formats.gz_zeros import InflateZeros
from builder.formats.sparse import Piece

NOISE = random.Random(7).randbytes(300 * KIB)
STREAMS: dict[str, list[Piece]] = {
    "nothing": [],
    "the same data again": [b"x" * MIB] * 6,
    "zeros alone": [20 * MIB],
    "short zeros": [b"a", 100, b"b"],
    "zeros between data": [NOISE, 9 * MIB + 5, NOISE[:7], 64 * MIB, NOISE],
    "zeros at both ends": [5 * MIB, b"x" * 2_000_000, 5 * MIB],
    "zeros that are data": [bytes(MIB), bytes(MIB), bytes(MIB), b"z", bytes(MIB)],
    "runs of other lengths": [
        3 * MIB + 70 * KIB,
        b"-",
        3 * MIB + 70 * KIB,
        b"-",
        64 * KIB,
        b"-",
        64 * KIB,
    ],
}


def whole(pieces: list[Piece]) -> bytes:
    return b"".join(bytes(each) if isinstance(each, int) else each for each in pieces)


def read(packed: bytes, sizes: Iterator[int]) -> tuple[bytes, InflateZeros]:
    """Feed a member in parts of these sizes; the first is taken to be no shorter than a header."""
    decoder = InflateZeros(zlib.decompressobj(-15))
    given, at, data = [], 0, b""
    while not decoder.eof:
        if decoder.wants_more:
            size = max(next(sizes), 0 if at else len(HEADER))
            data = packed[at : at + size]
            assert data, "asks for more than there is"
            at += size
        given.append(decoder.feed(data))
        data = b""
        assert len(given[-1]) <= MIB
    assert decoder.unused_data == packed[len(packed) - len(decoder.unused_data) : at]
    return b"".join(given), decoder


@pytest.mark.parametrize("level", [1, 2, 6, 9])
@pytest.mark.parametrize("name", STREAMS)
def test_what_is_read_is_what_was_written(name: str, level: int) -> None:
    packed = b"".join(iter_gz(STREAMS[name], level=level))
    wanted = whole(STREAMS[name])
    assert zlib.decompress(packed, 31) == wanted
    assert b"".join(iter_stream(BytesIO(packed), Compression.GZ, "x")) == wanted
    for size in (256 * KIB, len(packed)):
        assert read(packed, itertools.repeat(size))[0] == wanted


@pytest.mark.parametrize("seed", range(8))
def test_it_does_not_matter_where_the_input_is_cut(seed: int) -> None:
    chance = random.Random(seed)
    pieces: list[Piece] = [
        NOISE[: chance.randrange(5000)] if chance.random() < 0.4 else chance.randrange(1, 5 * MIB)
        for _ in range(12)
    ]
    packed = b"".join(iter_gz(pieces)) + b"behind"
    cuts = iter(lambda: chance.choice([1, 2, 3, 7, 500, 1039, 4000]), 0)
    assert read(packed, cuts)[0] == whole(pieces)


def test_most_zeros_are_not_decoded() -> None:
    packed = b"".join(iter_gz([NOISE, 200 * MIB, NOISE, 100 * MIB]))
    decoder = read(packed, itertools.repeat(256 * KIB))[1]
    assert 290 * MIB < decoder.skipped <= 298 * MIB


def test_more_than_four_gibibytes_have_the_right_checksum() -> None:
    packed = b"".join(iter_gz([b"a", (1 << 32) + MIB, b"b"]))
    pieces = iter_stream(BytesIO(packed), Compression.GZ, "x")
    assert sum(map(len, pieces)) == (1 << 32) + MIB + 2


def verdict(packed: bytes) -> bytes | None:
    """Return what gzip(1) makes of it, as zlib does it; ``None`` when it refuses."""
    decoder = zlib.decompressobj(31)
    try:
        out = decoder.decompress(packed)
    except zlib.error:
        return None
    return out if decoder.eof and not decoder.unused_data.strip(b"\0") else None


def test_damage_is_found_wherever_it_is() -> None:
    packed = b"".join(iter_gz([b"head", 7 * MIB, NOISE[:500], 3 * MIB]))
    found = set()
    for place in [*range(len(HEADER) + 40), *range(40, len(packed), 251), *range(-40, 0)]:
        for bit in (1, 128):
            damaged = bytearray(packed)
            damaged[place] ^= bit
            wanted = verdict(bytes(damaged))
            try:
                got: bytes | None = b"".join(iter_stream(BytesIO(damaged), Compression.GZ, "x"))
            except FormatError as error:
                found.add(str(error).partition(":")[2][:30])
                got = None
            assert got == wanted, place
    assert " damaged compressed data: inco" in found


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9, 0.999])
def test_a_cut_file_is_found(keep: float) -> None:
    packed = b"".join(iter_gz([NOISE, 50 * MIB, b"end"]))
    packed = packed[: max(len(HEADER), int(len(packed) * keep))]
    with pytest.raises(FormatError, match="truncated"):
        list(iter_stream(BytesIO(packed), Compression.GZ, "x"))


def test_zeros_left_out_or_repeated_are_missed_by_the_checksum() -> None:
    packed = b"".join(iter_gz([b"a", 50 * MIB, b"b"]))
    run = len(b"".join(iter_gz([2 * MIB]))) - len(b"".join(iter_gz([MIB])))
    middle = 20 * run
    for other in (
        packed[:middle] + packed[middle + run :],
        packed[: middle + run] + packed[middle:],
    ):
        assert verdict(other) is None
        with pytest.raises(FormatError, match="incorrect data check"):
            list(iter_stream(BytesIO(other), Compression.GZ, "x"))


def test_what_looks_like_packed_zeros_in_data_is_data() -> None:
    """A stored block may hold, byte by byte, what gave zeros just before."""
    deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
    zeros = deflate.compress(bytes(MIB)) + deflate.flush(zlib.Z_FULL_FLUSH)
    again = zlib.compressobj(6, zlib.DEFLATED, -15)
    same = again.compress(bytes(MIB)) + again.flush(zlib.Z_FULL_FLUSH)
    assert zeros == same
    content = zeros * 3
    stored = b"\0" + len(content).to_bytes(2, "little")
    stored += (len(content) ^ 0xFFFF).to_bytes(2, "little") + content
    plain = bytes(5 * MIB) + content + bytes(2 * MIB)
    packed = HEADER + zeros * 5 + stored + zeros * 2 + b"\x03\0"
    packed += TRAILER.pack(zlib.crc32(plain), len(plain))
    assert zlib.decompress(packed, 31) == plain
    got, decoder = read(packed, itertools.repeat(4096))
    assert got == plain
    assert decoder.skipped


def test_members_and_padding_may_follow() -> None:
    first, second = b"".join(iter_gz([5 * MIB, b"1"])), b"".join(iter_gz([b"2", 5 * MIB]))
    data = first + second + gzip.compress(b"3") + bytes(512)
    wanted = bytes(5 * MIB) + b"12" + bytes(5 * MIB) + b"3"
    assert b"".join(iter_stream(BytesIO(data), Compression.GZ, "x")) == wanted
    with pytest.raises(FormatError, match="unexpected data after"):
        list(iter_stream(BytesIO(first + b"else"), Compression.GZ, "x"))


class Bits:
    """Deflate data by hand, RFC 1951, 3.1.1: numbers begin with their lowest bit."""

    def __init__(self) -> None:
        self.bits = ""

    def number(self, value: int, size: int) -> "Bits":
        self.bits += f"{value:0{size}b}"[::-1]
        return self

    def codes(self, *codes: str) -> "Bits":
        self.bits += "".join(codes)
        return self

    def aligned(self, filler: str = "0") -> "Bits":
        self.bits += filler * (-len(self.bits) % 8)
        return self

    def __bytes__(self) -> bytes:
        bits = self.aligned().bits
        return bytes(int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8))


FLUSHED = b"\0\0\xff\xff"
ZERO, END, MATCH, NEAR, OTHER = "0", "10", "11", "0", "1"
"""Codes of the blocks below: a zero, the end, 258 bytes once more, and the two distances."""


def block(other: int) -> Bits:
    """Begin a block of those codes, RFC 1951, 3.2.7; ``other`` is the second distance's."""
    lengths = {0: "00", 1: "01", 2: "10", 18: "11"}
    bits = Bits().number(0b100, 3).number(29, 5).number(other, 5).number(14, 4)
    for symbol in (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1):
        bits.number(2 if symbol in lengths else 0, 3)
    bits.codes(lengths[1], lengths[18]).number(127, 7).codes(lengths[18]).number(106, 7)
    bits.codes(lengths[2], lengths[18]).number(17, 7).codes(lengths[2], lengths[1])
    if other > 1:
        bits.codes(lengths[18]).number(other - 1 - 11, 7)
    return bits.codes(lengths[1])


INSIDE = b"\xff" * 106 + FLUSHED
"""Within a block: 285 copies; it looks flushed, and ends with half of a code."""
OUT = b"\xff" * 105 + b"\0" + FLUSHED
"""Copies, the rest of the code that ends the block, and what is really flushed."""


@pytest.mark.parametrize("parts", [(INSIDE, INSIDE, OUT, INSIDE), (INSIDE, OUT, OUT)])
def test_what_gave_zeros_within_a_block_gives_none_outside(parts: tuple[bytes, ...]) -> None:
    """Such a stream is damaged; its checksum is that of the zeros that a guess would give."""
    start = bytes(block(1).codes(ZERO).aligned(ZERO))
    sizes, decoder = [], zlib.decompressobj(-15)
    for part in (start, *parts[:-1]):
        out = decoder.decompress(part)
        sizes.append(len(out))
        assert not out.strip(b"\0")
    guess = sum(sizes) + sizes[1 + parts.index(parts[-1])]
    ways = [guess] if parts[0] != parts[-1] else [guess, sum(sizes) + sizes[2]]
    for size in ways:
        end = b"\x03\0" + TRAILER.pack(zlib.crc32(bytes(size)), size)
        packed = HEADER + start + b"".join(parts) + end
        assert verdict(packed) is None
        with pytest.raises(FormatError, match="invalid block type"):
            list(iter_stream(BytesIO(packed), Compression.GZ, "x"))


def test_what_copies_zeros_copies_data_where_there_are_some() -> None:
    copies = block(16).codes(ZERO)
    for _ in range(130):
        copies.codes(MATCH, OTHER).number(50, 7)
    far = bytes(copies.codes(END, "000").aligned()) + FLUSHED
    assert far.count(FLUSHED) == 1
    writer = zlib.compressobj(6, zlib.DEFLATED, -15)
    parts = [bytes(MIB), bytes(MIB), b"x" * 40_000, bytes(10)]
    zeros, more, data, few = (
        writer.compress(part) + writer.flush(zlib.Z_FULL_FLUSH) for part in parts
    )
    stream = zeros + more + far + far + far + data + few + far + b"\x03\0"
    plain = zlib.decompressobj(-15).decompress(stream)
    assert b"x" in plain[-30_000:]
    packed = HEADER + stream + TRAILER.pack(zlib.crc32(plain), len(plain))
    got, decoder = read(packed, itertools.repeat(len(packed)))
    assert got == plain
    assert decoder.skipped
