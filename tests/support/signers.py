"""Keys and signatures of minisign(1), the judge of whatever reads them."""

import base64
from dataclasses import dataclass
from pathlib import Path

from tests.support.judges import judge


@dataclass(frozen=True)
class Signer:
    """A pair of keys without a password."""

    public: Path
    secret: Path

    @property
    def name(self) -> str:
        """The key's name, as minisign wrote it into the comment."""
        return self.public.read_text().splitlines()[0].rpartition(" ")[2]

    def sign(self, file: Path, *options: str) -> Path:
        """Sign a file and return the signature, which lies beside it."""
        judge("minisign", "-S", *options, "-s", self.secret, "-m", file)
        return file.with_name(f"{file.name}.minisig")


def make_signer(folder: Path, name: str = "key") -> Signer:
    """Make a pair of keys."""
    signer = Signer(folder / f"{name}.pub", folder / f"{name}.key")
    judge("minisign", "-G", "-W", "-p", signer.public, "-s", signer.secret)
    return signer


def in_base64(file: Path, line: int) -> bytes:
    """Return what a line of a file, counted from one, has in base64."""
    return base64.b64decode(file.read_bytes().splitlines()[line - 1])


def with_line(file: Path, line: int, content: bytes) -> None:
    """Put other bytes into a line, in base64."""
    lines = file.read_bytes().splitlines()
    lines[line - 1] = base64.b64encode(content)
    file.write_bytes(b"\n".join(lines) + b"\n")
