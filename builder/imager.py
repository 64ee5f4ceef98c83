"""``os_list.json``: the repository file of Raspberry Pi Imager.

Sources: raspberrypi/rpi-imager, ``doc/json-schema/os-list-schema.json``, and the list that it
reads by default, for ``devices`` (tags of boards) and ``image_download_sha256``. A person starts
``rpi-imager --repo URL``.

Sizes and digests are those that were recorded when an image was built, as far as they were.
Images in a tar are left out, since Imager would write the tar. ``init_format`` is ``none``:
Imager's own settings (user, Wi-Fi) would not reach a Photon OS; the spec has them.
"""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from builder.artifact import PROVENANCE, read_provenance
from builder.targets import Target, discover

NAME = "os_list.json"
_LATEST = 1 << 36
_ICON = "icons/use_custom.png"
"""An icon that Imager includes; its schema requires one."""


def list_images(folder: Path, url: str) -> dict[str, Any]:
    """Return the list of the card images in a folder; it may be empty.

    Args:
        folder: Directory of artifacts and their provenance.
        url: Public address of the folder.

    Raises:
        FormatError: an image whose content was not recorded is damaged.
    """
    images = (path.with_name(path.name.removesuffix(PROVENANCE)) for path in _records(folder))
    return {"os_list": [entry for path in images for entry in _entries(path, url)]}


def _records(folder: Path) -> list[Path]:
    """Return the records of a folder, in order."""
    return sorted(folder.glob(f"*{PROVENANCE}"))


def _entries(path: Path, url: str) -> Iterator[dict[str, Any]]:
    """Yield the entry of an artifact, if it is for a card."""
    record = read_provenance(path)
    target = discover().get(str(record.get("target")))
    if not isinstance(target, Target) or not target.boards or not path.is_file():
        return
    from builder.formats.disk_file import is_packed_in_tar

    if is_packed_in_tar(path):
        return
    told, base = record.get("artifact"), record.get("base")
    if not isinstance(told, dict) or not isinstance(base, dict):
        return
    release = str(base.get("release", ""))
    content = told.get("content")
    if not isinstance(content, dict) or not {"size", "sha256"} <= content.keys():
        content = _content(path)
    address = f"{url.rstrip('/')}/{quote(path.name)}"
    spec = record.get("spec")
    stem = spec.get("name") if isinstance(spec, dict) else None
    origin = base.get("name", "a base that was not recorded")
    yield {
        "name": f"{stem or path.name}: Photon OS {release}".rstrip(),
        "description": f"Photon OS for Raspberry Pi, made from {origin} by photon-builder",
        "icon": _ICON,
        "url": address,
        "extract_size": content["size"],
        "extract_sha256": content["sha256"],
        "image_download_size": path.stat().st_size,
        "image_download_sha256": told.get("sha256") or content["sha256"],
        "release_date": _date(record, path),
        "devices": list(target.boards.get(release) or target.boards[""]),
        "init_format": "none",
        **_block_map(path, address),
    }


def _date(record: Mapping[str, Any], path: Path) -> str:
    """Return the day on which an image was built; that of the file when it was not recorded."""
    told = record.get("timestamp")
    seconds = told if isinstance(told, int) and 0 <= told < _LATEST else path.stat().st_mtime
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def _block_map(path: Path, address: str) -> Mapping[str, str]:
    """Return the address of the block map of an image, if it has one."""
    name = f"{path.name}.bmap"
    return {"bmap_url": f"{address}.bmap"} if path.with_name(name).is_file() else {}


def _content(path: Path) -> Mapping[str, Any]:
    """Return size and digest of the unpacked image, which takes a while."""
    from builder.formats.compression import iter_unpacked

    digest, size = hashlib.sha256(), 0
    for piece in iter_unpacked(path):
        digest.update(piece)
        size += len(piece)
    return {"size": size, "sha256": digest.hexdigest()}
