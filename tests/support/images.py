"""Container images made by hand: layers with every kind of member, packed in every way."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OCI = "application/vnd.oci.image"
MANIFEST = f"{OCI}.manifest.v1+json"
INDEX = f"{OCI}.index.v1+json"
_SUFFIXES = {"none": "", "gz": "+gzip", "zst": "+zstd"}
Member = tuple[tarfile.TarInfo, bytes]


def member(name: str, body: bytes = b"", kind: bytes = tarfile.REGTYPE, **more: object) -> Member:
    """Return a member of a layer; ``more`` are attributes of its header."""
    made = tarfile.TarInfo(name)
    made.type, made.size, made.mtime, made.mode = kind, len(body), 1_700_000_000, 0o644
    for key, value in more.items():
        setattr(made, key, value)
    return made, body


LOWER = (
    member("odd/", kind=tarfile.DIRTYPE, mode=0o755),
    member("odd/first", b"one"),
    member("odd/second", kind=tarfile.LNKTYPE, linkname="odd/first"),
    member("odd/suid", b"#!x", mode=0o4755),
    member("odd/null", kind=tarfile.CHRTYPE, devmajor=1, devminor=3),
    member("odd/pipe", kind=tarfile.FIFOTYPE),
    member("odd/link", kind=tarfile.SYMTYPE, linkname="../odd/first"),
    member("odd/" + "long" * 60, b"long name"),
    member("odd/ünï", b"utf-8"),
    member("odd/gone", b"to be removed"),
    member("odd/dir/", kind=tarfile.DIRTYPE, mode=0o755),
    member("odd/dir/hidden", b"to be hidden"),
    member("odd/note", b"x", pax_headers={"SCHILY.xattr.user.note": "hello"}),
)
UPPER = (
    member("odd/.wh.gone"),
    member("odd/dir/", kind=tarfile.DIRTYPE, mode=0o755),
    member("odd/dir/.wh..wh..opq"),
    member("odd/dir/shown", b"seen"),
    member("empty"),
)


def tar_of(members: Iterable[Member]) -> bytes:
    """Return members as a tar archive."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for header, body in members:
            archive.addfile(header, io.BytesIO(body))
    return stream.getvalue()


def pack(data: bytes, kind: str) -> bytes:
    """Return data packed with ``gz``, ``zst`` or ``none``."""
    if kind == "gz":
        return gzip.compress(data, mtime=0)
    if kind == "zst":
        import zstandard

        return zstandard.ZstdCompressor().compress(data)
    return data


@dataclass
class Layout:
    """An OCI image layout in a folder.

    Attributes:
        folder: Where it lies.
        manifests: Descriptors of its images.
    """

    folder: Path
    manifests: list[dict[str, Any]] = field(default_factory=list)

    def blob(self, media_type: str, content: dict[str, Any] | bytes) -> dict[str, Any]:
        """Write a blob and return its descriptor."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        digest = hashlib.sha256(body).hexdigest()
        place = self.folder / "blobs/sha256" / digest
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(body)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(body)}

    def add(
        self,
        layers: Iterable[bytes],
        *,
        kind: str = "gz",
        arch: str = "amd64",
        diff_ids: list[str] | None = None,
        manifest: dict[str, Any] | None = None,
        command: tuple[str, ...] = ("/bin/true",),
    ) -> dict[str, Any]:
        """Add an image for one platform and return the descriptor of its manifest.

        Args:
            layers: Tar archives.
            kind: How they are packed.
            arch: Of the platform.
            diff_ids: What the configuration says instead of their digests.
            manifest: Keys that the manifest has instead.
            command: What a container runs.
        """
        archives = list(layers)
        media_type = f"{OCI}.layer.v1.tar{_SUFFIXES[kind]}"
        blobs = [self.blob(media_type, pack(each, kind)) for each in archives]
        right = [f"sha256:{hashlib.sha256(each).hexdigest()}" for each in archives]
        platform = {"os": "linux", "architecture": arch}
        config = {
            **platform,
            "config": {"Cmd": list(command)},
            "rootfs": {"type": "layers", "diff_ids": diff_ids or right},
        }
        body = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.blob(f"{OCI}.config.v1+json", config),
            "layers": blobs,
            **(manifest or {}),
        }
        found = {**self.blob(MANIFEST, body), "platform": platform}
        self.manifests.append(found)
        return found

    def index(self) -> dict[str, Any]:
        """Join the images as one for several platforms and return the descriptor."""
        body = {"schemaVersion": 2, "mediaType": INDEX, "manifests": self.manifests}
        return self.blob(INDEX, body)

    def finish(self, top: dict[str, Any]) -> Path:
        """Name an image or an index ``it``."""
        named = {**top, "annotations": {"org.opencontainers.image.ref.name": "it"}}
        index = {"schemaVersion": 2, "manifests": [named]}
        (self.folder / "index.json").write_text(json.dumps(index))
        (self.folder / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}))
        return self.folder
