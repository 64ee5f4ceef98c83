"""Conflicts between the files of packages are those at which rpm itself stops."""

import io
from pathlib import Path

import pytest

from builder.engine.directory import DirectoryTree
from builder.formats.rpm import Header, read_header
from builder.packages.conflicts import TAGS, find_conflicts
from builder.packages.installed import read_tags
from tests.support.judges import judge
from tests.support.rpm_databases import SQLITE_PLACE, install
from tests.support.rpms import Made, build_rpm

BASE = (
    Made("shadow", files={"/usr/sbin/useradd": "shadow", "/usr/share/doc/a": "same"}),
    Made("logs", files={"/var/log/app": "x"}),
)
NEW = {
    "clash": Made("clash", files={"/usr/sbin/useradd": "clash"}),
    "same": Made("same", files={"/usr/share/doc/a": "same"}),
    "beside": Made("beside", files={"/usr/share/doc/b": "same"}),
    "twin-a": Made("twin-a", files={"/opt/x": "1"}),
    "twin-b": Made("twin-b", files={"/opt/x": "2"}),
    "shadow": Made("shadow", "2", files={"/usr/sbin/useradd": "newer"}),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    install(folder / "root", *(build_rpm(folder / "rpms", made) for made in BASE))
    return folder / "root"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("rpms")
    return {name: build_rpm(folder, made) for name, made in NEW.items()}


@pytest.mark.parametrize(
    ("names", "replaced", "wanted"),
    [
        (["clash"], [], ["clash and shadow have different files at /usr/sbin/useradd"]),
        (["same", "beside"], [], []),
        (["twin-a"], [], []),
        (["twin-a", "twin-b"], [], ["twin-b and twin-a have different files at /opt/x"]),
        (["shadow"], ["shadow"], []),
        (["shadow", "clash"], ["shadow"], ["clash and shadow have different files at "]),
    ],
    ids=["clash", "same", "alone", "among themselves", "update", "with the update"],
)
def test_conflicts_are_those_of_rpm(
    root: Path, packages: dict[str, Path], names: list[str], replaced: list[str], wanted: list[str]
) -> None:
    base = [Header("base", 0, 0, tags, 0) for tags in read_tags(DirectoryTree(str(root)), TAGS)]
    new = [read_header(io.BytesIO(packages[name].read_bytes()), name) for name in names]
    found = list(map(str, find_conflicts(base, new, replaced)))
    assert len(found) == len(wanted)
    assert all(text.startswith(start) for text, start in zip(found, wanted, strict=True))
    options = ("--root", root, "--dbpath", f"/{SQLITE_PLACE}", "--nodeps", "--upgrade", "--test")
    run = judge("rpm", *options, *(packages[name] for name in names), check=False)
    assert bool(run.returncode) == bool(wanted), run.stderr
