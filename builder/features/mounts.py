"""Filesystems to mount at boot: lines of fstab(5) and their mount points."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from builder.changes import EnsureLine, MakeDirectory, Require, SetUnitState, UnitState
from builder.engine.text import packages
from builder.errors import Diagnostic
from builder.features import Context, Feature, Reasoned, Requested, form
from builder.features.sources import at, guest_path
from builder.guest import fstab, mount_types

SCHEMA = {
    "type": "array",
    "description": "What is mounted where. A share that does not answer never stops the boot.",
    "items": {
        "type": "object",
        "additionalProperties": False,
        "required": ["source", "type"],
        "properties": {
            "source": {
                "type": "string",
                "minLength": 1,
                "description": "`host:/share`, `//host/share`, `/dev/…`, `UUID=…`, `LABEL=…`, or a "
                "folder for `bind`.",
            },
            "path": {"type": "string", "description": "Mount point; none for swap."},
            "type": {"enum": list(mount_types.TYPES), "description": "Kind of filesystem."},
            "options": {
                "type": "array",
                "items": {"type": "string", **form(r"^[^\s,]+$", "one option, without commas")},
                "description": "Options; they take the place of the type's own.",
            },
        },
    },
}
_OF_THE_BASE = frozenset(
    {"/", "/boot", "/boot/efi", "/usr", "/etc", "/proc", "/sys", "/dev", "/run"}
)
_NONE = "none"


def changes(value: Sequence[Mapping[str, Any]], context: Context) -> Iterator[Requested]:
    """Yield the line, the mount point and the needs of each mount."""
    seen: set[str] = set()
    for index, entry in enumerate(value):
        path = entry.get("path", _NONE)
        if path != _NONE and path in seen:
            yield Diagnostic(f"{path} is mounted twice", "MNT004", "drop one", (index, "path"))
        seen.add(path)
        for wish in _one_mount_changes(entry, context):
            yield at(wish, index) if isinstance(wish, Diagnostic) else wish


def _one_mount_changes(entry: Mapping[str, Any], context: Context) -> Iterator[Requested]:
    kind, source = entry["type"], entry["source"]
    if message := mount_types.find_source_fault(kind, source):
        yield Diagnostic(message, "MNT002", path=("source",))
    helper = mount_types.HELPERS.get(kind)
    comes = bool(helper and helper.package in context.overlay.get("packages", ()))
    options = ",".join(entry.get("options", ())) or mount_types.default_options(kind)
    options += f",x-systemd.after={packages.UNIT}" * comes
    if "password=" in options or "passwd=" in options:
        hint = "use credentials=/root/share.credentials and write that file with `files`"
        yield Diagnostic("an option holds a plain password", "SEC001", hint, ("options",))
    if kind == "swap":
        line = fstab.format_mount(fstab.Mount(source, _NONE, kind, options))
        yield EnsureLine(fstab.FSTAB, line, replaces=fstab.line_of_source(source))
        return
    path = guest_path(entry.get("path", ""), "path")
    if isinstance(path, Diagnostic) or path in _OF_THE_BASE:
        message = f"{entry.get('path', 'nothing')!r} is not a valid mount point"
        hint = path.hint if isinstance(path, Diagnostic) and "path" in entry else ""
        yield Diagnostic(message, "MNT003", hint or "write /mnt/data", ("path",))
        return
    written = _NONE if kind == "bind" else kind
    mount = fstab.Mount(source, path, written, options, check_pass=2 * (kind == "ext4"))
    yield MakeDirectory(path)
    yield EnsureLine(fstab.FSTAB, fstab.format_mount(mount), replaces=fstab.line_of_path(path))
    if kind in mount_types.NETWORK_TYPES:
        state = SetUnitState("remote-fs.target", UnitState.ENABLED, if_present=True)
        yield Reasoned(state, f"{path} is mounted over the network")
    if helper and not comes:
        message = f"the base has no {helper.path}, without which {kind} cannot be mounted"
        yield Require(helper.path, message, helper.code, f"add packages: [{helper.package}]")


FEATURE = Feature(
    "mounts",
    "Filesystems to mount",
    SCHEMA,
    changes,
    '[{source: "192.168.0.100:/nfs", path: /mnt/nfs, type: nfs}]',
)
