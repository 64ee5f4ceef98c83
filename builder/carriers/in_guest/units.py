"""Units: what systemctl leaves to be done when it enables, disables or masks one."""

from __future__ import annotations  # runs with Python 3.7, where list[str] is no expression

import re
import sys
from pathlib import Path

from .files import RefusedError, is_there, read_text, rewrite

ETC = "/etc/systemd/system"
SEARCH_PATH = (
    ETC,
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
PRESET = "/etc/systemd/system-preset/00-photon-builder.preset"
ABSENT = 3
"""Exit status of ``own-name`` when there is no such unit."""

MASK = "/dev/null"
MODULES = "/lib/modules"
_MODULE = re.compile(
    r"^(?:[^:\s]*/)?([^/:\s]+)[.]ko(?:[.](?:gz|xz|zst))?(?=:|$)|^alias (\S+) \S+$", re.MULTILINE
)
_INSTANCE = re.compile(r"^([^@]+)@([^@]+)(\.[a-z]+)$")


def own_name(unit: str) -> int:
    """Print the name of the unit that ``unit`` is a name for; the vendor has links for some."""
    file = _find(unit)
    if file is None:
        return ABSENT
    target = file.resolve().name
    is_link = file.is_symlink() and file.name == unit
    sys.stdout.write(f"{target if is_link and _find(target) else unit}\n")
    return 0


def drop_links(unit: str) -> None:
    """Remove every link that pulls a unit in, or those that ``Also=`` names; the vendor's too."""
    for each in sorted(_with_also(unit, set())):
        for directory in filter(Path.is_dir, map(Path, SEARCH_PATH)):
            for entry in sorted(directory.iterdir()):
                if entry.suffix in {".wants", ".requires", ".upholds"}:
                    _drop_in(each, entry)
        _drop_aliases(each)


def set_preset(unit: str, verb: str) -> None:
    """Note in the preset file whether a unit is enabled: ``enable`` or ``disable``."""

    def edited(text: str) -> str:
        states = _parse_presets(text)
        states[unit] = verb == "enable"
        return _format_presets(states)

    rewrite(PRESET, edited, 0o644)


def _find(unit: str) -> Path | None:
    """Return the unit file that systemd would load; masks are none."""
    for candidate in filter(None, (unit, _template(unit))):
        for directory in SEARCH_PATH:
            path = Path(directory, candidate)
            if is_there(path) and not _is_mask(path):
                return path
    return None


def _is_mask(path: Path) -> bool:
    """Tell whether a path is a link to /dev/null."""
    return path.is_symlink() and str(path.resolve()) == MASK


def _template(unit: str) -> str:
    """Return the template of an instance; empty when ``unit`` is none."""
    found = _INSTANCE.match(unit)
    return f"{found.group(1)}@{found.group(3)}" if found else ""


def _with_also(unit: str, seen: set[str]) -> set[str]:
    """Return a unit and those that ``Also=`` names, of each of them in turn."""
    file = _find(unit)
    if file is None or unit in seen:
        return seen
    seen.add(unit)
    section = ""
    for line in map(str.strip, read_text(str(file)).replace("\\\n", " ").split("\n")):
        key, _, value = line.partition("=")
        if line.startswith("["):
            section = line
        elif section == "[Install]" and key.strip() == "Also":
            for other in value.split():
                _with_also(other, seen)
    return seen


def _drop_in(unit: str, directory: Path) -> None:
    """Remove the links to a unit, or to instances of it, in one directory."""
    if directory.is_symlink() or not directory.is_dir():
        return
    for entry in sorted(directory.iterdir()):
        if unit in {entry.name, _template(entry.name)}:
            entry.unlink()


def _drop_aliases(unit: str) -> None:
    """Remove other names of a unit in /etc."""
    for entry in sorted(Path(ETC).iterdir()) if Path(ETC).is_dir() else ():
        if entry.name != unit and entry.is_symlink() and entry.resolve().name == unit:
            entry.unlink()


def _parse_presets(text: str) -> dict[str, bool]:
    """Return whether each unit is enabled; instances are units of their own."""
    states: dict[str, bool] = {}
    for line in text.splitlines():
        verb, pattern, *instances = [*line.split(), "", ""][:2] + line.split()[2:]
        if verb in {"enable", "disable"} and pattern:
            head, _, tail = pattern.partition("@")
            for name in [f"{head}@{each}{tail}" for each in instances] or [pattern]:
                states.setdefault(name, verb == "enable")
    return states


def _format_presets(states: dict[str, bool]) -> str:
    """Return the lines, sorted; enabled instances of one template share a line."""
    lines: set[str] = set()
    instances: dict[str, list[str]] = {}
    for unit, enable in sorted(states.items()):
        found = _INSTANCE.match(unit)
        if enable and found:
            instances.setdefault(_template(unit), []).append(found.group(2))
        else:
            lines.add(f"{'enable' if enable else 'disable'} {unit}")
    lines |= {f"enable {unit} {' '.join(names)}" for unit, names in instances.items()}
    return "".join(f"{line}\n" for line in sorted(lines, key=lambda line: line.split(" ", 1)[::-1]))


def require(path: str, message: str) -> None:
    """Refuse a system that does not have ``path``."""
    if not Path(path).exists():
        raise RefusedError(message)


def require_module(name: str) -> None:
    """Refuse a system none of whose kernels has a module; one without lists says nothing."""
    listed = [
        read_text(str(path), "")
        for kernel in Path(MODULES).glob("*")
        for path in (kernel / "modules.dep", kernel / "modules.builtin", kernel / "modules.alias")
    ]
    plain = name.replace("-", "_")
    known = set(_MODULE.findall("\n".join(listed).replace("-", "_")))
    if known and not any(plain in pair for pair in known):
        raise RefusedError(f"the kernel has no module {name}")
