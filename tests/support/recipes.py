"""Says which base is wanted; equal recipes give the same base."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from builder.formats.disk import GIB
from tests.support.disks import LAYOUTS
from tests.support.photon_releases import RELEASES, Release
from tests.support.photon_root import shape_key

Kind = Literal["ova", "ova_uefi", "raw", "vmdk", "ami", "gce", "azure"]
Root = Literal["small", "real"]
Writer = Literal["qemu", "vmware"]
Dialect = Literal["ovftool", "compose"]
Manifest = Literal["SHA1", "SHA256", "SHA512"]
_IMAGES: Final = {"ami": "ami", "gce": "gce", "azure": "azure"}


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides a base's bytes.

    Attributes:
        kind: The artifact.
        release: Key of ``RELEASES``.
        image: Image whose root it has, such as ``rpi``; empty takes the kind's.
        root: ``small`` is data, ``real`` is an installed Debian in Photon's shape.
        size: Capacity of the disk.
        layout: Key of ``LAYOUTS``; empty takes the kind's and release's own.
        writer: ``qemu`` puts the grain directory in front, ``vmware`` at the end.
        dialect: Of the OVF; empty takes the release's.
        hardware: Virtual hardware version; zero takes the release's.
        manifest: Digest of the manifest; empty takes the release's, ``none`` leaves it out.
        mke2fs: More arguments for the root's mke2fs.
    """

    kind: Kind = "ova"
    release: str = "5.0"
    root: Root = "small"
    size: int = 16 * GIB
    layout: str = ""
    writer: Writer = "qemu"
    dialect: Dialect | Literal[""] = ""
    hardware: int = 0
    manifest: Manifest | Literal["", "none"] = ""
    mke2fs: tuple[str, ...] = ()
    image: str = ""

    @property
    def layout_name(self) -> str:
        """The layout that is meant."""
        if self.layout:
            return self.layout
        if self.kind == "ova_uefi":
            return "ova_uefi"
        return "ova_ga" if self.revision.ga else "ova"

    @property
    def revision(self) -> Release:
        """The revision that is meant, on the kind's image."""
        return RELEASES[self.release].on(self.image or _IMAGES.get(self.kind, "ova"))

    @property
    def root_extent(self) -> tuple[int, int]:
        """Offset and size of the root partition in bytes."""
        layout = LAYOUTS[self.layout_name]
        root = [each.mount for each in layout.slices].index("/")
        return layout.extents(self.size)[root]

    @property
    def stem(self) -> str:
        """Name that the files inside an OVA begin with."""
        if self.dialect_name == "compose":
            return f"photon-ova-{self.revision.number}-{self.revision.build}.x86_64"
        return "photon-ova_uefi" if self.kind == "ova_uefi" else "photon-ova"

    @property
    def dialect_name(self) -> Dialect:
        """The dialect that is meant."""
        return self.dialect or ("compose" if self.revision.number == "5.0" else "ovftool")

    @property
    def manifest_name(self) -> Manifest | Literal["none"]:
        """The manifest that is meant."""
        return self.manifest or ("SHA256" if self.dialect_name == "compose" else "SHA1")

    @property
    def name(self) -> str:
        """Name of the folder that holds it, whatever code makes it."""
        wanted = json.dumps(asdict(self), sort_keys=True).encode()
        return f"{self.kind}-{self.root}-{hashlib.sha256(wanted).hexdigest()[:12]}"

    @property
    def key(self) -> str:
        """Name of the folder that holds what today's code makes of it."""
        code = hashlib.sha256()
        for source in _SOURCES:
            code.update(Path(__file__).with_name(source).read_bytes())
        code.update(shape_key(self.revision).encode())
        return f"{self.name}-{code.hexdigest()[:12]}"


_SOURCES: Final = (
    "bases.py", "disks.py", "ext4_image.py", "ovf_texts.py", "packers.py", "photon_boot.py",
    "photon_real.py", "photon_releases.py", "photon_root.py", "photon_texts.py",
    "photon_units.py", "recipes.py", "tree.py", "vmware_vmdk.py",
)  # fmt: skip
