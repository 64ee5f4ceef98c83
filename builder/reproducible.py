"""What makes two builds equal: one clock, and identifiers derived instead of drawn.

Source: https://reproducible-builds.org/specs/source-date-epoch/
"""

import os
import time
import uuid

from builder.errors import UsageError

VARIABLE = "SOURCE_DATE_EPOCH"
_NAMESPACE = uuid.UUID("6f5d1d0e-3d0c-5c7a-9a55-7d1b8a0f2c11")


def pinned_timestamp() -> int | None:
    """Return ``SOURCE_DATE_EPOCH`` in seconds since the epoch, or ``None`` when unset.

    Raises:
        UsageError: the variable is not a number of seconds that fits 32 bits.
    """
    text = os.environ.get(VARIABLE, "")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or int(text) >= 1 << 32:
        raise UsageError(
            f"{VARIABLE} is {text!r}; wanted whole seconds since 1970, below 2^32",
            hint=f"export {VARIABLE}=$(git log -1 --format=%ct)",
        )
    return int(text)


def timestamp() -> int:
    """Return the time to write into everything that is made: pinned, else now."""
    pinned = pinned_timestamp()
    return int(time.time()) if pinned is None else pinned


def derived_uuid(*parts: str) -> uuid.UUID:
    """Return the UUID (version 5) that ``parts`` always give."""
    return uuid.uuid5(_NAMESPACE, "\0".join(parts))
