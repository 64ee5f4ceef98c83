"""Repository metadata: what is added is what createrepo_c would have said."""

import gzip
import io
import shutil
from hashlib import sha256
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from builder.errors import FormatError
from builder.formats import rpm_repo
from builder.formats.rpm import read_header
from tests.support.rpms import make_repository, make_rpm

NOW = 1_700_000_000


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("rpms")
    return [make_rpm(folder / name, name) for name in ("hello", "world")]


def repository(directory: Path, *packages: Path) -> dict[str, bytes]:
    """Return the indexes of a repository with these packages."""
    (directory / "noarch").mkdir(parents=True)
    for package in packages:
        shutil.copy2(package, directory / "noarch")
    make_repository(directory)
    places = rpm_repo.locate((directory / "repodata/repomd.xml").read_text())
    return {kind: (directory / places[kind]).read_bytes() for kind in rpm_repo.KINDS}


def described(path: Path) -> rpm_repo.Package:
    data = path.read_bytes()
    header = read_header(io.BytesIO(data), path.name)
    mtime = int(path.stat().st_mtime)
    return rpm_repo.Package(
        header, sha256(data).hexdigest(), len(data), f"noarch/{path.name}", mtime
    )


def parse(text: str | bytes) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - made here


def shape(element: ET.Element) -> tuple[object, ...]:
    """Return an element without what does not matter: white space and the order of rows."""
    rows = sorted(map(shape, element), key=repr)
    return (element.tag, sorted(element.attrib.items()), (element.text or "").strip(), rows)


def by_name(index: bytes) -> dict[str, tuple[object, ...]]:
    root = parse(gzip.decompress(index))
    space = root.tag.rpartition("}")[0] + "}"
    assert root.get("packages") == str(len(root))
    return {e.get("name") or e.findtext(f"{space}name") or "": shape(e) for e in root}


@pytest.mark.parametrize("kind", rpm_repo.KINDS)
def test_an_added_package_is_described_as_createrepo_does(
    kind: str, packages: list[Path], tmp_path: Path
) -> None:
    alone = repository(tmp_path / "one", packages[0])
    both = repository(tmp_path / "two", *packages)
    added = rpm_repo.add_to_index(alone[kind], kind, [described(packages[1])])
    assert by_name(added) == by_name(both[kind])
    assert rpm_repo.add_to_index(added, kind, [described(packages[1])]) == added


@pytest.mark.parametrize("kind", rpm_repo.KINDS)
def test_a_new_repository_is_described_as_createrepo_does(
    kind: str, packages: list[Path], tmp_path: Path
) -> None:
    both = repository(tmp_path, *packages)
    made = rpm_repo.add_to_index(rpm_repo.empty_index(kind), kind, map(described, packages))
    assert by_name(made) == by_name(both[kind])
    assert parse(gzip.decompress(made)).tag == parse(gzip.decompress(both[kind])).tag
    repomd = rpm_repo.format_new_repomd(
        {each: (f"repodata/{each}", made) for each in rpm_repo.KINDS}, NOW
    )
    assert parse(repomd).tag == parse((tmp_path / "repodata/repomd.xml").read_text()).tag
    assert rpm_repo.locate(repomd)[kind] == f"repodata/{kind}"


def test_repomd_names_the_new_indexes_and_no_databases(
    packages: list[Path], tmp_path: Path
) -> None:
    indexes = repository(tmp_path / "one", packages[0])
    text = (tmp_path / "one/repodata/repomd.xml").read_text()
    assert "primary_db" in text
    new = {kind: (f"repodata/new-{kind}.xml.gz", data) for kind, data in indexes.items()}
    made = rpm_repo.format_repomd(text, new, NOW)
    parse(made)
    assert "_db" not in made
    assert rpm_repo.locate(made) == {kind: href for kind, (href, _) in new.items()}
    assert all(sha256(data).hexdigest() in made for data in indexes.values())


def test_a_package_cut_short_anywhere_is_refused(packages: list[Path]) -> None:
    data = packages[0].read_bytes()
    end = read_header(io.BytesIO(data), "a.rpm").end
    for size in (*range(400), *range(400, end, 97)):
        with pytest.raises(FormatError):
            read_header(io.BytesIO(data[:size]), "a.rpm")


def test_a_damaged_header_is_refused_or_read(packages: list[Path]) -> None:
    data = packages[0].read_bytes()
    end = read_header(io.BytesIO(data), "a.rpm").end
    for at in range(96, end, 11):
        damaged = bytearray(data)
        damaged[at] ^= 0xFF
        try:
            header = read_header(io.BytesIO(damaged), "a.rpm")
        except FormatError:
            continue
        package = rpm_repo.Package(header, "0" * 64, 1, "a", 0)
        for kind, root in zip(rpm_repo.KINDS, ("metadata", "filelists", "otherdata"), strict=True):
            old = gzip.compress(f'<{root} packages="0"></{root}>'.encode())
            parse(_declared(gzip.decompress(rpm_repo.add_to_index(old, kind, [package]))))


def _declared(text: bytes) -> bytes:
    return text.replace(b"<metadata", b'<metadata xmlns:rpm="r"', 1)


@pytest.mark.parametrize(
    "data",
    [b"", b"<metadata", gzip.compress(b"x", mtime=0), gzip.compress(b"<metadata>", mtime=0)[:-3]],
)
def test_a_damaged_index_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        rpm_repo.add_to_index(data, "primary", [])
