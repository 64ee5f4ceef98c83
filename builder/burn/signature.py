"""Signatures of minisign: who signed a file, and what was said of it in the same breath.

Source: the description of the formats on minisign's own pages, "Signature format" and "Public key
format". A key is 42 bytes in base64 below a comment: ``Ed``, 8 bytes that name the key, 32 of
Ed25519 (RFC 8032). A signature is 74: ``ED``, the key's name, 64 of Ed25519 over the BLAKE2b-512 of
the file (RFC 7693); a second one, of 64 bytes, is over the first and the trusted comment. ``Ed``
there means a signature over the file itself, which cannot be checked of a stream: it is refused.

The only door to ``cryptography``, which is imported when a signature is checked. Does not sign, and
does not know where keys and signatures lie: see ``builder.burn.keys`` and ``builder.burn.signed``.
"""

import base64
import binascii
from collections.abc import Sequence

from builder.errors import DigestMismatch, FormatError
from builder.structs import Struct

LARGEST = 1 << 16
"""More bytes than any key or signature of minisign has."""

_UNTRUSTED = b"untrusted comment:"
_TRUSTED = b"trusted comment: "
_NAMED = 10
"""Bytes that say the algorithm and name the key."""
_KEY_SIZE, _SECRET_SIZE = 42, 158
_SIGNATURE_SIZE = 74
_SEAL_SIZE = 64
_KEY_LINES, _LINES = 2, 4
_ANEW = "fetch the signature anew from who made it, and do not use the image before"


class Key(Struct, frozen=True):
    """A public key.

    Attributes:
        name: As minisign prints it, a number in hexadecimal digits.
        content: 32 bytes.
        origin: The file that it is from.
    """

    name: str
    content: bytes
    origin: str


class Signature(Struct, frozen=True):
    """A signature, not checked.

    Attributes:
        origin: The file or address that it is from.
        key: Name of the key that is to have made it.
        content: 64 bytes, over the digest of the file.
        comment: The trusted comment.
        seal: 64 bytes, over ``content`` and ``comment``.
    """

    origin: str
    key: str
    content: bytes
    comment: bytes
    seal: bytes


class Signed(Struct, frozen=True):
    """What is known of an image whose signature fits.

    Attributes:
        file: The name of what was signed: the image, or the list that has its digest.
        key: Name of the key.
        comment: The trusted comment, without what could upset a terminal.
    """

    file: str
    key: str
    comment: str


def parse_key(content: bytes, origin: str) -> Key:
    """Return the public key in a file.

    Raises:
        FormatError: it has none.
    """
    lines = _lines(content)
    found = _decode(lines[1]) if len(lines) == _KEY_LINES and _is_comment(lines[0]) else b""
    if len(found) == _SECRET_SIZE:
        raise FormatError(
            f"{origin}: is a secret key; wanted the public one",
            hint="minisign -G made two files: the public one is minisign.pub",
        )
    if len(found) != _KEY_SIZE or not found.startswith(b"Ed"):
        raise FormatError(
            f"{origin}: is no public key; wanted the two lines that minisign -G wrote",
            hint="minisign -R writes the public key of a secret one anew",
        )
    return Key(_name(found), found[_NAMED:], origin)


def parse_signature(content: bytes, origin: str) -> Signature:
    """Return the signature in a file; nothing of it is proved.

    Raises:
        DigestMismatch: it is damaged, or of a kind that is not taken.
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
    return Signature(origin, _name(found), found[_NAMED:], lines[2][len(_TRUSTED) :], seal)


def check_comment(signature: Signature, keys: Sequence[Key]) -> Key:
    """Return the key that made a signature, once the trusted comment is proved to be its own.

    Raises:
        DigestMismatch: none of the keys did, or something was changed.
    """
    known = [key for key in keys if key.name == signature.key]
    if not known:
        wanted = " or ".join(f"{key.name}, of {key.origin}" for key in keys)
        raise DigestMismatch(
            f"{signature.origin}: was made with the key {signature.key}; wanted {wanted}",
            hint="if that is a key to be trusted, name its file: --key FILE",
        )
    signed = signature.content + signature.comment
    key = next((key for key in known if _fits(key, signature.seal, signed)), None)
    if key is None:
        raise DigestMismatch(
            f"{signature.origin}: its trusted comment or the signature itself was changed: they do "
            f"not fit each other by the key {signature.key}",
            hint=_ANEW,
        )
    return key


def check_file(signature: Signature, key: Key, digest: bytes, subject: str) -> None:
    """Check that a signature is that of a file, by the file's BLAKE2b-512.

    Raises:
        DigestMismatch: the file is another than the one that was signed.
    """
    if not _fits(key, signature.content, digest):
        raise DigestMismatch(
            f"{subject}: is not what the key {key.name} signed: {signature.origin} is of another "
            "content",
            hint="it was changed or damaged, or the signature is that of an older file: fetch both "
            "anew",
        )


def _fits(key: Key, signature: bytes, content: bytes) -> bool:
    """Tell whether a key made a signature over some bytes."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key.content).verify(signature, content)
    except InvalidSignature:
        return False
    return True


def _check_kind(algorithm: bytes, origin: str) -> None:
    """Refuse what is not over a digest of the file."""
    if algorithm == b"Ed":
        raise DigestMismatch(
            f"{origin}: is a legacy signature (Ed), over the file itself; wanted one over its "
            "digest (ED)",
            hint="sign it anew: minisign -SHm FILE",
        )
    if algorithm != b"ED":
        raise DigestMismatch(
            f"{origin}: is of the unknown kind {algorithm.hex()}; wanted one of Ed25519 (ED)",
            hint="sign it anew: minisign -SHm FILE",
        )


def _lines(content: bytes) -> list[bytes]:
    """Return the lines of a file, without what ends them, and without empty ones at its end."""
    return [line.removesuffix(b"\r") for line in content.rstrip(b"\r\n").split(b"\n")]


def _is_comment(line: bytes) -> bool:
    """Tell the line that nothing proves."""
    return line.startswith(_UNTRUSTED)


def _decode(line: bytes) -> bytes:
    """Return what a line has in base64, nothing when it is not exactly that."""
    try:
        found = base64.b64decode(line)
    except binascii.Error:
        return b""
    return found if base64.b64encode(found) == line else b""


def _name(found: bytes) -> str:
    """Return the name of the key in a key or a signature, as minisign prints it."""
    return f"{int.from_bytes(found[2:_NAMED], 'little'):X}"


def _damaged(origin: str, line: int, wanted: str) -> DigestMismatch:
    """Say what a signature lacks."""
    return DigestMismatch(
        f"{origin}: is no whole signature of minisign: line {line} is not {wanted}",
        hint=_ANEW,
    )
