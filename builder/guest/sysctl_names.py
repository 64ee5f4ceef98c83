"""Names of kernel parameters: which there are, and which of them take numbers.

Source: ``data/sysctl.json``; sysctl.d(5) for how a name is written. A kernel may have parameters
that the table lacks, so a name that is not in it says nothing by itself.
"""

import functools
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_DATA = Path(__file__).parents[1] / "data" / "sysctl.json"
_OF_INTERFACES = re.compile(r"(net[.]ipv[46][.](?:conf|neigh)[.]).+([.][^.]+)")
_NUMBER = r"[-+]?(?:0[xX][0-9a-fA-F]+|[0-9]+)"
_NUMBERS = re.compile(rf"\s*{_NUMBER}(?:[\s,]+{_NUMBER})*\s*")


def plain_name(key: str) -> str:
    """Return a name as the table has it: with dots, without ``-`` in front, interfaces as ``*``."""
    name = key.removeprefix("-")
    if "/" in name.partition(".")[0]:
        name = name.translate(str.maketrans("/.", "./"))
    return _OF_INTERFACES.sub(r"\g<1>*\g<2>", name)


@functools.cache
def known_names() -> Mapping[str, bool]:
    """Return the names that are known, each with whether it takes numbers."""
    table: Any = json.loads(_DATA.read_bytes())
    return {
        f"{folder}.{name}": kind == "numbers"
        for kind in ("numbers", "texts")
        for folder, names in table[kind].items()
        for name in names.split()
    }


def is_number(value: str | int) -> bool:
    """Return whether a value is one number, or several."""
    return isinstance(value, int) or bool(_NUMBERS.fullmatch(value))
