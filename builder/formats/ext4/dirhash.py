"""The hashes that order the names of an indexed ext4 directory.

Source: kernel ``fs/ext4/hash.c`` and ``lib/cryptohash.c`` (half of MD4, RFC 1320; TEA). The
lowest bit of a hash is zero: an index uses it to say that a run of equal hashes goes on
in the next leaf. Names whose bytes count as signed hash differently above 0x7f, which
depends on the machine that made the filesystem.
"""

import struct
from collections.abc import Iterator, Sequence

LEGACY, HALF_MD4, TEA = 0, 1, 2
VERSIONS = (LEGACY, HALF_MD4, TEA)
_MASK = 0xFFFFFFFF
_MD4_START = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)
_END_OF_DIRECTORY = 0x7FFFFFFF << 1
_DELTA = 0x9E3779B9


def name_hash(name: bytes, version: int, seed: tuple[int, ...], *, unsigned: bool) -> int:
    """Return the hash of a name, its lowest bit cleared."""
    values = name if unsigned else struct.unpack(f"{len(name)}b", name)
    if version == LEGACY:
        result = _legacy(values)
    else:
        state = list(seed) if any(seed) else list(_MD4_START)
        transform, words = (_half_md4, 8) if version == HALF_MD4 else (_tea, 4)
        plain = name.isascii() and len(name) < 4 * words
        for block in [_short_block(name, words)] if plain else _iter_blocks(values, words):
            transform(state, block)
        result = state[1] if version == HALF_MD4 else state[0]
    result &= ~1
    return _END_OF_DIRECTORY - 2 if result == _END_OF_DIRECTORY else result


def _legacy(values: Sequence[int]) -> int:
    """Return the hash of the first indexed directories."""
    current, previous = 0x12A3FE2D, 0x37ABE8F9
    for value in values:
        following = (previous + (current ^ (value * 7152373 & _MASK))) & _MASK
        if following & 0x80000000:
            following -= 0x7FFFFFFF
        previous, current = current, following
    return current << 1 & _MASK


def _short_block(name: bytes, words: int) -> tuple[int, ...]:
    """Return the one block of a short name: the last word is filled up in front."""
    padding = bytes((len(name),))
    whole = len(name) & ~3
    last = name[whole:].rjust(4, padding)
    return struct.unpack(f">{words}I", (name[:whole] + last).ljust(4 * words, padding))


def _iter_blocks(values: Sequence[int], words: int) -> Iterator[list[int]]:
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


_FIRST = tuple(zip((0, 1, 2, 3, 4, 5, 6, 7), (3, 7, 11, 19) * 2, strict=True))
_SECOND = tuple(zip((1, 3, 5, 7, 0, 2, 4, 6), (3, 5, 9, 13) * 2, strict=True))
_THIRD = tuple(zip((3, 7, 2, 6, 1, 5, 0, 4), (3, 9, 11, 15) * 2, strict=True))
"""Of each round: the words in their order, and by how many bits the sums are rotated."""


def _half_md4(state: list[int], block: Sequence[int]) -> None:
    """Stir eight words into the state; written out, since a large directory has thousands."""
    a, b, c, d = state
    for index, bits in _FIRST:
        mixed = (a + (d ^ (b & (c ^ d))) + block[index]) & _MASK
        a, b, c, d = d, (mixed << bits | mixed >> (32 - bits)) & _MASK, b, c
    for index, bits in _SECOND:
        mixed = (a + (b & c) + ((b ^ c) & d) + block[index] + 0x5A827999) & _MASK
        a, b, c, d = d, (mixed << bits | mixed >> (32 - bits)) & _MASK, b, c
    for index, bits in _THIRD:
        mixed = (a + (b ^ c ^ d) + block[index] + 0x6ED9EBA1) & _MASK
        a, b, c, d = d, (mixed << bits | mixed >> (32 - bits)) & _MASK, b, c
    state[:] = [(old + new) & _MASK for old, new in zip(state, (a, b, c, d), strict=True)]


def _tea(state: list[int], block: Sequence[int]) -> None:
    """Stir four words into the state."""
    left, right, total = state[0], state[1], 0
    for _ in range(16):
        total = (total + _DELTA) & _MASK
        mixed = ((right << 4) + block[0]) ^ (right + total) ^ ((right >> 5) + block[1])
        left = (left + mixed) & _MASK
        mixed = ((left << 4) + block[2]) ^ (left + total) ^ ((left >> 5) + block[3])
        right = (right + mixed) & _MASK
    state[0], state[1] = (state[0] + left) & _MASK, (state[1] + right) & _MASK
