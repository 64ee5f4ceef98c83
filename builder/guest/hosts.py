"""hosts(5): the line by which a machine knows its own name.

Debian's convention of 127.0.1.1 is followed, so the line never competes with
``localhost``. Other lines are left as the base has them.
"""

from collections.abc import Sequence

from builder.guest import patterns
from builder.guestpath import guest

HOSTS = guest("/etc/hosts")
OWN_ADDRESS = "127.0.1.1"
OWN_LINE = patterns.first_word(OWN_ADDRESS)
"""Matches the line that names this machine, whatever name it has."""


def format_own_line(hostname: str) -> str:
    """Return the line for ``hostname``; a qualified name is followed by its short form."""
    short = hostname.partition(".")[0]
    names = hostname if short == hostname else f"{hostname} {short}"
    return f"{OWN_ADDRESS}\t{names}"


def format_line(address: str, names: Sequence[str]) -> str:
    """Return the line by which ``names`` mean ``address``."""
    return f"{address}\t{' '.join(names)}"
