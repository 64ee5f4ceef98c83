"""RPM files as a lock file lists them."""

import re
from collections.abc import Mapping
from typing import Any

from builder.digests import check_digests
from builder.structs import Struct

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~^-]*\.rpm")


class PackageFile(Struct, frozen=True):
    """An RPM file.

    Attributes:
        name: Of the file.
        url: Where it lies; empty for a file of the spec.
        sha256: Its digest.
        size: Its length.
    """

    name: str
    url: str
    sha256: str
    size: int


def parse_package_file(row: Mapping[str, Any]) -> PackageFile:
    """Return what a row of a lock file says; anything else than such a row raises ValueError."""
    name, url = str(row["name"]), str(row["url"])
    sha256 = check_digests({"sha256": row["sha256"]})["sha256"]
    if not _NAME.fullmatch(name) or not isinstance(row["size"], int) or row["size"] <= 0:
        raise ValueError("wanted the name of an RPM file, and its size in bytes")
    return PackageFile(name, url, sha256, row["size"])
