"""The texts of a sample: files by package and image, and those that follow from the tables.

``packages/NAME`` and ``images/NAME`` hold what a package or an image brings, ``appended/NAME`` what
an image's script adds to the ends of files. ``NAME@ON`` holds it for the revisions that are named
there, with ``+`` between them.
"""

import functools
from pathlib import Path

from builder.facts import Facts
from builder.facts.data import covers
from builder.sample.accounts import account_files
from builder.sample.boot import Placement, boot_files, module_files
from builder.sample.cloud import cloud_files
from builder.sample.enabled import preset_files
from builder.sample.firewall import firewall_files
from builder.sample.system import system_files

_HERE = Path(__file__).parent
SYSTEMD = "systemd"
"""The package whose units a root with a systemd of its own has already."""


def photon_files(facts: Facts, placement: Placement) -> dict[str, str]:
    """Return the texts that an image of Photon has, by path."""
    texts = {
        **{path: text for texts in package_files(facts).values() for path, text in texts.items()},
        **account_files(facts),
        **boot_files(facts, placement),
        **cloud_files(facts),
        **firewall_files(facts),
        **module_files(facts),
        **preset_files(facts),
        **system_files(facts),
        **_held("images", facts),
    }
    for path, text in _held("appended", facts).items():
        texts[path] += text
    return texts


def package_files(facts: Facts) -> dict[str, dict[str, str]]:
    """Return the texts of each package that the image holds."""
    found: dict[str, dict[str, str]] = {}
    for name, on, folder in _folders("packages"):
        if facts.has_package(name) and covers(on, facts.revision):
            found.setdefault(name, {}).update(read_texts(folder))
    return found


def _held(kind: str, facts: Facts) -> dict[str, str]:
    """Return the texts of the image itself."""
    found: dict[str, str] = {}
    for name, on, folder in _folders(kind):
        if name == facts.image and covers(on, facts.revision):
            found |= read_texts(folder)
    return found


@functools.cache
def _folders(kind: str) -> list[tuple[str, str, Path]]:
    """Return name, revisions and place of each folder of a kind; the general ones first."""
    split = ((folder.name.partition("@"), folder) for folder in sorted((_HERE / kind).iterdir()))
    return [(name, on.replace("+", " ") or "all", folder) for (name, _, on), folder in split]


@functools.cache
def read_texts(folder: Path) -> dict[str, str]:
    """Return the files below a folder by their path in the guest."""
    return {
        f"/{path.relative_to(folder).as_posix()}": path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
