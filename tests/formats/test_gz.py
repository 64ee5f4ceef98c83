"""Gzip by many threads: one member, the right checksum, and the same bytes every time."""

import zlib

import pytest

from builder.formats.gz import combine_crc, iter_gz
from tests.support.judges import judge


@pytest.mark.parametrize("length", [0, 1, 511, 1 << 20, (1 << 20) + 1, 5_000_000])
def test_checksums_of_two_runs_combine(length: int) -> None:
    first, second = b"first run", bytes(range(256)) * (length // 256) + bytes(length % 256)
    combined = combine_crc(zlib.crc32(first), zlib.crc32(second), length)
    assert combined == zlib.crc32(first + second)


def test_zeros_cost_a_thousandth_and_have_the_right_checksum() -> None:
    data = b"".join(iter_gz([b"a", 5 * 1024**2 + 3, b"b"]))
    assert zlib.decompress(data, 31) == b"a" + bytes(5 * 1024**2 + 3) + b"b"
    assert len(data) < 40_000


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_the_number_of_threads_does_not_show(threads: int) -> None:
    pieces = [bytes([n]) * 100_000 for n in range(20)]
    assert b"".join(iter_gz(pieces, threads=threads)) == b"".join(iter_gz(pieces))


def test_there_is_one_member() -> None:
    data = b"".join(iter_gz([b"one", 100_000, b"two"]))
    decoder = zlib.decompressobj(31)
    decoder.decompress(data)
    assert (decoder.eof, decoder.unused_data) == (True, b"")


def test_more_than_four_gibibytes_wrap_in_the_trailer() -> None:
    size = (1 << 32) + 5
    *_, trailer = iter_gz([size])
    assert int.from_bytes(trailer[-4:], "little") == 5


def test_nothing_is_a_file_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("gz") / "empty.gz"
    path.write_bytes(b"".join(iter_gz([])))
    assert judge("gzip", "-dc", path).stdout == ""
