"""Names of the modules that a kernel has, as depmod lists them.

Source: modules.dep(5), and depmod of kmod for modules.builtin and modules.alias. Names of files
end with .ko, compressed or not; the kernel takes - for _.
"""

from __future__ import annotations

import re
from typing import FrozenSet

LISTS = ("modules.dep", "modules.builtin", "modules.alias")
"""Lists that name modules, of those in the folder of a kernel."""

_FILE = re.compile(r"^(?:[^:\s]*/)?([^/:\s]+)[.]ko(?:[.](?:gz|xz|zst))?(?=:|$)", re.MULTILINE)
_ALIAS = re.compile(r"^alias (\S+) \S+$", re.MULTILINE)


def module_names(text: str) -> FrozenSet[str]:
    """Return the names in one of the lists, with ``_`` for ``-``; an alias is a name, too."""
    found = (*_FILE.findall(text), *_ALIAS.findall(text))
    return frozenset(name.replace("-", "_") for name in found)
