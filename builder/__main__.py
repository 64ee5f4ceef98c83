"""Starts the command line; ``--version`` is answered before anything is imported."""

import gc
import sys

from builder import __version__

_OBJECTS_A_COLLECTION = 50_000
"""Collecting garbage a tenth as often as usual: start-up makes much that stays."""


def main() -> None:
    """Run the command line with this process's arguments."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        sys.stdout.write(f"photon-builder {__version__}\n")
        return
    gc.set_threshold(_OBJECTS_A_COLLECTION)
    try:
        from builder.cli import run
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
