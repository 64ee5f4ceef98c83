"""Whose packages are installed, and when they are resolved; no feature of its own."""

from builder.blob import Blob
from builder.changes import InstallPackages
from builder.features import Context, Reasoned

_DRIFTING = frozenset({"5.0-GA"})
"""Bases whose enabled repository has packages that need more than the base."""


def wish_packages(
    names: tuple[str, ...],
    context: Context,
    *,
    files: tuple[tuple[str, Blob], ...] = (),
    reason: str = "",
    path: tuple[str | int, ...] = (),
) -> Reasoned:
    """Return the wish to install packages, the way the spec's ``repositories`` say.

    Args:
        names: Names of packages.
        context: Of the feature that wants them.
        files: Name and content of RPM files.
        reason: Why they are wanted, when the key alone does not say it.
        path: Where in the feature's value they are asked for.
    """
    settings = context.overlay.get("repositories", {})
    source, why = _choose_source(context)
    change = InstallPackages(
        names,
        files,
        source,
        online=settings.get("install") == "online",
        may_update=bool(settings.get("may_update")),
    )
    return Reasoned(change, "; ".join(filter(None, (reason, why))), path)


def _choose_source(context: Context) -> tuple[str, str]:
    """Return whose packages are taken, empty for those of the enabled repositories, and why."""
    given = context.overlay.get("repositories", {}).get("install_from")
    if given:
        return ("" if given == "enabled" else given), ""
    is_medium = context.facts.image.startswith("iso")
    if context.facts.is_known and context.facts.revision in _DRIFTING and not is_medium:
        return "release", (
            "the updates of this base have moved on to other versions of Python and the kernel; "
            "`repositories: {install_from: enabled}` takes them nonetheless"
        )
    return "", ""
