"""ISO 9660 images that are damaged, or of kinds and edits that are refused."""

import random
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.blob import Blob
from builder.errors import BuilderError, FormatError, GuestError, UnsupportedError
from builder.formats.iso9660 import (
    AddDirectory,
    AddFile,
    AddSymlink,
    Edit,
    Remove,
    open_iso,
    plan_append,
)
from tests.support.bases import cache_folder
from tests.support.isos import TIMESTAMP, change, make_iso

_PVD = 16 * 2048
_X = Blob.text("x")


def _both(number: int) -> bytes:
    return struct.pack("<I", number) + struct.pack(">I", number)


def _root(image: bytearray) -> int:
    """Return where the root directory lies."""
    return int(struct.unpack_from("<I", image, _PVD + 158)[0]) * 2048


def _record(image: bytearray, name: bytes) -> int:
    """Return where a record of the root directory lies."""
    return image.index(name, _root(image)) - 33


def _put(at: int, data: bytes) -> Callable[[bytearray], None]:
    def edit(image: bytearray) -> None:
        image[at : at + len(data)] = data

    return edit


def _in_root(offset: int, data: bytes) -> Callable[[bytearray], None]:
    def edit(image: bytearray) -> None:
        _put(_root(image) + offset, data)(image)

    return edit


def _in_record(name: bytes, offset: int, data: bytes) -> Callable[[bytearray], None]:
    def edit(image: bytearray) -> None:
        _put(_record(image, name) + offset, data)(image)

    return edit


def _loop(image: bytearray) -> None:
    """Make /boot the root again."""
    at = _record(image, b"BOOT")
    image[at + 2 : at + 18] = _both(_root(image) // 2048) + _both(2048)


def _circle(image: bytearray) -> None:
    """Make a continuation area go on in itself."""
    at = image.index(b"CE\x1c\x01", _root(image))
    block = struct.unpack_from("<I", image, at + 4)[0]
    entry = b"CE\x1c\x01" + _both(block) + _both(0) + _both(237)
    image[block * 2048 : block * 2048 + 237] = entry.ljust(237, b"\0")


def _in_catalog(offset: int, data: bytes) -> Callable[[bytearray], None]:
    def edit(image: bytearray) -> None:
        block = struct.unpack_from("<I", image, 17 * 2048 + 0x47)[0]
        _put(block * 2048 + offset, data)(image)

    return edit


def _path_table(image: bytearray) -> None:
    """Give the second path table another opinion."""
    block = struct.unpack_from(">I", image, _PVD + 148)[0]
    image[block * 2048 + 12] ^= 1


_DAMAGES: dict[str, tuple[Callable[[bytearray], None], str]] = {
    "no descriptor": (_put(_PVD + 1, b"XX001"), "this is not an ISO image"),
    "udf only": (_put(_PVD + 1, b"BEA01"), "a UDF volume without"),
    "no end of descriptors": (_put(18 * 2048 + 1, b"XX001"), "or the end of them"),
    "only a boot record": (_put(_PVD, b"\0"), "no primary volume descriptor"),
    "blocks of 512 bytes": (_put(_PVD + 128, b"\0\2\2\0"), "blocks of 512 bytes"),
    "a volume longer than the file": (_put(_PVD + 80, _both(9999)), "its volume 20477952"),
    "sizes that differ": (_put(_PVD + 80, b"\1"), "in one byte order"),
    "a root outside": (_put(_PVD + 158, _both(1 << 30)), "of a disk of"),
    "a root without itself": (_in_root(33, b"X"), "first record is not its own"),
    "a root elsewhere": (_in_root(2, _both(77)), "says that it lies at block 77"),
    "a root of no whole blocks": (_in_root(10, _both(100)), "100 bytes; wanted whole blocks"),
    "a root of 4 GiB": (_in_root(10, _both(0xFFFFF800)), "wanted whole blocks"),
    "a record that is too short": (_in_record(b"BOOT", 0, b"\x11"), "does not fit"),
    "a name longer than its record": (_in_record(b"BOOT", 32, b"\xf0"), "does not fit"),
    "an interleaved file": (_in_record(b"OPEN_SOU", 26, b"\1"), "an interleaved file"),
    "a wild extent": (_in_record(b"OPEN_SOU", 2, _both(1 << 31)), "of a disk of"),
    "extents that differ": (_in_record(b"OPEN_SOU", 2, b"\xee"), "in one byte order"),
    "a name entry that is cut": (_in_record(b"BOOT", 40 + 5, b"NM\xf0"), "do not fit"),
    "a circle of directories": (_loop, "met twice"),
    "a circle of continuations": (_circle, "go in a circle"),
    "path tables that differ": (_path_table, "the two path tables differ"),
    "a path table of no size": (_put(_PVD + 132, _both(0)), "0 bytes; wanted"),
    "a path table elsewhere": (_put(_PVD + 140, b"\1\0\0\0"), "path table at block 1"),
    "a catalog without validation": (_in_catalog(0, b"\0"), "validation entry"),
    "a catalog with a wrong sum": (_in_catalog(4, b"Q"), "checksum of its validation"),
    "a boot image outside": (_in_catalog(40, b"\xff\xff\xff\x7f"), "lies behind the file"),
    "a wild number of sections": (_in_catalog(66, b"\xff\xff"), "do not fit a block"),
}


def test_a_directory_without_a_name_is_refused_and_not_walked_for_ever(tmp_path: Path) -> None:
    image = bytearray(make_iso(cache_folder(), "plain").read_bytes())
    at = _record(image, b"BOOT")
    image[at + 33 : at + 37] = b".;12"
    path = tmp_path / "damaged.iso"
    path.write_bytes(image)
    done = subprocess.run(
        [sys.executable, "-m", "builder", "ls", "-R", path],
        check=False, capture_output=True, text=True, timeout=20,
    )  # fmt: skip
    assert done.returncode == 7
    assert "'' is not a valid name of a file" in done.stderr


@pytest.mark.parametrize("name", _DAMAGES)
def test_damage_is_named(name: str, tmp_path: Path) -> None:
    edit, message = _DAMAGES[name]
    image = bytearray(make_iso(cache_folder(), "photon").read_bytes())
    edit(image)
    path = tmp_path / "damaged.iso"
    path.write_bytes(image)
    with pytest.raises((FormatError, UnsupportedError), match=message):
        _read_everything(path)


@pytest.mark.parametrize(
    ("at", "data", "message"),
    [
        (512 + 40, b"\xff", "checksum of the header"),
        (512 + 8, b"\0\0\2\0", "checksum of the header"),
        (1024 + 40, b"\1", "checksum of the entries"),
        (-512, b"XXX", "there is no header"),
        (446 + 12, b"\xff\xff\xff\x7f", "ends at sector"),
    ],
    ids=["header", "revision", "entries", "copy", "mbr"],
)
def test_a_damaged_hybrid_table_is_refused(
    at: int, data: bytes, message: str, tmp_path: Path
) -> None:
    image = bytearray(make_iso(cache_folder(), "hybrid-gpt").read_bytes())
    _put(at % len(image), data)(image)
    path = tmp_path / "damaged.iso"
    path.write_bytes(image)
    with pytest.raises(FormatError, match=message), open_iso(path):
        pass


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("udf", "UDF volume too"),
        ("sessions", "more than one session"),
        ("joliet-only", "Joliet names but no Rock Ridge"),
        ("appended", "behind the volume"),
    ],
)
def test_images_to_which_nothing_can_be_added_are_refused(
    kind: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(UnsupportedError, match=message):
        change(make_iso(cache_folder(), kind), tmp_path / "out.iso", AddFile("/x", _X))


_REFUSED: dict[str, tuple[str, list[Edit], str]] = {
    "relative": ("photon", [AddFile("x", _X)], "not an absolute"),
    "not normal": ("photon", [AddFile("/a/../x", _X)], "not an absolute"),
    "root": ("photon", [AddDirectory("/")], "/ itself"),
    "nul": ("photon", [AddFile("/a\0b", _X)], "not an absolute"),
    "long name": ("photon", [AddFile("/" + "n" * 256, _X)], "256 bytes"),
    "below a file": ("photon", [AddFile("/isolinux/vmlinuz/x", _X)], "is not a directory"),
    "directory over a file": ("photon", [AddDirectory("/isolinux/vmlinuz")], "not a directory"),
    "file over a directory": ("photon", [AddFile("/isolinux", _X)], "in the way"),
    "link over a directory": ("photon", [AddSymlink("/isolinux", "x")], "in the way"),
    "empty link": ("photon", [AddSymlink("/x", "")], "a link to ''"),
    "long link": ("photon", [AddSymlink("/x", "/".join("abcdefgh" * 200))], "at most 2048 fit"),
    "catalog": ("photon", [AddFile("/isolinux/boot.cat", _X)], "boots from it"),
    "boot image": ("photon", [Remove("/isolinux/isolinux.bin")], "boots from it"),
    "boot folder": ("photon", [Remove("/boot")], "boots from it"),
    "boot link": ("photon", [AddSymlink("/isolinux/isolinux.bin", "x")], "boots from it"),
    "replaced boot image": (
        "photon",
        [AddFile("/isolinux/isolinux.bin", Blob.of(bytes(999))), Remove("/isolinux")],
        "boots from it",
    ),
    "empty boot image": ("photon", [AddFile("/isolinux/isolinux.bin", Blob.of(b""))], "firmware"),
    "short boot image": ("photon", [AddFile("/isolinux/isolinux.bin", _X)], "wanted 64 or more"),
    "owner": ("photon", [AddFile("/x", _X, uid=1 << 32)], "does not fit 32 bits"),
    "time": ("photon", [AddFile("/x", _X, mtime=-1)], "not from 1970"),
    "plain link": ("plain", [AddSymlink("/x", "y")], "no Rock Ridge"),
    "plain name": ("plain", [AddFile("/two.dots.txt", _X)], "not a plain one"),
    "plain long name": ("plain", [AddFile("/" + "n" * 32, _X)], "not a plain one"),
    "case": ("plain", [AddFile("/new", _X), AddFile("/NEW", _X)], "in case only"),
    "joliet name": ("joliet", [AddFile("/what?", _X)], "cannot be one"),
    "joliet long name": ("joliet", [AddFile("/" + "n" * 65, _X)], "longer than the 64"),
}


@pytest.mark.parametrize("name", _REFUSED)
def test_edits_that_cannot_be_are_refused(name: str, tmp_path: Path) -> None:
    kind, edits, message = _REFUSED[name]
    with pytest.raises(GuestError, match=message):
        change(make_iso(cache_folder(), kind), tmp_path / "out.iso", *edits)


@pytest.mark.parametrize(
    "edits",
    [
        [AddFile("/a/b/c/d/e/f/g/h/i/more.txt", _X)],
        [Remove("/a/b/c/d/e/f/g/h")],
        [Remove("/a")],
    ],
    ids=["below", "remove", "remove above"],
)
def test_directories_that_lay_too_deep_are_left_alone(edits: list[Edit], tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="too deep"):
        change(make_iso(cache_folder(), "deep"), tmp_path / "out.iso", *edits)


@pytest.mark.parametrize("volume_id", ["", "lower", "SP ACE", "Ü", "N" * 33])
def test_volume_names_that_cannot_be_are_refused(volume_id: str, tmp_path: Path) -> None:
    with pytest.raises(GuestError, match="volume name"):
        change(make_iso(cache_folder(), "photon"), tmp_path / "out.iso", volume_id=volume_id)


def test_content_that_changes_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"123456")
    content = Blob.file(source)
    source.write_bytes(b"123")
    with pytest.raises(FormatError, match="not 6 bytes long any more"):
        change(make_iso(cache_folder(), "photon"), tmp_path / "out.iso", AddFile("/x", content))


def _read_everything(path: Path) -> None:
    """Do all that can be done with an image, without writing it."""
    with open_iso(path) as iso:
        iso.lstat("/")
        for name, node in iso.walk():
            if node.size:
                for _ in iso.chunks(name):
                    pass
        iso.check(full=True)


def _plan(path: Path) -> None:
    """Plan a change of an image."""
    edits = [AddFile(f"/isolinux/{at}.cfg", _X) for at in range(40)]
    with open_iso(path) as iso:
        plan_append(iso, [*edits, Remove("/RPMS/repodata")], timestamp=TIMESTAMP)


@pytest.mark.parametrize("kind", ["photon", "hybrid-gpt", "long"])
def test_an_image_that_was_cut_short_is_never_taken_for_whole(kind: str, tmp_path: Path) -> None:
    image = make_iso(cache_folder(), kind).read_bytes()
    path = tmp_path / "cut.iso"
    metadata = range(0, 200 * 1024, 1021)
    for size in (*metadata, len(image) // 2, len(image) - 2048, len(image) - 1):
        path.write_bytes(image[:size])
        with pytest.raises(BuilderError):
            _read_everything(path)


@pytest.mark.parametrize("kind", ["photon", "joliet", "hybrid-gpt", "long", "deep"])
def test_flipped_bytes_give_a_clear_error_or_nothing(kind: str, tmp_path: Path) -> None:
    image = bytearray(make_iso(cache_folder(), kind).read_bytes())
    numbers = random.Random(kind)
    path = tmp_path / "flipped.iso"
    refused = 0
    for _ in range(150):
        damaged = bytearray(image[: 400 * 1024])
        start = numbers.choice((0, 16 * 2048))
        for _ in range(numbers.choice((1, 3, 30))):
            damaged[numbers.randrange(start, 60 * 2048)] = numbers.choice((0, 1, 255, 128, 30))
        with path.open("wb") as stream:
            stream.write(damaged)
            stream.truncate(len(image))
        try:
            _plan(path)
            _read_everything(path)
        except BuilderError as error:
            refused += bool(str(error))
    assert refused > 20
