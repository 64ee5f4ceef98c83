"""Rules of public clouds, whose images and network differ from those of a machine at home."""

from collections.abc import Iterator

from builder.engine.text.unit_names import complete_name
from builder.errors import Diagnostic
from builder.rules.model import Rule, Subject, find, warning
from builder.rules.network.interfaces import Nic, nics

_OWN_NAMES = ("gce", "azure")
"""Clouds whose images have no net.ifnames=0 on their kernel's command line."""

_SMALL_PACKETS = "gce"
_MTU = 1460
_OLD_NAMES = "net.ifnames=0"
_NTPD_CLOUD = "gce"
_NTPD = {"ntpd.service"}
_TIMESYNCD = "systemd-timesyncd.service"


def _old_names(subject: Subject) -> Iterator[Diagnostic]:
    """Find interfaces by a name that the kernel of these clouds does not give them."""
    clouds = [name for name in subject.cloud_targets if name in _OWN_NAMES]
    asked = {word for _, _, word in subject.listed("kernel", "add")}
    for nic in nics(subject) if clouds and _OLD_NAMES not in asked else ():
        name = _name(nic)
        if name.startswith("eth"):
            message = f"{name} may be called otherwise on {', '.join(clouds)}, such as ens4"
            hint = f"add kernel: {{add: [{_OLD_NAMES}]}}, or match its mac, or drop `network`"
            yield nic.find((), message, hint)


def _large_packets(subject: Subject) -> Iterator[Diagnostic]:
    """Find interfaces that take the place of the one whose packets fit the cloud."""
    if _SMALL_PACKETS not in subject.cloud_targets:
        return
    for nic in nics(subject):
        if "mtu" not in nic.settings and "vlan" not in nic.settings:
            message = f"{nic.key} has no mtu, and {_SMALL_PACKETS} carries {_MTU} bytes a packet"
            yield nic.find((), message, f"add mtu: {_MTU}, or drop `network`")


def _no_sftp(subject: Subject) -> Iterator[Diagnostic]:
    """Find a server of ssh that is looked after, and will not take a file."""
    if not subject.cloud_targets or any("sftp" in ssh for _, ssh in subject.sections("ssh")):
        return
    for overlay, _ in subject.sections("ssh"):
        clouds = ", ".join(subject.cloud_targets)
        message = f"the images of {clouds} refuse sftp, and with it scp"
        yield find(overlay, ("ssh",), message, "add sftp: true, or false to leave it so")
        return


def _two_clocks(subject: Subject) -> Iterator[Diagnostic]:
    """Find a second daemon that sets the clock."""
    if _NTPD_CLOUD not in subject.cloud_targets:
        return
    off = {complete_name(unit) for verb in ("disable", "mask")
           for _, _, unit in subject.listed("services", verb)}  # fmt: skip
    for overlay, path, unit in subject.listed("services", "enable"):
        if complete_name(unit) == _TIMESYNCD and not off & _NTPD:
            message = f"{unit} sets the clock, and on {_NTPD_CLOUD} ntpd does already"
            yield find(overlay, path, message, "add mask: [ntpd], or drop it")


def _name(nic: Nic) -> str:
    """Return the name by which an interface is recognised, empty when its address does."""
    match = nic.settings.get("match", {})
    return str(match.get("name", "" if "mac" in match else nic.key))


RULES: tuple[Rule, ...] = (
    warning(
        "NET016",
        "eth0 on a cloud that names interfaces itself",
        "Photon's images for Google Compute Engine and Azure boot without net.ifnames=0, so that "
        "the first interface may be ens4. A file for eth0 then matches nothing, and Photon's own, "
        "which asks every e* for a lease, does the work.",
        _old_names,
    ),
    warning(
        "NET017",
        "packets that are too large for the cloud",
        "Photon's image for Google Compute Engine sets 1460 bytes a packet in the file that the "
        "spec's takes the place of. With 1500, large answers get lost between networks.",
        _large_packets,
    ),
    warning(
        "SSH001",
        "a server of ssh that takes no files",
        "Photon's images for clouds replace sshd_config by a short one without the subsystem sftp, "
        "which scp needs since OpenSSH 9: `subsystem request failed`, it says. The key `sftp` of "
        "`ssh` turns it on, or says that this is meant.",
        _no_sftp,
    ),
    warning(
        "SVC013",
        "two daemons that set the clock",
        "Photon's image for Google Compute Engine runs ntpd, which asks Google's own servers. "
        "Beside it systemd-timesyncd would set the same clock after others.",
        _two_clocks,
    ),
)
