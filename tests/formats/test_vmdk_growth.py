"""A VMDK that becomes longer: header, descriptor and tables, as qemu-img reads them."""

import json
import random
import shutil
from pathlib import Path

import pytest

from builder.errors import FormatError
from builder.formats.disk import GIB, KIB, MIB, SECTOR, FileDisk
from builder.formats.stream import write_segments
from builder.formats.vmdk import GrainOverlay, StreamOptimized, splice
from builder.formats.vmdk.descriptor import parse_descriptor, resize_descriptor
from tests.formats.vmware_stream import VmwareStream
from tests.support.judges import judge

GRAIN = 64 * KIB
OLD = 64 * MIB
TEXT = b"""\
# Disk DescriptorFile
version=1
CID=12345678
parentCID=ffffffff
createType="streamOptimized"

# Extent description
RW 131072 SPARSE "a 131072 disk.vmdk"

# The Disk Data Base
ddb.geometry.cylinders = "8"
ddb.geometry.heads = "255"
ddb.geometry.sectors = "63"
ddb.longContentID = "131072"
"""


def base(folder: Path, layout: str, capacity: int = OLD) -> Path:
    """Return a small VMDK, its tables in front or at the end."""
    raw, path = folder / "base.raw", folder / "base.vmdk"
    source = random.Random(3)
    grains = {0: source.randbytes(GRAIN), 700: source.randbytes(GRAIN)}
    if layout == "at the end":
        path.write_bytes(VmwareStream(capacity // SECTOR, grains).make())
        judge("qemu-img", "convert", "-O", "raw", path, raw)
        return path
    with raw.open("wb") as stream:
        stream.truncate(capacity)
        for number, content in grains.items():
            stream.seek(number * GRAIN)
            stream.write(content)
    options = "subformat=streamOptimized"
    judge("qemu-img", "convert", "-O", "vmdk", "-o", options, raw, path)
    return path


def grow(path: Path, size: int, writes: dict[int, bytes]) -> Path:
    """Return a longer VMDK with something written to it."""
    grown = path.with_name("grown.vmdk")
    with path.open("rb") as stream:
        vmdk = StreamOptimized(stream.fileno(), 0, path.stat().st_size, name=path.name)
        overlay = GrainOverlay(vmdk)
        overlay.grow(size)
        for offset, data in writes.items():
            overlay.write(offset, data)
        with grown.open("w+b") as out:
            write_segments(out.fileno(), splice(overlay).segments())
    return grown


@pytest.mark.parametrize("size", [OLD + MIB, 3 * GIB, 100 * GIB], ids=str)
@pytest.mark.parametrize("layout", ["in front", "at the end"])
def test_a_grown_disk_is_what_a_grown_raw_disk_would_be(
    layout: str, size: int, tmp_path: Path
) -> None:
    path = base(tmp_path, layout)
    writes = {0: b"first", OLD - 3: b"across", size - 5: b"last!"}
    raw = tmp_path / "wanted.raw"
    shutil.copy(tmp_path / "base.raw", raw)
    with raw.open("r+b") as stream:
        stream.truncate(size)
    with FileDisk(raw, writable=True) as disk:
        for offset, data in writes.items():
            disk.write(offset, data)
    grown = grow(path, size, writes)
    judge("qemu-img", "check", grown)
    told = json.loads(judge("qemu-img", "info", "--output=json", grown).stdout)
    assert told["virtual-size"] == size
    judge("qemu-img", "compare", "-f", "raw", "-F", "vmdk", raw, grown)
    with grown.open("rb") as stream:
        vmdk = StreamOptimized(stream.fileno(), 0, grown.stat().st_size, name="grown")
        vmdk.check(full=True)
        assert vmdk.capacity == size


def test_a_disk_that_ends_inside_a_grain_does_not_grow(tmp_path: Path) -> None:
    path = base(tmp_path, "in front", OLD + SECTOR)
    with pytest.raises(FormatError, match="a disk of 67109376 bytes cannot grow"):
        grow(path, 2 * OLD, {})


@pytest.mark.parametrize("size", [OLD + 1, 63 << 40])
def test_a_size_that_no_vmdk_has_is_refused(size: int, tmp_path: Path) -> None:
    path = base(tmp_path, "in front")
    with pytest.raises(FormatError, match=f"cannot grow to {size}"):
        grow(path, size, {})


def test_two_numbers_of_a_descriptor_change() -> None:
    raw = TEXT.ljust(20 * SECTOR, b"\0")
    grown = resize_descriptor(raw, 33554432)
    wanted = TEXT.replace(b"RW 131072", b"RW 33554432")
    wanted = wanted.replace(b'cylinders = "8"', b'cylinders = "2088"')
    assert grown == wanted.ljust(20 * SECTOR, b"\0")
    assert parse_descriptor(grown, "x").extents[0].capacity_sectors == 33554432


def test_cylinders_have_sixteen_bits() -> None:
    assert b'cylinders = "65535"' in resize_descriptor(TEXT, 1 << 32)


def test_a_descriptor_without_room_gets_another_sector() -> None:
    full = TEXT + b"#" * (-len(TEXT) % SECTOR - 2) + b"\n\0"
    assert len(full) == SECTOR
    assert len(resize_descriptor(full, 33554432)) == 2 * SECTOR
