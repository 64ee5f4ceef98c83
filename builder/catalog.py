"""Which files Photon published, where, and with which digests: ``data/releases.json``, asked.

Addresses are those of the mirrors, in order, and then the ones that only one file had. The
mirrors are replaced by ``$PHOTON_BUILDER_MIRRORS``, a comma-separated list of base addresses.
It does not download anything, and it completes nothing: what is not in the data is not known.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from builder.digests import ALGORITHMS, check_digests
from builder.errors import BuilderError, SpecError, UnsupportedError, UsageError
from builder.structs import Struct, field, replace

VARIABLE = "PHOTON_BUILDER_MIRRORS"
MIRRORS = (
    "https://packages.broadcom.com/photon/",
    "https://packages.vmware.com/photon/",
    "https://packages-prod.broadcom.com/photon/",
)
_RELEASES = Path(__file__).parent / "data" / "releases.json"
_COMMON_ARCH = "x86_64"


class Source(Struct, frozen=True):
    """A published file.

    Attributes:
        filename: How its publisher calls it.
        urls: Addresses, best first.
        digests: Algorithm to lowercase hex.
        size: Length in bytes, when it was published.
        release: Photon release, such as ``5.0``.
        revision: Stage of the release, such as ``Rev2 Update3``.
        arch: Architecture.
        target: What it is a base for.
        notes: What one should know before using it.
        key: What the lock file calls it: its name, or its path when several files have that name.
        is_recorded: Whether its digests are those of the lock file, since none was published.
    """

    filename: str
    urls: tuple[str, ...]
    digests: Mapping[str, str] = field(default_factory=dict)
    size: int | None = None
    release: str = ""
    revision: str = ""
    arch: str = ""
    target: str = ""
    notes: str = ""
    key: str = ""
    is_recorded: bool = False


class UnknownName(UsageError):  # noqa: N818 - what is raised for a name that is not known
    """The catalog does not have what was asked for.

    Attributes:
        what: The selector that found nothing: ``release``, ``target``, ``revision`` or ``arch``.
    """

    what = ""


class _Entry(Struct, frozen=True):
    """A file of the catalog with what decides whether it is chosen."""

    source: Source
    words: frozenset[str]
    hw_version: int
    withdrawn: str


def find_source(
    release: str,
    target: str,
    revision: str | None = None,
    arch: str | None = None,
    *,
    locked: Mapping[str, Mapping[str, str]] | None = None,
) -> Source:
    """Return the base of ``target``; by default that of the newest revision.

    Revisions are compared without case and spaces. A file without a published digest has the
    one that ``locked`` has for it, or none: see ``builder.trust``. Of several files that fit,
    the one for the newest virtual hardware is taken.

    Raises:
        UnknownName: there is no such release, revision or target; the message says what there is.
        UnsupportedError: there is one, but it was withdrawn.
    """
    of_release = [
        _locked_entry(entry, locked or {})
        for entry in _entries()
        if entry.source.release == release
    ]
    if not of_release:
        known = dict.fromkeys(entry.source.release for entry in _entries())
        raise _unknown("release", "Photon", release, list(known))
    fitting = _of_target(of_release, release, target)
    if revision is not None:
        fitting = _of_revision(fitting, f"Photon {release}, {target}", revision)
    fitting = _of_arch(fitting, f"Photon {release}, {target}", arch)
    usable = [entry for entry in fitting if not entry.withdrawn]
    if not usable:
        raise _withdrawn(fitting[-1])
    newest = usable[-1].source.revision
    last = [entry for entry in usable if entry.source.revision == newest]
    return _addressed(max(last, key=lambda entry: entry.hw_version).source)


def list_artifacts(release: str | None = None, target: str | None = None) -> Iterator[Source]:
    """Yield what is known, oldest first; also what has no digest.

    Raises:
        UsageError: nothing is known of ``release`` or ``target``.
    """
    for name, wanted in (("release", release), ("target", target)):
        known = dict.fromkeys(str(getattr(entry.source, name)) for entry in _entries())
        if wanted is not None and wanted not in known:
            raise _unknown(name, "Photon", wanted, list(known))
    for entry in _entries():
        if release in {None, entry.source.release} and target in {None, entry.source.target}:
            yield _addressed(entry.source)


def _locked_entry(entry: _Entry, locked: Mapping[str, Mapping[str, str]]) -> _Entry:
    """Return an entry with the digest of a lock file, if it has no other."""
    source = entry.source
    digests = locked.get(source.key) or locked.get(source.filename)
    if source.digests or not digests:
        return entry
    return replace(entry, source=replace(source, digests=digests, is_recorded=True))


def _of_target(entries: Sequence[_Entry], release: str, target: str) -> list[_Entry]:
    """Return the files for a target."""
    found = [entry for entry in entries if entry.source.target == target]
    if not found:
        known = dict.fromkeys(entry.source.target for entry in entries)
        raise _unknown("target", f"Photon {release}", target, list(known))
    return found


def _of_revision(entries: Sequence[_Entry], subject: str, revision: str) -> list[_Entry]:
    """Return the files of a revision, by any of its names."""
    word = _plain(revision)
    found = [entry for entry in entries if word in entry.words]
    if not found:
        known = dict.fromkeys(entry.source.revision for entry in entries)
        raise _unknown("revision", subject, revision, list(known))
    return found


def _of_arch(entries: Sequence[_Entry], subject: str, arch: str | None) -> list[_Entry]:
    """Return the files for an architecture; unless told, the common one if there is any."""
    known = list(dict.fromkeys(entry.source.arch for entry in entries))
    chosen = arch or (_COMMON_ARCH if _COMMON_ARCH in known else known[0])
    if chosen not in known:
        raise _unknown("arch", subject, chosen, known)
    return [entry for entry in entries if entry.source.arch == chosen]


_SEE = "`photon-builder catalog` lists the published files"
_OTHERWISE = {
    "revision": "drop `revision`: the newest is taken",
    "arch": "drop `arch`: the target has a usual one",
}


def _unknown(what: str, subject: str, asked: str, known: Sequence[str]) -> UnknownName:
    """Return the error for a name that the catalog does not have."""
    from difflib import get_close_matches

    plain = {_plain(name): name for name in known}
    near = get_close_matches(_plain(asked), plain, n=1)
    word = "architecture" if what == "arch" else what
    between = " " if subject == "Photon" else ": "
    found = UnknownName(
        f"{subject}{between}{word} {asked!r} is not in the catalog; there is {', '.join(known)}",
        hint=f"did you mean {plain[near[0]]!r}?" if near else _OTHERWISE.get(what, _SEE),
    )
    found.what = what
    return found


def _withdrawn(entry: _Entry) -> UnsupportedError:
    """Return the error for a file that must not be used."""
    source = entry.source
    return UnsupportedError(
        f"Photon {source.release} {source.revision}, {source.target}, {source.arch}: "
        f"{source.filename} was {entry.withdrawn}",
        hint=f"choose another: photon-builder catalog {source.release}",
    )


def _addressed(source: Source) -> Source:
    """Return the source with the mirrors' addresses in front, or only those of the environment."""
    path, *others = source.urls
    bases = [base.strip() for base in os.environ.get(VARIABLE, "").split(",") if base.strip()]
    if bases:
        path = path or source.filename
        return replace(source, urls=tuple(f"{base.rstrip('/')}/{path}" for base in bases))
    mirrored = [f"{base}{path}" for base in MIRRORS] if path else []
    return replace(source, urls=(*mirrored, *(url for url in others if url)))


@cache
def _entries() -> tuple[_Entry, ...]:
    """Return the whole catalog."""
    return read_catalog(_RELEASES)


def read_catalog(path: Path) -> tuple[_Entry, ...]:
    """Return a catalog in the order of its data: oldest first within a release.

    Raises:
        SpecError: its data are damaged; everything wrong is listed with its line.
    """
    try:
        value: Any = json.loads(path.read_bytes())
        rows = [(stage, row) for stage in value["stages"] for row in stage["artifacts"]]
        entries = [_make_entry(stage, row) for stage, row in rows]
    except (ValueError, KeyError, TypeError, AttributeError, BuilderError) as error:
        from builder.catalog_faults import find_problems
        from builder.documents import load_document  # YAML 1.2 contains JSON, and has the lines

        raise SpecError(find_problems(load_document(path), error)) from error
    uses = Counter(entry.source.filename for entry in entries)
    return tuple(_keyed(entry, uses[entry.source.filename] > 1) for entry in entries)


def _keyed(entry: _Entry, is_ambiguous: bool) -> _Entry:
    """Return an entry with its name in the lock file."""
    source = entry.source
    key = (source.urls[0] if is_ambiguous else "") or source.filename
    return replace(entry, source=replace(source, key=key))


def _make_entry(stage: Mapping[str, Any], row: Mapping[str, Any]) -> _Entry:
    """Return one line of the data; the path below a mirror comes first among the addresses."""
    release, revision = str(stage["release"]), str(stage["revision"])
    unnamed = f"photon-{release}-{stage.get('build', revision)}-{row['target']}"
    notes = "; ".join(str(row[name]) for name in ("notes", "disputed", "withdrawn") if name in row)
    source = Source(
        filename=row.get("filename", unnamed),
        urls=(row.get("path", ""), *row.get("urls", ())),
        digests=check_digests({name: row[name] for name in ALGORITHMS if name in row}),
        size=row.get("size"),
        release=release,
        revision=revision,
        arch=row["arch"],
        target=row["target"],
        notes=notes,
    )
    words = frozenset(_plain(name) for name in (revision, *stage.get("also", ())))
    return _Entry(source, words, row.get("hw_version", 0), row.get("withdrawn", ""))


def _plain(text: str) -> str:
    """Return a name as it is compared."""
    return "".join(text.lower().replace("revision", "rev").split()).replace("-", "")
