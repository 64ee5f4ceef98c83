"""The metadata of a package repository: packages added to it.

Format: createrepo_c's, that is repomd.xml naming primary, filelists and other, each an XML text
compressed with gzip whose name begins with its digest. What is there stays as it is, text for
text. Databases made from the XML (``…_db``) are left out: they would not know what was added,
and every reader falls back to the XML.
"""

import gzip
import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from html import escape

from builder.errors import FormatError
from builder.formats.rpm import Header
from builder.structs import Struct

KINDS = ("primary", "filelists", "other")
_ROOTS = {"primary": "metadata", "filelists": "filelists", "other": "otherdata"}
_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACE = "http://linux.duke.edu/metadata"
_NAMESPACES = {
    "primary": f"{_NAMESPACE}/common",
    "filelists": f"{_NAMESPACE}/filelists",
    "other": f"{_NAMESPACE}/other",
}
_DATA = re.compile(r"<data type=\"(?P<type>[^\"]+)\">.*?</data>\s*", re.DOTALL)
_HREF = re.compile(r"<location href=\"(?P<href>[^\"]+)\"")
_CHECKSUM = re.compile(r"<checksum type=\"(?P<type>[^\"]+)\">\s*(?P<digest>[0-9A-Fa-f]+)\s*<")
_ALGORITHMS = {"sha": "sha1", "sha1": "sha1", "sha256": "sha256", "sha512": "sha512"}
_COUNT = re.compile(r"packages=\"(\d+)\"")
_REVISION = re.compile(r"<revision>[^<]*</revision>")
_CONTROL = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_IN_PRIMARY = re.compile(r"^/etc/|bin/|^/usr/lib/sendmail$")
_LARGEST_TEXT = 1 << 30
_SENSES = {2: "LT", 4: "GT", 8: "EQ", 10: "LE", 12: "GE"}
_BEFORE_INSTALLING = 0x40 | 0x200 | 0x400
_DIRECTORY_TYPE, _TYPE_BITS, _GHOST = 0o040000, 0o170000, 0x40
_CHANGES_KEPT = 10
NAME, VERSION, RELEASE, EPOCH, SUMMARY, DESCRIPTION, BUILD_TIME = (*range(1000, 1007),)
BUILD_HOST, INSTALLED_SIZE, VENDOR, LICENSE, PACKAGER, GROUP = 1007, 1009, 1011, 1014, 1015, 1016
URL, ARCH, SOURCE, MODES, FLAGS = 1020, 1022, 1044, 1030, 1037
_RELATIONS = {
    "provides": (1047, 1112, 1113),
    "requires": (1049, 1048, 1050),
    "conflicts": (1054, 1053, 1055),
    "obsoletes": (1090, 1114, 1115),
}
_DIRECTORY_OF, _NAMES, _DIRECTORIES = 1116, 1117, 1118
_CHANGE_TIMES, _CHANGE_AUTHORS, _CHANGE_TEXTS = 1080, 1081, 1082


class Package(Struct, frozen=True):
    """A package that is added.

    Attributes:
        header: Its header.
        sha256: Digest of the file.
        size: Its length.
        href: Where it lies below the repository.
        mtime: Time of the file, seconds since the epoch.
    """

    header: Header
    sha256: str
    size: int
    href: str
    mtime: int


def locate(repomd: str) -> dict[str, str]:
    """Return where ``repomd.xml`` says that each kind of metadata lies."""
    found = {}
    for data in _DATA.finditer(repomd):
        href = _HREF.search(data[0])
        if href:
            found[data["type"]] = href["href"]
    missing = [kind for kind in KINDS if kind not in found]
    if missing:
        raise FormatError(f"repomd.xml: names no {', '.join(missing)}")
    return found


def digests(repomd: str) -> dict[str, dict[str, str]]:
    """Return the digest that ``repomd.xml`` lists for each kind of metadata, by algorithm."""
    found = {}
    for data in _DATA.finditer(repomd):
        checksum = _CHECKSUM.search(data[0])
        if checksum and checksum["type"] in _ALGORITHMS:
            digest = checksum["digest"].lower()
            found[data["type"]] = {_ALGORITHMS[checksum["type"]]: digest}
    return found


def add_to_index(data: bytes, kind: str, packages: Iterable[Package]) -> bytes:
    """Return one index with packages added; those that it has already are left alone.

    Args:
        data: The index, compressed with gzip.
        kind: One of ``KINDS``.
        packages: What is added.

    Raises:
        FormatError: the index is damaged, or compressed otherwise.
    """
    text = _decompress(data, kind)
    end = text.rfind(f"</{_ROOTS[kind]}>")
    count = _COUNT.search(text)
    if end < 0 or count is None:
        raise FormatError(f"{kind}.xml: has no {_ROOTS[kind]} with a number of packages")
    new = [_FORMATS[kind](each) for each in packages if each.sha256 not in text]
    if not new:
        return data
    total = f'packages="{int(count[1]) + len(new)}"'
    text = text[: count.start()] + total + text[count.end() : end] + "".join(new) + text[end:]
    return gzip.compress(text.encode(), mtime=0)


def empty_index(kind: str) -> bytes:
    """Return an index of no packages, compressed with gzip."""
    root = _ROOTS[kind]
    names = f'xmlns="{_NAMESPACES[kind]}"'
    if kind == "primary":
        names += f' xmlns:rpm="{_NAMESPACE}/rpm"'
    text = f'{_XML}<{root} {names} packages="0">\n</{root}>\n'
    return gzip.compress(text.encode(), mtime=0)


def format_new_repomd(indexes: Mapping[str, tuple[str, bytes]], timestamp: int) -> str:
    """Return ``repomd.xml`` of a repository that has nothing but ``indexes``, as below."""
    rows = "".join(_format_data(kind, *indexes[kind], timestamp) for kind in indexes)
    names = f'xmlns="{_NAMESPACE}/repo" xmlns:rpm="{_NAMESPACE}/rpm"'
    return f"{_XML}<repomd {names}>\n<revision>{timestamp}</revision>\n{rows}</repomd>\n"


def format_repomd(repomd: str, indexes: Mapping[str, tuple[str, bytes]], timestamp: int) -> str:
    """Return ``repomd.xml`` that names other indexes.

    Args:
        repomd: As it was.
        indexes: Kind to path below the repository and content.
        timestamp: Seconds since the epoch.
    """

    def renew(data: "re.Match[str]") -> str:
        kind = data["type"]
        if kind.endswith("_db"):
            return ""
        return _format_data(kind, *indexes[kind], timestamp) if kind in indexes else data[0]

    text = _REVISION.sub(f"<revision>{timestamp}</revision>", repomd)
    return _DATA.sub(renew, text)


def _format_data(kind: str, href: str, content: bytes, timestamp: int) -> str:
    """Return what ``repomd.xml`` says of one index."""
    plain = gzip.decompress(content)
    return (
        f'<data type="{kind}">\n'
        f'    <checksum type="sha256">{hashlib.sha256(content).hexdigest()}</checksum>\n'
        f'    <open-checksum type="sha256">{hashlib.sha256(plain).hexdigest()}</open-checksum>\n'
        f'    <location href="{href}"/>\n'
        f"    <timestamp>{timestamp}</timestamp>\n"
        f"    <size>{len(content)}</size>\n"
        f"    <open-size>{len(plain)}</open-size>\n"
        "  </data>\n  "
    )


def _decompress(data: bytes, kind: str) -> str:
    try:
        inflater = zlib.decompressobj(31)
        text = inflater.decompress(data, _LARGEST_TEXT)
    except zlib.error as error:
        raise FormatError(f"{kind}.xml: {error}; wanted gzip") from None
    if not inflater.eof:
        raise FormatError(f"{kind}.xml.gz: cut short, or larger than {_LARGEST_TEXT} bytes")
    return text.decode(errors="replace")


def _format_primary(package: Package) -> str:
    """Return what ``primary.xml`` says of a package."""
    header = package.header
    size = header.number(INSTALLED_SIZE)
    files = [row for path, row in _file_rows(header) if _IN_PRIMARY.search(path)]
    return (
        '<package type="rpm">\n'
        f"  <name>{_said(header.text(NAME))}</name>\n"
        f"  <arch>{_said(header.text(ARCH))}</arch>\n"
        f"  {_version(header)}\n"
        f'  <checksum type="sha256" pkgid="YES">{package.sha256}</checksum>\n'
        f"  <summary>{_said(header.text(SUMMARY))}</summary>\n"
        f"  <description>{_said(header.text(DESCRIPTION))}</description>\n"
        f"  <packager>{_said(header.text(PACKAGER))}</packager>\n"
        f"  <url>{_said(header.text(URL))}</url>\n"
        f'  <time file="{package.mtime}" build="{header.number(BUILD_TIME)}"/>\n'
        f'  <size package="{package.size}" installed="{size}" '
        f'archive="{header.payload_size}"/>\n'
        f'  <location href="{_said(package.href)}"/>\n'
        "  <format>\n"
        f"    <rpm:license>{_said(header.text(LICENSE))}</rpm:license>\n"
        f"    <rpm:vendor>{_said(header.text(VENDOR))}</rpm:vendor>\n"
        f"    <rpm:group>{_said(header.text(GROUP))}</rpm:group>\n"
        f"    <rpm:buildhost>{_said(header.text(BUILD_HOST))}</rpm:buildhost>\n"
        f"    <rpm:sourcerpm>{_said(header.text(SOURCE))}</rpm:sourcerpm>\n"
        f'    <rpm:header-range start="{header.start}" end="{header.end}"/>\n'
        f"{''.join(_relations(header))}{''.join(files)}"
        "  </format>\n</package>\n"
    )


def _format_filelists(package: Package) -> str:
    """Return what ``filelists.xml`` says of a package."""
    rows = "".join(row for _, row in _file_rows(package.header))
    return f"{_head(package)}{rows}</package>\n"


def _format_other(package: Package) -> str:
    """Return what ``other.xml`` says of a package: its latest changes, the oldest first."""
    header = package.header
    columns = (header.numbers(_CHANGE_TIMES), header.texts(_CHANGE_AUTHORS))
    changes = list(zip(*columns, header.texts(_CHANGE_TEXTS), strict=False))[:_CHANGES_KEPT]
    rows = "".join(
        f'  <changelog author="{_said(author)}" date="{when}">{_said(text)}</changelog>\n'
        for when, author, text in reversed(changes)
    )
    return f"{_head(package)}{rows}</package>\n"


def format_installed(headers: Iterable[Header]) -> Iterator[str]:
    """Yield an index of installed packages piece by piece, with what a solver needs to know.

    Unlike that of a repository it names all files, and no package file.
    """
    names = f'xmlns="{_NAMESPACES["primary"]}" xmlns:rpm="{_NAMESPACE}/rpm"'
    yield f"{_XML}<metadata {names}>\n"
    for header in headers:
        files = (row for _, row in _file_rows(header))
        yield (
            f'<package type="rpm"><name>{_said(header.text(NAME))}</name>'
            f"<arch>{_said(header.text(ARCH) or 'noarch')}</arch>{_version(header)}\n"
            f"  <format>\n{''.join(_relations(header))}{''.join(files)}  </format></package>\n"
        )
    yield "</metadata>\n"


SOLVER_TAGS = frozenset(
    (NAME, EPOCH, VERSION, RELEASE, ARCH, MODES, FLAGS, _DIRECTORY_OF, _NAMES, _DIRECTORIES)
) | {tag for tags in _RELATIONS.values() for tag in tags}
"""The tags that ``format_installed`` looks at."""

_FORMATS = {"primary": _format_primary, "filelists": _format_filelists, "other": _format_other}


def _head(package: Package) -> str:
    """Return how a package begins outside of ``primary.xml``."""
    header = package.header
    return (
        f'<package pkgid="{package.sha256}" name="{_said(header.text(NAME))}" '
        f'arch="{_said(header.text(ARCH))}">\n  {_version(header)}\n'
    )


def _version(header: Header) -> str:
    """Return epoch, version and release."""
    version, release = _said(header.text(VERSION)), _said(header.text(RELEASE))
    return f'<version epoch="{header.number(EPOCH)}" ver="{version}" rel="{release}"/>'


def _relations(header: Header) -> Iterator[str]:
    """Yield what a package provides, requires and excludes; the rpm program's own needs not."""
    for kind, tags in _RELATIONS.items():
        columns = (header.texts(tags[0]), header.numbers(tags[1]), header.texts(tags[2]))
        rows = dict.fromkeys(
            _relation(kind, name, flags, version)
            for name, flags, version in zip(*columns, strict=False)
            if not name.startswith("rpmlib(")
        )
        if rows:
            yield f"    <rpm:{kind}>\n{''.join(rows)}    </rpm:{kind}>\n"


def _relation(kind: str, name: str, flags: int, version: str) -> str:
    parts = [f'name="{_said(name)}"']
    sense = _SENSES.get(flags & 14)
    if sense and version:
        epoch, colon, rest = version.rpartition(":")
        number, dash, release = rest.partition("-")
        parts += [f'flags="{sense}"', f'epoch="{_said(epoch) if colon else 0}"']
        parts += [f'ver="{_said(number)}"', *([f'rel="{_said(release)}"'] if dash else [])]
    if kind == "requires" and flags & _BEFORE_INSTALLING:
        parts.append('pre="1"')
    return f"      <rpm:entry {' '.join(parts)}/>\n"


def _file_rows(header: Header) -> Iterator[tuple[str, str]]:
    """Yield path and row of each file in a package."""
    directories = header.texts(_DIRECTORIES)
    columns = (header.numbers(_DIRECTORY_OF), header.numbers(MODES), header.numbers(FLAGS))
    for name, index, mode, flags in zip(header.texts(_NAMES), *columns, strict=False):
        path = f"{directories[index] if index < len(directories) else ''}{name}"
        kind = ' type="dir"' if mode & _TYPE_BITS == _DIRECTORY_TYPE else ""
        kind = ' type="ghost"' if flags & _GHOST else kind
        yield path, f"  <file{kind}>{_said(path)}</file>\n"


def _said(text: str) -> str:
    """Return text as XML has it."""
    return escape(_CONTROL.sub("", text))
