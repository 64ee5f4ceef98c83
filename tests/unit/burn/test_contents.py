"""What is said of a disk before it is erased, and remembered of one that was interrupted."""

import tempfile
from pathlib import Path

import pytest

from builder.burn.confirm import describe_contents
from builder.burn.personalise import parse_settings
from builder.burn.resume import ResumeNote
from builder.errors import SpecError, UsageError
from builder.formats.disk import MIB
from builder.structs import replace
from tests.support.judges import judge
from tests.support.loop_cards import attach
from tests.support.machines import Machine, stick


def disk(folder: Path, *arguments: str) -> Path:
    """Make a disk of 64 MiB with partitions."""
    path = folder / "disk"
    with path.open("wb") as stream:
        stream.truncate(64 * MIB)
    if arguments:
        judge("sgdisk", *arguments, path)
    return path


def test_partitions_are_named_with_what_they_hold(tmp_path: Path) -> None:
    path = disk(tmp_path, "-n1:2048:+20M", "-c1:boot\u202e", "-n2:0:0")
    offset = 21 * MIB
    judge("mkfs.fat", "--offset", "2048", path, str(20 * 1024))
    judge("mkfs.ext4", "-q", "-F", "-E", f"offset={offset}", path, "16M")
    found = describe_contents(path, 64 * MIB)
    assert found == "boot (FAT 21.0 MB), partition 2 (ext4 45.1 MB)"


def test_where_a_filesystem_was_mounted_last_is_told(tmp_path: Path) -> None:
    path = disk(tmp_path, "-n1:2048:+20M", "-n2:0:0")
    point = Path(tempfile.mkdtemp(prefix="my \u202e", dir="/tmp"))  # at most 63 bytes are noted
    try:
        with attach(path, "--offset", str(MIB), "--sizelimit", str(20 * MIB)) as part:
            judge("mkfs.ext4", "-q", part.device)
            assert "mounted" not in describe_contents(path, 64 * MIB)
            judge("mount", part.device, point)
            try:
                (point / "file").write_text("the kernel notes it when a file is opened")
            finally:
                judge("umount", point)
            assert (
                f"Last mounted on:          {point}\n"
                in judge("dumpe2fs", "-h", part.device).stdout
            )
    finally:
        point.rmdir()
    assert describe_contents(path, 64 * MIB) == (
        f"partition 1 (ext4 21.0 MB, last mounted at {str(point).replace(chr(0x202E), '')}), "
        "partition 2 (unknown 45.1 MB)"
    )


def test_an_empty_disk_differs_from_one_that_cannot_be_read(tmp_path: Path) -> None:
    assert describe_contents(disk(tmp_path), 64 * MIB) == "no partitions"
    assert describe_contents(tmp_path / "missing", 64 * MIB) == "?"


def test_a_resume_note_counts_for_the_same_card_and_image_only(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "machine")
    stick(machine)
    device, notes = machine.device("sdb"), tmp_path / "notes"
    ResumeNote(notes, device, "image 1").write(77, now=True)
    assert ResumeNote(notes, device, "image 1").read() == 77
    assert ResumeNote(notes, device, "image 2").read() == 0
    assert ResumeNote(notes, replace(device, serial="other/../x"), "image 1").read() == 0
    ResumeNote(notes, device, "image 1").remove()
    assert ResumeNote(notes, device, "image 1").read() == 0


@pytest.mark.parametrize("text", ["", "{", "[]", '{"image": "i", "reached": "far"}'])
def test_a_damaged_resume_note_is_ignored(text: str, tmp_path: Path) -> None:
    machine = Machine(tmp_path / "machine")
    stick(machine)
    (tmp_path / "4C53.json").write_text(text)
    assert ResumeNote(tmp_path, machine.device("sdb"), "i").read() == 0


def test_a_resume_note_is_throttled_and_written_for_every_32_mib(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "machine")
    stick(machine)
    note = ResumeNote(tmp_path, machine.device("sdb"), "i")
    note.write(1)
    note.write(2)
    assert note.read() == 1
    note.write(33 * MIB)
    assert note.read() == 33 * MIB


def test_settings_are_nested_by_their_dots_and_read_as_yaml() -> None:
    given = ["hostname=pi1", "network.eth0.dns=[192.168.1.1]", "network.eth0.dhcp=no"]
    assert parse_settings(given) == {
        "hostname": "pi1",
        "network": {"eth0": {"dns": ["192.168.1.1"], "dhcp": "no"}},
    }


@pytest.mark.parametrize("setting", ["hostname", "=x", "a..b=c", ".=x"])
def test_a_setting_needs_a_key_and_a_value(setting: str) -> None:
    with pytest.raises(UsageError, match="wanted key=value"):
        parse_settings([setting])


def test_settings_that_contradict_each_other_and_broken_yaml_are_refused() -> None:
    with pytest.raises(UsageError, match="a has a value already"):
        parse_settings(["a=1", "a.b=2"])
    with pytest.raises(SpecError):
        parse_settings(["a=[1"])
