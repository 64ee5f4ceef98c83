"""What tells Photon's releases apart, and where a root lies on its disk."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Release:
    """What differs between Photon's releases, as far as a root tree shows it.

    Attributes:
        number: ``3.0``, ``4.0`` or ``5.0``.
        build: Short commit id that the published file name carries.
        kernel: ``uname -r`` of the kernel for virtual machines.
        rpm_database: Path of the RPM database.
        systemd_cmdline: Kernel arguments in ``/boot/systemd.cfg``.
        ga: Whether this is the general-availability build of 3.0, which has old ways.
    """

    number: str
    build: str
    kernel: str
    rpm_database: str
    systemd_cmdline: str
    ga: bool = False


_LEGACY_CGROUP: Final = (
    "net.ifnames=0 plymouth.enable=0 systemd.legacy_systemd_cgroup_controller=yes"
)
_RPM_BDB: Final = "/var/lib/rpm/Packages"

RELEASES: Final = {
    "3.0 GA": Release("3.0", "26156e2", "4.19.15-3.ph3-esx", _RPM_BDB, _LEGACY_CGROUP, ga=True),
    "3.0": Release("3.0", "913b49438", "4.19.247-2.ph3-esx", _RPM_BDB, _LEGACY_CGROUP),
    "4.0": Release(
        "4.0", "c001795b8", "5.10.83-6.ph4-esx", "/var/lib/rpm/rpmdb.sqlite", _LEGACY_CGROUP
    ),
    "5.0": Release(
        "5.0",
        "dde71ec57",
        "6.1.10-10.ph5-esx",
        "/usr/lib/sysimage/rpm/rpmdb.sqlite",
        "net.ifnames=0 plymouth.enable=0 systemd.unified_cgroup_hierarchy=yes",
    ),
}


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the root lies, as its fstab and boot configuration name it.

    Attributes:
        root_partuuid: PARTUUID of the root partition.
        boot_uuid: UUID of the filesystem that holds ``/boot``.
        mounts: Further ``(PARTUUID, mount point, filesystem)``, in fstab's order.
    """

    root_partuuid: str
    boot_uuid: str
    mounts: tuple[tuple[str, str, str], ...] = ()

    @property
    def has_boot_partition(self) -> bool:
        """Whether ``/boot`` is a filesystem of its own."""
        return any(point == "/boot" for _, point, _ in self.mounts)
