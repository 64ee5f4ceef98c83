"""Package repositories: their host moved, their key changed, and old bases know neither."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from builder.blob import Blob
from builder.changes import ReplaceText, SetUnitState, UnitState, WriteFile
from builder.features import Context, Feature, Reasoned, Requested
from builder.guest.repositories import FILES, KEY, OLD_KEY, UNIT, UNIT_PATH, UNIT_TEXT, key_line

SCHEMA = {
    "type": "object",
    "description": "What tdnf reads from /etc/yum.repos.d.",
    "additionalProperties": False,
    "properties": {
        "fix_host": {
            "type": "boolean",
            "default": True,
            "description": "Write the present host of Photon's packages into the base's own files.",
        },
        "fix_key": {
            "type": "boolean",
            "default": True,
            "description": "Add the key that signs Photon's packages since 2024, where the base "
            "does not have it.",
        },
        "install_from": {
            "enum": ["enabled", "release", "updates"],
            "description": "Which repositories a disk takes `packages` from on its first boot: "
            "those that the base has enabled, that of the release as it was published, or that of "
            "its updates. Default: `release` for 5.0 GA, `enabled` for all others.",
        },
        "install": {
            "enum": ["image", "online"],
            "default": "image",
            "description": "`image`: `packages` come with the image of a disk, resolved and "
            "checked when it is built. `online`: the guest fetches them on its first boot with a "
            "network.",
        },
        "may_update": {
            "type": "boolean",
            "default": False,
            "description": "Let `packages` replace the C library, systemd, rpm or the kernel.",
        },
    },
}
MOVED = (
    ("packages.vmware.com", "packages.broadcom.com"),
    ("dl.bintray.com/vmware", "packages.broadcom.com/photon/$releasever"),
)
"""Hosts that no longer answer, and where their content is; the second is of 3.0 GA and Rev2."""

_KEY_FILE = Path(__file__).parents[1] / "data" / "VMWARE-RPM-GPG-KEY-4096"
_SEVERAL_KEYS = 3
"""First version of tdnf that takes several keys a repository."""


def changes(value: Mapping[str, Any], context: Context) -> Iterator[Requested]:
    """Yield a replacement for each host that is gone, and the key that is missing."""
    if value.get("fix_host", True):
        for old, new in MOVED:
            yield Reasoned(ReplaceText(FILES, old, new), f"{old} no longer serves packages")
    if value.get("fix_key", True) and not context.facts.has_key_4096:
        yield from _key_changes(context)


def _key_changes(context: Context) -> Iterator[Requested]:
    """Yield the key of today, for a base that has the one of 2008 alone."""
    reason = "packages are signed by it since 2024, and this base has the key before it alone"
    content = Blob.of(_KEY_FILE.read_bytes())
    yield Reasoned(WriteFile(KEY, content, unless=KEY), reason)
    found = re.match(r"\d+", context.facts.version_of("tdnf"))
    is_old = int(found[0] if found else 0) < _SEVERAL_KEYS
    keys = (KEY,) if is_old else (OLD_KEY, KEY)
    why = "tdnf before 3.0.0 takes one key a repository" if is_old else reason
    yield Reasoned(ReplaceText(FILES, key_line(OLD_KEY), key_line(*keys)), why)
    if is_old:
        why = "tdnf before 3.0.0 leaves it to rpm to import keys"
        yield Reasoned(WriteFile(UNIT_PATH, Blob.text(UNIT_TEXT)), why)
        yield Reasoned(SetUnitState(UNIT, UnitState.ENABLED), why)


FEATURE = Feature(
    "repositories",
    "Where packages come from",
    SCHEMA,
    changes,
    "{install_from: updates}",
    default={"fix_host": True, "fix_key": True},
)
