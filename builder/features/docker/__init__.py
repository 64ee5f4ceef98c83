"""The container engine: on at boot, its settings, and peace with the packet filter."""

from collections.abc import Iterator, Mapping
from typing import Any

from builder.changes import SetUnitState, UnitState
from builder.features import Context, Feature, Requested
from builder.features.docker.daemon import check_daemon
from builder.features.docker.engine import engine_changes
from builder.features.docker.images import wish_images
from builder.features.docker.keys import check_keys

SCHEMA = {
    "type": "object",
    "description": "Docker; a `compose` key brings all of this along.",
    "additionalProperties": False,
    "properties": {
        "enable": {"type": "boolean", "description": "Start it at boot; yes by default."},
        "images": {
            "type": "array",
            "items": {"type": "string", "minLength": 1},
            "uniqueItems": True,
            "description": "Container images to ship, as `lock` has them, besides those of "
            "projects with `preload`.",
        },
        "daemon": {
            "type": "object",
            "description": "Keys of daemon.json; ours for logs and live-restore stay unless named.",
        },
        "compose_plugin": {
            "enum": ["static", "base"],
            "description": "`docker compose` for `compose`: a pinned download, which is the "
            "default, or what the base or `packages` bring.",
        },
    },
}


def changes(value: Mapping[str, Any], context: Context) -> Iterator[Requested]:
    """Yield the engine's state and settings, and the images that it is given."""
    yield from wish_images(value.get("images", ()), context)
    if not value.get("enable", True):
        for unit in ("docker.service", "docker.socket"):
            yield SetUnitState(unit, UnitState.DISABLED, if_present=True)
        return
    own = value.get("daemon", {})
    yield from engine_changes(context, "docker is asked for", own)
    yield from check_daemon(own, context)
    yield from check_keys(own, context)


FEATURE = Feature("docker", "The container engine", SCHEMA, changes, "{enable: true}")
