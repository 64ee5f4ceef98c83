"""Footers of fixed VHDs, judged by qemu-img."""

import json
import uuid
from pathlib import Path

import pytest

from builder.errors import FormatError
from builder.formats.disk import GIB, MIB
from builder.formats.vhd import Footer, format_footer, parse_footer, refuse_dynamic
from tests.support.judges import judge

FOOTER = Footer(8 * MIB, 1_700_000_000, uuid.UUID(int=7))


def test_a_footer_says_what_it_was_told() -> None:
    raw = format_footer(FOOTER)
    assert parse_footer(raw, disk_size=8 * MIB, name="it") == FOOTER


@pytest.mark.parametrize("size", [MIB, 3 * MIB, 512 * MIB, 16 * GIB, 16385 * MIB, 2040 * GIB])
def test_qemu_takes_the_size_as_it_is(size: int, tmp_path: Path) -> None:
    path = tmp_path / "x.vhd"
    with path.open("wb") as stream:
        stream.truncate(size)
        stream.seek(size)
        stream.write(format_footer(Footer(size, 1_700_000_000, uuid.UUID(int=1))))
    told = json.loads(judge("qemu-img", "info", "--output=json", "-f", "vpc", path).stdout)
    assert told["virtual-size"] == size


def test_qemus_own_footer_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.vhd"
    judge("qemu-img", "create", "-f", "vpc", "-o", "subformat=fixed,force_size", path, "10M")
    raw = path.read_bytes()
    assert parse_footer(raw[-512:], disk_size=10 * MIB, name="it").size == 10 * MIB


@pytest.mark.parametrize("kind", ["dynamic"])
def test_a_disk_that_is_not_fixed_is_named(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x.vhd"
    judge("qemu-img", "create", "-f", "vpc", "-o", f"subformat={kind}", path, "10M")
    raw = path.read_bytes()
    with pytest.raises(FormatError, match="the VHD is dynamic; wanted a fixed one"):
        parse_footer(raw[-512:], disk_size=10 * MIB, name="it")
    with pytest.raises(FormatError, match="the VHD is dynamic; wanted a fixed one"):
        refuse_dynamic(raw[:512], name="it")


@pytest.mark.parametrize("at", range(0, 512, 7))
def test_every_flipped_byte_is_found(at: int) -> None:
    raw = bytearray(format_footer(FOOTER))
    raw[at] ^= 0x41
    with pytest.raises(FormatError):
        parse_footer(bytes(raw), disk_size=8 * MIB, name="it")


def test_a_disk_that_was_cut_short_is_found() -> None:
    with pytest.raises(FormatError, match="a disk of 8388608 bytes, but 8388096 are there"):
        parse_footer(format_footer(FOOTER), disk_size=8 * MIB - 512, name="it")
