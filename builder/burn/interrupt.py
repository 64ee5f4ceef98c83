"""Two Ctrl-C: the first lets what is under way end, the second ends the process at once."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_STATUS = 130
_FIRST = (
    b"\ninterrupted: what is under way is let end, then the card is blank; Ctrl-C once more ends "
    b"at once\n"
)
_SECOND = b"\ninterrupted twice: ended at once; what the card holds is not known, burn it again\n"


@contextmanager
def second_ends() -> Iterator[None]:
    """Make the second SIGINT or SIGTERM of a burn end it, whatever it waits for.

    Nothing is cleaned up then: a thread may be waiting in the kernel for a card that is silent.
    """
    begun = False

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal begun
        is_second, begun = begun, True  # before anything that lets the next signal in
        with suppress(OSError):  # nobody may be there to read it
            os.write(sys.stderr.fileno(), _SECOND if is_second else _FIRST)
        if is_second:
            os._exit(_STATUS)
        raise KeyboardInterrupt

    before = {each: signal.signal(each, handle) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
