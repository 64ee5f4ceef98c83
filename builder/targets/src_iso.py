"""Source media: Photon's source packages, to which files can be added; they boot nothing."""

from builder.changes import FileOp, MakeDirectory, MakeSymlink, Remove, WriteFile
from builder.errors import UnsupportedError
from builder.facts import Facts
from builder.job import Job, Made, Wanted
from builder.roots import Root
from builder.targets import Target


def _work_out(root: Root, wanted: Wanted) -> list[FileOp]:
    """Work out what the medium lacks: paths of the spec are paths of the medium."""
    from builder.carriers.edit import operations

    return operations(root, wanted.plan.steps, wanted.timestamp)


def _recipe(job: Job) -> Made:
    """Add to the published medium; the codecs are imported when they are wanted."""
    from builder.carriers.medium import build_medium

    return build_medium(job, _work_out)


def _sample(fd: int, timestamp: int, facts: Facts) -> None:
    """Refuse: media consist of Photon's own packages."""
    del fd, timestamp, facts
    raise UnsupportedError(
        "there is no sample of source media: they are made of Photon's packages",
        hint='give a published one: base: {release: "5.0"}, or base: {file: photon.src.iso}',
    )


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
