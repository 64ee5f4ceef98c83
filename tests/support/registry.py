"""A container registry on loopback, Debian's own, and images that skopeo pushes into it."""

import hashlib
import io
import json
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.judges import judge, require
from tests.support.server import closed_port

OCI = "application/vnd.oci.image"
MANIFEST = f"{OCI}.manifest.v1+json"
INDEX = f"{OCI}.index.v1+json"


@dataclass(frozen=True)
class Registry:
    """A running registry.

    Attributes:
        host: Address and port, as image names begin.
        folder: For layouts.
    """

    host: str
    folder: Path

    def push(self, name: str, platforms: tuple[str, ...], *options: str, text: str = "1") -> None:
        """Push an image made for ``platforms``; ``text`` tells one build from another.

        Args:
            name: Repository and tag.
            platforms: Such as ``linux/arm/v7``.
            *options: Of ``skopeo copy``; without ``--all`` one platform is picked.
            text: What the image holds.
        """
        layout = make_layout(self.folder / "layout", platforms, text)
        target = f"docker://{self.host}/{name}"
        judge("skopeo", "copy", *options, "--dest-tls-verify=false", f"oci:{layout}:it", target)

    def raw(self, name: str) -> bytes:
        """Return a manifest as skopeo reads it."""
        told = judge("skopeo", "inspect", "--raw", "--tls-verify=false", self._docker(name))
        return told.stdout.encode()

    def digest(self, name: str) -> str:
        """Return the digest of what a tag means, by skopeo."""
        return f"sha256:{hashlib.sha256(self.raw(name)).hexdigest()}"

    def _docker(self, name: str) -> str:
        """Return a name as skopeo writes it."""
        return f"docker://{self.host}/{name}"


@contextmanager
def serve_registry(folder: Path) -> Iterator[Registry]:
    """Run a registry on 127.0.0.1 until the end of the block."""
    program, port = require("docker-registry"), closed_port()
    require("skopeo")
    settings = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "storage")}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    (folder / "registry.yml").write_text(json.dumps(settings))
    with subprocess.Popen(
        [program, "serve", str(folder / "registry.yml")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            _wait_for(port)
            yield Registry(f"127.0.0.1:{port}", folder)
        finally:
            process.terminate()


def make_layout(folder: Path, platforms: tuple[str, ...], text: str) -> Path:
    """Make an OCI image layout with an index of one small image a platform."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "blobs/sha256").mkdir(parents=True)
    manifests = [_manifest(folder, platform, text) for platform in platforms]
    index = _blob(folder, INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})
    named = {**index, "annotations": {"org.opencontainers.image.ref.name": "it"}}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
    (folder / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}))
    return folder


def _manifest(folder: Path, platform: str, text: str) -> dict[str, Any]:
    """Make the image of one platform and return the descriptor of its manifest."""
    system, machine, *variant = platform.split("/")
    about = {"os": system, "architecture": machine}
    if variant:
        about["variant"] = variant[0]
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        member = tarfile.TarInfo(f"{machine}-{text}")
        archive.addfile(member)
    layer = _blob(folder, f"{OCI}.layer.v1.tar", stream.getvalue())
    rootfs = {"type": "layers", "diff_ids": [layer["digest"]]}
    config = _blob(folder, f"{OCI}.config.v1+json", {**about, "config": {}, "rootfs": rootfs})
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}
    return {**_blob(folder, MANIFEST, manifest), "platform": about}


def _blob(folder: Path, media_type: str, content: dict[str, Any] | bytes) -> dict[str, Any]:
    """Write a blob and return its descriptor."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    digest = hashlib.sha256(body).hexdigest()
    (folder / "blobs/sha256" / digest).write_bytes(body)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(body)}


def _wait_for(port: int) -> None:
    """Wait until somebody listens."""
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
