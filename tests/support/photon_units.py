"""Units of a Photon root, which of them start, and how a unit is written into a tree."""

from typing import Final

from builder.sample import enabled
from tests.support.photon_releases import Placement, Release
from tests.support.photon_texts import texts
from tests.support.tree import Directory, Link, Tree, text

UNITS: Final = "/usr/lib/systemd/system"
_FOLDERS: Final = ("/usr/lib/systemd/", "/etc/systemd/system/")
_ANYWHERE: Final = Placement("", "")


def unit_tree(release: Release) -> Tree:
    """Return every unit, preset and link, also those of systemd itself."""
    found = texts(release, _ANYWHERE)
    return {
        **{path: text(content) for path, content in found.items() if path.startswith(_FOLDERS)},
        **enablement(release),
    }


def enablement(release: Release) -> Tree:
    """Return the links that say which units start."""
    found = enabled.links(release.facts, texts(release, _ANYWHERE))
    return {
        **{path: Link(target) for path, target in found.items()},
        f"{UNITS}/default.target": Link("multi-user.target"),
        "/etc/systemd/system-preset": Directory(),
    }


def units(named: dict[str, str]) -> Tree:
    """Return unit files as a tree."""
    return {f"{UNITS}/{name}": text(content) for name, content in named.items()}
