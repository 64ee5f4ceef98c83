"""File content known by its digest before it is read."""

from __future__ import annotations

import errno
import hashlib
import io
import stat
from pathlib import Path
from typing import BinaryIO, Callable, Iterator, NamedTuple, Union

_PIECE = 1 << 20


class Download(NamedTuple):
    """Where the bytes of a blob can be fetched, when they are not on this machine yet.

    Attributes:
        url: Address to fetch from.
        filename: Name for messages.
        recipe: What its bytes are made from, for whoever fetches, when it is no file of a server;
            the blob has the digest of the recipe until then.
    """

    url: str
    filename: str
    recipe: object = None


Source = Union[bytes, Path, Callable[[], BinaryIO], Download]


class Blob:
    """Content of a file in the guest; equal when the bytes are.

    Attributes:
        sha256: Digest of the bytes, lowercase hex.
        size: Length in bytes; zero while the source is still a download.
        source: The bytes, a file on this machine that holds them, what opens them, or where to
            get them.
    """

    __slots__ = ("sha256", "size", "source")

    def __init__(self, sha256: str, size: int, source: Source) -> None:
        self.sha256 = sha256
        self.size = size
        self.source = source

    @classmethod
    def of(cls, data: bytes) -> Blob:
        """Wrap bytes that are already in memory."""
        return cls(hashlib.sha256(data).hexdigest(), len(data), data)

    @classmethod
    def text(cls, text: str) -> Blob:
        """Wrap text, encoded as UTF-8; bytes that were none come back as they were."""
        return cls.of(text.encode("utf-8", "surrogateescape"))

    @classmethod
    def file(cls, path: Path) -> Blob:
        """Wrap a file on this machine, reading it once for its digest.

        Raises:
            OSError: it cannot be read, or is not a regular file.
        """
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
            raise OSError(errno.EINVAL, "is not a regular file; wanted one", str(path))
        digest = hashlib.sha256()
        with path.open("rb", buffering=0) as stream:
            for piece in iter(lambda: stream.read(_PIECE), b""):
                digest.update(piece)
        return cls(digest.hexdigest(), path.stat().st_size, path)

    def open(self) -> BinaryIO:
        """Open the bytes for reading."""
        if isinstance(self.source, bytes):
            return io.BytesIO(self.source)
        if isinstance(self.source, Path):
            return self.source.open("rb")
        if callable(self.source):
            return self.source()
        raise ValueError(f"{self.source.filename} has not been fetched")

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes piece by piece."""
        with self.open() as stream:
            yield from iter(lambda: stream.read(_PIECE), b"")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Blob) and self.sha256 == other.sha256

    def __hash__(self) -> int:
        return hash(self.sha256)

    def __repr__(self) -> str:
        return f"Blob({self.sha256!r})"
