"""Manifests, indexes and configurations of container images, as registries have them.

Source: OCI Image Format Specification 1.1 (image-index, manifest, config), and Docker's "Image
Manifest Version 2, Schema 2", which has the same members under other media types. Schema 1 is
refused, as registries have given it up. Does not read layers, see ``builder.formats.layer``.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from builder.errors import FormatError
from builder.image_names import Descriptor
from builder.structs import Struct

INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
LAYER_TYPES = (
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
)
_LARGEST = 1 << 40
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_PLATFORM = re.compile(r"[A-Za-z0-9_.-]{1,32}(?:/[A-Za-z0-9_.-]{1,32}){1,2}")
_USUAL_VARIANTS = {"arm64": "v8", "amd64": "v1"}


class Index(Struct, frozen=True):
    """An image for several platforms.

    Attributes:
        platforms: Platform, such as ``linux/amd64`` or ``linux/arm/v7``, to the digest of its
            manifest, in the index's order.
    """

    platforms: Mapping[str, str]


class Manifest(Struct, frozen=True):
    """An image for one platform.

    Attributes:
        config: Digest of its configuration, which says for which.
    """

    config: str


class Contents(Struct, frozen=True):
    """The blobs of an image for one platform.

    Attributes:
        config: Its configuration.
        layers: From the lowest up.
    """

    config: Descriptor
    layers: tuple[Descriptor, ...]


def parse_manifest(body: bytes, media_type: str) -> Index | Manifest:
    """Return what a registry's answer is.

    Args:
        body: The bytes.
        media_type: What the registry calls them, for those that do not say it themselves.

    Raises:
        FormatError: they are neither an index nor a manifest.
    """
    value = _mapping(_parse(body))
    told = value.get("mediaType", media_type)
    if "manifests" in value and {"config", "layers"} & value.keys():
        raise FormatError("it has members of an index and of a manifest; expected one of them")
    if told in INDEX_TYPES and isinstance(value.get("manifests"), list):
        return Index(_platforms(value["manifests"]))
    if told in MANIFEST_TYPES and "config" in value:
        return Manifest(_digest(_mapping(value["config"])))
    raise FormatError(f"found media type {told!r:.80}; wanted an OCI or Docker image")


def parse_contents(body: bytes) -> Contents:
    """Return the blobs that the manifest of an image names.

    Raises:
        FormatError: it is not valid, or of another thing than an image that Docker runs.
    """
    value = _mapping(_parse(body))
    entries = value.get("layers")
    config = _descriptor(_mapping(value.get("config")))
    if not isinstance(entries, list) or not entries:
        raise FormatError("it names no layers; wanted at least one")
    return Contents(config, tuple(map(_layer, entries)))


def parse_diff_ids(config: bytes, layers: int) -> tuple[str, ...]:
    """Return the digests that the layers have when they are unpacked, from the lowest up.

    Args:
        config: The configuration of an image.
        layers: How many its manifest names.

    Raises:
        FormatError: the configuration names another number, or one that is not a digest.
    """
    found = _mapping(_mapping(_parse(config)).get("rootfs")).get("diff_ids")
    if not isinstance(found, list):
        raise FormatError("the configuration has no `rootfs.diff_ids`: it is not of an image")
    if len(found) != layers:
        raise FormatError(f"it names {layers} layers, and its configuration {len(found)}")
    return tuple(_digest({"digest": each}) for each in found)


def parse_platform(config: bytes) -> str:
    """Return the platform that an image's configuration names.

    Raises:
        FormatError: it names none.
    """
    return _platform(_mapping(_parse(config)))


def _platforms(entries: list[Any]) -> dict[str, str]:
    """Return the images of an index; of two for one platform, the first counts.

    Attestations and other things that are no images have no platform, or an unknown one.
    """
    found: dict[str, str] = {}
    for entry in map(_mapping, entries):
        about = entry.get("platform")
        if isinstance(about, dict) and about.get("os") != "unknown":
            found.setdefault(_platform(about), _digest(entry))
    return found


def _platform(value: Mapping[str, Any]) -> str:
    """Return a platform as one text; a variant that goes without saying is left out."""
    system, machine = value.get("os"), value.get("architecture")
    variant = value.get("variant") or ""
    parts = [system, machine, *([variant] if variant != _USUAL_VARIANTS.get(str(machine)) else [])]
    text = "/".join(str(part) for part in parts if part)
    if not _PLATFORM.fullmatch(text):
        raise FormatError(f"found {text!r:.80}; wanted a platform, such as linux/amd64")
    return text


def _layer(entry: object) -> Descriptor:
    """Return a layer that registries give and Docker reads."""
    found = _descriptor(_mapping(entry))
    if found.media_type not in LAYER_TYPES:
        raise FormatError(f"found a layer of the type {found.media_type!r:.80}; wanted a tar")
    if _mapping(entry).get("urls"):
        raise FormatError(f"the layer {found.digest} is kept elsewhere, which is not supported")
    return found


def _descriptor(value: Mapping[str, Any]) -> Descriptor:
    size, media_type = value.get("size"), value.get("mediaType")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 < size <= _LARGEST:
        raise FormatError(f"found {size!r:.80} for the size of a blob; wanted a number of bytes")
    return Descriptor(_digest(value), size, str(media_type))


def _digest(value: Mapping[str, Any]) -> str:
    """Return the digest of what an OCI descriptor describes."""
    found = value.get("digest")
    if not isinstance(found, str) or not _DIGEST.fullmatch(found):
        raise FormatError(f"found {found!r:.80} for a digest; wanted sha256: and 64 hex digits")
    return found


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise FormatError(f"found {type(value).__name__}; wanted a JSON object")
    return value


def _parse(body: bytes) -> object:
    """Return JSON as plain data."""
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise FormatError("it is not valid JSON, or truncated") from error
    return value
