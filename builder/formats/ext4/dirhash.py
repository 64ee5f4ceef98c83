"""The hashes that order the names of an indexed ext4 directory.

Source: kernel ``fs/ext4/hash.c`` and ``lib/cryptohash.c`` (half of MD4, RFC 1320; TEA). The
lowest bit of a hash is zero: an index uses it to say that a run of equal hashes goes on
in the next leaf. Names whose bytes count as signed hash differently above 0x7f, which
depends on the machine that made the filesystem.
"""

import struct
from collections.abc import Iterator

LEGACY, HALF_MD4, TEA = 0, 1, 2
VERSIONS = (LEGACY, HALF_MD4, TEA)
_MASK = 0xFFFFFFFF
_MD4_START = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)
_END_OF_DIRECTORY = 0x7FFFFFFF << 1
_DELTA = 0x9E3779B9


def name_hash(name: bytes, version: int, seed: tuple[int, ...], *, unsigned: bool) -> int:
    """Return the hash of a name, its lowest bit cleared."""
    values = list(name) if unsigned else list(struct.unpack(f"{len(name)}b", name))
    if version == LEGACY:
        result = _legacy(values)
    else:
        state = list(seed) if any(seed) else list(_MD4_START)
        transform, words = (_half_md4, 8) if version == HALF_MD4 else (_tea, 4)
        for block in _iter_blocks(values, words):
            transform(state, block)
        result = state[1] if version == HALF_MD4 else state[0]
    result &= ~1
    return _END_OF_DIRECTORY - 2 if result == _END_OF_DIRECTORY else result


def _legacy(values: list[int]) -> int:
    """Return the hash of the first indexed directories."""
    current, previous = 0x12A3FE2D, 0x37ABE8F9
    for value in values:
        following = (previous + (current ^ (value * 7152373 & _MASK))) & _MASK
        if following & 0x80000000:
            following -= 0x7FFFFFFF
        previous, current = current, following
    return current << 1 & _MASK


def _iter_blocks(values: list[int], words: int) -> Iterator[list[int]]:
    """Cut a name into blocks of so many words, padded with its remaining length."""
    for start in range(0, len(values), 4 * words):
        rest = len(values) - start
        padding = (rest | rest << 8) & 0xFFFF
        padding |= padding << 16
        block = []
        for at in range(start, start + 4 * words, 4):
            word = padding
            for value in values[at : at + 4]:
                word = (value + (word << 8)) & _MASK
            block.append(word)
        yield block


def _rotate(value: int, bits: int) -> int:
    """Rotate 32 bits to the left."""
    value &= _MASK
    return (value << bits | value >> (32 - bits)) & _MASK


def _choose(x: int, y: int, z: int) -> int:
    """Take the bits of ``y`` where ``x`` is set, else those of ``z``."""
    return z ^ (x & (y ^ z))


def _majority(x: int, y: int, z: int) -> int:
    """Take what two of three say (a sum, as the kernel has it; its parts never overlap)."""
    return (x & y) + ((x ^ y) & z)


def _parity(x: int, y: int, z: int) -> int:
    """Take the exclusive or."""
    return x ^ y ^ z


_ROUNDS = (
    (_choose, 0, (3, 7, 11, 19), (0, 1, 2, 3, 4, 5, 6, 7)),
    (_majority, 0x5A827999, (3, 5, 9, 13), (1, 3, 5, 7, 0, 2, 4, 6)),
    (_parity, 0x6ED9EBA1, (3, 9, 11, 15), (3, 7, 2, 6, 1, 5, 0, 4)),
)


def _half_md4(state: list[int], block: list[int]) -> None:
    """Stir eight words into the state."""
    a, b, c, d = state
    for function, constant, shifts, order in _ROUNDS:
        for step, index in enumerate(order):
            mixed = a + function(b, c, d) + block[index] + constant
            a, b, c, d = d, _rotate(mixed, shifts[step % 4]), b, c
    state[:] = [(old + new) & _MASK for old, new in zip(state, (a, b, c, d), strict=True)]


def _tea(state: list[int], block: list[int]) -> None:
    """Stir four words into the state."""
    left, right, total = state[0], state[1], 0
    for _ in range(16):
        total = (total + _DELTA) & _MASK
        mixed = ((right << 4) + block[0]) ^ (right + total) ^ ((right >> 5) + block[1])
        left = (left + mixed) & _MASK
        mixed = ((left << 4) + block[2]) ^ (left + total) ^ ((left >> 5) + block[3])
        right = (right + mixed) & _MASK
    state[0], state[1] = (state[0] + left) & _MASK, (state[1] + right) & _MASK
