"""CRC-32C and CRC-16, the two checksums of ext4 metadata.

Source: RFC 3720 appendix B.4 (CRC-32C, reflected polynomial 0x82F63B78) and the kernel's
``lib/crc16.c`` (reflected polynomial 0xA001). ext4 uses the bare register: neither the
starting value nor the result is inverted, so that sums can be continued.

A byte-wise loop takes half a millisecond for a block, and every edit needs several. CRC
is linear, so a long message is first *folded*: its leading half times a constant is
added to its trailing half, which leaves the remainder as it was. Python's long integers
do that in C, a shift and an exclusive or for each bit of the constant.
"""

_POLYNOMIAL = 0x82F63B78
_LEVELS = 13
_PIECE = 32 * 1024
_SHORT = 16


def _make_table(polynomial: int) -> tuple[int, ...]:
    """Return the change of the register that each byte makes."""
    table = []
    for value in range(256):
        crc = value
        for _ in range(8):
            crc = (crc >> 1) ^ (polynomial if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


def _multiply(left: int, right: int) -> int:
    """Multiply two remainders; bit 31 is the coefficient of x^0."""
    product = 0
    for bit in range(31, -1, -1):
        if left >> bit & 1:
            product ^= right
        right = (right >> 1) ^ (_POLYNOMIAL if right & 1 else 0)
    return product


def _make_folds() -> tuple[tuple[int, tuple[int, ...]], ...]:
    """Return, for each level, the bits that are folded away and the shifts that do it.

    Level ``n`` takes a message of ``64 * 2**n + 32`` bits to one of level ``n - 1``: its
    first ``32 * 2**n`` bits are multiplied by ``x**(32 * 2**n + 32)`` modulo the polynomial.
    """
    x32 = _POLYNOMIAL
    power = x32
    folds = []
    for level in range(_LEVELS):
        constant = _multiply(power, x32)
        shifts = tuple(bit + 1 for bit in range(32) if constant >> bit & 1)
        folds.append((32 << level, shifts))
        power = _multiply(power, power)
    return tuple(folds)


_TABLE32 = _make_table(_POLYNOMIAL)
_TABLE16 = _make_table(0xA001)
_FOLDS = _make_folds()


def crc32c(crc: int, data: bytes | bytearray | memoryview) -> int:
    """Continue the CRC-32C ``crc`` over ``data``."""
    for start in range(0, len(data), _PIECE):
        crc = _crc32c_piece(crc, data[start : start + _PIECE])
    return crc


def _crc32c_piece(crc: int, data: bytes | bytearray | memoryview) -> int:
    """Continue ``crc`` over at most 32 KiB."""
    size = len(data)
    if size > _SHORT:
        level = (8 * size - 33).bit_length() - 6
        padding = (64 << level) + 32 - 8 * size
        message = (int.from_bytes(data, "little") ^ crc) << padding
        for bits, shifts in _FOLDS[level:0:-1]:
            head = message & ((1 << bits) - 1)
            message >>= bits
            for shift in shifts:
                message ^= head << shift
        data, crc = message.to_bytes(12, "little"), 0
    for byte in data:
        crc = (crc >> 8) ^ _TABLE32[(crc ^ byte) & 0xFF]
    return crc


def crc16(crc: int, data: bytes | bytearray) -> int:
    """Continue the CRC-16 ``crc`` over ``data``."""
    for byte in data:
        crc = (crc >> 8) ^ _TABLE16[(crc ^ byte) & 0xFF]
    return crc
