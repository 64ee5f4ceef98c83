"""Rules of the names that a base gives its interfaces.

Source: systemd.net-naming-scheme(7) and systemd-udevd(8) for net.ifnames=, which leaves the
kernel's own names: eth0, eth1, wlan0.
"""

import re
from collections.abc import Iterator

from builder.errors import Diagnostic, Severity
from builder.facts.kernels import has_kernel_names
from builder.rules.model import Rule, Subject, error
from builder.rules.network.interfaces import Nic, nics
from builder.structs import replace

_OF_UDEV = re.compile(r"(en|wl|ww)(o[0-9]+|s[0-9]+|x[0-9a-f]{12}|P?[0-9]*p[0-9]+s)\S*")
"""What udev names by place or address: ens192, eno1, enp3s0, enx005056123456, wlp2s0."""

_KERNEL_NAMES = {"en": "eth0", "wl": "wlan0", "ww": "wwan0"}
_ARGUMENT = "net.ifnames"
_OFF = f"{_ARGUMENT}=0"


def _predictable(subject: Subject) -> Iterator[Diagnostic]:
    """Find names by place on bases whose kernel arguments disable them."""
    bases = {
        name: facts
        for name, facts in subject.bases.items()
        if has_kernel_names(facts.image, facts.revision)
    }
    if not bases or _is_renamed(subject):
        return
    is_sure = any(facts.is_known for facts in bases.values())
    for nic in nics(subject):
        name = _name(nic)
        if "vlan" not in nic.settings and _OF_UDEV.fullmatch(name):
            meant = _KERNEL_NAMES[name[:2]]
            message = (
                f"no interface is called {name} on {', '.join(sorted(bases))}: Photon boots with "
                f"{_OFF}, and calls the first one {meant}"
            )
            hint = f"write {meant}, use match: {{mac: …}}, or add kernel: {{remove: [{_OFF}]}}"
            found = nic.find((), message, hint)
            yield found if is_sure else replace(found, code="NET018", severity=Severity.WARNING)


def _is_renamed(subject: Subject) -> bool:
    """Return whether the spec decides about the names itself."""
    added = {str(word) for _, _, word in subject.listed("kernel", "add")}
    gone = {str(word) for _, _, word in subject.listed("kernel", "remove")}
    paths = [str(entry.get("path", "")) for _, _, entry in subject.listed("files")]
    links = any(path.endswith((".link", ".rules")) for path in paths) or any(
        any(overlay.files.rglob("*.link")) or any(overlay.files.rglob("*.rules"))
        for overlay in subject.spec.overlays
        if overlay.files
    )
    turned_on = any(word.startswith(f"{_ARGUMENT}=") and word != _OFF for word in added)
    return links or turned_on or bool(gone & {_OFF, _ARGUMENT})


def _name(nic: Nic) -> str:
    """Return the name by which an interface is recognised, empty when its address does."""
    match = nic.settings.get("match", {})
    return str(match.get("name", "" if "mac" in match else nic.key))


RULES: tuple[Rule, ...] = (
    error(
        "NET018",
        "an interface by a name that Photon does not give it",
        "All of Photon's images but those for Google Compute Engine and Azure boot with "
        "net.ifnames=0, so the first network card is eth0, whatever slot it is in. Names such as "
        "ens192 or enp3s0 are those of other distributions: the file would match nothing, and the "
        "machine would ask for a lease instead of taking its address. With kernel: {remove: "
        "[net.ifnames=0]} the names are udev's.",
        _predictable,
    ),
)
