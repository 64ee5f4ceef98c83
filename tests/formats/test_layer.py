"""Layers of container images: what GNU tar, Python and Docker make is read, the rest refused."""

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from builder.errors import FormatError
from builder.formats.layer import Layer, Walk, read_layer
from tests.support.images import LOWER, UPPER, member, pack, tar_of
from tests.support.judges import judge


def read(blob: bytes, tmp_path: Path) -> Layer:
    path = tmp_path / "layer"
    path.write_bytes(blob)
    with path.open("rb") as stream:
        return read_layer(stream, len(blob), "it")


@pytest.mark.parametrize("kind", ["gz", "zst", "none"])
@pytest.mark.parametrize("members", [LOWER, UPPER], ids=["lower", "upper"])
def test_a_layer_is_known_by_its_unpacked_digest(
    kind: str, members: tuple[tuple[tarfile.TarInfo, bytes], ...], tmp_path: Path
) -> None:
    archive = tar_of(members)
    found = read(pack(archive, kind), tmp_path)
    digest = f"sha256:{hashlib.sha256(archive).hexdigest()}"
    assert found == Layer(digest, len(archive), len(members), kind)


@pytest.mark.parametrize("form", ["gnu", "oldgnu", "pax", "ustar", "v7"])
def test_what_gnu_tar_makes_is_read(form: str, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    holes = folder / "holes"
    with holes.open("wb") as file:
        for at in range(0, 1 << 22, 1 << 16):  # more holes than one header describes
            file.seek(at)
            file.write(b"x")
    (folder / "plain").write_bytes(b"a" * 100_000)
    if form not in {"v7", "ustar"}:
        (folder / ("n" * 180)).write_bytes(b"long")
    options = ["--sparse"] if form in {"gnu", "oldgnu", "pax"} else []
    made = tmp_path / "made.tar"
    judge("tar", "-C", folder, f"--format={form}", *options, "-cf", made, ".")
    listed = judge("tar", "-tf", made).stdout.splitlines()
    assert read(made.read_bytes(), tmp_path).members == len(listed)


def test_gzip_in_many_members_is_one_layer(tmp_path: Path) -> None:
    archive = tar_of(LOWER)
    parts = [archive[at : at + 700] for at in range(0, len(archive), 700)]
    found = read(b"".join(map(gzip.compress, parts)), tmp_path)
    assert found.size == len(archive)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (member("../etc/passwd", b"x"), "leads out of the image"),
        (member("a/../../b"), "leads out of the image"),
        (member("/../b"), "leads out of the image"),
        (member("x" * 150 + "/../../b"), "leads out of the image"),
        (member("b", kind=tarfile.LNKTYPE, linkname="../../etc/shadow"), "leads out"),
        (member("b", kind=tarfile.LNKTYPE, linkname="y" * 120 + "/../../b"), "leads out"),
        (member("a/.wh.."), "hides no file"),
        (member("a/.wh..."), "hides no file"),
        (member("a/.wh."), "hides no file"),
        (member(""), "without a name"),
    ],
)
@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_a_member_that_leaves_the_image_is_refused(
    bad: tuple[tarfile.TarInfo, bytes], said: str, form: int, tmp_path: Path
) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        archive.addfile(bad[0], io.BytesIO(bad[1]))
    with pytest.raises(FormatError, match=said):
        read(stream.getvalue(), tmp_path)


@pytest.mark.parametrize(
    "name", ["/etc/x", "./a", "a/../b", "...", ".wh.gone", ".wh..wh..opq", "a/.wh..wh.plnk"]
)
def test_names_that_docker_takes_are_taken(name: str, tmp_path: Path) -> None:
    assert read(tar_of([member(name)]), tmp_path).members == 1


def cut(archive: bytes) -> bytes:
    return archive[: archive.index(b"utf-8") + 3]


def behind_pax_header(archive: bytes) -> bytes:
    """Return an archive up to the header that a pax header is for."""
    at = archive.index(b"hello") // 512 * 512
    return archive[: at + 512]


@pytest.mark.parametrize("kind", ["gz", "zst", "none"])
@pytest.mark.parametrize("damage", [cut, behind_pax_header])
def test_an_archive_that_ends_early_is_refused(kind: str, damage: object, tmp_path: Path) -> None:
    assert callable(damage)
    with pytest.raises(FormatError, match="in the middle of a file"):
        read(pack(damage(tar_of(LOWER)), kind), tmp_path)


def test_a_pax_header_without_a_name_belongs_to_a_file_too(tmp_path: Path) -> None:
    archive = tar_of([member("a", pax_headers={"comment": "x"})])
    with pytest.raises(FormatError, match="in the middle of a file"):
        read(archive[:1024], tmp_path)


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_a_blob_that_ends_early_is_refused(kind: str, tmp_path: Path) -> None:
    blob = pack(tar_of(LOWER), kind)
    for size in (len(blob) - 3, len(blob) // 2):
        with pytest.raises(FormatError):
            read(blob[:size], tmp_path)


@pytest.mark.parametrize(
    ("damaged", "said"),
    [
        (b"x" * 1024, "invalid tar header"),
        (bytes(512) + tar_of([member("a")]), "something follows a block of zeros"),
        (tar_of([member("a")]).replace(b"ustar", b"uster"), "invalid tar header"),
        (tar_of([member("n" * 150)]).replace(b" path=", b" path:"), "invalid"),
        (tar_of([member("a", pax_headers={"size": "-3"})]), "bytes"),
        (tar_of([member("a", pax_headers={"size": "9" * 30})]), "bytes"),
    ],
)
def test_an_archive_that_is_not_valid_is_refused(damaged: bytes, said: str, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=said):
        read(damaged, tmp_path)


def test_what_follows_the_end_of_an_archive_is_only_digested(tmp_path: Path) -> None:
    archive = tar_of([member("a")]) + b"more" * 1000
    assert read(archive, tmp_path).size == len(archive)


def test_other_packings_are_refused_by_name(tmp_path: Path) -> None:
    made = tmp_path / "a.tar"
    made.write_bytes(tar_of(LOWER))
    judge("xz", "-k", made)
    with pytest.raises(FormatError, match="packed with xz"):
        read(made.with_name("a.tar.xz").read_bytes(), tmp_path)


def test_a_bomb_is_refused_before_it_is_read_to_its_end() -> None:
    walk = Walk("it", 1 << 20)
    walk.feed(bytes(1 << 20))
    with pytest.raises(FormatError, match="more than 1048576 bytes"):
        walk.feed(b"x")


@pytest.mark.parametrize("size", [1, 3, 511, 512, 513, 4096])
def test_pieces_of_any_size_mean_the_same(size: int) -> None:
    archive = tar_of(LOWER)
    walk = Walk("it", 1 << 30)
    for at in range(0, len(archive), size):
        walk.feed(archive[at : at + size])
    walk.finish()
    assert (walk.size, walk.members) == (len(archive), len(LOWER))
