"""Text files edited: one line, one text in many files, the kernel's command line."""

from __future__ import annotations  # runs with Python 3.7, where list[str] is no expression

import fnmatch
import re
from collections.abc import Callable
from pathlib import Path

from .files import RefusedError, read_text, rewrite

SYSTEMD_CFG = "/boot/systemd.cfg"
PHOTON_CFG = "/boot/photon.cfg"
GRUB_CFG = "/boot/grub2/grub.cfg"
_ASSIGNMENT = re.compile(
    r"^(?P<head>(?:set[ \t]+)?(?:systemd|photon|user)_cmdline=)(?P<arguments>.*)$", re.MULTILINE
)
_COMMAND = re.compile(r"^(?P<head>[ \t]*linux(?:16|efi)?[ \t]+\S+)(?P<arguments>.*)$", re.MULTILINE)


def ensure_line(path: str, line: str, where: str, *rest: str) -> None:
    """Make a line part of a file.

    Args:
        path: The file.
        line: The line.
        where: ``end``, or ``before:`` and the line to insert before; none is the top.
        *rest: A regular expression of lines to drop, and mode and owner of a new file.
    """
    replaces, mode, owner = rest
    before = None if where == "end" else where.partition(":")[2]
    drop = re.compile(replaces) if replaces else None
    same = {line, line + "\r"}

    def edited(text: str) -> str:
        lines = text.split("\n")
        if not lines[-1]:
            lines.pop()  # an empty text, or one that ends with a newline
        kept = [old for old in lines if old in same or not (drop and drop.search(old.rstrip("\r")))]
        there = [number for number, old in enumerate(kept) if old in same]
        if not there:
            kept.insert(_position(kept, before), line)
            return _joined(kept)
        kept = [old for number, old in enumerate(kept) if number not in there[1:]]
        return text if kept == lines else _joined(kept)

    rewrite(path, edited, int(mode, 8), owner)


def _position(lines: list[str], before: str | None) -> int:
    """Return the index at which a line goes in."""
    if before is None:
        return len(lines)
    wanted = before.strip()
    found = (number for number, line in enumerate(lines) if line.strip() == wanted)
    return next(found, len(lines)) if before else 0


def _joined(lines: list[str]) -> str:
    """Return lines as text that ends with a newline."""
    return "".join(f"{line}\n" for line in lines)


def replace_text(pattern: str, old: str, new: str) -> None:
    """Replace a literal text in the regular files that a glob names."""
    directory, _, name = pattern.rpartition("/")
    if not Path(directory).is_dir():
        return
    for path in sorted(Path(directory).iterdir()):
        if fnmatch.fnmatchcase(path.name, name) and path.is_file() and not path.is_symlink():
            rewrite(str(path), lambda text: text.replace(old, new))


def kernel_arguments(add: str, remove: str) -> None:
    """Add and remove words of the kernel's command line, where GRUB takes it from."""
    added, removed = tuple(add.split()), tuple(remove.split())
    indirect = "$systemd_cmdline" in read_text(GRUB_CFG, "") and Path(SYSTEMD_CFG).exists()
    home = SYSTEMD_CFG if indirect else GRUB_CFG
    text = read_text(home, "")
    if not (_ASSIGNMENT.search(text) or _COMMAND.search(text)):
        raise RefusedError(f"{home} has no kernel command line that can be edited")
    keys = tuple(_key_of(word) for word in added if "=" in word)
    for path in (SYSTEMD_CFG, PHOTON_CFG, GRUB_CFG):
        if Path(path).exists():
            more, gone = (added, removed) if path == home else ((), removed + keys)
            rewrite(path, _arguments_editor(more, gone))


def _arguments_editor(added: tuple[str, ...], removed: tuple[str, ...]) -> Callable[[str], str]:
    """Return what edits each command line of a text."""

    def edited(text: str) -> str:
        pattern = _COMMAND if _COMMAND.search(text) else _ASSIGNMENT

        def edit(found: re.Match[str]) -> str:
            words = _edit_words(found.group("arguments").split(), added, removed)
            gap = " " if pattern is _COMMAND and words else ""
            return found.group("head") + gap + " ".join(words)

        return pattern.sub(edit, text)

    return edited


def _edit_words(words: list[str], added: tuple[str, ...], removed: tuple[str, ...]) -> list[str]:
    """Return ``words`` without what is removed or replaced, then what is added."""
    gone = {_key_of(word) for word in added if "=" in word} | set(removed)
    kept = [
        word
        for word in words
        if word in added or not gone & {word, word.partition("=")[0], _key_of(word)}
    ]
    return kept + [word for word in added if word not in kept]


def _key_of(argument: str) -> str:
    """Return what an argument sets: its key, and the device of a console."""
    key = argument.partition("=")[0]
    return argument.partition(",")[0] if key == "console" else key
