"""What ``lock`` does with packages: resolves those that come with an image."""

from collections.abc import Iterator
from typing import Any

from builder import log
from builder.build import prepare
from builder.cache import Cache
from builder.cli.options import chosen_targets, question, warn
from builder.errors import SpecError
from builder.lock import read_lock
from builder.package_files import PackageFile
from builder.package_pins import is_pinned, pin_packages
from builder.progress import Progress
from builder.spec import Spec
from builder.structs import Struct, replace


class Resolved(Struct, frozen=True):
    """Packages of one target.

    Attributes:
        key: What the lock file calls them.
        files: The files that they need now.
        before: Those of the lock file before.
    """

    key: str
    files: tuple[PackageFile, ...]
    before: tuple[PackageFile, ...]

    def row(self) -> dict[str, Any]:
        """Return it as plain data."""
        added, removed = self._moved()
        return {
            "packages": self.key,
            "files": [file.name for file in self.files],
            "added": added,
            "removed": removed,
        }

    def text(self) -> str:
        """Return it for a terminal: the files of the first time, and later what moved."""
        size = sum(file.size for file in self.files) / 1e6
        added, removed = self._moved()
        lines = [f"{self.key}: {len(self.files)} RPM files, {size:.1f} MB"]
        lines += [f"  - {name}" for name in removed] + [f"  + {name}" for name in added]
        return "".join(f"{line}\n" for line in lines)

    def _moved(self) -> tuple[list[str], list[str]]:
        old = {file.name for file in self.before}
        new = {file.name for file in self.files}
        return sorted(new - old), sorted(old - new)


def lock_packages(spec: Spec, cache: Cache, progress: Progress, *, update: bool) -> list[Resolved]:
    """Resolve the packages of every target and record their files.

    Args:
        spec: The spec.
        cache: Keeps bases, indexes and packages.
        progress: Told what is waited for.
        update: Whether packages are resolved again whose files the lock file has.
    """
    return list(_iter_resolved(spec, cache, progress, update=update))


def _iter_resolved(
    spec: Spec, cache: Cache, progress: Progress, *, update: bool
) -> Iterator[Resolved]:
    seen: set[str] = set()
    for target in chosen_targets(spec, ()):
        known = read_lock(spec.path.parent)
        locked = replace(known, packages={}) if update else known
        request = replace(question(spec, target), locked=locked)
        try:
            plan, origin = prepare(request)
        except SpecError as error:
            if any("packages" in overlay.values for overlay in spec.overlays):
                raise
            log.info("packages for %s are not resolved: %s", target.name, error)
            continue
        if is_pinned(plan):
            continue
        pinned = pin_packages(request, plan, origin, cache, progress)
        warn(pinned.warnings)
        if pinned.key not in seen:
            seen.add(pinned.key)
            yield Resolved(pinned.key, pinned.files, known.packages.get(pinned.key, ()))
