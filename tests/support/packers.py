"""Packs a raw disk as the artifacts that Photon publishes."""

import hashlib
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from builder.formats.disk import MIB
from tests.support.judges import judge
from tests.support.ovf_texts import Appliance, compose_text, ovftool_text
from tests.support.recipes import Kind, Recipe
from tests.support.tree import MTIME
from tests.support.vmware_vmdk import write_vmware_vmdk

_FAST_GZIP: Final = ("-I", "igzip -1")
"""gzip takes a minute for the zeros of 16 GiB; other tests read what it and pigz write."""


def _name(recipe: Recipe, suffix: str) -> str:
    """Return the name that Photon would publish it under."""
    release = recipe.revision
    arch = ".x86_64" if release.number == "5.0" else ""
    kind = "ova" if recipe.kind in ("raw", "vmdk") else recipe.kind
    return f"photon-{kind}-{release.number}-{release.build}{arch}{suffix}"


def _pack_ova(recipe: Recipe, disk: Path, folder: Path) -> Path:
    """Pack an OVA: descriptor, manifest, disk."""
    disk_name = (
        f"{recipe.stem}.vmdk" if recipe.dialect_name == "compose" else f"{recipe.stem}-disk1.vmdk"
    )
    vmdk = disk.with_name(disk_name)
    _write_vmdk(recipe, disk, vmdk)
    descriptor = disk.with_name(f"{recipe.stem}.ovf")
    descriptor.write_text(_ovf(recipe, vmdk, disk))
    members = [descriptor, vmdk]
    if recipe.manifest_name != "none":
        manifest = disk.with_name(f"{recipe.stem}.mf")
        manifest.write_text(_manifest(recipe.manifest_name, descriptor, vmdk))
        members.insert(1, manifest)
    path = folder / _name(recipe, ".ova")
    form = tarfile.GNU_FORMAT if recipe.dialect_name == "compose" else tarfile.USTAR_FORMAT
    _pack_tar(path, members, form)
    return path


def _ovf(recipe: Recipe, vmdk: Path, disk: Path) -> str:
    """Return the descriptor."""
    uefi = recipe.kind == "ova_uefi"
    usual = {"ovftool": 13 if uefi else 11, "compose": 14}[recipe.dialect_name]
    appliance = Appliance(
        name=recipe.stem,
        disk=vmdk.name,
        disk_size=vmdk.stat().st_size,
        capacity=recipe.size,
        populated=disk.stat().st_blocks * 512,
        hardware=recipe.hardware or usual,
        efi=uefi or recipe.revision.number == "5.0",
        secure_boot=uefi,
        version=recipe.revision.number,
    )
    return {"ovftool": ovftool_text, "compose": compose_text}[recipe.dialect_name](appliance)


def _manifest(algorithm: str, descriptor: Path, vmdk: Path) -> str:
    """Return the manifest; the older one names the disk first."""
    order = (vmdk, descriptor) if algorithm == "SHA1" else (descriptor, vmdk)
    lines = []
    for path in order:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, algorithm.lower()).hexdigest()
        lines.append(f"{algorithm}({path.name})= {digest}\n")
    return "".join(lines)


def _pack_tar(path: Path, members: list[Path], form: int) -> None:
    """Write an uncompressed tar of files that root owns."""
    with tarfile.open(path, "w", format=form) as archive:
        for member in members:
            entry = archive.gettarinfo(member, member.name)
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = "root"
            entry.mode, entry.mtime = 0o644, MTIME
            with member.open("rb") as stream:
                archive.addfile(entry, stream)


def _write_vmdk(recipe: Recipe, disk: Path, vmdk: Path) -> None:
    """Write the disk as a stream-optimized VMDK."""
    if recipe.writer == "vmware":
        write_vmware_vmdk(disk, vmdk, vmdk.name)
    else:
        judge(
            "qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized",
            disk, vmdk,
        )  # fmt: skip


def _pack_vmdk(recipe: Recipe, disk: Path, folder: Path) -> Path:
    """Pack the disk alone as a VMDK."""
    path = folder / _name(recipe, ".vmdk")
    _write_vmdk(recipe, disk, path)
    return path


def _pack_raw(recipe: Recipe, disk: Path, folder: Path) -> Path:
    """Hand the disk over as it is."""
    return Path(shutil.move(disk, folder / _name(recipe, ".raw")))


def _pack_tar_gz(recipe: Recipe, disk: Path, folder: Path) -> Path:
    """Pack a raw disk as Amazon's or Google's image: the zeros are in the tar too."""
    path = folder / _name(recipe, ".tar.gz")
    inner = "disk.raw" if recipe.kind == "gce" else _name(recipe, ".raw")
    disk = disk.rename(disk.with_name(inner))
    judge(
        "tar", "--owner=0", "--group=0", "--mode=0644", f"--mtime=@{MTIME}", "-C", disk.parent,
        *_FAST_GZIP, "-cf", path, inner,
    )  # fmt: skip
    return path


def _pack_azure(recipe: Recipe, disk: Path, folder: Path) -> Path:
    """Pack a fixed VHD that is 1 MiB larger than the disk was partitioned for."""
    with disk.open("r+b") as stream:
        stream.truncate(recipe.size + MIB)
    vhd = disk.with_name(_name(recipe, ".vhd"))
    judge(
        "qemu-img", "convert", "-f", "raw", "-O", "vpc", "-o", "subformat=fixed,force_size", disk,
        vhd,
    )  # fmt: skip
    path = folder / f"{vhd.name}.tar.gz"
    judge(
        "tar", "--owner=0", "--group=0", "--mode=0644", f"--mtime=@{MTIME}", "-C", vhd.parent,
        *_FAST_GZIP, "-cf", path, vhd.name,
    )  # fmt: skip
    return path


PACKERS: Final[dict[Kind, Callable[[Recipe, Path, Path], Path]]] = {
    "ova": _pack_ova,
    "ova_uefi": _pack_ova,
    "raw": _pack_raw,
    "vmdk": _pack_vmdk,
    "ami": _pack_tar_gz,
    "gce": _pack_tar_gz,
    "azure": _pack_azure,
}
