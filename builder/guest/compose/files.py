"""The files that a compose project takes from the machine it runs on.

Source: Compose Specification, "services" (volumes, env_file, label_file, extends), "configs" and
"secrets". Build contexts are left out.
"""

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from builder.errors import KeyPath
from builder.guest.compose import iter_services
from builder.guest.compose.layers import Layer, Read, layers
from builder.structs import Struct

ENV = ".env"
_OFF = frozenset({"false", "n", "no", "off"})
_ON = frozenset({"true", "y", "yes", "on"})


class Need(Struct, frozen=True):
    """A file or folder of the machine that a compose file names.

    Attributes:
        text: The path, as the file has it.
        path: Where the file says so.
        key: The key that names it: ``env_file``, ``volumes`` …
        folder: What it is relative to, below the project's folder.
        must_exist: Whether compose or docker stops without it; else docker makes a folder.
        target: Where the container sees it; empty when it is no mount.
    """

    text: str
    path: KeyPath
    key: str
    folder: str = ""
    must_exist: bool = True
    target: str = ""

    @property
    def is_relative(self) -> bool:
        """Return whether it is relative to the project's folder."""
        return not self.text.startswith(("/", "~"))

    @property
    def relative(self) -> str:
        """The path from the project's folder on; ``..`` leads out of it."""
        return posixpath.normpath(posixpath.join(self.folder, self.text))

    @property
    def is_inside(self) -> bool:
        """Return whether it lies in the project's folder, and is not the folder itself."""
        relative = self.relative
        return self.is_relative and relative != "." and relative.split("/")[0] != ".."


def iter_local_files(project: object, read: Read = lambda _: None) -> Iterator[tuple[str, KeyPath]]:
    """Yield the relative paths that the project takes from beside its file, and where it says so.

    Paths that leave the project's folder are left out.
    """
    for name, _ in iter_services(project):
        for layer in layers(project, name, read):
            for need in (*needs_of(layer), *_extended(layer)):
                if need.is_inside:
                    yield need.relative, need.path
    for kind in ("configs", "secrets"):
        for need in files_of(project, kind).values():
            if need.is_inside:
                yield need.relative, need.path


def needs_of(layer: Layer) -> Iterator[Need]:
    """Yield what a service's settings take from the machine."""
    for key in ("env_file", "label_file"):
        for steps, entry in _listed(layer.settings, key):
            text = entry.get("path") if isinstance(entry, dict) else entry
            wanted = entry.get("required", True) if isinstance(entry, dict) else True
            must_exist = str(wanted).lower() not in _OFF
            if isinstance(text, str) and text:
                yield Need(text, layer.at(*steps), key, layer.folder, must_exist)
    for steps, entry in _listed(layer.settings, "volumes"):
        source, target, must_exist = _bind(entry)
        if source:
            yield Need(source, layer.at(*steps), "volumes", layer.folder, must_exist, target)


def files_of(project: object, kind: str) -> dict[str, Need]:
    """Return the file of each config or secret that has one, by its name."""
    section = project.get(kind) if isinstance(project, dict) else None
    found = {}
    for name, entry in section.items() if isinstance(section, dict) else ():
        file = entry.get("file") if isinstance(entry, dict) else None
        if isinstance(file, str) and file:
            found[name] = Need(file, (kind, name, "file"), kind)
    return found


def _extended(layer: Layer) -> Iterator[Need]:
    """Yield the other compose file that a service extends one of."""
    extends = layer.settings.get("extends")
    file = extends.get("file") if isinstance(extends, dict) else None
    if isinstance(file, str) and file:
        yield Need(file, layer.at("extends", "file"), "extends", layer.folder)


def _bind(volume: object) -> tuple[str, str, bool]:
    """Return source and target of a bind mount, and whether the source must be there.

    Both are empty for named and anonymous volumes.
    """
    if isinstance(volume, dict):
        options = volume.get("bind")
        made = options.get("create_host_path") if isinstance(options, dict) else None
        source = volume.get("source") if volume.get("type") == "bind" else None
        # Without `bind` compose asks docker as it does for the short form, which makes folders.
        must_exist = isinstance(options, dict) and str(made).lower() not in _ON
        return (source if isinstance(source, str) else ""), str(volume.get("target")), must_exist
    source, colon, rest = str(volume).partition(":")
    is_path = bool(colon) and source.startswith((".", "/", "~"))
    return (source, rest.partition(":")[0], False) if is_path else ("", "", False)


def _listed(settings: Mapping[str, Any], key: str) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield steps and value of each entry of a setting that is one entry or a list of some."""
    value = settings.get(key)
    if isinstance(value, list):
        yield from (((key, index), entry) for index, entry in enumerate(value))
    elif value is not None:
        yield (key,), value


def iter_host_paths(project: object, read: Read = lambda _: None) -> Iterator[str]:
    """Yield the absolute paths of the host that the project's containers use."""
    for name, _ in iter_services(project):
        for layer in layers(project, name, read):
            for need in needs_of(layer):
                if need.key == "volumes" and need.text.startswith("/"):
                    yield posixpath.normpath(need.text)
    section = project.get("volumes") if isinstance(project, dict) else None
    for volume in section.values() if isinstance(section, dict) else ():
        options = volume.get("driver_opts") if isinstance(volume, dict) else None
        options = options if isinstance(options, dict) else {}
        device = str(options.get("device", ""))
        if device.startswith("/") and "bind" in str(options.get("o", "")):
            yield posixpath.normpath(device)
