"""Archives of images on the first boot: a real dockerd loads them by the guest's own script."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.cache import Cache
from builder.containers.pull import Store
from builder.containers.registry import resolve_variant
from builder.fetch.registry import Registries
from builder.guest import preload
from builder.image_archive import Archive, Image, archives_of
from builder.image_names import parse_image_name
from builder.progress import Silent
from tests.support.bad_registry import Conduct, serve_badly
from tests.support.engine import HEAD, engine_tree, run_engine
from tests.support.images import LOWER, UPPER, Layout, member, tar_of

pytestmark = pytest.mark.slow
__all__ = ["engine_tree"]

NOISE = hashlib.shake_256(b"noise").digest(200_000)
BASE = (tar_of([*LOWER, member("noise", NOISE)]), tar_of(UPPER))
ABOVE = tar_of([member("third", b"above")])
RUN = f"""\
{preload.SCRIPT_PATH} >/said 2>&1 && status=0 || status=$?
echo "status $status"
grep -E '^(loaded |[0-9]+-)' /said || true
"""
LOOK = f"ls {preload.FOLDER}; docker image ls --format '{{{{.Repository}}}}:{{{{.Tag}}}}'\n"
FILES = """\
docker save lab/upon:1 >/saved.tar
id=$(docker create lab/upon:1 /nothing); docker export "$id" | tar -t | sort; docker rm "$id"
"""


def archives(
    tmp_path: Path, kind: str = "gz", *, reads_zstd: bool = False
) -> tuple[dict[str, bytes], list[preload.Row]]:
    """Return two archives, the second upon the first, and the lines of the list."""
    images: list[Image] = []
    made: dict[str, bytes] = {}
    rows: list[preload.Row] = []
    for name, layers in (("base", BASE), ("upon", (*BASE, ABOVE))):
        layout = Layout(tmp_path / name)
        top = layout.add(layers, kind=kind)
        with serve_badly(layout.folder, top, Conduct()) as asked, Registries(Silent()) as ask:
            named = parse_image_name(f"{asked.host}/lab/{name}:1")
            found = resolve_variant(named, "linux/amd64", ask)
            Store(Cache(tmp_path / "cache"), Silent(), ask).pull(Archive(Image(named, found)))
            images.append(Image(parse_image_name(f"lab/{name}:1"), found))
    for number, archive in enumerate(archives_of(images, reads_zstd=reads_zstd), 1):
        file = f"{number}0-{archive.image.name.repository.rpartition('/')[2]}.tar"
        pulled = Store(Cache(tmp_path / "cache"), Silent(), None).pull(archive)
        with pulled.open() as stream:
            made[file] = stream.read()
        ids = archive.image.variant.config.digest, archive.image.top.digest
        rows.append(preload.Row(file, archive.image.name.short, ids))
    return made, rows


def run(
    tree: Path, tmp_path: Path, made: dict[str, bytes], rows: list[preload.Row], script: str
) -> str:
    files: dict[str, str | bytes] = {
        f"{preload.FOLDER}/{name}": body for name, body in made.items()
    }
    files[preload.LIST] = preload.format_list(rows)
    files[preload.SCRIPT_PATH] = preload.SCRIPT
    return run_engine(tree, tmp_path / "run", files, f"{HEAD}{script}")


@pytest.mark.parametrize("kind", ["gz", "none", "zst"])
def test_images_are_loaded_once_and_their_archives_removed(
    kind: str, engine_tree: Path, tmp_path: Path
) -> None:
    made, rows = archives(tmp_path, kind)
    told = run(engine_tree, tmp_path, made, rows, RUN + LOOK + RUN + FILES).splitlines()
    assert told[:3] == ["status 0", "loaded lab/base:1", "loaded lab/upon:1"]
    assert told[3] == "loaded"  # the list
    assert sorted(told[4:6]) == ["lab/base:1", "lab/upon:1"]
    assert told[6] == "status 0"
    assert {"third", "odd/dir/shown", "noise"} <= set(told)
    assert not {"odd/gone", "odd/dir/hidden"} & set(told)


def test_an_engine_of_that_age_reads_no_zstd(engine_tree: Path, tmp_path: Path) -> None:
    made, rows = archives(tmp_path, "zst", reads_zstd=True)
    told = run(engine_tree, tmp_path, made, rows, RUN + LOOK)
    assert "10-base.tar: lab/base:1 was not loaded; the file stays" in told


def flip(body: bytes) -> bytes:
    at = len(body) // 2
    return body[:at] + bytes([body[at] ^ 255]) + body[at + 1 :]


def cut(body: bytes) -> bytes:
    return body[: len(body) // 2]


@pytest.mark.parametrize("damage", [flip, cut])
def test_a_damaged_archive_stays_and_says_so(
    damage: Callable[[bytes], bytes], engine_tree: Path, tmp_path: Path
) -> None:
    made, rows = archives(tmp_path)
    made["10-base.tar"] = damage(made["10-base.tar"])
    told = run(engine_tree, tmp_path, made, rows, RUN + LOOK)
    assert "status 1" in told
    assert "10-base.tar: lab/base:1 was not loaded; the file stays" in told
    # What lies upon it cannot be loaded either.
    assert "20-upon.tar: lab/upon:1 was not loaded; the file stays" in told
    assert told.endswith("10-base.tar\n20-upon.tar\nlist\n")


def test_a_file_that_is_replaced_is_loaded_at_the_next_attempt(
    engine_tree: Path, tmp_path: Path
) -> None:
    made, rows = archives(tmp_path)
    good = made["10-base.tar"]
    made["10-base.tar"], made["good"] = cut(good), good
    mend = f"mv {preload.FOLDER}/good {preload.FOLDER}/10-base.tar\n"
    told = run(engine_tree, tmp_path, made, rows, RUN + mend + RUN + LOOK)
    assert "status 0\nloaded lab/base:1\nloaded lab/upon:1\nloaded\n" in told


def test_an_image_that_is_not_the_one_of_the_list_is_not_believed(
    engine_tree: Path, tmp_path: Path
) -> None:
    made, rows = archives(tmp_path)
    other = f"sha256:{'7' * 64}"
    rows[1] = preload.Row(rows[1].archive, rows[1].tag, (other, other))
    told = run(engine_tree, tmp_path, made, rows, RUN + LOOK)
    assert "status 1\nloaded lab/base:1\n20-upon.tar: lab/upon:1 was not loaded" in told
    assert "\n20-upon.tar\nlist\n" in told


def test_the_engine_reads_the_digests_of_the_lock_file(engine_tree: Path, tmp_path: Path) -> None:
    made, rows = archives(tmp_path)
    ask = "docker image inspect --format '{{.Id}} {{json .RepoDigests}}' lab/base:1\n"
    told = run(engine_tree, tmp_path, made, rows, RUN + ask).splitlines()[-1]
    found, digests = told.split(" ", 1)
    assert found == rows[0].ids[0]
    assert json.loads(digests) == []  # why the override names a tag alone
