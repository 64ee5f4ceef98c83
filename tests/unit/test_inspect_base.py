"""``inspect`` names the published revision that an artifact is of, or says that it is not known."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builder.facts import Facts, facts_of, revisions
from builder.images import describe, open_image
from builder.sample import make_ova
from builder.sample.disk_image import make_disk_image
from builder.sample.medium import make_medium
from tests.support.bases import Recipe, make_base
from tests.support.media import RELEASES
from tests.support.media import make_medium as master

MIB = 1 << 20
CASES = {
    "3.0-Rev2-U3": "Photon 3.0 Rev2 Update3 (a383732)",
    "3.0-Rev2": "Photon 3.0 Rev2 (9355405)",
    "4.0-GA": "Photon 4.0 GA (1526e30ba)",
    "5.0": "Photon 5.0 GA (dde71ec57)",
}


def told(path: Path) -> dict[str, Any]:
    with open_image(path) as image:
        return describe(image)


def written(path: Path, make: Callable[[int], None]) -> Path:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    try:
        make(fd)
    finally:
        os.close(fd)
    return path


@pytest.mark.parametrize("release", CASES)
def test_an_appliance_is_named_by_its_build(release: str, base_cache: Path) -> None:
    base = make_base(base_cache, Recipe(release=release, size=64 * MIB))
    assert told(base.path)["base"] == CASES[release]


def test_an_unknown_build_is_said_to_be_unknown(tmp_path: Path) -> None:
    known = facts_of("3.0", revision="Rev2", image="ova")
    path = written(tmp_path / "photon.ova", lambda fd: make_ova(fd, 0, known))
    data = path.read_bytes()
    assert b"9355405" not in data, "the disk is compressed"
    raw = written(tmp_path / "disk.raw", lambda fd: _raw(fd, known))
    raw.write_bytes(raw.read_bytes().replace(b"NUMBER=9355405", b"NUMBER=abcdef0"))
    assert told(raw)["base"] == (
        "the sample of Photon 3.0, build abcdef0: not a published revision that is known here, "
        "which does not boot"
    )


def _raw(fd: int, facts: Facts) -> None:
    """Write a disk that is not packed."""
    make_disk_image(fd, 0, facts, "", compression="none")


@pytest.mark.parametrize("release", ["3.0", "4.0", "5.0"])
def test_a_sample_says_that_it_does_not_boot(release: str, tmp_path: Path) -> None:
    row = revisions(release)[-1]
    known = facts_of(release, revision=row["names"][0], image="ova")
    path = written(tmp_path / "sample.ova", lambda fd: make_ova(fd, 0, known))
    wanted = f"the sample of {known.text} ({known.build}), which does not boot"
    assert told(path)["base"] == wanted


@pytest.mark.parametrize("release", ["3.0", "4.0", "5.0"])
def test_a_sample_medium_is_named_too(release: str, tmp_path: Path) -> None:
    row = revisions(release)[-1]
    known = facts_of(release, revision=row["names"][0], image="iso-minimal")
    path = written(tmp_path / "sample.iso", lambda fd: make_medium(fd, 0, known))
    assert told(path)["base"] == f"{known.text} ({known.build})"


def test_a_medium_without_a_build_is_not_known(tmp_path: Path) -> None:
    found = told(master(tmp_path, RELEASES["unknown"]))
    assert found["base"] == (
        "Photon 5.0, no build number: not a published revision that is known here"
    )


def test_a_published_medium_is_named(tmp_path: Path) -> None:
    assert told(master(tmp_path, RELEASES["3.0-Rev2"]))["base"] == "Photon 3.0 Rev2 (9355405)"
