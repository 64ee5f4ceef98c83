"""The ``target`` and ``targets`` of a spec, and what each takes from ``output``."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from builder.errors import Diagnostic, KeyPath
from builder.schema import Entry, left_out, members_of, options_of, sections_of
from builder.suggest import nearest

_OF_PHOTON = (
    *("packages", "packages-minimal", "packages-initrd", "packages-docker", "updated-packages"),
    *("tool-chain-stage1", "tool-chain-stage2", "check", "ostree-repo", "generate-yaml-files"),
    *("create-repo", "distributed-build", "packages-cached", "sources", "sources-cached"),
    *("publish-rpms", "publish-x-rpms", "publish-rpms-cached", "publish-x-rpms-cached"),
    "photon-stage",
)
"""Names of Photon's targetList that build Photon itself: its rpmBuild and buildEnvironment."""


def iter_faults(spec: Mapping[str, Any], known: Mapping[str, Entry]) -> Iterator[Diagnostic]:
    """Yield what is wrong with the targets of a spec."""
    if "target" in spec and "targets" in spec:
        message = "`target` and `targets` are both given; wanted one of them"
        yield Diagnostic(message, "TGT003", "keep `targets`", ("target",))
    if "target" not in spec and "targets" not in spec:
        hint = f"add `targets: [ova]`; known: {', '.join(sorted(known))}"
        yield Diagnostic("`targets` is missing", "TGT003", hint)
    for path, name in named(spec):
        if name in _OF_PHOTON:
            message = f"{name} builds Photon itself from source, not an image of it"
            hint = f"use Photon's own build.py for it; images: {', '.join(sorted(known))}"
            yield Diagnostic(message, "TGT002", hint, path)
        elif reasons := [
            r for r in map(left_out, known.values()) if name in r and name not in known
        ]:
            hint = f"use one of {', '.join(sorted(known))}"
            yield Diagnostic(f"{name}: {reasons[0][name]}", "TGT001", hint, path)
        elif name not in known:
            meant = nearest(name, known)
            hint = f"did you mean {meant}?" if meant else f"known: {', '.join(sorted(known))}"
            yield Diagnostic(f"there is no target {name!r}", "TGT001", hint, path)
    yield from _faults_of_output(spec, known)
    yield from _faults_of_sections(spec, known)


def named(spec: Mapping[str, Any]) -> list[tuple[KeyPath, str]]:
    """Return path and name of each target that the spec names."""
    return list(_iter_named(spec))


def _iter_named(spec: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """Yield path and name of each target that the spec names."""
    if isinstance(spec.get("target"), str):
        yield ("target",), spec["target"]
    listed = spec.get("targets")
    for index, name in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(name, str):
            yield ("targets", index), name


def _faults_of_output(spec: Mapping[str, Any], known: Mapping[str, Entry]) -> Iterator[Diagnostic]:
    """Yield the keys of ``output`` that a chosen target, or all of a chosen group, do not take."""
    output = spec.get("output")
    chosen = [known[name] for _, name in named(spec) if name in known]
    for key in output if isinstance(output, Mapping) else ():
        can = sorted(name for name, entry in known.items() if key in options_of(entry))
        deaf = [entry.name for entry in chosen if not _takes(entry, key, known)]
        if deaf and can:
            message = (
                f"{', '.join(dict.fromkeys(deaf))} takes no `{key}`; it is for {', '.join(can)}"
            )
            hint = f"drop `{key}`, or give the targets that take it a spec of their own"
            yield Diagnostic(message, "OUT001", hint, ("output", key))


def _takes(entry: Entry, key: str, known: Mapping[str, Entry]) -> bool:
    """Return whether a target, or a member of a group, takes a key of ``output``."""
    return any(key in options_of(known[name]) for name in members_of(entry) if name in known)


def _faults_of_sections(
    spec: Mapping[str, Any], known: Mapping[str, Entry]
) -> Iterator[Diagnostic]:
    """Yield the sections that no chosen target takes, and those that one needs."""
    entries = [known[name] for _, name in named(spec) if name in known]
    single = {name: known[name] for e in entries for name in members_of(e) if name in known}
    taken = {key for entry in single.values() for key in sections_of(entry)}
    for key in sorted({k for entry in known.values() for k in sections_of(entry)} & spec.keys()):
        if key not in taken and single:
            can = ", ".join(sorted(n for n, entry in known.items() if key in sections_of(entry)))
            message = f"{', '.join(single)} takes no `{key}`; it is for {can}"
            yield Diagnostic(message, "OUT002", f"drop `{key}`", (key,))
    for name, entry in single.items():
        for key, schema in sections_of(entry).items():
            if key not in spec and schema.get("required"):
                message = f"{name} needs `{key}`: {schema['description']}"
                yield Diagnostic(message, "OUT003", f"add `{key}: {schema['examples'][0]}`")


def sections(spec: Mapping[str, Any], known: Mapping[str, Entry]) -> dict[str, Any]:
    """Return the sections of a faultless spec that only some targets take."""
    keys = {key for entry in known.values() for key in sections_of(entry)}
    return {key: spec[key] for key in sorted(keys & spec.keys())}


def chosen(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the targets of a faultless spec, each once."""
    names: Iterable[str] = (name for _, name in named(spec))
    return tuple(dict.fromkeys(names))
