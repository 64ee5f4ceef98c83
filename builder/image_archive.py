"""An archive of one image that every Docker loads: a docker-archive and an OCI layout at once.

Source: OCI Image Layout Specification 1.1, and `docker save`. Docker's own image store reads
``manifest.json``, the store of containerd ``index.json``; both name the same blobs, which are the
registry's own, packed as they came. So the size of the archive follows from the manifests alone,
and its bytes follow from theirs.
"""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from hashlib import sha256

from builder.image_names import Descriptor, ImageName, Variant
from builder.structs import Struct

LAYOUT = "oci-layout"
_BLOCK, _RECORD = 512, 10240
_LARGEST_USTAR = 8**11
_SPARE = 256 << 20
_INDEX_TYPE = "application/vnd.oci.image.index.v1+json"

ReadBlob = Callable[[Descriptor], Iterator[bytes]]


class Image(Struct, frozen=True):
    """An image for one platform.

    Attributes:
        name: What it is called.
        variant: Its blobs.
    """

    name: ImageName
    variant: Variant

    @property
    def top(self) -> Descriptor:
        """What the tag means."""
        return self.variant.index or self.variant.manifest

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """Every blob once."""
        known = self.variant
        parts = (known.index, known.manifest, known.config, *known.layers)
        return tuple({part.digest: part for part in parts if part}.values())


class Archive(Struct, frozen=True):
    """One image as a tar archive.

    Attributes:
        image: The image.
        there: Digests of the lowest layers that another archive brings, which is loaded before.
        reads_zstd: Whether the engine does; else such layers are packed anew, and the size that
            is known before is a guess.
    """

    image: Image
    there: tuple[str, ...] = ()
    reads_zstd: bool = True

    @property
    def is_repacked(self) -> bool:
        """Whether it has layers that are packed anew."""
        return not self.reads_zstd and any(
            layer.media_type.endswith("zstd") for layer in self.image.variant.layers
        )

    @property
    def members(self) -> tuple[tuple[str, bytes | Descriptor], ...]:
        """Name and content of each member; of blobs, what describes them."""
        image = self.image
        texts = (
            (LAYOUT, {"imageLayoutVersion": "1.0.0"}),
            ("index.json", _index(image)),
            ("manifest.json", _manifest(image)),
        )
        kept = {layer.digest for layer in image.variant.layers[len(self.there) :]}
        gone = {*self.there} - kept
        blobs = ((_path(each), each) for each in image.blobs if each.digest not in gone)
        return (*((name, _json(value)) for name, value in texts), *blobs)

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """The blobs in it."""
        return tuple(content for _, content in self.members if isinstance(content, Descriptor))

    @property
    def size(self) -> int:
        """Bytes of the archive."""
        body = sum(_BLOCK + _padded(_length(content)) for _, content in self.members)
        return -(-(body + 2 * _BLOCK) // _RECORD) * _RECORD

    @property
    def recipe(self) -> str:
        """A digest, in hex, of what the bytes of the archive follow from."""
        rows = [
            (name, content.digest if isinstance(content, Descriptor) else content.decode())
            for name, content in self.members
        ]
        told = [rows, "gzip"] if self.is_repacked else rows
        return sha256(_json(told)).hexdigest()

    def pieces(self, read_blob: ReadBlob) -> Iterator[bytes]:
        """Yield the archive.

        Args:
            read_blob: Returns the bytes of a blob, as many as its descriptor says.
        """
        done = 0
        for name, content in self.members:
            size = _length(content)
            yield _header(name, size)
            if isinstance(content, Descriptor):
                yield from read_blob(content)
            else:
                yield content
            yield bytes(_padded(size) - size)
            done += _BLOCK + _padded(size)
        yield bytes(self.size - done)


def archives_of(images: Collection[Image], *, reads_zstd: bool = True) -> tuple[Archive, ...]:
    """Return an archive for each image, in the order in which they have to be loaded.

    A layer is left out when an earlier image has it upon the same ones: Docker's own store keeps
    layers by all that is below them.
    """
    found: list[Archive] = []
    for image in sorted(images, key=lambda image: image.name.short):
        shared = max((_common(image, other.image) for other in found), default=0)
        there = tuple(layer.digest for layer in image.variant.layers[:shared])
        found.append(Archive(image, there, reads_zstd))
    return tuple(found)


def peak(archives: Sequence[Archive]) -> int:
    """Return the bytes that a guest needs for archives until all are loaded and removed.

    dockerd copies an archive before it loads it; the store of containerd keeps the packed layers.
    """
    sizes = [archive.size for archive in archives]
    unpacked = [archive.image.variant.unpacked * 11 // 10 for archive in archives]
    own = [sum(sizes[at:]) + sizes[at] + sum(unpacked[: at + 1]) for at in range(len(archives))]
    containerds = [sum(sizes) + sizes[at] + sum(unpacked[: at + 1]) for at in range(len(archives))]
    return max((*own, *containerds), default=0) + (_SPARE if archives else 0)


def _common(one: Image, other: Image) -> int:
    """Return how many of their lowest layers two images have in common."""
    count = 0
    for mine, theirs in zip(one.variant.layers, other.variant.layers, strict=False):
        if mine.digest != theirs.digest:
            break
        count += 1
    return count


def _index(image: Image) -> dict[str, object]:
    """Return what the store of containerd reads: podman and umoci want the tag by itself."""
    top, short = image.top, image.name.short
    tag = short.rpartition(":")[2]
    names = {
        "io.containerd.image.name": f"{image.name.path}:{tag}",
        "org.opencontainers.image.ref.name": tag,
    }
    entry = {
        "mediaType": top.media_type,
        "digest": top.digest,
        "size": top.size,
        "annotations": names,
    }
    return {"schemaVersion": 2, "mediaType": _INDEX_TYPE, "manifests": [entry]}


def _manifest(image: Image) -> list[dict[str, object]]:
    """Return what Docker's own store reads."""
    entry: dict[str, object] = {
        "Config": _path(image.variant.config),
        "RepoTags": [image.name.short],
        "Layers": [_path(layer) for layer in image.variant.layers],
    }
    return [entry]


def _path(blob: Descriptor) -> str:
    """Return where a layout has a blob."""
    return f"blobs/{blob.digest.replace(':', '/')}"


def _json(value: object) -> bytes:
    """Return JSON that is the same wherever it is made."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _length(content: bytes | Descriptor) -> int:
    return len(content) if isinstance(content, bytes) else content.size


def _padded(size: int) -> int:
    """Return the bytes that content takes."""
    return -(-size // _BLOCK) * _BLOCK


def _header(name: str, size: int) -> bytes:
    """Return the header of a file that belongs to root."""
    import tarfile

    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    if size < _LARGEST_USTAR:
        return member.tobuf(tarfile.USTAR_FORMAT)
    return member.tobuf(tarfile.GNU_FORMAT)
