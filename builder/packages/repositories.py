"""Repositories of packages: those that a base enables, and their indexes from the network.

Format: a .repo file has a section a repository, as dnf.conf(5) has it; of its keys ``baseurl``,
``enabled``, ``priority``, ``gpgcheck`` and ``gpgkey`` count here. ``repomd.xml`` names the indexes
with their digests; it is as trustworthy as the connection, so packages are proved by signatures.
"""

import configparser
from collections.abc import Iterable, Iterator, Mapping

from builder.addresses import shown
from builder.cache import Cache
from builder.catalog import Source
from builder.errors import FetchError, FormatError
from builder.fetch import fetch
from builder.fetch.small import read_document
from builder.formats import rpm_repo
from builder.packages.closure import Index, Metadata
from builder.progress import Progress
from builder.structs import Struct

_LARGEST_LIST = 1 << 20
_ON = {"1", "true", "yes", "on"}
_USUAL_PRIORITY = 50
_MOST_DIGITS = 6


class Repository(Struct, frozen=True):
    """A repository that a base knows.

    Attributes:
        id: Its name in the .repo file.
        address: Where it lies; ends with a slash.
        is_enabled: Whether the base uses it.
        priority: Smaller ones win, as tdnf has it.
        key_files: Paths in the image of the keys that may sign its packages.
        is_signed: Whether its packages have to be signed.
    """

    id: str
    address: str
    is_enabled: bool
    priority: int = _USUAL_PRIORITY
    key_files: tuple[str, ...] = ()
    is_signed: bool = True


def parse_repositories(texts: Iterable[str], variables: Mapping[str, str]) -> Iterator[Repository]:
    """Yield the repositories that .repo files describe; damaged files are skipped, as tdnf does.

    Args:
        texts: Content of the files.
        variables: What ``$releasever`` and ``$basearch`` stand for, without the dollar sign.
    """
    for text in texts:
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read_string(text)
        except configparser.Error:
            continue
        for section in parser.sections():
            row = parser[section]
            address = row.get("baseurl", "").split()
            if address:
                yield Repository(
                    id=section,
                    address=_expand(address[0], variables).rstrip("/") + "/",
                    is_enabled=row.get("enabled", "1").strip().lower() in _ON,
                    priority=_number(row.get("priority", "")),
                    key_files=tuple(_paths(row.get("gpgkey", ""))),
                    is_signed=row.get("gpgcheck", "1").strip().lower() in _ON,
                )


def read_metadata(
    repository: Repository, cache: Cache, progress: Progress, *, with_files: bool = False
) -> Metadata:
    """Return the indexes of a repository, from the cache where they have not changed.

    Args:
        repository: Where they are.
        cache: Keeps them.
        progress: Told what is waited for.
        with_files: Whether the names of all files are wanted, too.

    Raises:
        FetchError: the repository is out of reach, or its list of indexes cannot be understood.
        DigestMismatch: an index is not the one that the list names.
    """
    address = f"{repository.address}repodata/repomd.xml"
    text = read_document(address, _LARGEST_LIST, progress).decode(errors="replace")
    kinds = ("primary", "filelists") if with_files else ("primary",)
    try:
        places, digests = rpm_repo.locate(text), rpm_repo.digests(text)
        indexes = {
            kind: _fetch_index(repository, places[kind], digests[kind], cache, progress)
            for kind in kinds
        }
    except (FormatError, KeyError) as error:
        raise FetchError(
            f"{shown(address)}: does not list the indexes of a repository: {error}",
            hint=f"check `baseurl` of the repository {repository.id}",
        ) from error
    return Metadata(
        name=repository.id,
        address=repository.address,
        primary=indexes["primary"],
        filelists=indexes.get("filelists"),
        priority=-repository.priority,
    )


def _fetch_index(
    repository: Repository,
    href: str,
    digests: Mapping[str, str],
    cache: Cache,
    progress: Progress,
) -> Index:
    """Return an index.

    Raises:
        FormatError: it does not lie in the repository.
    """
    if "://" in href or href.startswith("/") or ".." in href.split("/"):
        raise FormatError(f"an index lies outside of the repository: {href}")
    name = href.rpartition("/")[2]
    source = Source(name, (repository.address + href,), digests)
    return Index(fetch(source, cache, progress).path, name)


def _expand(text: str, variables: Mapping[str, str]) -> str:
    """Return an address with its variables replaced."""
    for name, value in variables.items():
        text = text.replace(f"${name}", value).replace(f"${{{name}}}", value)
    return text


def _paths(text: str) -> Iterator[str]:
    """Yield the paths of ``file:`` addresses; keys at other addresses are not fetched."""
    for word in text.replace(",", " ").split():
        if word.startswith("file:"):
            yield "/" + word.removeprefix("file:").lstrip("/")


def _number(text: str) -> int:
    """Return a priority."""
    text = text.strip()
    return (
        int(text)
        if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
        else _USUAL_PRIORITY
    )
