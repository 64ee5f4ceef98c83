"""ISO 9660 images that were added to, judged by the programs that read them elsewhere."""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pytest

from builder.blob import Blob
from builder.formats.iso9660 import AddDirectory, AddFile, AddSymlink, Edit, Remove, open_iso
from builder.formats.iso9660.image import iter_tree
from tests.support.bases import cache_folder
from tests.support.isos import (
    TIMESTAMP,
    approve,
    boot_report,
    change,
    contents,
    extract,
    list_tree,
    make_iso,
    system_report,
)
from tests.support.judges import judge

_KINDS = ["photon", "xorriso", "joliet", "enhanced", "hybrid-mbr", "hybrid-gpt", "grub", "summed"]
_MENU = b"label install\n\tkernel vmlinuz\n\tappend initrd=initrd.img ks=cdrom:/my_ks.cfg\n"


def _edits() -> list[Edit]:
    """What an unattended installer needs, and some of everything else."""
    return [
        AddFile("/isolinux/menu.cfg", Blob.of(_MENU), mtime=1_600_000_000),
        AddFile("/isolinux/my_ks.cfg", Blob.text("{}\n"), mode=0o600),
        AddFile("/isolinux/empty", Blob.of(b"")),
        AddFile("/photon/payload.tar", Blob.of(bytes(range(256)) * 5000), uid=7, gid=8),
        *(AddFile(f"/RPMS/noarch/{at}-noarch.rpm", Blob.text(f"{at}")) for at in range(90)),
        AddDirectory("/photon/private", mode=0o700, uid=3, gid=4),
        AddDirectory("/RPMS", mode=0o711, uid=5, gid=6),
        AddSymlink("/photon/link", "../isolinux/./my_ks.cfg"),
        AddSymlink("/absolute", "/etc/passwd"),
        Remove("/open_source_license.txt"),
        Remove("/RPMS/repodata"),
        Remove("/nothing/at/all"),
    ]


def _expected(base: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """What the edits make of a tree."""
    gone = ("/open_source_license.txt", "/RPMS/repodata")
    found = {name: node for name, node in base.items() if not name.startswith(gone)}
    found["/RPMS"] = found["/RPMS"] | {"mode": "711", "uid": "5", "gid": "6"}
    found["/photon"] = _node("dir", "755")
    found["/RPMS/noarch"] = _node("dir", "755")
    found["/photon/private"] = _node("dir", "700", "3", "4")
    found["/photon/link"] = _node("link", "777") | {"link": "../isolinux/./my_ks.cfg"}
    found["/absolute"] = _node("link", "777") | {"link": "/etc/passwd"}
    files = {
        "/isolinux/menu.cfg": (_MENU, "644", "0", "0"),
        "/isolinux/my_ks.cfg": (b"{}\n", "600", "0", "0"),
        "/isolinux/empty": (b"", "644", "0", "0"),
        "/photon/payload.tar": (bytes(range(256)) * 5000, "644", "7", "8"),
        **{f"/RPMS/noarch/{n}-noarch.rpm": (b"%d" % n, "644", "0", "0") for n in range(90)},
    }
    for name, (data, mode, uid, gid) in files.items():
        digest = hashlib.sha256(data).hexdigest()
        node = _node("file", mode, uid, gid)
        found[name] = node | {"size": str(len(data)), "sha256digest": digest}
    found["/isolinux/menu.cfg"]["time"] = "1600000000"
    return found


def _node(kind: str, mode: str, uid: str = "0", gid: str = "0") -> dict[str, str]:
    """Return a node made at the time of the edit."""
    return {"type": kind, "mode": mode, "uid": uid, "gid": gid, "time": str(TIMESTAMP)}


def _extents(path: Path) -> dict[str, int]:
    """Return the block of every file that is not empty."""
    with open_iso(path) as iso:
        tree = iter_tree(iso.primary)
        return {name: one.extent for name, one in tree if one.size and not one.is_directory}


@pytest.mark.parametrize("kind", _KINDS)
def test_the_tree_is_what_the_edits_make_of_it(kind: str, tmp_path: Path) -> None:
    base, out = make_iso(cache_folder(), kind), tmp_path / "out.iso"
    change(base, out, *_edits())
    expected = _expected(list_tree(base))
    assert list_tree(out) == expected
    approve(out, level4=kind == "enhanced")
    assert extract(out, tmp_path / "tree") == contents(expected)
    with open_iso(out) as iso:
        iso.check(full=True)


@pytest.mark.parametrize("kind", _KINDS)
def test_old_content_stays_where_it_is_and_boots_as_before(kind: str, tmp_path: Path) -> None:
    base, out = make_iso(cache_folder(), kind), tmp_path / "out.iso"
    change(base, out, *_edits())
    before, after = _extents(base), _extents(out)
    kept = before.keys() & after.keys() - {"/isolinux/menu.cfg"}
    assert len(kept) > 25
    assert {name: before[name] for name in kept} == {name: after[name] for name in kept}
    assert boot_report(out) == boot_report(base)
    assert all(after[name] * 2048 >= base.stat().st_size for name in after.keys() - before.keys())


@pytest.mark.parametrize("kind", ["photon", "joliet", "hybrid-gpt", "summed"])
def test_the_same_edits_give_the_same_image_even_of_their_own_result(
    kind: str, tmp_path: Path
) -> None:
    base = make_iso(cache_folder(), kind)
    one, two, again = tmp_path / "one.iso", tmp_path / "two.iso", tmp_path / "again.iso"
    change(base, one, *_edits())
    change(base, two, *_edits())
    change(one, again, *_edits())
    assert one.read_bytes() == two.read_bytes()
    assert again.read_bytes() == one.read_bytes()


def test_changing_an_image_again_and_again_does_not_pile_up(tmp_path: Path) -> None:
    image, size = make_iso(cache_folder(), "photon"), 0
    for turn in range(12):
        secret = f"secret of turn {turn}".encode()
        edits: list[Edit] = [
            AddFile("/isolinux/my_ks.cfg", Blob.of(secret * 500)),
            *(AddFile(f"/new/{turn}-{at}", Blob.text(f"{turn} {at}")) for at in range(40)),
            Remove(f"/new/{turn}-7"),
            *(Remove(f"/new/{turn - 1}-{at}") for at in range(40)),
        ]
        out = tmp_path / f"{turn}.iso"
        change(image, out, *edits)
        size, image = size or out.stat().st_size, out
        assert list_tree(image)["/isolinux/my_ks.cfg"]["size"] == str(len(secret * 500))
    assert image.stat().st_size <= size + (64 << 10)
    assert b"secret of turn 10" not in image.read_bytes()
    approve(image)


def test_additions_disappear_with_the_files_they_belong_to(tmp_path: Path) -> None:
    base, one, two = make_iso(cache_folder(), "photon"), tmp_path / "1.iso", tmp_path / "2.iso"
    change(base, one, AddFile("/big", Blob.of(b"big" * 1_000_000)))
    change(one, two, Remove("/big"))
    assert one.stat().st_size > base.stat().st_size + 3_000_000
    assert two.stat().st_size <= base.stat().st_size + (64 << 10)
    assert list_tree(two) == list_tree(base)


def test_a_marker_is_not_believed_after_another_program_rearranged_the_image(
    tmp_path: Path,
) -> None:
    base, one = make_iso(cache_folder(), "photon"), tmp_path / "one.iso"
    two, three = tmp_path / "two.iso", tmp_path / "three.iso"
    change(base, one, *_edits())
    judge("xorriso", "-indev", one, "-outdev", two, "-boot_image", "any", "replay", "-volid", "NEW")
    change(two, three, AddFile("/more", Blob.text("more")))
    expected = list_tree(two)
    found = list_tree(three)
    assert found.pop("/more")["size"] == "4"
    assert found == expected


@pytest.mark.parametrize("kind", ["photon", "hybrid-mbr", "hybrid-gpt", "grub"])
def test_a_boot_image_that_is_replaced_boots_from_its_new_place(kind: str, tmp_path: Path) -> None:
    base, out = make_iso(cache_folder(), kind), tmp_path / "out.iso"
    names = {entry.split()[-1] for entry in boot_report(base) if "img path" in entry}
    new = {name: list(iter_image(base, name)) for name in names}
    edits: list[Edit] = [
        AddFile(name, Blob.of(b"".join(data) + bytes(4096))) for name, data in new.items()
    ]
    change(base, out, *edits)
    before = [line for line in boot_report(base) if "boot img" not in line]
    assert [line for line in boot_report(out) if "boot img" not in line] == before
    blocks = _extents(out)
    listed = {int(line.split()[-1]) for line in boot_report(out) if "boot img" in line}
    assert listed == {blocks[name] for name in names}
    assert all(block * 2048 >= base.stat().st_size for block in listed)
    with open_iso(out) as iso:
        iso.check(full=True)
    partitions = [line for line in system_report(out) if "path" in line]
    assert partitions == [line for line in system_report(base) if "path" in line]


@pytest.mark.parametrize("package", ["grub-rescue/grub-rescue-cdrom.iso", "ipxe/ipxe.iso"])
def test_images_that_debian_ships_can_be_added_to(package: str, tmp_path: Path) -> None:
    base, out = Path("/usr/lib") / package, tmp_path / "out.iso"
    if not base.exists():
        pytest.skip(f"{base} is not installed; `make judges` installs it on Debian and Ubuntu")
    change(base, out, *(AddFile(f"/new/{at}.cfg", Blob.text("x")) for at in range(60)))
    found = list_tree(out)
    assert {f"/new/{at}.cfg" for at in range(60)} <= found.keys()
    assert list_tree(base).items() <= found.items()
    assert boot_report(out) == boot_report(base)
    with open_iso(out) as iso:
        iso.check(full=True)


def iter_image(path: Path, name: str) -> list[bytes]:
    """Return a file's pieces."""
    with open_iso(path) as iso:
        return list(iso.chunks(name))


@pytest.mark.parametrize("kind", ["hybrid-mbr", "hybrid-gpt", "grub"])
def test_partition_tables_of_a_hybrid_reach_the_new_end(kind: str, tmp_path: Path) -> None:
    base, out = make_iso(cache_folder(), kind), tmp_path / "out.iso"
    change(base, out, AddFile("/big", Blob.of(bytes(3_000_000))))
    sectors = out.stat().st_size // 512
    report = system_report(out)
    (mbr,) = [line.split()[3:] for line in report if line.startswith("MBR partition      :   1")]
    assert int(mbr[-2]) + int(mbr[-1]) == sectors
    ranges = [line.split() for line in report if line.startswith("GPT lba range")]
    assert all(int(one[-1]) == sectors - 1 for one in ranges)
    summary = [line for line in report if line.startswith("System area summary")]
    assert summary == [one for one in system_report(base) if one.startswith("System area summary")]
    if ranges:
        said = judge("sgdisk", "-v", out, check=False).stdout
        assert said == judge("sgdisk", "-v", base, check=False).stdout


def test_an_implanted_checksum_is_made_anew(tmp_path: Path) -> None:
    base, out = make_iso(cache_folder(), "summed"), tmp_path / "out.iso"
    change(base, out, *_edits())
    judge("checkisomd5", out)
    image = bytearray(out.read_bytes())
    image[image.index(b"ks=cdrom")] ^= 1
    out.write_bytes(image)
    assert judge("checkisomd5", out, check=False).returncode != 0


def test_the_volume_gets_another_name(tmp_path: Path) -> None:
    out = tmp_path / "out.iso"
    change(make_iso(cache_folder(), "joliet"), out, volume_id="EDGE_NODE_7")
    assert "Volume id: EDGE_NODE_7\n" in judge("isoinfo", "-d", "-i", out).stdout
    assert "Volume id: EDGE_NODE_7\n" in judge("isoinfo", "-d", "-J", "-i", out).stdout


def test_joliets_tree_shows_the_changes_too(tmp_path: Path) -> None:
    out = tmp_path / "out.iso"
    change(make_iso(cache_folder(), "joliet"), out, *_edits())
    listed = set(judge("isoinfo", "-J", "-f", "-i", out).stdout.splitlines())
    assert {"/isolinux/my_ks.cfg", "/photon/private", "/RPMS/noarch/89-noarch.rpm"} <= listed
    assert not {"/RPMS/repodata", "/open_source_license.txt", "/absolute"} & listed
    found = judge("isoinfo", "-J", "-x", "/isolinux/menu.cfg", "-i", out).stdout
    assert found.encode() == _MENU


def test_long_names_and_targets_go_into_continuation_areas(tmp_path: Path) -> None:
    base, out = make_iso(cache_folder(), "photon"), tmp_path / "out.iso"
    target = "/" + "/".join(["a" * 255, "..", ".", "b" * 255, "c" * 200])
    edits: list[Edit] = []
    for at in range(20):
        edits.append(AddFile(f"/long/{at:03d}{'ü' * 126}", Blob.text(f"{at}")))
        edits.append(AddSymlink(f"/long/{at:03d}{'k' * 252}", target))
    change(base, out, *edits)
    expected = list_tree(base) | {"/long": _node("dir", "755")}
    for edit in edits:
        if isinstance(edit, AddSymlink):
            expected[edit.path] = _node("link", "777")
        elif isinstance(edit, AddFile):
            with edit.content.open() as stream:
                data = stream.read()
            found = {"size": str(len(data)), "sha256digest": hashlib.sha256(data).hexdigest()}
            expected[edit.path] = _node("file", "644") | found
    assert list_tree(out) == expected
    approve(out)
    found = extract(out, tmp_path / "tree")
    links = {edit.path for edit in edits if isinstance(edit, AddSymlink)}
    assert {found[name] for name in links} == {f"-> {Path(target)}"}
    assert found | contents(expected) == found


def test_recorded_names_are_upper_case_unique_and_in_order(tmp_path: Path) -> None:
    out = tmp_path / "out.iso"
    names = ["a" * 40 + ".cfg", "a" * 40 + ".cfgs", "b.tar.gz", "b_tar.gz", ".hidden", "Ünder"]
    change(
        make_iso(cache_folder(), "photon"), out, *(AddFile(f"/n/{n}", Blob.text(n)) for n in names)
    )
    listed = [
        line.removeprefix("/N/")
        for line in judge("isoinfo", "-f", "-i", out).stdout.splitlines()
        if line.startswith("/N/")
    ]
    assert listed == [
        "A" * 26 + ".CFGS;1",
        "A" * 27 + ".CFG;1",
        "B_TAR.GZ;1",
        "B_TAR000.GZ;1",
        "_HIDDEN.;1",
        "_NDER.;1",
    ]


@dataclass(frozen=True)
class _Long:
    """Content that is longer than one record can say: zeros, then a word."""

    size: int

    def open(self) -> BinaryIO:
        return _Zeros(self.size)


class _Zeros(io.BytesIO):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.left = size

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = self.left if size is None or size < 0 else min(size, self.left)
        self.left -= wanted
        return bytes(wanted) if self.left else bytes(wanted)[:-4] + b"last"[: max(wanted, 0)]


@pytest.mark.slow
def test_a_file_of_more_than_four_gib_is_recorded_in_pieces(tmp_path: Path) -> None:
    base, out = make_iso(cache_folder(), "xorriso"), tmp_path / "out.iso"
    size = (4 << 30) + 12345
    change(base, out, AddFile("/huge", _Long(size)), AddFile("/after", Blob.text("after")))
    with open_iso(out) as iso:
        iso.check(full=True)
        node = iso.lstat("/huge")
        assert node is not None
        assert node.size == size
    found = list_tree(out)
    assert found["/huge"]["size"] == str(size)
    assert found["/after"]["size"] == "5"
    tail = judge("sh", "-c", f"bsdtar -xOf {out} huge | tail -c 4").stdout
    assert tail == "last"
