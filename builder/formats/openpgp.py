"""The part of OpenPGP that signatures of RPM packages use: RSA keys and RSA signatures.

Format: RFC 4880, 4.2 (packets), 5.2.2 and 5.2.3 (signatures of version 3 and 4), 5.5.2 (public keys
of version 4), 6.2 (armor), 12.2 (fingerprints); RFC 8017, 8.2.2 (RSASSA-PKCS1-v1_5). Only public
numbers take part, so plain integers serve. Self-signatures of keys are not examined: a key is
trusted by its fingerprint. Other algorithms than RSA are refused.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator

from builder.errors import FormatError
from builder.structs import Struct

_ARMOR = re.compile(
    rb"-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n(?:[^\r\n]+\r?\n)*?\s*\n(.+?)\n=?[^\n]*\r?\n?"
    rb"-----END PGP PUBLIC KEY BLOCK-----",
    re.DOTALL,
)
_SIGNATURE, _PUBLIC_KEY, _SUBKEY = 2, 6, 14
_RSA = (1, 3)
_HASHES = {1: "md5", 2: "sha1", 8: "sha256", 9: "sha384", 10: "sha512", 11: "sha224"}
_PREFIXES = {
    "sha1": "3021300906052b0e03021a05000414",
    "sha224": "302d300d06096086480165030402040500041c",
    "sha256": "3031300d060960864801650304020105000420",
    "sha384": "3041300d060960864801650304020205000430",
    "sha512": "3051300d060960864801650304020305000440",
}
"""What stands before a digest in a signature: RFC 8017, 9.2, note 1."""
_ISSUER, _ISSUER_FINGERPRINT = 16, 33
_KEY_ID_DIGITS = 16
_LARGEST_MODULUS = 16384
_TWO_OCTETS, _FIVE_OCTETS = 192, 255
"""First octets of lengths: RFC 4880, 4.2.2."""


class Key(Struct, frozen=True):
    """A public key of RSA.

    Attributes:
        fingerprint: 40 hexadecimal digits.
        modulus: The number n.
        exponent: The number e.
    """

    fingerprint: str
    modulus: int
    exponent: int

    @property
    def id(self) -> str:
        """The digits by which a signature names its key."""
        return self.fingerprint[-_KEY_ID_DIGITS:]

    @property
    def bits(self) -> int:
        """The length of the key."""
        return self.modulus.bit_length()


class Signature(Struct, frozen=True):
    """A signature that was not verified yet.

    Attributes:
        key_id: Which key is to have made it; empty when it does not say.
        algorithm: Name of the hash, as ``hashlib`` takes it.
        trailer: What is hashed after the document.
        number: The signature itself.
    """

    key_id: str
    algorithm: str
    trailer: bytes
    number: int

    def is_made_by(self, key: Key, document: bytes) -> bool:
        """Return whether ``key`` made this signature of ``document``."""
        digest = hashlib.new(self.algorithm, document + self.trailer, usedforsecurity=False)
        size = (key.bits + 7) // 8
        tail = bytes.fromhex(_PREFIXES[self.algorithm]) + digest.digest()
        wanted = b"\0\1" + b"\xff" * (size - len(tail) - 3) + b"\0" + tail
        if len(wanted) != size or not 0 < self.number < key.modulus:
            return False
        return pow(self.number, key.exponent, key.modulus).to_bytes(size, "big") == wanted


def read_keys(armored: bytes, name: str) -> dict[str, Key]:
    """Return the RSA keys in an armored file by the ids that signatures name.

    Raises:
        FormatError: the file holds no armored public key.
    """
    found = _ARMOR.search(armored)
    try:
        data = base64.b64decode(found[1], validate=False) if found else b""
    except binascii.Error:
        data = b""
    keys = (
        _read_key(body, name)
        for tag, body in _packets(data, name)
        if tag in (_PUBLIC_KEY, _SUBKEY) and body[:1] == b"\4" and body[5:6] in (b"\1", b"\3")
    )
    by_id = {key.id: key for key in keys}
    if not by_id:
        raise FormatError(f"{name}: is not an armored public key of RSA", code="PKG008")
    return by_id


def read_signature(data: bytes, name: str) -> Signature:
    """Return the first signature in ``data``; nothing of it is verified.

    Raises:
        FormatError: ``data`` holds no signature by RSA that can be read.
    """
    body = next((body for tag, body in _packets(data, name) if tag == _SIGNATURE), b"")
    version = body[:1]
    if version == b"\3":
        return _read_version_3(body, name)
    if version == b"\4":
        return _read_version_4(body, name)
    raise _unreadable(name)


def _read_version_3(body: bytes, name: str) -> Signature:
    """Return a signature of RFC 4880, 5.2.2."""
    _check_algorithm(body[15:16], body[16:17], name)
    number, _ = _read_number(body, 19, name)
    return Signature(body[7:15].hex().upper(), _HASHES[body[16]], body[2:7], number)


def _read_version_4(body: bytes, name: str) -> Signature:
    """Return a signature of RFC 4880, 5.2.3."""
    _check_algorithm(body[2:3], body[3:4], name)
    hashed_end = 6 + int.from_bytes(body[4:6], "big")
    start = hashed_end + 2
    end = start + int.from_bytes(body[hashed_end:start], "big")
    key_id = _issuer(body[6:hashed_end]) or _issuer(body[start:end])
    trailer = body[:hashed_end] + b"\4\xff" + hashed_end.to_bytes(4, "big")
    number, _ = _read_number(body, end + 2, name)
    return Signature(key_id, _HASHES[body[3]], trailer, number)


def _check_algorithm(public: bytes, hashed: bytes, name: str) -> None:
    """Refuse other signatures than RSA over a hash that can be verified."""
    algorithm = _HASHES.get(hashed[0], "") if hashed else ""
    if not public or public[0] not in _RSA or algorithm not in _PREFIXES:
        raise _unreadable(name)


def _issuer(subpackets: bytes) -> str:
    """Return the id of the key that subpackets name; empty without one."""
    at = 0
    while at < len(subpackets):
        size, at = _read_length(subpackets, at)
        kind, content = subpackets[at] & 0x7F if at < len(subpackets) else 0, subpackets[at + 1 :]
        content = content[: max(size - 1, 0)]
        if kind == _ISSUER:
            return content.hex().upper()
        if kind == _ISSUER_FINGERPRINT:
            return content[1:].hex().upper()[-_KEY_ID_DIGITS:]
        at += max(size, 1)
    return ""


def _packets(data: bytes, name: str) -> Iterator[tuple[int, bytes]]:
    """Yield the type and the body of each packet."""
    at = 0
    while at < len(data):
        head = data[at]
        if not head & 0x80:
            raise _unreadable(name)
        if head & 0x40:
            tag, (size, at) = head & 0x3F, _read_length(data, at + 1)
        else:
            width = 1 << (head & 3)
            tag, size = head >> 2 & 15, int.from_bytes(data[at + 1 : at + 1 + width], "big")
            at += 1 + width
        yield tag, data[at : at + size]
        at += max(size, 1)


def _read_length(data: bytes, at: int) -> tuple[int, int]:
    """Return a length of RFC 4880, 4.2.2, and the place behind it."""
    first = data[at] if at < len(data) else 0
    if first < _TWO_OCTETS:
        return first, at + 1
    if first < _FIVE_OCTETS:
        second = data[at + 1] if at + 1 < len(data) else 0
        return (first - _TWO_OCTETS << 8) + second + _TWO_OCTETS, at + 2
    return int.from_bytes(data[at + 1 : at + 5], "big"), at + 5


def _read_key(body: bytes, name: str) -> Key:
    modulus, at = _read_number(body, 6, name)
    exponent, _ = _read_number(body, at, name)
    framed = b"\x99" + len(body).to_bytes(2, "big") + body
    fingerprint = hashlib.sha1(framed, usedforsecurity=False).hexdigest().upper()
    return Key(fingerprint, modulus, exponent)


def _read_number(data: bytes, at: int, name: str) -> tuple[int, int]:
    """Return a number of RFC 4880, 3.2, and the place behind it."""
    bits = int.from_bytes(data[at : at + 2], "big")
    end = at + 2 + (bits + 7) // 8
    if not 0 < bits <= _LARGEST_MODULUS or end > len(data):
        raise _unreadable(name)
    return int.from_bytes(data[at + 2 : end], "big"), end


def _unreadable(name: str) -> FormatError:
    return FormatError(f"{name}: its signature or key is not RSA, or is damaged", code="PKG008")
