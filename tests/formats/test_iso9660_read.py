"""ISO 9660 images of foreign programs, read."""

import hashlib
import itertools
from pathlib import Path

import pytest

from builder.errors import FormatError, GuestError, HostError
from builder.formats.filesystem import Kind, Node
from builder.formats.iso9660 import Iso, open_iso
from tests.support.bases import cache_folder
from tests.support.isos import VOLUME_ID, list_tree, make_iso

_TYPES = {Kind.FILE: "file", Kind.DIRECTORY: "dir", Kind.SYMLINK: "link"}
_DEBIAN = {
    "grub-rescue": "/usr/lib/grub-rescue/grub-rescue-cdrom.iso",
    "ipxe": "/usr/lib/ipxe/ipxe.iso",
    "memtest": "/usr/lib/memtest86+/memtest86+x64.iso",
}
_ROCK_RIDGE = [
    "photon",
    "xorriso",
    "joliet",
    "hybrid-gpt",
    "grub",
    "deep",
    "long",
    "sessions",
    "udf",
]


def _described(iso: Iso, path: str, node: Node) -> dict[str, str]:
    """Say of a node what libarchive says."""
    found = {
        "type": _TYPES[node.kind],
        "mode": f"{node.mode:o}",
        "uid": str(node.uid),
        "gid": str(node.gid),
        "time": str(node.mtime),
    }
    if node.kind is Kind.FILE:
        digest = hashlib.sha256(b"".join(iso.chunks(path))).hexdigest()
        found |= {"size": str(node.size), "sha256digest": digest}
    if node.kind is Kind.SYMLINK:
        found["link"] = node.target
    return found


def _whole(path: Path) -> dict[str, dict[str, str]]:
    """Describe an image as libarchive does."""
    with open_iso(path) as iso:
        iso.check(full=True)
        root = iso.lstat("/")
        assert root is not None
        nodes = itertools.chain([("/", root)], iso.walk())
        return {path: _described(iso, path, node) for path, node in nodes}


@pytest.mark.parametrize("kind", _ROCK_RIDGE)
def test_every_node_is_what_libarchive_finds(kind: str) -> None:
    path = make_iso(cache_folder(), kind)
    expected = list_tree(path)
    # libarchive leaves out rr_moved and takes the times of placeholders from elsewhere.
    found = {name: node for name, node in _whole(path).items() if name != "/rr_moved"}
    if kind == "deep":
        for tree in (found, expected):
            for node in tree.values():
                del node["time"]
    long = [node for name, node in found.items() if name == "/long/link"]
    for node in long:
        assert node.pop("link") == f"../{'x' * 200}/./{'y' * 180}/z"
    assert found == expected


@pytest.mark.parametrize("name", _DEBIAN)
def test_images_that_debian_ships_are_read(name: str) -> None:
    path = Path(_DEBIAN[name])
    if not path.exists():
        pytest.skip(f"{path} is not installed; `make judges` installs it on Debian and Ubuntu")
    assert _whole(path) == list_tree(path)


def test_names_without_rock_ridge_are_in_lower_case() -> None:
    with open_iso(make_iso(cache_folder(), "plain")) as iso:
        assert iso.names("/isolinux") == [
            "initrd.img",
            "isolinux.bin",
            "isolinux.cfg",
            "menu.cfg",
            "sample_ks.cfg",
            "vmlinuz",
        ]
        assert iso.lstat("/photon_vmware_cd") == Node(Kind.FILE, 0o444, mtime=1682380800)
        assert b"".join(iso.chunks("/boot/grub2/grub.cfg")).startswith(b"set default=0")


def test_joliet_gives_the_names_when_rock_ridge_does_not() -> None:
    with open_iso(make_iso(cache_folder(), "joliet-only")) as iso:
        assert "PHOTON_VMWARE_CD" in iso.names("/")
        assert "sample_ks.cfg" in iso.names("/isolinux")


def test_what_firmware_boots_is_known() -> None:
    with open_iso(make_iso(cache_folder(), "photon")) as iso:
        assert iso.boot is not None
        bios, efi = iso.boot.entries
        assert (bios.platform, bios.load_sectors, bios.has_table) == (0, 4, True)
        assert (efi.platform, efi.size, efi.has_table) == (0xEF, 3 << 20, False)
        assert iso.volume_id == VOLUME_ID
        assert not iso.area.has_mbr


def test_partition_tables_of_a_hybrid_are_known() -> None:
    with open_iso(make_iso(cache_folder(), "hybrid-gpt")) as iso:
        assert iso.area.has_mbr
        assert iso.area.gpt is not None


def test_what_is_not_there_is_none_and_what_is_no_file_has_no_content() -> None:
    with open_iso(make_iso(cache_folder(), "photon")) as iso:
        assert iso.lstat("/isolinux/nothing") is None
        assert iso.lstat("/isolinux/menu.cfg/below") is None
        with pytest.raises(GuestError, match="/isolinux is not a file"):
            list(iso.chunks("/isolinux"))
        with pytest.raises(GuestError, match="menu.cfg is not a directory"):
            iso.names("/isolinux/menu.cfg")


def test_an_implanted_checksum_is_verified(tmp_path: Path) -> None:
    image = bytearray(make_iso(cache_folder(), "summed").read_bytes())
    path = tmp_path / "changed.iso"
    path.write_bytes(image)
    with open_iso(path) as iso:
        assert iso.media_sum is not None
        iso.check(full=True)
    at = image.index(b"not really")
    image[at] ^= 1
    path.write_bytes(image)
    with open_iso(path) as iso, pytest.raises(FormatError, match="its own record says"):
        iso.check(full=True)


def test_a_boot_image_that_differs_from_its_table_is_found(tmp_path: Path) -> None:
    image = bytearray(make_iso(cache_folder(), "photon").read_bytes())
    path = tmp_path / "changed.iso"
    with open_iso(make_iso(cache_folder(), "photon")) as iso:
        assert iso.boot is not None
        image[iso.boot.entries[0].extent * 2048 + 5000] ^= 1
    path.write_bytes(image)
    with open_iso(path) as iso, pytest.raises(FormatError, match="its table says"):
        iso.check(full=True)


def test_a_file_that_is_not_there_is_the_machines_fault(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="no such file"), open_iso(tmp_path / "none.iso"):
        pass
