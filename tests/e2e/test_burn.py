"""Burning onto loop devices: the right bytes, or a sentence and a card blank or untouched."""

import fcntl
import json
import os
import pty
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from builder.burn.card import open_card
from builder.burn.devices import SystemRoot, read_device
from builder.burn.safety import find_device
from builder.burn.usage import DeviceUsage
from builder.errors import DeviceError
from builder.formats.disk import MIB
from tests.support.bases import Recipe, make_base
from tests.support.judges import judge
from tests.support.loop_cards import (
    LoopCard,
    attach,
    burn,
    card,
    command,
    full_after,
    require_loops,
    same,
)
from tests.support.machines import USB, Machine
from tests.support.packed import pack, served
from tests.support.program import Bench
from tests.support.server import Behaviour, serve, until
from tests.support.stand_ins import before

SIZE = 512 * MIB
ROOM = 600 * MIB


@pytest.fixture(autouse=True)
def _loops() -> None:
    require_loops()


@pytest.fixture(scope="session")
def image(base_cache: Path) -> Path:
    """A raw disk with a small Photon root; sparse, read-only, shared."""
    return make_base(base_cache, Recipe(kind="raw", size=SIZE)).path


@pytest.fixture
def stick(tmp_path: Path) -> Iterator[LoopCard]:
    with card(tmp_path, ROOM) as found:
        yield found


@pytest.mark.parametrize("kind", ["dense", "gz", "xz", "zst", "tar.gz", "tar.xz"])
def test_a_card_holds_the_image_in_every_compression(
    kind: str, image: Path, stick: LoopCard, bench: Bench, tmp_path: Path
) -> None:
    done = burn(bench, pack(image, kind, tmp_path), stick)
    assert done.code == 0, done.err
    assert same(image, stick)
    assert stick.content(ROOM - MIB, MIB) == bytes(MIB), "an old copy of a table is left"
    assert "verified: direct" in done.out


def test_a_sparse_image_makes_a_used_card_equal_to_it(
    image: Path, stick: LoopCard, bench: Bench
) -> None:
    done = burn(bench, image, stick, more=("--json",))
    assert done.code == 0, done.err
    assert same(image, stick)
    events = [json.loads(line) for line in done.out.splitlines()]
    result = events[-1]
    assert (result["event"], result["verified"], result["exit_code"]) == ("result", "direct", 0)
    assert result["written"] < SIZE / 4, "what is empty was written"
    counted = [each for each in events if each["event"] == "progress"]
    assert counted[-1]["done"] == pytest.approx(counted[-1]["total"], rel=0.01)


def test_no_blank_leaves_gaps_as_they_were(image: Path, stick: LoopCard, bench: Bench) -> None:
    assert burn(bench, image, stick, more=("--no-blank",)).code == 0
    assert not same(image, stick)
    assert judge("sgdisk", "-p", stick.device).stdout.count("\n   ") >= 3


def test_an_address_is_burned_without_a_copy(
    image: Path, stick: LoopCard, bench: Bench, tmp_path: Path
) -> None:
    packed = pack(image, "xz", tmp_path).read_bytes()
    with serve(packed, Behaviour(break_after=len(packed) // 2, breaks=9)) as server:
        done = burn(bench, server.url, stick)
    assert done.code == 0, done.err
    assert same(image, stick)
    assert "trying again" in done.err
    kept = [path for path in (bench.directory / "cache").rglob("*") if path.is_file()]
    assert kept == []


@pytest.mark.parametrize("kind", ["raw", "tar.gz", "gz", "zst"])
def test_an_address_without_ranges_is_burned(
    kind: str, image: Path, stick: LoopCard, bench: Bench, tmp_path: Path
) -> None:
    folder = tmp_path / "served"
    folder.mkdir()
    name = pack(image, kind, folder).name
    with served(folder) as address:
        if kind in {"gz", "zst"}:
            refused = burn(bench, f"{address}/{name}", stick)
            assert refused.code == 7
            assert "the size of the disk in it is not known" in refused.err
            assert not stick.is_blank
            judge("bmaptool", "create", "-o", folder / f"{name}.bmap", image)
        done = burn(bench, f"{address}/{name}", stick)
    assert done.code == 0, done.err
    assert same(image, stick)


def test_a_wrong_digest_of_an_address_leaves_the_card_blank(
    image: Path, stick: LoopCard, bench: Bench, tmp_path: Path
) -> None:
    packed = pack(image, "xz", tmp_path).read_bytes()
    with serve(packed) as server:
        done = burn(bench, server.url, stick, more=("--sha256", "0" * 64))
    assert done.code == 6
    assert "left blank" in done.err
    assert stick.is_blank


@pytest.mark.parametrize("how", ["option", "SHA256SUMS"])
def test_a_wrong_digest_of_a_file_is_found_before_the_card_is_touched(
    how: str, image: Path, stick: LoopCard, bench: Bench, tmp_path: Path
) -> None:
    packed = pack(image, "xz", tmp_path)
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  {packed.name}\n")
    before = stick.head
    more = ("--sha256", "1" * 64) if how == "option" else ()
    done = burn(bench, packed, stick, more=more)
    assert done.code == 6
    assert stick.head == before


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "the file is empty"),
        (b"#!/bin/sh\necho not a disk\n" * 9, "it is a text file"),
        (b"QFI\xfb" + bytes(9000), "it is a qcow2 disk"),
        (bytes(40_000), "its first sector is empty"),
        (bytes(0x8001) + b"CD001" + bytes(9000), "it holds an ISO 9660 filesystem"),
        (b"PK\3\4" + bytes(900), "is a zip archive"),
        (b"\xfd7zXZ\0" + bytes(900), "damaged"),
    ],
)
def test_a_file_that_is_not_a_disk_image_is_named_by_its_format(
    content: bytes, sentence: str, stick: LoopCard, bench: Bench, tmp_path: Path
) -> None:
    (tmp_path / "thing.img").write_bytes(content)
    before = stick.head
    done = burn(bench, tmp_path / "thing.img", stick)
    assert done.code == 7
    assert sentence in done.err
    assert stick.head == before


def test_a_tar_of_files_and_a_truncated_image_are_refused(
    image: Path, stick: LoopCard, bench: Bench, tmp_path: Path
) -> None:
    judge("tar", "-cf", tmp_path / "files.tar", "-C", "/etc", "passwd", "group")
    before = stick.head
    done = burn(bench, tmp_path / "files.tar", stick)
    assert done.code == 7
    assert "passwd is not a disk" in done.err
    packed = pack(image, "xz", tmp_path)
    packed.write_bytes(packed.read_bytes()[:-20])
    assert burn(bench, packed, stick).code == 7
    assert stick.head == before


def test_damage_in_the_middle_leaves_the_card_blank(
    image: Path, stick: LoopCard, bench: Bench, tmp_path: Path
) -> None:
    packed = pack(image, "xz", tmp_path)
    with packed.open("r+b") as stream:
        stream.seek(packed.stat().st_size * 3 // 4)
        stream.write(bytes(64))
    done = burn(bench, packed, stick)
    assert done.code == 7
    assert "left blank" in done.err
    assert stick.is_blank


def test_a_loop_device_is_refused_without_allow_loop(
    image: Path, stick: LoopCard, bench: Bench
) -> None:
    before = stick.head
    done = bench.run("burn", image, stick.device, "--confirm", stick.token)
    assert done.code == 12
    assert "is a loop device" in done.err
    assert stick.head == before


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ((), "there is no terminal to ask on"),
        (("--yes",), "--yes does not say which disk is meant"),
        (("--confirm", "sdx 1.0G"), "not confirmed: 'sdx 1.0G'"),
        (("--yes", "--expect-size", "2G"), "wanted 2.0 GB"),
        (("--yes", "--expect-serial", "4C53"), "its serial number is not known; wanted 4C53"),
    ],
)
def test_a_device_that_is_not_confirmed_is_not_written(
    more: tuple[str, ...], sentence: str, image: Path, stick: LoopCard, bench: Bench
) -> None:
    before = stick.head
    done = bench.run("burn", image, stick.device, "--allow-loop", *more)
    assert done.code == 12
    assert sentence in done.err
    assert stick.head == before


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--yes", "--expect-size", "0"), "0: is not a valid size of a disk"),
        (("--yes", "--expect-size", "0G"), "0G: is not a valid size of a disk"),
        (("--yes", "--expect-size", "0.5"), "0.5: is not a valid size of a disk"),
        (("--yes", "--expect-size", ""), "--expect-size: the value is empty"),
        (("--yes", "--expect-serial", ""), "--expect-serial: the value is empty"),
        (("--sha256", ""), "--sha256: the value is empty"),
    ],
)
def test_an_empty_or_zero_option_of_a_script_is_a_usage_error(
    more: tuple[str, ...], sentence: str, image: Path, stick: LoopCard, bench: Bench
) -> None:
    before = stick.whole
    done = bench.run("burn", image, stick.device, "--allow-loop", *more)
    assert done.code == 2
    assert sentence in done.err
    assert stick.whole == before


@pytest.mark.parametrize("right", [True, False])
def test_the_user_types_name_and_size_on_a_terminal(
    image: Path, stick: LoopCard, bench: Bench, *, right: bool
) -> None:
    ours, theirs = pty.openpty()
    os.write(ours, f"{stick.token if right else 'y'}\n".encode())
    done = subprocess.run(
        bench.command("burn", image, stick.device, "--allow-loop"),
        cwd=bench.directory, env=bench.environment(), stdin=theirs, capture_output=True,
        check=False,
    )  # fmt: skip
    os.close(ours)
    os.close(theirs)
    assert done.returncode == (0 if right else 12), done.stderr
    assert f"type `{stick.token}` to erase it".encode() in done.stderr
    assert same(image, stick) is right


def replace_by_another(image: Path) -> None:
    """Put another image where one was."""
    other = image.with_name("other")
    other.write_bytes(image.read_bytes())
    other.replace(image)


def write_into(image: Path) -> None:
    """Change a byte in the middle of an image, and nothing else of the file."""
    before = image.stat()
    with image.open("r+b") as stream:
        stream.seek(before.st_size // 2)
        stream.write(b"?")
    os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("kind", ["dense", "xz"])
@pytest.mark.parametrize("change", [replace_by_another, write_into])
def test_an_image_that_changes_after_it_was_checked_leaves_the_card_blank(
    kind: str, change: Callable[[Path], None], stick: LoopCard, bench: Bench, tmp_path: Path
) -> None:
    noisy = tmp_path / "noisy.raw"
    noisy.write_bytes(os.urandom(24 * MIB))
    judge("sgdisk", "-o", "-n", "1:2048:0", noisy)
    image = pack(noisy, kind, tmp_path)
    judge("sh", "-ec", f"cd '{tmp_path}'; sha256sum {image.name} > SHA256SUMS")
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        bench.command("burn", image, stick.device, "--allow-loop", "--no-probe"),
        cwd=bench.directory, env=bench.environment(), stdin=theirs, stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    ) as burning:  # fmt: skip
        assert burning.stderr is not None
        said = b""
        while b"to erase it" not in said and (more := burning.stderr.read(1)):
            said += more
        change(image)
        os.write(ours, f"{stick.token}\n".encode())
        said += burning.stderr.read()
    os.close(ours)
    os.close(theirs)
    assert b" verified\n" in said
    assert stick.is_blank
    # Packed data that is damaged may be detected by its format first.
    sentences = {10: b"was changed or replaced while it was read", 7: b"damaged"}
    assert sentences[burning.returncode] in said
    assert burning.returncode == 10 or (kind, change) == ("xz", write_into)


@pytest.mark.parametrize("what", ["pipe", "long"])
def test_a_pipe_or_huge_file_named_sha256sums_is_refused(
    what: str, image: Path, stick: LoopCard, bench: Bench, tmp_path: Path
) -> None:
    packed = pack(image, "xz", tmp_path)
    sums = packed.with_name("SHA256SUMS")
    if what == "pipe":
        os.mkfifo(sums)
    else:
        with sums.open("wb") as stream:
            stream.truncate(64 * MIB + 1)
    before = stick.head
    done = burn(bench, packed, stick)
    assert done.code == 10
    assert (
        "is not a regular file" if what == "pipe" else "has more than 67108864 bytes"
    ) in done.err
    assert stick.head == before


def test_a_card_much_larger_than_the_image_needs_its_token(bench: Bench, tmp_path: Path) -> None:
    small = tmp_path / "small.raw"
    with small.open("wb") as stream:
        stream.truncate(8 * MIB)
    judge("sgdisk", "-n", "1:2048:0", small)
    with card(tmp_path, ROOM) as large:
        done = bench.run(
            "burn", small, large.device, "--allow-loop", "--yes", "--expect-size", str(ROOM)
        )
        assert done.code == 12
        assert "is large for this image; --yes is not enough" in done.err
        assert burn(bench, small, large).code == 0


def test_a_mounted_card_is_refused_without_unmount(
    image: Path, bench: Bench, tmp_path: Path
) -> None:
    point = tmp_path / "mounted here"
    point.mkdir()
    with card(tmp_path, ROOM) as used:
        judge("mkfs.ext4", "-qF", used.device)
        judge("mount", used.device, point)
        try:
            done = burn(bench, image, used)
            assert done.code == 12
            assert f"is mounted: {used.name} at {point}\n" in done.err
            holder = subprocess.Popen(["sleep", "60"], cwd=point)
            try:
                done = burn(bench, image, used)
                assert f" at {point} [used by sleep ({holder.pid})]\n" in done.err
                done = burn(bench, image, used, more=("--unmount",))
            finally:
                holder.kill()
                holder.wait()
            assert done.code == 12
            assert f"cannot be unmounted, used by sleep ({holder.pid})" in done.err
            assert judge("findmnt", point).stdout
            done = burn(bench, image, used, more=("--unmount",))
            assert done.code == 0, done.err
            assert judge("findmnt", point, check=False).returncode
        finally:
            judge("umount", point, check=False)
        assert same(image, used)


@pytest.mark.parametrize("status", [0, 1])
def test_udisks_unmounts_what_it_mounted(
    status: int, image: Path, bench: Bench, tmp_path: Path
) -> None:
    programs, path = before(tmp_path / "programs")
    point = Path(f"/run/media/photon-builder-{os.getpid()}")
    made = [folder for folder in (point.parent, point) if not folder.exists()]
    point.mkdir(parents=True)
    script = f"exit {status}" if status else f'[ "$1" != unmount ] || umount {point}'
    programs.add("udisksctl", script)
    with card(tmp_path, ROOM) as used:
        judge("mkfs.ext4", "-qF", used.device)
        judge("mount", used.device, point)
        try:
            done = bench.run(*command(image, used, more=("--unmount",)), PATH=path)
        finally:
            judge("umount", point, check=False)
            for folder in reversed(made):
                folder.rmdir()
        assert done.code == 0, done.err
        assert same(image, used)
    call = f"udisksctl unmount --no-user-interaction -b {used.device}"
    assert programs.calls() == [call]


def test_an_image_stored_on_the_card_is_refused(image: Path, bench: Bench, tmp_path: Path) -> None:
    point = tmp_path / "point"
    point.mkdir()
    with card(tmp_path, 2 * ROOM) as used:
        judge("mkfs.ext4", "-qF", used.device)
        judge("mount", used.device, point)
        try:
            judge("cp", "--sparse=always", image, point / "disk.raw")
            done = burn(bench, point / "disk.raw", used, more=("--unmount",))
        finally:
            judge("umount", point)
    assert done.code == 12
    assert f"the image {point}/disk.raw is stored on it" in done.err


def test_a_card_smaller_than_the_image_is_refused(
    image: Path, bench: Bench, tmp_path: Path
) -> None:
    with card(tmp_path, SIZE - 4096) as small:
        before = small.head
        done = burn(bench, image, small)
        assert done.code == 12
        assert f"has {SIZE - 4096} bytes, but {image.name} needs {SIZE}" in done.err
        assert small.head == before
    with card(tmp_path, SIZE, "exact") as exact:
        assert burn(bench, image, exact).code == 0
        assert same(image, exact)


def test_a_disk_with_4096_byte_sectors_is_refused(
    image: Path, bench: Bench, tmp_path: Path
) -> None:
    (tmp_path / "large").touch()
    os.truncate(tmp_path / "large", ROOM)
    with attach(tmp_path / "large", "--sector-size", "4096") as large:
        done = burn(bench, image, large)
    assert done.code == 12
    assert "has sectors of 4096 bytes" in done.err


def test_without_write_permission_the_sudo_command_is_printed(
    image: Path, stick: LoopCard, bench: Bench
) -> None:
    mode = stick.device.stat().st_mode
    stick.device.chmod(0o400)  # and not the right of root to do what nobody may
    arguments = bench.command(*command(image, stick, more=("--set", "hostname=my pi")))
    try:
        done = subprocess.run(
            ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-all", *arguments],
            cwd=bench.directory, env=bench.environment(), capture_output=True, text=True,
            check=False,
        )  # fmt: skip
    finally:
        stick.device.chmod(mode)
    assert done.returncode == 10
    assert f"{stick.device}: you may not write it" in done.stderr
    assert f"sudo {shlex.join(arguments)}\n" in done.stderr
    assert "will be erased" not in done.stderr
    assert not stick.is_blank


def test_a_read_only_card_is_refused(image: Path, bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "locked").touch()
    os.truncate(tmp_path / "locked", ROOM)
    with attach(tmp_path / "locked", "--read-only") as locked:
        done = burn(bench, image, locked)
    assert done.code == 12
    assert "is read-only" in done.err


def test_a_partition_is_refused_and_names_its_disk(stick: LoopCard, tmp_path: Path) -> None:
    machine = Machine(tmp_path / "machine")
    part = machine.part(machine.disk("sdb", USB), 1)
    number = stick.device.stat().st_rdev
    machine.write(part, dev=f"{os.major(number)}:{os.minor(number)}")
    with pytest.raises(DeviceError, match="is partition 1 of /dev/sdb; wanted a whole disk"):
        find_device(machine.system, DeviceUsage(machine.system), stick.device)


def test_a_device_that_is_open_exclusively_is_refused(
    image: Path, stick: LoopCard, bench: Bench
) -> None:
    fd = os.open(stick.device, os.O_RDWR | os.O_EXCL)
    try:
        before = stick.head
        done = burn(bench, image, stick)
        assert done.code == 12
        assert "is in use by another program" in done.err
        assert stick.head == before
    finally:
        os.close(fd)


def test_a_device_that_another_program_has_locked_is_refused(
    image: Path, stick: LoopCard, bench: Bench
) -> None:
    fd = os.open(stick.device, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        before = stick.head
        done = burn(bench, image, stick)
        assert done.code == 12
        assert "another program has locked it" in done.err
        assert stick.head == before
    finally:
        os.close(fd)


def test_an_image_is_not_burned_onto_itself(image: Path, bench: Bench, tmp_path: Path) -> None:
    disk = tmp_path / "disk.raw"
    judge("cp", "--sparse=always", image, disk)
    disk.chmod(0o644)
    with attach(disk) as itself:
        done = burn(bench, disk, itself)
        assert done.code == 12
        assert f"the image {disk} is the file behind it" in done.err
        assert not itself.is_blank


def test_another_disk_under_the_confirmed_name_is_refused(tmp_path: Path, stick: LoopCard) -> None:
    shown = read_device(SystemRoot(), stick.name)
    if not shown.diskseq:
        pytest.skip("this kernel does not count disks")
    with open_card(shown):
        pass
    judge("losetup", "--detach", stick.device)
    other = tmp_path / "other"
    other.write_bytes(b"photos" * 1000)
    os.truncate(other, ROOM)
    judge("losetup", stick.device, other)
    with pytest.raises(DeviceError, match="is not the disk that was confirmed"), \
            open_card(shown):  # fmt: skip
        pytest.fail("it was opened")
    assert other.read_bytes()[:6000] == b"photos" * 1000


def system_disk() -> Path:
    """Return the node of the disk that this system runs from."""
    number = Path("/").stat().st_dev
    folder = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
    if not folder.exists():
        pytest.skip("the root of this machine is on no block device of its own")
    disk = folder.resolve()
    return Path("/dev") / (disk.parent.name if (disk / "partition").exists() else disk.name)


@pytest.mark.parametrize("way", ["name", "link", "number"])
def test_the_system_disk_is_refused_by_every_path(
    way: str, image: Path, bench: Bench, tmp_path: Path
) -> None:
    disk = system_disk()
    path = tmp_path / "by-id-of-something"
    if way == "link":
        path.symlink_to(disk)
    elif way == "number":
        os.mknod(path, 0o600 | 0o060000, disk.stat().st_rdev)
    else:
        path = disk
    everything = ("--allow-fixed-disk", "--allow-loop", "--unmount", "--yes")
    serial = read_device(SystemRoot(), disk.name).serial
    done = bench.run("burn", image, path, *everything, "--expect-serial", serial)
    assert done.code == 12
    assert "this system runs from it" in done.err


def test_a_missing_path_is_refused_and_not_created(image: Path, bench: Bench) -> None:
    done = bench.run("burn", image, "/dev/sdzz", "--yes", "--expect-size", "8G")
    assert done.code == 12
    assert "No such file or directory; wanted a disk" in done.err
    assert not Path("/dev/sdzz").exists()


def test_a_protected_disk_is_refused(
    image: Path, stick: LoopCard, bench: Bench, tmp_path: Path
) -> None:
    listed = tmp_path / "config/photon-builder/never-burn"
    listed.parent.mkdir(parents=True)
    listed.write_text("my-disk-*\n")
    links = Path("/dev/disk/by-id")
    link = links / f"my-disk-{stick.name}"
    made = [path for path in (links.parent, links) if not path.exists()]
    links.mkdir(parents=True, exist_ok=True)
    link.symlink_to(stick.device)
    try:
        done = burn(bench, image, stick)
    finally:
        link.unlink()
        for folder in reversed(made):
            folder.rmdir()
    assert done.code == 12
    assert f"you protected it: {listed}, line 1: my-disk-*" in done.err


def noisy(folder: Path, size: int = 256 * MIB) -> Path:
    """A disk that is full of noise."""
    path = folder / "noisy.raw"
    with path.open("wb") as stream:
        for _ in range(size // MIB):
            stream.write(os.urandom(MIB))
    judge("sgdisk", "-o", "-n", "1:2048:0", path)
    return path


def test_a_card_that_fails_midway_is_blank_and_the_offset_is_reported(
    bench: Bench, tmp_path: Path
) -> None:
    with full_after(tmp_path, 100 * MIB) as failing:
        done = burn(bench, noisy(tmp_path), failing, more=("--json",))
        assert done.code == 10
        assert json.loads(done.out.splitlines()[-1])["exit_code"] == 10
        assert "the device" in done.err
        assert "% of the device" in done.err
        assert failing.is_blank


def test_a_failing_card_is_not_reported_as_a_wrong_digest(bench: Bench, tmp_path: Path) -> None:
    raw = noisy(tmp_path).read_bytes()
    with full_after(tmp_path, 20 * MIB) as failing, serve(raw) as server:
        done = burn(bench, server.url, failing, more=("--sha256", sha256(raw).hexdigest()))
        assert done.code == 10
        assert "% of the device" in done.err
        assert failing.is_blank


def test_one_card_that_fails_does_not_stop_the_other(bench: Bench, tmp_path: Path) -> None:
    disk = noisy(tmp_path)
    with full_after(tmp_path, 100 * MIB) as failing, card(tmp_path, ROOM) as good:
        done = burn(bench, disk, failing, good)
        assert done.code == 10
        assert f"{good.device}: noisy.raw is on it" in done.out
        assert f"{failing.device}: the device" in done.err
        assert same(disk, good)
        assert failing.is_blank


@pytest.mark.parametrize(("how", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_an_interrupted_burn_is_blank_and_resumes(
    how: signal.Signals, code: int, bench: Bench, tmp_path: Path, stick: LoopCard
) -> None:
    disk = noisy(tmp_path)
    judge("zstd", "-q", "-1", disk)
    raw = disk.read_bytes()
    with serve(raw, Behaviour(stall_after=len(raw) // 2)) as server:
        arguments = command(server.url, stick)
        going = subprocess.Popen(
            bench.command(*arguments), cwd=bench.directory, env=bench.environment(),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        until(lambda: server.sent > len(raw) // 2, 60)
        time.sleep(3)
        going.send_signal(how)
        _, err = going.communicate(timeout=60)
        assert going.returncode == code
        assert stick.is_blank
        assert stick.content(64 * MIB, MIB) == raw[64 * MIB : 65 * MIB], "nothing was written yet"
        assert ("left blank, nothing boots from it" in err) is (how is signal.SIGINT)
        server.behaviour.stall_after = None
        done = burn(bench, server.url, stick)
    assert done.code == 0, done.err
    assert "was interrupted at" in done.err
    assert "MB were there already" in done.out
    assert same(disk, stick)


def test_delta_writes_only_what_differs(
    image: Path, stick: LoopCard, bench: Bench, tmp_path: Path
) -> None:
    disk = tmp_path / "disk.raw"
    judge("cp", "--sparse=always", image, disk)
    disk.chmod(0o644)
    assert burn(bench, disk, stick).code == 0
    with disk.open("r+b") as stream:
        stream.seek(SIZE // 2)
        stream.write(b"changed")
    done = burn(bench, disk, stick, more=("--delta", "--json"))
    result = json.loads(done.out.splitlines()[-1])
    assert result["written"] <= 10 * MIB
    assert result["kept"] > 0
    assert same(disk, stick)


@contextmanager
def corrupting(path: Path, offset: int) -> Iterator[None]:
    """Overwrite one block of a card again and again."""
    over = threading.Event()

    def run() -> None:
        with path.open("r+b", buffering=0) as stream:
            while not over.wait(0.001):
                os.pwrite(stream.fileno(), os.urandom(512), offset)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_card_that_does_not_keep_what_is_written_is_left_blank(
    bench: Bench, tmp_path: Path, stick: LoopCard
) -> None:
    disk = noisy(tmp_path, 64 * MIB)
    with corrupting(stick.backing, 41 * MIB):
        done = burn(bench, disk, stick)
    assert done.code == 11
    assert "1 ranges differ; writing again" in done.err
    assert f"the first is bytes {40 * MIB} to {44 * MIB - 1}" in done.err
    assert "f3" in done.err
    assert stick.is_blank


def test_two_cards_get_their_own_host_names(
    image: Path, bench: Bench, tmp_path: Path, base_cache: Path
) -> None:
    offset = make_base(base_cache, Recipe(kind="raw", size=SIZE)).root_offset
    with card(tmp_path, ROOM, "one") as one, card(tmp_path, ROOM, "two") as two:
        names = ("--set", f"{one.device}:hostname=pi-1", "--set", f"{two.device}:hostname=pi-2")
        done = burn(
            bench, pack(image, "xz", tmp_path), one, two, more=(*names, "--set", "timezone=UTC")
        )
        assert done.code == 0, done.err
        for each, name in ((one, "pi-1\n"), (two, "pi-2\n")):
            judge("blockdev", "--flushbufs", each.device)
            disk = f"{each.device}?offset={offset}"
            assert judge("debugfs", "-R", "cat /etc/hostname", disk).stdout == name
            judge("e2fsck", "-fn", disk)
        assert not same(image, one)


@pytest.mark.parametrize("kind", ["xz", "sparse", "dense", "published", "address"])
def test_the_result_has_the_digest_of_the_image(
    kind: str, image: Path, stick: LoopCard, bench: Bench, tmp_path: Path
) -> None:
    packed = pack(image, {"xz": "xz", "dense": "dense"}.get(kind, "raw"), tmp_path)
    packed = tmp_path / "disk.raw" if kind in {"sparse", "published", "address"} else packed
    wanted = judge("sha256sum", packed).stdout.split()[0]
    if kind == "published":
        (tmp_path / "SHA256SUMS").write_text(f"{wanted}  {packed.name}\n")
    with serve(packed.read_bytes()) as server:
        source = server.url if kind == "address" else packed
        done = burn(bench, source, stick, more=("--json",))
    assert done.code == 0, done.err
    result = json.loads(done.out.splitlines()[-1])
    assert result["sha256"] == ("" if kind == "sparse" else wanted)
    assert result["bytes_per_second"] == pytest.approx(
        result["written"] / result["seconds"], rel=0.5
    )


def test_the_next_step_has_the_static_address_of_the_card(
    image: Path, bench: Bench, tmp_path: Path
) -> None:
    with card(tmp_path, ROOM, "one") as one, card(tmp_path, ROOM, "two") as two:
        address = "network.eth0={addresses: [192.168.1.53/24], gateway: 192.168.1.1}"
        own = ("--set", f"{one.device}:{address}", "--set", f"{two.device}:hostname=pi-2")
        done = burn(bench, image, one, two, more=own)
        assert done.code == 0, done.err
        first, second = done.out.split(f"{two.device}: ")
        assert first.endswith("    ssh root@192.168.1.53\n")
        assert "look for pi-2 in the list of your router, then ssh root@ADDRESS" in second
        done = burn(bench, image, one, two, more=(*own, "--json", "--delta"))
        rows = [json.loads(line) for line in done.out.splitlines()]
        commands = [row["command"] for row in rows if row["event"] == "result"]
        assert commands == ["ssh root@192.168.1.53", ""]


def test_sleep_is_prevented_while_a_card_is_written(
    image: Path, stick: LoopCard, bench: Bench, tmp_path: Path
) -> None:
    programs, path = before(tmp_path / "programs")
    programs.add("systemd-inhibit", "exec sleep 60")
    done = bench.run(*command(image, stick), PATH=path)
    assert done.code == 0, done.err
    [call] = programs.calls()
    assert f"--why=writing {stick.device} " in call


@pytest.mark.parametrize(
    ("setting", "wanted"),
    [
        ("hostname", (2, "wanted key=value")),
        ("hostnam=x", (3, "did you mean `hostname`?")),
        ("hostname=UPPER CASE", (3, "--set")),
        ("/dev/other:hostname=x", (2, "/dev/other is not among the devices")),
    ],
)
def test_an_invalid_setting_is_refused_before_the_card_is_touched(
    setting: str, wanted: tuple[int, str], image: Path, stick: LoopCard, bench: Bench
) -> None:
    before = stick.head
    done = burn(bench, image, stick, more=("--set", setting))
    code, sentence = wanted
    assert done.code == code, done.err
    assert sentence in done.err
    assert stick.head == before


def test_to_file_writes_a_raw_disk(image: Path, bench: Bench, tmp_path: Path) -> None:
    done = bench.run("burn", pack(image, "gz", tmp_path), "--to-file", tmp_path / "out.raw")
    assert done.code == 0, done.err
    assert judge("cmp", image, tmp_path / "out.raw").returncode == 0
    refused = bench.run("burn", image, "--to-file", "/dev/null")
    assert refused.code == 12
    plain = bench.run("burn", image, tmp_path / "out.raw", "--yes", "--expect-size", "1G")
    assert plain.code == 12
    assert "--to-file writes a file" in plain.err


def test_to_file_refuses_an_image_that_changes(image: Path, bench: Bench, tmp_path: Path) -> None:
    packed, target = pack(image, "gz", tmp_path), tmp_path / "out.raw"
    with subprocess.Popen(
        bench.command("burn", packed, "--to-file", target),
        cwd=bench.directory, env=bench.environment(), stderr=subprocess.PIPE,
    ) as writing:  # fmt: skip
        while writing.poll() is None:
            os.utime(packed)
            time.sleep(0.005)
        assert writing.stderr is not None
        assert b"was changed or replaced while it was read" in writing.stderr.read()
    assert writing.returncode == 10
    assert not target.exists()


@pytest.mark.parametrize("given", ["/", ".", "/dev/zero", "/dev/null"])
def test_to_file_refuses_an_image_that_is_not_a_regular_file(given: str, bench: Bench) -> None:
    done = bench.run("burn", given, "--to-file", bench.directory / "out.raw")
    assert done.code == 10
    assert f"{given}: is not a regular file; wanted one" in done.err
    assert not (bench.directory / "out.raw").exists()


def test_devices_shows_why_a_loop_device_is_refused(stick: LoopCard, bench: Bench) -> None:
    done = bench.run("devices", "--json")
    assert done.code == 0
    rows = {row["path"]: row for row in json.loads(done.out)["devices"]}
    assert rows[str(stick.device)]["refused"] == ["is a loop device"]
    assert rows[str(stick.device)]["size"] == ROOM
    assert str(stick.device) in bench.run("devices").out
