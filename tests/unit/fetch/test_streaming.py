"""Small files beside others: there, not there, or nobody knows."""

import pytest

from builder.errors import FetchError
from builder.fetch.streaming import read_with_retries
from builder.fetch.wire import RetryPolicy
from builder.progress import Silent
from tests.support.server import Behaviour, closed_port, serve

HASTY = RetryPolicy(attempts=3, first_wait=0.01, longest_wait=0.01)


def read(url: str) -> bytes | None:
    return read_with_retries(url, Silent(), policy=HASTY)


def test_a_file_is_read_though_the_server_is_busy_or_breaks_off() -> None:
    content = b"line\n" * 100_000
    for behaviour in (
        Behaviour(statuses=(503, 429)),
        Behaviour(break_after=300_000, breaks=1),
        Behaviour(ranges=False, length=False),
    ):
        with serve(content, behaviour) as server:
            assert read(server.url) == content


def test_a_file_that_is_not_there_is_told_from_a_server_that_does_not_work() -> None:
    for status in (404, 403, 410):
        with serve(b"text", Behaviour(statuses=(status,))) as server:
            assert read(server.url) is None
    with serve(b"<p>Log in</p>", Behaviour(content_type="text/html")) as server:
        assert read(server.url) is None
    with (
        serve(b"text", Behaviour(statuses=(503,) * 9)) as server,
        pytest.raises(FetchError, match="it answers 503"),
    ):
        read(server.url)
    with serve(b"text", Behaviour(break_after=0)) as server, pytest.raises(FetchError):
        read(server.url)


def test_what_is_no_small_file_is_not_read_to_its_end() -> None:
    with serve(bytes(64 << 20)) as server:
        with pytest.raises(FetchError, match="has more than 4194304 bytes; wanted a short text"):
            read(server.url)
        assert server.sent < 32 << 20


def test_a_machine_that_is_not_there_has_none() -> None:
    assert read(f"http://127.0.0.1:{closed_port()}/a.minisig") is None
