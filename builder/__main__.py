"""Starts the command line, with an interpreter set up for a short run (ADR 27)."""

import contextlib
import gc
import os
import sys

from builder import __version__

_OBJECTS_A_COLLECTION = 50_000
"""Garbage is collected a tenth as often as usual: start-up makes much that stays."""

_SECONDS_A_SWITCH = 0.0005
"""A tenth of the usual: a thread that digests waits for the interpreter after each piece."""


def main() -> None:
    """Run the command line with this process's arguments."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        sys.stdout.write(f"photon-builder {__version__}\n")
        return
    _read_names_as_utf8()
    gc.set_threshold(_OBJECTS_A_COLLECTION)
    sys.setswitchinterval(_SECONDS_A_SWITCH)
    try:
        from builder.cli import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # before the command line could take care of it
        sys.stderr.write("\ninterrupted: no partial files were left\n")
        code = 130
    _leave(code)


def _read_names_as_utf8() -> None:
    """Start anew in Python's UTF-8 mode where the locale has another encoding.

    Specs are UTF-8, and so are the names of files in them. What is printed keeps the encoding of
    the locale.
    """
    if sys.getfilesystemencoding() == "utf-8" or os.environ.get("PYTHONUTF8") == "1":
        return
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            os.environ.setdefault("PYTHONIOENCODING", stream.encoding)
    os.environ["PYTHONUTF8"] = "1"
    os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606 - itself


def _leave(code: int) -> None:
    """End the process without taking the interpreter apart: nothing is open any more."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
