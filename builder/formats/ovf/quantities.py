"""How many processors and how much memory an OVF envelope asks for, in which configuration.

Source: DSP0243 1.1, sections 8.4 (ranges: ``ovf:bound``) and 9.8 (deployment options). An item
with ``ovf:configuration`` counts in those configurations alone, and there instead of one
without. Of several items the last one counts, as importers have it. Memory is counted in MiB
where no unit is stated: so do vSphere and govmomi, though the specification says bytes.
"""

import re

from builder.errors import FormatError
from builder.formats.disk import MIB
from builder.formats.ovf.names import ovf, rasd
from builder.formats.ovf.xml import Element

CPU = "3"
MEMORY = "4"
NIC = "10"
_UNITS = re.compile(r"\s*(?:byte\s*\*\s*(\d{1,3})\s*\^\s*(\d{1,2})|byte)\s*", re.IGNORECASE)
_OLD_UNITS = {"kilobytes": 1 << 10, "megabytes": 1 << 20, "gigabytes": 1 << 30}
_LARGEST = 1 << 62
_LIMITS = {"min", "max"}


def default_first(root: Element) -> tuple[str, ...]:
    """Return the configurations that can be deployed, the default one first."""
    sections = root.find_all(ovf("DeploymentOptionSection"))
    found = [each for section in sections for each in section.find_all(ovf("Configuration"))]
    found.sort(key=lambda each: each.attributes.get(ovf("default"), "") not in {"true", "1"})
    return tuple(each.attributes.get(ovf("id"), "") for each in found)


def items(hardware: Element, resource_type: str) -> list[Element]:
    """Return the hardware items of a type."""
    found = hardware.find_all(ovf("Item"))
    return [item for item in found if item.text_of(rasd("ResourceType")) == resource_type]


def values(hardware: Element, resource_type: str) -> list[Element]:
    """Return the items of a type that state a value, not the ends of a range."""
    found = items(hardware, resource_type)
    return [item for item in found if item.attributes.get(ovf("bound"), "") not in _LIMITS]


def configurations_of(item: Element) -> list[str]:
    """Return the configurations that an item is limited to; none when it counts in all."""
    return item.attributes.get(ovf("configuration"), "").split()


def cpus_of(hardware: Element, configuration: tuple[str, ...], *, where: str) -> int | None:
    """Return the number of processors; ``None`` when it is not stated."""
    item = _effective(hardware, CPU, configuration)
    return None if item is None else _quantity(item, where=where)


def memory_mib_of(hardware: Element, configuration: tuple[str, ...], *, where: str) -> int | None:
    """Return the memory in MiB; ``None`` when it is not stated."""
    item = _effective(hardware, MEMORY, configuration)
    count = None if item is None else _quantity(item, where=where)
    if item is None or count is None:
        return None
    units = item.text_of(rasd("AllocationUnits"))
    return count * (parse_units(units, where=where) if units.strip() else MIB) // MIB


def parse_units(text: str, *, where: str) -> int:
    """Return how many bytes a unit such as ``byte * 2^20`` has."""
    found = _UNITS.fullmatch(text)
    if found is None and text.lower() not in _OLD_UNITS:
        raise FormatError(f"{where}: allocation units {text!r}; wanted such as 'byte * 2^20'")
    if found is None:
        return _OLD_UNITS[text.lower()]
    return int(found[1]) ** int(found[2]) if found[1] else 1


def parse_number(text: str | None, what: str, *, where: str) -> int | None:
    """Return a number that is written out, ``None`` when there is none."""
    if text is None or not text.strip():
        return None
    digits = text.strip()
    if not re.fullmatch("[0-9]{1,19}", digits) or int(digits) >= _LARGEST:
        raise FormatError(f"{where}: {what} is {text!r}; wanted a number")
    return int(digits)


def _effective(
    hardware: Element, resource_type: str, configuration: tuple[str, ...]
) -> Element | None:
    """Return the item of a type that counts in a configuration, or without one."""
    found = values(hardware, resource_type)
    own = [item for item in found if set(configuration) & set(configurations_of(item))]
    general = [item for item in found if not configurations_of(item)]
    return next(reversed(own or general), None)


def _quantity(item: Element, *, where: str) -> int | None:
    kind = item.text_of(rasd("ResourceType"))
    text = item.text_of(rasd("VirtualQuantity"))
    return parse_number(text, f"the quantity of resource {kind}", where=where)
