"""Installation media with the real-time kernel."""

from collections.abc import Mapping
from typing import Any

from builder.carriers import EDITABLE
from builder.carriers.install_options import SECTIONS
from builder.changes import FileOp
from builder.errors import UnsupportedError
from builder.job import Job, Made, Wanted
from builder.roots import Root
from builder.targets import Target


def _work_out(root: Root, wanted: Wanted) -> list[FileOp]:
    """Work out what the medium lacks; the codecs are imported when they are wanted."""
    from builder.carriers.medium import Defaults, installation

    return installation(root, wanted, Defaults("packages_rt.json", "linux-rt"))


def _recipe(job: Job) -> Made:
    """Add to the published medium."""
    from builder.carriers.medium import build_medium

    return build_medium(job, _work_out)


def _sample(fd: int, timestamp: int) -> None:
    """Refuse: media consist of Photon's own packages."""
    del fd, timestamp
    raise UnsupportedError(
        "there is no sample of installation media: they are made of Photon's packages",
        hint='give a published one: base: {release: "5.0"}, or base: {file: photon.iso}',
    )


def _warn(sections: Mapping[str, Any]) -> tuple[str, ...]:
    """Say what is erased."""
    from builder.carriers.medium import warn

    return warn(sections)


TARGET = Target(
    "rt-iso",
    "Unattended installer of the real-time kernel",
    ".rt.iso",
    supports=EDITABLE,
    recipe=_recipe,
    sample=_sample,
    sections=SECTIONS,
    work_out=_work_out,
    warn=_warn,
)
