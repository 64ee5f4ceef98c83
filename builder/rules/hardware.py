"""Rules of virtual hardware: which of VMware's products take it."""

from collections.abc import Iterator

from builder.errors import Diagnostic
from builder.facts.appliances import NAMES, hardware_of, needed_for, newest_of
from builder.rules.model import Rule, Subject, error, finding, warning

_KEY, _PRODUCTS = "hardware_version", "runs_on"
_FAILED = ("esxi 8.0.3", 21)
"""A product whose imports of a version that it takes have failed."""


def _own_version(subject: Subject) -> int | None:
    """Return the newest hardware version of the appliances that the spec starts from."""
    found = [hardware_of(facts.revision, name) for name, facts in subject.bases.items()]
    return max((hardware.version for hardware in found if hardware), default=None)


def _too_new(subject: Subject) -> Iterator[Diagnostic]:
    """Find products that do not take the hardware, the spec's or the base's."""
    output = subject.spec.output
    version = output.get(_KEY) or _own_version(subject)
    for at, product in enumerate(output.get(_PRODUCTS, ())):
        newest = newest_of(product)
        if version and newest and version > newest:
            whose = "hardware version" if _KEY in output else "the base's hardware version"
            message = f"{_shown(product)} takes hardware up to {newest}; {whose} is {version}"
            path = ("output", _KEY) if _KEY in output else ("output", _PRODUCTS, at)
            verb = "write" if _KEY in output else "add"
            hint = f"{verb} hardware_version: {newest}"
            yield finding(message, subject.spec.document, path, hint)


def _doubtful(subject: Subject) -> Iterator[Diagnostic]:
    """Find hardware that is newer than the base's, for products that nobody named."""
    output = subject.spec.output
    version, own = output.get(_KEY), _own_version(subject)
    products = output.get(_PRODUCTS, ())
    if not version:
        return
    path = ("output", _KEY)
    if not products and version > (own or 0):
        needs = needed_for(version)
        base = f"; the base has {own}, for {needed_for(own)}" if own else ""
        message = f"hardware version {version} needs {needs}, or later{base}"
        hint = "say what it runs on, such as runs_on: [esxi 8.0.2]"
        yield finding(message, subject.spec.document, path, hint)
    product, failed = _FAILED
    if version == failed and any(_normal(each) == product for each in products):
        message = f"{_shown(product)} takes hardware {failed}, but imports of it have failed there"
        yield finding(message, subject.spec.document, path, f"write hardware_version: {failed - 1}")


def _normal(product: str) -> str:
    """Return a product in the form of :data:`_FAILED`."""
    return product.lower().replace(" update ", ".").replace(" u", ".")


def _shown(product: str) -> str:
    """Return a product as it spells itself."""
    name, _, version = product.partition(" ")
    return f"{NAMES[name.lower()]} {version}"


RULES: tuple[Rule, ...] = (
    error(
        "HWV001",
        "virtual hardware that the product does not take",
        "A product of VMware starts machines whose hardware version is not newer than its own, and "
        "imports no others: ESXi 6.0 takes 11, 6.5 13, 6.7 14 and with Update 2 15, 7.0 17, with "
        "Update 1 18 and Update 2 19, 8.0 20 and with Update 2 21, 9.0 22; Workstation 15 and "
        "Fusion 11 take 16, 16 and 12 18, 17 and 13 20, 17.5 and 13.5 21 (VMware's knowledge base, "
        "article 1003746). An older version runs everywhere, and can be raised after the import.",
        _too_new,
    ),
    error(
        "OUT007",
        "a text that cannot be read",
        "`eula: {file: path}` names a text file on this machine, in UTF-8. Relative paths start at "
        "the folder of the spec.",
    ),
    warning(
        "HWV002",
        "virtual hardware that a product may not take",
        "The hardware version is newer than the base's, so products that take Photon's own "
        "appliance may refuse this one; `output.runs_on` names the products that are meant. "
        "Version 21 is documented for ESXi 8.0.3, but an import through vCenter 8.0.3 that failed "
        "with it and not with 20 was reported (govmomi, issue 3962).",
        _doubtful,
    ),
)
