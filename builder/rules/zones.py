"""Time zones: those of the IANA database, and the rule for the machine's own.

Source: IANA Time Zone Database, names of zones and links; builder/data/zones.txt. Whether
the base has a zone is known when it is opened.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from builder.rules.model import Finding, Rule, Subject, error, find
from builder.suggest import nearest

_SPELT_OUT = "write Area/City, such as Europe/Amsterdam"


@cache
def _zones() -> dict[str, str]:
    """Return every zone by its last part."""
    path = Path(__file__).parents[1] / "data" / "zones.txt"
    text = path.read_text(encoding="ascii")
    return {zone: zone.rpartition("/")[2] for zone in text.split()}


def is_zone(name: str) -> bool:
    """Say whether a time zone exists."""
    return name in _zones()


def zone_hint(name: str) -> str:
    """Return a hint at the zone that was meant, by its whole name or by its city."""
    zones = _zones()
    if name.isupper() and "/" not in name:
        return _SPELT_OUT
    city = nearest(name.rpartition("/")[2].replace(" ", "_"), zones.values())
    cities = [zone for zone, last in zones.items() if last == city]
    meant = nearest(name, cities) or nearest(name, zones) or next(iter(cities), "")
    return f"did you mean {meant}?" if meant else _SPELT_OUT


def _unknown(subject: Subject) -> Iterator[Finding]:
    """Find time zones that do not exist."""
    for overlay, zone in subject.sections("timezone"):
        if not is_zone(zone):
            message = f"there is no time zone {zone!r}"
            yield find(overlay, ("timezone",), message, zone_hint(zone))


RULES: tuple[Rule, ...] = (
    error(
        "TIM001",
        "the base lacks the time zone",
        "/etc/localtime is a link into /usr/share/zoneinfo. A link to nothing leaves the machine "
        "at UTC without a word. Names are Area/City with capitals, such as Europe/Amsterdam; the "
        "package tzdata holds them.",
    ),
    error(
        "TIM002",
        "there is no such time zone",
        "Zones are named Area/City as in the IANA database, with capitals: Europe/Amsterdam, "
        "America/New_York, UTC. Abbreviations such as CEST are none.",
        _unknown,
    ),
)
