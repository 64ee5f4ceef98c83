"""Disk images for clouds and boards: any packing in, the right one out, grown if asked."""

import hashlib
import json
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from builder.formats.disk import GIB, MIB
from tests.support.bad_disks import BAD_DISKS
from tests.support.bases import Base, Kind, Recipe, make_base
from tests.support.cards import make_card
from tests.support.judges import judge
from tests.support.program import Bench

SPEC = """\
version: 1
name: edge
targets: [{target}]
base: {{file: {base}}}
{more}
overlay:
  hostname: edge-1
  files:
    - {{path: /opt/app/run, content: "#!/bin/sh\\n", mode: "0755"}}
"""
SIZE = GIB


@dataclass(frozen=True)
class Disk:
    """A disk that foreign tools unpacked."""

    raw: Path
    root: int

    @property
    def device(self) -> str:
        return f"{self.raw}?offset={self.root}"

    def text(self, path: str) -> str:
        return judge("debugfs", "-R", f"cat {path}", self.device).stdout

    def check(self) -> None:
        judge("e2fsck", "-fn", self.device)
        with self.raw.open("rb") as stream:
            head = stream.read(1024)
        if b"EFI PART" in head:
            assert "No problems found" in judge("sgdisk", "-v", self.raw).stdout
        else:
            judge("sfdisk", "--verify", self.raw)


def unpack(artifact: Path, root: int, folder: Path) -> Disk:
    """Unpack an artifact with tar, xz, zstd and qemu-img."""
    folder.mkdir()
    inner = folder / "disk"
    tool = {".xz": "xz -dc", ".gz": "igzip -dc", ".zst": "zstd -dc"}.get(artifact.suffix, "cat")
    alone = "tar -xO" if ".tar" in artifact.name else "cat"
    pipe = f"{tool} '{artifact}' | {alone} | dd of='{inner}' bs=64K conv=sparse"
    judge("bash", "-o", "pipefail", "-c", pipe)
    if ".vhd" in artifact.name:
        raw = folder / "raw"
        judge("qemu-img", "convert", "-f", "vpc", "-O", "raw", inner, raw)
        return Disk(raw, root)
    return Disk(inner, root)


def build(bench: Bench, target: str, base: Path, more: str = "") -> Path:
    spec = bench.write("specs/edge.yaml", SPEC.format(target=target, base=base, more=more))
    return bench.build(spec, SOURCE_DATE_EPOCH="1700000000")


def make(cache: Path, kind: Kind) -> Base:
    return make_base(cache, Recipe(kind=kind, size=SIZE))


@pytest.mark.parametrize("target", ["ami", "gce", "azure"])
def test_a_cloud_image_is_what_the_spec_says(
    target: Kind, base_cache: Path, bench: Bench, tmp_path: Path
) -> None:
    base = make(base_cache, target)
    artifact = build(bench, target, base.path)
    disk = unpack(artifact, base.root_offset, tmp_path / "opened")
    disk.check()
    assert disk.text("/etc/hostname") == "edge-1\n"
    assert disk.text("/opt/app/run") == "#!/bin/sh\n"
    judge("gzip", "-t", artifact)


@pytest.mark.parametrize(("target", "member"), [("gce", "disk.raw"), ("ami", "edge.raw")])
def test_the_tar_is_old_gnu_with_one_member(
    target: Kind, member: str, base_cache: Path, bench: Bench
) -> None:
    artifact = build(bench, target, make(base_cache, target).path)
    with tarfile.open(artifact) as archive:
        (entry,) = archive.getmembers()
    assert (entry.name, entry.size, entry.mode, entry.uid) == (member, SIZE, 0o644, 0)
    head = judge("sh", "-c", f"gzip -dc '{artifact}' | head -c 265 | tail -c 8").stdout
    assert head == "ustar  \0"


def test_azure_takes_whole_mebibytes_and_the_second_table_is_at_the_end(
    base_cache: Path, bench: Bench, tmp_path: Path
) -> None:
    artifact = build(bench, "azure", make(base_cache, "azure").path, "output: {archive: false}")
    raw = tmp_path / "x.vhd"
    judge("sh", "-c", f"gzip -dc '{artifact}' | dd of='{raw}' bs=64K conv=sparse")
    told = json.loads(judge("qemu-img", "info", "-f", "vpc", "--output=json", raw).stdout)
    assert told["virtual-size"] == SIZE + MIB


PACKINGS = {
    "raw": "output: {compression: none}",
    "raw.gz": "output: {compression: gz}",
    "raw.zst": "output: {compression: zst}",
    "raw.xz": "",
    "tar.xz": "output: {archive: true, level: 1}",
    "tar": "output: {archive: true, compression: none}",
}


@pytest.mark.parametrize(("suffix", "more"), PACKINGS.items(), ids=PACKINGS)
def test_every_packing_goes_in_and_out(
    suffix: str, more: str, base_cache: Path, bench: Bench, tmp_path: Path
) -> None:
    card = make_card(base_cache, tmp_path)
    artifact = build(bench, "rpi3", card.path, more)
    assert artifact.name == f"edge.rpi3.{suffix}"
    again = build(bench, "rpi", artifact, "output: {compression: zst}")
    disk = unpack(again, card.root, tmp_path / "opened")
    disk.check()
    assert disk.text("/etc/hostname") == "edge-1\n"


def test_a_raw_disk_keeps_its_holes_and_has_a_block_map(
    base_cache: Path, bench: Bench, tmp_path: Path
) -> None:
    card = make_card(base_cache, tmp_path)
    artifact = build(bench, "rpi3", card.path, "output: {compression: none}")
    assert artifact.stat().st_size == 512 * MIB
    assert artifact.stat().st_blocks <= card.path.stat().st_blocks + 2 * MIB // 512
    bmap = artifact.with_name(f"{artifact.name}.bmap").read_text()
    assert f"<ImageSize> {512 * MIB} </ImageSize>" in bmap


def digests_by_map(path: Path) -> str:
    """Return what a block map says of a file, after comparing it with the file."""
    text = path.with_name(f"{path.name}.bmap").read_text()
    data = path.open("rb")
    with data:
        for digest, blocks in re.findall(r'<Range chksum="(\w+)"> (\S+) </Range>', text):
            first, _, last = blocks.partition("-")
            data.seek(int(first) * 4096)
            length = (int(last or first) + 1 - int(first)) * 4096
            assert hashlib.sha256(data.read(length)).hexdigest() == digest
    return text


@pytest.mark.parametrize("target", ["ami", "azure"])
def test_a_disk_that_is_not_packed_has_its_digests_in_its_block_map(
    target: str, base_cache: Path, bench: Bench
) -> None:
    base = make_base(base_cache, Recipe(kind="raw", size=SIZE))
    more = "output: {compression: none, archive: false}"
    artifact = build(bench, target, base.path, more)
    text = digests_by_map(artifact)
    assert f"<ImageSize> {artifact.stat().st_size} </ImageSize>" in text
    judge("sh", "-ec", f"cd '{bench.output}' && sha256sum -c --strict SHA256SUMS")
    listed = (bench.output / "SHA256SUMS").read_text().split()[1::2]
    assert listed == [f"{artifact.name}.bmap"]
    record = json.loads(artifact.with_name(f"{artifact.name}.provenance.json").read_text())
    assert record["artifact"]["sha256"] is None
    assert list(record["base"]["digests"]) == ["bmap-sha256"]


def test_a_sparse_base_is_known_by_its_content_not_by_its_holes(
    base_cache: Path, bench: Bench, tmp_path: Path
) -> None:
    card = make_card(base_cache, tmp_path).path
    more = "output: {compression: none}"
    build(bench, "rpi3", card, more)
    again = ("build", "specs/edge.yaml")
    pinned = {"SOURCE_DATE_EPOCH": "1700000000"}
    assert "nothing changed" in bench.run(*again, **pinned).err
    with card.open("r+b") as stream:
        stream.seek(400 * MIB)
        stream.write(bytes(MIB))
    assert "nothing changed" in bench.run(*again, **pinned).err
    with card.open("r+b") as stream:
        stream.seek(1 * MIB - 512)
        stream.write(b"another loader")
    assert "nothing changed" not in bench.run(*again, **pinned).err


@pytest.mark.parametrize("target", ["ami", "gce", "azure", "rpi3"])
def test_a_disk_grows_with_its_root(
    target: Kind | Literal["rpi3"], base_cache: Path, bench: Bench, tmp_path: Path
) -> None:
    if target == "rpi3":
        card = make_card(base_cache, tmp_path)
        path, root = card.path, card.root
    else:
        base = make(base_cache, target)
        path, root = base.path, base.root_offset
    artifact = build(bench, target, path, "disk: {size: 3GiB}")
    disk = unpack(artifact, root, tmp_path / "opened")
    assert disk.raw.stat().st_size == 3 * GIB
    disk.check()
    facts = judge("dumpe2fs", "-h", disk.device).stdout
    blocks = next(line.split()[-1] for line in facts.splitlines() if line.startswith("Block count"))
    assert int(blocks) * 4096 > 2.9 * GIB


def test_google_gets_whole_gibibytes(base_cache: Path, bench: Bench, tmp_path: Path) -> None:
    base = make_base(base_cache, Recipe(kind="raw", size=700 * MIB))
    artifact = build(bench, "gce", base.path)
    disk = unpack(artifact, base.root_offset, tmp_path / "opened")
    assert disk.raw.stat().st_size == GIB
    disk.check()


def test_the_same_inputs_give_the_same_bytes(base_cache: Path, bench: Bench) -> None:
    base = make(base_cache, "gce")
    first = build(bench, "gce", base.path).read_bytes()
    (bench.output / "edge.gce.tar.gz").unlink()
    assert build(bench, "gce", base.path).read_bytes() == first


def test_other_commands_open_them(base_cache: Path, bench: Bench) -> None:
    artifact = build(bench, "azure", make(base_cache, "azure").path)
    told = json.loads(bench.run("inspect", artifact, "--json").out)
    assert (told["kind"], told["release"]) == ("vhd.tar.gz", "5.0")
    assert bench.run("cat", artifact, "/etc/hostname").out == "edge-1\n"
    assert bench.run("verify", artifact, "specs/edge.yaml").code == 0


@pytest.mark.parametrize("name", BAD_DISKS)
def test_a_bad_base_is_a_sentence(name: str, bench: Bench, tmp_path: Path) -> None:
    make_bad, sentence = BAD_DISKS[name]
    path = tmp_path / "bad"
    make_bad(path)
    # Whatever a target packs its disk in, a base is recognised by its content.
    target = "gce" if len(name) % 2 else "rpi3"
    spec = bench.write("specs/edge.yaml", SPEC.format(target=target, base=path, more=""))
    done = bench.run("build", spec)
    assert (done.code, sentence in done.err) == (7, True), done.err
    assert not list(bench.output.glob("*"))


@pytest.mark.parametrize("name", [name for name in BAD_DISKS if "a bomb with" in name])
def test_a_bomb_is_not_burned(name: str, bench: Bench, tmp_path: Path) -> None:
    make_bad, sentence = BAD_DISKS[name]
    make_bad(tmp_path / "bad")
    done = bench.run("burn", tmp_path / "bad", "--to-file", tmp_path / "card")
    assert (done.code, sentence in done.err) == (7, True), done.err
    assert not (tmp_path / "card").exists()


def test_a_size_that_no_table_speaks_of_is_refused_at_once(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "bad"
    judge("sh", "-c", f"truncate -s 100G '{path}.raw' && printf 'label: dos\n2048,2048,83\n'"
          f" | sfdisk -q '{path}.raw' && tar -cSf '{path}' -C '{tmp_path}' bad.raw")  # fmt: skip
    spec = bench.write("specs/edge.yaml", SPEC.format(target="gce", base=path, more=""))
    done = bench.run("build", spec)
    assert (done.code, f"and it unpacks to {100 * GIB} bytes" in done.err) == (7, True), done.err


APPLIANCES = {
    "text": "bad: ends at byte 6 without the block of zeros that ends a tar",
    "nothing": "bad: the file is empty",
    "a tar of text": "bad: not an OVA but gzip data",
    "qcow2": "bad: not an OVA but a qcow2 disk",
    "vmdk": "bad: not an OVA but a VMDK disk",
    "vhdx": "bad: not an OVA but a VHDX disk",
    "dynamic VHD": "bad: not an OVA but a dynamic VHD disk",
    "no root": "bad: not an OVA but a raw disk\n  hint: use an appliance",
}


@pytest.mark.parametrize("name", APPLIANCES)
def test_a_disk_where_an_appliance_is_expected_is_a_sentence(
    name: str, bench: Bench, tmp_path: Path
) -> None:
    path = tmp_path / "bad"
    BAD_DISKS[name][0](path)
    spec = bench.write("specs/edge.yaml", SPEC.format(target="ova", base=path, more=""))
    done = bench.run("build", spec)
    assert (done.code, APPLIANCES[name] in done.err) == (7, True), done.err
    assert not list(bench.output.glob("*"))


def test_an_appliance_where_a_disk_is_expected_is_a_sentence(
    base_cache: Path, bench: Bench
) -> None:
    path = make_base(base_cache, Recipe()).path
    spec = bench.write("specs/edge.yaml", SPEC.format(target="gce", base=path, more=""))
    done = bench.run("build", spec)
    assert done.code == 7
    assert (
        ".ovf is an XML document; wanted a raw disk\n  hint: use a target that makes OVAs"
        in done.err
    )


def test_a_disk_never_shrinks(base_cache: Path, bench: Bench) -> None:
    path = make(base_cache, "gce").path
    more = "disk: {size: 512MiB}"
    spec = bench.write("specs/edge.yaml", SPEC.format(target="gce", base=path, more=more))
    done = bench.run("build", spec)
    sentence = "disk.size is 512 MiB, but the base's disk has 1 GiB already"
    assert (done.code, sentence in done.err) == (8, True), done.err


def test_a_disk_that_no_target_takes_is_found_before_anything_is_read(bench: Bench) -> None:
    for size, code in (("2048GiB", 0), ("2049GiB", 3)):
        more = f"disk: {{size: {size}}}"
        text = SPEC.format(target="gce", base=bench.write("base", ""), more=more)
        done = bench.run("check", bench.write("specs/edge.yaml", text))
        assert (done.code, "error[DSK002]: found 2049GiB; wanted" in done.err) == (code, code == 3)


def test_an_archive_with_something_behind_the_disk_is_refused(
    base_cache: Path, bench: Bench, tmp_path: Path
) -> None:
    card = make_card(base_cache, tmp_path).path
    (tmp_path / "readme").write_text("hello")
    judge("tar", "-czf", tmp_path / "bad", "-C", tmp_path, card.name, "readme")
    spec = bench.write("specs/edge.yaml", SPEC.format(target="gce", base=tmp_path / "bad", more=""))
    done = bench.run("build", spec)
    assert (done.code, "something follows the disk in the archive" in done.err) == (7, True)


def test_a_group_builds_its_members_and_one_failure_loses_no_other(
    base_cache: Path, bench: Bench
) -> None:
    base = make(base_cache, "gce").path
    spec = bench.write("specs/edge.yaml", SPEC.format(target="all-images", base=base, more=""))
    done = bench.run("build", spec)
    made = sorted(path.name for path in bench.output.glob("*.gz"))
    assert made == ["edge.ami.tar.gz", "edge.azure.vhd.tar.gz", "edge.gce.tar.gz"]
    assert done.code == 7
    assert len(done.out.splitlines()) == 3
    assert "edge (ova): failed, see above" in done.err


@pytest.mark.parametrize(
    ("suffix", "more"),
    [
        ("raw", "output: {compression: none}"),
        ("raw.xz", ""),
        ("raw.zst", "output: {compression: zst}"),
    ],
)
def test_bmaptool_writes_a_card_by_the_map_beside_it(
    suffix: str, more: str, base_cache: Path, bench: Bench, tmp_path: Path
) -> None:
    card = make_card(base_cache, tmp_path)
    artifact = build(bench, "rpi3", card.path, more)
    assert artifact.name == f"edge.rpi3.{suffix}"
    written = tmp_path / "written"
    bmap = artifact.with_name(f"{artifact.name}.bmap")
    judge("bmaptool", "copy", "--bmap", bmap, artifact, written)
    disk = Disk(written, card.root)
    disk.check()
    assert disk.text("/etc/hostname") == "edge-1\n"


SIZES: list[tuple[Kind | Literal["rpi3"], int]] = [
    ("ami", 8 * GIB),
    ("gce", 16 * GIB),
    ("azure", 16 * GIB),
    ("rpi3", 512 * MIB),
    ("rpi3", 768 * MIB),
]


@pytest.mark.slow
@pytest.mark.parametrize(("target", "size"), SIZES)
def test_disks_of_the_published_sizes_are_edited(
    target: Kind | Literal["rpi3"], size: int, base_cache: Path, bench: Bench, tmp_path: Path
) -> None:
    if target == "rpi3":
        card = make_card(base_cache, tmp_path, size)
        path, root = card.path, card.root
    else:
        # Raw: what it is packed in is tried above, and packing 16 GiB takes minutes.
        base = make_base(base_cache, Recipe(kind="raw", size=size))
        path, root = base.path, base.root_offset
    artifact = build(bench, target, path)
    disk = unpack(artifact, root, tmp_path / "opened")
    assert disk.raw.stat().st_size == size
    disk.check()
    assert disk.text("/etc/hostname") == "edge-1\n"
    if target == "azure":
        inner = tmp_path / "opened" / "disk"
        told = json.loads(judge("qemu-img", "info", "-f", "vpc", "--output=json", inner).stdout)
        assert told["virtual-size"] == size
        judge("qemu-img", "compare", "-f", "vpc", "-F", "raw", inner, disk.raw)


def write_by_map(image: Path, card: Path) -> None:
    """Write what a block map names, and nothing else, over a card that is full of old data."""
    text = image.with_name(f"{image.name}.bmap").read_text()
    judge("sh", "-c", f"head -c {image.stat().st_size} /dev/zero | tr '\\0' '\\245' > '{card}'")
    with image.open("rb") as source, card.open("r+b") as target:
        for blocks in re.findall(r"> (\S+) </Range>", text):
            first, _, last = blocks.partition("-")
            source.seek(int(first) * 4096)
            target.seek(int(first) * 4096)
            target.write(source.read((int(last or first) + 1 - int(first)) * 4096))


def test_a_card_that_was_in_use_has_zeros_where_a_file_has_them(
    base_cache: Path, bench: Bench, tmp_path: Path
) -> None:
    card = make_card(base_cache, tmp_path)
    bench.write("specs/zeros", "").write_bytes(bytes(3 * MIB))
    more = "    - {path: /opt/zeros, source: zeros}\noutput: {compression: none}"
    spec = SPEC.format(target="rpi3", base=card.path, more="") + more
    artifact = bench.build(bench.write("specs/edge.yaml", spec))
    written, found = tmp_path / "written", tmp_path / "zeros"
    write_by_map(artifact, written)
    assert b"\xa5" * MIB in written.read_bytes(), "free blocks are not written"
    disk = Disk(written, card.root)
    disk.check()
    judge("debugfs", "-R", f"dump /opt/zeros {found}", disk.device)
    assert found.read_bytes() == bytes(3 * MIB)
