"""A container image in an archive: an OCI layout, such as the target for containers makes.

Format: OCI Image Format Specification 1.1, image layout and manifest, in an uncompressed tar.
"""

import io
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from builder.errors import FormatError, GuestError
from builder.formats.compression import iter_stream, sniff
from builder.formats.disk import FileDisk
from builder.formats.scratch import make_scratch
from builder.formats.tar import Member, read_members
from builder.guest.os_release import parse_release
from builder.guestpath import guest
from builder.images import Container, Image, name_base
from builder.roots.disk import Volume
from builder.roots.mounted import MountedRoot
from builder.roots.read_only import ReadOnlyFilesystem
from builder.structs import Struct

_LAYOUT = b"oci-layout\0"
_LARGEST_TEXT = 4 << 20
_MOST_LAYERS = 128
_LARGEST_LAYER = 64 << 30


class _Archive(Struct, frozen=True):
    """The members of an archive, and where their bytes are."""

    fd: int
    name: str
    members: Mapping[str, Member]

    def read(self, path: str) -> dict[str, Any]:
        """Return the object in JSON that a member holds; of a list, its only entry."""
        member = self._member(path)
        if member.size > _LARGEST_TEXT:
            raise FormatError(f"{self.name}: {path} has {member.size} bytes")
        content = os.pread(self.fd, member.size, member.offset)
        try:
            value = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise FormatError(f"{self.name}: {path} is not valid JSON: {error}") from error
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if not isinstance(value, dict):
            raise FormatError(f"{self.name}: {path} does not describe one image")
        return value

    def blob(self, row: Mapping[str, Any]) -> Member:
        """Return the member with the blob that a descriptor names."""
        digest = str(row.get("digest", ""))
        member = self._member(_blob_path(row))
        if member.size != row.get("size"):
            raise FormatError(
                f"{self.name}: {digest} has {member.size} bytes, not the {row.get('size')} of its "
                "manifest"
            )
        return member

    def _member(self, path: str) -> Member:
        found = self.members.get(path)
        if found is None:
            raise FormatError(f"{self.name}: has no {path}")
        return found


class ContainerImage(Image):
    """An image whose tree is that of its layers."""

    def __init__(self, archive: _Archive, disk: FileDisk, stack: ExitStack) -> None:
        self._archive = archive
        self._stack = stack
        index = archive.read("index.json")
        entry = _first(index, "manifests", archive.name)
        self._manifest = archive.read(archive.blob(entry).name)
        self._config = archive.read(archive.blob(self._manifest.get("config", {})).name)
        super().__init__("container", disk, self._facts(entry), self._check, has_guest=False)

    def volumes(self) -> tuple[Volume, ...]:
        """Return none."""
        return ()

    def root(self) -> MountedRoot:
        """Return what a container of the image sees."""
        return self._tree

    @cached_property
    def _tree(self) -> MountedRoot:
        from builder.roots.layers import LayersTree

        tree = LayersTree()
        for row in self._layers:
            tree.add_layer(self._unpack(row, diff_id=""), str(row.get("digest")))
        return MountedRoot({guest("/"): ReadOnlyFilesystem(tree, "a container image")})

    @property
    def _layers(self) -> list[Mapping[str, Any]]:
        rows = self._manifest.get("layers")
        if not isinstance(rows, list) or not 0 < len(rows) <= _MOST_LAYERS:
            raise FormatError(f"{self._archive.name}: its manifest lists no layers, or too many")
        return rows

    def _facts(self, entry: Mapping[str, Any]) -> dict[str, object]:
        """Return what the image says of itself."""
        run = self._config.get("config") or {}
        names = entry.get("annotations") or {}
        return {
            "name": str(names.get("io.containerd.image.name", "")),
            "digest": str(entry.get("digest", "")),
            "platform": f"{self._config.get('os')}/{self._config.get('architecture')}",
            "layers": len(self._layers),
            "command": [*(run.get("Entrypoint") or ()), *(run.get("Cmd") or ())],
            **self._release(),
        }

    def _release(self) -> dict[str, str]:
        """Return which Photon the tree says that it is."""
        from builder.engine.tree import read_text
        from builder.guest.os_release import OS_RELEASE, PHOTON_RELEASE

        texts = (read_text(self.root(), path, missing="") for path in (OS_RELEASE, PHOTON_RELEASE))
        try:
            release = parse_release(*texts)
        except GuestError:
            return {}
        return {"release": release.version, "build": release.build, "base": name_base(release)}

    def _check(self, full: bool) -> None:
        """Check that every blob is the one that the manifest names; ``full``: and its content."""
        self._check_names()
        if not full:
            return
        for member in self._archive.members.values():
            if member.name.startswith("blobs/sha256/") and member.kind == "file":
                digest = _digest(self._archive.fd, member)
                if digest != member.name.rpartition("/")[2]:
                    raise FormatError(
                        f"{self._archive.name}: {member.name} has the digest {digest}"
                    )
        ids = (self._config.get("rootfs") or {}).get("diff_ids") or []
        if len(ids) != len(self._layers):
            raise FormatError(
                f"{self._archive.name}: {len(self._layers)} layers, but its configuration names "
                f"{len(ids)}"
            )
        for row, diff_id in zip(self._layers, ids, strict=True):
            self._unpack(row, diff_id=str(diff_id))

    def _check_names(self) -> None:
        """Check that what docker reads and what containerd reads is one image."""
        name = self._archive.name
        if self._archive.read("oci-layout") != {"imageLayoutVersion": "1.0.0"}:
            raise FormatError(f"{name}: oci-layout has another version than 1.0.0")
        found = self._archive.read("manifest.json")
        wanted = {
            "Config": _blob_path(self._manifest["config"]),
            "Layers": [_blob_path(row) for row in self._layers],
        }
        if {key: found.get(key) for key in wanted} != wanted:
            raise FormatError(f"{name}: manifest.json and index.json are of different images")
        tags = found.get("RepoTags") or [""]
        full = str(self.facts["name"])
        if not full.endswith(tags[0]):
            raise FormatError(f"{name}: is called {tags[0]} and {full}")

    def _unpack(self, row: Mapping[str, Any], *, diff_id: str) -> BinaryIO:
        """Return a layer unpacked into a file; it must have a digest unless that is empty."""
        from builder.formats.layer import Walk
        from builder.roots.layers import Range

        member = self._archive.blob(row)
        path = make_scratch()
        out = self._stack.enter_context(path.open("w+b"))
        walk, digest = Walk(member.name, _LARGEST_LAYER), sha256()
        kind = sniff(os.pread(self._archive.fd, 8, member.offset), name=member.name)
        part = io.BufferedReader(Range(self._archive.fd, member.offset, member.size))
        for piece in iter_stream(part, kind, member.name):
            walk.feed(piece)
            digest.update(piece)
            out.write(piece)
        walk.finish()
        found = f"sha256:{digest.hexdigest()}"
        if diff_id and found != diff_id:
            raise FormatError(
                f"{self._archive.name}: {member.name} unpacks to {found}; the configuration says "
                f"{diff_id}"
            )
        out.seek(0)
        return out


def _blob_path(row: Mapping[str, Any]) -> str:
    """Return where a layout has the blob of a descriptor."""
    return f"blobs/{str(row.get('digest')).replace(':', '/')}"


def _first(record: Mapping[str, Any], key: str, name: str) -> Mapping[str, Any]:
    """Return the first entry of a list in a record."""
    rows = record.get(key)
    if not isinstance(rows, list) or not rows or not isinstance(rows[0], dict):
        raise FormatError(f"{name}: index.json names no image")
    return rows[0]


def _digest(fd: int, member: Member) -> str:
    """Return the SHA-256 of a member."""
    digest, at, end = sha256(), member.offset, member.offset + member.size
    while at < end and (piece := os.pread(fd, min(1 << 20, end - at), at)):
        digest.update(piece)
        at += len(piece)
    return digest.hexdigest()


def _sniff(head: bytes) -> bool:
    """Return whether an archive begins with the mark of an OCI layout."""
    return head.startswith(_LAYOUT)


@contextmanager
def _open(path: Path) -> Iterator[Image]:
    """Open an archive."""
    with ExitStack() as stack:
        disk = stack.enter_context(FileDisk(path))
        stream = stack.enter_context(path.open("rb"))
        members = read_members(stream.fileno(), path.stat().st_size, name=path.name)
        archive = _Archive(stream.fileno(), path.name, {each.name: each for each in members})
        yield ContainerImage(archive, disk, stack)


CONTAINER = Container("container", _sniff, _open, order=0)
