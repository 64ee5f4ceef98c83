"""The files of one compose project on the guest; no feature of its own."""

from collections.abc import Iterator

from builder.blob import Blob
from builder.changes import WriteFile
from builder.errors import Fault
from builder.features import Because, Wish
from builder.features.compose_project import Project
from builder.features.tree import Attributes, file_change, tree_changes
from builder.guest.compose import project_directory
from builder.guest.compose_files import iter_local_files
from builder.guestpath import join


def wish_files(project: Project) -> Iterator[Wish]:
    """Yield the compose file, byte for byte, its `.env`, and the files it takes along."""
    folder = project_directory(project.name)
    yield WriteFile(join(folder, "compose.yaml"), Blob.file(project.file))
    if project.env:
        yield WriteFile(join(folder, ".env"), Blob.text(project.env), 0o600, secret=True)
    reason = f"{project.file.name} takes it from beside itself"
    for relative in sorted({path for path, _ in iter_local_files(project.expanded, project.read)}):
        source, target = project.file.parent / relative, join(folder, relative)
        wishes: Iterator[Wish] = iter(())
        if source.is_dir():
            wishes = tree_changes(source, target)
        elif source.is_file() and relative != ".env":
            wishes = iter([file_change(source, target, Attributes())])
        for wish in wishes:
            yield wish if isinstance(wish, Fault | Because) else Because(wish, reason)
