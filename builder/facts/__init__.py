"""Facts of Photon's published bases: one record answers questions about one base.

The tables are in ``data/facts/``, each row with its source, and are read on first use.
An answer of ``None`` means that they do not have it.
"""

from collections.abc import Iterable
from typing import Any

from builder.facts import kernels, packages
from builder.facts.data import covers, row_for, table
from builder.facts.records import CloudInit, Docker, Firewall, Installer, Repository
from builder.facts.revisions import (
    Identity,
    build_in_name,
    identify,
    releases,
    revisions,
)
from builder.structs import Struct

__all__ = [
    "CloudInit",
    "Docker",
    "Facts",
    "Firewall",
    "Installer",
    "Repository",
    "build_in_name",
    "facts_of",
    "facts_of_build",
    "releases",
    "revisions",
]


class Facts(Struct, frozen=True):
    """Facts of one base.

    Attributes:
        revision: Id of the row that answers, such as ``3.0-Rev2-U3``.
        release: The base's release; empty when it is not known.
        is_known: Whether the row is the base's own; else it is the least able of its release.
        image: Photon's name of the image: ``ova``, ``ami``, ``rpi``, ``iso-minimal`` …; empty
            when it is not known.
        arch: ``x86_64`` or ``aarch64``.
    """

    revision: str
    release: str
    is_known: bool
    image: str = ""
    arch: str = "x86_64"

    @property
    def text(self) -> str:
        """Name of the base for messages: ``Photon 3.0 Rev2 Update3``."""
        row = next(row for row in revisions() if row["id"] == self.revision)
        known = f"Photon {row['release']} {row['names'][0]}"
        own = f"Photon {self.release}" if self.release else "an unknown release of Photon"
        return known if self.is_known else f"{own}, taken for {known}"

    @property
    def build(self) -> str:
        """``PHOTON_BUILD_NUMBER`` of the row: the first digits of its commit."""
        row = next(row for row in revisions() if row["id"] == self.revision)
        return str(row["build"])

    def has_package(self, name: str) -> bool | None:
        """Return whether the image holds a package; ``None`` for an image that is not known."""
        held = packages.packages_of(self.image, self.revision, self.arch)
        return name in held if held else None

    def version_of(self, package: str) -> str:
        """Return version and release of a package, empty when that is not known."""
        return packages.version_of(package, self.revision)

    def has_unit(self, unit: str) -> bool | None:
        """Return whether the image has a unit; ``None`` when the packages of it are not known."""
        bring = self.packages_of_unit(unit)
        if unit in packages.linked_units(self.revision):
            return True
        held = [self.has_package(package) for package in bring]
        return None if not held or None in held else any(held)

    def packages_of_unit(self, unit: str) -> tuple[str, ...]:
        """Return the packages that bring a unit, empty when none is known."""
        return packages.packages_with(unit, self.revision)

    def package_for_unit(self, unit: str) -> str:
        """Return the package to install for a unit, empty when none is known."""
        return packages.asked_for(unit, self.revision)

    def brings(self, names: Iterable[str], unit: str) -> bool | None:
        """Return whether packages, with those that they require, bring a unit.

        ``None`` when that is unknown: no known package brings it, and one of those
        that are requested may do so.
        """
        asked = packages.with_required(names, self.revision)
        known = self.packages_of_unit(unit)
        if set(known) & asked:
            return True
        may = any(packages.may_bring(name, unit, self.revision) for name in asked)
        return None if may or (asked and not known) else False

    def units_of_package(self, package: str) -> tuple[str, ...]:
        """Return the units that a package is known to bring."""
        return packages.units_of(package, self.revision)

    def is_enabled(self, unit: str) -> bool:
        """Return whether a unit starts at boot on the image as it was published."""
        if unit in packages.linked_units(self.revision):
            return True
        vendor = table("units")["vendor_links"]
        if any(
            self.image in row["images"].split()
            and covers(row["on"], self.revision)
            and row["path"].endswith(f"/{unit}")
            for row in vendor
        ):
            return True
        return self.has_unit(unit) is True and packages.is_preset(unit, self.revision)

    @property
    def flavours(self) -> tuple[str, ...]:
        """Kernels that the image boots; a medium has several to choose from."""
        return kernels.flavours_of(self.image, self.revision)

    def flavours_with(self, option: str) -> tuple[str, ...]:
        """Return the kernels of the revision that have an option."""
        return kernels.flavours_with(option, self.revision, self.arch)

    def kernel_option(self, option: str, flavour: str = "") -> str | None:
        """Return ``y``, ``m`` or ``n`` of a kernel option, without ``CONFIG_``.

        Without a flavour, the answer of the least able kernel that the image may boot.
        """
        chosen = (flavour,) if flavour else self.flavours
        return kernels.least(
            [kernels.option_of(option, each, self.revision, self.arch) for each in chosen]
        )

    def kernel_module(self, module: str, flavour: str = "") -> str | None:
        """Return ``y``, ``m`` or ``n`` of a module by its name."""
        option = kernels.option_for_module(module)
        return self.kernel_option(option, flavour) if option else None

    @property
    def docker(self) -> Docker:
        """The engine of the revision, also where the image does not hold it."""
        row = row_for(table("system")["docker"]["rows"], self.revision)
        return Docker(
            row["version"],
            row["runc"],
            tuple(row["units"].split()),
            row["cli_plugins"],
            row["local_log_driver"],
            row["seccomp_profile"],
        )

    @property
    def daemon_keys(self) -> dict[str, str]:
        """Keys of daemon.json with the docker that had them first; ``""`` where that is unsure."""
        keys = table("system")["docker"]["daemon_keys"]
        first = {key: docker for docker, text in keys["first_in"].items() for key in text.split()}
        return {**dict.fromkeys(keys["unsure"].split(), ""), **first}

    @property
    def has_docker(self) -> bool | None:
        """Return whether the image holds the engine."""
        return self.has_package("docker")

    @property
    def repositories(self) -> tuple[Repository, ...]:
        """The repositories of tdnf that the base names."""
        row = row_for(table("system")["repositories"]["rows"], self.revision)
        split = ((name, *text.partition(" ")[::2]) for name, text in row["repos"].items())
        return tuple(Repository(name, state == "on", address) for name, state, address in split)

    @property
    def has_key_4096(self) -> bool:
        """Return whether the base has the key that has signed all packages since 2024."""
        rows = table("system")["repositories"]["key_files"]
        return any(row["name"].endswith("-4096") and self._is(row["on"]) for row in rows)

    @property
    def firewall(self) -> Firewall:
        """The packet filter."""
        filters = table("system")["firewall"]
        row = row_for(filters["ip6save"], self.revision)
        return Firewall(row["icmpv6"], row["dhcpv6"], filters["sysctls"])

    @property
    def cloud_init(self) -> CloudInit | None:
        """What the image's cloud.cfg says; ``None`` where there is no cloud-init."""
        if self.has_package("cloud-init") is False:
            return None
        tables = table("system")["cloud_init"]
        own = tables["images"].get(self.image)
        if own:
            return CloudInit((own["datasource"],), own["users"], own["disable_root"])
        row = row_for(tables["rows"], self.revision)
        return CloudInit(
            tuple(row["datasources"].split()),
            row["users"],
            row["disable_root"],
            not self._is(tables["ovf_on_cdrom_alone"]["on"]),
        )

    @property
    def has_sshd_include(self) -> bool:
        """Return whether the base's sshd_config reads ``sshd_config.d``."""
        return bool(table("system")["sshd"]["include"])

    @property
    def sshd_lines(self) -> tuple[str, ...]:
        """Lines that the package adds to sshd_config, as far as they are known."""
        return tuple(row_for(table("system")["sshd"]["rows"], self.revision).get("lines", ()))

    @property
    def locales(self) -> tuple[str, ...]:
        """Locales that the base can use."""
        known = table("system")["locale"]
        built_in = ("C.UTF-8",) if self._is(known["c_utf8"]) else ()
        return (known["made"], "C", "POSIX", *built_in)

    @property
    def has_root_password(self) -> bool | None:
        """Return whether the image sets a root password; ``None`` when that is unknown."""
        known = table("system")["root_password"]
        with_one, without = known["published"].split(), known["none"].split()
        return True if self.image in with_one else False if self.image in without else None

    @property
    def groups(self) -> dict[str, int]:
        """Groups that every base has, with their ids; packages make more."""
        return dict(table("system")["accounts"]["groups"])

    def package_for_group(self, group: str) -> str:
        """Return the package that makes a group when it is installed, empty when none is known."""
        made = table("system")["accounts"]["made_by_packages"]
        return str(made.get(group, {}).get("package", ""))

    def has_group(self, group: str) -> bool | None:
        """Return whether the base has a group; ``None`` when the tables do not say."""
        package = self.package_for_group(group)
        return True if group in self.groups else self.has_package(package) if package else None

    @property
    def rpm_database(self) -> str:
        """Path of the file that rpm keeps its database in."""
        row = row_for(table("system")["rpmdb"], self.revision)
        return f"{row['path']}/{row['file']}"

    @property
    def systemd_cmdline(self) -> str:
        """Kernel arguments in ``/boot/systemd.cfg``."""
        return str(row_for(table("system")["network"]["cmdline"], self.revision)["words"])

    @property
    def installer(self) -> Installer:
        """The installer on the revision's media."""
        tables = table("installer")
        row = row_for(tables["rows"], self.revision)
        more = row["more"].split()
        return Installer(
            row["kind"],
            frozenset(row["only"].split() or [*tables["keys_common"].split(), *more]),
            row["checks_keys"],
            row["mount"],
            row["source_in_initrd"],
            tuple(row["mkfs"].split()),
            tuple(row["kernels_in_minimal"].split()),
        )

    def published_digest(self, path: str) -> str:
        """Return the first 12 digits of the SHA-256 of a published file, empty if not known."""
        rows = table("system")["files"]["rows"]
        fitting: Any = (row for row in rows if row["path"] == path)
        return str(row_for(fitting, self.revision).get("sha256_12", ""))

    def _is(self, on: str) -> bool:
        """Return whether ``on`` names the revision."""
        return covers(on, self.revision)


def facts_of(release: str, *, revision: str = "", image: str = "", arch: str = "x86_64") -> Facts:
    """Return what is known of a base by the names of the catalog."""
    return _facts(identify(release, revision), image, arch)


def facts_of_build(release: str, build: str, *, image: str = "", arch: str = "x86_64") -> Facts:
    """Return what is known of a base by the commit that it was built from."""
    return _facts(identify(release, build=build), image, arch)


def _facts(identity: Identity, image: str, arch: str) -> Facts:
    """Return the record of a row."""
    return Facts(identity.revision, identity.release, identity.is_known, image, arch)
