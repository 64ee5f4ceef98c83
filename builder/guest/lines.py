"""Text files edited line by line, the way that leaves an edited file alone."""

import re


def ensure_line(text: str, line: str, *, before: str | None = None, replaces: str = "") -> str:
    """Return ``text`` with ``line`` in it, once.

    Args:
        text: The file.
        line: The line, without its newline.
        before: Insert before the first line equal to this; ``""`` is the top, ``None`` the end.
        replaces: Lines that match this POSIX extended regular expression are dropped first.
    """
    lines = text.splitlines()
    drop = re.compile(replaces) if replaces else None
    kept = [old for old in lines if old == line or not (drop and drop.search(old))]
    if line in kept:
        first = kept.index(line)
        kept = [old for number, old in enumerate(kept) if old != line or number == first]
        return text if kept == lines else _joined(kept)
    kept.insert(_position(kept, before), line)
    return _joined(kept)


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
