"""config.txt, which the firmware of a Raspberry Pi reads from the first FAT partition.

Source: Raspberry Pi documentation, "config.txt": one ``key=value`` a line, ``#`` for comments,
98 characters a line; "Conditional filters": a filter ends those of its own kind, filters of
different kinds hold together, and ``[all]`` ends every one.

Comments, unknown lines, line ends and the order of what is there stay. Does not follow
``include``.
"""

import re
from collections.abc import Iterable, Iterator

from builder.guestpath import guest

PATHS = tuple(map(guest, ("/boot/efi/config.txt", "/boot/firmware/config.txt", "/boot/config.txt")))
"""Where boards mount that partition: Photon's first."""

LONGEST = 98
"""Characters of a line that the firmware reads."""

MODELS = (
    *("pi0", "pi0w", "pi02", "pi1", "pi2", "pi3", "pi3+", "pi4", "pi400", "pi5", "pi500"),
    *("cm0", "cm1", "cm3", "cm3+", "cm4", "cm4s", "cm5"),
)
OTHERS = ("all", "none", "tryboot")
_PATTERN = re.compile(
    r"EDID=[!-Z^-~]+|0x[0-9a-fA-F]+|gpio[0-9]+=[01]|HDMI:[01]"
    r"|(?:board-type|partition)=(?:0x)?[0-9a-fA-F]+"
)
_HEADER = re.compile(r"[ \t]*\[([^\]]*)\]")
_PARAMETER, _OVERLAY = "dtparam", "dtoverlay"

_State = dict[str, str]
"""Filters in force, by their kind."""


def is_filter(name: str) -> bool:
    """Tell whether the firmware knows a filter of this name."""
    return name in MODELS or name in OTHERS or bool(_PATTERN.fullmatch(name))


def key_of(setting: str) -> str:
    """Return what a setting sets."""
    return setting.partition("=")[0].strip()


def edit(text: str, section: str, line: str, drops: str = "") -> str:
    """Return ``text`` with one setting changed; doing it again changes nothing.

    Args:
        text: The file.
        section: Filter that the setting is under, without brackets.
        line: The setting, empty for none. It takes the place of the last one that goes, for the
            last one counts, or stands at the end of its section.
        drops: Key, or whole setting, of which every other one under that filter goes.
    """
    lines = text.splitlines()
    states = list(_iter_states(lines))
    own = [n for n, state in enumerate(states) if state == _entered({}, section)]
    found = [n for n in own if _setting(lines[n]) and _matches(_setting(lines[n]), line, drops)]
    if found:
        edited = _replaced(lines, found, line)
    elif line:
        edited = _added(lines, own, line) if own else [*lines, *_new_section(states, section, line)]
    else:
        return text
    end = "\r\n" if "\r\n" in text else "\n"
    return text if edited == lines else "".join(f"{each}{end}" for each in edited)


def _iter_states(lines: Iterable[str]) -> Iterator[_State]:
    """Yield the filters that are in force on each line."""
    state: _State = {}
    for line in lines:
        header = _HEADER.match(line)
        if header:
            state = _entered(state, header[1].strip())
        yield state


def _entered(state: _State, name: str) -> _State:
    """Return the filters in force after one more."""
    if name == "all":
        return {}
    kind = "model" if name in MODELS else re.split(r"[=:0-9]", name, maxsplit=1)[0]
    return {**state, kind: name}


def _setting(line: str) -> str:
    """Return what a line sets, without blanks around it; empty for comments and filters."""
    stripped = line.strip()
    return "" if stripped.startswith(("#", "[")) else stripped


def _matches(setting: str, line: str, drops: str) -> bool:
    """Tell whether a setting is the wanted one, or one that goes."""
    return setting == line or drops in {setting, key_of(setting)}


def _replaced(lines: list[str], found: list[int], line: str) -> list[str]:
    """Return lines without those found, the wanted one in the place of the last."""
    seat = found[-1] if line else -1
    kept = [(n, each) for n, each in enumerate(lines) if n == seat or n not in found]
    return [line if n == seat and _setting(each) != line else each for n, each in kept]


def _added(lines: list[str], own: list[int], line: str) -> list[str]:
    """Return lines with one more at the end of its section, before the blank lines there.

    A parameter goes before the overlays: behind one, it would be that one's.
    """
    first = next(n for n in reversed(own) if n == own[0] or n - 1 not in own)
    block = [n for n in own if n >= first]
    overlays = [n for n in block if key_of(_setting(lines[n])) == _OVERLAY]
    filled = [n for n in block if lines[n].strip()]
    place = filled[-1] + 1 if filled else first
    if key_of(line) == _PARAMETER and overlays:
        place = overlays[0]
    return [*lines[:place], line, *lines[place:]]


def _new_section(states: list[_State], section: str, line: str) -> Iterator[str]:
    """Yield a section for the end of the file, after which no filter is in force."""
    before = states[-1] if states else {}
    if _entered(before, section) != _entered({}, section):
        yield "[all]"
    yield f"[{section}]"
    yield line
    if _entered({}, section):
        yield "[all]"
