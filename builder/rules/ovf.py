"""Rules of OVF properties: whether anything in the guest reads them."""

from collections.abc import Iterator, Mapping
from typing import Any

from builder.errors import Diagnostic
from builder.facts import Facts
from builder.rules.model import Rule, Subject, finding, warning

_SOURCE = "OVF"
_KEYS = frozenset({"hostname", "local-hostname", "instance-id", "public-keys"}) | {
    *("password", "seedfrom", "user-data", "network-config")
}
"""What cloud-init's data source OVF knows, network-config since 21.3."""

_READERS = frozenset({"first_boot", "units"})
"""Keys of an overlay that may bring a program of the user's own to read properties."""

_TRANSPORT = "vmware-rpctool 'info-get guestinfo.ovfEnv'"


def _unread(subject: Subject) -> Iterator[Diagnostic]:
    """Find properties that nothing in the guest reads."""
    given: Mapping[str, Any] = subject.spec.output.get("properties") or {}
    bases = [facts for facts in subject.bases.values() if facts.image == "ova"]
    own = any(key in overlay.values for overlay in subject.spec.overlays for key in _READERS)
    if not given or not bases:
        return
    for facts in bases:
        if why := _lack(subject, facts):
            message, hint = why
            if not own:
                yield _at(subject, message, hint)
            return
    for key in given if not own else ():
        if key not in _KEYS:
            message = f"cloud-init does not read the property {key}; it knows {_listed(_KEYS)}"
            hint = f"read it in a script under `first_boot`: {_TRANSPORT}"
            yield _at(subject, message, hint, key)
    if "hostname" in given and any(subject.sections("hostname")):
        message = "the property hostname has no effect: cloud-init keeps the name under `hostname`"
        yield _at(subject, message, "drop one of the two", "hostname")


def _lack(subject: Subject, facts: Facts) -> tuple[str, str] | None:
    """Return why cloud-init of a base reads no properties, and what helps."""
    cloud = facts.cloud_init
    if cloud is None:
        return "nothing in the image reads OVF properties: it has no cloud-init", _own_script()
    if not cloud.reads_guestinfo:
        version = facts.version_of("cloud-init").partition("-")[0]
        return (
            f"cloud-init {version} of {facts.text} does not read OVF properties from guestinfo",
            _own_script(),
        )
    listed = [name for _, _, name in subject.listed("cloud_init", "datasources")]
    sources = listed or cloud.datasources
    if _SOURCE in sources:
        return None
    wanted = ", ".join((sources[0], _SOURCE, *sources[1:]))
    asks = ", ".join(sources)
    return (
        f"cloud-init of {facts.text} does not look for OVF properties: it asks {asks}",
        f"add `cloud_init: {{datasources: [{wanted}]}}` to the overlay",
    )


def _own_script() -> str:
    """Return the hint at the way that works without cloud-init."""
    return f"read them in a script under `first_boot`: {_TRANSPORT}"


def _listed(names: frozenset[str]) -> str:
    """Return names for a message."""
    return ", ".join(sorted(names))


def _at(subject: Subject, message: str, hint: str, *below: str) -> Diagnostic:
    """Return a finding at the properties of a spec."""
    path = ("output", "properties", *below)
    return finding(message, subject.spec.document, path, hint, at_key=True)


RULES: tuple[Rule, ...] = (
    warning(
        "OVF001",
        "properties that nothing reads",
        "OVF properties reach the guest through guestinfo, as one XML document. cloud-init reads "
        "it with its data source OVF, which the list of Photon 5.0 GA does not have (`cloud_init` "
        "sets the list) and which in Photon 3.0 GA reads CD-ROMs only; and it takes the keys "
        "hostname, instance-id, public-keys, password, seedfrom, user-data and network-config. "
        "All others are for programs of your own.",
        _unread,
    ),
    warning(
        "CLD001",
        "settings for a cloud-init that is not there",
        "Photon's Raspberry Pi and container images have no cloud-init, so that nothing reads its "
        "configuration.",
    ),
)
