"""What the builder knows that a tree does not tell: RPM files, and what packages bring."""

from collections.abc import Iterator, Sequence

from builder.changes import FileOp, InstallPackages
from builder.engine.knowledge import Knowledge
from builder.engine.tree import Tree, read_text
from builder.errors import GuestError
from builder.facts import Facts, facts_of_build
from builder.guest.os_release import OS_RELEASE, PHOTON_RELEASE, parse_release


class BuildersKnowledge(Knowledge):
    """Packages put aside for the first boot, and the facts of the base that a tree is."""

    def stage(self, change: InstallPackages, tree: Tree) -> Iterator[FileOp]:
        """Yield what makes packages be installed on the first boot."""
        from builder.carriers.staged_packages import stage_packages

        return stage_packages(change, tree, self)

    def brings(self, packages: Sequence[str], unit: str, tree: Tree) -> bool | None:
        """Return whether packages bring a unit; ``None`` when that is unknown."""
        return facts_of_tree(tree).brings(packages, unit)

    def package_for(self, unit: str, tree: Tree) -> str:
        """Return the package that would bring a unit; empty when nobody knows."""
        return facts_of_tree(tree).package_for_unit(unit)


def facts_of_tree(tree: Tree) -> Facts:
    """Return what is known of the base that a tree is."""
    texts = (read_text(tree, path, missing="") for path in (OS_RELEASE, PHOTON_RELEASE))
    try:
        release = parse_release(*texts)
    except GuestError:
        return facts_of_build("", "")
    return facts_of_build(release.version, release.build)
