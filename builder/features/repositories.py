"""Package repositories: their host moved, and old bases still name the one that is gone."""

from collections.abc import Iterator, Mapping

from builder.changes import ReplaceText
from builder.features import Because, Context, Feature, Wish
from builder.guestpath import guest

SCHEMA = {
    "type": "object",
    "description": "What tdnf reads from /etc/yum.repos.d.",
    "additionalProperties": False,
    "properties": {
        "fix_host": {
            "type": "boolean",
            "default": True,
            "description": "Write the present host of Photon's packages into the base's own files.",
        }
    },
}
FILES = guest("/etc/yum.repos.d/*.repo")
MOVED = (
    ("packages.vmware.com", "packages.broadcom.com"),
    ("dl.bintray.com/vmware", "packages.broadcom.com/photon/$releasever"),
)
"""Hosts that no longer answer, and where their content is; the second is of 3.0 GA and Rev2."""


def changes(value: Mapping[str, bool], _: Context) -> Iterator[Wish]:
    """Yield a replacement for each host that is gone."""
    if value.get("fix_host", True):
        for old, new in MOVED:
            yield Because(ReplaceText(FILES, old, new), f"{old} no longer serves packages")


FEATURE = Feature(
    "repositories",
    "Where packages come from",
    SCHEMA,
    changes,
    "{fix_host: true}",
    default={"fix_host": True},
)
