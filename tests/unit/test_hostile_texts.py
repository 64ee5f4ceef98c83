"""Texts of a guest or a machine that somebody made to confuse whoever reads them."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from builder.burn.usage import users_of
from builder.changes import MakeSymlink
from builder.cli import _report
from builder.engine.memory import MemoryTree
from builder.engine.text.accounts import resolve_user
from builder.engine.text.systemd import enable_links
from builder.engine.tree import resolve
from builder.errors import FormatError, GuestError
from builder.formats.compression import iter_unpacked, read_size
from builder.guest.fstab import parse_fstab
from builder.guestpath import guest, join
from builder.nightly.folder import Builds
from builder.printable import printable
from tests.support.judges import judge
from tests.support.machines import Machine


@pytest.mark.parametrize("field", ["²", "9" * 5000, "-1", "٣"])
def test_a_field_of_fstab_that_is_no_number_is_zero(field: str) -> None:
    (mount,) = parse_fstab(f"/dev/sda1 /boot ext4 defaults {field} {field}\n")
    assert (mount.dump, mount.check_pass) == (0, 0)


def test_an_id_of_thousands_of_digits_is_a_sentence() -> None:
    with pytest.raises(GuestError, match="wanted a number"):
        resolve_user(f"ada:x:{'9' * 5000}:0::/:/bin/sh\n", "ada")


def test_a_link_with_a_nul_byte_is_a_sentence() -> None:
    root = MemoryTree()
    root.apply(MakeSymlink(guest("/lib"), "usr\0/lib"))
    with pytest.raises(GuestError, match="the symbolic link /lib holds a NUL byte"):
        resolve(root, guest("/lib/x"))


@pytest.mark.parametrize("name", ["a/../b", "..", "a\0b"])
def test_a_path_that_is_none_is_a_sentence_wherever_it_comes_from(name: str) -> None:
    with pytest.raises(GuestError, match="is not a valid path inside an image"):
        join(guest("/opt"), name)


@pytest.mark.parametrize("parent", ["../../x", "/etc/passwd", "x", "a b.target", "../x.target"])
@pytest.mark.parametrize("key", ["WantedBy", "RequiredBy"])
def test_a_unit_is_pulled_in_by_units_only(parent: str, key: str, tmp_path: Path) -> None:
    text = f"[Service]\nExecStart=/bin/true\n[Install]\n{key}={parent}\n"
    path = guest("/etc/systemd/system/x.service")
    with pytest.raises(GuestError, match="is not a valid unit name"):
        enable_links("x.service", text, path)
    folder = tmp_path / "etc/systemd/system"
    folder.mkdir(parents=True)
    (folder / "x.service").write_text(text)
    judge("systemctl", f"--root={tmp_path}", "enable", "x.service", check=False)
    made = [each for each in folder.rglob("*") if each.is_symlink()]
    assert not [each for each in made if parent in str(each)], "systemd takes it"


def test_an_alias_never_leaves_the_folder_of_units() -> None:
    text = "[Install]\nAlias=../../x.wants/x.service\n"
    assert enable_links("x.service", text, guest("/etc/systemd/system/x.service")) == []


def test_a_process_with_an_odd_name_is_named_all_the_same(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    process = machine.system.proc / "4711"
    (process / "fd").mkdir(parents=True)
    (process / "cwd").symlink_to("/media/card/x")
    (process / "comm").write_bytes(b"\xff\x1b[31mbash\n")
    assert users_of(machine.system, "/media/card") == "�\\x1b[31mbash (4711)"


def test_old_builds_go_whatever_links_lie_beside_them(tmp_path: Path) -> None:
    for name in ("20260101.0", "20260102.0", "20260103.0"):
        (tmp_path / name).mkdir()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / ".pruned-x").symlink_to("20260103.0")
    builds = Builds(tmp_path)
    with builds.locked():
        assert builds.prune(1) == ["20260101.0", "20260102.0"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["20260103.0", "loop"]


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("can't start new thread")], ids=["memory", "threads"]
)
def test_a_machine_that_lacks_something_is_not_a_bug(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _report(error) == 10
    said = capsys.readouterr().err
    assert "bug" not in said
    assert "ulimit" in said


def test_what_moves_a_cursor_is_spelled_out() -> None:
    assert printable("a b ä …") == "a b ä …"
    assert printable("a\x1b[2Jb\nc\u202ed\r\x9b") == "a\\x1b[2Jb\\nc\\u202ed\\r\\x9b"
    assert printable("\udcff") == "\udcff"


@pytest.mark.parametrize("tool", ["gzip", "xz"])
def test_many_short_members_are_read_as_quickly_as_one(tool: str, tmp_path: Path) -> None:
    part, packed = tmp_path / "part", tmp_path / "all"
    part.write_bytes(os.urandom(1 << 15))
    judge("sh", "-c", f"cd {tmp_path}; {tool} -c1 part > one; printf '' | {tool} -c > none")
    begun = time.monotonic()
    packed.write_bytes((tmp_path / "one").read_bytes() * 2000)
    assert sum(map(len, iter_unpacked(packed))) == 2000 << 15
    packed.write_bytes((tmp_path / "none").read_bytes() * 30_000)
    assert list(iter_unpacked(packed)) == []
    assert time.monotonic() - begun < 20


def test_padding_without_end_is_passed_over(tmp_path: Path) -> None:
    packed = tmp_path / "a.xz"
    judge("sh", "-c", f"head -c 100000 /dev/urandom | xz -0 > {packed}")
    os.truncate(packed, packed.stat().st_size + (1 << 30))
    begun = time.process_time()
    assert read_size(packed) == 100_000
    assert time.process_time() - begun < 20


def nothing(tool: str) -> bytes:
    """Return a part of a stream that holds nothing."""
    if tool == "skippable":  # RFC 8878, 3.1.2
        return b"\x50\x2a\x4d\x18" + bytes(4)
    if tool == "blocks":  # RFC 8878, 3.1.1: a frame of empty raw blocks, which never ends
        return b"\x28\xb5\x2f\xfd\x20\x00" + bytes(3 << 20)
    return subprocess.run([tool, "-c"], input=b"", capture_output=True, check=True).stdout


@pytest.mark.parametrize("kind", ["skippable", "blocks", "gzip", "xz", "zstd"])
@pytest.mark.parametrize("act", ["measure", "unpack"])
def test_parts_that_hold_nothing_have_an_end(kind: str, act: str, tmp_path: Path) -> None:
    packed = tmp_path / "a.raw"
    part = nothing(kind)
    packed.write_bytes(part * ((64 << 20) // len(part)))
    begun = time.process_time()
    if act == "measure" and kind == "gzip":
        assert read_size(packed) is None
        return
    with pytest.raises(FormatError, match="empty parts in a row"):
        read_size(packed) if act == "measure" else list(iter_unpacked(packed))
    assert time.process_time() - begun < 20
