"""The ``base`` of a spec: what an artifact starts from, in one of four forms."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard

from builder.addresses import shown
from builder.errors import Diagnostic
from builder.facts import releases
from builder.schema import DIGESTS
from builder.structs import Struct, replace


class CatalogBase(Struct, frozen=True):
    """A published artifact, by release; the newest revision and the usual arch by default."""

    release: str
    revision: str | None = None
    arch: str | None = None


class UrlBase(Struct, frozen=True):
    """An artifact at an address.

    Attributes:
        url: The address.
        digests: Algorithm to lowercase hex.
        is_recorded: Whether the digests are those of the lock file.
    """

    url: str
    digests: Mapping[str, str]
    is_recorded: bool = False


class FileBase(Struct, frozen=True):
    """An artifact on this machine.

    Attributes:
        path: The file.
        digests: Algorithm to lowercase hex; may be empty.
        release: Photon release that a spec has which is built from this file instead of its own
            base; empty when nothing is known of it.
        arch: Its architecture, likewise.
    """

    path: Path
    digests: Mapping[str, str]
    release: str = ""
    arch: str | None = None


class SampleBase(Struct, frozen=True):
    """The small base that is made on this machine, in the shape of a release; empty: the newest."""

    release: str = ""


Base: TypeAlias = CatalogBase | UrlBase | FileBase | SampleBase

_FORMS = ("release", "url", "file", "sample")
_SELECTORS = ("revision", "arch")
_KNOWN = frozenset((*_FORMS, *_SELECTORS, *DIGESTS))
_SCHEMES = ("https://", "http://")
_HINT = (
    "give its published digest beside `url`, such as sha256: …, or run `photon-builder lock SPEC`, "
    "which records the digest that is seen now and holds every later build to it"
)


def iter_faults(value: object, *, locked: Mapping[str, Mapping[str, str]]) -> Iterator[Diagnostic]:
    """Yield what is wrong with a ``base``, as far as the schema leaves it to us.

    Args:
        value: What the spec has there.
        locked: Digests that the lock file has for addresses.
    """
    if not isinstance(value, Mapping):
        return
    given = [form for form in _FORMS if form in value]
    if given[1:] or (not given and all(key in _KNOWN for key in value)):
        yield _bad_form(given)  # unless an unknown key was meant for a form
    yield from _faults_of_digests(value)
    if given == ["url"]:
        yield from _faults_of_url(value, locked)
    if "release" not in given:
        for key in _SELECTORS:
            if key in value and given:
                message = (
                    f"`{key}` selects among published artifacts; it says nothing of {given[0]}"
                )
                yield Diagnostic(message, "BASE003", f"drop `{key}`, or give `release`", (key,))


def _bad_form(given: list[str]) -> Diagnostic:
    """Return the fault of a base in several forms, or none."""
    if given:
        message = f"base has {' and '.join(f'`{form}`' for form in given)}; wanted one of them"
        return Diagnostic(message, "BASE001", "keep one", (given[1],))
    message = f"base has none of {', '.join(f'`{form}`' for form in _FORMS)}; wanted one"
    return Diagnostic(
        message, "BASE001", 'try `release: "5.0"`, or `sample: true` for a first look'
    )


def _faults_of_digests(value: Mapping[str, Any]) -> Iterator[Diagnostic]:
    """Yield malformed digests."""
    for name, digits in DIGESTS.items():
        text = value.get(name)
        if not isinstance(text, str):
            continue
        odd = sorted(set(text) - set("0123456789abcdefABCDEF"))
        if odd:
            message = f"the {name} holds {odd[0]!r}; wanted {digits} hex digits and nothing else"
            yield Diagnostic(message, "BASE004", "copy the hex digits alone", (name,))
        elif len(text) != digits:
            other = next((n for n, size in DIGESTS.items() if size == len(text)), "")
            hint = f"it is as long as a {other}: write `{other}: …`" if other else "copy all of it"
            message = f"the {name} has {len(text)} hex digits; wanted {digits}"
            yield Diagnostic(message, "BASE004", hint, (name,))
    if "sample" in value or "release" in value:
        for name in DIGESTS.keys() & value.keys():
            message = f"`{name}` belongs to `url` or `file`"
            yield Diagnostic(
                message, "BASE005", f"drop it: a catalog base has its own {name}", (name,)
            )


def _faults_of_url(
    value: Mapping[str, Any], locked: Mapping[str, Mapping[str, str]]
) -> Iterator[Diagnostic]:
    """Yield what is wrong with an address, and the lack of a digest."""
    url = str(value["url"])
    if not url.startswith(_SCHEMES) or not url.partition("://")[2].strip("/"):
        hint = "a local file goes under `file:`"
        yield Diagnostic(
            f"{shown(url)!r} is not a valid address; wanted https://…", "BASE006", hint, ("url",)
        )
    if any(letter.isspace() for letter in url):
        yield Diagnostic(
            "the address holds white space", "BASE006", "write %20 for a space", ("url",)
        )
    if not DIGESTS.keys() & value.keys() and shown(url) not in locked:
        message = (
            "no digest is given for the base, so nobody could tell a damaged or forged download "
            "from the real one"
        )
        yield Diagnostic(message, "BASE002", _HINT, ("url",))


def is_well_formed(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Return whether a ``base`` has the types that it needs; what they hold is another question."""
    if not isinstance(value, Mapping) or not _is_sample(value.get("sample", True)):
        return False
    if not any(form in value for form in _FORMS):
        return False
    texts = ("revision", "arch", "url", "file", *DIGESTS)
    release = value.get("release", "")
    return (
        all(isinstance(value.get(key, ""), str) for key in texts)
        and isinstance(release, str | int | float)
        and not isinstance(release, bool)
    )


def _is_sample(value: object) -> bool:
    """Return whether a value selects a sample: ``true``, or a release."""
    return value is True or (
        not isinstance(value, bool)
        and isinstance(value, str | int | float)
        and _release(value) in releases()
    )


def make_base(
    value: Mapping[str, Any],
    directory: Path,
    *,
    locked: Mapping[str, Mapping[str, str]],
    instead: Base | None = None,
) -> Base:
    """Return a faultless ``base``, or what stands in for it.

    Args:
        value: What the spec has there.
        directory: Where relative paths start.
        locked: Digests that the lock file has for addresses.
        instead: Another base; a file is of the release that the spec names.
    """
    found = _make_base(value, directory, locked)
    if isinstance(instead, FileBase) and isinstance(found, CatalogBase):
        return replace(instead, release=found.release, arch=found.arch)
    return instead or found


def _make_base(
    value: Mapping[str, Any], directory: Path, locked: Mapping[str, Mapping[str, str]]
) -> Base:
    """Return what the spec says."""
    digests = {name: value[name].lower() for name in DIGESTS if name in value}
    match value:
        case {"sample": sample}:
            return SampleBase("" if sample is True else _release(sample))
        case {"url": url}:
            recorded = {} if digests else dict(locked.get(shown(url), {}))
            return UrlBase(url, digests or recorded, bool(recorded))
        case {"file": file}:
            return FileBase(directory / Path(file).expanduser(), digests)
        case _:
            release = _release(value["release"])
            return CatalogBase(release, value.get("revision"), value.get("arch"))


def _release(value: str | float) -> str:
    """Return a release as text; without quotes YAML reads 5.0 as a number."""
    return f"{value}.0" if isinstance(value, int) else str(value)
