"""ISO 9660 volumes of other makers than Photon's: what was added comes out of every reader."""

import io
import random
from pathlib import Path

import pycdlib
import pytest

from builder.blob import Blob
from builder.errors import FormatError, UnsupportedError
from builder.formats.iso9660 import AddDirectory, AddFile, AddSymlink, Edit, Remove, open_iso
from builder.formats.iso9660.volume import BLOCK, blocks_of
from tests.support.isos import approve, change, list_tree
from tests.support.judges import judge

ADDED: list[Edit] = [
    AddFile("/ks.cfg", Blob.text('{"hostname": "edge-1"}\n')),
    AddFile("/pb-new/post.sh", Blob.text("#!/bin/sh\nexit 0\n"), mode=0o755),
    AddFile("/pb-new/deeper/f1.txt", Blob.text("f1\n")),
    AddFile("/pb-new/deeper/f2.txt", Blob.text("f2\n")),
    AddFile("/empty", Blob.text("")),
    AddDirectory("/pb-empty"),
    AddSymlink("/link", "ks.cfg"),
    AddFile("/old/two.txt", Blob.text("another two\n")),
    Remove("/old/three.txt"),
]
FILES = {
    "ks.cfg": b'{"hostname": "edge-1"}\n',
    "pb-new/post.sh": b"#!/bin/sh\nexit 0\n",
    "pb-new/deeper/f1.txt": b"f1\n",
    "pb-new/deeper/f2.txt": b"f2\n",
    "empty": b"",
    "old/one.txt": b"one\n",
    "old/two.txt": b"another two\n",
}


def unpacked(image: Path, into: Path) -> dict[str, bytes]:
    """Return the files that bsdtar takes out of an image, none of which is a link to another."""
    into.mkdir()
    judge("bsdtar", "-xf", image, "-C", into)
    files = [one for one in into.rglob("*") if one.is_file() and not one.is_symlink()]
    assert {one.stat().st_nlink for one in files} == {1}
    return {str(one.relative_to(into)): one.read_bytes() for one in files}


@pytest.fixture
def numbered(tmp_path: Path) -> Path:
    """Return a volume of which each record says the serial number of its file (RRIP 1.12)."""
    path = tmp_path / "numbered.iso"
    iso = pycdlib.PyCdlib()
    iso.new(rock_ridge="1.12")
    iso.add_directory("/OLD", rr_name="old")
    for name in ("one", "two", "three"):
        text = io.BytesIO(f"{name}\n".encode())
        iso.add_fp(text, len(name) + 1, f"/OLD/{name.upper()}.TXT;1", rr_name=f"{name}.txt")
    iso.write(str(path))
    iso.close()
    image = bytearray(path.read_bytes())
    at = image.find(b"PX\x2c\x01")
    for number in range(3, 1000):  # pycdlib leaves all of them zero
        if at < 0:
            break
        image[at + 36 : at + 44] = number.to_bytes(4, "little") + number.to_bytes(4, "big")
        at = image.find(b"PX\x2c\x01", at + 44)
    path.write_bytes(image)
    return path


def test_files_added_to_a_volume_with_serial_numbers_keep_their_own_content(
    numbered: Path, tmp_path: Path
) -> None:
    assert unpacked(numbered, tmp_path / "before").keys() == {
        "old/one.txt",
        "old/two.txt",
        "old/three.txt",
    }
    out = tmp_path / "out.iso"
    change(numbered, out, *ADDED)
    assert unpacked(out, tmp_path / "after") == FILES
    assert (tmp_path / "after/pb-empty").is_dir()
    assert (tmp_path / "after/link").readlink() == Path("ks.cfg")
    approve(out)


def test_numbers_stay_when_the_same_is_added_again(numbered: Path, tmp_path: Path) -> None:
    one, two, more = tmp_path / "one.iso", tmp_path / "two.iso", tmp_path / "more.iso"
    change(numbered, one, *ADDED)
    change(one, two, *ADDED)
    assert one.read_bytes() == two.read_bytes()
    change(two, more, AddFile("/aaa", Blob.text("aaa")), AddFile("/old/zzz", Blob.text("zzz")))
    assert unpacked(more, tmp_path / "tree") == FILES | {"aaa": b"aaa", "old/zzz": b"zzz"}


def test_a_directory_has_one_number_wherever_it_is_named(numbered: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.iso"
    change(numbered, out, *ADDED)
    with open_iso(out) as iso:

        def number(extent: int, at: int) -> bytes:
            raw = bytes(iso.primary.directory(extent).records[at].raw)
            start = raw.index(b"PX\x2c\x01") + 36
            return raw[start : start + 8]

        above, below = (iso.primary.locate(path) for path in ("/pb-new", "/pb-new/deeper"))
        assert above is not None
        assert below is not None
        named = bytes(below.records[0].raw)
        start = named.index(b"PX\x2c\x01") + 36
        assert named[start : start + 8] == number(below.extent, 0)
        assert number(below.extent, 1) == number(above.extent, 0)
        assert number(above.extent, 1) == number(iso.primary.root, 0)
        assert number(above.extent, 0) != number(below.extent, 0)
        iso.check(full=True)
    assert list_tree(out)["/pb-new/deeper"]["type"] == "dir"


@pytest.fixture
def xa(tmp_path: Path) -> Path:
    """Return a volume of CD-ROM XA with Rock Ridge."""
    (tmp_path / "xa/old").mkdir(parents=True)
    for name in ("one", "two", "three"):
        (tmp_path / f"xa/old/{name}.txt").write_text(f"{name}\n")
    path = tmp_path / "xa.iso"
    judge("genisoimage", "-quiet", "-xa", "-R", "-o", path, tmp_path / "xa")
    return path


def test_files_added_to_an_xa_volume_have_names_modes_and_links(xa: Path, tmp_path: Path) -> None:
    with open_iso(xa) as iso:
        assert [path for path, _ in iso.walk()] == [
            "/old",
            *(f"/old/{name}.txt" for name in ("one", "three", "two")),
        ]
    out = tmp_path / "out.iso"
    change(xa, out, *ADDED, AddFile("/" + "n" * 200, Blob.text("long")))
    wanted = FILES | {"n" * 200: b"long"}
    names = {f"/{name}" for name in wanted} | {"/link", "/old", "/pb-empty", "/pb-new"}
    assert set(judge("isoinfo", "-R", "-f", "-i", out).stdout.split()) == names | {"/pb-new/deeper"}
    for name, content in wanted.items():  # libarchive does not look for Rock Ridge behind XA
        text = judge("isoinfo", "-R", "-x", f"/{name}", "-i", out).stdout
        assert text.encode() == content
    listed = judge("isoinfo", "-R", "-l", "-i", out).stdout
    assert "-rwxr-xr-x   1    0    0              17" in listed
    assert "KS.CFG" not in listed
    # Whoever reads the attributes of XA alone finds kinds and rights in each record.
    with open_iso(out) as iso:
        root = b"".join(one.raw for one in iso.primary.directory(iso.primary.root).records)
    assert root.count(b"\x8d\x55XA") == 5  # its own, its parent's, old, pb-new, pb-empty
    assert root.count(b"\x09\x11XA") == 3  # ks.cfg, empty, the long one
    reader = pycdlib.PyCdlib()
    reader.open(str(out))
    assert len(list(reader.walk(rr_path="/"))) == 5  # isovfy rejects every volume of XA
    reader.close()
    again = tmp_path / "again.iso"
    change(out, again, *ADDED, AddFile("/" + "n" * 200, Blob.text("long")))
    assert again.read_bytes() == out.read_bytes()


PACKED = {
    "numbers.txt": "".join(f"{number}\n" for number in range(60_000)).encode(),
    "zeros": bytes(200_000),
    "whole": bytes(range(256)) * 256,
    "random": random.Random(3).randbytes(50_000),
    "small": b"abc",
}


def pack(folder: Path, *options: str) -> Path:
    """Return a volume of which the files are compressed by xorriso, where that helps."""
    (folder / "tree").mkdir()
    for name, content in PACKED.items():
        (folder / "tree" / name).write_bytes(content)
    path = folder / "packed.iso"
    filtered = ("-map", folder / "tree", "/", "-set_filter_r", "--zisofs", "/", "--")
    judge("xorriso", *options, "-outdev", path, *filtered, "-commit")
    return path


def read_file(image: Path, name: str) -> bytes:
    """Return a file of an image, as it is read here."""
    with open_iso(image) as iso:
        return b"".join(iso.chunks(f"/{name}"))


@pytest.mark.parametrize("size", ["32k", "64k", "128k"])
def test_compressed_files_are_read_as_libarchive_reads_them(size: str, tmp_path: Path) -> None:
    image = pack(tmp_path, "-zisofs", f"level=9:block_size={size}")
    assert unpacked(image, tmp_path / "judged") == PACKED
    assert image.read_bytes().count(b"ZF\x10\x01pz") == 3
    assert {name: read_file(image, name) for name in PACKED} == PACKED
    with open_iso(image) as iso:
        assert {path[1:]: node.size for path, node in iso.walk()} == {
            name: len(content) for name, content in PACKED.items()
        }
    out = tmp_path / "out.iso"
    change(image, out, AddFile("/zeros", Blob.text("other")), AddFile("/new", Blob.text("new")))
    wanted = PACKED | {"zeros": b"other", "new": b"new"}
    assert unpacked(out, tmp_path / "changed") == wanted
    assert {name: read_file(out, name) for name in wanted} == wanted


def test_compressed_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    made = pack(tmp_path).read_bytes()
    image = tmp_path / "damaged.iso"
    stored = made.index(
        bytes.fromhex("37e45396c9dbd607") + len(PACKED["numbers.txt"]).to_bytes(4, "little")
    )
    first = int.from_bytes(made[stored + 16 : stored + 20], "little")
    for at, data, words in (
        (stored, b"\0", "the header is not what the entry ZF says"),
        (stored + first, b"\0\0", "block 0: Error -3"),
        (stored + 16, bytes(4), "block 0: lies at bytes 0"),
        (stored + 20, b"\xff\xff\xff\x7f", "block 0: lies at bytes"),
        (stored + 20, made[stored + 16 : stored + 20], "block 1: "),
    ):
        image.write_bytes(made[:at] + data + made[at + len(data) :])
        with pytest.raises(FormatError) as caught:
            read_file(image, "numbers.txt")
        assert f"numbers.txt: zisofs: {words}" in str(caught.value)
    image.write_bytes(made.replace(b"ZF\x10\x01pz", b"ZF\x10\x01PZ"))
    with pytest.raises(UnsupportedError, match=r"numbers.txt: zisofs: method b'PZ'"):
        read_file(image, "numbers.txt")


def test_what_was_added_without_numbers_is_no_link_to_something_else(
    numbered: Path, tmp_path: Path
) -> None:
    earlier, out, again = (tmp_path / name for name in ("earlier.iso", "out.iso", "again.iso"))
    change(numbered, earlier, *ADDED)
    image = bytearray(earlier.read_bytes())
    with open_iso(numbered) as iso:
        first = blocks_of(iso.size) * BLOCK
    at = image.find(b"PX\x2c\x01")
    while at >= 0:  # earlier versions left all that they added without a number
        start = image.rfind(b"PX\x2c\x01", 0, at)
        is_added = int.from_bytes(image[at + 36 : at + 40], "little") in (1, 2) or at > first
        image[at + 36 : at + 44] = bytes(8) if is_added and start >= 0 else image[at + 36 : at + 44]
        at = image.find(b"PX\x2c\x01", at + 44)
    earlier.write_bytes(image)
    change(earlier, out, AddFile("/more", Blob.text("more\n")))
    assert unpacked(out, tmp_path / "tree") == FILES | {"more": b"more\n"}
    assert list_tree(out)["/pb-new/deeper"]["type"] == list_tree(out)["/pb-empty"]["type"] == "dir"
    change(out, again, AddFile("/more", Blob.text("more\n")))
    assert again.read_bytes() == out.read_bytes()
    approve(out)


@pytest.mark.parametrize("maker", ["xorriso -as mkisofs", "genisoimage"])
def test_files_with_long_names_come_along_where_their_directory_moves(
    maker: str, tmp_path: Path
) -> None:
    source, base, out = tmp_path / "source", tmp_path / "base.iso", tmp_path / "out.iso"
    long = "n" * 180
    (source / f"d/{long}").mkdir(parents=True)
    files = {f"d/{long}{at}": b"content %d\n" % at for at in range(3)}
    files |= {"d/short": b"short\n", f"d/{long}/{long}": b"deep\n", f"d/{long}-empty": b""}
    for name, text in files.items():
        (source / name).write_bytes(text)
    (source / f"d/{long}-link").symlink_to("../x" * 40)
    judge(*maker.split(), "-R", "-o", base, source)
    assert unpacked(base, tmp_path / "before") == files
    added = {f"d/new-{at}-{'b' * 60}": f"new {at}\n" for at in range(40)}
    change(base, out, *(AddFile(f"/{name}", Blob.text(text)) for name, text in added.items()))
    files |= {name: text.encode() for name, text in added.items()}
    assert unpacked(out, tmp_path / "after") == files
    assert (tmp_path / f"after/d/{long}-link").readlink() == Path("../x" * 40)
    approve(out)
    again = tmp_path / "again.iso"
    change(out, again, *(AddFile(f"/{name}", Blob.text(text)) for name, text in added.items()))
    assert again.read_bytes() == out.read_bytes()
    more = AddFile(f"/d/more-{long}", Blob.text("more\n"))
    change(again, out, *(AddFile(f"/d/{at}-{long}", Blob.text("")) for at in range(40)), more)
    assert unpacked(out, tmp_path / "more")[f"d/{long}1"] == b"content 1\n"
    approve(out)
