"""What a spec may ask for. A module with the name of a key is its feature; the file is enough."""

import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from builder.changes import Change
from builder.errors import Diagnostic
from builder.facts import Facts, facts_of
from builder.image_names import Pin
from builder.structs import Struct, field


class Reasoned(Struct, frozen=True):
    """A change together with the reason that a plan prints beside it.

    Attributes:
        change: The change.
        reason: Why it is there, when the key alone does not say it:
            ``compose.pihole publishes 53/udp``.
        path: Keys from the feature's value down to the cause.
    """

    change: Change
    reason: str = ""
    path: tuple[str | int, ...] = ()


class Context(Struct, frozen=True):
    """What a feature may know besides its own value.

    Attributes:
        name: The spec's name.
        directory: Folder of the file that holds the value; relative paths start there.
        release: Photon release of the base, such as ``3.0``; empty when it is not known.
        arch: Architecture of the base: ``x86_64`` or ``aarch64``.
        overlay: What all overlays of the spec say together, for wishes that depend on others.
        pins: What the lock file has of container images, by their full names.
        announce: Told once what a person must read now and nowhere else (a drawn password).
        facts: What is known of the base.
        sections: Folder and values of each overlay of the spec.
    """

    name: str
    directory: Path
    release: str = ""
    arch: str = "x86_64"
    overlay: Mapping[str, Any] = field(default_factory=dict)
    pins: Mapping[str, Pin] = field(default_factory=dict)
    announce: Callable[[str], None] = lambda _: None
    facts: Facts = field(default_factory=lambda: facts_of(""))
    sections: tuple[tuple[Path, Mapping[str, Any]], ...] = ()


WITH_DEFAULT = ("clock", "identity", "repositories", "ssh_client")
"""Keys that mean something though no overlay has them."""

Requested = Change | Reasoned | Diagnostic
"""What a feature yields: a change, a change with its reason, or what is wrong with the value."""


class Feature(Struct, frozen=True):
    """A key of the spec's ``overlay`` section and what it means.

    Attributes:
        key: The key, as the user writes it.
        summary: One line for the reference and for editors.
        schema: JSON Schema of the value.
        changes: Turns a valid value into wishes; reads no guest, writes nothing.
        example: A valid value, as YAML; planned by the tests and shown in the reference.
        default: The value that is meant when no overlay has the key; ``None``: nothing.
        for_boards: Whether it means something for a board alone: a radio, a card, firmware.
    """

    key: str
    summary: str
    schema: Mapping[str, Any]
    changes: Callable[[Any, Context], Iterable[Requested]]
    example: str
    default: Any = None
    for_boards: bool = False


def form(pattern: str, words: str) -> dict[str, str]:
    """Return the part of a schema that wants text of a form.

    Args:
        pattern: Regular expression, anchored at both ends.
        words: What it says, to follow "wanted".
    """
    return {"pattern": pattern, "x-form": words}


@functools.cache
def discover() -> tuple[Feature, ...]:
    """Return every feature in this package, by key."""
    return _named(module.name for module in pkgutil.iter_modules(__path__))


def features_of(keys: Iterable[str]) -> tuple[Feature, ...]:
    """Return the features of some keys, and those that have a default; by key.

    No other is imported. When one of the keys has no feature, all features are returned.
    """
    given = set(keys)
    found = _named({*given, *WITH_DEFAULT} & {each.name for each in pkgutil.iter_modules(__path__)})
    return found if given <= {feature.key for feature in found} else discover()


def _named(modules: Iterable[str]) -> tuple[Feature, ...]:
    """Return the features among some modules of this package, by key."""
    read = (importlib.import_module(f"{__name__}.{name}") for name in modules)
    found = [module.FEATURE for module in read if hasattr(module, "FEATURE")]
    return tuple(sorted(found, key=lambda feature: feature.key))
