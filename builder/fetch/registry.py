"""Container registries: the manifest that a tag means, and blobs.

Source: OCI Distribution Specification 1.1, "Pulling manifests" and "Pulling blobs"; tokens as in
the specification of the distribution project; Basic authentication, RFC 7617. Registries are
spoken to by https, and by plain http only on the local host. Credentials come from the environment
(``builder.fetch.credentials``), go to the registry and to where it has its tokens, and nowhere
else. Does not know what a manifest says, see ``builder.formats.oci``.
"""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from http import HTTPStatus
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from builder.addresses import shown
from builder.errors import DigestMismatch, FetchError
from builder.fetch.addresses import is_loopback, is_same_origin, may_lead
from builder.fetch.credentials import find_login
from builder.fetch.following import RequestOptions, follow, with_grant
from builder.fetch.reasons import translated
from builder.fetch.replies import parse_reply
from builder.fetch.wire import (
    HEADERS,
    MirrorError,
    Retries,
    RetryPolicy,
    TransientError,
    check_no_page,
    read_small,
    read_token,
    refusal,
    wants_login,
)
from builder.image_names import HUB, ImageName
from builder.progress import Progress
from builder.structs import Struct

if TYPE_CHECKING:
    import requests

LARGEST = 4 << 20
"""Bytes that a manifest may have, as registries themselves have it."""

_HUB_HOST = "registry-1.docker.io"
_PATIENT = RetryPolicy()


class Answer(Struct, frozen=True):
    """A response of a registry, its digest checked.

    Attributes:
        body: The bytes.
        digest: ``sha256:`` and their digest in hex.
        media_type: What the registry calls them.
        url: Where they were asked for.
    """

    body: bytes
    digest: str
    media_type: str
    url: str


@dataclass(slots=True)
class Registries:
    """Client of container registries; reuses connections, logins and tokens.

    Attributes:
        progress: Shows which registry is asked.
        policy: Retries and timeouts.
    """

    progress: Progress
    policy: RetryPolicy = _PATIENT
    _session: "requests.Session" = field(init=False)
    _grants: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> Self:
        from builder.fetch.session import open_session

        self._session = open_session(self.policy.whole)
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def read_manifest(self, name: ImageName, accept: tuple[str, ...]) -> Answer:
        """Return the manifest or index that a tag or a digest means.

        Args:
            name: The image.
            accept: Accepted media types.

        Raises:
            FetchError: the manifest is unavailable; the message names the address.
            DigestMismatch: its digest differs from that of the name or the registry.
        """
        reference = name.digest or name.tag
        answer = self._ask(name, f"manifests/{reference}", ", ".join(accept))
        _check(answer, name.digest)
        return answer

    def read_blob(self, name: ImageName, digest: str) -> Answer:
        """Return a small blob of an image.

        Raises:
            FetchError, DigestMismatch: as ``read_manifest``.
        """
        answer = self._ask(name, f"blobs/{digest}", "*/*")
        _check(answer, digest)
        return answer

    def iter_blob(
        self, name: ImageName, digest: str, size: int, start: int = 0
    ) -> Generator[bytes, None, None]:
        """Yield a blob from byte ``start`` on; broken transfers are resumed.

        Nothing is checked but the length: digests are for the caller.

        Raises:
            FetchError: the blob is unavailable, the transfer fails, or the size differs.
        """
        url, done = f"{_api(name)}/blobs/{digest}", start
        retries = Retries(url, self.policy, self.progress)
        try:
            while done < size:
                before = done
                try:
                    for piece in self._iter_rest(name, url, done, size):
                        done += len(piece)
                        yield piece
                except TransientError as error:
                    retries.wait(error, done - before)
        except MirrorError as error:
            raise _refusal(url, str(error)) from error

    def read_tail(self, name: ImageName, digest: str, size: int, count: int) -> bytes:
        """Return the last bytes of a blob; empty when the registry has no range requests.

        Raises:
            FetchError: the blob is unavailable.
        """
        url = f"{_api(name)}/blobs/{digest}"
        headers = {**HEADERS, "Range": f"bytes={size - count}-"}
        try:
            with translated(), self._open(name, url, headers) as response:
                if response.status_code == HTTPStatus.PARTIAL_CONTENT:
                    return read_small(response, count, self.policy)
                if response.status_code != HTTPStatus.OK:
                    raise _reason(response)
        except MirrorError as error:
            raise _refusal(url, str(error)) from error
        return b""

    def _iter_rest(self, name: ImageName, url: str, done: int, size: int) -> Iterator[bytes]:
        """Yield the body of one response, from byte ``done`` of the blob on."""
        headers = {**HEADERS, "Accept": "*/*"} | ({"Range": f"bytes={done}-"} if done else {})
        with translated(), self._open(name, url, headers) as response:
            if response.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND}:
                raise _reason(response)
            reply = parse_reply(response, done, self.policy)
            if reply.total not in {None, size}:
                raise MirrorError(f"it offers {reply.total} bytes; the manifest says {size}")
            at = reply.offset
            for piece in reply.pieces():
                fresh = piece[
                    max(done - at, 0) :
                ]  # a server without range requests sends the whole blob
                at += len(piece)
                if at > size:
                    raise MirrorError(f"it sends more than the {size} bytes of the manifest")
                if fresh:
                    yield fresh
        if at < size:
            raise TransientError(f"it broke off after {at} of {size} bytes")

    def _ask(self, name: ImageName, path: str, accept: str) -> Answer:
        """Send a request, and retry transient errors."""
        url = f"{_api(name)}/{path}"
        retries = Retries(url, self.policy, self.progress)
        self.progress.phase(f"asking {shown(url)}")
        try:
            while True:
                try:
                    with translated():
                        return self._exchange(name, url, HEADERS | {"Accept": accept})
                except TransientError as error:
                    retries.wait(error)
        except MirrorError as error:
            raise _refusal(url, str(error)) from error

    def _exchange(self, name: ImageName, url: str, headers: Mapping[str, str]) -> Answer:
        """Send one request for a small body."""
        with self._open(name, url, headers) as response:
            if response.status_code != HTTPStatus.OK:
                raise _reason(response)
            check_no_page(response, "an answer of a registry")
            body = read_small(response, LARGEST, self.policy)
            told = response.headers.get("Docker-Content-Digest", "").strip()
            media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
        answer = Answer(body, f"sha256:{sha256(body).hexdigest()}", media_type, shown(url))
        _check(answer, told)
        return answer

    def _open(self, name: ImageName, url: str, headers: Mapping[str, str]) -> "requests.Response":
        """Send a request, and send it again when it needs a token or a login."""
        response = self._follow(url, with_grant(headers, self._grants.get(name.path, "")))
        if response.status_code != HTTPStatus.UNAUTHORIZED:
            return response
        with response:
            is_own = is_same_origin(response.url, url)
            grant = self._grant(response, find_login(name) if is_own else "")
        if not grant:
            raise _reason(response)
        if response.url == url:
            self._grants[name.path] = grant
        # Not from the start again: the token belongs to the host that asked for it.
        return self._follow(response.url, with_grant(headers, grant))

    def _grant(self, response: "requests.Response", login: str) -> str:
        """Return the Authorization that a refused request needs; empty when there is none."""
        if wants_login(response):
            return f"Basic {login}" if login else ""
        token = read_token(self._session, response, self.policy, login=login)
        return f"Bearer {token}" if token else ""

    def _follow(self, url: str, headers: Mapping[str, str]) -> "requests.Response":
        """Send a request and follow redirects; the token is sent to its own host only."""
        return follow(RequestOptions(self._session, self.policy, may_lead), url, headers)


def _api(name: ImageName) -> str:
    """Return the base address of an image in a registry."""
    host = _HUB_HOST if name.registry == HUB else name.registry
    scheme = "http" if is_loopback(urlsplit(f"//{host}").hostname or "") else "https"
    return f"{scheme}://{host}/v2/{name.repository}"


def _check(answer: Answer, wanted: str) -> None:
    """Compare the digest of a response with the expected one, if there is one.

    Raises:
        DigestMismatch: the digests differ.
    """
    if wanted and wanted != answer.digest:
        raise DigestMismatch(
            f"{answer.url}: the answer's digest is {answer.digest}, wanted {wanted}",
            hint="a proxy or cache before the registry changes its responses; nothing was recorded",
        )


def _reason(response: "requests.Response") -> MirrorError:
    """Return the reason for a response without a manifest."""
    reason = refusal(response)
    match response.status_code:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return MirrorError(f"{reason}: the image does not exist, or is private")
        case HTTPStatus.NOT_FOUND:
            return MirrorError(f"{reason}: the image or the tag does not exist")
        case _:
            return reason


def _refusal(url: str, reason: str) -> FetchError:
    """Return the error with the address and the reason."""
    private = "log in (`docker login HOST`, or set DOCKER_AUTH_CONFIG), or "
    hint = "check the image's name and the network; the lock file stays as it is"
    return FetchError(
        f"{shown(url)}: {reason}", hint=f"{private if reason.endswith('private') else ''}{hint}"
    )
