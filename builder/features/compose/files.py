"""The files of one compose project on the guest; no feature of its own."""

from collections.abc import Iterator

from builder.blob import Blob
from builder.changes import MakeDirectory, WriteFile, replace
from builder.errors import Diagnostic
from builder.features import Reasoned, Requested
from builder.features.projects import Project
from builder.features.tree import HEAD_BYTES, Attributes, file_change, tree_changes
from builder.guest import modes
from builder.guest.compose import project_directory
from builder.guest.compose.files import iter_local_files
from builder.guestpath import join

_PRIVATE = 0o600


def file_changes(project: Project) -> Iterator[Requested]:
    """Yield the compose file, byte for byte, its `.env`, and the files it takes along.

    A container may run as anybody and has to read its keys, so these are kept from others by the
    project's folder, which a mount passes by.
    """
    folder = project_directory(project.name)
    taken = [wish for path, at in _local_files(project) for wish in _one_changes(project, path, at)]
    if any(isinstance(wish, WriteFile) and wish.secret for wish in taken):
        why = f"{project.file.name} has secrets beside itself"
        yield Reasoned(MakeDirectory(folder, 0o700), why)
    yield WriteFile(join(folder, "compose.yaml"), Blob.file(project.file))
    if project.env:
        yield WriteFile(join(folder, ".env"), Blob.text(project.env), _PRIVATE, secret=True)
    reason = f"{project.file.name} takes it from beside itself"
    for wish in taken:
        yield wish if isinstance(wish, Diagnostic | Reasoned) else Reasoned(wish, reason)


def _local_files(project: Project) -> list[tuple[str, bool]]:
    """Return the relative paths that a project takes along, and whether each is a secret."""
    found: dict[str, bool] = {}
    for relative, path in iter_local_files(project.expanded, project.read):
        found[relative] = found.get(relative, False) or path[0] == "secrets"
    return sorted({**found, ".env": False}.items())


def _one_changes(project: Project, relative: str, is_secret: bool) -> Iterator[Requested]:
    """Yield the changes for one file or folder that a project takes along."""
    top = project.file.parent
    source, target = top / relative, join(project_directory(project.name), relative)
    if source.exists() and not source.resolve().is_relative_to(top.resolve()):
        message = f"{source}: leads out of the project's folder, to {source.resolve()}"
        yield Diagnostic(message, "CMP038", "put a copy in its place, if the guest shall have it")
    elif source.is_dir():
        yield from map(_readable, tree_changes(source, target))
    elif source.is_file() and relative != ".env":
        wish = _readable(file_change(source, target, Attributes()))
        yield replace(wish, secret=True) if is_secret and isinstance(wish, WriteFile) else wish


def _readable(wish: Requested) -> Requested:
    """Return the change of a private key as one that a container can read."""
    if not isinstance(wish, WriteFile) or wish.mode != _PRIVATE or modes.is_secret(wish.path):
        return wish
    with wish.content.open() as stream:
        is_key = modes.holds_key(wish.path, stream.read(HEAD_BYTES))
    return replace(wish, mode=0o644) if is_key else wish
