"""The published revisions of Photon, and where a root lies on its disk.

What a revision has on an image is what the tables of :mod:`builder.facts` say; a test holds them
against the roots that are made here.
"""

from dataclasses import dataclass
from typing import Final

from builder.facts import Facts, facts_of, revisions
from builder.sample import boot

IMAGES: Final = ("ova", "ami", "gce", "azure", "rpi", "iso-minimal")
"""Photon's names of the images that roots are made of."""


@dataclass(frozen=True, slots=True)
class Release:
    """A published revision.

    Attributes:
        identity: Its id in the tables, such as ``3.0-Rev2-U3``.
        image: Which image's root is meant.
    """

    identity: str
    image: str = "ova"

    @property
    def facts(self) -> Facts:
        """What the tables say of the revision on this image."""
        row = next(row for row in revisions() if row["id"] == self.identity)
        arch = "aarch64" if self.image == "rpi" else "x86_64"
        return facts_of(row["release"], revision=row["names"][0], image=self.image, arch=arch)

    def on(self, image: str) -> "Release":
        """Return the same revision on another image."""
        return Release(self.identity, image)

    @property
    def number(self) -> str:
        """``3.0``, ``4.0`` or ``5.0``."""
        return self.facts.release

    @property
    def build(self) -> str:
        """Short commit id that the published file name carries."""
        return self.facts.build

    @property
    def kernel(self) -> str:
        """``uname -r`` of the kernel."""
        return boot.kernel_name(self.facts)

    @property
    def rpm_database(self) -> str:
        """Path of the RPM database."""
        return self.facts.rpm_database

    @property
    def ga(self) -> bool:
        """Whether this is the general-availability build of 3.0, which has old ways."""
        return self.identity == "3.0-GA"


RELEASES: Final = {
    **{row["id"]: Release(row["id"]) for row in revisions()},
    "3.0 GA": Release("3.0-GA"),
    "3.0": Release("3.0-Rev3-U1"),
    "4.0": Release("4.0-Rev2"),
    "5.0": Release("5.0-GA"),
}
"""Every published revision by its id in the tables; the newest of a release by its number too."""


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
    def in_sample(self) -> boot.Placement:
        """The same in the words of :mod:`builder.sample.boot`."""
        others = tuple((f"PARTUUID={uuid}", at, kind) for uuid, at, kind in self.mounts)
        prefix = "" if any(at == "/boot" for _, at, _ in self.mounts) else "/boot"
        return boot.Placement(f"PARTUUID={self.root_partuuid}", self.boot_uuid, others, prefix)
