"""An image that has to be signed: its signature is found and read, and then proves the image.

It lies beside the image: ``IMAGE.minisig`` is over the image, ``SHA256SUMS.minisig`` over a list
that has the image's digest, or that of its block map, as of a disk that we made and did not pack
(ADR 18). The first is preferred; one that is there and does not fit is never passed over.
"""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from builder.burn.beside import read_beside
from builder.burn.devices import clean
from builder.burn.signature import (
    Key,
    Signature,
    Signed,
    check_comment,
    check_file,
    parse_signature,
)
from builder.burn.source import read_published
from builder.digests import check_digests, check_found, digest_file
from builder.errors import DigestMismatch
from builder.formats.bmap import is_mapped
from builder.formats.sparse import Window
from builder.host import host_errors, state_of
from builder.progress import Progress
from builder.structs import Struct
from builder.sums import SUMS, parse_sums

SUFFIX = ".minisig"
_MAP = ".bmap"
DIGEST = "blake2b"
"""What a signature is over, as hashlib names it: 64 bytes of it."""

Read = Callable[[str], bytes | None]
"""Reads a small file that lies beside the image; ``None`` when there is none of this name."""


class Promise(Struct, frozen=True):
    """What a signature says that an image is.

    Attributes:
        signed: By whom, and what.
        key: What made it.
        signature: That of the image itself, else ``None``.
        sha256: Else the image's digest, as the list has it, or empty.
        map: Else the image's block map.
    """

    signed: Signed
    key: Key
    signature: Signature | None = None
    sha256: str = ""
    map: str = ""

    def check(self, found: Mapping[str, str], subject: str) -> None:
        """Compare the digests of the image.

        Raises:
            DigestMismatch: it is another.
        """
        if self.signature is not None:
            check_file(self.signature, self.key, bytes.fromhex(found[DIGEST]), subject)
        elif found["sha256"] != self.sha256:
            raise self.broken(
                subject, f"its sha256 is {found['sha256']}; wanted {self.sha256}, as {SUMS} says"
            )

    def broken(self, subject: str, why: str) -> DigestMismatch:
        """Say that an image is not what was signed."""
        return DigestMismatch(
            f"{subject}: is not what the key {self.key.name} signed: {why}",
            hint="it was changed or damaged, or is of another day than the list: fetch both anew",
        )


def read_promise(name: str, read: Read, keys: Sequence[Key]) -> Promise:
    """Find the signature of an image, and prove all of it that can be proved without the image.

    Args:
        name: Of the image.
        read: Reads what lies beside it.
        keys: One of them must have made the signature.

    Raises:
        DigestMismatch: there is none, or it is not what it should be.
    """
    content = read(f"{name}{SUFFIX}")
    if content is not None:
        signature = parse_signature(content, f"{name}{SUFFIX}")
        key = check_comment(signature, keys)
        return Promise(_signed(name, signature), key, signature)
    content = read(f"{SUMS}{SUFFIX}")
    if content is None:
        raise DigestMismatch(
            f"{name}: is not signed: neither {name}{SUFFIX} nor {SUMS}{SUFFIX} lies beside it; "
            f"wanted a signature by the key {keys[0].name}, of {keys[0].origin}",
            hint="fetch the signature, too; --no-signature burns this one image unchecked",
        )
    signature = parse_signature(content, f"{SUMS}{SUFFIX}")
    return _read_listed(name, read, signature, check_comment(signature, keys))


def check_signed(
    path: Path, sha256: str, keys: Sequence[Key], progress: Progress
) -> tuple[str, Signed]:
    """Check a file of this machine; return its SHA-256, if that is known then, and its signer.

    Args:
        path: The image.
        sha256: What its digest must be; empty: what ``SHA256SUMS`` says, if that is there.
        keys: One of them must have signed it.
        progress: Where it is said that this takes its time.

    Raises:
        DigestMismatch: it is not signed, or another than the one that was.
        HostError: it cannot be read, or is no file.
    """
    state_of(path)  # a pipe, or /dev/zero, would be read without end
    promise = read_promise(path.name, partial(read_beside, path), keys)
    wanted = agree(path.name, sha256, promise) or read_published(path)
    progress.phase(f"{path.name}: checking whether it is what was signed")
    if promise.map:
        _check_map(path, promise)
        return "", promise.signed
    _, found = digest_file(path, {"sha256", DIGEST})
    promise.check(found, path.name)
    if wanted:
        check_found(path.name, check_digests({"sha256": wanted}), found, str(path))
    return found["sha256"], promise.signed


def agree(name: str, sha256: str, promise: Promise | None) -> str:
    """Return the digest that an image must have: what is given, which a signed list must say, too.

    Raises:
        DigestMismatch: that says another.
        UsageError: what is given is no digest.
    """
    given = check_digests({"sha256": sha256} if sha256 else {})
    listed = promise.sha256 if promise else ""
    if given and listed and given["sha256"] != listed:
        raise DigestMismatch(
            f"{name}: its sha256 is {listed}, says {SUMS}, which is signed; wanted "
            f"{given['sha256']}, as --sha256 says",
            hint="one of them is of another image",
        )
    return given.get("sha256", listed)


def describe(signed: Signed) -> str:
    """Return by whom an image is signed, and what that one says, for people."""
    return f"signed by the key {signed.key}, as {signed.file}{SUFFIX} says: {signed.comment}"


def _read_listed(name: str, read: Read, signature: Signature, key: Key) -> Promise:
    """Return what the signed list says of an image."""
    sums = read(SUMS)
    if sums is None:
        raise DigestMismatch(
            f"{name}: is not signed: {SUMS}{SUFFIX} lies beside it, but no {SUMS}",
            hint=f"fetch {SUMS}, too",
        )
    check_file(signature, key, hashlib.blake2b(sums).digest(), SUMS)
    listed, signed = parse_sums(sums.decode("utf-8", "replace")), _signed(SUMS, signature)
    if found := listed.get(name):
        return Promise(signed, key, sha256=found)
    found = listed.get(f"{name}{_MAP}", "")
    content = read(f"{name}{_MAP}") if found else None
    if content is None:
        raise DigestMismatch(
            f"{name}: is not signed: {SUMS} is, but does not list it",
            hint="has the file another name than when it was published?",
        )
    check_found(f"{name}{_MAP}", {"sha256": found}, {"sha256": hashlib.sha256(content).hexdigest()},
                f"beside {name}, and {SUMS} is signed")  # fmt: skip
    return Promise(signed, key, map=content.decode("utf-8", "replace"))


def _check_map(path: Path, promise: Promise) -> None:
    """Compare a disk that is not packed with its block map."""
    with host_errors(path), path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        if not is_mapped(Window(stream.fileno(), 0, size), promise.map):
            why = f"{path.name}{_MAP}, which {SUMS} lists, is of another content"
            raise promise.broken(path.name, why)


def _signed(file: str, signature: Signature) -> Signed:
    """Return what is told of a signature."""
    return Signed(file, signature.key, clean(signature.comment.decode("utf-8", "replace")))
