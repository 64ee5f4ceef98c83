"""Units, their ``[Install]`` section and the links and presets that remember their state.

Source: systemd.unit(5), systemd.preset(5), and ``systemctl --root=DIR enable``, which
judges this module in the tests. Only ``[Install]`` is understood; what a unit does
is not looked at.
"""

from __future__ import annotations

import re
from typing import Callable, Dict, Iterator, List, Match, NamedTuple

from ..errors import GuestError
from ..paths import GuestPath, guest, join
from .unit_names import UnitName, is_name, parse_name

ETC = guest("/etc/systemd/system")
PRESET = guest("/etc/systemd/system-preset/00-photon-builder.preset")
"""Sorts first, and the first line that names a unit wins."""

SEARCH_PATH = (
    ETC,
    guest("/usr/local/lib/systemd/system"),
    guest("/usr/lib/systemd/system"),
    guest("/lib/systemd/system"),
)
MASK = "/dev/null"
_WORD = re.compile(r"\"([^\"]*)\"|'([^']*)'|(\S+)")
_SPECIFIER = re.compile(r"%(.?)")
_DIRECTORIES = {"WantedBy": "wants", "RequiredBy": "requires", "UpheldBy": "upholds"}


class Install(NamedTuple):
    """What an ``[Install]`` section says.

    Attributes:
        wanted: Units by directory kind (``wants``, ``requires``, ``upholds``).
        alias: Other names of the unit.
        also: Units that are enabled along with it.
        default_instance: Instance that is meant when a template is enabled.
    """

    wanted: Dict[str, List[str]]
    alias: List[str]
    also: List[str]
    default_instance: str = ""


def parse_install(text: str, *dropins: str, unit: str = "") -> Install:
    """Return what the ``[Install]`` sections of a unit file and its drop-ins say."""
    install = Install({}, [], [])
    default = ""
    for part in (text, *dropins):
        for section, key, value in iter_assignments(part):
            if section != "Install":
                continue
            if key == "DefaultInstance":
                default = value
            else:
                _assign(install, key, value)
    if unit and not parse_name(unit).is_template:
        default = ""
    return Install(install.wanted, install.alias, install.also, default)


def _assign(install: Install, key: str, value: str) -> None:
    """Add the words of an assignment; an empty one forgets what came before."""
    if key in _DIRECTORIES:
        words = install.wanted.setdefault(_DIRECTORIES[key], [])
    elif key == "Alias":
        words = install.alias
    elif key == "Also":
        words = install.also
    else:
        return
    if not value and key != "Also":
        words.clear()
    words.extend("".join(found.groups("")) for found in _WORD.finditer(value))


def iter_assignments(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield section, key and value of each assignment; like systemd, skip the rest."""
    section = ""
    for _, line in iter_lines(text):
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
            continue
        key, equals, value = line.partition("=")
        if equals and section:
            yield section, key.strip(), value.strip()


def malformed_lines(text: str) -> list[tuple[int, str]]:
    """Return number and text of the lines that systemd would skip with a warning."""
    found, section = [], False
    for number, line in iter_lines(text):
        if line.startswith("[") and line.endswith("]"):
            section = True
        elif not section or "=" not in line.lstrip("="):
            found.append((number, line))
    return found


def iter_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield line number and text, continued lines joined, comments and blank lines left out."""
    begun, whole = 0, ""
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if line.startswith(("#", ";")) or not (line or whole):
            continue
        begun = begun or number
        if line.endswith("\\"):
            whole += line[:-1] + " "
            continue
        yield begun, (whole + line).strip()
        begun, whole = 0, ""
    if whole.strip():
        yield begun, whole.strip()


def enable_links(unit: str, text: str, path: str, *dropins: str) -> list[tuple[GuestPath, str]]:
    """Return the links that ``systemctl enable`` makes, each with its target.

    Units under ``Also=`` are not followed; :func:`parse_install` names them.

    Args:
        unit: Name to enable, such as ``docker.service`` or ``getty@tty1.service``.
        text: The unit file.
        path: Where the unit file lies; what every link points to.
        *dropins: Texts of its drop-ins, in order.

    Raises:
        GuestError: the name or a line of ``[Install]`` is not valid.
    """
    install = parse_install(text, *dropins, unit=unit)
    own = parse_name(unit)
    named = own.with_instance(install.default_instance) if install.default_instance else own
    expand = _expander(named)
    links = [join(ETC, alias) for alias in _aliases(own, install, expand)]
    links += [
        join(ETC, f"{parent}.{kind}", str(named))
        for kind, parents in install.wanted.items()
        for parent in map(expand, parents)
        if _is_name(parent, unit) and (not named.is_template or parse_name(parent).is_template)
    ]
    return [(link, path) for link in links]


def _is_name(parent: str, unit: str) -> bool:
    """Check the name of what pulls a unit in: it becomes the name of a folder.

    Raises:
        GuestError: it is not a unit name.
    """
    if not is_name(parent):
        raise GuestError(
            f"{unit}: [Install] names {parent!r}, which is not a valid unit name",
            hint="systemd enables no such unit either: write one such as multi-user.target",
        )
    return True


def _aliases(own: UnitName, install: Install, expand: Callable[[str], str]) -> Iterator[str]:
    """Yield the aliases that systemd accepts for a unit of this name."""
    for written in map(expand, install.alias):
        # An alias may lie in the .wants of another unit: that of upstream's wpa_supplicant@ does.
        folder, slash, last = written.rpartition("/")
        alias = parse_name(last)
        if slash:
            pulls, dot, kind = folder.rpartition(".")
            is_folder = dot and kind in {"wants", "requires"} and is_name(pulls)
            if str(own) == last and is_folder:
                yield written
            continue
        wanted = alias.with_instance(own.instance or "") if alias.is_template else alias
        if wanted.suffix == own.suffix and wanted.instance == own.instance and wanted != own:
            yield str(wanted)


def _expander(unit: UnitName) -> Callable[[str], str]:
    """Return a function that expands the specifiers of ``[Install]`` for ``unit``."""
    full = str(unit)
    values = {
        "%": "%",
        "n": full,
        "N": full.rpartition(".")[0],
        "p": unit.prefix,
        "i": unit.instance or "",
        "j": unit.prefix.rpartition("-")[2],
    }

    def replacement(found: Match[str]) -> str:
        if found[1] not in values:
            raise GuestError(f"{full}: {found[0]} in [Install] depends on the running machine")
        return values[found[1]]

    return lambda text: _SPECIFIER.sub(replacement, text)


def also(unit: str, text: str, *dropins: str) -> list[str]:
    """Return the units that ``Also=`` enables along with ``unit``."""
    expand = _expander(parse_name(unit))
    return [expand(other) for other in parse_install(text, *dropins).also]


def template_of(unit: str) -> str:
    """Return the template of an instance; empty when ``unit`` is none."""
    parts = parse_name(unit)
    return str(parts.with_instance("")) if parts.instance else ""


def set_preset(text: str, unit: str, *, enable: bool) -> str:
    """Return preset text in which ``unit`` has one line, or a word in its template's line.

    Raises:
        GuestError: ``unit`` is not a valid unit name.
    """
    states = _parse(text)
    states[unit] = enable
    return _format(states)


def _parse(text: str) -> dict[str, bool]:
    """Return whether each unit is enabled; instances are units of their own."""
    states: dict[str, bool] = {}
    for verb, *words in (line.split() for line in text.splitlines() if line.strip()):
        if verb in {"enable", "disable"} and words:
            pattern, *instances = words
            template = parse_name(pattern) if instances else None
            named = [str(template.with_instance(i)) for i in instances] if template else [pattern]
            states.update((unit, verb == "enable") for unit in named if unit not in states)
    return states


def _format(states: dict[str, bool]) -> str:
    """Return the lines, sorted; enabled instances of one template share a line."""
    lines: set[str] = set()
    instances: dict[str, list[str]] = {}
    for unit, enable in sorted(states.items()):
        parts = parse_name(unit)
        if enable and parts.instance:
            instances.setdefault(str(parts.with_instance("")), []).append(parts.instance)
        else:
            lines.add(f"{'enable' if enable else 'disable'} {unit}")
    lines |= {f"enable {unit} {' '.join(names)}" for unit, names in instances.items()}
    return "".join(f"{line}\n" for line in sorted(lines, key=lambda line: line.split(" ", 1)[::-1]))
