"""Whatever bytes an ext4 filesystem is made of, the answer is an error of this project."""

import os
import random
import re
import struct
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pytest

from builder.errors import BuilderError, FormatError
from builder.formats.disk import MIB, FileDisk
from builder.formats.ext4 import Ext4, is_ext4
from tests.formats.ext4_variants import (
    TIMESTAMP,
    make_custom,
    make_image,
    open_disk,
    open_fs,
    write,
)
from tests.support.judges import judge

COMPAT, INCOMPAT, READ_ONLY = 0x5C, 0x60, 0x64


@dataclass
class MemoryDisk:
    """A disk in memory."""

    content: bytearray

    @property
    def size(self) -> int:
        """Capacity."""
        return len(self.content)

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes."""
        self._check(offset, length)
        return bytes(self.content[offset : offset + length])

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Replace bytes."""
        self._check(offset, len(data))
        self.content[offset : offset + len(data)] = data

    def _check(self, offset: int, length: int) -> None:
        """Refuse what is not on the disk."""
        if offset < 0 or length < 0 or offset + length > len(self.content):
            raise FormatError(f"bytes {offset} to {offset + length} of {len(self.content)}")


def _make_base(tmp_path: Path, variant: str) -> bytes:
    """Return a small image with something of everything."""
    tree = tmp_path / "tree"
    (tree / "dir/sub").mkdir(parents=True)
    for number in range(150):
        (tree / f"dir/file-with-a-name-{number}").write_bytes(b"c" * number * 9)
    (tree / "short").symlink_to("dir")
    (tree / "long").symlink_to("d/" * 50)
    (tree / "big").write_bytes(b"c" * 180_000)
    os.link(tree / "big", tree / "same")
    image = make_image(tmp_path / "image", variant, tree=tree, size=6 * MIB)
    value = tmp_path / "value"
    value.write_bytes(b"v" * 900)
    commands = f"ea_set -f {value} /big user.a\n"
    judge("debugfs", "-w", "-f", "-", image, text=commands)
    judge("e2fsck", "-fyD", image, check=False)
    return image.read_bytes()


def _exercise(disk: MemoryDisk) -> None:
    """Open, read and change everything that can be reached."""
    fs = Ext4(disk, 0, timestamp=TIMESTAMP)
    for path in ("/big", "/dir/file-with-a-name-7", "/short", "/long"):
        node = fs.lstat(path)
        if node and node.kind == "file":
            list(islice(fs.chunks(path), 16))
    fs.names("/")
    for number in range(40):
        write(fs, f"/dir/another-longer-file-name-{number}", b"x" * 50 * number)
    fs.make_directory("/dir/sub/d", mode=0o755, uid=0, gid=0)
    write(fs, "/big", b"y" * 70_000)
    fs.make_symlink("/long", "z" * 80)
    fs.remove("/dir")
    fs.remove("/same")
    fs.flush()


def _attempt(content: bytearray) -> bool:
    """Return whether the exercise went through; other errors than ours fail the test."""
    try:
        _exercise(MemoryDisk(content))
    except BuilderError:
        return False
    return True


@pytest.fixture(name="plain", scope="module")
def make_plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty filesystem without checksums, which lets damage through to the other checks."""
    folder = tmp_path_factory.mktemp("plain")
    return make_image(folder / "image", "no checksums", size=8 * MIB)


VARIANTS = ["photon", "no checksums", "1 KiB blocks, no checksums", "ext2", "uninit_bg"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_exercise_goes_through_undamaged(variant: str, tmp_path: Path) -> None:
    assert _attempt(bytearray(_make_base(tmp_path, variant)))


def _targets(base: bytes) -> list[int]:
    """Return the bytes worth hitting: those of blocks that are neither empty nor plain content."""
    return [
        at
        for at in range(0, len(base), 16)
        if any(base[at : at + 16]) and base[at : at + 2] not in (b"cc", b"vv", b"\xff\xff")
    ]


def _hit(content: bytearray, targets: list[int], generator: random.Random) -> None:
    """Damage a word or two."""
    for _ in range(generator.choice((1, 1, 2, 8))):
        at = generator.choice(targets) + 2 * generator.randrange(8)
        size = generator.choice((1, 2, 4))
        value = generator.choice(
            (
                0,
                (1 << 8 * size) - 1,
                generator.getrandbits(8 * size),
                content[at] ^ 1,
                content[at] ^ 0x80,
            )
        )
        content[at : at + size] = (value & ((1 << 8 * size) - 1)).to_bytes(size, "little")


def _fuzz(base: bytes, seed: int, rounds: int) -> int:
    """Damage and exercise; returns how often it was noticed."""
    generator = random.Random(seed)
    targets = _targets(base)
    near_start = [at for at in targets if at < 48 * 1024]
    noticed = 0
    for number in range(rounds):
        content = bytearray(base)
        _hit(content, near_start if number % 2 else targets, generator)
        noticed += not _attempt(content)
    return noticed


@pytest.mark.parametrize("variant", VARIANTS)
def test_damage_gives_only_our_errors(variant: str, tmp_path: Path) -> None:
    assert _fuzz(_make_base(tmp_path, variant), 1, 25) > 2


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("variant", VARIANTS)
def test_much_damage_gives_only_our_errors(variant: str, seed: int, tmp_path: Path) -> None:
    assert _fuzz(_make_base(tmp_path, variant), 100 + seed, 400) > 40


def test_a_flipped_byte_of_metadata_is_noticed_by_its_checksum(tmp_path: Path) -> None:
    image = make_image(tmp_path / "image", size=6 * MIB)
    base = image.read_bytes()
    said = judge("dumpe2fs", image).stdout
    first = {"superblock": 1024 + 0x150, "group descriptor": 4096 + 12}
    for what in ("Block bitmap", "Inode bitmap"):
        found = re.search(rf"{what} at (\d+)", said)
        assert found
        first[what.lower()] = int(found[1]) * 4096
    table = re.search(r"Inode table at (\d+)", said)
    assert table
    first["inode"] = int(table[1]) * 4096 + 256 + 0x44
    for what, offset in first.items():
        content = bytearray(base)
        content[offset] ^= 0x40
        with pytest.raises(FormatError, match=f"{what}.*checksum"):
            write(Ext4(MemoryDisk(content), 0, timestamp=0), "/x", b"x")


@pytest.mark.parametrize("variant", ["photon", "uninit_bg"])
def test_a_damaged_descriptor_of_a_group_that_is_not_needed_is_noticed(
    variant: str, tmp_path: Path
) -> None:
    """Judged by e2fsck, which finds the damage too, and edits nothing then without repairing."""
    image = make_image(tmp_path / "image", variant, size=4096 * MIB)
    said = judge("dumpe2fs", "-h", image).stdout
    wide = re.search(r"Group descriptor size: +(\d+)", said)
    block = re.search(r"Block size: +(\d+)", said)
    assert block
    at = max(int(block[1]), 2048) + 20 * (int(wide[1]) if wide else 32) + 0x1E
    with image.open("r+b") as stream:
        stream.seek(at)
        byte = stream.read(1)[0]
        stream.seek(at)
        stream.write(bytes([byte ^ 0x40]))
    assert judge("e2fsck", "-fn", image, check=False).returncode == 4
    with FileDisk(image, writable=True) as disk:
        filesystem = Ext4(disk, 0, timestamp=0)
        write(filesystem, "/x", b"x")
        with pytest.raises(FormatError, match=r"group descriptor 20: checksum"):
            filesystem.flush()


@pytest.mark.parametrize("size", [0, 1023, 1024, 1500, 2047, 2048, 4096, 9000, MIB, 6 * MIB - 1])
def test_a_truncated_filesystem_is_refused(size: int, tmp_path: Path) -> None:
    base = make_image(tmp_path / "image", size=6 * MIB).read_bytes()
    disk = MemoryDisk(bytearray(base[:size]))
    is_ext4(disk, 0)
    with pytest.raises(FormatError, match=r"^ext4: "):
        Ext4(disk, 0, timestamp=0)


@pytest.mark.parametrize(
    ("offset", "bit", "name"),
    [
        (COMPAT, 0x2, "imagic_inodes"),
        (COMPAT, 0x100, "snapshot_bitmap"),
        (COMPAT, 0x80000000, "FEATURE_C31"),
        (INCOMPAT, 0x1, "compression"),
        (INCOMPAT, 0x8, "journal_dev"),
        (INCOMPAT, 0x10, "meta_bg"),
        (INCOMPAT, 0x100, "mmp"),
        (INCOMPAT, 0x400, "ea_inode"),
        (INCOMPAT, 0x1000, "dirdata"),
        (INCOMPAT, 0x8000, "inline_data"),
        (INCOMPAT, 0x10000, "encrypt"),
        (INCOMPAT, 0x20000, "casefold"),
        (INCOMPAT, 0x40000000, "FEATURE_I30"),
        (READ_ONLY, 0x80, "FEATURE_R7"),
        (READ_ONLY, 0x100, "quota"),
        (READ_ONLY, 0x200, "bigalloc"),
        (READ_ONLY, 0x800, "replica"),
        (READ_ONLY, 0x1000, "read-only"),
        (READ_ONLY, 0x2000, "project"),
        (READ_ONLY, 0x4000, "shared_blocks"),
        (READ_ONLY, 0x8000, "verity"),
        (READ_ONLY, 0x20000000, "FEATURE_R29"),
    ],
)
def test_an_unknown_feature_is_refused_by_its_name(
    offset: int, bit: int, name: str, plain: Path, tmp_path: Path
) -> None:
    image = tmp_path / "image"
    content = bytearray(plain.read_bytes())
    word = struct.unpack_from("<I", content, 1024 + offset)[0] | bit
    struct.pack_into("<I", content, 1024 + offset, word)
    image.write_bytes(content)
    listed = judge("dumpe2fs", "-h", image, check=False).stdout
    opened = "Filesystem features" in listed  # it does not open what it does not know
    assert name in listed or not opened
    with FileDisk(image) as disk, pytest.raises(FormatError, match=f"has the feature {name},"):
        open_fs(disk)


@pytest.mark.parametrize(
    ("offset", "layout", "value", "sentence"),
    [
        (0x00, "I", 1, "1 inodes in"),
        (0x04, "I", 0, "0 blocks"),
        (0x04, "I", 0xFFFFFFFF, "inodes in"),
        (0x0C, "I", 0xFFFFFFFF, "more free"),
        (0x14, "I", 1, "first data block 1"),
        (0x18, "I", 99, "1024 << 99"),
        (0x18, "I", 0, "first data block 0"),
        (0x20, "I", 0, "0 blocks in a group"),
        (0x20, "I", 0xFFFFFFF8, "blocks in a group"),
        (0x28, "I", 0, "0 inodes in a group"),
        (0x28, "I", 12, "12 inodes in a group"),
        (0x38, "H", 0, "no ext4 superblock"),
        (0x3A, "H", 3, "marked as having errors"),
        (0x3A, "H", 0, "not cleanly unmounted"),
        (0x4C, "I", 0, "revision 0"),
        (0x54, "I", 0, "first free inode 0"),
        (0x58, "H", 200, "inodes of 200 bytes"),
        (0x58, "H", 8192, "inodes of 8192 bytes"),
        (0xCE, "H", 0xFFFF, "reserved descriptor blocks"),
        (0xE0, "I", 0, "another device"),
        (0xE4, "I", 7, "another device"),
        (0xE8, "I", 12, "orphan list"),
        (0x174, "B", 200, "flexible groups"),
    ],
)
def test_a_wild_superblock_is_refused(
    offset: int, layout: str, value: int, sentence: str, plain: Path
) -> None:
    base = bytearray(plain.read_bytes())
    struct.pack_into(f"<{layout}", base, 1024 + offset, value)
    with pytest.raises(FormatError, match=sentence):
        Ext4(MemoryDisk(base), 0, timestamp=0)


def _root_inode(image: Path) -> int:
    """Return the byte where the root's inode begins."""
    found = re.search(r"Inode table at (\d+)", judge("dumpe2fs", image).stdout)
    assert found
    return int(found[1]) * 4096 + 256


@pytest.mark.parametrize(
    ("offset", "layout", "value", "sentence"),
    [
        (0x00, "H", 0o100644, "root is not a directory"),
        (0x04, "I", 0xFFFFF000, "without holes"),
        (0x1A, "H", 0, "not in use"),
        (0x20, "I", 0x10080000, "inline_data"),
        (0x28, "H", 0, "extent root: magic"),
        (0x2A, "H", 5, "5 entries of 4"),
        (0x2C, "H", 9, "1 entries of 9"),
        (0x2E, "H", 6, "height 6"),
        (0x2E, "H", 1, "extent root"),
        (0x38, "H", 0, "extent of 0 blocks"),
        (0x3A, "H", 0xFFFF, "names the blocks"),
        (0x3C, "I", 0, "group descriptors, bitmaps or inodes"),
        (0x3C, "I", 0x0FFFFFFF, "names the blocks"),
        (0x80, "H", 0xFFFC, "uses 65660 of 256 bytes"),
    ],
)
def test_a_wild_inode_is_refused(
    offset: int, layout: str, value: int, sentence: str, plain: Path
) -> None:
    base = bytearray(plain.read_bytes())
    struct.pack_into(f"<{layout}", base, _root_inode(plain) + offset, value)
    with pytest.raises(FormatError, match=sentence):
        Ext4(MemoryDisk(base), 0, timestamp=0).names("/")


@pytest.mark.parametrize(
    ("offset", "layout", "value", "sentence"),
    [
        (24, "I", 0xFFFFFFF, "inode 268435455"),
        (24, "I", 7, "reserved inode 7"),
        (28, "H", 0, "an entry of 0 bytes"),
        (28, "H", 8, "an entry of 8 bytes"),
        (28, "H", 21, "an entry of 21 bytes"),
        (28, "H", 0xFFFC, "an entry of 65532 bytes"),
        (30, "B", 0, "a name of 0 bytes"),
        (30, "B", 255, "the name"),
        (32, "B", 0x2F, "the name"),
    ],
)
def test_a_wild_entry_is_refused(
    offset: int, layout: str, value: int, sentence: str, plain: Path
) -> None:
    base = bytearray(plain.read_bytes())
    block = struct.unpack_from("<I", base, _root_inode(plain) + 0x3C)[0]
    struct.pack_into(f"<{layout}", base, block * 4096 + offset, value)
    fs = Ext4(MemoryDisk(base), 0, timestamp=0)
    with pytest.raises(FormatError, match=sentence):
        fs.remove("/lost+found" if "reserved" in sentence else "/" + "".join(fs.names("/")))


def test_a_tree_of_one_block_that_names_itself_ends(tmp_path: Path) -> None:
    image = make_image(tmp_path / "image", "no checksums")
    with open_disk(image) as disk:
        fs = open_fs(disk)
        write(fs, "/f", bytes(4096))
        fs.flush()
    base = bytearray(image.read_bytes())
    root = _root_inode(image)
    block = fs.size // 4096 - 1
    node = struct.pack("<HHHHI", 0xF30A, 2, 4, 1, 0)
    entry = struct.pack("<IIHH", 0, block, 0, 0) + struct.pack("<IIHH", 1, block, 0, 0)
    base[root + 0x28 : root + 0x28 + 36] = node + entry
    base[block * 4096 : block * 4096 + 12] = struct.pack("<HHHHI", 0xF30A, 0, 340, 0, 0)
    with pytest.raises(FormatError, match="is used twice"):
        Ext4(MemoryDisk(base), 0, timestamp=0).names("/")


def test_a_directory_that_holds_itself_is_not_removed_for_ever(tmp_path: Path) -> None:
    image = make_image(tmp_path / "image", "no checksums")
    with open_disk(image) as disk:
        fs = open_fs(disk)
        fs.make_directory("/d", mode=0o755, uid=0, gid=0)
        fs.flush()
    judge("debugfs", "-w", "-R", "link /d /d/again", image)
    with FileDisk(image) as source:
        disk_bytes = bytearray(source.read(0, source.size))
    fs = Ext4(MemoryDisk(disk_bytes), 0, timestamp=0)
    with pytest.raises(FormatError, match="already free|not in use"):
        fs.remove("/d")


def test_an_index_that_leads_to_no_name_is_refused(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "big").mkdir(parents=True)
    for number in range(200):
        (tree / f"big/name-{number:03d}").touch()
    image = make_custom(tmp_path / "image", "filetype,dir_index", "-b", "1024", tree=tree)
    judge("e2fsck", "-fyD", image, check=False)
    seed = "11111111-2222-3333-4444-555555555555"
    assert Ext4(MemoryDisk(bytearray(image.read_bytes())), 0, timestamp=0).names("/big")
    judge("debugfs", "-w", "-R", f"set_super_value hash_seed {seed}", image)
    assert judge("e2fsck", "-fn", image, check=False).returncode == 4
    fs = Ext4(MemoryDisk(bytearray(image.read_bytes())), 0, timestamp=0)
    with pytest.raises(FormatError, match="its index does not lead to `name-[0-9]*`"):
        fs.names("/big")
    with pytest.raises(FormatError, match="its index does not lead to `name-[0-9]*`"):
        write(fs, "/big/name-199-new", b"")


def test_a_directory_with_a_name_twice_is_refused(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "name-1").touch()
    (tree / "name-2").touch()
    image = make_custom(tmp_path / "image", "filetype", tree=tree)
    content = image.read_bytes().replace(b"name-2", b"name-1")
    image.write_bytes(content)
    assert "Duplicate entry" in judge("e2fsck", "-fn", image, check=False).stdout
    fs = Ext4(MemoryDisk(bytearray(content)), 0, timestamp=0)
    with pytest.raises(FormatError, match="directory inode 2: has `name-1` twice"):
        fs.names("/")
