"""Which units of a sample start: links and presets, by the tables and the units' own words.

A unit that its package presets is linked as ``systemctl preset`` links it: by its ``[Install]``
section; one without that section, such as ``cloud-init.target``, has no link.
"""

from collections.abc import Iterator, Mapping

from builder.engine.text.systemd import enable_links, template_of
from builder.facts import Facts
from builder.facts.data import covers, table
from builder.facts.packages import is_preset, unit_rows
from builder.sample.boot import is_board

_UNITS = "/usr/lib/systemd/system"
_ETC = "/etc/systemd/system"
_PRESETS = "/usr/lib/systemd/system-preset"
_FILES = {"systemd": "10-defaults"}
"""Package to its preset file, where that is not its name."""

_ALIAS = "dbus-org."


def preset_files(facts: Facts) -> dict[str, str]:
    """Return the presets of the packages that the image holds, by path."""
    files: dict[str, str] = {}
    for row in table("units")["presets"]:
        package = row["src"].split("/")[1]
        if covers(row["on"], facts.revision) and facts.has_package(package):
            path = f"{_PRESETS}/{_FILES.get(package, f'50-{package}')}.preset"
            files[path] = f"{files.get(path, '')}{row['verb']} {row['unit']}\n"
    upstream = table("units")["upstream_preset"]
    more = upstream["more_since_247"] if facts.release != "3.0" else []
    files[upstream["path"]] = "".join(f"{line}\n" for line in [*upstream["lines"], *more])
    return files


def links(facts: Facts, files: Mapping[str, str]) -> dict[str, str]:
    """Return the links that start units, each with its target.

    Args:
        facts: What is known of the image.
        files: Texts of its files by path.
    """
    found: dict[str, str] = {}
    for unit in (*_systemd_units(facts), *_preset_units(facts)):
        path = _find(template_of(unit) or unit, files)
        if path:
            found |= {str(link): at for link, at in enable_links(unit, files[path], path)}
    for row in table("units")["vendor_links"]:
        if facts.image in row["images"].split() and covers(row["on"], facts.revision):
            found[f"/usr{row['path']}"] = row["target"]
    return found


def _find(unit: str, files: Mapping[str, str]) -> str:
    """Return the path of a unit file, empty when there is none."""
    return next((path for folder in (_ETC, _UNITS) if (path := f"{folder}/{unit}") in files), "")


def _systemd_units(facts: Facts) -> Iterator[str]:
    """Yield the units of systemd itself that are enabled; their aliases follow from them."""
    for row in table("units")["links"]:
        if covers(row["on"], facts.revision):
            names = (link.rpartition("/")[2] for link in row["links"].split())
            yield from (name for name in names if not name.startswith(_ALIAS))


def _preset_units(facts: Facts) -> Iterator[str]:
    """Yield the units that the image's packages enable, and those that its script does."""
    for row in unit_rows(facts.revision):
        if facts.has_package(row["package"]):
            yield from (unit for unit in row["enables"].split() if is_preset(unit, facts.revision))
    if is_board(facts):
        yield str(table("system")["board"]["unit"])
