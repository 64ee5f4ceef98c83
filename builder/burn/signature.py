"""Signatures of minisign: which key signed a file, and with which trusted comment.

Source: the description of the formats on minisign's own pages, "Signature format" and "Public key
format". A key is 42 bytes in base64 below a comment: ``Ed``, 8 bytes that name the key, 32 of
Ed25519 (RFC 8032). A signature is 74: ``ED``, the key's name, 64 of Ed25519 over the BLAKE2b-512 of
the file (RFC 7693); a second one, of 64 bytes, is over the first and the trusted comment. ``Ed``
there means a signature over the file itself, which cannot be checked on a stream: it is refused.

The only module that imports ``cryptography``, and only when a signature is checked. Does not sign;
where keys and signatures are is in :mod:`builder.burn.config` and :mod:`builder.burn.signed`.
"""

import base64
import binascii
from collections.abc import Sequence

from builder.errors import DigestMismatch, FormatError
from builder.structs import Struct

LARGEST = 1 << 16
"""Upper limit of the size of a key or signature file, bytes."""

_UNTRUSTED = b"untrusted comment:"
_TRUSTED = b"trusted comment: "
_NAMED = 10
"""Bytes of the algorithm and the key's name."""
_KEY_SIZE, _SECRET_SIZE = 42, 158
_SIGNATURE_SIZE = 74
_SEAL_SIZE = 64
_KEY_LINES, _LINES = 2, 4
_ANEW = "download the signature again from its publisher; do not use the image without it"


class MinisignKey(Struct, frozen=True):
    """A public key.

    Attributes:
        name: As minisign prints it, a number in hexadecimal digits.
        content: 32 bytes.
        origin: Its file.
    """

    name: str
    content: bytes
    origin: str


class MinisignSignature(Struct, frozen=True):
    """A signature that is not verified.

    Attributes:
        origin: Its file or address.
        key: Name of the signing key.
        content: 64 bytes, over the digest of the file.
        comment: The trusted comment.
        seal: 64 bytes, over ``content`` and ``comment``.
    """

    origin: str
    key: str
    content: bytes
    comment: bytes
    seal: bytes


class SignerInfo(Struct, frozen=True):
    """A verified signature of an image.

    Attributes:
        file: Name of the signed file: the image, or the list with its digest.
        key: Name of the key.
        comment: The trusted comment, without control characters.
    """

    file: str
    key: str
    comment: str


def parse_key(content: bytes, origin: str) -> MinisignKey:
    """Return the public key in a file.

    Raises:
        FormatError: the file is not a public key.
    """
    lines = _lines(content)
    found = _decode(lines[1]) if len(lines) == _KEY_LINES and _is_comment(lines[0]) else b""
    if len(found) == _SECRET_SIZE:
        raise FormatError(
            f"{origin}: is a secret key; wanted the public one",
            hint="minisign -G creates two files: the public one is minisign.pub",
        )
    if len(found) != _KEY_SIZE or not found.startswith(b"Ed"):
        raise FormatError(
            f"{origin}: is not a valid public key; wanted the two lines that minisign -G writes",
            hint="minisign -R recreates the public key from a secret one",
        )
    return MinisignKey(_name(found), found[_NAMED:], origin)


def parse_signature(content: bytes, origin: str) -> MinisignSignature:
    """Return the signature in a file, not verified.

    Raises:
        DigestMismatch: it is damaged, or its algorithm is not accepted.
    """
    lines = _lines(content)
    if not _is_comment(lines[0]):
        raise _damaged(origin, 1, "`untrusted comment:`")
    found = _decode(lines[1]) if len(lines) > 1 else b""
    if len(found) != _SIGNATURE_SIZE:
        raise _damaged(origin, 2, f"{_SIGNATURE_SIZE} bytes in base64")
    _check_kind(found[:2], origin)
    if len(lines) < _LINES - 1 or not lines[2].startswith(_TRUSTED):
        raise _damaged(origin, 3, "`trusted comment: `")
    seal = _decode(lines[3]) if len(lines) >= _LINES else b""
    if len(seal) != _SEAL_SIZE:
        raise _damaged(origin, 4, f"{_SEAL_SIZE} bytes in base64")
    if len(lines) > _LINES:
        raise _damaged(origin, _LINES + 1, "the end")
    return MinisignSignature(origin, _name(found), found[_NAMED:], lines[2][len(_TRUSTED) :], seal)


def check_comment(signature: MinisignSignature, keys: Sequence[MinisignKey]) -> MinisignKey:
    """Return the key that made a signature, and verify the trusted comment.

    Raises:
        DigestMismatch: none of the keys made it, or it was changed.
    """
    known = [key for key in keys if key.name == signature.key]
    if not known:
        wanted = " or ".join(f"{key.name}, of {key.origin}" for key in keys)
        raise DigestMismatch(
            f"{signature.origin}: was made with the key {signature.key}; wanted {wanted}",
            hint="if you trust that key, name its file: --key FILE",
        )
    signed = signature.content + signature.comment
    key = next((key for key in known if _fits(key, signature.seal, signed)), None)
    if key is None:
        raise DigestMismatch(
            f"{signature.origin}: its trusted comment or the signature itself was changed: the key "
            f"{signature.key} did not make them together",
            hint=_ANEW,
        )
    return key


def check_file(signature: MinisignSignature, key: MinisignKey, digest: bytes, subject: str) -> None:
    """Verify the signature of a file, by the file's BLAKE2b-512.

    Raises:
        DigestMismatch: the file is not the one that was signed.
    """
    if not _fits(key, signature.content, digest):
        raise DigestMismatch(
            f"{subject}: is not what the key {key.name} signed: {signature.origin} does not "
            "match it",
            hint="it was changed or damaged, or the signature is of an older file: download both "
            "again",
        )


def _fits(key: MinisignKey, signature: bytes, content: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key.content).verify(signature, content)
    except InvalidSignature:
        return False
    return True


def _check_kind(algorithm: bytes, origin: str) -> None:
    """Refuse an algorithm that does not sign a digest of the file."""
    if algorithm == b"Ed":
        raise DigestMismatch(
            f"{origin}: is a legacy signature (Ed), over the file itself; wanted one over its "
            "digest (ED)",
            hint="sign it again: minisign -SHm FILE",
        )
    if algorithm != b"ED":
        raise DigestMismatch(
            f"{origin}: has the unknown algorithm {algorithm.hex()}; wanted Ed25519 (ED)",
            hint="sign it again: minisign -SHm FILE",
        )


def _lines(content: bytes) -> list[bytes]:
    """Return the lines of a file, without line ends and trailing empty lines."""
    return [line.removesuffix(b"\r") for line in content.rstrip(b"\r\n").split(b"\n")]


def _is_comment(line: bytes) -> bool:
    return line.startswith(_UNTRUSTED)


def _decode(line: bytes) -> bytes:
    """Decode a line of canonical base64; empty when it is not."""
    try:
        found = base64.b64decode(line)
    except binascii.Error:
        return b""
    return found if base64.b64encode(found) == line else b""


def _name(found: bytes) -> str:
    """Return the key's name in a key or a signature, as minisign prints it."""
    return f"{int.from_bytes(found[2:_NAMED], 'little'):X}"


def _damaged(origin: str, line: int, wanted: str) -> DigestMismatch:
    return DigestMismatch(
        f"{origin}: is not a valid minisign signature: line {line} is not {wanted}",
        hint=_ANEW,
    )
