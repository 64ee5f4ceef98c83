"""Finds the signature of an image, and verifies the image by it.

It is beside the image: ``IMAGE.minisig`` signs the image, ``SHA256SUMS.minisig`` signs a list with
the digest of the image, or with that of its block map, as for a disk that is not packed (ADR 18).
The first is preferred; a signature that exists and does not match is never ignored.
"""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from builder.burn.devices import clean
from builder.burn.signature import (
    MinisignKey,
    MinisignSignature,
    SignerInfo,
    check_comment,
    check_file,
    parse_signature,
)
from builder.burn.source import read_beside, read_published
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
"""The digest that a signature signs, as hashlib names it: 64 bytes of it."""

Read = Callable[[str], bytes | None]
"""Reads a small file beside the image; ``None`` when it does not exist."""


class SignedDigest(Struct, frozen=True):
    """What a verified signature says about an image.

    Attributes:
        signer: The key and what it signed.
        key: The key.
        signature: The signature of the image itself, else ``None``.
        sha256: Else the image's digest in the signed list, or empty.
        map: Else the image's block map.
    """

    signer: SignerInfo
    key: MinisignKey
    signature: MinisignSignature | None = None
    sha256: str = ""
    map: str = ""

    def check(self, found: Mapping[str, str], subject: str) -> None:
        """Compare the digests of the image.

        Raises:
            DigestMismatch: the image is not the one that was signed.
        """
        if self.signature is not None:
            check_file(self.signature, self.key, bytes.fromhex(found[DIGEST]), subject)
        elif found["sha256"] != self.sha256:
            raise self.mismatch(
                subject,
                f"its sha256 is {found['sha256']}; wanted {self.sha256}, the digest in {SUMS}",
            )

    def mismatch(self, subject: str, why: str) -> DigestMismatch:
        """Return the error for an image that is not the one that was signed."""
        return DigestMismatch(
            f"{subject}: is not what the key {self.key.name} signed: {why}",
            hint="it was changed or damaged, or the list is of another build: download both again",
        )


def read_signed_digest(name: str, read: Read, keys: Sequence[MinisignKey]) -> SignedDigest:
    """Find the signature of an image, and verify it as far as that needs no image.

    Args:
        name: Name of the image.
        read: Reads a file beside it.
        keys: One of them must have made the signature.

    Raises:
        DigestMismatch: there is no signature, or it is not valid.
    """
    content = read(f"{name}{SUFFIX}")
    if content is not None:
        signature = parse_signature(content, f"{name}{SUFFIX}")
        key = check_comment(signature, keys)
        return SignedDigest(_signer(name, signature), key, signature)
    content = read(f"{SUMS}{SUFFIX}")
    if content is None:
        raise DigestMismatch(
            f"{name}: is not signed: neither {name}{SUFFIX} nor {SUMS}{SUFFIX} is beside it; "
            f"wanted a signature by the key {keys[0].name}, of {keys[0].origin}",
            hint="download the signature, too; --no-signature burns this image unchecked",
        )
    signature = parse_signature(content, f"{SUMS}{SUFFIX}")
    return _read_listed(name, read, signature, check_comment(signature, keys))


def check_signed(
    path: Path, sha256: str, keys: Sequence[MinisignKey], progress: Progress
) -> tuple[str, SignerInfo]:
    """Verify the signature of a local file; return its SHA-256, empty if not computed, and signer.

    Args:
        path: The image.
        sha256: Expected digest; empty for the one in ``SHA256SUMS``, if that exists.
        keys: One of them must have signed it.
        progress: Where progress is shown.

    Raises:
        DigestMismatch: it is not signed, or is not the file that was signed.
        HostError: it cannot be read, or is not a regular file.
    """
    state_of(path)  # a pipe or /dev/zero would never end
    signed = read_signed_digest(path.name, partial(read_beside, path), keys)
    wanted = expected_digest(path.name, sha256, signed) or read_published(path)
    progress.phase(f"{path.name}: verifying its signature")
    if signed.map:
        _check_map(path, signed)
        return "", signed.signer
    _, found = digest_file(path, {"sha256", DIGEST})
    signed.check(found, path.name)
    if wanted:
        check_found(path.name, check_digests({"sha256": wanted}), found, str(path))
    return found["sha256"], signed.signer


def expected_digest(name: str, sha256: str, signed: SignedDigest | None) -> str:
    """Return the digest that an image must have: the given one, which a signed list must confirm.

    Raises:
        DigestMismatch: the signed list has another digest.
        UsageError: the given one is not a valid digest.
    """
    given = check_digests({"sha256": sha256} if sha256 else {})
    listed = signed.sha256 if signed else ""
    if given and listed and given["sha256"] != listed:
        raise DigestMismatch(
            f"{name}: its sha256 in the signed {SUMS} is {listed}; wanted "
            f"{given['sha256']}, as --sha256 says",
            hint="one of them is of another image",
        )
    return given.get("sha256", listed)


def describe(signer: SignerInfo) -> str:
    """Return a signature as one line: key, file and trusted comment."""
    return f"signed by the key {signer.key} in {signer.file}{SUFFIX}: {signer.comment}"


def _read_listed(
    name: str, read: Read, signature: MinisignSignature, key: MinisignKey
) -> SignedDigest:
    """Return the entry of an image in the signed list."""
    sums = read(SUMS)
    if sums is None:
        raise DigestMismatch(
            f"{name}: is not signed: {SUMS}{SUFFIX} is beside it, but no {SUMS}",
            hint=f"download {SUMS}, too",
        )
    check_file(signature, key, hashlib.blake2b(sums).digest(), SUMS)
    listed, signer = parse_sums(sums.decode("utf-8", "replace")), _signer(SUMS, signature)
    if found := listed.get(name):
        return SignedDigest(signer, key, sha256=found)
    found = listed.get(f"{name}{_MAP}", "")
    content = read(f"{name}{_MAP}") if found else None
    if content is None:
        raise DigestMismatch(
            f"{name}: is not signed: {SUMS} is, but does not list it",
            hint="check that the file has the name under which it was published",
        )
    check_found(f"{name}{_MAP}", {"sha256": found}, {"sha256": hashlib.sha256(content).hexdigest()},
                f"beside {name}, and {SUMS} is signed")  # fmt: skip
    return SignedDigest(signer, key, map=content.decode("utf-8", "replace"))


def _check_map(path: Path, signed: SignedDigest) -> None:
    with host_errors(path), path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        if not is_mapped(Window(stream.fileno(), 0, size), signed.map):
            why = f"its content differs from {path.name}{_MAP}, which {SUMS} lists"
            raise signed.mismatch(path.name, why)


def _signer(file: str, signature: MinisignSignature) -> SignerInfo:
    return SignerInfo(file, signature.key, clean(signature.comment.decode("utf-8", "replace")))
