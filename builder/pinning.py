"""What the tag of a container image means today: its digest, and those for each platform."""

from collections.abc import Mapping

from builder.errors import FetchError, FormatError
from builder.fetch.registry import Answer, Registries
from builder.formats.oci import (
    INDEX_TYPES,
    MANIFEST_TYPES,
    Index,
    Manifest,
    parse_manifest,
    parse_platform,
)
from builder.image_names import ImageName, Pin
from builder.structs import replace


def resolve(name: ImageName, registries: Registries) -> Pin:
    """Ask a registry what a tag means, and return that with every platform there is.

    Raises:
        FetchError: there is no answer, or none that makes sense.
        DigestMismatch: the answer is not what it says it is.
    """
    answer = registries.read_manifest(name, (*INDEX_TYPES, *MANIFEST_TYPES))
    try:
        found = parse_manifest(answer.body, answer.media_type)
        platforms = _platforms(found, name, answer, registries)
    except FormatError as error:
        raise FetchError(
            f"{answer.url}: the answer is not a valid image: {error}",
            hint="is it a container registry, and the name that of an image?",
        ) from error
    return Pin(answer.digest, platforms)


def _platforms(
    found: Index | Manifest, name: ImageName, answer: Answer, registries: Registries
) -> Mapping[str, str]:
    match found:
        case Index(platforms):
            return platforms
        case Manifest(config):
            blob = registries.read_blob(replace(name, digest=answer.digest), config)
            return {parse_platform(blob.body): answer.digest}
