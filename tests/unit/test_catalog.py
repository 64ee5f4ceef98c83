"""What the catalog answers: published digests, forgiving names, and what does not exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from builder import catalog
from builder.catalog import MIRRORS, find_source, list_artifacts, read_catalog
from builder.digests import ALGORITHMS
from builder.errors import SpecError, UsageError


@pytest.fixture(autouse=True)
def published_mirrors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(catalog.VARIABLE, raising=False)


@pytest.mark.parametrize("revision", ["Rev2 Update3", "rev2update3", "REV3", "Revision 2 Update3"])
@pytest.mark.parametrize(
    ("target", "md5", "filename"),
    [
        ("iso", "2dd9f18c5162a7367f2463f4a9bb4890", "photon-3.0-a383732.iso"),
        ("minimal-iso", "0119f0f275f246fd382d419ff41898a4", "photon-minimal-3.0-a383732.iso"),
        ("rt-iso", "d2bfce95b54a29174b5beaef9962dbc1", "photon-3.0-a383732-rt-iso"),
        ("ova", "ba52abd88c5b22cd4498cf0e88457f28", "photon-hw11-3.0-a383732.ova"),
        ("ova_uefi", "95614f3b08c1a93306ababcc826572df", "photon-hw13_uefi-3.0-a383732.ova"),
    ],
)
def test_the_second_revision_of_3_has_its_five_digests(
    revision: str, target: str, md5: str, filename: str
) -> None:
    source = find_source("3.0", target, revision)
    assert source.digests["md5"] == md5
    assert source.filename == filename
    assert source.arch == "x86_64"


def test_mirrors_come_in_order_and_then_what_one_file_had() -> None:
    source = find_source("3.0", "iso", "Rev2 Update1", "x86_64")
    path = "3.0/Rev2/iso/Update1/photon-3.0-a0f216d.iso"
    assert source.urls == (
        f"https://packages.broadcom.com/photon/{path}",
        f"https://packages.vmware.com/photon/{path}",
        f"https://packages-prod.broadcom.com/photon/{path}",
        f"https://dl.bintray.com/vmware/photon/{path}",
    )
    assert len(find_source("1.0", "ova", "Rev2").urls) == 1


def test_the_environment_replaces_all_mirrors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(catalog.VARIABLE, "http://127.0.0.1:1/a/, http://127.0.0.1:2")
    path = "3.0/Rev3/ova/photon-hw11-3.0-a383732.ova"
    source = find_source("3.0", "ova", "Rev3")
    assert source.urls == (f"http://127.0.0.1:1/a/{path}", f"http://127.0.0.1:2/{path}")
    flat = find_source("1.0", "ova", "Rev2")
    assert flat.urls[1] == f"http://127.0.0.1:2/{flat.filename}"


@pytest.mark.parametrize(
    ("release", "target", "arch", "filename"),
    [
        ("5.0", "iso", None, "photon-5.0-dde71ec57.x86_64.iso"),
        ("5.0", "iso", "aarch64", "photon-5.0-dde71ec57.aarch64.iso"),
        ("5.0", "ova_uefi", None, "photon-uefi-hw14-5.0-dde71ec57.aarch64.ova"),
        ("4.0", "ova", None, "photon-ova-4.0-c001795b80.ova"),
        ("5.0", "ova", None, "photon-hw15-5.0-dde71ec57.x86_64.ova"),
        ("5.0", "rpi3", None, "rpi.aarch64.tar.xz"),
        ("3.0", "ova_uefi", None, "photon-hw13_uefi-3.0-913b49438.ova"),
        ("3.0", "ova", None, "photon-hw11-3.0-a383732.ova"),
        ("3.0", "rpi3", None, "photon-rpi3-3.0-9355405.tar.xz"),
        ("1.0", "ova", None, "photon-custom-hw11-1.0-62c543d.ova"),
        ("2.0", "ova", None, "photon-custom-hw11-2.0-304b817.ova"),
        ("5.0", "docker", None, "photon-5.0-20260727.x86_64.layer.tar.gz"),
    ],
)
def test_the_newest_is_the_default(
    release: str, target: str, arch: str | None, filename: str
) -> None:
    assert find_source(release, target, arch=arch).filename == filename


@pytest.mark.parametrize(
    ("wish", "found", "hint"),
    [
        (("3.1", "iso"), "release '3.1' is not in the catalog; there is 1.0, 2.0", "'3.0'"),
        (("3.0", "ovb"), "3.0: target 'ovb' is not .* there is .*ova_uefi", "'ova'"),
        (("3.0", "iso", "Rev2Upd3"), "3.0, iso: revision 'Rev2Upd3' is not", "'Rev2 Update3'"),
        (("3.0", "ova", None, "arm64"), "architecture 'arm64' .* there is x86_64", "drop `arch`"),
        (("9", "iso"), "release '9' is not", "photon-builder catalog"),
    ],
    ids=["release", "target", "revision", "arch", "nothing near"],
)
def test_an_unknown_name_is_answered_with_what_there_is(
    wish: tuple[str, ...], found: str, hint: str
) -> None:
    with pytest.raises(UsageError, match=found) as caught:
        find_source(*wish)
    assert hint in caught.value.hint


def test_the_newest_needs_no_published_digest_and_takes_that_of_the_lock() -> None:
    name = "photon-hw15-5.0-dde71ec57.x86_64.ova"
    assert find_source("5.0", "ova").digests == {}
    digest = {"sha256": "a" * 64}
    held = find_source("5.0", "ova", locked={name: digest})
    assert (held.digests, held.is_recorded) == (digest, True)
    other = find_source("5.0", "iso", locked={"photon-5.0-dde71ec57.x86_64.iso": digest})
    assert not other.is_recorded
    assert list(other.digests) == ["sha512"]


def test_two_files_of_one_name_have_two_names_in_the_lock() -> None:
    old, new = (find_source("4.0", "rpi3", revision) for revision in ("GA", "Rev2"))
    assert old.filename == new.filename == "rpi.tar.xz"
    assert (old.key, new.key) == ("4.0/GA/rpi/rpi.tar.xz", "4.0/Rev2/rpi4/rpi.tar.xz")
    digest = {"sha256": "a" * 64}
    held = find_source("4.0", "rpi3", "Rev2", locked={old.key: digest})
    assert held.digests == {}
    assert find_source("4.0", "rpi3", "GA", locked={old.key: digest}).digests == digest


def test_a_list_can_be_narrowed() -> None:
    everything = list(list_artifacts())
    assert len(everything) > 100
    some = list(list_artifacts("3.0", "ova"))
    assert {(source.release, source.target) for source in some} == {("3.0", "ova")}
    assert any(not source.digests for source in some)
    with pytest.raises(UsageError, match="target 'ovaa'"):
        list(list_artifacts("3.0", "ovaa"))


def test_every_line_of_the_data_makes_sense() -> None:
    sources = list(list_artifacts())
    for source in sources:
        for name, value in source.digests.items():
            assert re.fullmatch(f"[0-9a-f]{{{ALGORITHMS[name]}}}", value), source
        assert source.urls or "known" in source.notes, source
        assert all(re.fullmatch(r"https://[!-~]+", url) for url in source.urls), source
        assert source.arch in {"x86_64", "aarch64"}
        assert source.size is None or source.size > 1_000_000
    digests = [value for source in sources for value in source.digests.values()]
    assert len(digests) == len(set(digests)) > 60


def test_every_listed_file_is_found_by_its_own_revision() -> None:
    for source in list_artifacts():
        found = find_source(source.release, source.target, source.revision, source.arch)
        assert (found.target, found.revision) == (source.target, source.revision)
        assert "withdrawn in" not in found.notes


def test_a_source_of_the_catalog_is_shared_by_the_mirrors_only() -> None:
    for source in list_artifacts("5.0"):
        if source.urls[0].startswith(MIRRORS[0]):
            paths = {url.partition("/photon/")[2] for url in source.urls[: len(MIRRORS)]}
            assert len(paths) == 1


@pytest.mark.slow
def test_the_catalog_loads_quickly() -> None:
    code = "import time; from builder import catalog, documents; s = time.perf_counter()\n"
    code += "list(catalog.list_artifacts()); print(time.perf_counter() - s)"
    root = Path(__file__).parents[2]
    spent = []
    for _ in range(5):
        out = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True
        )
        spent.append(float(out.stdout))
    assert min(spent) < 0.03


def test_a_damaged_catalog_is_told_at_once_with_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "releases.json"
    path.write_text(
        "stages:\n"
        "- release: '5.0'\n"
        "  artifacts:\n"
        "  - {arch: x86_64, path: a}\n"
        "  - {arch: x86_64, target: ova, urls: x, sha1: '12'}\n"
        "  - 5\n"
        "- {release: '4.0', revision: GA}\n"
    )
    with pytest.raises(SpecError) as caught:
        read_catalog(path)
    found = [(p.place.line, p.code) for p in caught.value.problems if p.place]
    assert found == [(line, "CAT001") for line in (2, 4, 5, 5, 6, 7)]


def test_a_catalog_that_is_no_json_is_told(tmp_path: Path) -> None:
    path = tmp_path / "releases.json"
    path.write_text('{"stages": [],}')
    with pytest.raises(SpecError) as caught:
        read_catalog(path)
    (problem,) = caught.value.problems
    assert problem.code == "CAT001"
    assert problem.message.startswith(f"{path}: ")
    assert "line 1" in problem.message
