"""Specs and overlays: read, checked and typed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from builder.errors import Diagnostic, SpecError
from builder.lock import Lock
from builder.spec import CatalogBase, FileBase, SampleBase, Spec, UrlBase, load_spec

SHA256 = "0f" * 32
HEAD = "version: 1\ntargets: [ova]\n"
SAMPLE = f"{HEAD}base: {{sample: true}}\n"


@dataclass(frozen=True)
class Kind:
    """A target, as far as a spec looks at it."""

    name: str
    summary: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Several:
    """A group of targets."""

    name: str
    members: tuple[str, ...]
    summary: str = ""


KINDS: dict[str, Kind | Several] = {
    "ova": Kind("ova", options={"hw_version": {"type": "integer"}}),
    "gce": Kind("gce", options={"compression": {"enum": ["gz"]}}),
    "all": Several("all", ("ova", "gce")),
}


def read(
    folder: Path,
    text: str,
    name: str = "lab.yaml",
    locked: Lock | None = None,
) -> Spec:
    """Return the spec of a text."""
    path = folder / "specs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return load_spec(path, targets=KINDS, locked=locked)


def problems_of(folder: Path, text: str, name: str = "lab.yaml") -> tuple[Diagnostic, ...]:
    """Return what is wrong with the spec of a text."""
    with pytest.raises(SpecError) as caught:
        read(folder, text, name)
    return caught.value.problems


def places(problems: tuple[Diagnostic, ...]) -> list[tuple[str, int, int]]:
    """Return code, line and column of each problem."""
    return [(p.code, p.place.line, p.place.column) for p in problems if p.place]


def test_a_small_spec_is_enough(tmp_path: Path) -> None:
    spec = read(tmp_path, SAMPLE)
    assert (spec.name, spec.targets, spec.base, spec.overlays) == (
        "lab",
        ("ova",),
        SampleBase(),
        (),
    )
    assert spec.output == {}


def test_a_whole_spec_is_typed(tmp_path: Path) -> None:
    folder = tmp_path / "overlays" / "web"
    (folder / "files" / "etc").mkdir(parents=True)
    (folder / "overlay.yaml").write_text("timezone: UTC\n")
    text = (
        "version: 1\nname: edge\ntarget: all\nbase: {release: 5.0, arch: x86_64}\n"
        "overlays: [web]\noverlay:\n  hostname: edge\noutput: {hw_version: 11}\n"
    )
    spec = read(tmp_path, text)
    assert (spec.name, spec.targets) == ("edge", ("all",))
    assert spec.base == CatalogBase("5.0", None, "x86_64")
    assert spec.output == {"hw_version": 11}
    web, inline = spec.overlays
    assert (web.values, web.directory.resolve()) == ({"timezone": "UTC"}, folder.resolve())
    assert web.files is not None
    assert web.files.resolve() == (folder / "files").resolve()
    assert web.prefix == ()
    assert (inline.values, inline.prefix) == ({"hostname": "edge"}, ("overlay",))
    assert inline.directory == spec.path.parent
    place = inline.document.place((*inline.prefix, "hostname"))
    assert (place.line, place.column) == (7, 13)


@pytest.mark.parametrize(
    ("base", "wanted"),
    [
        ('{release: "3.0", revision: GA}', CatalogBase("3.0", "GA")),
        ("{release: 4}", CatalogBase("4.0")),
        ("{sample: true}", SampleBase()),
        (
            f"{{url: 'https://x/y', sha256: {SHA256.upper()}}}",
            UrlBase("https://x/y", {"sha256": SHA256}),
        ),
    ],
    ids=["catalog", "number", "sample", "url"],
)
def test_a_base_has_four_forms(tmp_path: Path, base: str, wanted: object) -> None:
    assert read(tmp_path, f"{HEAD}base: {base}\n").base == wanted


def test_a_file_lies_beside_the_spec(tmp_path: Path) -> None:
    found = read(tmp_path, f"{HEAD}base: {{file: ../base.ova}}\n").base
    assert found == FileBase(tmp_path / "specs" / "../base.ova", {})


def lacks(spec: Spec) -> list[tuple[str, tuple[str | int, ...]]]:
    """Return code and path of each reason why there is nothing to start from."""
    return [(fault.code, fault.path) for fault in spec.lacks]


@pytest.mark.parametrize(
    ("target", "base", "wanted"),
    [
        ("ova", "{release: '5.1'}", [("BASE009", ("base", "release"))]),
        ("ova", "{release: '5.0', revision: Rev7}", [("BASE009", ("base", "revision"))]),
        ("ova", "{release: '5.0', arch: aarch64}", [("BASE009", ("base", "arch"))]),
        ("gce", "{release: '5.0'}", [("BASE009", ("targets", 0))]),
        ("all", "{release: '5.0'}", []),
        ("all", "{release: '3.0', revision: Rev3 Update1}", [("BASE009", ("targets", 0))]),
        ("ova", "{file: missing.ova}", [("BASE010", ("base", "file"))]),
        ("ova", "{file: .}", [("BASE010", ("base", "file"))]),
        ("ova", "{file: lab.yaml}", []),
    ],
)
def test_what_there_is_nothing_to_start_from_has_a_place(
    tmp_path: Path, target: str, base: str, wanted: list[tuple[str, tuple[str | int, ...]]]
) -> None:
    spec = read(tmp_path, f"version: 1\ntargets: [{target}]\nbase: {base}\n")
    assert lacks(spec) == wanted


def test_a_bad_base_is_found_together_with_all_others(tmp_path: Path) -> None:
    found = problems_of(tmp_path, "version: 1\ntargets: [oav]\nbase: {release: '9'}\nfoo: 1\n")
    assert sorted(problem.code for problem in found) == ["SCH002", "TGT001"]
    found = problems_of(tmp_path, f"{HEAD}base: {{release: '9'}}\nfoo: 1\n")
    assert sorted(problem.code for problem in found) == ["BASE009", "SCH002"]


def test_a_group_leaves_out_what_the_release_does_not_have(tmp_path: Path) -> None:
    head = "version: 1\ntarget: all\nbase: "
    choice = read(tmp_path, f"{head}{{release: '5.0'}}\n").choice
    assert choice.names == ("ova",)
    assert [str(each) for each in choice.omitted] == [
        "all leaves out gce: the catalog has no file of Photon 5.0 for it"
    ]
    choice = read(tmp_path, f"{head}{{release: '3.0', revision: Rev2 Update3}}\n").choice
    assert choice.names == ("ova",)
    assert "no file of Photon 3.0 Rev2 Update3" in choice.omitted[0].reason
    assert read(tmp_path, f"{head}{{release: '3.0'}}\n").choice.names == ("ova", "gce")
    assert read(tmp_path, f"{head}{{sample: true}}\n").choice.names == ("ova", "gce")


def test_another_base_stands_in_for_that_of_the_spec(tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text(f"{HEAD}base: {{release: '9'}}\n")
    there = load_spec(path, targets=KINDS, base=FileBase(path, {}))
    assert there.base == FileBase(path, {}, "9")
    assert there.lacks == ()
    sample = load_spec(path, targets=KINDS, base=SampleBase())
    assert sample.base == SampleBase()


def test_a_lock_gives_the_digest_that_a_spec_lacks(tmp_path: Path) -> None:
    text = f"{HEAD}base: {{url: 'https://x/y'}}\n"
    locked = Lock({"https://x/y": {"sha256": SHA256}})
    found = read(tmp_path, text, locked=locked).base
    assert found == UrlBase("https://x/y", {"sha256": SHA256}, is_recorded=True)


@pytest.mark.parametrize(
    ("base", "wanted", "words"),
    [
        ("{release: '3.0', url: 'https://x/y'}", ("BASE001", 3, 29), "`release` and `url`"),
        ("{arch: x86_64}", ("BASE001", 3, 7), "none of"),
        ("{url: 'https://x/y'}", ("BASE002", 3, 13), "no digest"),
        ("{sample: true, arch: x86_64}", ("BASE003", 3, 28), "`arch`"),
        ("{file: a, md5: abc}", ("BASE004", 3, 22), "has 3 hex digits; wanted 32"),
        (f"{{file: a, md5: {'x' * 32}}}", ("BASE004", 3, 22), "holds 'x'"),
        (f"{{sample: true, sha256: {SHA256}}}", ("BASE005", 3, 30), "`sha256`"),
        (f"{{url: 'ftp://x/y', sha256: {SHA256}}}", ("BASE006", 3, 13), "valid address"),
        ("{sample: false}", ("SCH004", 3, 16), "wanted one of true, 3.0"),
        ("sample", ("SCH001", 3, 7), "wanted a mapping"),
    ],
)
def test_a_bad_base_is_refused(
    tmp_path: Path, base: str, wanted: tuple[str, int, int], words: str
) -> None:
    found = problems_of(tmp_path, f"{HEAD}base: {base}\n")
    assert places(found) == [wanted]
    assert words in found[0].message


def test_a_download_without_a_digest_is_refused_with_both_ways_out(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, f"{HEAD}base: {{url: 'https://x/y'}}\n")
    assert "forged" in problem.message
    assert "sha256" in problem.hint
    assert "photon-builder lock" in problem.hint


def test_a_digest_under_the_wrong_name_is_recognised(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, f"{HEAD}base: {{file: a, md5: {SHA256}}}\n")
    assert "sha256: …" in problem.hint


@pytest.mark.parametrize(
    ("targets", "wanted", "hint"),
    [
        ("targets: [ova, oav]", ("TGT001", 2, 16), "did you mean ova?"),
        ("target: zzzzz", ("TGT001", 2, 9), "all, gce, ova"),
        ("target: sources-cached", ("TGT002", 2, 9), "build.py"),
        ("targets: [packages]", ("TGT002", 2, 11), "all, gce, ova"),
        ("target: ova\ntargets: [ova]", ("TGT003", 2, 9), "keep"),
        ("name: a", ("TGT003", 1, 1), "targets: [ova]"),
        ("targets: []", ("SCH006", 2, 10), ""),
        ("targets: [ova, ova]", ("SCH007", 2, 16), "drop"),
        ("target: ova\noutput: {compression: gz}", ("OUT001", 3, 23), "drop"),
    ],
)
def test_bad_targets_are_refused(
    tmp_path: Path, targets: str, wanted: tuple[str, int, int], hint: str
) -> None:
    found = problems_of(tmp_path, f"version: 1\n{targets}\nbase: {{sample: true}}\n")
    assert places(found) == [wanted]
    assert hint in found[0].hint


def test_an_option_names_the_targets_that_take_it(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, f"{SAMPLE}output: {{compression: gz}}\n")
    assert problem.message == "ova takes no `compression`; it is for gce"


def test_an_option_of_a_member_of_a_group_is_taken(tmp_path: Path) -> None:
    text = "version: 1\ntarget: all\nbase: {sample: true}\noutput: {compression: gz}\n"
    assert read(tmp_path, text).output == {"compression": "gz"}


@pytest.mark.parametrize(
    ("version", "wanted", "hint"),
    [
        ("name: a", ("SCH003", 1, 1), "version: 1"),
        ("version: 2", ("SCH004", 1, 10), "version: 1"),
        ("version: '1'", ("SCH004", 1, 10), "version: 1"),
    ],
)
def test_the_version_is_mandatory(
    tmp_path: Path, version: str, wanted: tuple[str, int, int], hint: str
) -> None:
    found = problems_of(tmp_path, f"{version}\ntarget: ova\nbase: {{sample: true}}\n")
    assert places(found) == [wanted]
    assert hint in found[0].hint


def test_a_key_of_an_overlay_at_the_top_is_sent_there(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, f"{SAMPLE}hostname: x\n")
    assert (problem.code, problem.hint) == ("SCH002", "move `hostname` under `overlay`")


def test_a_file_that_cannot_name_an_artifact_needs_a_name(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, SAMPLE, "my lab.yaml")
    assert problem.code == "SPEC001"
    assert read(tmp_path, f"{SAMPLE}name: lab\n", "my lab.yaml").name == "lab"


def test_an_overlay_is_looked_for_in_three_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    folders = [tmp_path / "here", tmp_path / "specs", tmp_path]
    for number, folder in enumerate(folders):
        (folder / "overlays" / "web").mkdir(parents=True)
        (folder / "overlays" / "web" / "overlay.yaml").write_text(f"hostname: n{number}\n")
        (overlay,) = read(tmp_path, f"{SAMPLE}overlays: [web]\n").overlays
        assert overlay.values == {"hostname": f"n{number}"}


def test_an_overlay_of_files_alone_is_one(tmp_path: Path) -> None:
    (tmp_path / "overlays" / "web" / "files").mkdir(parents=True)
    (overlay,) = read(tmp_path, f"{SAMPLE}overlays: [web]\n").overlays
    assert (overlay.values, overlay.files is not None) == ({}, True)


def test_a_missing_overlay_names_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "overlays" / "pihole").mkdir(parents=True)
    (tmp_path / "overlays" / "pihole" / "overlay.yaml").write_text("hostname: a\n")
    (problem,) = problems_of(tmp_path, f"{SAMPLE}overlays: [pihle]\n")
    assert places((problem,)) == [("OVL001", 4, 12)]
    assert problem.hint == "did you mean pihole?"


@pytest.mark.parametrize("name", ["../x", "/etc", ".", "a b"])
def test_an_overlay_is_named_not_pathed(tmp_path: Path, name: str) -> None:
    assert places(problems_of(tmp_path, f"{SAMPLE}overlays: ['{name}']\n")) == [("SCH005", 4, 12)]


def test_everything_wrong_in_every_file_is_said_at_once(tmp_path: Path) -> None:
    for name, text in {"a": "hostnam: x\n", "b": "timezone: [\n", "c": "hostname: A_B\n"}.items():
        (tmp_path / "overlays" / name).mkdir(parents=True)
        (tmp_path / "overlays" / name / "overlay.yaml").write_text(text)
    text = (
        "version: 1\ntarget: oav\nbase: {sample: true}\noverlays: [a, b, c, d]\n"
        "overlay: {timezone: 5}\noutput: {x: 1}\n"
    )
    found = problems_of(tmp_path, text)
    rows = [(p.place.file.parent.name, p.code, p.place.line) for p in found if p.place]
    assert sorted(rows) == [
        ("a", "SCH002", 1),
        ("b", "YAML001", 2),
        ("c", "SCH005", 1),
        ("specs", "OVL001", 4),
        ("specs", "SCH001", 5),
        ("specs", "SCH002", 6),
        ("specs", "TGT001", 2),
    ]
    files = [str(p.place.file) for p in found if p.place]
    assert files == sorted(files)


@pytest.mark.parametrize("text", ["- a\n", "5\n", "text\n"])
def test_what_is_no_mapping_is_no_spec(tmp_path: Path, text: str) -> None:
    assert places(problems_of(tmp_path, text)) == [("SCH001", 1, 1)]


def test_commented_out_sections_are_as_good_as_none(tmp_path: Path) -> None:
    spec = read(tmp_path, f"{SAMPLE}overlays:\noverlay:\noutput:\n")
    assert (spec.overlays, spec.output) == ((), {})
