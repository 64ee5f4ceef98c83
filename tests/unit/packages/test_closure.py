"""What a package needs on top of a base: no more and no less than rpm itself demands."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from builder.engine.directory import DirectoryTree
from builder.errors import GuestError
from builder.formats import rpm_repo
from builder.formats.rpm import Header
from builder.packages.closure import Closure, Index, Metadata, solve
from builder.packages.installed import read_tags
from tests.support.judges import judge
from tests.support.rpm_databases import SQLITE_PLACE, as_berkeley, install
from tests.support.rpms import Made, build_rpm, make_repository

INSTALLED = (
    Made("filesystem", files={"/etc/os": "5.0\n", "/usr/bin/sh": "#!\n"}),
    Made(
        "libtirpc", "1.3", files={"/usr/lib/libtirpc.so.3": "so"}, tags=("Provides: tirpc = 1.3",)
    ),
    Made("toybox", files={"/usr/bin/toybox": "x"}),
    Made("editor", "1.9", files={"/usr/bin/ed": "x"}),
)
OFFERED = (
    Made("nfs-utils", "2.6", tags=("Requires: rpcbind >= 1.2, tirpc, (toybox or coreutils)",)),
    Made("rpcbind", "1.2.6", tags=("Requires: /usr/bin/sh, keyutils-libs",)),
    Made("rpcbind", "1.1", release="2.ph5"),
    Made("keyutils-libs", "1.6", files={"/usr/lib/libkeyutils.so.1": "so"}),
    Made("coreutils", "9"),
    Made("editor", "1.10", files={"/usr/bin/ed": "y"}),
    Made("needs-editor", tags=("Requires: editor >= 1.10",)),
    Made("broken", tags=("Requires: nowhere >= 3",)),
    Made("left", tags=("Conflicts: right",)),
    Made("right"),
    Made("by-path", tags=("Requires: /opt/tool/data",)),
    Made("tool", files={"/opt/tool/data": "1"}),
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    install(folder / "root", *(build_rpm(folder / "rpms", made) for made in INSTALLED))
    return folder / "root"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    for made in OFFERED:
        shutil.copy(build_rpm(folder / "made", made), folder)
    shutil.rmtree(folder / "made")
    make_repository(folder)
    return folder


def metadata(repository: Path, *, with_files: bool = True) -> Metadata:
    places = rpm_repo.locate((repository / "repodata/repomd.xml").read_text())
    return Metadata(
        name="photon",
        address="http://127.0.0.1/photon/",
        primary=Index(repository / places["primary"], "primary.xml.gz"),
        filelists=Index(repository / places["filelists"], "filelists.xml.gz")
        if with_files
        else None,
    )


def resolve(root: Path, repository: Path, names: Sequence[str]) -> Closure:
    tags = read_tags(DirectoryTree(str(root)), rpm_repo.SOLVER_TAGS)
    headers = [Header("base", 0, 0, each, 0) for each in tags]
    return solve(names, headers, [metadata(repository)], "x86_64")


def is_complete(root: Path, repository: Path, files: Sequence[str]) -> bool:
    """Return whether rpm would install these files as they are."""
    options = ("--root", root, "--dbpath", f"/{SQLITE_PLACE}", "--upgrade", "--test")
    run = judge("rpm", *options, *(repository / file for file in files), check=False)
    return run.returncode == 0


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (("nfs-utils",), ["keyutils-libs-1.6", "rpcbind-1.2.6", "nfs-utils-2.6"]),
        (("tirpc",), []),
        (("by-path",), ["tool-1", "by-path-1"]),
        (("needs-editor",), ["editor-1.10", "needs-editor-1"]),
        (("left", "coreutils"), ["coreutils-9", "left-1"]),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, tuple) else "",
)
def test_a_closure_is_what_rpm_demands(
    base: Path, repository: Path, names: tuple[str, ...], wanted: list[str]
) -> None:
    closure = resolve(base, repository, names)
    assert sorted(str(c).rpartition("-")[0] for c in closure.choices) == sorted(wanted)
    files = [choice.filename for choice in closure.choices]
    assert is_complete(base, repository, files) or not files
    for file in files:
        rest = [other for other in files if other != file]
        removed_asked = any(file.startswith(f"{name}-") for name in names)
        assert removed_asked or not is_complete(base, repository, rest)


def test_each_package_comes_after_what_it_needs(base: Path, repository: Path) -> None:
    names = [choice.name for choice in resolve(base, repository, ["nfs-utils"]).choices]
    assert names == ["keyutils-libs", "rpcbind", "nfs-utils"]


def test_a_choice_has_the_digest_and_the_address_of_its_file(base: Path, repository: Path) -> None:
    (choice,) = resolve(base, repository, ["coreutils"]).choices
    path = repository / choice.filename
    assert choice.url == f"http://127.0.0.1/photon/{path.name}"
    assert judge("sha256sum", path).stdout.split()[0] == choice.sha256
    assert choice.size == path.stat().st_size


def test_what_gives_way_in_the_base_is_named(base: Path, repository: Path) -> None:
    closure = resolve(base, repository, ["needs-editor"])
    assert list(map(str, closure.replaced)) == ["editor 1.9-1.ph5 → 1.10-1.ph5"]
    assert resolve(base, repository, ["nfs-utils"]).replaced == ()


def test_a_base_with_berkeley_db_has_the_same_closure(
    base: Path, repository: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(base, tmp_path / "root", symlinks=True))
    as_berkeley(root)
    assert resolve(root, repository, ["nfs-utils"]) == resolve(base, repository, ["nfs-utils"])


@pytest.mark.parametrize(
    ("names", "code", "message"),
    [
        (["nosuch", "nfs-utils"], "PKG018", "no repository has nosuch; searched: photon"),
        (["broken"], "PKG019", "nothing provides nowhere >= 3 needed by broken-1-1.ph5.noarch"),
        (["left", "right"], "PKG019", "left-1-1.ph5.noarch conflicts with right provided by"),
    ],
)
def test_packages_that_cannot_be_installed_are_refused_with_the_reason(
    base: Path, repository: Path, names: list[str], code: str, message: str
) -> None:
    with pytest.raises(GuestError, match=message) as refusal:
        resolve(base, repository, names)
    assert refusal.value.code == code
