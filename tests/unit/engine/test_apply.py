"""A plan applied to a real folder, as in an installed system: documents, links, refusals."""

import io
import json
import os
import zipfile
from pathlib import Path

import jsonschema
import pytest

from builder.blob import Blob, Download
from builder.changes import (
    AddUser,
    Change,
    EnsureLine,
    InstallPackages,
    MakeSymlink,
    Owner,
    Remove,
    Require,
    SetPassword,
    SetUnitState,
    UnitState,
    WriteFile,
)
from builder.engine.__main__ import main as run_engine
from builder.engine.apply import apply_all, operations
from builder.engine.archive import Packing, Unpacking, write_archive
from builder.engine.directory import DirectoryTree
from builder.engine.document import SCHEMA, Document, Entry, Unstored, dump, load, schema
from builder.engine.errors import PlanError
from builder.engine.knowledge import Knowledge
from builder.errors import GuestError
from builder.guestpath import guest
from tests.support import random_trees

KNOWN = Knowledge(20_000 * 86_400)
MINE = Owner(os.geteuid(), os.getegid())
EVERYTHING = (
    WriteFile(guest("/a"), Blob.text("hidden"), 0o600, Owner("ada", 7), secret=True),
    WriteFile(guest("/b"), Blob.text("y"), unless=guest("/c")),
    MakeSymlink(guest("/d"), "b"),
    SetPassword("root", "$6$hash"),
    SetUnitState("a.service", UnitState.MASKED, if_present=True),
    InstallPackages(("jq",), (("a.rpm", Blob.text("rpm")),)),
    EnsureLine(guest("/l"), "no utf-8: \udcff", None),
    AddUser("ada", 1000, "users", guest("/home/ada"), groups=("wheel",)),
)


def entries(*changes: Change) -> tuple[Entry, ...]:
    return tuple(Entry(change, "overlay.files") for change in changes)


def packed(*changes: Change) -> tuple[str, zipfile.ZipFile]:
    store, out = Packing(), io.BytesIO()
    text = dump(Document(entries(*changes), 7), store)
    write_archive(out, store, {})
    return text, zipfile.ZipFile(out)


@pytest.mark.skipif(os.geteuid() != 0, reason="owners are set by root only")
@pytest.mark.parametrize("seed", range(250))
def test_a_folder_becomes_what_a_tree_in_memory_becomes(seed: int) -> None:
    random_trees.check_folder(seed)


def test_a_document_comes_back_as_it_was() -> None:
    text, archive = packed(*EVERYTHING)
    assert load(text, Unpacking(archive)) == Document(entries(*EVERYTHING), 7)


def test_a_document_fits_its_schema_and_tells_no_secret() -> None:
    text, _ = packed(*EVERYTHING)
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(json.loads(text), schema())
    assert "$6$" not in text
    assert Blob.text("hidden").sha256 not in text
    assert text == dump(Document(entries(*EVERYTHING), 7), Unstored())


def test_what_is_downloaded_is_named_by_its_address() -> None:
    blob = Blob("0" * 64, 0, Download("https://example.org/x", "x"))
    text = dump(Document(entries(WriteFile(guest("/x"), blob))), Unstored())
    (step,) = json.loads(text)["steps"]
    assert step["content"]["url"] == "https://example.org/x"
    jsonschema.validate(json.loads(text), schema())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"/b"', '"/b/../../x"', "an absolute path"),
        ('"Remove"', '"Explode"', "wanted one of InstallPackages"),
        ('"path": "/b"', '"path": "/b", "mode": "0644"', "lacks or does not have: mode"),
        ("plan/v2", "plan/v9", "wanted photon-builder/plan/v2"),
        ("{", "[", "not valid JSON"),
    ],
)
def test_a_document_that_is_not_understood_is_refused(old: str, new: str, said: str) -> None:
    text, archive = packed(Remove(guest("/b")))
    assert old in text
    with pytest.raises(PlanError, match=said):
        load(text.replace(old, new, 1), Unpacking(archive))


def test_contents_that_are_damaged_are_never_written(tmp_path: Path) -> None:
    text, archive = packed(WriteFile(guest("/a"), Blob.text("good"), 0o644, MINE))
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as out:
        out.writestr(archive.namelist()[0], b"evil")
    document = load(text, Unpacking(zipfile.ZipFile(data)))
    with pytest.raises(PlanError, match="damaged"):
        apply_all(document.entries, DirectoryTree(str(tmp_path)), KNOWN)
    assert not (tmp_path / "a").exists()


def test_a_link_never_leads_out_of_a_folder(tmp_path: Path) -> None:
    top = tmp_path / "root"
    (top / "etc").mkdir(parents=True)
    (top / "up").symlink_to("../..")
    (top / "abs").symlink_to("/etc")
    tree = DirectoryTree(str(top))
    through = WriteFile(guest("/up/x"), Blob.text("x"), 0o644, MINE)
    with pytest.raises(GuestError, match="climbs above the root"):
        apply_all(entries(through), tree, KNOWN)
    apply_all(entries(WriteFile(guest("/abs/mine"), Blob.text("x"), 0o644, MINE)), tree, KNOWN)
    assert (top / "etc/mine").read_text() == "x"
    assert not Path("/etc/mine").exists()
    with pytest.raises(OSError, match="up|Not a directory|symbolic"):
        tree.apply(through)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["root"]


def test_nothing_is_touched_when_a_step_does_not_fit(tmp_path: Path) -> None:
    wanted = entries(WriteFile(guest("/a"), Blob.text("x")), Require(guest("/b"), "no b", "X001"))
    with pytest.raises(GuestError, match="no b .requested by overlay.files"):
        apply_all(wanted, DirectoryTree(str(tmp_path)), KNOWN)
    assert list(tmp_path.iterdir()) == []


def test_a_plan_that_was_applied_leaves_nothing_to_do(tmp_path: Path) -> None:
    tree = DirectoryTree(str(tmp_path))
    wanted = entries(
        WriteFile(guest("/a"), Blob.text("x"), 0o600, MINE), MakeSymlink(guest("/s"), "a")
    )
    assert len(apply_all(wanted, tree, KNOWN)) == 2
    assert operations(wanted, tree, KNOWN) == []


LATE = json.dumps({"schema": SCHEMA, "timestamp": 1 << 63, "steps": []})


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({}, "lack plan.json"),
        ({"plan.json": b"\xff"}, "is not valid JSON"),
        ({"plan.json": b"[" * 100_000}, "is not valid JSON"),
        ({"plan.json": b"{}"}, "the plan has the schema None"),
        (
            {
                "plan.json": json.dumps(
                    {"schema": SCHEMA, "timestamp": 1 << 63, "steps": []}
                ).encode()
            },
            "lacks a valid timestamp",
        ),
    ],
)
def test_a_bundle_that_is_damaged_is_a_sentence(
    members: dict[str, bytes], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    bundle = tmp_path / "bundle.pyz"
    with zipfile.ZipFile(bundle, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    monkeypatch.setattr("sys.argv", [str(bundle)])
    assert run_engine(["check", str(tmp_path)]) == 2
    told = capfd.readouterr().err
    assert told.startswith("photon-builder: ")
    assert said in told


def test_a_damaged_member_of_a_bundle_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    bundle = tmp_path / "bundle.pyz"
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("plan.json", b"{}" * 1000)
    data = bytearray(bundle.read_bytes())
    data[39:45] = b"\xff" * 6  # behind the header of the first member
    bundle.write_bytes(data)
    monkeypatch.setattr("sys.argv", [str(bundle)])
    assert run_engine(["check", str(tmp_path)]) == 2
    assert "plan.json in the bundle is damaged" in capfd.readouterr().err
