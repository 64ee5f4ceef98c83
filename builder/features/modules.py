"""Kernel modules to load at boot, and their options: modules-load.d(5), modprobe.d(5)."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from builder.changes import EnsureLine, RequireModule
from builder.errors import Diagnostic, KeyPath, Severity
from builder.facts.alternatives import base_with, has_module
from builder.facts.kernels import known_modules
from builder.features import Context, Feature, Requested, form
from builder.guest import patterns
from builder.guestpath import guest
from builder.suggest import nearest

_NAME = r"^[A-Za-z0-9_-]+$"
_FORM = "a module's name: letters, digits, `_` and `-`"
_NAMES = {
    "type": "array",
    "items": {"type": "string", **form(_NAME, _FORM)},
    "uniqueItems": True,
}
SCHEMA = {
    "type": "object",
    "description": "Kernel modules.",
    "additionalProperties": False,
    "properties": {
        "load": {**_NAMES, "description": "Loaded at every boot."},
        "blacklist": {**_NAMES, "description": "Never loaded for a device by itself."},
        "options": {
            "type": "object",
            "description": "Options by module, as modprobe.d(5) has them.",
            "propertyNames": form(_NAME, _FORM),
            "additionalProperties": {
                "type": "string",
                **form(r"^[^\n]+$", "one line"),
            },
        },
    },
}
LOAD = guest("/etc/modules-load.d/photon-builder.conf")
MODPROBE = guest("/etc/modprobe.d/photon-builder.conf")


_KERNEL = "linux"
_CLOSE = 0.85


def changes(value: Mapping[str, Any], context: Context) -> Iterator[Requested]:
    """Yield one line a module, so that overlays may each bring some."""
    for index, module in enumerate(value.get("load", ())):
        yield from _faults(module, context, ("load", index))
        yield EnsureLine(LOAD, module)
        if not context.overlay.get("packages"):  # which might bring it, later
            yield RequireModule(module)
    for module in value.get("blacklist", ()):
        yield EnsureLine(MODPROBE, f"blacklist {module}")
    for module, options in sorted(value.get("options", {}).items()):
        old = patterns.first_word(f"options {module}")
        yield EnsureLine(MODPROBE, f"options {module} {options}", replaces=old)


def _faults(module: str, context: Context, path: KeyPath) -> Iterator[Diagnostic]:
    """Yield what is known to be wrong with a module that is to be loaded."""
    base, added = context.facts, context.overlay.get("packages", ())
    if any(str(package).startswith(_KERNEL) for package in added):
        return
    has = {base.kernel_module(module, kernel) for kernel in base.flavours} or {None}
    if has == {"n"} and base.is_known:
        kernels = " and ".join(base.flavours)
        message = f"{kernels} of {base.text} has no module {module}, and none built in"
        able = base_with(base, has_module(module))
        hint = f"drop it, or use {able}, which has it" if able else "drop it"
        yield Diagnostic(message, "MOD001", hint, path)
    elif None in has and module.replace("-", "_") not in _plain(known_modules()):
        meant = nearest(module, known_modules(), likeness=_CLOSE)
        if meant:
            message = f"no module that is known is called {module}"
            yield Diagnostic(message, "MOD002", f"did you mean {meant}?", path, Severity.WARNING)


def _plain(names: Iterable[str]) -> set[str]:
    """Return names of modules as the kernel has them: it takes - for _."""
    return {name.replace("-", "_") for name in names}


FEATURE = Feature("modules", "Kernel modules", SCHEMA, changes, "{load: [br_netfilter]}")
