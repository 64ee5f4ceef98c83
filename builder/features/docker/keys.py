"""Keys of daemon.json that the engine of the base does not know; no feature of its own."""

from collections.abc import Iterator, Mapping
from typing import Any

from builder.errors import Diagnostic
from builder.features import Context
from builder.suggest import nearest


def check_keys(given: Mapping[str, Any], context: Context) -> Iterator[Diagnostic]:
    """Yield the keys at which dockerd would stop."""
    facts, known = context.facts, context.facts.daemon_keys
    engine = facts.docker.version
    newer = "docker" in context.overlay.get("packages", ()) or not facts.is_known
    for key in given:
        if key not in known:
            message = f"dockerd knows no key `{key}` in daemon.json, and does not start with it"
            meant = nearest(key, known)
            hint = f"did you mean {meant}?" if meant else "drop it; `dockerd --help` names the keys"
            yield Diagnostic(message, "DKR007", hint, ("daemon", key))
        elif known[key] and not newer and _number(engine) < _number(known[key]):
            message = (
                f"docker {engine} of {facts.text} knows no key `{key}` in daemon.json, and does "
                f"not start with it; docker {known[key]} does"
            )
            yield Diagnostic(message, "DKR007", "drop it, or use a newer base", ("daemon", key))


def _number(version: str) -> tuple[int, ...]:
    """Return the first two parts of a version, to compare."""
    return tuple(map(int, version.split(".")[:2]))
