"""What the installer is given: few keys, and one script that quotes everything."""

import ast
import io
import shlex
import tarfile
from pathlib import Path

import pytest

import builder.carriers.in_guest
from builder.blob import Blob
from builder.carriers import script
from builder.carriers.kickstart import kickstart_password, render
from builder.carriers.layer import UNLESS, write_layer
from builder.changes import (
    EnsureLine,
    FileOp,
    InstallPackages,
    MakeDirectory,
    MakeSymlink,
    Owner,
    Remove,
    SetPassword,
    WriteFile,
)
from builder.errors import GuestError
from builder.guestpath import guest
from tests.support.judges import judge
from tests.support.roots import steps

NOW = 20_000 * 86_400
NASTY = "a 'b' \"c\" $(reboot) `reboot` \\ ; & | > /x * é"


def test_every_argument_reaches_its_step_as_it_is() -> None:
    given = render(steps(EnsureLine(guest("/etc/x"), NASTY), Remove(guest("/a b/'c'"))), NOW)
    lines = [line for line in given.script().splitlines() if line.startswith("step ")]
    assert [shlex.split(line)[2:] for line in lines] == [argv for _, argv in given.commands]
    assert any(NASTY in argv for _, argv in given.commands)


def test_the_script_is_one_that_a_shell_reads() -> None:
    judge("sh", "-n", text=render(steps(Remove(guest("/x"))), NOW).script())
    judge("sh", "-n", text=script.BOOTSTRAP)


def test_no_line_of_the_kickstart_could_be_taken_for_a_variable() -> None:
    assert not [line for line in script.BOOTSTRAP.splitlines() if line.startswith("$")]


def test_what_the_installer_would_write_over_goes_by_its_keys() -> None:
    password = SetPassword("root", "$6$a$b", 90)
    wanted = (WriteFile(guest("/etc/hostname"), Blob.text("edge\n")), password)
    given = render(steps(*wanted), NOW)
    assert (given.hostname, given.root_password) == ("edge", password)


@pytest.mark.parametrize(
    ("max_days", "must_change", "age"), [(99999, False, -1), (90, False, 90), (99999, True, 0)]
)
def test_the_password_is_a_hash_with_its_age(max_days: int, must_change: bool, age: int) -> None:
    change = SetPassword("root", "$6$a$b", max_days, must_change)
    assert kickstart_password(change) == {"crypted": True, "text": "$6$a$b", "age": age}


def test_packages_are_left_to_the_installer() -> None:
    rpm = Blob.text("rpm")
    given = render(steps(InstallPackages(("a", "b"), (("c.rpm", rpm),))), NOW)
    assert (given.packages, given.rpms) == (["a", "b"], [("c.rpm", rpm)])
    assert {argv[0] for _, argv in given.commands} == {"stock"}


def test_a_file_that_the_installer_removes_is_put_back() -> None:
    text = render(steps(MakeSymlink(guest("/etc/resolv.conf"), "x")), NOW).script()
    assert "step 'keep /etc/resolv.conf' keep /etc/resolv.conf\n" in text


def test_a_file_that_nobody_would_see_is_refused() -> None:
    with pytest.raises(GuestError, match="fresh filesystem"):
        render(steps(WriteFile(guest("/run/x"), Blob.text("x"))), NOW)


def test_a_layer_holds_owners_modes_and_one_time() -> None:
    out = io.BytesIO()
    ops: list[FileOp] = [
        WriteFile(guest("/b"), Blob.text("bb"), 0o4711, Owner("ada", 7), unless=guest("/z")),
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
        found = tar.getmember("b").pax_headers
    assert rows == [
        ("a", 0o1777, 3, 4, "", "", NOW),
        ("b", 0o4711, 0, 7, "ada", "", NOW),
        ("c", 0o777, 0, 0, "", "../b", NOW),
        ("d/.wh.e", 0o644, 0, 0, "", "", NOW),
        (".wh.f", 0o644, 0, 0, "", "", NOW),
    ]
    assert found == {UNLESS: "/z"}


GUEST_MODULES = sorted(Path(builder.carriers.in_guest.__path__[0]).glob("*.py"))


@pytest.mark.parametrize("path", GUEST_MODULES, ids=lambda path: path.stem)
def test_what_runs_in_the_guest_is_python_3_7_without_this_project(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 7))
    imported = {
        name
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom) and not node.level
            else []
        )
    }
    allowed = {"__future__", "collections.abc", "fnmatch", "os", "pathlib", "re", "shutil"}
    assert imported <= allowed | {"stat", "sys", "tarfile"}
    newer = {"removeprefix", "removesuffix", "readlink", "is_relative_to", "with_stem"}
    assert not newer & {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}


def test_a_large_payload_is_the_tar_that_a_small_one_would_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = render(steps(WriteFile(guest("/opt/x"), Blob.of(bytes(70_000)))), NOW)
    small = given.payload(NOW)
    monkeypatch.setattr("builder.carriers.kickstart._LARGEST_IN_MEMORY", 0)
    large = given.payload(NOW)
    assert isinstance(large.source, Path)
    assert (large, large.size) == (small, small.size)
