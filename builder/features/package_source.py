"""Whose packages a disk installs; no feature of its own."""

from builder.features import Context

_DRIFTING = frozenset({"5.0-GA"})
"""Bases whose enabled repository has packages that need more than the base."""


def choose_source(context: Context) -> tuple[str, str]:
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
