"""What the program does beside its results, for those who ask: the door to ``logging``.

Importing ``logging`` takes 8 ms of every start, so it is imported by the first who wants a
record: a command line with ``-v`` or ``--debug``, or a program that uses this one as a library
and has imported it. Records hold addresses without their secrets, and never a header or a body.
"""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging

NAME = "photon-builder"
"""Of the logger."""
_TIME = "%H:%M:%S"


def info(message: str, *arguments: object) -> None:
    """Record a decision, such as why something was skipped, or a program that runs."""
    if "logging" in sys.modules:
        _logger().info(message, *arguments)


def debug(message: str, *arguments: object) -> None:
    """Record a detail, such as each request and its answer."""
    if "logging" in sys.modules:
        _logger().debug(message, *arguments)


def configure(level: str) -> None:
    """Show records of ``info`` or ``debug`` and above on standard error, each with its time."""
    import logging

    handler = logging.StreamHandler()
    handler.setFormatter(
        logging.Formatter("%(asctime)s.%(msecs)03d %(levelname)s %(message)s", _TIME)
    )
    logger = logging.getLogger(NAME)
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(level.upper())


def _logger() -> "logging.Logger":
    import logging

    return logging.getLogger(NAME)
