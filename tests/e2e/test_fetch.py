"""Downloads over real sockets: every way a server, a network or a user can fail."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from builder.blob import Blob, Download
from builder.cache import Cache
from builder.catalog import Source, find_source
from builder.errors import BuilderError, DigestMismatch, FetchError, HostError
from builder.fetch import RetryPolicy, fetch, fetch_blob, pin, verify_file
from builder.progress import Silent
from tests.support.server import Behaviour, Served, closed_port, serve, until

CONTENT = hashlib.shake_256(b"photon").digest(5_000_000)
OTHER = hashlib.shake_256(b"another").digest(5_000_000)
MD5 = hashlib.md5(CONTENT).hexdigest()
SHA1 = hashlib.sha1(CONTENT).hexdigest()
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HURRY = RetryPolicy(attempts=3, connect=2, read=0.3, first_wait=0.01, longest_wait=0.4)


class Notes(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.phases: list[str] = []
        self.counted = 0

    def phase(self, text: str) -> None:
        self.phases.append(text)

    @contextmanager
    def count(self, text: str, total: int | None, *, done: int = 0) -> Iterator["Notes"]:
        self.phases.append(f"{text} of {total}")
        self.counted = done
        yield self

    def __call__(self, amount: int) -> None:
        self.counted += amount


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def source(*urls: str, digests: dict[str, str] | None = None, size: int | None = None) -> Source:
    return Source("photon.ova", urls, digests or {"md5": MD5}, size)


def get(cache: Cache, wanted: Source, progress: Silent | None = None) -> bytes:
    return fetch(wanted, cache, progress or Silent(), policy=HURRY).path.read_bytes()


def left_in(cache: Cache, folder: str) -> list[str]:
    return sorted(path.name for path in (cache.directory / folder).glob("*"))


def test_a_file_is_fetched_once_and_then_found(cache: Cache) -> None:
    with serve(CONTENT) as server:
        first = fetch(source(server.url), cache, Silent())
        again = fetch(source(server.url), cache, Silent())
    assert (first.sha256, first.size, first.origin) == (SHA256, len(CONTENT), server.url)
    assert first.path.read_bytes() == CONTENT
    assert first.path.stat().st_mode & 0o777 == 0o444
    assert again == first
    assert len(server.log) == 1
    assert left_in(cache, "partial") == []


def test_the_counter_ends_at_the_size(cache: Cache) -> None:
    notes = Notes()
    with serve(CONTENT) as server:
        get(cache, source(server.url), notes)
    assert notes.phases == [f"photon.ova of {len(CONTENT)}"]
    assert notes.counted == len(CONTENT)


def test_a_break_is_continued_where_it_was(cache: Cache) -> None:
    notes = Notes()
    with serve(CONTENT, Behaviour(break_after=2_000_000)) as server:
        assert get(cache, source(server.url), notes) == CONTENT
    assert [exchange.status for exchange in server.log] == [200, 206, 206]
    assert server.sent == len(CONTENT)
    assert notes.counted == len(CONTENT)


def test_a_server_without_ranges_starts_over(cache: Cache) -> None:
    with serve(CONTENT, Behaviour(ranges=False, break_after=2_000_000, breaks=1)) as server:
        assert get(cache, source(server.url)) == CONTENT
    assert [exchange.status for exchange in server.log] == [200, 200]
    assert server.sent == len(CONTENT) + 2_000_000


def test_another_run_continues_with_if_range(cache: Cache) -> None:
    with serve(CONTENT, Behaviour(stall_after=3_000_000)) as server:
        server.behaviour.statuses = ()
        with pytest.raises(FetchError, match="stopped answering"):
            fetch(source(server.url), cache, Silent(), policy=RetryPolicy(attempts=1, read=0.2))
        server.behaviour.stall_after = None
        assert get(cache, source(server.url)) == CONTENT
    assert server.log[-1].headers["If-Range"] == '"v1"'
    offset = int(server.log[-1].headers["Range"].removeprefix("bytes=").removesuffix("-"))
    assert 2_000_000 <= offset <= 3_000_000
    assert server.log[-1].sent == len(CONTENT) - offset


def test_a_file_that_changed_meanwhile_is_fetched_whole(cache: Cache) -> None:
    with serve(OTHER, Behaviour(break_after=2_000_000)) as server:
        with pytest.raises(FetchError):
            fetch(source(server.url), cache, Silent(), policy=RetryPolicy(attempts=1))
        server.content, server.behaviour = CONTENT, Behaviour(etag='"v2"')
        assert get(cache, source(server.url)) == CONTENT
    assert server.log[-1].status == 200


def test_parts_of_different_files_are_noticed_by_the_digest(cache: Cache) -> None:
    with serve(OTHER, Behaviour(break_after=2_000_000, etag=None)) as server:
        with pytest.raises(FetchError):
            fetch(source(server.url), cache, Silent(), policy=RetryPolicy(attempts=1))
        server.content, server.behaviour = CONTENT, Behaviour(etag=None)
        assert get(cache, source(server.url)) == CONTENT
    assert [exchange.status for exchange in server.log] == [200, 206, 200]


def test_a_file_that_changed_is_fetched_whole_from_a_server_that_ignores_if_range(
    cache: Cache,
) -> None:
    with serve(OTHER, Behaviour(break_after=2_000_000)) as server:
        with pytest.raises(FetchError):
            fetch(source(server.url), cache, Silent(), policy=RetryPolicy(attempts=1))
        server.content, server.behaviour = CONTENT, Behaviour(etag='"v2"', heeds_if_range=False)
        assert get(cache, source(server.url)) == CONTENT
    assert [exchange.status for exchange in server.log] == [200, 206, 200]


def test_a_range_at_the_wrong_offset_is_not_joined(cache: Cache) -> None:
    with serve(CONTENT, Behaviour(break_after=2_000_000, breaks=1, range_error=7)) as server:
        assert get(cache, source(server.url)) == CONTENT
    assert [exchange.status for exchange in server.log] == [200, 206, 200]


@pytest.mark.parametrize("size", [None, len(CONTENT)], ids=["size unknown", "size known"])
def test_a_part_that_is_whole_already_is_only_checked(cache: Cache, size: int | None) -> None:
    with cache.lock(f"md5-{MD5}", lambda: None) as path:
        path.write_bytes(CONTENT)
    with serve(CONTENT) as server:
        assert get(cache, source(server.url, size=size)) == CONTENT
    assert [exchange.status for exchange in server.log] == ([] if size else [416])


def test_a_part_that_is_too_long_is_dropped(cache: Cache) -> None:
    with cache.lock(f"md5-{MD5}", lambda: None) as path:
        path.write_bytes(CONTENT + b"more")
    with serve(CONTENT) as server:
        assert get(cache, source(server.url)) == CONTENT
    assert [exchange.status for exchange in server.log] == [416, 200]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_passing_failure_is_tried_again(cache: Cache, status: int) -> None:
    with serve(CONTENT, Behaviour(statuses=(status, status))) as server:
        assert get(cache, source(server.url)) == CONTENT
    assert len(server.log) == 3


@pytest.mark.parametrize(
    ("retry_after", "least", "most"),
    [("0.2", 0, 0.15), ("1", 0.35, 3), ("999999999999", 0.35, 3), ("soon", 0, 0.3)],
    ids=["not whole seconds", "more than the longest wait", "for ever", "nonsense"],
)
def test_retry_after_is_honoured_within_reason(
    cache: Cache, retry_after: str, least: float, most: float
) -> None:
    small = b"small"
    wanted = {"md5": hashlib.md5(small).hexdigest()}
    with serve(small, Behaviour(statuses=(503,), retry_after=retry_after)) as server:
        start = time.monotonic()
        get(cache, source(server.url, digests=wanted))
        assert least <= time.monotonic() - start <= most


@pytest.mark.parametrize(
    ("behaviour", "sentence", "requests"),
    [
        (Behaviour(statuses=(404,) * 9), "404 Not Found", 1),
        (Behaviour(statuses=(403,) * 9), "403 Forbidden", 1),
        (Behaviour(statuses=(500,) * 9), "500 Internal Server Error, 3 times", 3),
        (Behaviour(content_type="text/html; charset=utf-8"), "a web page instead", 1),
        (Behaviour(length_error=-1), "offers 4999999 bytes, wanted 5000000", 1),
        (Behaviour(length_error=1), "offers 5000001 bytes, wanted 5000000", 1),
        (Behaviour(stall_after=0), "stopped answering, 3 times", 3),
        (Behaviour(break_after=70_000, ranges=False), "broke.*, 3 times", 3),
    ],
    ids=["404", "403", "500", "html", "short", "long", "stalls", "breaks"],
)
def test_a_mirror_that_fails_is_given_up_with_its_reason(
    cache: Cache, behaviour: Behaviour, sentence: str, requests: int
) -> None:
    with serve(CONTENT, behaviour) as server:
        with pytest.raises(FetchError, match=sentence) as caught:
            get(cache, source(server.url, size=len(CONTENT)))
        assert server.url in str(caught.value)
        assert len(server.log) == requests
    assert left_in(cache, "blobs/sha256") == []


def test_a_length_that_is_too_long_is_settled_by_the_digest(cache: Cache) -> None:
    with serve(CONTENT, Behaviour(length_error=5)) as server:
        assert get(cache, source(server.url)) == CONTENT
    assert [exchange.status for exchange in server.log] == [200, 416]


def test_a_length_that_is_too_short_never_enters_the_cache(cache: Cache) -> None:
    with serve(CONTENT, Behaviour(length_error=-5)) as server, pytest.raises(DigestMismatch):
        get(cache, source(server.url))
    assert left_in(cache, "blobs/sha256") == left_in(cache, "partial") == []


def test_the_next_mirror_goes_on_where_the_first_stopped(cache: Cache) -> None:
    with ExitStack() as stack:
        bad = stack.enter_context(serve(CONTENT, Behaviour(break_after=2_000_000)))
        bad.behaviour.statuses = ()
        good = stack.enter_context(serve(CONTENT))
        policy = RetryPolicy(attempts=1)
        verified = fetch(source(bad.url, good.url), cache, Silent(), policy=policy)
    assert verified.origin == good.url
    assert (bad.sent, good.sent) == (2_000_000, 3_000_000)


def test_a_wrong_digest_is_refused_and_leaves_nothing(cache: Cache) -> None:
    with serve(OTHER) as server, pytest.raises(DigestMismatch) as caught:
        get(cache, source(server.url))
    text = str(caught.value)
    assert caught.value.exit_code == 6
    for part in ("photon.ova", "md5", MD5, hashlib.md5(OTHER).hexdigest(), server.url):
        assert part in text
    assert left_in(cache, "blobs/sha256") == left_in(cache, "partial") == []
    assert len(server.log) == 1


def test_after_a_wrong_digest_the_next_mirror_is_tried(cache: Cache) -> None:
    with serve(OTHER) as wrong, serve(CONTENT) as right:
        assert get(cache, source(wrong.url, right.url)) == CONTENT
    assert "Range" not in right.log[0].headers


@pytest.mark.parametrize("wrong", ["md5", "sha1", "sha256"])
def test_every_digest_that_is_given_is_checked(cache: Cache, wrong: str) -> None:
    digests = {"md5": MD5, "sha1": SHA1, "sha256": SHA256}
    digests[wrong] = hashlib.new(wrong, OTHER).hexdigest()
    with serve(CONTENT) as server, pytest.raises(DigestMismatch, match=wrong):
        get(cache, source(server.url, digests=digests))


def test_a_redirect_is_followed(cache: Cache) -> None:
    with serve(CONTENT) as there, serve(b"", Behaviour(redirect=there.url)) as here:
        assert get(cache, source(here.url)) == CONTENT
    assert len(here.log) == len(there.log) == 1


def test_a_redirect_without_end_is_given_up(cache: Cache) -> None:
    with serve(b"") as server:
        server.behaviour.redirect = server.url
        with pytest.raises(FetchError, match="redirects"):
            get(cache, source(server.url))


def test_a_redirect_to_what_is_no_address_is_given_up(cache: Cache) -> None:
    with (
        serve(b"", Behaviour(redirect="http://[")) as server,
        pytest.raises(FetchError, match="is not a valid address"),
    ):
        get(cache, source(server.url))


def test_a_token_is_not_asked_for_in_the_clear(cache: Cache) -> None:
    realm = "http://auth.invalid/token"
    with (
        serve(CONTENT, Behaviour(token="abc", realm=realm)) as server,
        pytest.raises(FetchError, match="wants a token from http://auth.invalid/token"),
    ):
        get(cache, source(server.url))


def test_a_proxy_of_the_environment_is_used(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(CONTENT) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.rpartition("/")[0])
        assert get(cache, source("http://photon.invalid/x.ova")) == CONTENT
    assert proxy.log[0].path == "http://photon.invalid/x.ova"


def test_a_registry_gives_its_token_to_anybody(cache: Cache) -> None:
    with serve(CONTENT, Behaviour(token="abc.DEF-1_2")) as server:
        assert get(cache, source(server.url)) == CONTENT
    assert [exchange.path.partition("?")[0] for exchange in server.log] == [
        "/photon.ova",
        "/token",
        "/photon.ova",
    ]


def test_a_file_address_is_copied_and_checked(cache: Cache, tmp_path: Path) -> None:
    path = tmp_path / "a file.ova"
    path.write_bytes(CONTENT)
    assert get(cache, source(path.as_uri())) == CONTENT
    path.write_bytes(OTHER)
    with pytest.raises(DigestMismatch):
        get(cache, source(path.as_uri(), digests={"sha1": hashlib.sha1(b"x").hexdigest()}))
    with pytest.raises(FetchError, match="no such file"):
        get(
            cache,
            source(
                (tmp_path / "missing").as_uri(), digests={"sha1": hashlib.sha1(b"x").hexdigest()}
            ),
        )


def test_without_network_the_error_says_all_ways_out(cache: Cache) -> None:
    urls = (f"http://127.0.0.1:{closed_port()}/a.ova", "http://photon.invalid/b.ova?key=secret")
    with pytest.raises(FetchError) as caught:
        get(cache, source(*urls))
    text = f"{caught.value}\n{caught.value.hint}"
    for part in (
        urls[0],
        "http://photon.invalid/b.ova?key=…",
        "no connection (Connection refused)",
        "cannot resolve the host name",
        MD5,
        "photon-builder cache add photon.ova",
        "BASE=sample",
    ):
        assert part in text
    assert "secret" not in text


def test_a_connection_that_is_not_secure_is_a_reason(cache: Cache) -> None:
    with serve(CONTENT) as server, pytest.raises(FetchError, match="no secure connection"):
        get(cache, source(server.url.replace("http:", "https:")))


def test_the_catalogs_mirrors_are_tried_in_order(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(b"", Behaviour(statuses=(404,))) as first, serve(OTHER) as second:
        bases = [server.url.rpartition("/")[0] for server in (first, second)]
        monkeypatch.setenv("PHOTON_BUILDER_MIRRORS", ",".join(bases))
        with pytest.raises(DigestMismatch, match="ba52abd88c5b22cd4498cf0e88457f28") as caught:
            get(cache, find_source("3.0", "ova", "Rev2 Update3"))
    for server in (first, second):
        assert [sent.path for sent in server.log] == ["/3.0/Rev3/ova/photon-hw11-3.0-a383732.ova"]
    assert "404 Not Found" in caught.value.__notes__[0]


def test_offline_touches_no_network_and_uses_the_cache(cache: Cache, tmp_path: Path) -> None:
    with serve(CONTENT) as server:
        with pytest.raises(FetchError, match="--offline forbids a download"):
            fetch(source(server.url), cache, Silent(), offline=True)
        path = tmp_path / "elsewhere.ova"
        path.write_bytes(CONTENT)
        cache.add_file(path)
        assert fetch(source(server.url), cache, Silent(), offline=True).sha256 == SHA256
        assert server.log == []


def test_a_source_without_digest_is_refused_but_can_be_pinned(cache: Cache) -> None:
    with serve(CONTENT) as server:
        bare = Source("photon.ova", (server.url,))
        with pytest.raises(FetchError, match="no digest"):
            fetch(bare, cache, Silent())
        assert pin(bare, cache, Silent()).sha256 == SHA256


def test_a_blob_is_fetched_by_its_digest(cache: Cache) -> None:
    with serve(CONTENT) as server:
        blob = Blob(SHA256, 0, Download(server.url, "plugin"))
        fetched = fetch_blob(blob, cache, Silent())
    assert fetched.size == len(CONTENT)
    assert isinstance(fetched.source, Path)
    with fetched.open() as stream:
        assert stream.read() == CONTENT
    assert fetch_blob(fetched, cache, Silent()) is fetched


def test_a_file_is_verified_where_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "x.ova"
    path.write_bytes(CONTENT)
    assert verify_file(path, {"md5": MD5.upper()}).path == path
    assert verify_file(path, {}).sha256 == SHA256
    with pytest.raises(DigestMismatch, match=MD5):
        verify_file(path, {"md5": "0" * 32})
    with pytest.raises(HostError, match="wanted a file"):
        verify_file(tmp_path, {})
    with pytest.raises(HostError, match="no such file"):
        verify_file(tmp_path / "none", {})


FETCHER = """
import sys
from pathlib import Path
from builder.cache import Cache
from builder.catalog import Source
from builder.fetch import fetch
from builder.progress import Lines
source = Source("photon.ova", (sys.argv[1],), {"md5": sys.argv[2]})
print(fetch(source, Cache(Path(sys.argv[3])), Lines()).sha256)
"""


def start(server: Served, cache: Cache) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", FETCHER, server.url, MD5, str(cache.directory)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def check_sound(cache: Cache) -> None:
    for path in (cache.directory / "blobs" / "sha256").glob("*"):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name


def test_kill_9_at_any_moment_leaves_a_sound_cache(cache: Cache) -> None:
    with serve(CONTENT, Behaviour(rate=25_000_000)) as server:
        for delay in (0.0, 0.03, 0.08, 0.13, 0.19, 0.2, 0.21, 0.22):
            requests = len(server.log)
            process = start(server, cache)
            until(lambda: process.poll() is not None or len(server.log) > requests)  # noqa: B023
            time.sleep(delay)
            process.kill()
            process.communicate()
            check_sound(cache)
        assert get(cache, source(server.url)) == CONTENT
    check_sound(cache)
    assert left_in(cache, "partial") == []


def test_a_killed_download_is_continued_by_the_next(cache: Cache) -> None:
    with serve(CONTENT, Behaviour(stall_after=3_000_000)) as server:
        process = start(server, cache)
        part = cache.directory / "partial" / f"md5-{MD5}"
        until(lambda: part.exists() and part.stat().st_size >= 2_000_000)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        offset = part.stat().st_size
        server.behaviour.stall_after = None
        assert get(cache, source(server.url)) == CONTENT
    assert server.log[-1].headers["Range"] == f"bytes={offset}-"
    assert server.log[-1].sent == len(CONTENT) - offset


def test_two_processes_fetch_once(cache: Cache) -> None:
    with serve(CONTENT, Behaviour(rate=2_500_000)) as server:
        first = start(server, cache)
        until(lambda: bool(server.log))
        second = start(server, cache)
        (out, _), (out2, said) = first.communicate(timeout=30), second.communicate(timeout=30)
    assert out == out2 == f"{SHA256}\n"
    assert "waiting for another photon-builder" in said
    assert len(server.log) == 1


def test_the_one_who_waits_takes_over_from_one_who_dies(cache: Cache) -> None:
    with serve(CONTENT, Behaviour(rate=4_000_000)) as server:
        first = start(server, cache)
        until(lambda: bool(server.log))
        second = start(server, cache)
        assert second.stderr is not None
        assert "another photon-builder" in second.stderr.readline()
        server.behaviour.rate = 0
        first.kill()
        first.communicate()
        out, _ = second.communicate(timeout=30)
    assert out == f"{SHA256}\n"


def test_a_file_that_may_not_grow_is_a_sentence(cache: Cache) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000000, 1000000))\n"
    with serve(CONTENT) as server:
        result = subprocess.run(
            [sys.executable, "-c", limit + FETCHER, server.url, MD5, str(cache.directory)],
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[2],
            check=False,
        )
    assert "builder.errors.HostError" in result.stderr
    assert "larger than is allowed" in result.stderr
    assert left_in(cache, "blobs/sha256") == []


def test_a_size_that_cannot_fit_is_refused_before_the_download(cache: Cache) -> None:
    with serve(CONTENT, Behaviour(length_error=1 << 58)) as server:
        with pytest.raises(HostError, match="MB free, wanted"):
            get(cache, source(server.url))
        assert server.sent <= len(CONTENT)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_without_permission_is_a_sentence(cache: Cache) -> None:
    cache.directory.mkdir(mode=0o500)
    with serve(CONTENT) as server, pytest.raises(HostError, match="permission is denied"):
        get(cache, source(server.url))


def test_a_file_in_place_of_the_cache_is_a_sentence(cache: Cache) -> None:
    cache.directory.write_bytes(b"")
    with serve(CONTENT) as server, pytest.raises(HostError, match="a file lies where a folder"):
        get(cache, source(server.url))


def test_an_interrupt_keeps_the_part(cache: Cache) -> None:
    with serve(CONTENT, Behaviour(stall_after=3_000_000)) as server:
        process = start(server, cache)
        part = cache.directory / "partial" / f"md5-{MD5}"
        until(lambda: part.exists() and part.stat().st_size >= 2_000_000)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=10)
    assert "KeyboardInterrupt" in said
    assert part.stat().st_size >= 2_000_000


@pytest.mark.parametrize(
    "address", ["photon.ova", "ftp://127.0.0.1/x", "http://", "http://[::1/x", "http://a b/"]
)
def test_an_address_that_makes_no_sense_is_a_fetch_error(cache: Cache, address: str) -> None:
    with pytest.raises(BuilderError) as caught:
        get(cache, source(address))
    assert isinstance(caught.value, FetchError)
