"""Packs a file as the program does, holes and all: ``make bench`` times it.

python -m tools.bench_pack FILE PACKED gz|xz|zst LEVEL
"""

import os
import sys
from pathlib import Path

from builder.formats.compression import Compression, iter_packed
from builder.formats.sparse import Window
from builder.formats.stream import write_segments


def main() -> None:
    """Pack."""
    source, target, kind, level = sys.argv[1:]
    with Path(source).open("rb") as stream, Path(target).open("w+b") as out:
        window = Window(stream.fileno(), 0, os.fstat(stream.fileno()).st_size)
        packed = iter_packed([window], Compression(kind), level=int(level))
        write_segments(out.fileno(), packed)


if __name__ == "__main__":
    main()
