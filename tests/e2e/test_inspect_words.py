"""``inspect`` and ``ls`` as people read them: words for types, names for ids; JSON has both."""

import json
import re
import tarfile
from pathlib import Path

import pytest

from builder.formats.partition_types import _GPT, _MBR, purpose_of
from tests.support.judges import judge
from tests.support.program import Bench

SPEC = """\
version: 1
name: edge
targets: [ova]
base: {sample: "5.0"}
overlay:
  hostname: edge-1
  users:
    root: {password: {locked: true}}
    ada: {uid: 1000, password: {locked: true}}
  files:
    - {path: /opt/tool, content: "#!/bin/sh", mode: "4750", owner: ada, group: wheel}
    - {path: /opt/odd, content: "x", owner: 4711, group: 4712}
    - {path: /opt/link, symlink: tool}
"""
GUID = re.compile(r"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A folder with an artifact; not changed."""
    bench = Bench(tmp_path_factory.mktemp("built"))
    bench.build(bench.write("edge.yaml", SPEC))
    return bench


def test_an_appliance_is_told_in_words(built: Bench) -> None:
    told = built.run("inspect", "output/edge.ova").out
    lines = told.splitlines()
    assert re.fullmatch(r"output/edge.ova: a virtual appliance \(OVA\), \d+(\.\d)? KiB", lines[0])
    assert "  system    the sample of Photon 5.0 GA (dde71ec57), which does not boot" in lines
    hardware = (
        r"^  hardware  2 processors, 2 GiB of memory, virtual hardware \d+, (BIOS|UEFI) firmware$"
    )
    assert re.search(hardware, told, re.MULTILINE)
    assert re.search(
        r"^  made by   photon-builder \S+, from edge.yaml for ova, base: ", told, re.MULTILINE
    )
    assert not GUID.search(told)
    shown = [re.sub(r" +", " ", line).strip() for line in lines if re.match(r"    \d  ", line)]
    assert [line.rpartition(", ")[0] or line for line in shown] == [
        "1 BIOS boot partition of GRUB 4 MiB no filesystem",
        "2 EFI system partition /boot/efi 10 MiB fat",
        "3 Linux filesystem / 1008 MiB ext4",
    ]
    assert re.search(r"^    access +users \(\d+\)", told, re.MULTILINE)
    assert re.search(r"^    files +files \(3\)", told, re.MULTILINE)


def test_json_keeps_what_programs_read_and_has_the_words(built: Bench) -> None:
    found = json.loads(built.run("inspect", "output/edge.ova", "--json").out)
    efi = found["partitions"][1]
    assert efi["type"] == "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
    assert (efi["purpose"], efi["mounted"]) == ("EFI system partition", ["/boot/efi"])
    assert found["made_by"]["spec"] == "edge.yaml"
    subjects = [change["subject"] for change in found["made_by"]["changes"]]
    assert "path /opt/tool" in subjects


def test_a_record_of_another_file_is_not_believed(built: Bench, tmp_path: Path) -> None:
    other = tmp_path / "edge.ova"
    artifact = built.output / "edge.ova"
    other.write_bytes(artifact.read_bytes() + bytes(512))
    record = artifact.with_name("edge.ova.provenance.json").read_bytes()
    other.with_name("edge.ova.provenance.json").write_bytes(record)
    told = built.run("inspect", other).out
    assert (
        "made by   unknown: the provenance file beside it describes a file of another size" in told
    )
    assert "put in" not in told


def test_a_file_without_a_record_says_nothing_of_it(built: Bench, tmp_path: Path) -> None:
    other = tmp_path / "edge.ova"
    other.write_bytes((built.output / "edge.ova").read_bytes())
    told = built.run("inspect", other)
    assert (told.code, "made by" in told.out) == (0, False)


@pytest.mark.parametrize(("label", "table"), [("gpt", _GPT), ("dos", _MBR)])
def test_words_for_types_are_those_of_sfdisk(label: str, table: dict[str, str]) -> None:
    told = judge("sfdisk", "--list-types", "--label", label).stdout
    known = {k.lower(): v for k, v in re.findall(r"^ ?(\S+)  (\S.*)$", told, re.MULTILINE)}
    words = {"fat12", "fat16", "fat32", "efi", "bios", "swap", "lvm", "raid", "root", "home", "gpt"}
    for kind, purpose in table.items():
        theirs = known[kind.lower() if label == "gpt" else kind.removeprefix("0")].lower()
        assert set(re.findall(r"\w+", theirs)) & words <= set(
            re.findall(r"\w+", purpose.lower().replace("prep", "").replace("windows", ""))
        ), (purpose, theirs)


def test_an_unknown_type_is_said_to_be_unknown() -> None:
    assert purpose_of("a5") == "unknown type a5"


def test_a_listing_is_that_of_ls(built: Bench) -> None:
    told = built.run("ls", "output/edge.ova", "/opt").out
    shown = [re.sub(r" +\d+ \d{4}-\S+ \S+", "", line) for line in told.splitlines()]
    assert shown == [
        "lrwxrwxrwx root root /opt/link -> tool",
        "-rw-r--r-- 4711 4712 /opt/odd",
        "-rwsr-x--- ada  wheel /opt/tool",
    ]


def test_a_listing_as_json_has_numbers_and_names(built: Bench) -> None:
    rows = json.loads(built.run("ls", "output/edge.ova", "/opt", "--json").out)["files"]
    by_path = {row["path"]: row for row in rows}
    tool, odd = by_path["/opt/tool"], by_path["/opt/odd"]
    assert (tool["mode"], tool["uid"], tool["owner"], tool["group"]) == (
        "4750", 1000, "ada", "wheel",
    )  # fmt: skip
    assert tool["permissions"] == "-rwsr-x---"
    assert (odd["uid"], odd["owner"], odd["gid"], odd["group"]) == (4711, None, 4712, None)


def test_names_that_are_not_there_stay_numbers(built: Bench, tmp_path: Path) -> None:
    raw, vmdk = tmp_path / "edge.raw", tmp_path / "edge.vmdk"
    with tarfile.open(built.output / "edge.ova") as archive:
        member = next(m for m in archive.getmembers() if m.name.endswith(".vmdk"))
        archive.extract(member, tmp_path, filter="data")
    (tmp_path / member.name).rename(vmdk)
    judge("qemu-img", "convert", "-O", "raw", vmdk, raw)
    judge("debugfs", "-w", "-R", "rm /etc/passwd", f"{raw}?offset={15 << 20}")
    done = built.run("ls", raw, "/etc/fstab")
    assert re.match(r"-rw-r--r-- 0 root +\d+ .* /etc/fstab", done.out), done.err


def test_an_appliance_with_an_empty_disk_shows_its_hardware(built: Bench, tmp_path: Path) -> None:
    raw, vmdk = tmp_path / "empty.raw", tmp_path / "disk1.vmdk"
    raw.touch()
    with raw.open("r+b") as stream:
        stream.truncate(1 << 30)
    judge("qemu-img", "convert", "-O", "vmdk", "-o", "subformat=streamOptimized", raw, vmdk)
    with tarfile.open(built.output / "edge.ova") as archive:
        member = next(m for m in archive.getmembers() if m.name.endswith(".ovf"))
        archive.extract(member, tmp_path, filter="data")
    envelope = tmp_path / member.name
    text = re.sub(r'ovf:size="\d+"', f'ovf:size="{vmdk.stat().st_size}"', envelope.read_text())
    envelope.write_text(re.sub(r'ovf:href="[^"]+"', 'ovf:href="disk1.vmdk"', text))
    path = tmp_path / "empty.ova"
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        archive.add(envelope, member.name)
        archive.add(vmdk, "disk1.vmdk")
    done = built.run("inspect", path)
    assert done.code == 0, done.err
    assert "2 processors, 2 GiB of memory" in done.out
    assert "unknown: the disk has no partition table" in done.out


@pytest.mark.parametrize(
    ("kind", "words"), [("qcow2", "is a qcow2 disk"), ("vdi", "is a VDI"), ("vhdx", "is a VHDX")]
)
def test_other_disks_are_named_with_what_to_do(
    kind: str, words: str, tmp_path: Path, built: Bench
) -> None:
    path = tmp_path / f"x.{kind}"
    judge("qemu-img", "create", "-f", kind, path, "16M")
    done = built.run("inspect", path)
    assert done.code == 7
    assert words in done.err
    assert "qemu-img convert -O raw" in done.err


def test_a_bare_filesystem_is_named(tmp_path: Path, built: Bench) -> None:
    path = tmp_path / "x.img"
    judge("mkfs.ext4", "-q", path, "4M")
    done = built.run("inspect", path)
    assert (done.code, "bare ext2, ext3 or ext4 filesystem" in done.err) == (7, True)
