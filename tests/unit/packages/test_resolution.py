"""From names to proved files: repositories of the base, signatures, conflicts, vital packages."""

import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.blob import Blob
from builder.cache import Cache
from builder.engine.directory import DirectoryTree
from builder.engine.ops import WriteFile
from builder.engine.overlay import OverlayTree
from builder.engine.paths import guest
from builder.errors import BuilderError, DigestMismatch, FetchError, GuestError
from builder.formats.rpm import read_header
from builder.packages.closure import Closure
from builder.packages.resolution import (
    Ground,
    Need,
    check_conflicts,
    check_signatures,
    fetch_package,
    resolve_packages,
)
from builder.progress import Silent
from tests.support.package_repositories import (
    ServedFolder,
    make_signed_repository,
    repo_text,
    serve_folder,
)
from tests.support.rpm_databases import install
from tests.support.rpms import Made, build_rpm
from tests.support.signing import Signatory, make_signatory

INSTALLED = (
    Made("shadow", files={"/usr/sbin/useradd": "shadow"}),
    Made("glibc", "2.36"),
)
OFFERED = (
    Made("jq", "1.6", tags=("Requires: oniguruma",), files={"/usr/bin/jq": "x"}),
    Made("oniguruma", "6.9", files={"/usr/lib/libonig.so": "x"}),
    Made("glibc", "2.40"),
    Made("newest", tags=("Requires: glibc >= 2.40",)),
    Made("clash", files={"/usr/sbin/useradd": "clash"}),
    Made("by-path", tags=("Requires: /opt/tool/data",)),
    Made("tool", files={"/opt/tool/data": "1"}),
)


@pytest.fixture(scope="module")
def signatory(tmp_path_factory: pytest.TempPathFactory) -> Signatory:
    return make_signatory(tmp_path_factory.mktemp("gpg") / "home")


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, signatory: Signatory
) -> Iterator[ServedFolder]:
    folder = tmp_path_factory.mktemp("mirror")
    make_signed_repository(folder / "photon_release_5.0_x86_64", OFFERED, signatory)
    with serve_folder(folder) as served:
        yield served


@pytest.fixture(scope="module")
def base(
    tmp_path_factory: pytest.TempPathFactory, signatory: Signatory, served: ServedFolder
) -> Path:
    folder = tmp_path_factory.mktemp("base")
    root = folder / "root"
    install(root, *(build_rpm(folder / "rpms", made) for made in INSTALLED))
    for path, content in {
        "etc/yum.repos.d/photon.repo": repo_text(
            f"{served.address}photon_release_$releasever_$basearch"
        ).encode(),
        "etc/yum.repos.d/off.repo": repo_text("http://127.0.0.1:9/", "off", enabled=False).encode(),
        "etc/pki/rpm-gpg/TEST-KEY": signatory.public,
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return root


def ground(root: Path, planned: dict[str, str] | None = None) -> Ground:
    tree = OverlayTree(DirectoryTree(str(root)))
    for path, text in (planned or {}).items():
        tree.apply(WriteFile(guest(path), Blob.text(text)))
    return Ground(tree, "5.0", "x86_64")


def resolve(root: Path, cache: Path, need: Need) -> Closure:
    return resolve_packages(need, ground(root), Cache(cache), Silent())


def names(closure: Closure) -> list[str]:
    return [choice.name for choice in closure.choices]


def test_packages_come_from_the_enabled_repository_of_the_base(base: Path, tmp_path: Path) -> None:
    assert names(resolve(base, tmp_path, Need(("jq",)))) == ["oniguruma", "jq"]


def test_a_package_that_needs_a_path_is_resolved_with_the_names_of_all_files(
    base: Path, tmp_path: Path, served: ServedFolder
) -> None:
    served.asked.clear()
    assert names(resolve(base, tmp_path / "plain", Need(("jq",)))) == ["oniguruma", "jq"]
    assert not [path for path in served.asked if "filelists" in path]
    assert names(resolve(base, tmp_path / "path", Need(("by-path",)))) == ["tool", "by-path"]
    assert [path for path in served.asked if "filelists" in path]


def test_indexes_that_have_not_changed_are_not_downloaded_again(
    base: Path, tmp_path: Path, served: ServedFolder
) -> None:
    resolve(base, tmp_path, Need(("jq",)))
    served.asked.clear()
    resolve(base, tmp_path, Need(("jq",)))
    assert [path.rpartition("/")[2] for path in served.asked] == ["repomd.xml"]


def test_an_rpm_file_of_the_spec_brings_what_it_needs(base: Path, tmp_path: Path) -> None:
    own = build_rpm(tmp_path, Made("ours", tags=("Requires: jq",)))
    need = Need((), ((own.name, Blob.file(own)),))
    closure = resolve(base, tmp_path / "cache", need)
    assert names(closure) == ["oniguruma", "jq", "ours"]
    assert closure.choices[-1].url == own.name


def test_packages_are_downloaded_and_their_signatures_checked(base: Path, tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    closure = resolve(base, tmp_path, Need(("jq",)))
    packages = [(choice, fetch_package(choice, cache, Silent())) for choice in closure.choices]
    signers = list(check_signatures(packages, ground(base)))
    assert [choice.name for choice, _ in signers] == ["oniguruma", "jq"]
    assert not any(signer.is_weak for _, signer in signers)


def test_a_package_that_the_key_of_its_repository_did_not_sign_is_refused(
    base: Path, tmp_path: Path
) -> None:
    other = make_signatory(tmp_path / "other", "Other")
    root = Path(shutil.copytree(base, tmp_path / "root", symlinks=True))
    (root / "etc/pki/rpm-gpg/TEST-KEY").write_bytes(other.public)
    cache = Cache(tmp_path / "cache")
    closure = resolve(root, tmp_path / "cache", Need(("oniguruma",)))
    packages = [(choice, fetch_package(choice, cache, Silent())) for choice in closure.choices]
    with pytest.raises(DigestMismatch, match="is signed by the key"):
        list(check_signatures(packages, ground(root)))


def test_a_vital_package_is_not_replaced_unless_that_is_asked_for(
    base: Path, tmp_path: Path
) -> None:
    with pytest.raises(GuestError, match="would replace glibc 2.36-1.ph5 → 2.40-1.ph5") as refusal:
        resolve(base, tmp_path, Need(("newest",)))
    assert refusal.value.code == "PKG015"
    closure = resolve(base, tmp_path, Need(("newest",), may_update=True))
    assert names(closure) == ["glibc", "newest"]


def test_files_that_conflict_are_named(base: Path, tmp_path: Path) -> None:
    closure = resolve(base, tmp_path, Need(("clash",)))
    blobs = [fetch_package(choice, Cache(tmp_path), Silent()) for choice in closure.choices]
    headers = [read_header(io.BytesIO(b"".join(blob.chunks())), "clash") for blob in blobs]
    with pytest.raises(GuestError, match="clash and shadow have different files at /usr/sbin/user"):
        check_conflicts(ground(base), headers, [])


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("updates", GuestError, "the base has no repository with /photon_updates_"),
        ("release", None, ""),
    ],
)
def test_a_repository_is_chosen_by_its_kind(
    base: Path, tmp_path: Path, source: str, error: type[BuilderError] | None, message: str
) -> None:
    need = Need(("jq",), source=source)
    if error is None:
        assert names(resolve(base, tmp_path, need)) == ["oniguruma", "jq"]
    else:
        with pytest.raises(error, match=message):
            resolve(base, tmp_path, need)


def test_a_repository_that_the_spec_writes_is_searched(
    base: Path, tmp_path: Path, served: ServedFolder
) -> None:
    text = repo_text(f"{served.address}photon_release_5.0_x86_64", "mine")
    planned = {
        "/etc/yum.repos.d/photon.repo": "[photon]\nbaseurl=http://127.0.0.1:9/\nenabled=0\n",
        "/etc/yum.repos.d/mine.repo": text,
    }
    closure = resolve_packages(Need(("jq",)), ground(base, planned), Cache(tmp_path), Silent())
    assert {choice.repository for choice in closure.choices} == {"mine"}


def test_a_repository_that_is_not_there_is_refused(
    base: Path, tmp_path: Path, served: ServedFolder
) -> None:
    planned = {
        "/etc/yum.repos.d/photon.repo": repo_text(f"{served.address}nowhere"),
    }
    with pytest.raises(FetchError, match="nowhere/repodata/repomd.xml: it answers 404"):
        resolve_packages(Need(("jq",)), ground(base, planned), Cache(tmp_path), Silent())


def test_a_base_without_a_database_of_packages_is_refused_with_the_way_on(tmp_path: Path) -> None:
    with pytest.raises(GuestError, match="has no database of installed packages") as refusal:
        resolve(tmp_path, tmp_path / "cache", Need(("jq",)))
    assert "install: online" in refusal.value.hint
