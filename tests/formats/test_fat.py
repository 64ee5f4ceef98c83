"""FAT filesystems: edits that fsck.fat, mtools and blkid agree with."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.blob import Blob
from builder.errors import FormatError, GuestError, HostError, NoSpaceError
from builder.formats.disk import KIB, MIB, FileDisk
from builder.formats.fat import Fat, is_fat
from builder.formats.fat.names import make_alias, plain_alias
from builder.formats.filesystem import Kind, Node
from tests.support.judges import judge

TIME = 1_600_000_000
VARIANTS = [
    pytest.param(3 * MIB, "12", (), id="fat12-3M"),
    pytest.param(10 * MIB, "12", (), id="fat12-10M"),
    pytest.param(10 * MIB, "16", (), id="fat16-10M"),
    pytest.param(10 * MIB, "32", (), id="fat32-10M"),
    pytest.param(30 * MIB, "16", ("-s", "1"), id="fat16-30M"),
    pytest.param(30 * MIB, "32", ("-s", "8"), id="fat32-30M"),
    pytest.param(40 * MIB, "32", ("-s", "1"), id="fat32-40M"),
    pytest.param(30 * MIB, "16", ("-S", "4096", "-s", "1"), id="fat16-4k-sectors"),
]
OFFSET = MIB
MTOOLS = {"LC_ALL": "C.UTF-8"}
MTOOLS_CLUSTERS = 65_525
"""Mtools takes a FAT32 with fewer for a FAT16."""


def chance_of(seed: str) -> random.Random:
    """Return a source of choices that is the same in every run."""
    return random.Random(seed)


def make_image(path: Path, size: int, bits: str, options: tuple[str, ...] = ()) -> Path:
    """Make a disk with a FAT filesystem one MiB from its start."""
    volume = path / "volume"
    volume.write_bytes(b"")
    with volume.open("r+b") as stream:
        stream.truncate(size)
    judge("mkfs.fat", "-F", bits, "-n", "ESP", "-i", "1A2BCD34", *options, volume)
    disk = path / "disk"
    disk.write_bytes(bytes(OFFSET) + volume.read_bytes())
    volume.unlink()
    return disk


def check(disk: Path) -> None:
    """Let fsck.fat judge the filesystem."""
    volume = disk.with_name("judged")
    volume.write_bytes(disk.read_bytes()[OFFSET:])
    run = judge("fsck.fat", "-n", "-v", volume, check=False)
    assert run.returncode == 0, run.stdout
    volume.unlink()


def seen(disk: Path, path: str) -> bytes:
    """Return what mtools reads of a file."""
    out = disk.with_name("seen")
    judge("mcopy", "-n", "-o", "-i", f"{disk}@@{OFFSET}", f"::{path}", out, env=MTOOLS)
    return out.read_bytes()


def put(fat: Fat, path: str, data: bytes) -> None:
    """Write a file as root's."""
    fat.write_file(path, Blob.of(data), mode=0o644, uid=0, gid=0)


def make(fat: Fat, path: str) -> None:
    """Make a directory as root's."""
    fat.make_directory(path, mode=0o755, uid=0, gid=0)


def read(fat: Fat, path: str) -> bytes:
    """Return a file's content."""
    return b"".join(fat.chunks(path))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[FileDisk]:
    """Open a small FAT16."""
    with FileDisk(make_image(tmp_path, 10 * MIB, "16"), writable=True) as disk:
        yield disk


def opened(disk: FileDisk) -> Fat:
    """Open the filesystem of a disk."""
    return Fat(disk, OFFSET, timestamp=TIME, name="partition 1")


@pytest.mark.parametrize(("size", "bits", "options"), VARIANTS)
def test_a_written_tree_is_what_fsck_and_mtools_read(
    tmp_path: Path, size: int, bits: str, options: tuple[str, ...]
) -> None:
    image = make_image(tmp_path, size, bits, options)
    files = {
        "/EFI/BOOT/bootx64.efi": chance_of("efi").randbytes(700_001),
        "/EFI/BOOT/grub.cfg": b"set timeout=0\n",
        "/EFI/A name with spaces, and more.txt": b"long",
        "/EFI/Grüße.txt": b"umlaut",
        "/Mixed.Case": b"mixed",
        "/empty": b"",
    }
    with FileDisk(image, writable=True) as disk:
        fat = opened(disk)
        before = fat.free
        make(fat, "/EFI")
        make(fat, "/EFI/BOOT")
        for path, data in files.items():
            put(fat, path, data)
        assert fat.free < before - 700_000
        fat.flush()
    check(image)
    if bits != "32" or size > 512 * MTOOLS_CLUSTERS:
        assert {path: seen(image, path) for path in files} == files
    with FileDisk(image) as disk:
        fat = opened(disk)
        assert {path: read(fat, path) for path in files} == files
        assert fat.names("/") == ["EFI", "Mixed.Case", "empty"]
        assert fat.names("/EFI/BOOT") == ["bootx64.efi", "grub.cfg"]


@pytest.mark.parametrize(("size", "bits", "options"), VARIANTS)
def test_random_edits_leave_a_clean_filesystem(
    tmp_path: Path, size: int, bits: str, options: tuple[str, ...]
) -> None:
    image = make_image(tmp_path, size, bits, options)
    chance = chance_of(f"{size} {bits}")
    wanted: dict[str, bytes] = {}
    with FileDisk(image, writable=True) as disk:
        fat = opened(disk)
        empty = fat.free
        for folder in ("/a", "/b", "/a/deep folder"):
            make(fat, folder)
        for _ in range(250):
            folder = chance.choice(("", "/a", "/b", "/a/deep folder"))
            path = f"{folder}/{chance.choice(('File', 'a longer name', 'x'))}{chance.randrange(40)}"
            if chance.random() < 0.35:
                fat.remove(path)
                wanted.pop(path, None)
            else:
                wanted[path] = chance.randbytes(chance.choice((0, 1, 511, 5000, 30_000)))
                put(fat, path, wanted[path])
        fat.flush()
        assert {path: read(opened(disk), path) for path in wanted} == wanted
        check(image)
        for name in fat.names("/"):
            fat.remove(f"/{name}")
        fat.flush()
        # FAT32 keeps the clusters that its root directory grew by.
        assert empty - fat.free <= (64 * KIB if bits == "32" else 0)
    check(image)


@pytest.mark.parametrize(
    ("size", "bits", "options"), [v for v in VARIANTS if v.id not in {"fat32-10M", "fat32-30M"}]
)
def test_a_tree_made_by_mtools_is_read(
    tmp_path: Path, size: int, bits: str, options: tuple[str, ...]
) -> None:
    image = make_image(tmp_path, size, bits, options)
    source = tmp_path / "A long name.txt"
    source.write_bytes(b"content" * 5000)
    at = f"{image}@@{OFFSET}"
    judge("mmd", "-i", at, "::/Some Folder", "::/PLAIN")
    for target in ("::/Some Folder/A long name.txt", "::/PLAIN/LOWER.TXT", "::/PLAIN/lower2.txt"):
        judge("mcopy", "-i", at, source, target)
    with FileDisk(image) as disk:
        fat = opened(disk)
        assert fat.names("/") == ["PLAIN", "Some Folder"]
        assert fat.names("/PLAIN") == ["LOWER.TXT", "lower2.txt"]
        assert read(fat, "/some folder/a LONG name.TXT") == source.read_bytes()
        assert read(fat, "/Some Folder/ALONGN~1.TXT") == source.read_bytes()


def test_label_and_uuid_are_those_of_blkid(tmp_path: Path) -> None:
    image = make_image(tmp_path, 10 * MIB, "32")
    with FileDisk(image) as disk:
        fat = opened(disk)
    shown = judge("blkid", "-p", "-O", str(OFFSET), "-o", "export", image).stdout.splitlines()
    assert f"LABEL={fat.label}" in shown
    assert f"UUID={fat.uuid}" in shown
    assert (fat.label, fat.uuid) == ("ESP", "1A2B-CD34")


def test_a_replaced_file_keeps_its_spelling_and_gives_its_room_back(disk: FileDisk) -> None:
    fat = opened(disk)
    put(fat, "/Config.txt", bytes(900_000))
    free = fat.free
    put(fat, "/CONFIG.TXT", b"small")
    assert fat.names("/") == ["Config.txt"]
    assert read(fat, "/config.txt") == b"small"
    assert fat.free > free + 890_000
    fat.flush()
    check(disk.path)


def test_everything_is_shown_as_root_0755(disk: FileDisk) -> None:
    fat = opened(disk)
    make(fat, "/d")
    fat.write_file("/d/f", Blob.of(b"12345"), mode=0o600, uid=0, gid=0)
    assert fat.lstat("/") == Node(Kind.DIRECTORY, 0o755)
    assert fat.lstat("/d") == Node(Kind.DIRECTORY, 0o755, mtime=TIME)
    assert fat.lstat("/d/f") == Node(Kind.FILE, 0o755, size=5, mtime=TIME)
    assert fat.lstat("/d/f/x") is None
    assert fat.lstat("/x/y") is None


@pytest.mark.parametrize(
    ("mode", "uid", "gid"), [(0o640, 0, 0), (0o4755, 0, 0), (0o644, 1, 0), (0o644, 0, 1)]
)
def test_attributes_that_fat_cannot_hold_are_refused(
    disk: FileDisk, mode: int, uid: int, gid: int
) -> None:
    fat = opened(disk)
    with pytest.raises(GuestError):
        fat.write_file("/f", Blob.of(b""), mode=mode, uid=uid, gid=gid)
    with pytest.raises(GuestError):
        fat.make_directory("/d", mode=mode, uid=uid, gid=gid)
    assert fat.names("/") == []


def test_links_are_refused(disk: FileDisk) -> None:
    with pytest.raises(GuestError, match="cannot hold symbolic links"):
        opened(disk).make_symlink("/l", "f")


@pytest.mark.parametrize(
    "name", ["a:b", "a*", "tail.", "tail ", "a\\b", "new\nline", "\udcff", "n" * 256, '"', ".."]
)
def test_names_that_fat_cannot_hold_are_refused(disk: FileDisk, name: str) -> None:
    with pytest.raises(GuestError, match="cannot hold the name"):
        put(opened(disk), f"/{name}", b"")


def test_the_longest_name_is_held(disk: FileDisk) -> None:
    fat = opened(disk)
    for name in ("n" * 255, "é" * 255, "m" * 13, "m" * 14, "😀" * 20):
        put(fat, f"/{name}", name.encode())
    fat.flush()
    fresh = opened(disk)
    assert fresh.names("/") == sorted(["n" * 255, "é" * 255, "m" * 13, "m" * 14, "😀" * 20])
    assert read(fresh, f"/{'é' * 255}") == ("é" * 255).encode()
    check(disk.path)


@pytest.mark.parametrize(
    ("name", "alias", "flags"),
    [
        ("GRUB.CFG", b"GRUB    CFG", 0),
        ("grub.cfg", b"GRUB    CFG", 0x18),
        ("grub.CFG", b"GRUB    CFG", 0x08),
        ("README", b"README     ", 0),
        ("vmlinuz1.img", b"VMLINUZ1IMG", 0x18),
    ],
)
def test_short_names_need_no_long_one(name: str, alias: bytes, flags: int) -> None:
    assert plain_alias(name) == (alias, flags)


@pytest.mark.parametrize(
    ("name", "alias"),
    [
        ("Grub.cfg", b"GRUB    CFG"),
        ("longer name.text", b"LONGER~2TEX"),
        (".profile", b"PROFIL~1   "),
        ("a.b.c", b"AB~1    C  "),
        ("Grüße", b"GR_SSE~1   "),
        ("a+b", b"A_B~1      "),
        ("...x", b"X~1        "),
    ],
)
def test_long_names_get_an_alias_of_their_own(name: str, alias: bytes) -> None:
    assert plain_alias(name) is None
    assert make_alias(name, {b"LONGER~1TEX"}) == alias


def test_many_similar_names_get_different_aliases(disk: FileDisk) -> None:
    fat = opened(disk)
    make(fat, "/d")
    for number in range(150):
        put(fat, f"/d/similar long name {number}.txt", b"%d" % number)
    fat.flush()
    check(disk.path)
    assert len(opened(disk).names("/d")) == 150
    assert read(opened(disk), "/d/SIMI~149.TXT") == b"148"


@pytest.mark.parametrize("bits", ["12", "16"])
def test_a_full_root_directory_is_said_and_stays_clean(tmp_path: Path, bits: str) -> None:
    sectors = "4" if bits == "12" else "1"
    image = make_image(tmp_path, 3 * MIB, bits, ("-r", "64", "-s", sectors))
    with FileDisk(image, writable=True) as disk:
        fat = opened(disk)
        for number in range(63):
            put(fat, f"/F{number}", b"x")
        with pytest.raises(NoSpaceError, match="root directory of FAT"):
            put(fat, "/LAST", b"x")
        free = fat.free
        with pytest.raises(NoSpaceError, match="root directory of FAT"):
            make(fat, "/LAST")
        assert fat.free == free
        fat.flush()
    check(image)


def test_a_full_disk_is_said_before_anything_changes(disk: FileDisk) -> None:
    fat = opened(disk)
    put(fat, "/kept", b"old")
    with pytest.raises(NoSpaceError, match="KiB more"):
        put(fat, "/kept", bytes(fat.free + 20_000))
    assert read(fat, "/kept") == b"old"
    put(fat, "/all", bytes(fat.free))
    assert fat.free == 0
    put(fat, "/all", bytes(5))
    fat.flush()
    check(disk.path)


def test_room_below_what_was_written_last_is_used_again(disk: FileDisk) -> None:
    fat = opened(disk)
    put(fat, "/a", bytes(fat.free // 2))
    put(fat, "/b", bytes(fat.free))
    fat.remove("/a")
    put(fat, "/c", b"c" * fat.free)
    assert read(fat, "/c") == b"c" * len(read(fat, "/c"))
    assert fat.free == 0


def test_the_last_entry_of_a_table_is_used(tmp_path: Path) -> None:
    # 339 clusters: entry 340, the last, lies in the two bytes that are left of 512.
    options = ("-a", "-s", "4", "-R", "1", "-r", "512")
    image = make_image(tmp_path, (1 + 2 + 32 + 339 * 4) * 512, "12", options)
    with FileDisk(image, writable=True) as disk:
        fat = opened(disk)
        assert fat.free == 339 * 2048
        data = chance_of("all").randbytes(fat.free)
        put(fat, "/all", data)
        fat.flush()
        assert read(opened(disk), "/all") == data
    check(image)


def test_slots_behind_the_end_of_a_directory_stay_unread(disk: FileDisk) -> None:
    fat = opened(disk)
    make(fat, "/d")
    fat.flush()
    place = disk.read(0, disk.size).index(b".          \x10")
    disk.write(place + 3 * 32, b"GARBAGE    " + bytes(21))
    fat = opened(disk)
    put(fat, "/d/F", b"")
    assert opened(disk).names("/d") == ["F"]
    put(fat, "/d/G", b"")
    assert opened(disk).names("/d") == ["F", "G"]


def test_nothing_of_an_older_file_is_left_behind_the_end_of_a_new_one(disk: FileDisk) -> None:
    fat = opened(disk)
    put(fat, "/old", b"secret" * 300)
    fat.remove("/old")
    put(fat, "/new", b"x")
    assert b"secretsecret" not in disk.read(0, disk.size)


def test_a_file_of_four_gigabytes_is_refused(disk: FileDisk) -> None:
    blob = Blob("0" * 64, 1 << 32, b"")
    with pytest.raises(GuestError, match="below 4 GiB"):
        opened(disk).write_file("/f", blob, mode=0o644, uid=0, gid=0)


def test_a_replaced_file_keeps_its_time_of_creation(disk: FileDisk) -> None:
    fat = opened(disk)
    put(fat, "/F", b"1")
    fat.flush()
    place = disk.read(0, disk.size).index(b"F          ")
    before = disk.read(place, 32)
    put(Fat(disk, OFFSET, timestamp=TIME + 86_400, name="p"), "/F", b"22")
    after = disk.read(place, 32)
    assert after[0x0D:0x12] == before[0x0D:0x12]
    assert after[0x16:0x1A] != before[0x16:0x1A]


def test_the_bits_that_fat32_reserves_are_kept(tmp_path: Path) -> None:
    image = make_image(tmp_path, 10 * MIB, "32")
    with FileDisk(image, writable=True) as disk:
        reserved = int.from_bytes(disk.read(OFFSET + 0x0E, 2), "little") * 512
        size = int.from_bytes(disk.read(OFFSET + 0x24, 4), "little") * 512
        for copy in range(2):
            disk.write(OFFSET + reserved + copy * size + 3 * 4 + 3, b"\xa0")
        fat = opened(disk)
        put(fat, "/f", b"x")
        fat.flush()
        assert disk.read(OFFSET + reserved + 3 * 4, 4) == b"\xff\xff\xff\xaf"
        assert read(opened(disk), "/f") == b"x"
    check(image)


def test_content_that_ends_early_is_the_hosts_fault(disk: FileDisk, tmp_path: Path) -> None:
    path = tmp_path / "short"
    path.write_bytes(b"abc")
    blob = Blob("0" * 64, 5, path)
    with pytest.raises(HostError, match="2 bytes early"):
        opened(disk).write_file("/f", blob, mode=0o644, uid=0, gid=0)


def test_wrong_kinds_are_said(disk: FileDisk) -> None:
    fat = opened(disk)
    make(fat, "/d")
    put(fat, "/f", b"")
    for act in (
        lambda: put(fat, "/d", b""),
        lambda: make(fat, "/f"),
        lambda: put(fat, "/absent/f", b""),
        lambda: put(fat, "/f/g", b""),
        lambda: fat.names("/f"),
        lambda: read(fat, "/d"),
        lambda: read(fat, "/absent"),
        lambda: fat.remove("/"),
    ):
        with pytest.raises(GuestError):
            act()
    fat.remove("/absent")
    make(fat, "/d")


@pytest.mark.parametrize(
    ("given", "kept"),
    [(0, 315_532_800), (TIME + 1, TIME), (1 << 34, 4_354_819_198)],
    ids=["before 1980", "odd second", "after 2107"],
)
def test_times_fit_the_years_of_fat(disk: FileDisk, given: int, kept: int) -> None:
    put(Fat(disk, OFFSET, timestamp=given, name="p"), "/f", b"")
    node = opened(disk).lstat("/f")
    assert node is not None
    assert node.mtime == kept


def test_two_runs_give_the_same_bytes(tmp_path: Path) -> None:
    results = []
    for run in ("one", "two"):
        folder = tmp_path / run
        folder.mkdir()
        image = make_image(folder, 10 * MIB, "32", ("--invariant",))
        with FileDisk(image, writable=True) as disk:
            fat = opened(disk)
            make(fat, "/EFI")
            put(fat, "/EFI/a long name", b"x" * 9000)
            fat.flush()
        results.append(image.read_bytes())
    assert results[0] == results[1]


def test_only_what_changed_is_written(tmp_path: Path) -> None:
    image = make_image(tmp_path, 10 * MIB, "32")
    before = image.read_bytes()
    with FileDisk(image, writable=True) as disk:
        fat = opened(disk)
        put(fat, "/f", b"x")
        fat.flush()
    after = image.read_bytes()
    sectors = range(0, len(after), 512)
    changed = [at for at in sectors if after[at : at + 512] != before[at : at + 512]]
    assert len(changed) == 5  # FSInfo, two tables, the root directory, the file


def test_the_dirty_bit_is_left_as_found(disk: FileDisk) -> None:
    disk.write(OFFSET + 0x25, b"\x01")
    fat = opened(disk)
    put(fat, "/f", b"x")
    fat.flush()
    assert disk.read(OFFSET + 0x25, 1) == b"\x01"


def test_other_bytes_are_not_fat(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    path.write_bytes(bytes(MIB))
    with FileDisk(path) as disk:
        assert not is_fat(disk, 0)
        assert not is_fat(disk, MIB)
        assert not is_fat(disk, MIB - 100)
        with pytest.raises(FormatError, match="not a FAT"):
            Fat(disk, 0, timestamp=0, name="p")
        with pytest.raises(FormatError, match="beyond the disk"):
            Fat(disk, MIB, timestamp=0, name="p")


@pytest.mark.parametrize("bits", ["12", "16", "32"])
def test_a_truncated_disk_is_said(tmp_path: Path, bits: str) -> None:
    image = make_image(tmp_path, 3 * MIB if bits == "12" else 10 * MIB, bits)
    whole = image.read_bytes()
    for length in (OFFSET + 512, OFFSET + 4096, OFFSET + MIB, len(whole) - 512):
        image.write_bytes(whole[:length])
        with FileDisk(image) as disk:
            assert is_fat(disk, OFFSET)
            with pytest.raises(FormatError, match="ends at byte"):
                opened(disk)


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (0x0B, b"\x00\x03"), (0x0D, b"\x03"), (0x0D, b"\x00"), (0x0E, b"\x00\x00"), (0x10, b"\x00"),
        (0x10, b"\xff"), (0x11, b"\x00\x00"), (0x16, b"\xff\xff"), (0x16, b"\x01\x00"),
        (0x13, b"\x01\x00"), (0x0E, b"\xff\xff"), (0x1FE, b"\x00"),
    ],
)  # fmt: skip
def test_a_boot_sector_that_contradicts_itself_is_refused(
    disk: FileDisk, at: int, value: bytes
) -> None:
    disk.write(OFFSET + at, value)
    with pytest.raises(FormatError):
        opened(disk)


def test_tables_that_differ_are_refused(disk: FileDisk) -> None:
    reserved = int.from_bytes(disk.read(OFFSET + 0x0E, 2), "little")
    disk.write(OFFSET + reserved * 512 + 100, b"\x01")
    with pytest.raises(FormatError, match="copies 1 and 2"):
        opened(disk)


def _set_entry(disk: FileDisk, cluster: int, value: int) -> None:
    """Set an entry in both tables of a FAT16."""
    reserved, size = (int.from_bytes(disk.read(OFFSET + at, 2), "little") for at in (0x0E, 0x16))
    for copy in range(2):
        at = OFFSET + (reserved + copy * size) * 512 + cluster * 2
        disk.write(at, value.to_bytes(2, "little"))


@pytest.mark.parametrize("value", [0, 1, 2, 0xFFF7, 0xFFF0], ids=hex)
def test_damaged_chains_are_said(disk: FileDisk, value: int) -> None:
    fat = opened(disk)
    put(fat, "/f", bytes(100_000))
    fat.flush()
    _set_entry(disk, 3, value)
    for act in (
        lambda f: read(f, "/f"),
        lambda f: f.remove("/f"),
        lambda f: put(f, "/f", b""),
    ):
        with pytest.raises(FormatError, match="/f: its chain"):
            act(opened(disk))


def test_a_chain_shorter_than_the_file_is_said(disk: FileDisk) -> None:
    fat = opened(disk)
    put(fat, "/f", bytes(100_000))
    fat.flush()
    _set_entry(disk, 3, 0xFFFF)
    with pytest.raises(FormatError, match="100000 bytes in 2 clusters"):
        read(opened(disk), "/f")


def test_directories_that_loop_are_said(disk: FileDisk) -> None:
    fat = opened(disk)
    make(fat, "/d")
    make(fat, "/d/e")
    fat.flush()
    place = disk.read(0, disk.size).index(b"E          \x10")
    disk.write(place + 26, b"\x02\x00")
    with pytest.raises(FormatError, match="/d/e: shares cluster 2 with /d"):
        opened(disk).remove("/d")
    disk.write(place + 26, b"\x00\x00")
    with pytest.raises(FormatError, match="without clusters"):
        opened(disk).names("/d/e")


def test_a_long_name_of_another_entry_is_ignored(disk: FileDisk) -> None:
    fat = opened(disk)
    put(fat, "/A long name", b"x")
    fat.flush()
    place = disk.read(0, disk.size).index(b"ALONGN~1   ")
    disk.write(place, b"B")
    assert opened(disk).names("/") == ["BLONGN~1"]
    disk.write(place, b"B/")
    with pytest.raises(FormatError, match="holds the name"):
        opened(disk)


def test_flipped_bytes_give_an_answer_or_a_format_error(tmp_path: Path) -> None:
    image = make_image(tmp_path, 3 * MIB, "12")
    with FileDisk(image, writable=True) as disk:
        fat = opened(disk)
        make(fat, "/some folder")
        put(fat, "/some folder/some file", bytes(9000))
        fat.flush()
        chance = chance_of("flips")
        used = [at for at in range(OFFSET, OFFSET + 60_000) if disk.read(at, 1) != b"\0"]
        for at in chance.sample(used, min(300, len(used))):
            old = disk.read(at, 1)
            disk.write(at, bytes([old[0] ^ 1 << chance.randrange(8)]))
            try:
                again = opened(disk)
                for name in again.names("/"):
                    again.lstat(f"/{name}")
                read(again, "/some folder/some file")
            except (FormatError, GuestError):
                pass
            disk.write(at, old)


def _damaged(disk: FileDisk, old: bytes, new: bytes) -> Path:
    """Have a directory with files on the disk, some bytes of it replaced."""
    fat = opened(disk)
    make(fat, "/DIR")
    put(fat, "/DIR/ONE.TXT", bytes(5000))
    put(fat, "/DIR/TWO.TXT", bytes(5000))
    fat.flush()
    content = disk.read(0, disk.size)
    assert content.count(old) == 1
    disk.write(content.index(old), new)
    return Path(disk.path)


@pytest.mark.parametrize(
    ("old", "new", "sentence", "judged"),
    [
        (b"TWO     TXT", b"ONE     TXT", "'ONE.TXT' occurs twice", "Duplicate directory entry"),
        (b".          \x10", b"X          \x10", "entries . and ..", "Expected a valid"),
        (b"\x88\x13\0\0TWO", b"\x88\xff\0\0TWO", "65416 bytes in ", "File size is 65416"),
    ],
    ids=["name", "dot", "size"],
)
def test_a_damaged_tree_is_read_but_not_edited(
    disk: FileDisk, old: bytes, new: bytes, sentence: str, judged: str
) -> None:
    path = _damaged(disk, old, new)
    volume = path.with_name("judged")
    volume.write_bytes(path.read_bytes()[OFFSET:])
    run = judge("fsck.fat", "-n", volume, check=False)
    assert run.returncode == 1
    assert judged in run.stdout
    assert opened(disk).names("/") == ["DIR"]
    for edit in (
        lambda fat: put(fat, "/new", b"x"),
        lambda fat: make(fat, "/new"),
        lambda fat: fat.remove("/DIR/ONE.TXT"),
    ):
        with pytest.raises(FormatError, match=sentence) as caught:
            edit(opened(disk))
        assert "fsck.fat" in str(caught.value.hint)


def test_files_that_share_clusters_are_not_edited(disk: FileDisk) -> None:
    fat = opened(disk)
    put(fat, "/ONE.TXT", b"1")
    put(fat, "/TWO.TXT", b"2")
    fat.flush()
    place = disk.read(0, disk.size).index(b"TWO     TXT")
    disk.write(place + 26, b"\x02\x00")
    with pytest.raises(FormatError, match=r"TWO.TXT: shares cluster 2 with /ONE.TXT"):
        opened(disk).remove("/TWO.TXT")
