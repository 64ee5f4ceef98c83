"""What is written into an ext4 filesystem is there for e2fsck, debugfs and the kernel."""

import io
import os
import random
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pytest

from builder.blob import Blob
from builder.errors import FormatError, GuestError, HostError, NoSpaceError
from builder.formats.disk import GIB, MIB, FileDisk
from builder.formats.ext4 import Ext4, is_ext4
from builder.formats.ext4.checksum import crc16, crc32c
from builder.formats.ext4.dirblock import Entry
from builder.formats.ext4.dirhash import HALF_MD4, LEGACY, TEA, name_hash
from builder.formats.filesystem import Kind, Node
from tests.formats.ext4_variants import (
    PHOTON,
    TIMESTAMP,
    VARIANTS,
    check,
    debugfs,
    make_custom,
    make_image,
    open_disk,
    open_fs,
    read,
    write,
)
from tests.support.judges import judge

SLOW = pytest.mark.slow


@pytest.fixture(name="tree", scope="module")
def make_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for mke2fs -d."""
    tree = tmp_path_factory.mktemp("base") / "tree"
    (tree / "etc").mkdir(parents=True)
    (tree / "etc/hosts").write_text("127.0.0.1 localhost\n")
    (tree / "etc/name").write_text("old\n")
    os.link(tree / "etc/name", tree / "etc/other-name")
    (tree / "etc/link").symlink_to("hosts")
    (tree / "var/lib/deep").mkdir(parents=True)
    (tree / "var/big").write_bytes(random.Random(1).randbytes(900_000))
    return tree


@pytest.mark.parametrize("variant", VARIANTS)
def test_edits_are_there_and_e2fsck_finds_nothing(variant: str, tree: Path, tmp_path: Path) -> None:
    image = make_image(tmp_path / "image", variant, tree=tree)
    with open_disk(image) as disk:
        fs = open_fs(disk)
        assert read(fs, "/var/big") == (tree / "var/big").read_bytes()
        write(fs, "/etc/hosts", b"new\n", 0o4755, 70_000)
        write(fs, "/etc/added", b"x" * 300_000, 0o600, 1)
        fs.make_directory("/opt", mode=0o750, uid=5, gid=6)
        write(fs, "/opt/file", b"")
        fs.make_symlink("/opt/short", "../etc/hosts")
        fs.make_symlink("/opt/long", "../" * 40 + "etc")
        write(fs, "/etc/link", b"no link any more")
        fs.make_directory("/etc", mode=0o700, uid=0, gid=0)
        fs.remove("/var")
        fs.flush()
        assert fs.names("/etc") == ["added", "hosts", "link", "name", "other-name"]
    check(image)
    assert debugfs(image, "cat /etc/hosts") == "new\n"
    assert debugfs(image, "cat /etc/added") == "x" * 300_000
    assert debugfs(image, "cat /etc/link") == "no link any more"
    assert re.search(
        r"Mode:  0750 .*\nUser: +5 +Group: +6 ", debugfs(image, "stat /opt"), re.DOTALL
    )
    assert re.search(r"User: 70000 +Group: 70000", debugfs(image, "stat /etc/hosts"))
    assert re.search(r"Links: 3 ", debugfs(image, "stat /")) is None
    assert '"../etc/hosts"' in debugfs(image, "stat /opt/short")
    assert "Mode:  04755" in debugfs(image, "stat /etc/hosts")
    assert "Mode:  0700" in debugfs(image, "stat /etc")
    with FileDisk(image) as disk:
        fs = open_fs(disk)
        assert fs.lstat("/var") is None
        assert fs.lstat("/opt/long") == Node(
            Kind.SYMLINK, 0o777, target="../" * 40 + "etc", mtime=TIMESTAMP
        )


@pytest.fixture(name="shared", scope="module")
def make_shared(tree: Path) -> Path:
    """An image of the tree that no test changes."""
    return make_image(tree.parent / "image", tree=tree)


def test_lstat_tells_what_stat_tells(tree: Path, tmp_path: Path) -> None:
    os.utime(tree / "etc/hosts", (5, 1_600_000_000))
    image = make_custom(tmp_path / "image", PHOTON, "-L", "root", tree=tree)
    debugfs(image, "mknod null c 1 3", edit=True)
    with FileDisk(image) as disk:
        fs = open_fs(disk)
        owner = os.getuid(), os.getgid()
        assert fs.lstat("/etc/hosts") == Node(
            Kind.FILE, 0o644, *owner, size=20, mtime=1_600_000_000
        )
        assert fs.lstat("/etc/hosts/x") is None
        assert fs.lstat("/etc/link/x") is None
        assert fs.lstat("/etc/" + "x" * 300) is None
        null, root = fs.lstat("/null"), fs.lstat("/")
        assert null
        assert root
        assert (null.kind, root.kind) == (Kind.OTHER, Kind.DIRECTORY)
        uuid = judge("dumpe2fs", "-h", image).stdout.split("Filesystem UUID:")[1].split()[0]
        assert (fs.label, fs.uuid, fs.block_size, fs.size) == ("root", uuid, 4096, 12 * MIB)


def test_other_names_of_a_replaced_file_keep_the_old_content(tree: Path, tmp_path: Path) -> None:
    image = make_image(tmp_path / "image", tree=tree)
    with open_disk(image) as disk:
        fs = open_fs(disk)
        write(fs, "/etc/name", b"new\n")
        fs.flush()
        assert read(fs, "/etc/other-name") == b"old\n"
    check(image)


@pytest.mark.parametrize("variant", ["photon", "1 KiB blocks"])
def test_a_tree_within_a_partition_is_edited(variant: str, tree: Path, tmp_path: Path) -> None:
    inner = make_image(tmp_path / "inner", variant, tree=tree)
    outer = tmp_path / "outer"
    outer.write_bytes(b"\xff" * MIB + inner.read_bytes() + b"\xff" * MIB)
    with open_disk(outer) as disk:
        fs = Ext4(disk, MIB, timestamp=TIMESTAMP)
        write(fs, "/etc/x", b"y")
        fs.flush()
    data = outer.read_bytes()
    assert data[:MIB] == data[-MIB:] == b"\xff" * MIB
    inner.write_bytes(data[MIB:-MIB])
    check(inner)
    assert debugfs(inner, "cat /etc/x") == "y"


def test_the_same_edits_give_the_same_bytes(tree: Path, tmp_path: Path) -> None:
    image = make_image(tmp_path / "image", tree=tree)
    results = []
    for name in ("one", "two"):
        copy = tmp_path / name
        copy.write_bytes(image.read_bytes())
        with open_disk(copy) as disk:
            fs = open_fs(disk)
            fs.make_directory("/new", mode=0o755, uid=0, gid=0)
            write(fs, "/new/a", b"a" * 10_000)
            fs.remove("/var/lib")
            fs.flush()
        results.append(copy.read_bytes())
    assert results[0] == results[1]


def test_reading_changes_nothing(tree: Path, tmp_path: Path) -> None:
    image = make_image(tmp_path / "image", "modern", tree=tree)
    before = image.read_bytes()
    with FileDisk(image) as disk:
        fs = open_fs(disk)
        assert fs.names("/") == ["etc", "lost+found", "var"]
        fs.remove("/absent/too")
        fs.flush()
    assert image.read_bytes() == before


@pytest.mark.parametrize("timestamp", [0, 1 << 31, (1 << 32) - 1])
def test_times_are_the_given_one(timestamp: int, tree: Path, tmp_path: Path) -> None:
    image = make_image(tmp_path / "image", tree=tree)
    with open_disk(image) as disk:
        fs = Ext4(disk, 0, timestamp=timestamp)
        write(fs, "/etc/new", b"")
        fs.remove("/etc/hosts")
        fs.flush()
        node, folder = fs.lstat("/etc/new"), fs.lstat("/etc")
        assert node
        assert folder
        assert node.mtime == folder.mtime == timestamp
    check(image)
    times = re.findall(r"(\w+time): 0x(\w+):(\w+)", debugfs(image, "stat /etc/new"))
    epoch = "00000001" if timestamp >> 31 else "00000000"
    assert times == [
        (name, f"{timestamp:08x}", epoch) for name in ("ctime", "atime", "mtime", "crtime")
    ]


@pytest.mark.parametrize("version", [LEGACY, HALF_MD4, TEA], ids=["legacy", "half MD4", "TEA"])
@pytest.mark.parametrize("seed", ["", "01020304-0506-0708-090a-0b0c0d0e0f10"])
def test_names_hash_as_debugfs_hashes_them(version: int, seed: str) -> None:
    names = ["a", "abc", "x" * 16, "y" * 33, "lib-2.so", "grüße-ÿ", "z" * 255]
    words = bytes.fromhex(seed.replace("-", "")) or bytes(16)
    start = tuple(int.from_bytes(words[at : at + 4], "little") for at in range(0, 16, 4))
    for unsigned in (False, True):
        option = f"-s {seed}" if seed else ""
        commands = "".join(
            f"dx_hash -h {version + 3 * unsigned} {option} {name}\n" for name in names
        )
        said = judge("debugfs", "-f", "-", text=commands).stdout
        wanted = [int(word, 16) for word in re.findall(r"is (0x\w+)", said)]
        found = [name_hash(name.encode(), version, start, unsigned=unsigned) for name in names]
        assert found == wanted


def test_checksums_are_the_published_ones() -> None:
    assert crc32c(0xFFFFFFFF, b"123456789") ^ 0xFFFFFFFF == 0xE3069283
    assert crc32c(0xFFFFFFFF, bytes(32)) ^ 0xFFFFFFFF == 0x8A9136AA
    assert crc16(0, b"123456789") == 0xBB3D


@pytest.mark.parametrize("size", [17, 255, 1020, 4084, 4096, 33_000, 100_000])
def test_a_sum_can_be_continued_anywhere(size: int) -> None:
    content = random.Random(size).randbytes(size)
    whole = crc32c(7, content)
    slow = 7
    for byte in content:
        slow = crc32c(slow, bytes([byte]))
    assert whole == slow
    assert crc32c(crc32c(7, content[: size // 3]), content[size // 3 :]) == whole


@pytest.mark.parametrize(
    ("content", "offset"),
    [(b"", 0), (b"x", -1), (bytes(1081), 0), (bytes(5000), 0), (bytes(5000), 4000)],
    ids=["empty", "negative", "too short", "zeros", "beyond the end"],
)
def test_odd_bytes_are_no_ext4(content: bytes, offset: int, tmp_path: Path) -> None:
    path = tmp_path / "odd"
    path.write_bytes(content)
    with FileDisk(path) as disk:
        assert not is_ext4(disk, offset)


def test_an_ext4_is_known_by_its_magic(tmp_path: Path) -> None:
    with FileDisk(make_image(tmp_path / "image")) as disk:
        assert is_ext4(disk, 0)
        assert not is_ext4(disk, 512)


def test_large_content_is_streamed_in_pieces(tmp_path: Path) -> None:
    content = tmp_path / "content"
    content.write_bytes(random.Random(2).randbytes(5 * MIB + 123))
    image = make_image(tmp_path / "image")
    with open_disk(image) as disk:
        fs = open_fs(disk)
        fs.write_file("/big", Blob.file(content), mode=0o644, uid=0, gid=0)
        fs.flush()
        pieces = list(fs.chunks("/big"))
    assert max(map(len, pieces)) <= MIB
    assert b"".join(pieces) == content.read_bytes()
    check(image)


def test_holes_read_as_zeros(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    with (tree / "sparse").open("wb") as file:
        file.seek(3 * MIB)
        file.write(b"end")
        file.truncate(5 * MIB + 1)
    image = make_image(tmp_path / "image", tree=tree)
    debugfs(image, "fallocate /sparse 10 20", edit=True)
    with FileDisk(image) as disk:
        fs = open_fs(disk)
        assert read(fs, "/sparse") == (tree / "sparse").read_bytes()


@dataclass(frozen=True)
class Lying:
    """Content that is not as long as it says."""

    size: int
    actual: int

    def open(self) -> BinaryIO:
        """Open the bytes."""
        return io.BytesIO(b"z" * self.actual)


@pytest.mark.parametrize("actual", [0, 9_999, 10_001, 12_288, 12_289])
def test_content_of_another_length_is_refused(actual: int, tmp_path: Path) -> None:
    image = make_image(tmp_path / "image")
    with open_disk(image) as disk:
        fs = open_fs(disk)
        with pytest.raises(HostError, match="not 10000 bytes"):
            fs.write_file("/f", Lying(10_000, actual), mode=0o644, uid=0, gid=0)


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda fs: write(fs, "/etc", b""), "is a directory"),
        (lambda fs: write(fs, "/no/file", b""), "parent is not a directory"),
        (lambda fs: write(fs, "/etc/hosts/x", b""), "parent is not a directory"),
        (lambda fs: write(fs, "/etc/" + "n" * 256, b""), "256 bytes"),
        (lambda fs: write(fs, "/", b""), "root itself"),
        (lambda fs: write(fs, "/x", b"", 0o100644), "do not fit"),
        (lambda fs: write(fs, "/x", b"", 0o644, -1), "do not fit"),
        (lambda fs: write(fs, "/x", b"", 0o644, 0xFFFFFFFF), "do not fit"),
        (lambda fs: fs.make_symlink("/etc", "x"), "is a directory"),
        (lambda fs: fs.make_symlink("/x", ""), "target"),
        (lambda fs: fs.make_symlink("/x", "y" * 4096), "target"),
        (lambda fs: fs.make_directory("/etc/hosts", mode=0, uid=0, gid=0), "not a directory"),
        (lambda fs: fs.make_directory("/a/b", mode=0, uid=0, gid=0), "parent is not a directory"),
        (lambda fs: fs.remove("/"), "root itself"),
        (lambda fs: fs.names("/etc/hosts"), "not a directory"),
        (lambda fs: fs.names("/none"), "no such directory"),
        (lambda fs: fs.chunks("/none"), "no such file"),
        (lambda fs: fs.chunks("/etc"), "not a regular file"),
        (lambda fs: fs.lstat("etc"), "absolute path"),
        (lambda fs: fs.lstat("/etc/../x"), "absolute path"),
        (lambda fs: fs.lstat("/a\0b"), "absolute path"),
        (lambda fs: fs.lstat("/\ud800"), "not valid text"),
    ],
)
def test_what_the_tree_does_not_allow_is_refused(
    edit: Callable[[Ext4], object], sentence: str, shared: Path
) -> None:
    with FileDisk(shared) as disk:
        fs = Ext4(disk, 0, timestamp=TIMESTAMP, name="partition 3")
        with pytest.raises(GuestError, match=f"^partition 3: .*{sentence}"):
            edit(fs)


def test_names_that_are_no_utf8_keep_their_bytes(tmp_path: Path) -> None:
    image = make_image(tmp_path / "image")
    with open_disk(image) as disk:
        fs = open_fs(disk)
        write(fs, "/caf\udce9", b"x")
        fs.flush()
        assert fs.names("/") == ["caf\udce9", "lost+found"]
    check(image)


def test_a_full_disk_is_said_in_mebibytes_before_anything_is_written(tmp_path: Path) -> None:
    image = make_image(tmp_path / "image", size=8 * MIB)
    with open_disk(image) as disk:
        fs = Ext4(disk, 0, timestamp=TIMESTAMP, name="partition 3")
        before = image.read_bytes()
        with pytest.raises(NoSpaceError, match=r"^partition 3: /f needs 64\.0 MiB, .* missing"):
            write(fs, "/f", bytes(64 * MIB))
        assert image.read_bytes() == before
        free = fs.free
        write(fs, "/f", bytes(free))
        assert fs.free == 0
        with pytest.raises(NoSpaceError, match=r"needs 0\.1 MiB, 0\.0 MiB are free"):
            write(fs, "/g", b"x")
        write(fs, "/f", bytes(free))
        fs.remove("/f")
        assert fs.free == free
        fs.flush()
    check(image)


def test_free_is_what_the_judge_counts(tree: Path, tmp_path: Path) -> None:
    image = make_image(tmp_path / "image", tree=tree)
    with open_disk(image) as disk:
        fs = open_fs(disk)
        write(fs, "/x", bytes(100_000))
        fs.flush()
        free = fs.free
    said = re.search(r"Free blocks: +(\d+)", judge("dumpe2fs", "-h", image).stdout)
    assert said
    assert int(said[1]) * 4096 == free


def test_no_free_inode_is_said(tmp_path: Path) -> None:
    image = make_custom(tmp_path / "image", PHOTON, "-N", "64")
    with open_disk(image) as disk:
        fs = open_fs(disk)
        for number in range(53):
            write(fs, f"/{number}", b"")
        with pytest.raises(NoSpaceError, match="all 64 inodes are in use"):
            write(fs, "/one-more", b"")
        fs.remove("/0")
        write(fs, "/again", b"")
        fs.flush()
        assert len(fs.names("/")) == 64 - 10
    check(image)


@pytest.mark.parametrize(
    "variant",
    ["1 KiB blocks", "ext2", pytest.param("photon", marks=SLOW), pytest.param("ext3", marks=SLOW)],
)
def test_a_file_in_a_thousand_fragments_is_mapped(variant: str, tmp_path: Path) -> None:
    image = make_image(tmp_path / "image", variant, size=12 * MIB)
    content = random.Random(3).randbytes(2 * MIB)
    with open_disk(image) as disk:
        fs = open_fs(disk)
        block = fs.block_size
        count = min(1200, fs.free // block - 100)
        fs.make_directory("/d", mode=0o755, uid=0, gid=0)
        for number in range(count):
            write(fs, f"/d/{number}", b"x" * block)
        write(fs, "/rest", bytes(fs.free - 80 * block))
        for number in range(0, count, 2):
            fs.remove(f"/d/{number}")
        content = content[: fs.free - 60 * block]
        write(fs, "/fragments", content)
        fs.flush()
        assert read(fs, "/fragments") == content
        check(image)
        fs.remove("/fragments")
        fs.remove("/d")
        fs.flush()
    check(image)


def test_attribute_blocks_are_freed_by_their_last_inode(tree: Path, tmp_path: Path) -> None:
    image = make_image(tmp_path / "image", tree=tree)
    value = tmp_path / "value"
    value.write_bytes(b"v" * 2000)
    debugfs(image, f"ea_set -f {value} /etc/hosts user.long", edit=True)
    debugfs(image, "ea_set /etc/name user.short small", edit=True)
    shown = debugfs(image, "stat /etc/hosts")
    block = re.search(r"File ACL: (\d+)", shown)
    blocks = re.search(r"Blockcount: (\d+)", shown)
    assert block
    assert blocks
    assert block[1] != "0"
    for field, number in (("file_acl", block[1]), ("blocks", blocks[1])):
        debugfs(image, f"set_inode_field /var/big {field} {number}", edit=True)
    judge("e2fsck", "-fy", image, check=False)
    with open_disk(image) as disk:
        fs = open_fs(disk)
        free = fs.free
        fs.remove("/etc/hosts")
        fs.flush()
        check(image)
        assert fs.free == free + 4096
        write(fs, "/etc/other-name", b"x")
        fs.make_directory("/var/more", mode=0o755, uid=0, gid=0)
        fs.remove("/var/big")
        fs.flush()
    check(image)
    assert "user.short" in debugfs(image, "ea_list /etc/name")


@pytest.mark.parametrize("length", [8, 2000], ids=["in the inode", "in a block"])
def test_a_file_whose_attribute_lies_in_another_inode_is_not_replaced(
    length: int, tmp_path: Path
) -> None:
    image = make_custom(tmp_path / "image", f"{PHOTON},ea_inode")
    value = tmp_path / "value"
    value.touch()
    for name in ("other", "short"):
        debugfs(image, f"write {value} {name}", edit=True)
    for key, count in (("near", length), ("far", 9000)):
        value.write_bytes(b"v" * count)
        debugfs(image, f"ea_set -f {value} other user.{key}", edit=True)
    judge("e2fsck", "-fy", image, check=False)
    debugfs(image, "feature -ea_inode", edit=True)
    check(image)
    with open_disk(image) as disk:
        fs = open_fs(disk)
        write(fs, "/short", b"new")
        with pytest.raises(FormatError, match="stored with ea_inode"):
            write(fs, "/other", b"new")
        with pytest.raises(FormatError, match="stored with ea_inode"):
            fs.remove("/other")


def _fill(fs: Ext4, folder: str, count: int, suffix: str = "") -> list[str]:
    """Make many empty files and return their names."""
    names = [f"entry-{number:05d}{suffix}" for number in range(count)]
    for name in names:
        write(fs, f"{folder}/{name}", b"")
    return names


def _make_indexed(image: Path, tmp_path: Path, features: str, *options: str, start: int) -> None:
    """Make an image with an indexed directory /big, as the kernel would have it."""
    tree = tmp_path / "tree"
    (tree / "big").mkdir(parents=True)
    for number in range(start):
        (tree / f"big/first-{number:05d}").touch()
    make_custom(image, features, "-N", "8000", *options, tree=tree)
    judge("e2fsck", "-fyD", image, check=False)


@pytest.mark.parametrize(
    "hash_name", ["half_md4", pytest.param("legacy", marks=SLOW), pytest.param("tea", marks=SLOW)]
)
@pytest.mark.parametrize("block", ["1024", pytest.param("4096", marks=SLOW)])
def test_an_index_is_kept_while_thousands_of_names_come_and_go(
    hash_name: str, block: str, tmp_path: Path
) -> None:
    image = tmp_path / "image"
    _make_indexed(image, tmp_path, PHOTON, "-b", block, start=300)
    judge("tune2fs", "-E", f"hash_alg={hash_name}", image)
    judge("e2fsck", "-fyD", image, check=False)
    with open_disk(image) as disk:
        fs = open_fs(disk)
        names = _fill(fs, "/big", 1600, "-" + "long" * 12)
        fs.flush()
        check(image)
        for name in names[::2]:
            fs.remove(f"/big/{name}")
        fs.flush()
        wanted = [f"first-{number:05d}" for number in range(300)] + names[1::2]
        assert fs.names("/big") == sorted(wanted)
        assert fs.lstat("/big/absent") is None
    check(image)
    assert "Flags: 0x81000" in debugfs(image, "stat /big")
    levels = re.search(r"Indirect levels: (\d)", debugfs(image, "htree_dump /big"))
    assert levels
    assert int(levels[1]) == (1 if block == "1024" else 0)


def test_an_index_with_unsigned_hashes_is_kept(tmp_path: Path) -> None:
    image = tmp_path / "image"
    _make_indexed(image, tmp_path, PHOTON, "-b", "1024", start=300)
    debugfs(image, "set_super_value flags 2", edit=True)
    judge("e2fsck", "-fyD", image, check=False)
    with open_disk(image) as disk:
        fs = open_fs(disk)
        for number in range(300):
            write(fs, f"/big/grün-{number}", b"")
        fs.flush()
    check(image)


def test_an_index_that_is_full_becomes_a_list(tmp_path: Path) -> None:
    image = tmp_path / "image"
    _make_indexed(image, tmp_path, PHOTON, "-b", "1024", start=700)
    with open_disk(image) as disk:
        fs = open_fs(disk)
        directories, inode = fs._directories, fs._find("/big")  # noqa: SLF001 - 10^5 names else
        assert inode
        directories.drop_index(inode)
        fs._inodes.write(inode)  # noqa: SLF001 - as above
        names = _fill(fs, "/big", 200)
        fs.flush()
        assert len(fs.names("/big")) == 900
        assert set(names) < set(fs.names("/big"))
    check(image)
    assert "Flags: 0x80000" in debugfs(image, "stat /big")


def test_a_plain_directory_grows(tmp_path: Path) -> None:
    image = make_custom(tmp_path / "image", PHOTON, "-b", "1024", "-N", "8000")
    with open_disk(image) as disk:
        fs = open_fs(disk)
        fs.make_directory("/d", mode=0o755, uid=0, gid=0)
        names = _fill(fs, "/d", 600)
        fs.flush()
        assert fs.names("/d") == names
        check(image)
        fs.remove("/d")
        fs.flush()
        assert fs.names("/") == ["lost+found"]
    check(image)


def test_more_subdirectories_than_a_count_holds_are_counted_as_one(tmp_path: Path) -> None:
    image = make_image(tmp_path / "image")
    debugfs(image, "mkdir /d", edit=True)
    debugfs(image, "set_inode_field /d links_count 64999", edit=True)
    with open_disk(image) as disk:
        fs = open_fs(disk)
        fs.make_directory("/d/e", mode=0o755, uid=0, gid=0)
        fs.remove("/d/e")
        fs.flush()
    assert "Links: 1 " in debugfs(image, "stat /d")


def test_a_deep_tree_is_removed_without_recursion(tmp_path: Path) -> None:
    image = make_custom(tmp_path / "image", PHOTON, "-b", "1024", "-N", "3000")
    with open_disk(image) as disk:
        fs = open_fs(disk)
        free, path = fs.free, ""
        for _ in range(60):
            path += "/d"
            fs.make_directory(path, mode=0o755, uid=0, gid=0)
            write(fs, path + "/f", b"x")
        fs.remove("/d")
        assert fs.free == free
        fs.flush()
    check(image)


class Counting:
    """A disk that counts the bytes that are read and written."""

    def __init__(self, disk: FileDisk) -> None:
        self.disk, self.size, self.moved = disk, disk.size, 0

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes."""
        self.moved += length
        return self.disk.read(offset, length)

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Replace bytes."""
        self.moved += len(data)
        self.disk.write(offset, data)


def test_an_edit_of_a_large_filesystem_costs_no_more_than_of_a_small_one(tmp_path: Path) -> None:
    moved = []
    for size in (64 * MIB, 40 * GIB):
        image = make_image(tmp_path / "image", size=size)
        with open_disk(image) as disk:
            counting = Counting(disk)
            fs = Ext4(counting, 0, timestamp=TIMESTAMP)
            write(fs, "/f", b"x")
            fs.flush()
            moved.append(counting.moved)
        image.unlink()
    assert moved[1] < 2 * moved[0] < 200_000


def _make_huge(image: Path, features: str, count: int) -> list[str]:
    """Make an image with a directory /huge of many names for one file; e2fsck indexes it."""
    names = [f"name-{number:06d}" for number in range(count)]
    make_custom(image, features, "-b", "1024")
    with open_disk(image) as disk:
        fs = open_fs(disk)
        write(fs, "/file", b"")
        inode = fs._find("/file")  # noqa: SLF001 - a tree of links takes mke2fs minutes
        assert inode
        entries = [Entry(0, 2, 0, b".", 2), Entry(0, 2, 0, b"..", 2)]
        entries += [Entry(0, inode.number, 0, name.encode(), 1) for name in names]
        pack = fs._directories.blocks.pack  # noqa: SLF001 - as above
        blocks = [pack(entries[at : at + 40]) for at in range(0, len(entries), 40)]
        write(fs, "/huge", b"".join(blocks))
        fs.flush()
    debugfs(image, "set_inode_field /huge mode 040755", edit=True)
    judge("e2fsck", "-fyD", image, check=False)
    check(image)
    return names


@pytest.mark.parametrize("features", ["filetype,dir_index", "filetype"])
def test_a_name_among_fifty_thousand_is_found_without_reading_all_there_is(
    features: str, tmp_path: Path
) -> None:
    names = _make_huge(tmp_path / "image", features, 50_000)
    with open_disk(tmp_path / "image") as disk:
        counting = Counting(disk)
        fs = Ext4(counting, 0, timestamp=0)
        assert fs.names("/huge") == names
        counting.moved, start = 0, time.process_time()
        assert all(fs.lstat(f"/huge/{name}") for name in names[::25])
        assert counting.moved < 4096 * 2000
        assert time.process_time() - start < 2000 * 0.5e-3
        assert fs.lstat("/huge/absent") is None


def test_the_kernel_reads_what_was_written_and_goes_on(tree: Path, tmp_path: Path) -> None:
    image = make_image(tmp_path / "image", "modern", tree=tree)
    with open_disk(image) as disk:
        fs = open_fs(disk)
        write(fs, "/etc/new", b"x" * 9000, 0o640, 1234)
        _fill(fs, "/etc", 300)
        fs.flush()
    mount = tmp_path / "mount"
    mount.mkdir()
    run = judge("mount", "-o", "loop", image, mount, check=False)
    if run.returncode:
        pytest.skip("mounting is not permitted here")
    try:
        assert (mount / "etc/new").read_bytes() == b"x" * 9000
        assert (mount / "etc/new").stat().st_uid == 1234
        for number in range(300):
            (mount / f"etc/kernel-{number}").touch()
    finally:
        subprocess.run(["umount", mount], check=True)
    check(image)
