"""Carry a plan into a container image: the published root filesystem, and one layer on top of it.

The published archive stays the first layer byte for byte, so its digest in the image is the
published one. What the plan changes is the second layer; removals are whiteouts in it.
"""

import gzip
import io
import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from builder.carriers.edit import operations
from builder.changes import FileOp
from builder.engine.tree import read_text
from builder.errors import FormatError, GuestError
from builder.formats import magic
from builder.formats.compression import Compression, iter_stream, sniff
from builder.formats.foreign_disks import describe_head
from builder.formats.layer import Walk
from builder.formats.sparse import open_scratch
from builder.guest.os_release import OS_RELEASE, PHOTON_RELEASE, parse_release
from builder.image_archive import Archive, Image
from builder.image_names import PLATFORMS, Descriptor, Variant, parse_image_name
from builder.job import Job, Made
from builder.roots.layer_file import write_layer
from builder.roots.layers import LayersTree
from builder.structs import Struct

_CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PIECE = 1 << 20
_HEAD = 1 << 16
_LARGEST_ROOT = 8 << 30
_PLAIN_LAYER = 1 << 20
"""A smaller layer is stored as it is: the same bytes whichever library would pack it."""

_RUNTIMES = frozenset({"/etc/hostname", "/etc/hosts", "/etc/resolv.conf"})
"""What docker, containerd and podman mount over in every container."""


class _Base(Struct, frozen=True):
    """The published layer.

    Attributes:
        descriptor: The blob.
        diff_id: ``sha256:`` and the digest of what it unpacks to.
        name: Of its file.
    """

    descriptor: Descriptor
    diff_id: str
    name: str


def build_container_image(job: Job) -> Made:
    """Make an image archive from a root filesystem.

    Raises:
        FormatError: the base is not an archive of a root filesystem, or is damaged.
        GuestError: the plan does not fit the base, or changes what every container replaces.
    """
    with open_scratch(job.directory) as fd, os.fdopen(os.dup(fd), "w+b") as unpacked:
        base = _unpack(job, unpacked)
        tree = LayersTree()
        tree.add_layer(unpacked, job.base.name)
        done = operations(tree, job.plan.steps, job.timestamp)
        _check(done)
        texts = (read_text(tree, path, missing="") for path in (OS_RELEASE, PHOTON_RELEASE))
        release = parse_release(*texts)
    blobs: dict[str, bytes | Path] = {base.descriptor.digest: job.base}
    layers, diff_ids = [base.descriptor], [base.diff_id]
    if done:
        layer, diff_id = _layer(done, job.timestamp)
        layers.append(_describe(layer, _LAYER_TYPE + ("+gzip" if layer[:2] == b"\x1f\x8b" else "")))
        diff_ids.append(diff_id)
        blobs[layers[-1].digest] = layer
    config = _json(_config(job, release.version, base.name, diff_ids))
    described = _describe(config, _CONFIG_TYPE)
    manifest = _json(_manifest(described, layers))
    top = _describe(manifest, _MANIFEST_TYPE)
    blobs |= {described.digest: config, top.digest: manifest}
    name = parse_image_name(str(_settings(job).get("name") or f"{job.name}:latest"))
    archive = Archive(Image(name, Variant(None, top, described, tuple(layers))))
    digest = sha256()
    for piece in archive.pieces(lambda blob: _read(blobs[blob.digest])):
        os.write(job.fd, piece)
        digest.update(piece)
    new = archive.size - base.descriptor.size
    return Made(digest.hexdigest(), archive.size, len(done), new)


def _unpack(job: Job, unpacked: BinaryIO) -> _Base:
    """Unpack the base into a file, and return what is known of it."""
    walk, diff, packed = Walk(job.base.name, _LARGEST_ROOT), sha256(), sha256()
    with job.base.open("rb") as stream:
        head = stream.read(_HEAD)
        kind = sniff(head[:8], name=job.base.name)
        what, _ = describe_head(head)
        if what and kind is Compression.NONE and magic.identify(head) is not magic.TAR:
            raise FormatError(
                f"{job.base.name}: is {what}; wanted the root filesystem that Photon publishes for "
                "containers, photon-rootfs-….tar.gz"
            )
        stream.seek(0)
        for piece in iter_stream(stream, kind, job.base.name):
            walk.feed(piece)
            diff.update(piece)
            unpacked.write(piece)
        walk.finish()
        stream.seek(0)
        while piece := stream.read(_PIECE):
            packed.update(piece)
        size = stream.tell()
    unpacked.flush()
    unpacked.seek(0)
    suffixes = {"gz": "+gzip", "zst": "+zstd", "none": ""}
    if kind.value not in suffixes:
        raise FormatError(f"{job.base.name}: is packed as {kind.value}; wanted gzip, zstd or none")
    media_type = _LAYER_TYPE + suffixes[kind.value]
    blob = Descriptor(f"sha256:{packed.hexdigest()}", size, media_type)
    return _Base(blob, f"sha256:{diff.hexdigest()}", job.base.name)


def _check(done: list[FileOp]) -> None:
    """Refuse what no container would see."""
    for op in done:
        if op.path in _RUNTIMES:
            raise GuestError(
                f"{op.path}: the runtime of a container writes its own over it",
                hint="give it to the container instead: `docker run --hostname`, `--add-host`, "
                "`--dns`",
                code="IMG001",
            )


def _layer(done: list[FileOp], timestamp: int) -> tuple[bytes, str]:
    """Return a layer with file operations, and the digest of what it unpacks to."""
    plain = io.BytesIO()
    write_layer(plain, done, mtime=timestamp)
    content = plain.getvalue()
    diff_id = f"sha256:{sha256(content).hexdigest()}"
    if len(content) < _PLAIN_LAYER:
        return content, diff_id
    packed = bytearray(gzip.compress(content, 6, mtime=0))
    packed[9] = 0xFF  # the system that packed it: unknown
    return bytes(packed), diff_id


def _config(job: Job, release: str, base: str, diff_ids: list[str]) -> dict[str, Any]:
    """Return the configuration of the image: labels and command as in Photon's own, and the spec's.

    Source: vmware/photon-docker-image@000b077b, docker/Dockerfile.
    """
    settings = _settings(job)
    arch = _arch(job.base.name)
    created = datetime.fromtimestamp(job.timestamp, UTC)
    labels = {
        "name": f"Photon OS {arch}/{release} Base Image",
        "vendor": "VMware",
        "build-date": f"{created:%Y%m%d}",
        **settings.get("labels", {}),
    }
    variables = {key: value for key, _, value in (_PATH.partition("="),)} | settings.get("env", {})
    run: dict[str, Any] = {
        "Cmd": settings.get("cmd", [] if "entrypoint" in settings else ["/bin/bash"]),
        "Env": [f"{key}={value}" for key, value in sorted(variables.items())],
        "Labels": labels,
        "WorkingDir": settings.get("workdir", "/"),
    }
    if "entrypoint" in settings:
        run["Entrypoint"] = settings["entrypoint"]
    if "user" in settings:
        run["User"] = str(settings["user"])
    if "expose" in settings:
        ports = (str(port) for port in settings["expose"])
        run["ExposedPorts"] = {port if "/" in port else f"{port}/tcp": {} for port in ports}
    stamp = f"{created:%Y-%m-%dT%H:%M:%SZ}"
    authors = [base, "photon-builder"][: len(diff_ids)]
    return {
        "architecture": PLATFORMS[arch].partition("/")[2],
        "os": "linux",
        "created": stamp,
        "config": run,
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [{"created": stamp, "created_by": author} for author in authors],
    }


def _manifest(config: Descriptor, layers: list[Descriptor]) -> dict[str, Any]:
    """Return the manifest of the image."""
    return {
        "schemaVersion": 2,
        "mediaType": _MANIFEST_TYPE,
        "config": _row(config),
        "layers": [_row(layer) for layer in layers],
    }


def _settings(job: Job) -> Mapping[str, Any]:
    """Return the section ``image`` of the spec."""
    found: Mapping[str, Any] = job.sections.get("image", {})
    return found


def _arch(filename: str) -> str:
    """Return the architecture that the file's name has; those without one are for x86_64."""
    return next((arch for arch in PLATFORMS if f".{arch}." in filename), "x86_64")


def _describe(content: bytes, media_type: str) -> Descriptor:
    return Descriptor(f"sha256:{sha256(content).hexdigest()}", len(content), media_type)


def _row(blob: Descriptor) -> dict[str, Any]:
    return {"mediaType": blob.media_type, "digest": blob.digest, "size": blob.size}


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _read(source: bytes | Path) -> Iterator[bytes]:
    """Yield the bytes of a blob."""
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as stream:
        while piece := stream.read(_PIECE):
            yield piece
