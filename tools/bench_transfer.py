"""Downloads a file as the program does, onto the disk, with the digests that are named.

For ``make bench``, which times it: python -m tools.bench_transfer URL FILE [ALGORITHM…]
"""

import sys
from pathlib import Path

from builder.fetch.partial import Partial
from builder.fetch.transfer import Transfer
from builder.fetch.wire import RetryPolicy
from builder.progress import Silent


def main() -> None:
    """Download, and print what was found."""
    url, name, *algorithms = sys.argv[1:]
    with Partial(Path(name), algorithms) as partial:
        Transfer(partial, None, Silent(), RetryPolicy()).run(url, name)
        print(partial.size, *partial.finish().values())


if __name__ == "__main__":
    main()
