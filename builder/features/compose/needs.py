"""What has to be there before a project comes up: mounts, shared networks; no feature itself."""

from collections.abc import Iterator, Mapping
from typing import Any

from builder.blob import Blob
from builder.changes import WriteFile
from builder.documents import load_document
from builder.errors import Diagnostic, SpecError
from builder.features import Context, Reasoned, Requested
from builder.features.projects import Project, make_project
from builder.features.sources import local_path
from builder.guest import engine, mount_needs
from builder.guest.compose import project_directory
from builder.guest.compose import shared as compose_shared
from builder.guest.compose import units as compose_units
from builder.guest.compose.files import iter_host_paths
from builder.structs import replace

_MOUNTS = "20-photon-builder-mounts.conf"


def need_changes(project: Project, context: Context) -> Iterator[Requested]:
    """Yield the units that a project waits for, and its drop-in that names them."""
    before: list[str] = []
    reasons: list[str] = []
    owners = {shared: name for name, shared in _iter_made(project, context)}
    for shared, path in compose_shared.iter_external(project.expanded):
        if not shared.is_name_valid:
            place, line = project.document.spot(path)
            message = f"docker takes no {shared.kind} with the name {shared.name!r}"
            hint = "use letters, digits, `_`, `.` and `-`, a letter or digit first"
            yield Diagnostic(message, "CMP040", hint, place=place, excerpt=line)
            continue
        owner = owners.get(shared, "")
        before.append(compose_units.unit_of(owner) if owner else shared.unit)
        who = f"compose.{owner} makes" if owner else "no project makes"
        reasons.append(f"it uses the {shared.kind} {shared.name}, which {who}")
        if not owner:
            text = compose_shared.format_unit(shared.kind)
            reason = f"compose.{project.name} uses the {shared.kind} {shared.name}: {who} it"
            unit = WriteFile(compose_shared.unit_path(shared.kind), Blob.text(text))
            yield Reasoned(unit, reason)
    paths = [str(project_directory(project.name)), *iter_host_paths(project.expanded, project.read)]
    yield from _dropin_changes(project.name, before, paths, (reasons, context))


def _dropin_changes(
    name: str, before: list[str], paths: list[str], why: tuple[list[str], Context]
) -> Iterator[Requested]:
    """Yield the drop-in of a project's unit, when there is something to wait for."""
    reasons, context = why
    mounts = context.overlay.get("mounts", ())
    needed = mount_needs.mounts_at(paths, mounts)
    lines = [f"{key}={unit}\n" for unit in dict.fromkeys(before) for key in ("Wants", "After")]
    if needed:
        lines.append(mount_needs.requires_mounts_for(needed))
        reasons.append(f"{', '.join(needed)} lies on a mount that may come late")
        units = mount_needs.mount_units(paths, mounts)
        text = "".join(f"After={unit}\n" for unit in units)
        order = engine.dropin("docker.service", f"30-photon-builder-compose-{name}.conf")
        reason = f"docker starts the containers of compose.{name} again at boot"
        yield Reasoned(WriteFile(order, Blob.text(f"[Unit]\n{text}")), reason)
    if lines:
        path = engine.dropin(compose_units.unit_of(name))
        yield Reasoned(WriteFile(path, Blob.text(f"[Unit]\n{''.join(lines)}")), "; ".join(reasons))


def _iter_made(project: Project, context: Context) -> Iterator[tuple[str, compose_shared.Shared]]:
    """Yield what the other projects of the spec make, with the project's name."""
    if not any(compose_shared.iter_external(project.expanded)):
        return
    for folder, values in context.sections:
        for name, settings in values.get("compose", {}).items():
            if name != project.name:
                other = _read(name, settings, replace(context, directory=folder))
                for shared in compose_shared.iter_made(name, other):
                    yield name, shared


def _read(name: str, settings: Mapping[str, Any], context: Context) -> object:
    """Return what the file of another project says; nothing when it cannot be read."""
    file = local_path(str(settings.get("file", "")), context)
    try:
        document = load_document(file)
    except (OSError, SpecError):
        return None
    return make_project(name, document, file, settings.get("env", {}), context).expanded
