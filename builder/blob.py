"""File content known by its digest before it is read."""

import errno
import hashlib
import io
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Self

from builder.structs import Struct


class Download(Struct, frozen=True):
    """Where the bytes of a blob can be fetched, when they are not on this machine yet.

    Attributes:
        url: Address to fetch from.
        filename: Name for messages.
    """

    url: str
    filename: str


@dataclass(frozen=True, slots=True)
class Blob:
    """Content of a file in the guest; equal when the bytes are.

    Attributes:
        sha256: Digest of the bytes, lowercase hex.
        size: Length in bytes; zero while the source is still a download.
        source: The bytes, a file on this machine that holds them, or where to get them.
    """

    sha256: str
    size: int = field(compare=False)
    source: bytes | Path | Download = field(repr=False, compare=False)

    @classmethod
    def of(cls, data: bytes) -> Self:
        """Wrap bytes that are already in memory."""
        return cls(hashlib.sha256(data).hexdigest(), len(data), data)

    @classmethod
    def text(cls, text: str) -> Self:
        """Wrap text, encoded as UTF-8."""
        return cls.of(text.encode())

    @classmethod
    def file(cls, path: Path) -> Self:
        """Wrap a file on this machine, reading it once for its digest.

        Raises:
            OSError: it cannot be read, or is not a regular file.
        """
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
            raise OSError(errno.EINVAL, "is not a regular file; wanted one", str(path))
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return cls(digest, path.stat().st_size, path)

    def open(self) -> BinaryIO:
        """Open the bytes for reading."""
        match self.source:
            case bytes():
                return io.BytesIO(self.source)
            case Path():
                return self.source.open("rb")
            case Download():
                raise ValueError(f"{self.source.filename} has not been fetched")
