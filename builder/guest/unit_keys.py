"""Sections and keys of unit files, by the version of systemd that knows them.

Source: ``data/unit_keys.json``, made of systemd's own tables; systemd.unit(5) for the sections.
``systemd-analyze verify`` judges this module in the tests.
"""

import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from builder.engine.text.systemd import iter_lines

_DATA = Path(__file__).parents[1] / "data" / "unit_keys.json"
_COMMON = ("Unit", "Install")
_PRIVATE = ("X-", "-")
"""Beginnings of sections and keys that are left to other programs."""

_OLDEST = 239
"""Version that a key has which is that old or older."""


def iter_unknown(text: str, unit: str, version: int) -> Iterator[tuple[int, str, str, int]]:
    """Yield what systemd would ignore: line number, section, key, first version that knows it.

    The key is empty where the whole section is unknown; the version is 0 where none is.

    Args:
        text: A unit file or a drop-in.
        unit: The unit's name, with its suffix.
        version: Version of systemd; 0 when it is not known.
    """
    sections = (*_COMMON, unit.rpartition(".")[2].capitalize())
    section = ""
    for number, line in iter_lines(text):
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
            if section not in sections and not section.startswith(_PRIVATE):
                yield number, section, "", 0
            continue
        key = line.partition("=")[0].strip()
        if section not in sections or "=" not in line or key.startswith(_PRIVATE):
            continue
        since = known_keys(section).get(key, 0)
        if not since or (version and since > version):
            yield number, section, key, since


@functools.cache
def known_keys(section: str) -> Mapping[str, int]:
    """Return the keys of a section, each with the first version of systemd that knows it."""
    table: Any = json.loads(_DATA.read_bytes())
    groups = (section, *table["shares"].get(section, ()))
    return {
        key: int(version or _OLDEST)
        for group in groups
        for version, keys in table["keys"].get(group, {}).items()
        for key in keys.split()
    }
