"""Blobs of container images in the cache, each fetched and checked once, and archives of them.

layers/<hex>.json     what the check of a layer found, so that it is not checked again
archives/<hex>.json   digest of an archive by its recipe, so that it is not computed again
"""

import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from builder.cache import Cache
from builder.cache.writing import check_room
from builder.containers.check import LayerCheck
from builder.containers.pieces import Pieces
from builder.containers.repack import repack
from builder.digests import PIECE
from builder.errors import DigestMismatch, FetchError, FormatError, HostError
from builder.fetch.partial import Partial
from builder.fetch.registry import Registries
from builder.formats.layer import Layer
from builder.formats.oci import parse_diff_ids
from builder.host import host_errors
from builder.image_archive import Archive
from builder.image_names import Descriptor, ImageName
from builder.progress import Progress
from builder.structs import Struct, asdict, replace

_LAYERS, _ARCHIVES = "layers", "archives"
_DIGITS = 12


class Pulled(Struct, frozen=True):
    """An archive whose blobs are all in the cache.

    Attributes:
        sha256: Its digest.
        size: Its length in bytes.
        open: Opens it for reading.
        layers: What the layers of its image hold, from the lowest up.
    """

    sha256: str
    size: int
    open: Callable[[], BinaryIO]
    layers: tuple[Layer, ...]


class Wanted(Struct, frozen=True):
    """A layer of an image.

    Attributes:
        name: Of the image.
        blob: The layer.
        diff_id: Digest that the configuration of the image says it has when it is unpacked.
    """

    name: ImageName
    blob: Descriptor
    diff_id: str

    @property
    def shown(self) -> str:
        """The layer, for messages."""
        return f"{self.name.text}, layer {_hex(self.blob)[:_DIGITS]}"


class Store:
    """The blobs of images, from the cache or from their registry.

    Args:
        cache: Where they are kept.
        progress: Told what is waited for.
        registries: Asked for what is not there; ``None`` without a network.
    """

    def __init__(self, cache: Cache, progress: Progress, registries: Registries | None) -> None:
        self._cache = cache
        self._progress = progress
        self._registries = registries

    def pull(self, archive: Archive) -> Pulled:
        """Return an archive, every blob of it being here and checked.

        Raises:
            FetchError: a blob is unavailable, or not a part of a valid image.
            DigestMismatch: the registry sent another one.
            HostError: it cannot be stored.
        """
        name, variant = archive.image.name, archive.image.variant
        lacking = [b.size for b in archive.image.blobs if not self._cache.find({"sha256": _hex(b)})]
        if lacking and self._registries:
            check_room(self._cache.folder(_LAYERS), sum(lacking))
        for blob in (variant.index, variant.manifest):
            if blob is not None:
                self._small(name, blob, is_manifest=True)
        config = self._small(name, variant.config, is_manifest=False).read_bytes()
        try:
            diff_ids = parse_diff_ids(config, len(variant.layers))
        except FormatError as error:
            raise FetchError(f"{name.text}: {error}", hint=_OTHER) from error
        pairs = zip(variant.layers, diff_ids, strict=True)
        layers = tuple(self._layer(Wanted(name, *pair)) for pair in pairs)
        made = repack(archive, self._cache) if archive.is_repacked else archive
        return Pulled(self._digest(made), made.size, lambda: self._open(made), layers)

    def _small(self, name: ImageName, blob: Descriptor, *, is_manifest: bool) -> Path:
        """Return a manifest or a configuration."""
        if found := self._cache.find({"sha256": _hex(blob)}):
            return found.path
        registries = self._online(name)
        if is_manifest:
            wanted = replace(name, digest=blob.digest)
            answer = registries.read_manifest(wanted, (blob.media_type,))
        else:
            answer = registries.read_blob(name, blob.digest)
        if len(answer.body) != blob.size:
            message = f"{answer.url}: has {len(answer.body)} bytes; its manifest says {blob.size}"
            raise FetchError(message, hint=_OTHER)
        with self._cache.lock(f"sha256-{_hex(blob)}", lambda: None) as path:
            with host_errors(path):
                path.write_bytes(answer.body)
            return self._adopt(name, path, blob)

    def _layer(self, wanted: Wanted) -> Layer:
        """Return what a layer holds, which is in the cache from then on."""
        found = self._cache.find({"sha256": _hex(wanted.blob)})
        if found is None:
            return self._fetch(wanted)
        if (known := self._known(wanted)) is not None:
            return known
        with LayerCheck(found.path, wanted.blob.size, wanted.shown) as check:
            check.reach(found.size)
            return self._remember(wanted, _checked(wanted, check))

    def _fetch(self, wanted: Wanted) -> Layer:
        """Fetch a layer, and check it meanwhile."""
        registries = self._online(wanted.name)
        waiting = f"{wanted.shown}: another photon-builder is fetching it, waiting for that"
        key = f"sha256-{_hex(wanted.blob)}"
        with self._cache.lock(key, lambda: self._progress.phase(waiting)) as path:
            if self._cache.find({"sha256": _hex(wanted.blob)}):
                return self._layer(wanted)
            is_resumed = path.exists() and path.stat().st_size > 0
            try:
                return self._receive(wanted, registries, path)
            except DigestMismatch:
                if not is_resumed:
                    raise
                return self._receive(wanted, registries, path)  # the part of an earlier run was bad

    def _receive(self, wanted: Wanted, registries: Registries, path: Path) -> Layer:
        """Complete a partial file and adopt it; one that is not the layer is removed."""
        blob = wanted.blob
        with Partial(path, {"sha256"}) as partial:
            if partial.size > blob.size:
                partial.restart()
            try:
                with LayerCheck(path, blob.size, wanted.shown) as check:
                    self._fill(wanted, registries, partial, check)
                    if partial.finish()["sha256"] != _hex(blob):
                        raise _other_bytes(wanted)
                    found = _checked(wanted, check)
            except (DigestMismatch, _BadLayerError):
                partial.remove()
                raise
            self._adopt(wanted.name, path, blob)
            partial.remove()
        return self._remember(wanted, found)

    def _fill(
        self, wanted: Wanted, registries: Registries, partial: Partial, check: LayerCheck
    ) -> None:
        """Append what a partial file lacks."""
        blob = wanted.blob
        pieces = registries.iter_blob(wanted.name, blob.digest, blob.size, partial.size)
        with (
            closing(pieces),
            self._progress.count(wanted.shown, blob.size, done=partial.size) as advance,
        ):
            check.reach(partial.size)
            for piece in pieces:
                partial.append(piece)
                check.reach(partial.size)
                advance(len(piece))

    def _online(self, name: ImageName) -> Registries:
        """Return who can be asked.

        Raises:
            FetchError: the network must not be used.
        """
        if self._registries is None:
            raise FetchError(
                f"{name.text}: it is not in the cache, and the network must not be used",
                hint="build once without --offline, or copy the cache of a machine that has it",
            )
        return self._registries

    def _adopt(self, name: ImageName, path: Path, blob: Descriptor) -> Path:
        """Move a file with the right digest into the cache."""
        found = {"sha256": _hex(blob)}
        origin = f"docker://{name.path}@{blob.digest}"
        return self._cache.adopt(path, found, filename=blob.digest, url=origin).path

    def _known(self, wanted: Wanted) -> Layer | None:
        """Return what an earlier check of a layer found, when it fits the image."""
        path = self._cache.folder(_LAYERS) / f"{_hex(wanted.blob)}.json"
        try:
            found = Layer(**json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError, RecursionError):
            return None
        return found if found.diff_id == wanted.diff_id else None

    def _remember(self, wanted: Wanted, layer: Layer) -> Layer:
        """Keep what a check found."""
        folder = self._cache.folder(_LAYERS)
        _write(folder / f"{_hex(wanted.blob)}.json", asdict(layer))
        return layer

    def _digest(self, archive: Archive) -> str:
        """Return the digest of an archive."""
        path = self._cache.folder(_ARCHIVES) / f"{archive.recipe}.json"
        try:
            return str(json.loads(path.read_bytes())["sha256"])
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            pass
        digest = sha256()
        for piece in archive.pieces(self._read):
            digest.update(piece)
        _write(path, {"sha256": digest.hexdigest()})
        return digest.hexdigest()

    def _open(self, archive: Archive) -> BinaryIO:
        """Open an archive for reading."""
        return io.BufferedReader(Pieces(archive.pieces(self._read)), PIECE)

    def _read(self, blob: Descriptor) -> Iterator[bytes]:
        """Yield a blob of the cache.

        Raises:
            HostError: it is not there any more, or was cut short.
        """
        path, done = self._cache.directory / "blobs" / "sha256" / _hex(blob), 0
        with host_errors(path), path.open("rb", buffering=0) as stream:
            while piece := stream.read(PIECE):
                done += len(piece)
                yield piece
        if done != blob.size:
            raise HostError(f"{path}: has {done} bytes; wanted {blob.size}", hint=_AGAIN)


class _BadLayerError(FetchError):
    """A layer that is not valid."""


_OTHER = "use another image or tag; whoever publishes it has to build it anew"
_AGAIN = "run `photon-builder cache verify`, then this again"


def _checked(wanted: Wanted, check: LayerCheck) -> Layer:
    """Return what a whole layer holds."""
    try:
        return check.finish(wanted.diff_id)
    except FormatError as error:
        raise _BadLayerError(str(error), hint=_OTHER) from error


def _other_bytes(wanted: Wanted) -> DigestMismatch:
    """Return the error for a blob that another one was sent for."""
    return DigestMismatch(
        f"{wanted.shown}: the registry sent other bytes than {wanted.blob.digest} names",
        hint="something between the registry and this machine changes its answers; nothing was "
        "kept of it",
    )


def _hex(blob: Descriptor) -> str:
    """Return the digest of a blob as the cache has it."""
    return blob.digest.removeprefix("sha256:")


def _write(path: Path, value: object) -> None:
    """Write a note, whole or not at all."""
    with host_errors(path):
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(value))
        fresh.replace(path)
