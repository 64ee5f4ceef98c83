"""The cache of downloads on a real folder: what is found, what is refused, what is removed."""

import errno
import hashlib
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from builder.cache import Cache, default_directory
from builder.cache.index import Entry
from builder.cache.locks import hold
from builder.digests import ALGORITHMS, Verified, check_digests
from builder.errors import DigestMismatch, HostError, UsageError
from builder.host import refusal

CONTENT = b"photon" * 1000
DIGESTS = {name: hashlib.new(name, CONTENT).hexdigest() for name in ALGORITHMS}
SHA256 = DIGESTS["sha256"]


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def add(cache: Cache, content: bytes = CONTENT, name: str = "photon.ova") -> Verified:
    path = cache.directory.parent / name
    path.write_bytes(content)
    return cache.add_file(path)


def used_days_ago(cache: Cache, verified: Verified, days: float) -> None:
    moment = time.time() - days * 86400
    os.utime(cache.directory / "index" / f"sha256-{verified.sha256}.json", (moment, moment))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_file_is_found_by_any_of_its_digests(cache: Cache, algorithm: str) -> None:
    added = add(cache)
    assert cache.find({algorithm: DIGESTS[algorithm].upper()}) == added
    assert added.path.read_bytes() == CONTENT
    assert added.size == len(CONTENT)
    assert added.path.stat().st_mode & 0o777 == 0o444


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_one_wrong_digest_among_right_ones_finds_nothing(cache: Cache, algorithm: str) -> None:
    add(cache)
    assert cache.find({**DIGESTS, algorithm: "0" * ALGORITHMS[algorithm]}) is None


def test_an_empty_wish_and_an_empty_cache_find_nothing(cache: Cache) -> None:
    assert cache.find(DIGESTS) is None
    assert not cache.directory.exists()
    add(cache)
    assert cache.find({}) is None


def test_the_users_file_is_copied_not_shared(cache: Cache, tmp_path: Path) -> None:
    added = add(cache)
    (tmp_path / "photon.ova").write_bytes(b"changed")
    assert added.path.read_bytes() == CONTENT


def test_a_file_without_the_wanted_digest_is_not_added(cache: Cache, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(CONTENT)
    with pytest.raises(DigestMismatch, match=f"x: its md5 is {DIGESTS['md5']}, wanted 000"):
        cache.add_file(path, {"md5": "0" * 32})
    assert list((cache.directory / "blobs" / "sha256").iterdir()) == []
    assert list((cache.directory / "partial").iterdir()) == []


def test_an_index_that_is_gone_or_garbage_is_made_again(cache: Cache) -> None:
    add(cache)
    entry = cache.directory / "index" / f"sha256-{SHA256}.json"
    for garbage in (b"", b"{", b"[]", b'{"sha256": 1}', b"\xff"):
        entry.write_bytes(garbage)
        found = cache.find({"sha256": SHA256})
        assert found is not None
        assert found.size == len(CONTENT)
        assert entry.read_bytes() != garbage
    for path in entry.parent.iterdir():
        path.unlink()
    assert cache.find({"sha256": SHA256, "md5": DIGESTS["md5"]}) is not None
    assert cache.find({"md5": DIGESTS["md5"]}) is not None


@pytest.mark.parametrize("damage", [b"", CONTENT[:-1], b"x" * len(CONTENT)])
def test_a_damaged_file_is_not_found_and_moved_aside(cache: Cache, damage: bytes) -> None:
    blob = add(cache).path
    blob.chmod(0o644)
    blob.write_bytes(damage)
    os.utime(blob, (1, 1))
    assert cache.find(DIGESTS) is None
    assert not blob.exists()
    (aside,) = (cache.directory / "damaged").iterdir()
    assert aside.read_bytes() == damage
    add(cache)
    assert cache.find(DIGESTS) is not None


def test_a_touched_file_is_hashed_again_and_stays(cache: Cache) -> None:
    blob = add(cache).path
    os.utime(blob, (1, 1))
    assert cache.find(DIGESTS) is not None


def test_verify_tells_the_sound_from_the_damaged(cache: Cache) -> None:
    sound = add(cache)
    damaged = add(cache, b"other", "other.ova")
    damaged.path.chmod(0o644)
    status = damaged.path.stat()
    damaged.path.write_bytes(b"OTHER")
    os.utime(damaged.path, ns=(status.st_atime_ns, status.st_mtime_ns))
    checked = {found.entry.filename: found for found in cache.verify()}
    assert checked["photon.ova"].moved is None
    moved = checked["other.ova"].moved
    assert moved is not None
    assert moved.read_bytes() == b"OTHER"
    assert [entry.sha256 for entry in cache.ls()] == [sound.sha256]


def test_the_last_used_comes_first(cache: Cache) -> None:
    first, second = add(cache, b"1", "1"), add(cache, b"2", "2")
    used_days_ago(cache, first, 2)
    used_days_ago(cache, second, 1)
    assert [entry.filename for entry in cache.ls()] == ["2", "1"]
    cache.find({"sha256": first.sha256})
    assert [entry.filename for entry in cache.ls()] == ["1", "2"]


def test_gc_removes_what_was_not_used_for_long(cache: Cache) -> None:
    old, young = add(cache, b"old"), add(cache, b"young")
    used_days_ago(cache, old, 31)
    used_days_ago(cache, young, 29)
    assert cache.gc(max_age_days=30, dry_run=True).freed == 3
    assert old.path.exists()
    swept = cache.gc(max_age_days=30)
    assert [entry.sha256 for entry in swept.removed] == [old.sha256]
    assert (old.path.exists(), young.path.exists()) == (False, True)
    assert not list((cache.directory / "index").glob(f"*{old.sha256}*"))
    assert len(list((cache.directory / "index").iterdir())) == len(ALGORITHMS)


def test_gc_removes_the_longest_unused_until_the_rest_fits(cache: Cache) -> None:
    files = [add(cache, bytes([number]) * 100) for number in range(4)]
    for days, verified in zip((1, 3, 2, 4), files, strict=True):
        used_days_ago(cache, verified, days)
    swept = cache.gc(max_bytes=250)
    assert [entry.sha256 for entry in swept.removed] == [files[3].sha256, files[1].sha256]
    assert swept.freed == 200


def test_gc_without_limit_removes_all_but_what_is_kept(cache: Cache) -> None:
    kept, gone = add(cache, b"kept"), add(cache, b"gone")
    cache.gc(keep={kept.sha256})
    assert (kept.path.exists(), gone.path.exists()) == (True, False)
    assert cache.find({"md5": hashlib.md5(b"kept").hexdigest()}) is not None


def test_gc_removes_idle_downloads_and_leaves_running_ones(cache: Cache) -> None:
    with cache.lock("idle", lambda: None) as idle:
        idle.write_bytes(b"12345")
    with cache.lock("running", lambda: None) as running:
        running.write_bytes(b"123")
        assert cache.gc(max_bytes=1 << 30).freed == 0
        assert idle.exists()
        assert cache.gc().freed == 5
        assert (idle.exists(), running.exists()) == (False, True)
    assert cache.gc().freed == 3
    assert list((cache.directory / "locks").iterdir()) == []


def test_a_lock_that_was_removed_while_waiting_is_taken_anew(tmp_path: Path) -> None:
    path, order = tmp_path / "x.lock", []
    waiting, inside = threading.Event(), threading.Event()

    def second() -> None:
        with hold(path, waiting.set):
            order.append("second")
            inside.set()

    thread = threading.Thread(target=second)
    with hold(path, lambda: None):
        thread.start()
        assert waiting.wait(5)
        path.unlink()
        order.append("first")
    assert inside.wait(5)
    thread.join()
    assert order == ["first", "second"]
    assert path.exists()


def test_a_left_over_lock_means_nothing(cache: Cache) -> None:
    (cache.directory / "locks").mkdir(parents=True)
    (cache.directory / "locks" / "key.lock").write_bytes(b"stale")
    with cache.lock("key", lambda: pytest.fail("it waited")) as path:
        assert path == cache.directory / "partial" / "key"


ADDER = """
import sys
from pathlib import Path
from builder.cache import Cache
print("ready", flush=True)
while True:
    for path in map(Path, sys.argv[2:]):
        Cache(Path(sys.argv[1])).add_file(path)
        Cache(Path(sys.argv[1])).gc()
"""


def test_kill_9_while_adding_and_removing_leaves_only_whole_files(
    cache: Cache, tmp_path: Path
) -> None:
    paths = [tmp_path / f"{number}.ova" for number in range(2)]
    for number, path in enumerate(paths):
        path.write_bytes(random.Random(number).randbytes(3_000_000))
    for seed in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", ADDER, str(cache.directory), *map(str, paths)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(random.Random(seed).uniform(0, 0.08))
        process.kill()
        process.communicate()
        for blob in (cache.directory / "blobs" / "sha256").glob("*"):
            assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name
    assert cache.add_file(paths[0]).path.read_bytes() == paths[0].read_bytes()
    cache.gc()
    for folder in ("blobs/sha256", "index", "partial", "locks"):
        assert [path.name for path in (cache.directory / folder).glob("[!t]*")] == []


def test_a_verified_cannot_be_made_without_a_check(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="after a check"):
        Verified(tmp_path, SHA256, 1, "", object())


@pytest.mark.parametrize(
    ("digests", "sentence"),
    [
        ({"sha1": "0" * 39}, "39 characters, wanted 40 hex digits"),
        ({"md5": "g" * 32}, "wanted 32 hex digits"),
        ({"crc32": "0" * 8}, "digest crc32: wanted one of sha512, sha256, sha1, md5"),
    ],
    ids=["length", "digits", "algorithm"],
)
def test_a_digest_that_makes_no_sense_is_refused(digests: dict[str, str], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        check_digests(digests)


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "no room left"),
        (errno.EACCES, "permission is denied"),
        (errno.EROFS, "read-only"),
        (errno.ENOTDIR, "a file lies where a folder is wanted"),
        (errno.EMFILE, "too many files are open"),
    ],
    ids=lambda value: errno.errorcode.get(value, "") if isinstance(value, int) else "",
)
def test_a_refusal_of_the_machine_is_a_sentence(number: int, sentence: str) -> None:
    error = OSError(number, os.strerror(number), "/cache/blobs")
    assert str(refusal(error, Path("/cache"))).startswith("/cache/blobs: ")
    assert sentence in str(refusal(error, Path("/cache")))


@pytest.mark.parametrize("place", [("cache",), ("cache", "blobs"), ("cache", "partial")])
def test_a_file_in_place_of_a_folder_is_a_sentence(tmp_path: Path, place: tuple[str, ...]) -> None:
    path = tmp_path.joinpath(*place)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"")
    cache = Cache(tmp_path / "cache")
    assert cache.find(DIGESTS) is None
    with pytest.raises(HostError, match="a file lies where a folder is wanted") as caught:
        add(cache)
    assert "PHOTON_BUILDER_CACHE" in caught.value.hint


def test_a_folder_is_not_added(cache: Cache, tmp_path: Path) -> None:
    with pytest.raises(HostError, match="not a regular file"):
        cache.add_file(tmp_path)
    with pytest.raises(HostError, match="no such file"):
        cache.add_file(tmp_path / "missing")


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({"PHOTON_BUILDER_CACHE": "/a", "XDG_CACHE_HOME": "/b"}, "/a"),
        ({"PHOTON_BUILDER_CACHE": "~/c"}, "/home/me/c"),
        ({"XDG_CACHE_HOME": "/b"}, "/b/photon-builder"),
        ({"PHOTON_BUILDER_CACHE": "", "XDG_CACHE_HOME": ""}, "/home/me/.cache/photon-builder"),
    ],
    ids=["own variable", "tilde", "XDG", "home"],
)
def test_the_environment_says_where_the_cache_is(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], wanted: str
) -> None:
    for name in ("PHOTON_BUILDER_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert default_directory() == Path(wanted)


def test_an_entry_tells_where_a_file_came_from(cache: Cache, tmp_path: Path) -> None:
    before = int(time.time())
    add(cache)
    (entry,) = cache.ls()
    assert isinstance(entry, Entry)
    assert (entry.filename, entry.size) == ("photon.ova", len(CONTENT))
    assert entry.url == (tmp_path / "photon.ova").as_uri()
    assert before <= entry.time <= time.time()
    assert entry.digests == DIGESTS
