"""What a journal holds is in its place once the filesystem is open, or it is refused."""

import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.errors import FormatError
from builder.formats.disk import MIB, FileDisk
from builder.formats.ext4 import Ext4
from tests.formats.ext4_variants import (
    VARIANTS,
    check,
    debugfs,
    make_image,
    open_disk,
    open_fs,
    read,
    write,
)
from tests.support.judges import judge

MAGIC = struct.pack(">I", 0xC03B3998)
OPEN = {"plain": "jo", "version 2": "jo -c -v 2", "version 3": "jo -c -v 3"}


def _make(tmp_path: Path, variant: str) -> tuple[Path, int]:
    """Make an image with a file of three blocks; returns the first of them."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "f").write_bytes(b"old" * 4096)
    image = make_image(tmp_path / "image", variant, tree=tree, size=8 * MIB)
    return image, int(debugfs(image, "blocks /f").split()[0])


def _log(image: Path, *commands: str) -> None:
    """Have debugfs write transactions into the journal, and leave them there."""
    said = judge("debugfs", "-w", "-f", "-", image, text="\n".join((*commands, "jc", "")))
    assert "journal" not in said.stderr.lower(), said.stderr


def _content(path: Path, *blocks: bytes) -> Path:
    """Write blocks of content for debugfs, each filled up to 4 KiB."""
    path.write_bytes(b"".join(block * (4096 // len(block)) for block in blocks))
    return path


def _journal_offset(image: Path) -> int:
    """Return the byte where the journal begins."""
    return int(debugfs(image, "blocks <8>").split()[0]) * 4096


def _patch(image: Path, offset: int, content: bytes) -> None:
    """Replace bytes of the image."""
    with image.open("r+b") as file:
        file.seek(offset)
        file.write(content)


@pytest.mark.parametrize("way", OPEN)
@pytest.mark.parametrize("variant", ["photon", "no 64bit", "no checksums"])
def test_committed_blocks_are_written(way: str, variant: str, tmp_path: Path) -> None:
    image, block = _make(tmp_path, variant)
    first = _content(tmp_path / "1", b"one!", MAGIC)
    second = _content(tmp_path / "2", b"two!")
    _log(image, OPEN[way], f"jw -b {block},{block + 1} {first}", f"jw -b {block} {second}")
    assert "needs_recovery" in judge("dumpe2fs", "-h", image).stdout
    with open_disk(image) as disk:
        fs = open_fs(disk)
        content = read(fs, "/f")
        assert content[:4096] == b"two!" * 1024
        assert content[4096:8192] == MAGIC * 1024
        assert content[8192:] == (b"old" * 4096)[8192:]
        write(fs, "/g", b"more")
        fs.flush()
    assert "needs_recovery" not in judge("dumpe2fs", "-h", image).stdout
    check(image)


def test_a_revoked_block_is_left_alone_until_it_is_written_again(tmp_path: Path) -> None:
    image, block = _make(tmp_path, "photon")
    logged = _content(tmp_path / "1", b"one!", b"one!", b"one!")
    again = _content(tmp_path / "2", b"two!")
    _log(
        image,
        "jo -c",
        f"jw -b {block},{block + 1},{block + 2} {logged}",
        f"jw -r {block},{block + 1}",
        f"jw -b {block + 1} {again}",
    )
    with open_disk(image) as disk:
        content = read(open_fs(disk), "/f")
    old = b"old" * 4096
    assert content == old[:4096] + b"two!" * 1024 + b"one!" * 1024
    check(image)


def test_a_transaction_without_a_commit_never_was(tmp_path: Path) -> None:
    image, block = _make(tmp_path, "photon")
    lost = _content(tmp_path / "1", b"lost")
    kept = _content(tmp_path / "2", b"kept")
    _log(image, "jo -c", f"jw -b {block} {kept}", f"jw -c -b {block + 1} {lost}")
    with open_disk(image) as disk:
        content = read(open_fs(disk), "/f")
    assert content[:4096] == b"kept" * 1024
    assert content[4096:] == (b"old" * 4096)[4096:]
    check(image)


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        (0x20, "recorded|checksum"),
        (0x51, "wrong checksum"),
        (4096 + 0x20, "descriptor block with the wrong checksum"),
        (2 * 4096 + 5, "copy of block"),
        (3 * 4096 + 0x20, "commit block with the wrong checksum"),
        (4 * 4096 + 0x20, "revocation block with the wrong checksum"),
    ],
)
def test_a_damaged_journal_is_refused(place: int, sentence: str, tmp_path: Path) -> None:
    image, block = _make(tmp_path, "photon")
    logged = _content(tmp_path / "1", b"one!")
    _log(image, "jo -c", f"jw -b {block} {logged}", f"jw -r {block + 1}")
    start = _journal_offset(image)
    old = image.read_bytes()[start + place]
    _patch(image, start + place, bytes([old ^ 1]))
    with open_disk(image) as disk, pytest.raises(FormatError, match=f"journal: .*({sentence})"):
        open_fs(disk)


@pytest.mark.parametrize(
    ("offset", "value", "sentence"),
    [
        (0x00, 0, "magic"),
        (0x04, 1, "kind 1"),
        (0x0C, 1024, "blocks of 1024 bytes"),
        (0x10, 1 << 30, "not allocated"),
        (0x14, 0, "begins at block 0"),
        (0x1C, 1 << 31, "oldest transaction"),
        (0x20, 5, "error was recorded"),
        (0x28, 0x20, "fast commits"),
        (0x28, 0x04, "asynchronous commits"),
        (0x28, 0x80, "features 0x80"),
        (0x2C, 0x01, "features 0x0, 0x1"),
        (0x28, 0x18, "checksum algorithm"),
        (4096 + 0x0C, 1 << 30, "a write names the blocks"),
    ],
)
def test_wild_values_are_refused(offset: int, value: int, sentence: str, tmp_path: Path) -> None:
    image, block = _make(tmp_path, "no checksums")
    _log(image, "jo", f"jw -b {block} {_content(tmp_path / '1', b'one!')}")
    _patch(image, _journal_offset(image) + offset, struct.pack(">I", value))
    with open_disk(image) as disk, pytest.raises(FormatError, match=sentence):
        open_fs(disk)


@pytest.mark.parametrize(
    ("version", "users", "sentence"),
    [(4, 9999, "9999 filesystems use it"), (3, 1, "version 1, but fields of version 2")],
)
def test_a_journal_that_e2fsck_would_clear_is_refused(
    version: int, users: int, sentence: str, tmp_path: Path
) -> None:
    image, _ = _make(tmp_path, "no checksums")
    start = _journal_offset(image)
    _patch(image, start + 4, struct.pack(">I", version))
    _patch(image, start + 0x40, struct.pack(">I", users))
    assert "journal" in judge("e2fsck", "-fn", image, check=False).stdout.lower()
    with open_disk(image) as disk, pytest.raises(FormatError, match=sentence):
        open_fs(disk)


def test_a_journal_with_holes_is_refused(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    image = make_image(tmp_path / "image", "ext3", tree=tree, size=8 * MIB)
    debugfs(image, "set_inode_field <8> block[3] 0", edit=True)
    assert judge("e2fsck", "-fn", image, check=False).returncode
    with open_disk(image) as disk, pytest.raises(FormatError, match="block 3 of .* not allocated"):
        open_fs(disk)


def test_a_log_that_needs_no_recovery_by_the_superblock_is_refused(tmp_path: Path) -> None:
    image, block = _make(tmp_path, "no checksums")
    _log(image, "jo", f"jw -b {block} {_content(tmp_path / '1', b'one!')}")
    _patch(image, 1024 + 0x60, bytes([image.read_bytes()[1024 + 0x60] & ~4]))
    with open_disk(image) as disk, pytest.raises(FormatError, match="needs_recovery is unset"):
        open_fs(disk)


def _slow_crc32(content: bytes) -> int:
    """Return the CRC-32 that a commit block of version 1 has, bit by bit."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc >> 31 else 0)) & 0xFFFFFFFF
    return crc


@pytest.mark.parametrize("wrong", [False, True])
def test_the_checksum_of_a_whole_transaction_is_compared(*, wrong: bool, tmp_path: Path) -> None:
    image, block = _make(tmp_path, "no checksums")
    _log(image, "jo", f"jw -b {block} {_content(tmp_path / '1', b'one!')}")
    start = _journal_offset(image)
    logged = image.read_bytes()[start + 4096 : start + 3 * 4096]
    _patch(image, start + 0x24, struct.pack(">I", 1))
    crc = _slow_crc32(logged) ^ wrong
    _patch(image, start + 3 * 4096 + 0x0C, struct.pack(">BBxxI", 1, 4, crc))
    with open_disk(image) as disk:
        if wrong:
            with pytest.raises(FormatError, match="commit block with the wrong checksum"):
                open_fs(disk)
        else:
            assert read(open_fs(disk), "/f")[:4096] == b"one!" * 1024


def test_the_log_wraps_around(tmp_path: Path) -> None:
    image, block = _make(tmp_path, "no checksums")
    log = [int(number) * 4096 for number in debugfs(image, "blocks <8>").split()]
    assert len(log) == struct.unpack(">I", image.read_bytes()[log[0] + 0x10 :][:4])[0]
    tag = struct.pack(">IHH", block, 0, 8) + bytes(16)
    _patch(image, log[-1], MAGIC + struct.pack(">II", 1, 7) + tag)
    _patch(image, log[1], b"new!" * 1024)
    _patch(image, log[2], MAGIC + struct.pack(">II", 2, 7))
    _patch(image, log[0] + 0x18, struct.pack(">II", 7, len(log) - 1))
    _patch(image, 1024 + 0x60, bytes([image.read_bytes()[1024 + 0x60] | 4]))
    with open_disk(image) as disk:
        assert read(open_fs(disk), "/f")[:4096] == b"new!" * 1024
    check(image)


def test_orphans_of_a_list_are_refused(tmp_path: Path) -> None:
    image, _ = _make(tmp_path, "photon")
    debugfs(image, "set_super_value last_orphan 13", edit=True)
    with open_disk(image) as disk, pytest.raises(FormatError, match="orphan list, inode 13"):
        open_fs(disk)


def test_an_orphan_file_must_be_empty(tmp_path: Path) -> None:
    image, _ = _make(tmp_path, "modern")
    debugfs(image, "feature orphan_present", edit=True)
    copy = shutil.copyfile(image, tmp_path / "copy")
    with open_disk(image) as disk:
        open_fs(disk).flush()
    assert "orphan_present" not in judge("dumpe2fs", "-h", image).stdout
    check(image)
    number = judge("dumpe2fs", "-h", copy).stdout.split("Orphan file inode:")[1].split()[0]
    block = int(debugfs(copy, f"blocks <{number}>").split()[0])
    _patch(copy, block * 4096 + 8, b"\x0d")
    with open_disk(copy) as disk, pytest.raises(FormatError, match="orphan file, block"):
        open_fs(disk)


def _live(image: Path, mount: Path, options: str) -> None:
    """Mount an image, have the kernel work on it, and copy it while it is mounted."""
    mount.mkdir()
    run = judge("mount", "-o", f"loop,{options}", image, mount, check=False)
    if run.returncode:
        pytest.skip("mounting is not permitted here")
    live = image.with_name("live")
    try:
        for number in range(150):
            (mount / f"d{number}").mkdir()
            (mount / f"d{number}/f").write_bytes(MAGIC * 2000)
        judge("sync", "-f", mount)
        for number in range(0, 150, 2):
            shutil.rmtree(mount / f"d{number}")
            (mount / f"n{number}").write_bytes(b"%d" % number * 1000)
        judge("sync", "-f", mount)
        shutil.copyfile(image, live)
    finally:
        judge("umount", mount)
    live.replace(image)


@pytest.mark.parametrize(
    ("variant", "options"),
    [
        ("photon", "defaults"),
        ("modern", "defaults"),
        ("no checksums", "defaults"),
        ("no checksums", "journal_checksum"),
        ("1 KiB blocks", "defaults"),
        ("no 64bit", "data=journal"),
    ],
)
def test_what_the_kernel_left_undone_is_done(variant: str, options: str, tmp_path: Path) -> None:
    assert variant in VARIANTS
    image = make_image(tmp_path / "image", variant)
    _live(image, tmp_path / "mount", options)
    assert "needs_recovery" in judge("dumpe2fs", "-h", image).stdout
    with open_disk(image) as disk:
        fs = open_fs(disk)
        write(fs, "/added", b"x")
        fs.flush()
        wanted = {f"d{number}" for number in range(1, 150, 2)}
        wanted |= {f"n{number}" for number in range(0, 150, 2)} | {"added", "lost+found"}
        assert set(fs.names("/")) == wanted
        assert read(fs, "/d7/f") == MAGIC * 2000
        assert read(fs, "/n148") == b"148" * 1000
    check(image)


@pytest.mark.parametrize(
    "edit",
    [lambda fs: fs.names("/"), lambda fs: fs.flush()],
    ids=["reading", "flushing"],
)
def test_opening_twice_replays_once(edit: Callable[[Ext4], object], tmp_path: Path) -> None:
    image, block = _make(tmp_path, "photon")
    _log(image, "jo -c", f"jw -b {block} {_content(tmp_path / '1', b'one!')}")
    with open_disk(image) as disk:
        edit(open_fs(disk))
    before = image.read_bytes()
    with FileDisk(image) as disk:
        edit(open_fs(disk))
    assert image.read_bytes() == before
