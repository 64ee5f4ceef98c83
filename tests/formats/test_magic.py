"""What a file is by its magic bytes: as the programs that write such files make them."""

import subprocess
from pathlib import Path

import pytest

from builder.formats.magic import identify
from tests.support.judges import judge

SIZE = 4 << 20
COMPRESSED = {
    "gzip data": "gzip",
    "xz data": "xz",
    "zstd data": "zstd",
    "bzip2 data": "bzip2",
    "LZ4 data": "lz4",
}
DISKS = {
    "a qcow2 disk": "qcow2",
    "a VMDK disk": "vmdk",
    "a VHDX disk": "vhdx",
    "a dynamic VHD disk": "vpc",
    "a VDI disk": "vdi",
}


@pytest.mark.parametrize("noun", DISKS)
def test_a_disk_that_qemu_img_writes_is_named(noun: str, tmp_path: Path) -> None:
    path = tmp_path / "disk"
    judge("qemu-img", "create", "-q", "-f", DISKS[noun], path, str(SIZE))
    found = identify(path.read_bytes())
    assert found is not None
    assert found.noun == noun


@pytest.mark.parametrize("noun", COMPRESSED)
def test_what_a_packer_writes_is_named(noun: str) -> None:
    packed = subprocess.run([COMPRESSED[noun], "-c"], input=b"a" * 999, stdout=-1, check=True)
    found = identify(packed.stdout)
    assert found is not None
    assert found.noun == noun


@pytest.mark.parametrize("form", ["ustar", "gnu", "pax"])
def test_a_tar_archive_is_named(form: str, tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    judge("tar", f"--format={form}", "-C", "/", "-cf", path, "etc/hostname")
    found = identify(path.read_bytes())
    assert found is not None
    assert found.noun == "a tar archive"


def test_an_iso_image_is_named_by_what_lies_behind_32_kib(tmp_path: Path) -> None:
    path = tmp_path / "a.iso"
    judge("xorriso", "-as", "mkisofs", "-quiet", "-o", path, "/etc/hostname")
    found = identify(path.read_bytes())
    assert found is not None
    assert found.noun == "an ISO image"


@pytest.mark.parametrize(
    ("head", "noun"),
    [
        (b"<!DOCTYPE html>\n<title>404", "a web page, not a download"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>', "an XML document"),
        (b"# Disk DescriptorFile\nversion=1", "the descriptor of a VMDK disk"),
    ],
)
def test_texts_that_are_taken_for_images_are_named(head: bytes, noun: str) -> None:
    found = identify(head)
    assert found is not None
    assert found.noun == noun


@pytest.mark.parametrize("head", [b"", b"\x1f", bytes(40_000), b"\xeb\x63\x90" + bytes(600)])
def test_what_is_unknown_is_not_guessed(head: bytes) -> None:
    assert identify(head) is None
