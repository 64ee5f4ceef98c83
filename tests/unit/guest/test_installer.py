"""Which installer a medium has, and the keys that it gets."""

import json

import pytest

from builder.errors import FormatError, GuestError
from builder.formats.cpio import iter_files
from builder.guest.install_keys import (
    check_bootmode,
    default_bootmode,
    format_kickstart,
    make_disk_keys,
    make_package_keys,
)
from builder.guest.installer import COMMON_KEYS, Installer, identify, is_telling, known_keys
from tests.support.media import RELEASES, installer_source, make_initrd
from tests.support.photon_releases import RELEASES as PHOTON

FIRST = "the first installer of 3.0"
IN_TREE = "the installer of Photon 3.0"
UNREADABLE = "an installer whose source cannot be read"
NAMES = {
    "3.0-GA": FIRST,
    "3.0-Rev2": IN_TREE,
    "3.0-Rev2-U3": IN_TREE,
    "3.0-Rev3-U1": IN_TREE,
    "4.0-GA": UNREADABLE,
    "4.0-Rev1": UNREADABLE,
    "4.0-Rev2": UNREADABLE,
    "5.0-GA": "photon-os-installer",
    "unknown": UNREADABLE,
}


@pytest.mark.parametrize("name", NAMES)
def test_the_installer_is_read_from_the_initrd(name: str) -> None:
    media = RELEASES[name]
    initrd = make_initrd(installer_source(media))
    pieces = (initrd[at : at + 777] for at in range(0, len(initrd), 777))
    found = identify(dict(iter_files(pieces, is_telling)))
    assert (found.name, found.media) == (NAMES[name], media.media)
    assert set(media.keys) <= found.keys
    assert found.copies_files == (name != "3.0-GA")
    assert found.package_lists == ("packages_minimal.json", "packages_rt.json")
    assert found.release == f"VMware Photon OS {media.release}"
    assert found.build == media.build
    assert found.listed["packages_minimal.json"] == media.minimal
    assert ("xfs" in found.filesystems) == (name == "5.0-GA")


@pytest.mark.parametrize("name", [name for name in NAMES if name != "unknown"])
def test_a_medium_takes_the_keys_that_are_written_for_it(name: str) -> None:
    """Those that are read from its source, or that are taken to be safe without one."""
    initrd = make_initrd(installer_source(RELEASES[name]))
    found = identify(dict(iter_files([initrd], is_telling)))
    known = PHOTON[name].facts.installer
    written = found.keys - {"boot", "eject_cdrom"} if name == "3.0-GA" else found.keys
    assert written <= known.keys
    assert found.media == known.mount


def test_several_archives_one_after_another_are_read() -> None:
    first, second = make_initrd({"a": b"1" * 5}), make_initrd({"b": b"2"})
    everything = iter_files([first + bytes(512), second], lambda _: True)
    assert dict(everything) == {"a": b"11111", "b": b"2"}


def test_an_initrd_cut_short_anywhere_is_refused() -> None:
    initrd = make_initrd({"installer/installer.py": b"known_keys = {'a'}\n" * 9})
    for size in range(1, len(initrd)):
        with pytest.raises(FormatError):
            list(iter_files([initrd[:size]], is_telling))


@pytest.mark.parametrize(
    "data", [b"\x28\xb5\x2f\xfd", b"BZh9", b"070707" + b"0" * 104, b"070701" + b"g" * 104]
)
def test_another_archive_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        list(iter_files([data], is_telling))


@pytest.mark.parametrize(
    "source", ["known_keys = {", "known_keys = f()", "known_keys = {1, x}", ""]
)
def test_a_source_without_keys_has_none(source: str) -> None:
    assert known_keys(source) == frozenset()


def test_a_key_that_the_installer_does_not_know_is_refused_by_name() -> None:
    with pytest.raises(GuestError, match="docker"):
        format_kickstart({"docker": {}}, Installer())
    assert json.loads(format_kickstart({"disk": "/dev/sda"}, Installer())) == {"disk": "/dev/sda"}


FLAVORS = {
    "named": ("linux-rt", COMMON_KEYS, {"linux_flavor": "linux-rt"}),
    "esx of Rev2": ("linux-esx", {"install_linux_esx"}, {"install_linux_esx": True}),
    "plain of Rev2": ("linux", {"install_linux_esx"}, {"install_linux_esx": False}),
}


@pytest.mark.parametrize("case", FLAVORS.values(), ids=FLAVORS)
def test_the_kernel_is_chosen_in_the_words_of_the_installer(
    case: tuple[str, frozenset[str], dict[str, object]],
) -> None:
    flavor, keys, wanted = case
    assert make_disk_keys({"linux_flavor": flavor}, Installer(keys=frozenset(keys))) == wanted


def test_a_kernel_that_the_installer_cannot_choose_is_refused() -> None:
    with pytest.raises(GuestError, match="linux-rt"):
        make_disk_keys(
            {"linux_flavor": "linux-rt"}, Installer(keys=frozenset({"install_linux_esx"}))
        )


def test_a_link_to_a_disk_is_for_installers_that_follow_it() -> None:
    link = {"disk": "/dev/disk/by-path/pci-0000:00:10.0-scsi-0:0:0:0"}
    assert make_disk_keys(link, Installer(keys=COMMON_KEYS | {"disks"})) == link
    with pytest.raises(GuestError, match="does not follow the link /dev/disk/by-path"):
        make_disk_keys(link, Installer())


def test_partitions_have_a_size_and_a_filesystem() -> None:
    lvm = {"vg_name": "vg", "lv_name": "root"}
    install = {
        "partitions": [{"mountpoint": "/boot", "size": 512}, {"mountpoint": "/", "lvm": lvm}]
    }
    assert make_disk_keys(install, Installer())["partitions"] == [
        {"mountpoint": "/boot", "size": 512, "filesystem": "ext4"},
        {"mountpoint": "/", "size": 0, "filesystem": "ext4", "lvm": lvm},
    ]


@pytest.mark.parametrize(
    ("partitions", "word"),
    [
        ([{"mountpoint": "/var"}], "mounted at /"),
        ([{"mountpoint": "/"}, {"mountpoint": "/", "size": 5}], "same place"),
        ([{"mountpoint": "/"}, {"mountpoint": "/var"}], "rest of the disk"),
        ([{"mountpoint": "/", "size": 5}], "rest of the disk"),
        ([{"mountpoint": "/"}, {"mountpoint": "/boot", "size": 5, "lvm": {}}], "logical volume"),
        ([{"mountpoint": "/"}, {"mountpoint": "/boot/efi", "size": 9}], "not vfat"),
        ([{"mountpoint": "/", "ab": True, "lvm": {}}], "exclude each other"),
    ],
    ids=["no root", "twice", "two rests", "no rest", "boot on LVM", "an ESP of ext4", "A/B on LVM"],
)
def test_partitions_that_the_installer_would_refuse_are_refused(
    partitions: list[dict[str, object]], word: str
) -> None:
    with pytest.raises(GuestError, match=word):
        make_disk_keys({"partitions": partitions}, Installer())


@pytest.mark.parametrize("kind", ["xfs", "btrfs"])
def test_a_filesystem_that_the_initrd_cannot_make_is_refused(kind: str) -> None:
    install = {"partitions": [{"mountpoint": "/", "filesystem": kind}]}
    old = Installer(filesystems=frozenset({"ext4", "ext3", "fat"}))
    with pytest.raises(GuestError, match=f"no mkfs.{kind}"):
        make_disk_keys(install, old)
    assert make_disk_keys(install, Installer(filesystems=frozenset({"ext4", kind})))


def test_a_logical_volume_of_an_installer_without_them_is_refused() -> None:
    lvm = {"mountpoint": "/", "lvm": {"vg_name": "vg", "lv_name": "root"}}
    with pytest.raises(GuestError, match="makes no logical volumes"):
        make_disk_keys({"partitions": [lvm]}, Installer(keys=frozenset({"disk", "partitions"})))


@pytest.mark.parametrize("mode", ["bios", "dualboot"])
def test_a_boot_mode_of_another_architecture_is_refused(mode: str) -> None:
    with pytest.raises(GuestError, match=f"aarch64 machine does not start by {mode}; wanted efi"):
        check_bootmode(mode, "aarch64")
    check_bootmode(mode, "x86_64")
    check_bootmode("efi", "aarch64")


def test_the_boot_mode_is_written_where_the_installer_knows_it() -> None:
    assert default_bootmode("x86_64", Installer()) == {"bootmode": "dualboot"}
    assert default_bootmode("aarch64", Installer()) == {"bootmode": "efi"}
    assert default_bootmode("x86_64", Installer(keys=frozenset({"disk"}))) == {}
    assert default_bootmode("", Installer()) == {}


MINIMAL = ("minimal", "linux", "linux-esx", "initramfs")
LISTED = {"packages_minimal.json": MINIMAL}
OLD = Installer(keys=frozenset({"install_linux_esx"}), listed=LISTED)
NEW = Installer(listed=LISTED)
PACKAGES = {
    "the kernel is named": (NEW, "linux-rt", {"linux-rt", "vim"}),
    "that of the list, too": (NEW, "linux", {"linux", "vim"}),
    "one kernel of Rev2": (OLD, "linux", {"minimal", "linux", "initramfs", "vim"}),
    "the other of Rev2": (OLD, "linux-esx", {"minimal", "linux-esx", "initramfs", "vim"}),
}


@pytest.mark.parametrize("case", PACKAGES.values(), ids=PACKAGES)
def test_one_kernel_is_installed_the_one_that_is_meant(
    case: tuple[Installer, str, set[str]],
) -> None:
    known, flavor, wanted = case
    install = {"package_list": "packages_minimal.json", "linux_flavor": flavor}
    keys = make_package_keys(install, ["vim"], known)
    assert set(keys["additional_packages"]) == wanted
    assert ("packagelist_file" in keys) is known.names_kernel


def test_the_tools_of_a_filesystem_are_installed() -> None:
    install = {
        "package_list": "packages_minimal.json",
        "linux_flavor": "linux",
        "partitions": [
            {"mountpoint": "/"},
            {"mountpoint": "/a", "filesystem": "xfs", "size": 9},
            {"mountpoint": "/b", "filesystem": "btrfs", "size": 9},
        ],
    }
    keys = make_package_keys(install, [], NEW)
    assert keys["additional_packages"] == ["btrfs-progs", "linux", "xfsprogs"]


def test_lists_that_the_build_made_of_others_are_not_offered() -> None:
    lists = ("packages_minimal.json", "packages_minimal_expanded.json")
    installer = Installer("the installer", frozenset(), package_lists=lists)
    wanted = {"package_list": "packages_x.json", "linux_flavor": "linux"}
    with pytest.raises(GuestError, match=r"it has packages_minimal\.json$"):
        make_package_keys(wanted, [], installer)
