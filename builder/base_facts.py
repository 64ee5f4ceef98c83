"""Which base a file is, before it is edited: by the catalog, by its name, by what is in it."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from builder.catalog import Source
from builder.facts import Facts, build_in_name, facts_of, facts_of_build
from builder.targets import Target

if TYPE_CHECKING:
    from builder.guest.os_release import Release

_ARCHS = ("aarch64", "x86_64")


def facts_of_source(source: Source, target: Target) -> Facts:
    """Return what is known of a published file."""
    _, build = build_in_name(source.filename)
    by_build = facts_of_build(source.release, build, image=target.image, arch=source.arch)
    if by_build.is_known:
        return by_build
    return facts_of(source.release, revision=source.revision, image=target.image, arch=source.arch)


def facts_by_name(name: str, target: Target) -> Facts:
    """Return what is known of a file that has kept the name that it was published under."""
    release, build = build_in_name(name)
    arch = next((arch for arch in _ARCHS if arch in name), usual_arch(target))
    return facts_of_build(release, build, image=target.image, arch=arch)


def facts_of_file(path: Path, target: Target) -> Facts:
    """Return what is known of a file by its name, or by what is in it when that is quickly read."""
    named = facts_by_name(path.name, target)
    if named.is_known or not path.is_file():
        return named
    status = path.stat()
    found = _release_inside(path, status.st_size, status.st_mtime_ns)
    if found is None:
        return named
    return facts_of_build(found.version, found.build, image=target.image, arch=named.arch)


@functools.cache
def _release_inside(path: Path, size: int, mtime_ns: int) -> "Release | None":
    """Return what the guest in a file says it is; size and time are those of the file."""
    del size, mtime_ns
    from builder.images import read_release_of  # with the codecs, which a catalog base needs not

    return read_release_of(path)


def usual_arch(target: Target) -> str:
    """Return the architecture of a base that does not say it: Photon's boards are all ARM's."""
    return "aarch64" if target.is_board else "x86_64"
