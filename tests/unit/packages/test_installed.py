"""The packages of an image are those that rpm itself lists, whatever kind of database it has."""

import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.engine.directory import DirectoryTree
from builder.errors import FormatError
from builder.packages.installed import read_installed
from tests.support.rpm_databases import (
    BERKELEY_PLACE,
    SQLITE_PLACE,
    as_berkeley,
    install,
    query,
    with_log,
)
from tests.support.rpms import make_rpm

PACKAGES = (("hello", "1.0"), ("world", "2.5~rc1"), ("zlib", "1.3.1"))
KINDS: dict[str, Callable[[Path], None]] = {
    "sqlite": lambda _: None,
    "sqlite with its log": with_log,
    "berkeley": as_berkeley,
}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which three packages are installed."""
    folder = tmp_path_factory.mktemp("rpms")
    install(folder / "root", *(make_rpm(folder / name, name, at) for name, at in PACKAGES))
    return folder / "root"


def copy_of(system: Path, folder: Path) -> Path:
    return Path(shutil.copytree(system, folder / "root", symlinks=True))


def rows(root: Path) -> list[str]:
    return [
        f"{p.name} {p.full_version} {p.arch} {p.size} {p.license} {p.source}"
        for p in read_installed(DirectoryTree(str(root)))
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_installed_packages_are_those_that_rpm_lists(
    system: Path, tmp_path: Path, kind: str
) -> None:
    wanted = query(system)
    root = copy_of(system, tmp_path)
    KINDS[kind](root)
    assert len(wanted) == len(PACKAGES)
    assert rows(root) == wanted


def test_a_tree_without_rpm_has_no_packages(tmp_path: Path) -> None:
    assert read_installed(DirectoryTree(str(tmp_path))) == ()


def test_a_table_that_computes_for_ever_is_refused(system: Path, tmp_path: Path) -> None:
    root = copy_of(system, tmp_path)
    database = sqlite3.connect(root / SQLITE_PLACE / "rpmdb.sqlite", isolation_level=None)
    database.executescript(
        "DROP TABLE Packages; CREATE VIEW Packages AS WITH RECURSIVE n(hnum) AS "
        "(SELECT 1 UNION ALL SELECT hnum + 1 FROM n) SELECT hnum, x'00' AS blob FROM n"
    )
    database.close()
    with pytest.raises(FormatError, match="has no table `Packages`") as refusal:
        rows(root)
    assert refusal.value.code == "PKG013"


@pytest.mark.parametrize("place", [f"{SQLITE_PLACE}/rpmdb.sqlite", f"{BERKELEY_PLACE}/Packages"])
def test_a_damaged_database_is_refused_or_read_but_never_crashes(
    system: Path, tmp_path: Path, place: str
) -> None:
    root = copy_of(system, tmp_path)
    if place.startswith(BERKELEY_PLACE):
        as_berkeley(root)
    path = root / place
    data = path.read_bytes()
    drawn = random.Random(7)
    codes = set()
    for _ in range(300):
        damaged = bytearray(data[: drawn.choice((len(data), drawn.randrange(1, len(data))))])
        for _ in range(drawn.randrange(1, 40)):
            damaged[drawn.randrange(len(damaged))] = drawn.randrange(256)
        path.write_bytes(damaged)
        try:
            rows(root)
        except FormatError as error:
            codes.add(error.code)
    assert codes == {"PKG013"}
