"""Verifies that an RPM package was signed by a known key.

Format: RPM 4, format_v4.md: the signature header's tag 268 is an OpenPGP signature of the header,
the header's tag 5092 the digest of the payload. So a package is proved in two steps, from a stream,
without unpacking it. A package without both is refused, also when the whole file is signed.
"""

import hashlib
from collections.abc import Mapping
from typing import BinaryIO

from builder.errors import DigestMismatch, FormatError
from builder.formats.openpgp import Key, Signature, read_signature
from builder.formats.rpm import SignedHeader, read_signed_header
from builder.structs import Struct

_PAYLOAD_DIGEST, _PAYLOAD_ALGORITHM = 5092, 5093
_ALGORITHMS = {1: "md5", 2: "sha1", 8: "sha256", 9: "sha384", 10: "sha512"}
_PIECE = 1 << 20
_WEAK_HASHES = {"md5", "sha1"}
_WEAK_BITS = 2048
_ANEW = "do not use this file: remove it from the cache and download it again"


class Signer(Struct, frozen=True):
    """Signer of a package.

    Attributes:
        key: The key.
        algorithm: Name of the hash.
    """

    key: Key
    algorithm: str

    @property
    def is_weak(self) -> bool:
        """Return whether such a signature can be forged with effort."""
        return self.key.bits < _WEAK_BITS or self.algorithm in _WEAK_HASHES


def check_package(stream: BinaryIO, name: str, keys: Mapping[str, Key]) -> Signer:
    """Return who signed the package that begins where ``stream`` does; all of it is read.

    Raises:
        DigestMismatch: the package is not signed, by none of ``keys``, or was changed since.
        FormatError: it is not an RPM package.
    """
    header = read_signed_header(stream, name)
    if not header.signature:
        raise DigestMismatch(f"{name}: the package is not signed", code="PKG008")
    try:
        signature = read_signature(header.signature, name)
    except FormatError as error:
        raise DigestMismatch(str(error), code="PKG008") from None
    signer = _signer(signature, header, keys)
    _check_payload(stream, header, name)
    return signer


def _signer(signature: Signature, header: SignedHeader, keys: Mapping[str, Key]) -> Signer:
    key = keys.get(signature.key_id)
    name = header.name
    if key is None:
        known = ", ".join(sorted(keys))
        raise DigestMismatch(
            f"{name}: is signed by the key {signature.key_id}; known keys are {known}",
            code="PKG008",
        )
    if not signature.is_made_by(key, header.content):
        raise DigestMismatch(
            f"{name}: the signature of {key.id} does not match: the package was changed",
            hint=_ANEW,
            code="PKG008",
        )
    return Signer(key, signature.algorithm)


def _check_payload(stream: BinaryIO, header: SignedHeader, name: str) -> None:
    """Refuse a payload that has another digest than the signed header says."""
    texts = [value for value in header.tags.get(_PAYLOAD_DIGEST, ()) if isinstance(value, str)]
    kinds = [value for value in header.tags.get(_PAYLOAD_ALGORITHM, ()) if isinstance(value, int)]
    algorithm = _ALGORITHMS.get(kinds[0], "") if kinds else ""
    if not texts or not algorithm:
        raise DigestMismatch(
            f"{name}: its signed header has no digest of the payload", code="PKG008"
        )
    digest = hashlib.new(algorithm, usedforsecurity=False)
    while piece := stream.read(_PIECE):
        digest.update(piece)
    if digest.hexdigest() != texts[0].lower():
        raise DigestMismatch(
            f"{name}: the payload is not the one that was signed", hint=_ANEW, code="PKG008"
        )
