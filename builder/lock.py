"""The lock file: digests of files that nobody published any for, recorded when first seen.

``photon-builder.lock`` lies beside the spec and belongs into version control. From then on a
file that is not the same is refused. Trust on first use: the record is worth what the first
download was worth.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from builder.artifact import write_beside
from builder.digests import check_digests
from builder.errors import HostError, UsageError

NAME = "photon-builder.lock"
_SCHEMA = "photon-builder/lock/v1"

Locked = Mapping[str, Mapping[str, str]]
"""Address or published file name to algorithm to digest."""


def read_lock(directory: Path) -> Locked:
    """Return what the lock file of a folder of specs records; nothing when there is none.

    Raises:
        UsageError: it is damaged.
        HostError: it cannot be read.
    """
    path = directory / NAME
    try:
        text = path.read_text()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise HostError(f"{path}: {error.strerror or error}") from error
    try:
        record = json.loads(text)
        files = record["files"]
        if record["schema"] != _SCHEMA:
            raise UsageError(f"{path}: found schema {record['schema']}, wanted {_SCHEMA}")
        return {str(name): check_digests(digests) for name, digests in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path}: is no lock file of photon-builder",
            hint="restore it from version control, or remove it and run `photon-builder lock`",
        ) from error


def write_lock(directory: Path, locked: Locked) -> Path:
    """Write the lock file of a folder of specs."""
    path = directory / NAME
    record = {"schema": _SCHEMA, "files": {name: dict(d) for name, d in sorted(locked.items())}}
    write_beside(path, json.dumps(record, indent=2) + "\n")
    return path
