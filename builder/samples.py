"""Artifacts that were made from the sample base: which they are, and that they do not boot."""

import struct
from pathlib import Path

from builder.artifact import read_provenance
from builder.base import SAMPLE_NAME
from builder.engine.tree import exists, read_text
from builder.errors import BuilderError
from builder.formats.disk_file import is_packed_disk
from builder.guestpath import guest
from builder.images import open_image, read_head, read_release_of
from builder.sample.nodes import SIGNATURE

SENTENCE = (
    "it was made from the sample base, which has no kernel and no boot loader: it does not boot"
)
HINT = 'to get one that boots, build it on a published base: base: {release: "5.0"}'

_VARIANT = "sample"
"""VARIANT_ID of the sample, in its os-release(5)."""

_README = guest("/README.txt")
_TITLE = "photon-builder's sample medium"
_SIGNATURE_AT = 440


def is_sample(artifact: Path) -> bool:
    """Return whether a file was made from the sample base: by provenance, else by content.

    A disk that is packed is not unpacked for that; without its provenance it passes.
    """
    told = read_provenance(artifact).get("base")
    if isinstance(told, dict):
        return str(told.get("name")).startswith(SAMPLE_NAME)
    return _is_sample_inside(artifact)


def is_sample_card(sector: bytes) -> bool:
    """Tell the sample card by the first sector of a disk."""
    wanted = struct.pack("<I", SIGNATURE)
    return sector[_SIGNATURE_AT : _SIGNATURE_AT + len(wanted)] == wanted


def _is_sample_inside(artifact: Path) -> bool:
    """Tell by the release that the guest says it is, or by what the medium says of itself."""
    found = read_release_of(artifact)
    if found is not None:
        return found.variant == _VARIANT
    try:
        if is_packed_disk(read_head(artifact)):
            return False
        with open_image(artifact) as image:
            root = image.root()
            is_medium = not image.has_guest and exists(root, _README)
            return is_medium and read_text(root, _README).startswith(_TITLE)
    except (BuilderError, OSError):
        return False
