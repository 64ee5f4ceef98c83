"""Password hashes of crypt(5): SHA-512-crypt, and which hashes a release understands.

Source: Ulrich Drepper, "Unix crypt using SHA-256 and SHA-512", version 0.6. Python
has no crypt module since 3.13, so the algorithm is here, over :mod:`hashlib`. It is
the one scheme that every Photon release verifies.
"""

import hashlib
import re

from builder.errors import Diagnostic, SpecError

_ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DIGEST = 64
_SALT_LETTERS = 16
_DEFAULT_ROUNDS = 5000
_MIN_ROUNDS, _MAX_ROUNDS = 1000, 999_999_999
_SALT_ITERATIONS = 50_000
_PREFIX = "$6$"
_BASE64 = r"[./0-9A-Za-z]"
_SCHEMES = {
    "sha512crypt": rf"\$6\$(rounds=\d+\$)?[^$:\n]{{0,16}}\${_BASE64}{{86}}",
    "sha256crypt": rf"\$5\$(rounds=\d+\$)?[^$:\n]{{0,16}}\${_BASE64}{{43}}",
    "yescrypt": rf"\$y\${_BASE64}+\${_BASE64}*\${_BASE64}{{43}}",
    "locked": r"[!*]+",
}
_WITHOUT_YESCRYPT = ("3.0", "4.0")


def hash_password(plain: str, *, salt: str, rounds: int = _DEFAULT_ROUNDS) -> str:
    """Return the SHA-512-crypt hash of a password.

    Args:
        plain: The password, encoded as UTF-8.
        salt: Up to 16 letters of ``[./0-9A-Za-z]``; more are ignored.
        rounds: How often the digest is folded; 5000 is left out of the hash.
    """
    rounds = min(max(rounds, _MIN_ROUNDS), _MAX_ROUNDS)
    salt = salt[:_SALT_LETTERS]
    key, grain = plain.encode(), salt.encode()
    digest = _first_digest(key, grain)
    key_block = _stretch(hashlib.sha512(key * len(key)).digest(), len(key))
    salt_block = _stretch(hashlib.sha512(grain * (16 + digest[0])).digest(), len(grain))
    for number in range(rounds):
        odd = number % 2
        text = key_block if odd else digest
        text += salt_block if number % 3 else b""
        text += key_block if number % 7 else b""
        digest = hashlib.sha512(text + (digest if odd else key_block)).digest()
    stated = "" if rounds == _DEFAULT_ROUNDS else f"rounds={rounds}$"
    return f"{_PREFIX}{stated}{salt}${_encode(digest)}"


def _first_digest(key: bytes, salt: bytes) -> bytes:
    """Return digest A of the paper, steps 1 to 12."""
    inner = hashlib.sha512(key + salt + key).digest()
    outer = hashlib.sha512(key + salt + _stretch(inner, len(key)))
    bits = len(key)
    while bits:
        outer.update(inner if bits & 1 else key)
        bits >>= 1
    return outer.digest()


def _stretch(block: bytes, size: int) -> bytes:
    """Return ``block`` repeated and cut to ``size``."""
    return (block * (size // len(block) + 1))[:size]


def _encode(digest: bytes) -> str:
    """Return the paper's own base 64: three bytes at a time, rotating through the thirds."""
    letters = []
    third = _DIGEST // 3
    for number in range(third):
        order = [number, number + third, number + 2 * third]
        turn = number % 3
        high, middle, low = (digest[i] for i in order[turn:] + order[:turn])
        letters.append(_letters(high << 16 | middle << 8 | low, 4))
    return "".join(letters) + _letters(digest[-1], 2)


def _letters(value: int, count: int) -> str:
    """Return the lowest bits of ``value``, six a letter, lowest first."""
    return "".join(_ALPHABET[value >> 6 * i & 63] for i in range(count))


def derived_salt(plain: str, *parts: str) -> str:
    """Return the salt that a password always gets in one context, so that builds agree.

    It is drawn from the password by a function dearer than the hash itself: guessing
    by the salt gains nothing over guessing by the hash.
    """
    context = "\0".join(("photon-builder", *parts)).encode()
    drawn = hashlib.pbkdf2_hmac("sha512", plain.encode(), context, _SALT_ITERATIONS)
    return "".join(_ALPHABET[byte & 63] for byte in drawn[:_SALT_LETTERS])


def check_hash(text: str, *, release: str = "") -> str:
    """Return the name of the scheme of a crypt(5) hash.

    Args:
        text: What is to go into shadow(5).
        release: Photon release of the base; empty when it is not known.

    Raises:
        SpecError: plain text, a truncated hash, or a scheme that the release lacks.
    """
    scheme = next((n for n, form in _SCHEMES.items() if re.fullmatch(form, text)), "")
    if not scheme:
        raise SpecError((Diagnostic(_refusal(text), "USR001", "make one: openssl passwd -6"),))
    if scheme == "yescrypt" and release in _WITHOUT_YESCRYPT:
        message = f"a yescrypt hash ($y$) cannot be verified by Photon {release}; wanted $6$"
        raise SpecError((Diagnostic(message, "USR002", "make one: openssl passwd -6"),))
    return scheme


def _refusal(text: str) -> str:
    """Return the sentence for a hash of no accepted scheme, without quoting it."""
    if text.startswith("$1$"):
        return "an MD5 hash ($1$) is no protection; wanted $6$"
    if re.match(r"\$[56y]\$", text):
        return (
            f"the hash is {len(text)} letters long, so it is cut short or damaged; wanted all of it"
        )
    if text.startswith("$"):
        return f"the scheme ${text[1:].partition('$')[0]}$ is not known to Photon; wanted $6$"
    return "the value is no crypt(5) hash: plain text or DES; wanted $6$"
