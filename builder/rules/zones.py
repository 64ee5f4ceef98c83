"""Time zones: those of the IANA database, and the rule for the machine's own.

Source: IANA Time Zone Database, names of zones and links; builder/data/zones.txt. Whether
the base has a zone is known when it is opened.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from builder.errors import Diagnostic
from builder.rules.model import Rule, Subject, error, find
from builder.suggest import nearest

_OFFSET = re.compile(r"(?:UTC|GMT) ?([+-])0?([0-9]|1[0-4])(?::?00)?")
_ABBREVIATIONS = {
    "CEST": "Europe/Amsterdam",
    "BST": "Europe/London",
    "WEST": "Europe/Lisbon",
    "EEST": "Europe/Helsinki",
    "MSK": "Europe/Moscow",
    "EDT": "America/New_York",
    "CST": "America/Chicago",
    "CDT": "America/Chicago",
    "MDT": "America/Denver",
    "PST": "America/Los_Angeles",
    "PDT": "America/Los_Angeles",
    "AKST": "America/Anchorage",
    "BRT": "America/Sao_Paulo",
    "JST": "Asia/Tokyo",
    "KST": "Asia/Seoul",
    "SGT": "Asia/Singapore",
    "HKT": "Asia/Hong_Kong",
    "AEST": "Australia/Sydney",
    "AEDT": "Australia/Sydney",
    "ACST": "Australia/Adelaide",
    "AWST": "Australia/Perth",
    "NZST": "Pacific/Auckland",
    "NZDT": "Pacific/Auckland",
    "SAST": "Africa/Johannesburg",
}
"""Abbreviations that are no zones, to a zone that has them."""
_SPELT_OUT = "write Area/City, such as Europe/Amsterdam"


@cache
def _zones() -> dict[str, str]:
    """Return every zone by its last part."""
    path = Path(__file__).parents[1] / "data" / "zones.txt"
    text = path.read_text(encoding="ascii")
    return {zone: zone.rpartition("/")[2] for zone in text.split()}


def is_zone(name: str) -> bool:
    """Return whether a time zone exists."""
    return name in _zones()


def zone_hint(name: str) -> str:
    """Return a hint at the zone that was meant, by its whole name or by its city."""
    zones = _zones()
    if offset := _OFFSET.fullmatch(name):
        fixed = f"Etc/GMT{'-' if offset[1] == '+' else '+'}{int(offset[2])}"
        return f"write {fixed}, whose sign is the other" if fixed in zones else _SPELT_OUT
    if city := _ABBREVIATIONS.get(name.upper(), ""):
        return f"write {city}, or another city of that time; {name} is an abbreviation"
    if name.isupper() and "/" not in name:
        return _SPELT_OUT
    last_part = nearest(name.rpartition("/")[2].replace(" ", "_"), zones.values())
    cities = [zone for zone, last in zones.items() if last == last_part]
    meant = nearest(name, cities) or nearest(name, zones) or next(iter(cities), "")
    return f"did you mean {meant}?" if meant else _SPELT_OUT


def _unknown(subject: Subject) -> Iterator[Diagnostic]:
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
