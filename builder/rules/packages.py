"""Rules of packages, and of the units that they bring."""

from collections.abc import Iterator
from typing import Any

from builder.engine.text.unit_names import complete_name
from builder.errors import Diagnostic, KeyPath
from builder.facts import Facts
from builder.rules.model import Rule, Subject, error, find, warning
from builder.rules.network.interfaces import nics
from builder.spec import Overlay

_VERBS = ("enable", "disable", "mask")
_ENGINE = "docker.service"


def absent_units(subject: Subject) -> Iterator[Diagnostic]:
    """Find units that neither the base nor the packages of the spec have, as far as is known."""
    own = _own_units(subject)
    for overlay, path, unit in _wanted_units(subject):
        bases = (facts for facts in subject.bases.values() if facts.is_known)
        lack = next((facts for facts in bases if _lacks(facts, unit, subject)), None)
        if lack is None or unit in own:
            continue
        package = lack.package_for_unit(unit)
        message = f"{lack.text} has no {unit}: the package {package} brings it"
        yield find(overlay, path, message, f"add `packages: [{package}]`")


def _lacks(facts: Facts, unit: str, subject: Subject) -> bool:
    """Return whether a base is known to lack a unit that the spec's packages do not bring."""
    has_own_list = "package_list" in subject.spec.sections.get("install", {})
    if facts.has_package("systemd") is False:
        return False  # no unit means anything there: the target refuses the key
    if facts.has_unit(unit) is not False or (has_own_list and facts.image.startswith("iso")):
        return False
    names = subject.packages()
    if any(name.endswith(".rpm") for name in names):
        return False
    return facts.brings(names, unit) is False


def _wanted_units(subject: Subject) -> Iterator[tuple[Overlay, KeyPath, str]]:
    """Yield the units that the build refuses to do without, and what asks for them."""
    for verb in _VERBS:
        for overlay, path, name in subject.listed("services", verb):
            yield overlay, path, complete_name(name)
    for overlay, value in subject.sections("docker"):
        if value.get("enable", True):
            yield overlay, ("docker",), _ENGINE
    for overlay, projects in subject.sections("compose"):
        yield from ((overlay, ("compose", name), _ENGINE) for name in list(projects)[:1])


def _own_units(subject: Subject) -> set[str]:
    """Return the units that the spec itself brings."""
    given = {complete_name(name) for _, units in subject.sections("units") for name in units}
    written = (str(entry.get("path", "")) for _, _, entry in subject.listed("files"))
    trees = (overlay.files for overlay in subject.spec.overlays if overlay.files)
    held = {path.name for tree in trees for path in tree.rglob("*.*")}
    return given | {path.rpartition("/")[2] for path in written} | held


def _no_way_out(subject: Subject) -> Iterator[Diagnostic]:
    """Find packages that a machine without a router is to fetch."""
    everything = nics(subject)
    leads = any(nic.has_lease or nic.settings.get("gateway") for nic in everything)
    routes = any(nic.settings.get("routes") for nic in everything)
    if leads or routes or not everything:
        return
    for overlay, path, name in subject.listed("packages"):
        if not str(name).endswith(".rpm"):
            message = f"{name} is fetched on the first boot, and no interface has a gateway"
            yield find(overlay, path, message, "add a gateway, or give the package as an .rpm file")
            return


def _second_clocks(subject: Subject) -> Iterator[Diagnostic]:
    """Find packages that bring a second program that sets the clock."""
    for overlay, path, name in subject.listed("packages"):
        if name == "chrony" and not _is_off(subject, "systemd-timesyncd.service"):
            message = "chrony sets the clock, and so does systemd-timesyncd, which the base runs"
            yield find(overlay, path, message, "add `services: {disable: [systemd-timesyncd]}`")


def _second_filters(subject: Subject) -> Iterator[Diagnostic]:
    """Find packages that bring a second packet filter."""
    for overlay, path, name in subject.listed("packages"):
        brings = [f for f in subject.bases.values() if f.brings([name], "nftables.service")]
        if brings and not _is_off(subject, "nftables.service"):
            message = (
                f"{name} brings nftables.service, a packet filter beside iptables, "
                "in which alone `firewall` and `ssh.port` open ports"
            )
            yield find(overlay, path, message, "add `services: {mask: [nftables]}`")


def _is_off(subject: Subject, unit: str) -> bool:
    """Return whether the spec has a say in whether a unit runs."""
    named: Any = (name for verb in _VERBS for _, _, name in subject.listed("services", verb))
    return any(complete_name(name) == unit for name in named)


RULES: tuple[Rule, ...] = (
    error(
        "SVC001",
        "the base has no such unit",
        "The unit is looked up in the base, among the spec's own, and among those that `packages` "
        "are known to bring. A unit that comes with a package is enabled when that is installed: "
        "on the first boot of a disk. `photon-builder facts` shows what is known of the bases.",
        absent_units,
    ),
    error(
        "PKG001",
        "the RPM file cannot be read",
        "A value that ends in .rpm is a file on this machine, relative to the folder of the file "
        "that names it. Other values are names of packages in the repositories.",
    ),
    error(
        "PKG002",
        "not an RPM",
        "Every RPM begins with the same four bytes. A download that failed often leaves a page of "
        "HTML under the right name.",
    ),
    error(
        "PKG003",
        "an RPM for another architecture",
        "The architecture is in the file's name. rpm would refuse the package on first boot, where "
        "nobody sees it.",
    ),
    error(
        "PKG004",
        "not a package name",
        "Names of packages have no slash and no blank. A path of an RPM file ends in .rpm.",
    ),
    warning(
        "PKG005",
        "packages, and no way to fetch them",
        "On a disk, packages are installed on the first boot with a network. Without a lease, a "
        "gateway or a route, the machine reaches its own network only.",
        _no_way_out,
    ),
    warning(
        "PKG006",
        "two programs that set the clock",
        "Photon runs systemd-timesyncd, and chrony enables its own service when it is installed. "
        "Two of them correct the clock against each other. Disable one.",
        _second_clocks,
    ),
    warning(
        "PKG007",
        "two packet filters",
        "Photon filters with iptables.service. nftables.service is enabled when its package is "
        "installed, and that of 4.0 and 5.0 drops all but ports 22, 80 and "
        "443; a packet has to be accepted by both. Mask the unit to use the nft program alone, or "
        "open every port in /etc/nftables too.",
        _second_filters,
    ),
    error(
        "PKG020",
        "no repository to install from",
        "`repositories.install_from` names the repository of the release or of its updates, which "
        "is recognised by its address in /etc/yum.repos.d. The base has none with such an address. "
        "`enabled` takes those that the base has enabled.",
    ),
    error(
        "PKG013",
        "the database of installed packages cannot be read",
        "rpm keeps its database in the image: SQLite, or Berkeley DB in Photon 3.0 and the first "
        "4.0. The installed packages cannot be listed without it. `rpm --rebuilddb` in the guest "
        "rebuilds the database; download an image again that was damaged in transfer.",
    ),
)
