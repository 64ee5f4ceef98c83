"""Layers in zstd packed anew with gzip, for engines that read no zstd: Docker before 23.

What a layer unpacks to, and so the image's id, stays; its manifest is another one.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from builder.cache import Cache
from builder.cache.writing import write_all
from builder.formats import gz, zst
from builder.formats.disk import MIB
from builder.host import host_errors
from builder.image_archive import Archive, Image
from builder.image_names import Descriptor, Variant

_NOTES = "repacked"


def repack(archive: Archive, cache: Cache) -> Archive:
    """Return an archive whose layers every engine reads; its blobs are in the cache.

    Raises:
        HostError: the cache cannot be written.
    """
    variant = archive.image.variant
    changed = {
        layer.digest: _repacked(layer, cache)
        for layer in dict.fromkeys(variant.layers)
        if layer.media_type.endswith("zstd")
    }
    layers = tuple(changed.get(layer.digest, layer) for layer in variant.layers)
    there = tuple(
        changed[digest].digest if digest in changed else digest for digest in archive.there
    )
    manifest = _manifest(variant.manifest, layers, cache)
    known = Variant(None, manifest, variant.config, layers, variant.unpacked)
    return Archive(Image(archive.image.name, known), there)


def _manifest(old: Descriptor, layers: tuple[Descriptor, ...], cache: Cache) -> Descriptor:
    """Return a manifest that names other layers."""
    value: dict[str, Any] = json.loads(_path(old, cache).read_bytes())
    value["layers"] = [
        {"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size}
        for layer in layers
    ]
    body = json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
    return _keep([body], old.media_type, cache)


def _repacked(layer: Descriptor, cache: Cache) -> Descriptor:
    """Return a layer packed with gzip; what was packed before is found again."""
    media_type = f"{layer.media_type.removesuffix('zstd')}gzip"
    note = cache.folder(_NOTES) / f"{_hex(layer.digest)}.json"
    known = _known(note)
    if known and cache.find({"sha256": _hex(str(known.get("digest")))}):
        return Descriptor(str(known["digest"]), int(known["size"]), media_type)
    path = _path(layer, cache)
    with host_errors(path), path.open("rb") as stream:
        unpacked = zst.iter_unpacked(stream, layer.size, name=layer.digest)
        made = _keep(gz.iter_gz(_pieces(unpacked)), media_type, cache)
    with host_errors(note):
        note.write_text(json.dumps({"digest": made.digest, "size": made.size}))
    return made


def _known(note: Path) -> Mapping[str, Any]:
    """Return what a note says, nothing when it cannot be read."""
    try:
        value = json.loads(note.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) and isinstance(value.get("size"), int) else {}


def _pieces(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Yield pieces of one size: what they are packed to must not follow from how they came."""
    held = bytearray()
    for part in parts:
        held += part
        while len(held) >= MIB:
            yield bytes(held[:MIB])
            del held[:MIB]
    if held:
        yield bytes(held)


def _keep(parts: Iterable[bytes], media_type: str, cache: Cache) -> Descriptor:
    """Put a blob into the cache."""
    digest, size = sha256(), 0
    with cache.lock(f"repacked-{media_type.rpartition('/')[2]}", lambda: None) as path:
        with host_errors(path), path.open("wb", buffering=0) as out:
            for part in parts:
                write_all(out, part)
                digest.update(part)
                size += len(part)
        name = f"sha256:{digest.hexdigest()}"
        cache.adopt(path, {"sha256": digest.hexdigest()}, filename=name, url="")
    return Descriptor(name, size, media_type)


def _path(blob: Descriptor, cache: Cache) -> Path:
    """Return where the cache has a blob."""
    return cache.directory / "blobs" / "sha256" / _hex(blob.digest)


def _hex(digest: str) -> str:
    """Return a digest as the cache has it."""
    return digest.removeprefix("sha256:")
