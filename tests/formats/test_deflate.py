"""Deflate by whichever library there is: the meaning is the same."""

import hashlib
import random
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.errors import FormatError
from builder.formats import deflate
from builder.formats.disk import KIB, MIB
from builder.formats.gz import iter_gz
from builder.formats.vmdk.grains import GRAIN_MARKER, deflate_grain, inflate_grain
from tests.support.judges import judge

CONTENT = random.Random(7).randbytes(40 * KIB) + bytes(24 * KIB)
"""Of a grain."""


@pytest.fixture(params=[(), ("isal",), ("isal", "zlib_ng")])
def missing(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, ...]]:
    """Libraries that are not installed."""
    names: tuple[str, ...] = request.param
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)
    for cached in (deflate.inflate_errors, deflate.checksum):
        cached.cache_clear()
    yield names
    for cached in (deflate.inflate_errors, deflate.checksum):
        cached.cache_clear()


def test_gzip_unpacks_it(missing: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / f"without-{len(missing)}.gz"
    path.write_bytes(b"".join(iter_gz([CONTENT, 3 * MIB])))
    said = judge("sh", "-c", f"gzip -dc {path} | sha256sum").stdout.split()[0]
    assert said == hashlib.sha256(CONTENT + bytes(3 * MIB)).hexdigest()


@pytest.mark.usefixtures("missing")
def test_a_grain_comes_back_and_damage_is_said() -> None:
    record = deflate_grain(128, CONTENT)
    size = GRAIN_MARKER.unpack_from(record)[1]
    data = record[GRAIN_MARKER.size :][:size]
    assert zlib.decompress(data) == CONTENT
    assert inflate_grain(record, len(CONTENT)) == CONTENT
    flipped = bytearray(record)
    flipped[GRAIN_MARKER.size + 1000] ^= 0xFF
    with pytest.raises(FormatError, match="does not inflate"):
        inflate_grain(bytes(flipped), len(CONTENT))
