"""Complete reads at an offset of a file."""

import os


def read_fully(fd: int, length: int, offset: int) -> bytes:
    """Return ``length`` bytes, fewer where the file ends.

    The system may give fewer at once: in front of a sector that it cannot read, for instance, and
    says so only when it is asked for the rest.

    Raises:
        OSError: the file cannot be read.
    """
    data = os.pread(fd, length, offset)
    if len(data) == length:
        return data
    pieces = [data]
    while pieces[-1]:
        length, offset = length - len(pieces[-1]), offset + len(pieces[-1])
        pieces.append(os.pread(fd, length, offset))
    return b"".join(pieces)
