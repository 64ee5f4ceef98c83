"""Artifacts taken apart by foreign tools: what is in a disk, as debugfs and e2fsck see it."""

import tarfile
from dataclasses import dataclass
from pathlib import Path

from tests.support.judges import judge


@dataclass(frozen=True, slots=True)
class Opened:
    """A disk that foreign tools unpacked from an OVA.

    Attributes:
        ova: The OVA.
        raw: Its disk, as qemu-img converted it.
        root_offset: First byte of the root filesystem.
    """

    ova: Path
    raw: Path
    root_offset: int

    @property
    def device(self) -> str:
        """The root filesystem as e2fsprogs name it."""
        return f"{self.raw}?offset={self.root_offset}"

    def debugfs(self, command: str) -> str:
        """Return what a debugfs command prints."""
        return judge("debugfs", "-R", command, self.device).stdout

    def text(self, path: str) -> str:
        """Return a file of the root filesystem."""
        return self.debugfs(f"cat {path}")

    def stat(self, path: str) -> dict[str, str]:
        """Return inode facts of the root filesystem: type, mode, user, group, target."""
        words = self.debugfs(f"stat {path}").replace("\n", " ").split()
        found = {words[i].rstrip(":").lower(): words[i + 1] for i in range(len(words) - 1)}
        link = self.debugfs(f"stat {path}").partition("Fast link dest: ")[2]
        return found | {"target": link.strip().strip('"')}

    def check(self) -> None:
        """Fail unless every judge finds the disk sound."""
        judge("e2fsck", "-fn", self.device)
        judge("sgdisk", "-v", self.raw)


def open_ova(ova: Path, root_offset: int, scratch: Path) -> Opened:
    """Unpack an OVA with tar's own reader and qemu-img."""
    scratch.mkdir(parents=True, exist_ok=True)
    with tarfile.open(ova) as archive:
        member = next(m for m in archive.getmembers() if m.name.endswith(".vmdk"))
        archive.extract(member, scratch, filter="data")
    vmdk = scratch / member.name
    judge("qemu-img", "check", vmdk)
    raw = scratch / "disk.raw"
    judge("qemu-img", "convert", "-O", "raw", vmdk, raw)
    return Opened(ova, raw, root_offset)
