"""Container registries: the manifest that a tag means, and small blobs.

Source: OCI Distribution Specification 1.1, "Pulling manifests" and "Pulling blobs"; tokens as in
the specification of the distribution project. Registries are spoken to by https, and by plain
http only on this machine. Nobody is logged in: whatever asks for more than an anonymous token is
refused. Does not know what a manifest says, see ``builder.formats.oci``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from http import HTTPStatus
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from builder.addresses import shown
from builder.errors import DigestMismatch, FetchError
from builder.fetch.addresses import is_loopback, may_lead
from builder.fetch.following import Ways, follow, with_token
from builder.fetch.reasons import translated
from builder.fetch.wire import (
    HEADERS,
    MirrorError,
    PassingError,
    Patience,
    Retries,
    check_no_page,
    read_small,
    read_token,
    refusal,
)
from builder.image_names import HUB, ImageName
from builder.progress import Progress
from builder.structs import Struct

if TYPE_CHECKING:
    import requests

LARGEST = 4 << 20
"""Bytes that a manifest may have, as registries themselves have it."""

_HUB_HOST = "registry-1.docker.io"
_PATIENT = Patience()


class Answer(Struct, frozen=True):
    """What a registry gave, its digest checked.

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
    """Asks container registries; a connection and a token serve several questions.

    Attributes:
        progress: Told what is waited for.
        patience: How long.
    """

    progress: Progress
    patience: Patience = _PATIENT
    _session: "requests.Session" = field(init=False)
    _tokens: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> Self:
        from builder.fetch.session import open_session

        self._session = open_session(self.patience.whole)
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def read_manifest(self, name: ImageName, accept: tuple[str, ...]) -> Answer:
        """Return the manifest or index that a tag or a digest means.

        Args:
            name: The image.
            accept: Media types that are understood.

        Raises:
            FetchError: it is not to be had; names the address.
            DigestMismatch: it is not what the name or the registry says.
        """
        reference = name.digest or name.tag
        answer = self._ask(f"{_api(name)}/manifests/{reference}", ", ".join(accept))
        _check(answer, name.digest)
        return answer

    def read_blob(self, name: ImageName, digest: str) -> Answer:
        """Return a small blob of an image.

        Raises:
            FetchError, DigestMismatch: as ``read_manifest``.
        """
        answer = self._ask(f"{_api(name)}/blobs/{digest}", "*/*")
        _check(answer, digest)
        return answer

    def _ask(self, url: str, accept: str) -> Answer:
        """Ask until there is an answer, or no hope of one."""
        retries = Retries(url, self.patience, self.progress)
        self.progress.phase(f"asking {shown(url)}")
        try:
            while True:
                try:
                    with translated():
                        return self._exchange(url, HEADERS | {"Accept": accept})
                except PassingError as error:
                    retries.wait(error)
        except MirrorError as error:
            raise _refusal(url, str(error)) from error

    def _exchange(self, url: str, headers: Mapping[str, str]) -> Answer:
        """Ask once, and once more when a token is wanted first."""
        scope = url.rpartition("/")[0].rpartition("/")[0]
        response = self._follow(url, with_token(headers, self._tokens.get(scope, "")))
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            with response:
                token = read_token(self._session, response, self.patience)
            if not token:
                raise _reason(response)
            if response.url == url:
                self._tokens[scope] = token
            # Not from the start again: the token belongs to the host that asked for it.
            response = self._follow(response.url, with_token(headers, token))
        with response:
            if response.status_code != HTTPStatus.OK:
                raise _reason(response)
            check_no_page(response, "an answer of a registry")
            body = read_small(response, LARGEST, self.patience)
            told = response.headers.get("Docker-Content-Digest", "").strip()
            media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
        answer = Answer(body, f"sha256:{sha256(body).hexdigest()}", media_type, shown(url))
        _check(answer, told)
        return answer

    def _follow(self, url: str, headers: Mapping[str, str]) -> "requests.Response":
        """Send a request and follow where it leads; the token stays with its host."""
        return follow(Ways(self._session, self.patience, may_lead), url, headers)


def _api(name: ImageName) -> str:
    """Return the address below which a registry has an image."""
    host = _HUB_HOST if name.registry == HUB else name.registry
    scheme = "http" if is_loopback(urlsplit(f"//{host}").hostname or "") else "https"
    return f"{scheme}://{host}/v2/{name.repository}"


def _check(answer: Answer, wanted: str) -> None:
    """Compare the digest of an answer with the one it should have; none is any.

    Raises:
        DigestMismatch: they differ.
    """
    if wanted and wanted != answer.digest:
        raise DigestMismatch(
            f"{answer.url}: the answer's digest is {answer.digest}, wanted {wanted}",
            hint="something between the registry and this machine changes its answers; "
            "nothing was recorded",
        )


def _reason(response: "requests.Response") -> MirrorError:
    """Return what an answer without a manifest means."""
    reason = refusal(response)
    match response.status_code:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return MirrorError(f"{reason}: there is no such image, or not for everybody")
        case HTTPStatus.NOT_FOUND:
            return MirrorError(f"{reason}: there is no such image or tag")
        case _:
            return reason


def _refusal(url: str, reason: str) -> FetchError:
    """Return the error that says what was asked and why there is no answer."""
    return FetchError(
        f"{shown(url)}: {reason}",
        hint="check the image's name and the network; nothing was recorded, and what the lock "
        "file has holds",
    )
