"""The kernel command line in the files from which Photon's GRUB takes it.

``/boot/systemd.cfg`` and ``/boot/photon.cfg`` are GRUB environment files with a
``…_cmdline=`` line; ``grub.cfg`` has ``linux`` commands. Only the arguments are
edited: which file is right for a base is the carrier's decision. Nothing else of
the GRUB language is understood.
"""

import re
from collections.abc import Iterable

from builder.guestpath import guest

SYSTEMD_CFG = guest("/boot/systemd.cfg")
PHOTON_CFG = guest("/boot/photon.cfg")
GRUB_CFG = guest("/boot/grub2/grub.cfg")

_ASSIGNMENT = re.compile(
    r"^(?P<head>(?:set[ \t]+)?(?:systemd|photon|user)_cmdline=)(?P<arguments>.*)$", re.MULTILINE
)
_CONSOLE = "console"
_COMMAND = re.compile(r"^(?P<head>[ \t]*linux(?:16|efi)?[ \t]+\S+)(?P<arguments>.*)$", re.MULTILINE)


def has_arguments(text: str) -> bool:
    """Say whether ``text`` has a command line that can be edited."""
    return bool(_ASSIGNMENT.search(text) or _COMMAND.search(text))


def key_of(argument: str) -> str:
    """Return what an argument sets: its key, and the device of a console, of which several hold."""
    key = argument.partition("=")[0]
    return argument.partition(",")[0] if key == _CONSOLE else key


def set_arguments(text: str, add: Iterable[str] = (), remove: Iterable[str] = ()) -> str:
    """Return ``text`` with arguments added to and removed from each command line in it.

    ``linux`` commands are edited; without one, the ``…_cmdline=`` lines are. An
    added ``key=value`` takes the place of others with that key, a ``console=`` of those
    of its device, and a removed argument without ``=`` takes its values along.
    """
    added, removed = tuple(add), tuple(remove)
    pattern = _COMMAND if _COMMAND.search(text) else _ASSIGNMENT

    def edit(found: re.Match[str]) -> str:
        words = _edit_words(found["arguments"].split(), added, removed)
        gap = " " if pattern is _COMMAND and words else ""
        return found["head"] + gap + " ".join(words)

    return pattern.sub(edit, text)


def _edit_words(words: list[str], added: tuple[str, ...], removed: tuple[str, ...]) -> list[str]:
    """Return ``words`` without what is removed or replaced, then what is added."""
    replaced = {key_of(word) for word in added if "=" in word}
    kept = [
        word
        for word in words
        if word in added or not (_names(word, removed) or key_of(word) in replaced)
    ]
    return kept + [word for word in added if word not in kept]


def _names(word: str, removed: tuple[str, ...]) -> bool:
    """Say whether ``word`` is one of the removed arguments, or a value of one."""
    return word in removed or word.partition("=")[0] in removed or key_of(word) in removed
