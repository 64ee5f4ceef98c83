"""What the targets that make installation media share; no target itself."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from builder.carriers import EDITABLE
from builder.carriers.install_options import SECTIONS
from builder.changes import FileOp
from builder.engine.tree import Tree
from builder.facts import Facts
from builder.job import Job, Made, Wanted
from builder.targets import Target


def make_installer(
    name: str,
    summary: str,
    suffix: str,
    defaults: Mapping[str, str] | None = None,
    image: str = "iso-minimal",
) -> Target:
    """Return a target that makes unattended media; ``defaults`` are those of its packages."""
    work_out = partial(_work_out, dict(defaults or {}))
    return Target(
        name,
        summary,
        suffix,
        supports=EDITABLE,
        recipe=partial(_recipe, work_out),
        sample=_sample,
        sections=SECTIONS,
        work_out=work_out,
        image=image,
        warn=_warn,
    )


def _work_out(defaults: Mapping[str, str], root: Tree, wanted: Wanted) -> list[FileOp]:
    """Work out what the medium lacks; the codecs are imported when they are wanted."""
    from builder.carriers.medium import Defaults, installation

    return installation(root, wanted, Defaults(**defaults))


def _recipe(work_out: "partial[list[FileOp]]", job: Job) -> Made:
    """Add to the published medium."""
    from builder.carriers.medium import build_medium

    return build_medium(job, work_out)


def _sample(fd: int, timestamp: int, facts: Facts) -> None:
    """Make a medium that shows everything and installs nothing."""
    from builder.sample.medium import make_medium

    make_medium(fd, timestamp, facts)


def _warn(sections: Mapping[str, Any]) -> tuple[str, ...]:
    """Say what is erased."""
    from builder.carriers.medium import warn

    return warn(sections)
