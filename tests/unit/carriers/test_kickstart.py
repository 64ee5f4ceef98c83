"""What the installer is given: few keys, and one script that quotes everything."""

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from builder.blob import Blob
from builder.carriers import script
from builder.carriers.bundle import make_bundle
from builder.carriers.kickstart import kickstart_password, render
from builder.changes import (
    FileOp,
    InstallPackages,
    MakeDirectory,
    MakeSymlink,
    Owner,
    Remove,
    SetPassword,
    SetUnitState,
    WriteFile,
)
from builder.errors import GuestError
from builder.guestpath import guest
from builder.roots.layer_file import write_layer
from tests.support.judges import judge
from tests.support.roots import steps

NOW = 20_000 * 86_400


def test_the_script_is_one_that_a_shell_reads() -> None:
    judge("sh", "-n", text=script.BOOTSTRAP)


def test_no_line_of_the_kickstart_could_be_taken_for_a_variable() -> None:
    assert not [line for line in script.BOOTSTRAP.splitlines() if line.startswith("$")]


def test_what_the_installer_would_write_over_goes_by_its_keys() -> None:
    password = SetPassword("root", "$6$a$b", 90)
    wanted = (WriteFile(guest("/etc/hostname"), Blob.text("edge\n")), password)
    given = render(steps(*wanted))
    assert (given.hostname, given.root_password) == ("edge", password)


@pytest.mark.parametrize(
    ("max_days", "must_change", "age"), [(99999, False, -1), (90, False, 90), (99999, True, 0)]
)
def test_the_password_is_a_hash_with_its_age(max_days: int, must_change: bool, age: int) -> None:
    change = SetPassword("root", "$6$a$b", max_days, must_change)
    assert kickstart_password(change) == {"crypted": True, "text": "$6$a$b", "age": age}


def test_packages_are_left_to_the_installer() -> None:
    rpm = Blob.text("rpm")
    given = render(steps(InstallPackages(("a", "b"), (("c.rpm", rpm),))))
    assert (given.packages, given.rpms) == (["a", "b"], [("c.rpm", rpm)])
    assert [type(step.change) for step in given.steps] == [SetUnitState, SetUnitState]


def test_a_file_that_the_installer_removes_is_put_back() -> None:
    given = render(steps(MakeSymlink(guest("/etc/resolv.conf"), "x")))
    late = MakeSymlink(guest(f"{script.STATE}/late/resolv.conf"), "x")
    assert late in [step.change for step in given.steps]


def test_a_file_that_nobody_would_see_is_refused() -> None:
    with pytest.raises(GuestError, match="fresh filesystem"):
        render(steps(WriteFile(guest("/run/x"), Blob.text("x"))))


def test_a_layer_holds_owners_modes_and_one_time() -> None:
    out = io.BytesIO()
    ops: list[FileOp] = [
        WriteFile(guest("/b"), Blob.text("bb"), 0o4711, Owner("ada", 7)),
        MakeDirectory(guest("/a"), 0o1777, Owner(3, 4)),
        MakeSymlink(guest("/c"), "../b"),
        Remove(guest("/d/e")),
        Remove(guest("/f")),
    ]
    write_layer(out, ops, mtime=NOW)
    again = io.BytesIO()
    write_layer(again, reversed(ops), mtime=NOW)
    assert again.getvalue() == out.getvalue()
    out.seek(0)
    with tarfile.open(fileobj=out) as tar:
        rows = [(m.name, m.mode, m.uid, m.gid, m.uname, m.linkname, m.mtime) for m in tar]
    assert rows == [
        ("a", 0o1777, 3, 4, "", "", NOW),
        ("b", 0o4711, 0, 7, "ada", "", NOW),
        ("c", 0o777, 0, 0, "", "../b", NOW),
        ("d/.wh.e", 0o644, 0, 0, "", "", NOW),
        (".wh.f", 0o644, 0, 0, "", "", NOW),
    ]


def test_a_large_bundle_is_the_one_that_a_small_one_would_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted = render(steps(WriteFile(guest("/opt/x"), Blob.of(bytes(70_000))))).steps
    small = make_bundle(wanted, NOW)
    monkeypatch.setattr("builder.carriers.bundle._LARGEST_IN_MEMORY", 0)
    large = make_bundle(wanted, NOW)
    assert isinstance(large.source, Path)
    assert (large, large.size) == (small, small.size)


@pytest.mark.parametrize("limit", ["_MOST_MEMBERS", "_LARGEST"])
def test_a_bundle_that_python_could_not_run_is_refused(
    limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"builder.carriers.bundle.{limit}", 0)
    with pytest.raises(GuestError, match="too much for an installation"):
        make_bundle(steps(WriteFile(guest("/opt/x"), Blob.text("x"))), NOW)


def test_a_bundle_says_what_a_folder_lacks(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pyz"
    wanted = steps(MakeSymlink(guest("/a"), 'it\'s "é"'))
    bundle.write_bytes(make_bundle(wanted, NOW).open().read())
    root = tmp_path / "root"
    root.mkdir()
    for verb, code, said in (
        ("check", 1, 'link      /a -> it\'s "\\xe9"\n'),
        ("apply", 0, ""),
        ("check", 0, ""),
    ):
        words = [sys.executable, "-I", "-S", str(bundle), verb, str(root)]
        done = subprocess.run(words, capture_output=True, check=False)
        assert (done.returncode, done.stderr.decode().replace("é", "\\xe9")) == (code, said)
    assert (root / "a").readlink() == Path('it\'s "é"')
