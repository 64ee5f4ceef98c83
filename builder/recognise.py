"""Recognises published files for ``cache add``: by digest, else by name."""

from collections.abc import Mapping

from builder.catalog import Source, list_artifacts
from builder.digests import check_found
from builder.errors import UsageError
from builder.features.compose import host as compose_host
from builder.structs import Struct
from builder.suggest import nearest

_SCHEMES = ("https://", "http://")


class Recognised(Struct, frozen=True):
    """A recognised file.

    Attributes:
        text: Name for messages.
        known_as: Its name in the lock file, when no digest identifies it; else empty.
    """

    text: str
    known_as: str = ""


def recognise(filename: str, found: Mapping[str, str], name: str = "") -> Recognised:
    """Return the published file that a file is.

    Args:
        filename: Its name.
        found: Every kind of digest of it.
        name: Name given by the user: a name or path of the catalog, or an address of a spec.

    Raises:
        DigestMismatch: its name is that of a published file, but its digest differs.
        UsageError: it is not a published file, and ``name`` does not identify it.
    """
    if name.startswith(_SCHEMES):
        return Recognised(f"taken for {name}", name)
    by_digest = _by_digest(found)
    if by_digest is not None and not name:
        return by_digest
    wanted = name or filename
    named = [source for source in list_artifacts() if wanted in {source.filename, source.key}]
    exact = [source for source in named if source.key == wanted]
    if len(exact or named) == 1:
        return _by_name((exact or named)[0], found)
    raise _refusal(wanted, named)


def _by_digest(found: Mapping[str, str]) -> Recognised | None:
    """Return the published file that has one of the digests."""
    for source in list_artifacts():
        if any(found.get(name) == value for name, value in source.digests.items()):
            return Recognised(f"{_shown(source)}, by its digest")
    for arch, sha256 in compose_host.DIGESTS.items():
        if found["sha256"] == sha256:
            return Recognised(f"the compose plugin {compose_host.RELEASE} for {arch}")
    return None


def _by_name(source: Source, found: Mapping[str, str]) -> Recognised:
    """Return the published file of a name, once its digest is compared, if it has one."""
    check_found(source.filename, source.digests, found, "the file that was given")
    if source.digests:
        return Recognised(f"{_shown(source)}, by its digest")
    text = f"{_shown(source)}, by its name: it has no published digest"
    return Recognised(text, source.key)


def _refusal(wanted: str, named: list[Source]) -> UsageError:
    """Return the error for an unknown or ambiguous file."""
    if named:
        keys = [source.key for source in named]
        return UsageError(
            f"{wanted}: {len(named)} published files have that name, and none has this digest",
            hint=f"say it: --as {' or --as '.join(keys)}",
        )
    known = [source.filename for source in list_artifacts()]
    meant = nearest(wanted, known)
    return UsageError(
        f"{wanted}: unknown file: neither its digest nor its name is that of a published file",
        hint=(f"did you mean --as {meant}? " if meant else "")
        + "identify it with --as NAME: a file of `photon-builder catalog`, or the address in "
        "`base.url`; a local base needs no cache: base: {file: …}",
    )


def _shown(source: Source) -> str:
    """Return a published file as text."""
    return (
        f"{source.filename} (Photon {source.release} {source.revision}, {source.target}, "
        f"{source.arch})"
    )
