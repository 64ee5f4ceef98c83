"""What a plan's document refers to, in a zip: contents by their digest, secrets by their number.

The same plan gives the same bytes: members are sorted, stored as they are, and of 1980. A zip of
more than 65,535 members or 4 GiB is no module that Python before 3.13 could run.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from typing import BinaryIO, Dict, Iterable, List, Mapping, Tuple, cast

from .blobs import Blob, Download
from .document import Unstored, word_of
from .errors import PlanError
from .forms import Json, Store

_EPOCH = (1980, 1, 1, 0, 0, 0)
_LARGE = 1 << 31
_DAMAGED = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError)
"""What zipfile raises of a member that it cannot read."""


class ChangedError(PlanError):
    """Content that is no longer what it was when the plan was made."""

    def __init__(self, name: str, digest: str) -> None:
        super().__init__(f"{name} is not what it was when the plan was made")
        self.digest = digest


class Packing(Store):
    """Collects what a document refers to."""

    def __init__(self) -> None:
        self.contents: Dict[str, Blob] = {}
        self.secrets: List[Blob] = []

    def put(self, blob: Blob) -> Json:
        """Keep content by its digest; what is still to be fetched stays a download."""
        if not isinstance(blob.source, Download):
            self.contents[blob.sha256] = blob
        return word_of(blob)

    def hide(self, blob: Blob) -> Json:
        """Keep a secret by its number."""
        self.secrets.append(blob)
        return {"secret": len(self.secrets) - 1}

    def get(self, word: Json) -> Blob:
        """Refuse: nothing can be taken out before it is written."""
        return Unstored().get(word)

    def reveal(self, word: Json) -> Blob:
        """Refuse, as well."""
        return Unstored().get(word)

    def members(self) -> Iterable[Tuple[str, Blob]]:
        """Yield names and contents of the members."""
        yield from ((f"contents/{digest}", blob) for digest, blob in self.contents.items())
        yield from ((f"secrets/{number}", blob) for number, blob in enumerate(self.secrets))


class Unpacking(Store):
    """Finds what a document refers to; what is read is checked against its digest."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def get(self, word: Json) -> Blob:
        """Return content, which is read when it is needed."""
        if isinstance(word, dict) and "secret" in word:
            return self.reveal(word)
        digest, size = (word.get("sha256"), word.get("size")) if isinstance(word, dict) else (0, 0)
        if not isinstance(digest, str) or type(size) is not int:
            raise PlanError(f"the plan has {word!r} where a digest and a size are wanted")
        if "url" in word:
            return Blob(digest, size, Download(str(word["url"]), str(word.get("name", ""))))
        member = self._member(f"contents/{digest}")
        if member.file_size != size:
            raise PlanError(f"{digest} has {member.file_size} bytes; the plan says {size}")
        return Blob(digest, size, _Member(self._archive, member, digest))

    def reveal(self, word: Json) -> Blob:
        """Return a secret."""
        number = word.get("secret") if isinstance(word, dict) else None
        if type(number) is not int:
            raise PlanError("the plan has a secret in the open; wanted its number")
        return Blob.of(self.read(f"secrets/{number}"))

    def read(self, name: str) -> bytes:
        """Return a member.

        Raises:
            PlanError: the archive lacks it, or it is damaged.
        """
        try:
            return self._archive.read(self._member(name))
        except _DAMAGED as error:
            raise PlanError(f"{name} in the bundle is damaged: {error}") from None

    def put(self, blob: Blob) -> Json:
        """Refuse: what is read does not change."""
        raise PlanError(f"nothing is added to an archive that is read: {blob}")

    def hide(self, blob: Blob) -> Json:
        """Refuse, as well."""
        return self.put(blob)

    def _member(self, name: str) -> zipfile.ZipInfo:
        try:
            return self._archive.getinfo(name)
        except KeyError:
            raise PlanError(f"the contents of the plan lack {name}") from None


class _Member:
    """Opens a member of an archive."""

    def __init__(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo, digest: str) -> None:
        self._archive, self._member, self._digest = archive, member, digest

    def __call__(self) -> BinaryIO:
        """Check the digest, then open it anew: what is damaged is never written anywhere."""
        found = hashlib.sha256()
        try:
            with self._archive.open(self._member) as stream:
                for piece in iter(lambda: stream.read(1 << 20), b""):
                    found.update(piece)
        except _DAMAGED as error:
            raise PlanError(f"the contents of the plan are damaged: {error}") from None
        if found.hexdigest() != self._digest:
            raise PlanError(
                f"the contents of the plan are damaged: {self._digest} has another digest"
            )
        return cast("BinaryIO", self._archive.open(self._member))


def write_archive(out: BinaryIO, store: Packing, more: Mapping[str, Blob]) -> None:
    """Write a zip of what a document refers to, and of other members.

    Raises:
        ChangedError: some content is not what it was.
    """
    everything = sorted([*more.items(), *store.members()], key=lambda item: item[0])
    with zipfile.ZipFile(out, "w") as archive:
        for name, blob in everything:
            info = zipfile.ZipInfo(name, _EPOCH)
            found = hashlib.sha256()
            with archive.open(info, "w", force_zip64=blob.size >= _LARGE) as to:
                for piece in blob.chunks():
                    found.update(piece)
                    to.write(piece)
            if found.hexdigest() != blob.sha256:
                raise ChangedError(name, blob.sha256)
