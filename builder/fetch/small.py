"""Small files without a published digest, such as the list of a repository's indexes."""

from http import HTTPStatus

from builder.addresses import shown
from builder.errors import FetchError, HostError
from builder.fetch.addresses import local_path, may_forward
from builder.fetch.following import RequestOptions, follow
from builder.fetch.reasons import translated
from builder.fetch.wire import (
    HEADERS,
    MirrorError,
    Retries,
    RetryPolicy,
    TransientError,
    check_no_page,
    read_small,
    refusal,
)
from builder.host import refusal as host_refusal
from builder.progress import Progress

_PATIENT = RetryPolicy()


def read_document(
    url: str, limit: int, progress: Progress, *, policy: RetryPolicy = _PATIENT
) -> bytes:
    """Return a file of at most ``limit`` bytes; transient errors are retried.

    Raises:
        FetchError: the server does not have the file, or sends more than ``limit`` bytes.
        HostError: a ``file:`` address cannot be read.
    """
    path = local_path(url)
    if path is not None:
        try:
            with path.open("rb") as stream:
                content = stream.read(limit + 1)
        except OSError as error:
            raise host_refusal(error, path) from error
        if len(content) > limit:
            raise HostError(f"{path}: has more than {limit} bytes")
        return content
    from builder.fetch.session import open_session

    retries = Retries(url, policy, progress)
    progress.phase(f"reading {shown(url)}")
    with open_session(policy.whole) as session:
        options = RequestOptions(session, policy, may_forward, logs_in=True)
        try:
            while True:
                try:
                    with translated():
                        return _read(options, url, limit)
                except TransientError as error:
                    retries.wait(error)
        except MirrorError as error:
            raise FetchError(f"{shown(url)}: {error}", hint="check the network") from error


def _read(options: RequestOptions, url: str, limit: int) -> bytes:
    with follow(options, url, HEADERS) as response:
        if response.status_code != HTTPStatus.OK:
            raise refusal(response)
        check_no_page(response, "a file of a repository")
        return read_small(response, limit, options.policy)
