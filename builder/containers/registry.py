"""An image in its registry: from a tag or a digest to the blobs of one platform.

Only what is small is read: index, manifest and configuration.
"""

import struct

from builder.errors import FetchError, FormatError
from builder.fetch.registry import Answer, Registries
from builder.formats.oci import (
    INDEX_TYPES,
    MANIFEST_TYPES,
    Index,
    parse_contents,
    parse_diff_ids,
    parse_manifest,
)
from builder.image_names import Descriptor, ImageName, Pin, Variant
from builder.structs import replace

_USUAL_RATIO = 3
_ISIZE = struct.Struct("<I")
_GZIP_OVERHEAD = 1 << 10


def resolve_variant(name: ImageName, platform: str, registries: Registries) -> Variant:
    """Return the blobs that a name means on a platform; what they unpack to is left out.

    Args:
        name: With a digest, when it is known which image is meant.
        platform: Such as ``linux/arm64``.
        registries: Asks.

    Raises:
        FetchError: there is no answer, or none that makes sense, or no image for the platform.
        DigestMismatch: an answer is not what its name says.
    """
    accept = (*INDEX_TYPES, *MANIFEST_TYPES)
    top = answer = registries.read_manifest(name, accept)
    try:
        found = parse_manifest(answer.body, answer.media_type)
        if isinstance(found, Index):
            if lack := Pin(top.digest, found.platforms).lack(platform):
                raise FetchError(f"{name.text} {lack}", hint="use another image or tag")
            single = replace(name, digest=found.platforms[platform])
            answer = registries.read_manifest(single, MANIFEST_TYPES)
        contents = parse_contents(answer.body)
        config = registries.read_blob(name, contents.config.digest)
        parse_diff_ids(config.body, len(contents.layers))
    except FormatError as error:
        raise FetchError(
            f"{answer.url}: the answer is not a valid image: {error}",
            hint="is it a container registry, and the name that of an image?",
        ) from error
    index = None if top is answer else _described(top)
    return Variant(index, _described(answer), contents.config, contents.layers)


def read_variant(name: ImageName, platform: str, registries: Registries) -> Variant:
    """Return the blobs of an image for a platform, and what its layers unpack to.

    Raises:
        FetchError, DigestMismatch: as ``resolve_variant``.
    """
    found = resolve_variant(name, platform, registries)
    unpacked = sum(_unpacked(name, layer, registries) for layer in found.layers)
    return replace(found, unpacked=unpacked)


def _unpacked(name: ImageName, layer: Descriptor, registries: Registries) -> int:
    """Return what a layer unpacks to, as far as it says so itself; else what is usual."""
    usual = layer.size * _USUAL_RATIO
    if layer.media_type.endswith("tar"):
        return layer.size
    if not layer.media_type.endswith("gzip") or layer.size < _ISIZE.size:
        return usual
    tail = registries.read_tail(name, layer.digest, layer.size, _ISIZE.size)
    told = _ISIZE.unpack(tail)[0] if len(tail) == _ISIZE.size else 0
    # RFC 1952: of the last member, modulo 4 GiB.
    return told if layer.size <= told + _GZIP_OVERHEAD else usual


def _described(answer: Answer) -> Descriptor:
    """Return the descriptor of an index or a manifest."""
    media_type = _media_type(answer)
    return Descriptor(answer.digest, len(answer.body), media_type)


def _media_type(answer: Answer) -> str:
    """Return what a manifest says it is; when it says nothing, what the registry says."""
    import json

    told = json.loads(answer.body).get("mediaType")
    return str(told or answer.media_type)
