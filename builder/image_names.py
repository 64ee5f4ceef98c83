"""Names of container images, and the digests that tags are pinned to.

Source: the reference grammar of the distribution project, and Docker's rules for short names:
without a registry an image is Docker Hub's, where official ones lie below ``library``.
"""

import re
from collections.abc import Mapping
from typing import Any

from builder.structs import Struct, field

PLATFORMS: Mapping[str, str] = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}
"""Architecture of a base to the platform of the images that run on it."""

HUB = "docker.io"
_OFFICIAL = "library"
_LATEST = "latest"
_LONGEST_REPOSITORY = 255
_SIZE_DIGITS = 13
_SHORT_DIGEST = len("sha256-") + 12

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_REGISTRY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:]+\])(?::[0-9]{{1,5}})?")
_COMPONENT = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class ImageName(Struct, frozen=True):
    """The full name of an image.

    Attributes:
        registry: Host, with its port if it has one; Docker Hub is ``docker.io``.
        repository: Path of the image there.
        tag: Its tag; ``latest`` when the text has neither tag nor digest, else empty.
        digest: ``sha256:`` and 64 hex digits; empty when the text has none.
        text: As it was written.
    """

    registry: str
    repository: str
    tag: str
    digest: str
    text: str

    @property
    def is_pinned(self) -> bool:
        """Whether the name itself says which image it is."""
        return bool(self.digest)

    @property
    def path(self) -> str:
        """Registry and repository."""
        return f"{self.registry}/{self.repository}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.path}{tag}{'@' * bool(self.digest)}{self.digest}"

    @property
    def short(self) -> str:
        """Repository and tag as Docker shows them; a name with a digest alone gets a tag of it."""
        path = self.path if self.registry != HUB else self.repository.removeprefix(f"{_OFFICIAL}/")
        return f"{path}:{self.tag or self.digest.replace(':', '-')[:_SHORT_DIGEST]}"

    def pinned_to(self, digest: str) -> str:
        """Return the name as written, with its tag, and ``digest``."""
        written = self.text if self.text.endswith(f":{self.tag}") else f"{self.text}:{self.tag}"
        return f"{written}@{digest}"


class Descriptor(Struct, frozen=True):
    """A blob as a manifest names it.

    Attributes:
        digest: ``sha256:`` and 64 hex digits.
        size: Length in bytes.
        media_type: What it is.
    """

    digest: str
    size: int
    media_type: str

    def __str__(self) -> str:
        return f"{self.digest} {self.size} {self.media_type}"


class Variant(Struct, frozen=True):
    """The blobs of an image for one platform, so that it can be shipped.

    Attributes:
        index: Descriptor of the index, when the tag names one.
        manifest: Of the platform.
        config: Its configuration.
        layers: From the lowest up.
        unpacked: Unpacked size of the layers in bytes, where they state it.
    """

    index: Descriptor | None
    manifest: Descriptor
    config: Descriptor
    layers: tuple[Descriptor, ...]
    unpacked: int = 0


class Pin(Struct, frozen=True):
    """The digest of a tag when it was locked.

    Attributes:
        digest: Of the index, or of the manifest when the image is for one platform only.
        platforms: Platform (``linux/arm64``) to the digest of its manifest.
        variants: Platform to the blobs, of those that are shipped.
    """

    digest: str
    platforms: Mapping[str, str]
    variants: Mapping[str, Variant] = field(default_factory=dict)

    def lack(self, platform: str) -> str:
        """Return a message when the image has no variant for a platform, else an empty text."""
        if platform in self.platforms:
            return ""
        there = ", ".join(sorted(self.platforms)) or "none for Photon's architectures"
        return f"has no variant for {platform}; it has {there}"


def parse_descriptor(text: object) -> Descriptor:
    """Return the blob that a text names, as ``str`` of a descriptor does.

    Raises:
        ValueError: it is not a digest, a size and a type, separated by spaces.
    """
    digest, _, rest = str(text).partition(" ")
    size, _, media_type = rest.partition(" ")
    is_size = size.isascii() and size.isdigit() and len(size) <= _SIZE_DIGITS
    if not (_DIGEST.fullmatch(digest) and is_size and media_type and " " not in media_type):
        raise ValueError(f"found {text!r:.80}; wanted a digest, a size and a media type")
    return Descriptor(digest, int(size), media_type)


def parse_variant(value: Mapping[str, Any]) -> Variant:
    """Return the blobs of an image for one platform, as plain data.

    Raises:
        ValueError, LookupError, TypeError, AttributeError: they are not valid.
    """
    index, unpacked = value.get("index"), value["unpacked"]
    if not isinstance(unpacked, int) or isinstance(unpacked, bool) or unpacked < 0:
        raise ValueError(f"found {unpacked!r:.40} for `unpacked`; wanted a number of bytes")
    layers = tuple(map(parse_descriptor, value["layers"]))
    if not layers:
        raise ValueError("found no layers; wanted at least one")
    return Variant(
        None if index is None else parse_descriptor(index),
        parse_descriptor(value["manifest"]),
        parse_descriptor(value["config"]),
        layers,
        unpacked,
    )


def parse_image_name(text: str) -> ImageName:
    """Return an image name in its parts.

    Raises:
        ValueError: the name is not valid; the message states why.
    """
    rest, _, digest = text.partition("@")
    if digest and not _DIGEST.fullmatch(digest):
        raise ValueError(f"{digest!r} is not a valid digest; wanted sha256: and 64 hex digits")
    registry, path = _split_registry(rest)
    repository, colon, tag = path.partition(":")
    if registry == HUB and "/" not in repository:
        repository = f"{_OFFICIAL}/{repository}"
    if not _REPOSITORY.fullmatch(repository) or len(repository) > _LONGEST_REPOSITORY:
        raise ValueError(f"{text!r} is not a valid image name; wanted lower case, as in nginx:1.27")
    if colon and not _TAG.fullmatch(tag):
        raise ValueError(f"{tag!r} is not a valid tag; wanted letters, digits and . _ -")
    if text.endswith("@"):
        raise ValueError(f"{text!r} has an @ without a digest")
    return ImageName(registry, repository, tag or ("" if digest else _LATEST), digest, text)


def _split_registry(text: str) -> tuple[str, str]:
    """Return the registry that a name begins with, Docker Hub when with none, and the rest.

    A first part is a registry when it could be no folder: with a dot, a port or capitals, or
    ``localhost``.
    """
    first, slash, rest = text.partition("/")
    is_registry = slash and (
        any(mark in first for mark in ".:") or first == "localhost" or first != first.lower()
    )
    if not is_registry:
        return HUB, text
    if not _REGISTRY.fullmatch(first):
        raise ValueError(f"{first!r} is not a valid registry; wanted a host, or host:port")
    return HUB if first == f"index.{HUB}" else first, rest
