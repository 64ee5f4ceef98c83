"""The lock file: digests of bases without a published one, and of container images.

``photon-builder.lock`` lies beside the spec and belongs into version control: digests of bases
without a published one, what the tags of container images meant, and the RPM files that packages
became. From then on a base is checked against it like a published one, and the guest pulls exactly
the images, and installs exactly the files, that it names. What it
cannot do: prove that the first download was the right one. But the version history of
the user shows when a digest changed.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from builder.addresses import shown
from builder.artifact import locked, write_beside
from builder.digests import check_digests
from builder.errors import SpecError, UsageError
from builder.host import refusal
from builder.image_names import Pin, parse_image_name, parse_variant
from builder.package_files import PackageFile, parse_package_file
from builder.structs import Struct, asdict, field

NAME = "photon-builder.lock"
_SCHEMA = "photon-builder/lock/v1"
_DAMAGED = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""Exceptions for a missing or invalid value."""


class Lock(Struct, frozen=True):
    """The content of a lock file.

    Attributes:
        files: Address of a base without credentials and the query's values, or its published
            file name, to algorithm to digest.
        images: Full name of a container image, its tag included, to its pin.
        packages: Base and names of packages to all the files that they need there.
    """

    files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    images: Mapping[str, Pin] = field(default_factory=dict)
    packages: Mapping[str, tuple[PackageFile, ...]] = field(default_factory=dict)


def read_lock(directory: Path) -> Lock:
    """Return the lock file of a directory of specs; empty when it is missing.

    Raises:
        SpecError: the file is damaged; every problem is listed with its line.
        HostError: the file cannot be read.
    """
    path = directory / NAME
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return Lock()
    except OSError as error:
        raise refusal(error, path) from error
    try:
        record = json.loads(text, object_pairs_hook=_once)
        if record["schema"] != _SCHEMA:
            raise ValueError(record["schema"])
        files = {_key(name): check_digests(found) for name, found in record["files"].items()}
        images = dict(map(_parse_image, record.get("images", {}).items()))
        packages = {
            str(key): tuple(map(parse_package_file, files))
            for key, files in record.get("packages", {}).items()
        }
    except (*_DAMAGED, UsageError) as error:
        from builder.lock_faults import find_problems

        raise SpecError(find_problems(path, text, _SCHEMA)) from error
    return Lock(files, images, packages)


def write_lock(directory: Path, lock: Lock) -> Path:
    """Write the lock file of a directory of specs, sorted, one digest per line."""
    path = directory / NAME
    record: dict[str, Any] = {
        "schema": _SCHEMA,
        "files": {name: dict(digests) for name, digests in sorted(lock.files.items())},
        "images": {name: _image_record(pin) for name, pin in sorted(lock.images.items())},
    }
    if lock.packages:
        record["packages"] = {
            key: [asdict(file) for file in files] for key, files in sorted(lock.packages.items())
        }
    write_beside(path, json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    return path


def amend_lock(
    directory: Path,
    files: Mapping[str, Mapping[str, str]] | None = None,
    images: Mapping[str, Pin] | None = None,
    packages: Mapping[str, tuple[PackageFile, ...]] | None = None,
) -> Path:
    """Add entries to the lock file of a directory, under a lock."""
    with locked(directory):
        known = read_lock(directory)
        merged = Lock(
            files={**known.files, **(files or {})},
            images={**known.images, **(images or {})},
            packages={**known.packages, **(packages or {})},
        )
        return write_lock(directory, merged)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the pairs of an object; a duplicate key raises ValueError."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate key")
    return found


def _key(name: str) -> str:
    """Return the key of a base; earlier versions recorded the whole address."""
    return shown(name) if "://" in name else name


def _image_record(pin: Pin) -> dict[str, Any]:
    """Return the record of an image: one blob per line."""
    variants = {
        platform: {
            **({"index": str(variant.index)} if variant.index else {}),
            "manifest": str(variant.manifest),
            "config": str(variant.config),
            "layers": [str(layer) for layer in variant.layers],
            "unpacked": variant.unpacked,
        }
        for platform, variant in sorted(pin.variants.items())
    }
    record = {"digest": pin.digest, "platforms": dict(sorted(pin.platforms.items()))}
    return {**record, "blobs": variants} if variants else record


def _parse_image(item: tuple[str, Any]) -> tuple[str, Pin]:
    """Return the name of an image and its pin; an invalid record raises ValueError."""
    name, value = item
    plain = str(parse_image_name(name)).partition("@")[0]
    platforms = {str(platform): str(digest) for platform, digest in value["platforms"].items()}
    for digest in (value["digest"], *platforms.values()):
        parse_image_name(f"{plain}@{digest}")
    variants = {key: parse_variant(blobs) for key, blobs in value.get("blobs", {}).items()}
    return name, Pin(value["digest"], platforms, variants)
