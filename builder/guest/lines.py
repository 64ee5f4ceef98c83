"""Text files edited line by line, the way that leaves an edited file alone."""

import re


def ensure_line(text: str, line: str, *, before: str | None = None, replaces: str = "") -> str:
    """Return ``text`` with ``line`` in it, once; the other lines stay, ends of DOS included.

    Args:
        text: The file.
        line: The line, without its newline.
        before: Insert before the first line equal to this; ``""`` is the top, ``None`` the end.
        replaces: Lines that match this POSIX extended regular expression are dropped first.
    """
    lines = text.removesuffix("\n").split("\n") if text else []
    drop = re.compile(replaces) if replaces else None
    same = {line, f"{line}\r"}
    kept = [old for old in lines if old in same or not (drop and drop.search(old.rstrip("\r")))]
    there = [number for number, old in enumerate(kept) if old in same]
    if not there:
        kept.insert(_position(kept, before), line)
        return _joined(kept)
    kept = [old for number, old in enumerate(kept) if number not in there[1:]]
    return text if kept == lines else _joined(kept)


def _position(lines: list[str], before: str | None) -> int:
    """Return the index at which a line goes in."""
    if before is None:
        return len(lines)
    if not before:
        return 0
    wanted = before.strip()
    return next((n for n, line in enumerate(lines) if line.strip() == wanted), len(lines))


def _joined(lines: list[str]) -> str:
    """Return lines as text that ends with a newline."""
    return "".join(f"{line}\n" for line in lines)
