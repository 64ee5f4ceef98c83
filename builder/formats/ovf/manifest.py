"""OVF manifests: digests of the files of an appliance, a line each.

Source: DSP0243 1.1, 5.1 "OVF Package Structure": ``SHA1(name)= digest``; later versions and
tools use SHA256 and SHA512. Reading takes any case, more white space and CR LF.
"""

import hashlib
import re
from collections.abc import Iterable

from builder.errors import FormatError
from builder.formats.disk import MIB
from builder.structs import Struct

ALGORITHMS = ("SHA1", "SHA256", "SHA512")
"""Names as written, weakest first; in lower case as ``hashlib`` has them."""

SIZE_LIMIT = MIB
_LINE = re.compile(r"\s*(SHA-?\d+)\s*\((.+)\)\s*=\s*([0-9A-Fa-f]+)\s*", re.IGNORECASE)


class ManifestLine(Struct, frozen=True):
    """Digest of one file.

    Attributes:
        algorithm: One of ``ALGORITHMS``.
        name: The file.
        digest: Lower-case hex.
    """

    algorithm: str
    name: str
    digest: str


class Manifest(Struct, frozen=True):
    """Digests of files."""

    lines: tuple[ManifestLine, ...]

    @property
    def algorithm(self) -> str:
        """The strongest algorithm in it."""
        return max((line.algorithm for line in self.lines), key=ALGORITHMS.index)


def parse_manifest(raw: bytes, *, name: str) -> Manifest:
    """Parse a manifest.

    Raises:
        FormatError: a line is malformed, or contradicts another.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise FormatError(f"{name}: byte {error.start} is not UTF-8") from error
    lines = []
    for number, written in enumerate(text.splitlines(), start=1):
        if written.strip():
            lines.append(_parse_line(written, where=f"{name}: line {number}"))
    if not lines:
        raise FormatError(f"{name}: a manifest without digests")
    seen = {(line.algorithm, line.name): line.digest for line in lines}
    for line in lines:
        if seen[line.algorithm, line.name] != line.digest:
            raise FormatError(f"{name}: two different {line.algorithm} digests of {line.name}")
    return Manifest(tuple(lines))


def format_manifest(algorithm: str, digests: Iterable[tuple[str, str]]) -> str:
    """Return a manifest of file names and their digests in hex, as ovftool writes it."""
    return "".join(f"{algorithm}({name})= {digest}\n" for name, digest in digests)


def _parse_line(line: str, *, where: str) -> ManifestLine:
    found = _LINE.fullmatch(line)
    if found is None:
        raise FormatError(f"{where}: {line[:80]!r}; wanted ALGORITHM(name)= digest")
    algorithm = found[1].upper().replace("-", "")
    if algorithm not in ALGORITHMS:
        raise FormatError(f"{where}: algorithm {found[1]}; wanted one of {', '.join(ALGORITHMS)}")
    if len(found[3]) != 2 * hashlib.new(algorithm.lower(), usedforsecurity=False).digest_size:
        raise FormatError(f"{where}: a digest of {len(found[3])} digits is not a {algorithm}")
    return ManifestLine(algorithm, found[2].strip(), found[3].lower())
