"""Member tables of tar archives: GNU tar's and Python's are read, ours is read by both."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from builder.errors import FormatError
from builder.formats.disk import GIB
from builder.formats.tar import Member, format_header, padded, read_members
from tests.support.judges import judge

CONTENT = {"b" * 150 + ".vmdk": bytes(1000), "a.ovf": b"<Envelope/>", "empty": b""}


def members_of(path: Path) -> tuple[Member, ...]:
    """Read the member table of a file."""
    with path.open("rb") as stream:
        return read_members(stream.fileno(), path.stat().st_size, name=path.name)


@pytest.mark.parametrize("kind", ["ustar", "pax", "gnu", "v7"])
def test_what_gnu_tar_packs_is_read(tmp_path: Path, kind: str) -> None:
    content = {name[:99] if kind in {"ustar", "v7"} else name: c for name, c in CONTENT.items()}
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
        os.utime(tmp_path / name, (1_600_000_000, 1_600_000_000))
    path = tmp_path / "x.tar"
    judge("tar", "-cf", path, f"--format={kind}", "-C", tmp_path, *content)
    raw = path.read_bytes()
    found = members_of(path)
    assert [m.name for m in found] == list(content)
    assert [raw[m.offset : m.offset + m.size] for m in found] == list(content.values())
    assert {(m.kind, m.mtime) for m in found} == {("file", 1_600_000_000)}


def test_large_sizes_and_wide_names_are_read_from_every_dialect(tmp_path: Path) -> None:
    for kind in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        member = tarfile.TarInfo("ä" * 120)
        member.size = 9 * GIB
        path = tmp_path / "x.tar"
        head = member.tobuf(kind)
        path.write_bytes(head)
        with path.open("r+b") as stream:
            stream.truncate(len(head) + 9 * GIB + 1024)
        assert members_of(path) == (Member("ä" * 120, len(head), 9 * GIB, 0),)


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        (tarfile.SYMTYPE, "symbolic link"),
        (tarfile.LNKTYPE, "hard link"),
        (tarfile.DIRTYPE, "directory"),
        (tarfile.CHRTYPE, "device"),
        (tarfile.FIFOTYPE, "FIFO"),
        (tarfile.GNUTYPE_SPARSE, "sparse file"),
        (b"V", "type b'V'"),
    ],
    ids=str,
)
def test_members_that_are_no_files_say_so(tmp_path: Path, kind: bytes, shown: str) -> None:
    member = tarfile.TarInfo("x")
    member.type = kind
    path = tmp_path / "x.tar"
    path.write_bytes(member.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    assert [m.kind for m in members_of(path)] == [shown]


def test_a_pax_sparse_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    hole = tmp_path / "hole"
    with hole.open("wb") as stream:
        stream.truncate(1 << 20)
        stream.seek(1 << 19)
        stream.write(b"x")
    judge("tar", "-cSf", path, "--format=pax", "-C", tmp_path, "hole")
    assert [m.kind for m in members_of(path)] == ["sparse file"]


def test_an_archive_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in CONTENT.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    whole = path.read_bytes()
    end = members_of(path)[-1].offset
    for length in {*range(0, end, 7), *range(0, end + 1, 512), end + 1, end + 511}:
        path.write_bytes(whole[:length])
        with pytest.raises(FormatError):
            members_of(path)
    path.write_bytes(whole[: end + 512])
    assert len(members_of(path)) == 3


def test_every_flip_of_a_header_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    raw = bytearray(format_header("a.ovf", 0, mtime=0) + bytes(1024))
    for at in {*range(512)} - {154, 155}:  # what ends the checksum is not read
        flipped = bytes([*raw[:at], raw[at] ^ 0x40, *raw[at + 1 :]])
        path.write_bytes(flipped)
        with pytest.raises(FormatError, match="not a tar archive"):
            members_of(path)


def _record(text: bytes) -> bytes:
    """Return an archive whose extended header holds ``text``."""
    head = tarfile.TarInfo("pax")
    head.type, head.size = tarfile.XHDTYPE, len(text)
    file = tarfile.TarInfo("f").tobuf(tarfile.USTAR_FORMAT)
    return head.tobuf(tarfile.USTAR_FORMAT) + text.ljust(512, b"\0") + file + bytes(1024)


@pytest.mark.parametrize(
    "text",
    [
        b"garbage", b"99 path=x\n", b"5 a=b\n", b"0 a=b\n", b"6 a=b!", b"11 size=-1\n", b"-6 a=b\n",
        b"12 size=1e3\n", b"13 mtime=abc\n", b"5 =b\n", b"x" * 400,
        b"36 size=999999999999999999999999999\n", b"27 size=99999999999999999\n",
    ],
)  # fmt: skip
def test_damaged_extended_headers_are_refused(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(_record(text))
    with pytest.raises(FormatError):
        members_of(path)


def test_extended_headers_say_name_and_time(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(_record(b"14 path=a/b.c\n17 mtime=123.456\n12 unknown=\n"))
    assert [(m.name, m.mtime) for m in members_of(path)] == [("a/b.c", 123)]


def test_negative_and_huge_numbers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    for size in (-5, 1 << 70):
        raw = bytearray(format_header("f", 0, mtime=0))
        raw[124:136] = (b"\xff" if size < 0 else b"\x80") + (size & (1 << 88) - 1).to_bytes(
            11, "big"
        )
        raw[148:156] = b"        "
        raw[148:156] = b"%06o\0 " % sum(raw)
        path.write_bytes(raw + bytes(1024))
        with pytest.raises(FormatError):
            members_of(path)


def test_an_extended_header_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    member = tarfile.TarInfo("pax")
    member.type, member.size = tarfile.XHDTYPE, GIB
    path = tmp_path / "x.tar"
    path.write_bytes(member.tobuf(tarfile.GNU_FORMAT))
    with path.open("r+b") as stream:
        stream.truncate(2 * GIB)
    with pytest.raises(FormatError, match="an extended header of"):
        members_of(path)


def test_data_behind_the_end_is_refused_and_zeros_are_not(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    good = format_header("f", 0, mtime=0) + bytes(1024)
    path.write_bytes(good + bytes(100_001))
    assert len(members_of(path)) == 1
    for rest in (b"x", bytes(100_000) + b"x"):
        path.write_bytes(good + rest)
        with pytest.raises(FormatError, match="data follows the end"):
            members_of(path)
    with path.open("r+b") as stream:
        stream.truncate(20 << 20)
    path.write_bytes(good)
    with path.open("r+b") as stream:
        stream.truncate(GIB)
    with pytest.raises(FormatError, match="bytes follow the end"):
        members_of(path)


@pytest.mark.parametrize(
    ("name", "size", "magic"),
    [
        ("a.ovf", 5, b"ustar\x0000"),
        ("a.vmdk", 8 * GIB - 1, b"ustar\x0000"),
        ("a.vmdk", 8 * GIB, b"ustar  \0"),
        ("n" * 101, 5, b"ustar  \0"),
    ],
    ids=["small", "largest ustar", "large", "long name"],
)
def test_headers_are_ustar_where_they_can(
    tmp_path: Path, name: str, size: int, magic: bytes
) -> None:
    path = tmp_path / "x.tar"
    head = format_header(name, size, mtime=1_600_000_000)
    path.write_bytes(head)
    with path.open("r+b") as stream:
        stream.truncate(len(head) + padded(size) + 1024)
    assert head[257:265] == magic
    assert members_of(path) == (Member(name, len(head), size, 1_600_000_000),)
    shown = judge("tar", "--utc", "--full-time", "-tvf", path).stdout.split()
    assert shown == ["-rw-r--r--", "root/root", str(size), "2020-09-13", "12:26:40", name]
