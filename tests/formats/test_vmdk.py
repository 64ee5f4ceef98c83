"""Stream-optimized VMDKs: three layouts read, spliced and judged by qemu-img."""

import os
import random
import shutil
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from builder.errors import BuilderError, FormatError
from builder.formats.disk import GIB, KIB, MIB, SECTOR, FileDisk
from builder.formats.spool import Spool
from builder.formats.stream import write_segments
from builder.formats.vmdk import (
    GrainOverlay,
    StreamOptimized,
    make_empty,
    splice,
    write_stream_optimized,
)
from builder.formats.vmdk.descriptor import format_descriptor, parse_descriptor
from builder.formats.vmdk.front import check_size
from tests.formats.vmware_stream import VmwareStream, descriptor_text, of_raw
from tests.support.judges import judge

GRAIN = 64 * KIB
CAPACITY = 40 * MIB
LAYOUTS = ("qemu", "vmware", "ours")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small disk with a filesystem that holds real files."""
    directory = tmp_path_factory.mktemp("raw")
    content = directory / "content"
    shutil.copytree(Path(os.__file__).parent / "encodings", content)
    path = directory / "disk.raw"
    with path.open("wb") as stream:
        stream.truncate(CAPACITY)
    judge("mke2fs", "-q", "-t", "ext4", "-d", content, path)
    return path


@pytest.fixture(scope="module")
def layouts(raw: Path) -> dict[str, Path]:
    """The same disk as three writers put it."""
    found = {name: raw.with_name(f"{name}.vmdk") for name in LAYOUTS}
    judge(
        "qemu-img",
        "convert",
        "-f",
        "raw",
        "-O",
        "vmdk",
        "-o",
        "subformat=streamOptimized",
        raw,
        found["qemu"],
    )
    found["vmware"].write_bytes(of_raw(raw.read_bytes()).make())
    with FileDisk(raw) as disk, found["ours"].open("w+b") as out:
        write_stream_optimized(out.fileno(), disk)
    return found


@contextmanager
def opened(path: Path) -> Iterator[StreamOptimized]:
    with path.open("rb") as stream:
        yield StreamOptimized(stream.fileno(), 0, path.stat().st_size, name=path.name)


def write_splice(overlay: GrainOverlay, path: Path) -> Path:
    made = splice(overlay)
    with path.open("w+b") as out:
        assert write_segments(out.fileno(), made.segments()) == made.size
    return path


def small_stream(numbers: tuple[int, ...] = (0, 1, 700), capacity: int = 64 * MIB) -> VmwareStream:
    source = random.Random(7)
    return VmwareStream(
        capacity // SECTOR, {n: (b"%d " % n + source.randbytes(1500)).ljust(GRAIN) for n in numbers}
    )


def front_stream(directory: Path) -> Path:
    """The same grains with the tables in front, as this project writes them."""
    source, path = directory / "small.vmdk", directory / "front.vmdk"
    source.write_bytes(small_stream().make())
    with opened(source) as vmdk:
        return write_splice(GrainOverlay(vmdk), path)


def use(path: Path) -> None:
    """Do everything with a VMDK that a build does."""
    with opened(path) as vmdk:
        vmdk.check(full=True)
        overlay = GrainOverlay(vmdk)
        overlay.read(0, min(overlay.size, 2 * GRAIN))
        splice(overlay)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_reads_as_the_raw_disk(
    layout: str, layouts: dict[str, Path], raw: Path
) -> None:
    with opened(layouts[layout]) as vmdk:
        assert vmdk.capacity == CAPACITY
        assert vmdk.grain_size == GRAIN
        assert vmdk.descriptor.create_type == "streamOptimized"
        assert GrainOverlay(vmdk).read(0, CAPACITY) == raw.read_bytes()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_passes_the_full_check(layout: str, layouts: dict[str, Path]) -> None:
    use(layouts[layout])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_qemu_reads_an_edited_disk_as_it_would_be_raw(
    layout: str, layouts: dict[str, Path], raw: Path, tmp_path: Path
) -> None:
    edited = tmp_path / "edited.raw"
    shutil.copy(raw, edited)
    source = random.Random(1)
    with FileDisk(edited, writable=True) as disk, opened(layouts[layout]) as vmdk:
        overlay = GrainOverlay(vmdk)
        for _ in range(30):
            data = source.randbytes(source.randrange(1, 3 * GRAIN))
            offset = source.randrange(CAPACITY - len(data))
            disk.write(offset, data)
            overlay.write(offset, data)
        out = write_splice(overlay, tmp_path / "out.vmdk")
    judge("qemu-img", "check", out)
    judge("qemu-img", "compare", "-f", "raw", "-F", "vmdk", edited, out)
    use(out)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_ours_writes_is_what_qemu_reads(
    layout: str, layouts: dict[str, Path], raw: Path
) -> None:
    judge("qemu-img", "compare", "-f", "raw", "-F", "vmdk", raw, layouts[layout])


def test_a_splice_without_changes_gives_the_same_bytes(
    layouts: dict[str, Path], tmp_path: Path
) -> None:
    with opened(layouts["ours"]) as vmdk:
        out = write_splice(GrainOverlay(vmdk), tmp_path / "out.vmdk")
    assert out.read_bytes() == layouts["ours"].read_bytes()


def test_a_redundant_directory_is_kept(layouts: dict[str, Path], tmp_path: Path) -> None:
    with opened(layouts["qemu"]) as vmdk:
        out = write_splice(GrainOverlay(vmdk), tmp_path / "out.vmdk")
    with opened(out) as made:
        assert made.header.redundant_directory_sector == 21
        assert made.header.directory_sector > 21
        made.check()


def test_runs_of_untouched_grains_become_one_span(layouts: dict[str, Path]) -> None:
    with opened(layouts["ours"]) as vmdk:
        overlay = GrainOverlay(vmdk)
        overlay.write(5 * GRAIN + 9, b"x" * 9)
        spans = [one for one in splice(overlay).segments() if not isinstance(one, bytes)]
    assert len(spans) == 2


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_edit_inflates_only_the_grains_it_touches(layout: str, layouts: dict[str, Path]) -> None:
    with opened(layouts[layout]) as vmdk:
        overlay = GrainOverlay(vmdk)
        for _ in range(50):
            overlay.read(1024, 1024)
            overlay.write(2048, os.urandom(64))
        assert vmdk.inflated == 1
        splice(overlay)
        assert vmdk.inflated == 2


def test_a_sparse_disk_of_16_gib_is_spliced(tmp_path: Path) -> None:
    raw, base = tmp_path / "raw", tmp_path / "base.vmdk"
    with FileDisk(_sparse(raw, 16 * GIB), writable=True) as disk:
        disk.write(9 * GIB, b"here" * 1000)
        judge(
            "qemu-img",
            "convert",
            "-f",
            "raw",
            "-O",
            "vmdk",
            "-o",
            "subformat=streamOptimized",
            raw,
            base,
        )
        disk.write(15 * GIB + 77, b"there")
    with opened(base) as vmdk:
        overlay = GrainOverlay(vmdk)
        overlay.write(15 * GIB + 77, b"there")
        out = write_splice(overlay, tmp_path / "out.vmdk")
    judge("qemu-img", "compare", "-f", "raw", "-F", "vmdk", raw, out)
    use(out)


def _sparse(path: Path, size: int) -> Path:
    with path.open("wb") as stream:
        stream.truncate(size)
    return path


def test_a_vmdk_inside_another_file_is_found_at_its_offset(tmp_path: Path) -> None:
    stream = small_stream()
    inside = stream.make()
    path = tmp_path / "member"
    path.write_bytes(b"#" * 1536 + inside + b"#" * 700)
    with path.open("rb") as file:
        vmdk = StreamOptimized(file.fileno(), 1536, len(inside), name="disk1.vmdk")
        vmdk.check(full=True)
        assert vmdk.read_grain(700) == stream.grains[700]
        out = write_splice(GrainOverlay(vmdk), tmp_path / "out.vmdk")
    with opened(out) as made:
        assert made.read_grain(700) == stream.grains[700]


@pytest.mark.parametrize("in_memory", [0, 5 * GRAIN, 100 * GRAIN])
def test_an_overlay_behaves_as_a_bytearray_with_any_budget(in_memory: int, tmp_path: Path) -> None:
    path = tmp_path / "base.vmdk"
    path.write_bytes(of_raw(random.Random(3).randbytes(20 * GRAIN + 1536)).make())
    source = random.Random(4)
    with opened(path) as vmdk, Spool(tmp_path, in_memory=in_memory) as spool:
        overlay = GrainOverlay(vmdk, spool, dirty_grains=3)
        model = bytearray(overlay.read(0, overlay.size))
        for _ in range(300):
            length = source.randrange(1, 3 * GRAIN)
            offset = source.randrange(overlay.size - length)
            data = source.choice((bytes(length), source.randbytes(length), b"a" * length))
            overlay.write(offset, data)
            model[offset : offset + length] = data
            at = source.randrange(overlay.size - 5000)
            assert overlay.read(at, 5000) == model[at : at + 5000]
        out = write_splice(overlay, tmp_path / "out.vmdk")
        assert overlay.read(0, overlay.size) == model
    with opened(out) as made:
        assert GrainOverlay(made).read(0, len(model)) == model
        made.check(full=True)


def test_what_equals_what_is_there_is_no_change(tmp_path: Path) -> None:
    path = front_stream(tmp_path)
    with opened(path) as vmdk:
        overlay = GrainOverlay(vmdk)
        overlay.write(0, overlay.read(0, 3 * GRAIN))
        old = overlay.read(700 * GRAIN, 100)
        overlay.write(700 * GRAIN, b"other")
        overlay.write(700 * GRAIN, old)
        overlay.write(400 * GRAIN, bytes(3 * GRAIN))
        assert overlay.pack() == {}


def test_a_grain_that_becomes_zero_is_dropped(tmp_path: Path) -> None:
    path = front_stream(tmp_path)
    with opened(path) as vmdk:
        overlay = GrainOverlay(vmdk)
        overlay.write(GRAIN, bytes(GRAIN))
        out = write_splice(overlay, tmp_path / "out.vmdk")
    with opened(out) as made:
        assert [number for number, _ in made.tables.iter_allocated()] == [0, 700]
        assert GrainOverlay(made).read(GRAIN, GRAIN) == bytes(GRAIN)


def test_memory_grows_with_what_changes_deflate_to(tmp_path: Path) -> None:
    path = tmp_path / "empty.vmdk"
    path.write_bytes(make_empty(GIB))
    tracemalloc.start()
    try:
        with opened(path) as vmdk:
            overlay = GrainOverlay(vmdk, dirty_grains=16)
            for offset in range(0, 32 * MIB, 4 * KIB):
                overlay.write(100 * MIB + offset, b"%16d" % offset * 256)
            peak = tracemalloc.get_traced_memory()[1]
            assert splice(overlay).size < 4 * MIB
    finally:
        tracemalloc.stop()
    assert peak < 10 * MIB


def test_memory_does_not_grow_with_what_changes_when_there_is_another_place(tmp_path: Path) -> None:
    path = tmp_path / "empty.vmdk"
    path.write_bytes(make_empty(GIB))
    source = random.Random(5)
    tracemalloc.start()
    try:
        with opened(path) as vmdk, Spool(tmp_path, in_memory=MIB) as spool:
            overlay = GrainOverlay(vmdk, spool, dirty_grains=16)
            for offset in range(0, 32 * MIB, GRAIN):
                overlay.write(100 * MIB + offset, source.randbytes(GRAIN))
            out = write_splice(overlay, tmp_path / "out.vmdk")
            peak = tracemalloc.get_traced_memory()[1]
            assert out.stat().st_size > 32 * MIB
    finally:
        tracemalloc.stop()
    assert peak < 8 * MIB
    with opened(out) as made:
        made.check(full=True)


@pytest.mark.parametrize(("offset", "length"), [(-1, 4), (64 * MIB - 3, 4), (1 << 63, 1)])
def test_an_overlay_refuses_what_is_not_on_the_disk(
    offset: int, length: int, tmp_path: Path
) -> None:
    with opened(front_stream(tmp_path)) as vmdk:
        overlay = GrainOverlay(vmdk)
        with pytest.raises(FormatError, match="of a disk of 67108864"):
            overlay.read(offset, length)
        with pytest.raises(FormatError, match="of a disk of 67108864"):
            overlay.write(offset, b"x" * length)


@pytest.mark.parametrize("capacity", [SECTOR, GRAIN + SECTOR, 33 * MIB, 16 * GIB])
def test_an_empty_disk_can_be_written_to(capacity: int, tmp_path: Path) -> None:
    path = tmp_path / "empty.vmdk"
    path.write_bytes(make_empty(capacity))
    judge("qemu-img", "check", path)
    with opened(path) as vmdk:
        overlay = GrainOverlay(vmdk)
        overlay.write(capacity - 5, b"ends.")
        out = write_splice(overlay, tmp_path / "out.vmdk")
    with opened(out) as made:
        made.check(full=True)
        assert GrainOverlay(made).read(capacity - 6, 6) == b"\0ends."
    assert f"({capacity} bytes)" in judge("qemu-img", "info", out).stdout


@pytest.mark.parametrize("capacity", [0, 511, (62 << 40) + 512])
def test_a_capacity_that_no_vmdk_has_is_refused(capacity: int) -> None:
    with pytest.raises(FormatError, match=f"a disk of {capacity} bytes"):
        make_empty(capacity)


def test_runs_leave_out_what_they_do_not_name(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.vmdk"
    with FileDisk(raw) as disk, out.open("w+b") as stream:
        runs = [(10, 5), (GRAIN - 1, 2), (GRAIN + 7, 1)]
        size = write_stream_optimized(stream.fileno(), disk, runs=runs)
    assert size == out.stat().st_size
    with opened(out) as vmdk:
        assert {number for number, _ in vmdk.tables.iter_allocated()} <= {0, 1}
        assert GrainOverlay(vmdk).read(0, GRAIN) == raw.read_bytes()[:GRAIN]
        vmdk.check(full=True)


def test_a_file_longer_than_its_tables_can_count_is_refused() -> None:
    check_size((1 << 32) - 1, "x.vmdk")
    with pytest.raises(FormatError, match="would be 4294967296 sectors long"):
        check_size(1 << 32, "x.vmdk")


def test_a_descriptor_survives_being_written() -> None:
    first = parse_descriptor(descriptor_text(4096), "x")
    assert first.extents[0].filename == "generated-stream.vmdk"
    assert first.entries["ddb.adapterType"] == "lsilogic"
    assert parse_descriptor(format_descriptor(first), "x") == first


def cuts() -> list[int]:
    """Where the VMware layout is cut: at each structure, and inside of it."""
    stream = small_stream()
    size = len(stream.make())
    starts = [0, 4, SECTOR, 21 * SECTOR, 128 * SECTOR, *stream.places.values(), size - SECTOR]
    near = {start + step for start in starts for step in (0, 1, 5, 12, SECTOR - 1, SECTOR)}
    return sorted(cut for cut in near if cut < size)


@pytest.mark.parametrize("cut", cuts())
def test_a_truncated_vmware_stream_is_refused(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "cut.vmdk"
    path.write_bytes(small_stream().make()[:cut])
    with pytest.raises(FormatError):
        use(path)


@pytest.mark.parametrize("layout", ["qemu", "ours"])
def test_a_truncated_stream_with_tables_in_front_is_refused(
    layout: str, layouts: dict[str, Path], tmp_path: Path
) -> None:
    whole = layouts[layout].read_bytes()
    with opened(layouts[layout]) as vmdk:
        places = {0, 1, 21, vmdk.header.directory_sector, vmdk.header.overhead_sectors}
        places |= {*vmdk.directory, vmdk.header.redundant_directory_sector}
        *_, (_, before), (number, last) = vmdk.tables.iter_allocated()
        end = (last + vmdk.record_sectors(number, last)) * SECTOR
    cuts = {at * SECTOR + step for at in {*places, before, last} for step in (0, 1, 12, 511, 512)}
    path = tmp_path / "cut.vmdk"
    for cut in {*cuts, end - 1, end + 1}:
        if cut != end:
            path.write_bytes(whole[:cut])
            with pytest.raises(FormatError):
                use(path)


def test_qemu_may_leave_out_the_end_marker(tmp_path: Path) -> None:
    raw, path = tmp_path / "raw", tmp_path / "out.vmdk"
    raw.write_bytes(random.Random(2).randbytes(3 * GRAIN))
    judge(
        "qemu-img",
        "convert",
        "-f",
        "raw",
        "-O",
        "vmdk",
        "-o",
        "subformat=streamOptimized",
        raw,
        path,
    )
    with opened(path) as vmdk:
        end = vmdk.tables[2] + vmdk.record_sectors(2, vmdk.tables[2])
        assert end == vmdk.size_sectors
    use(path)


def test_only_errors_for_users_come_out_of_flipped_bits(tmp_path: Path) -> None:
    source = random.Random(11)
    refused = 0
    images = (small_stream().make(), front_stream(tmp_path).read_bytes())
    path = tmp_path / "flipped.vmdk"
    for turn in range(400):
        image = bytearray(images[turn % 2])
        for _ in range(source.choice((1, 1, 3))):
            where = source.choice((source.randrange(80), source.randrange(len(image))))
            image[where] ^= 1 << source.randrange(8)
        path.write_bytes(image)
        try:
            use(path)
        except BuilderError:
            refused += 1
    assert refused > 150


def _at(offset: int, layout: str, value: int) -> Callable[[bytearray], None]:
    return lambda image: struct.pack_into(layout, image, offset, value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(_at(0, "<I", 0x56444D4C), "begins with b'LMDV'", id="magic"),
        pytest.param(_at(0, "<I", 0x44574F43), "a VMFS sparse disk", id="cowd"),
        pytest.param(_at(4, "<I", 4), "version 4", id="version"),
        pytest.param(_at(8, "<I", 0x20001), "not compressed", id="plain"),
        pytest.param(_at(8, "<I", 0x10001), "no markers", id="unmarked"),
        pytest.param(_at(12, "<Q", 0), "capacity of 0 sectors", id="empty"),
        pytest.param(_at(12, "<Q", 1 << 50), "capacity of 1125899906842624", id="huge"),
        pytest.param(_at(12, "<Q", 131072 * 2), "its descriptor says 131072", id="other size"),
        pytest.param(_at(20, "<Q", 100), "grains of 100 sectors", id="odd grain"),
        pytest.param(_at(20, "<Q", 4), "grains of 4 sectors", id="tiny grain"),
        pytest.param(_at(20, "<Q", 4096), "grains of 4096 sectors", id="vast grain"),
        pytest.param(_at(20, "<Q", 0), "grains of 0 sectors", id="no grain"),
        pytest.param(_at(28, "<Q", 0), "no embedded descriptor", id="no descriptor"),
        pytest.param(_at(28, "<Q", 1 << 60), "the descriptor lies at", id="wild descriptor"),
        pytest.param(_at(36, "<Q", 1 << 60), "no embedded descriptor", id="vast descriptor"),
        pytest.param(_at(44, "<I", 256), "tables of 256 entries", id="table size"),
        pytest.param(_at(56, "<Q", 1 << 62), "the grain directory lies at", id="wild directory"),
        pytest.param(_at(73, "<I", 0x0D0A0D20), "as binary and not as text", id="text mode"),
        pytest.param(_at(77, "<H", 2), "compression 2", id="compression"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(
    change: Callable[[bytearray], None], message: str, tmp_path: Path
) -> None:
    image = bytearray(front_stream(tmp_path).read_bytes())
    change(image)
    path = tmp_path / "bad.vmdk"
    path.write_bytes(image)
    with pytest.raises(FormatError) as caught, opened(path):
        pass
    assert message in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b'"streamOptimized"', b'"twoGbMaxExtentSparse"', "is a twoGbMaxExtentSparse VMDK"),
        (b"RDONLY 131072", b"RDONLY 130000", "descriptor says 130000"),
        (b" SPARSE ", b" FLAT ", "names a FLAT extent"),
        (b"RDONLY", b'RW 1 SPARSE "a"\nRDONLY', "in 2 files"),
        (b"parentCID=ffffffff", b"parentCID=7c9e1a01", "differs from disk 7c9e1a01"),
        (b"# Disk Desc", b"# Dish Desc", "its descriptor begins with"),
        (b"#DDB", b"%!", "has the line '%!'"),
    ],
    ids=["type", "capacity", "flat", "two files", "delta", "signature", "line"],
)
def test_a_descriptor_that_does_not_fit_is_refused(
    old: bytes, new: bytes, message: str, tmp_path: Path
) -> None:
    stream = small_stream()
    stream.text = descriptor_text(stream.capacity_sectors).replace(old, new)
    path = tmp_path / "bad.vmdk"
    path.write_bytes(stream.make())
    with pytest.raises(FormatError) as caught, opened(path):
        pass
    assert message in str(caught.value)


def test_another_kind_of_vmdk_is_refused_by_name(raw: Path, tmp_path: Path) -> None:
    path = tmp_path / "mono.vmdk"
    judge("qemu-img", "convert", "-f", "raw", "-O", "vmdk", raw, path)
    with pytest.raises(FormatError, match="is a monolithicSparse VMDK") as caught, opened(path):
        pass
    assert "streamOptimized" in caught.value.hint


def test_a_wild_grain_table_is_named_with_its_sector(tmp_path: Path) -> None:
    image = bytearray(front_stream(tmp_path).read_bytes())
    directory = struct.unpack_from("<Q", image, 56)[0]
    struct.pack_into("<I", image, directory * SECTOR + 4, 10428944)
    path = tmp_path / "bad.vmdk"
    path.write_bytes(image)
    with pytest.raises(FormatError, match="grain table 1 lies at sector 10428944 of ") as caught:
        use(path)
    assert "truncated" in caught.value.hint


def test_two_tables_in_one_place_are_refused(tmp_path: Path) -> None:
    image = bytearray(front_stream(tmp_path).read_bytes())
    directory = struct.unpack_from("<Q", image, 56)[0] * SECTOR
    image[directory + 4 : directory + 8] = image[directory : directory + 4]
    path = tmp_path / "bad.vmdk"
    path.write_bytes(image)
    with pytest.raises(FormatError, match="two grain tables overlap"):
        use(path)


@pytest.mark.parametrize(
    ("offset", "layout", "value", "message"),
    [
        (0, "<Q", 128 * 9, "is for disk sector 1152"),
        (8, "<I", 0, "and 0 bytes"),
        (8, "<I", 1 << 20, "1048576 bytes of deflated data"),
        (8, "<I", 60, "its data ends too early"),
        (14, "<Q", 0xFFFF, "does not inflate"),
    ],
    ids=["other grain", "no data", "too long", "too short", "damaged"],
)
def test_a_damaged_grain_is_refused_when_it_is_read(
    offset: int, layout: str, value: int, message: str, tmp_path: Path
) -> None:
    stream = small_stream()
    image = bytearray(stream.make())
    struct.pack_into(layout, image, stream.places["grain 1"] + offset, value)
    path = tmp_path / "bad.vmdk"
    path.write_bytes(image)
    with opened(path) as vmdk:
        overlay = GrainOverlay(vmdk)
        assert overlay.read(0, 100) == stream.grains[0][:100]
        with pytest.raises(FormatError, match=message):
            overlay.read(GRAIN, 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [(bytes(GRAIN + 1), "inflates to more than"), (b"x" * 99, "inflates to 99 bytes")],
    ids=["more than a grain", "less than a grain"],
)
def test_a_grain_of_another_size_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    stream = small_stream()
    stream.grains[1] = content
    path = tmp_path / "bad.vmdk"
    path.write_bytes(stream.make())
    with opened(path) as vmdk, pytest.raises(FormatError, match=f"grain 1.*{message}"):
        vmdk.read_grain(1)


def test_a_bomb_is_not_inflated(tmp_path: Path) -> None:
    stream = small_stream()
    stream.grains[1] = bytes(60 * MIB)
    path = tmp_path / "bomb.vmdk"
    path.write_bytes(stream.make())
    tracemalloc.start()
    try:
        with opened(path) as vmdk, pytest.raises(FormatError, match="more than"):
            vmdk.read_grain(1)
        assert tracemalloc.get_traced_memory()[1] < 2 * MIB
    finally:
        tracemalloc.stop()


def test_tables_that_omit_a_grain_of_the_stream_do_not_pass(tmp_path: Path) -> None:
    image = bytearray(front_stream(tmp_path).read_bytes())
    with opened(tmp_path / "front.vmdk") as vmdk:
        struct.pack_into("<I", image, vmdk.directory[0] * SECTOR + 4, 0)
    path = tmp_path / "bad.vmdk"
    path.write_bytes(image)
    with opened(path) as vmdk, pytest.raises(FormatError, match="but its table says 0"):
        vmdk.check()


def test_grains_out_of_order_are_read_but_do_not_pass(tmp_path: Path) -> None:
    stream = small_stream((3, 5))
    image = bytearray(stream.make())
    first, second = stream.places["grain 3"], stream.places["grain 5"]
    end = min(place for place in stream.places.values() if place > second)
    image[first:end] = image[second:end] + image[first:second]
    moved = (first + end - second) // SECTOR
    table = end + SECTOR
    struct.pack_into("<I", image, table + 4 * 3, moved)
    struct.pack_into("<I", image, table + 4 * 5, first // SECTOR)
    path = tmp_path / "disorder.vmdk"
    path.write_bytes(image)
    with opened(path) as vmdk:
        assert vmdk.read_grain(3) == stream.grains[3]
        with pytest.raises(FormatError, match="has grain 5 at sector .* have grain 3 before it"):
            vmdk.check()
        out = write_splice(GrainOverlay(vmdk), tmp_path / "out.vmdk")
    use(out)


def test_a_redundant_table_that_differs_does_not_pass(
    layouts: dict[str, Path], tmp_path: Path
) -> None:
    image = bytearray(layouts["qemu"].read_bytes())
    with opened(layouts["qemu"]) as vmdk:
        copy = vmdk.header.redundant_directory_sector * SECTOR
        table = struct.unpack_from("<I", image, copy)[0] * SECTOR
    image[table] ^= 1
    path = tmp_path / "bad.vmdk"
    path.write_bytes(image)
    with opened(path) as vmdk, pytest.raises(FormatError, match="table 0 and its copy differ"):
        vmdk.check()


def test_a_missing_footer_is_told_from_other_damage(tmp_path: Path) -> None:
    stream = small_stream()
    path = tmp_path / "bad.vmdk"
    image = stream.make()
    path.write_bytes(image[: stream.places["footer"]] + bytes(SECTOR))
    with pytest.raises(FormatError, match="there is no footer"), opened(path):
        pass


def test_a_stream_without_its_end_marker_is_refused(tmp_path: Path) -> None:
    image = bytearray(small_stream().make())
    image[-SECTOR] = 1
    path = tmp_path / "bad.vmdk"
    path.write_bytes(image)
    with pytest.raises(FormatError, match="no end-of-stream marker"), opened(path):
        pass
