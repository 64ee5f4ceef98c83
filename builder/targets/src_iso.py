"""Source media: Photon's source packages, to which files can be added; they boot nothing."""

from builder.changes import FileOp, MakeDirectory, MakeSymlink, Remove, WriteFile
from builder.engine.tree import Tree
from builder.facts import Facts
from builder.job import Job, Made, Wanted
from builder.targets import Target


def _work_out(root: Tree, wanted: Wanted) -> list[FileOp]:
    """Work out what the medium lacks: paths of the spec are paths of the medium."""
    from builder.carriers.edit import operations

    return operations(root, wanted.plan.steps, wanted.timestamp)


def _recipe(job: Job) -> Made:
    """Add to the published medium; the codecs are imported when they are wanted."""
    from builder.carriers.medium import build_medium

    return build_medium(job, _work_out)


def _sample(fd: int, timestamp: int, facts: Facts) -> None:
    """Make a medium that shows where files go, without any source package."""
    from builder.sample.medium import make_source_medium

    del facts
    make_source_medium(fd, timestamp)


TARGET = Target(
    "src-iso",
    "Source packages, with files added",
    ".src.iso",
    supports=frozenset({WriteFile, MakeDirectory, MakeSymlink, Remove}),
    recipe=_recipe,
    sample=_sample,
    work_out=_work_out,
    has_defaults=False,
)
