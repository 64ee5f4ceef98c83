"""Virtual appliances: GNU tar's are read, hostile ones refused, ours judged by tar and openssl."""

import hashlib
import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.errors import FormatError, HostError
from builder.formats.disk import GIB
from builder.formats.ova import Appliance, open_ova, write_ova
from builder.formats.ovf import Edits, edit_envelope, parse_envelope
from builder.formats.stream import Segment, Span
from builder.structs import replace
from tests.formats.ovf_samples import OVA_COMPOSE, OVFTOOL
from tests.support.judges import judge

DISK = bytes(range(256)) * 768
TIME = 1_600_000_000
Members = list[tuple[str, bytes]]


def manifest(members: Members, algorithm: str = "SHA256") -> bytes:
    """Return the manifest of some members."""
    return "".join(
        f"{algorithm}({name})= {hashlib.new(algorithm, data).hexdigest()}\n"
        for name, data in members
    ).encode()


def compose_members() -> Members:
    """Return the members of an appliance as ova-compose makes one."""
    files = [("photon.ovf", OVA_COMPOSE), ("photon.vmdk", DISK)]
    return [files[0], ("photon.mf", manifest(files)), files[1]]


def pack(path: Path, members: Members, kind: int = tarfile.USTAR_FORMAT) -> Path:
    """Pack members with Python's tarfile."""
    with tarfile.open(path, "w", format=kind) as archive:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


@pytest.fixture
def ova(tmp_path: Path) -> Path:
    """Make an appliance as ova-compose does."""
    return pack(tmp_path / "photon.ova", compose_members(), tarfile.GNU_FORMAT)


def written(path: Path, appliance: Appliance) -> bytes:
    """Write an appliance and return its bytes."""
    with path.open("w+b") as out:
        digests = write_ova(out.fileno(), appliance)
    raw = path.read_bytes()
    assert digests.size == len(raw)
    assert digests.sha256 == hashlib.sha256(raw).hexdigest()
    return raw


def new_appliance() -> Appliance:
    """Return a small appliance."""
    return Appliance("e.ovf", OVA_COMPOSE, "photon.vmdk", len(DISK), [DISK], "SHA256", TIME)


@pytest.mark.parametrize("kind", ["ustar", "gnu", "pax"])
@pytest.mark.parametrize(
    ("envelope", "disk", "algorithm"),
    [
        pytest.param(OVFTOOL, "photon-ova-disk1.vmdk", "SHA1", id="ovftool"),
        pytest.param(OVA_COMPOSE, "photon.vmdk", "SHA256", id="ova-compose"),
        pytest.param(OVA_COMPOSE, "photon.vmdk", "SHA512", id="older ova-compose"),
    ],
)
def test_appliances_packed_by_gnu_tar_are_read(
    tmp_path: Path, kind: str, envelope: bytes, disk: str, algorithm: str
) -> None:
    members = [("x.ovf", envelope), (disk, DISK)]
    files = [members[0], ("x.mf", manifest(members[::-1], algorithm)), members[1]]
    for name, data in files:
        (tmp_path / name).write_bytes(data)
    path = tmp_path / "photon.ova"
    judge("tar", "-cf", path, f"--format={kind}", "-C", tmp_path, *[name for name, _ in files])
    with open_ova(path) as ova:
        assert [member.name for member in ova.members] == [name for name, _ in files]
        assert (ova.envelope_name, ova.envelope.data) == ("x.ovf", envelope)
        member, reference = ova.disk
        assert (member.name, member.size, reference.capacity) == (disk, len(DISK), 16 * GIB)
        assert os.pread(ova.fd, member.size, member.offset) == DISK
        assert ova.manifest is not None
        assert ova.manifest.algorithm == algorithm
        ova.check_digests()


def test_an_appliance_needs_no_manifest(tmp_path: Path) -> None:
    members = [m for m in compose_members() if m[0] != "photon.mf"]
    with open_ova(pack(tmp_path / "a.ova", members)) as ova:
        assert ova.manifest is None
        ova.check_digests()


@pytest.mark.parametrize("algorithm", ["SHA1", "SHA256", "SHA512"])
def test_a_written_appliance_is_what_tar_and_openssl_read(tmp_path: Path, algorithm: str) -> None:
    path = tmp_path / "e.ova"
    raw = written(path, replace(new_appliance(), algorithm=algorithm))
    assert len(raw) % 10_240 == 0
    assert raw[257:265] == b"ustar\x0000"
    shown = judge("tar", "--utc", "--full-time", "-tvf", path).stdout.splitlines()
    assert [line.split()[-1] for line in shown] == ["e.ovf", "photon.vmdk", "e.mf"]
    for line in shown:
        assert line.startswith("-rw-r--r-- root/root")
        assert "2020-09-13 12:26:40" in line
    judge("tar", "-xf", path, "-C", tmp_path)
    assert (tmp_path / "photon.vmdk").read_bytes() == DISK
    lines = []
    for name in ("e.ovf", "photon.vmdk"):
        run = judge("openssl", "dgst", "-r", f"-{algorithm.lower()}", tmp_path / name)
        lines.append(f"{algorithm}({name})= {run.stdout.split()[0]}")
    assert (tmp_path / "e.mf").read_text().splitlines() == lines
    judge("xmllint", "--noout", tmp_path / "e.ovf")
    with open_ova(path) as ova:
        ova.check_digests()


def test_an_appliance_is_repacked_with_its_other_files(tmp_path: Path) -> None:
    extra = b'<File ovf:href="photon.nvram" ovf:id="file1" ovf:size="9"/>\n  </References>'
    envelope = OVA_COMPOSE.replace(b"</References>", extra)
    members = [("p.ovf", envelope), ("photon.vmdk", DISK), ("photon.nvram", b"variables")]
    path = pack(tmp_path / "in.ova", [*members, ("p.mf", manifest(members)), ("p.cert", b"x")])
    with open_ova(path) as base:
        assert base.has_certificate
        member, reference = base.disk
        half = member.size // 2
        segments: list[Segment] = [Span(base.fd, member.offset, half), b"new"]
        text = edit_envelope(base.envelope, Edits(disk=reference, disk_size=half + 3))
        raw = written(
            tmp_path / "out.ova",
            Appliance(
                base.envelope_name,
                text,
                member.name,
                half + 3,
                segments,
                "SHA256",
                TIME,
                base.others,
            ),
        )
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        assert archive.getnames() == ["p.ovf", "photon.vmdk", "photon.nvram", "p.mf"]
    with open_ova(tmp_path / "out.ova") as again:
        again.check_digests()
        assert not again.has_certificate
        disk = again.disk[0]
        assert os.pread(again.fd, disk.size, disk.offset) == DISK[:half] + b"new"


def test_two_runs_give_the_same_bytes(tmp_path: Path) -> None:
    assert written(tmp_path / "1", new_appliance()) == written(tmp_path / "2", new_appliance())


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 10_240])
def test_disks_of_any_length_are_padded(tmp_path: Path, size: int) -> None:
    envelope = OVA_COMPOSE.replace(b"196608", str(size).encode())
    segments = [bytes([7]) * size]
    new = replace(new_appliance(), envelope=envelope, disk_size=size, disk_segments=segments)
    written(tmp_path / "e.ova", new)
    with open_ova(tmp_path / "e.ova") as ova:
        ova.check_digests()
        assert ova.disk[0].size == size


def test_two_blocks_of_zeros_always_end_an_archive(tmp_path: Path) -> None:
    for size in range(0, 10_240, 512):
        envelope = OVA_COMPOSE.replace(b"196608", str(size).encode())
        segments = [b"x" * size]
        new = replace(new_appliance(), envelope=envelope, disk_size=size, disk_segments=segments)
        raw = written(tmp_path / "e.ova", new)
        assert not any(raw[-1024:])
        assert len(raw) % 10_240 == 0


def test_segments_are_drawn_while_they_are_written(tmp_path: Path) -> None:
    seen: list[int] = []

    def pieces() -> Iterator[Segment]:
        for at in range(0, len(DISK), 4096):
            seen.append(path.stat().st_size)
            yield DISK[at : at + 4096]

    path = tmp_path / "e.ova"
    done: list[int] = []
    with path.open("w+b") as out:
        write_ova(out.fileno(), replace(new_appliance(), disk_segments=pieces()), done.append)
    assert sum(done) == path.stat().st_size
    assert set(seen) == {path.stat().st_size}  # the room was taken before the first piece


def test_a_disk_of_another_length_than_announced_is_a_bug(tmp_path: Path) -> None:
    for wrong in (len(DISK) - 1, len(DISK) + 1):
        with (tmp_path / "e.ova").open("w+b") as out, pytest.raises(ValueError, match="announced"):
            write_ova(out.fileno(), replace(new_appliance(), disk_size=wrong))


def test_a_manifest_that_lies_is_said(tmp_path: Path) -> None:
    members = compose_members()
    for index in (0, 2):
        data = bytearray(members[index][1])
        at = data.index(b"2048") if index == 0 else len(data) - 1
        data[at] ^= 1
        lying = [*members[:index], (members[index][0], bytes(data)), *members[index + 1 :]]
        wanted = pytest.raises(FormatError, match=f"{members[index][0]}: SHA256")
        with open_ova(pack(tmp_path / "a.ova", lying)) as ova, wanted:
            ova.check_digests()


def test_an_appliance_cut_short_anywhere_is_refused(ova: Path) -> None:
    whole = ova.read_bytes()
    with open_ova(ova) as opened:
        end = opened.members[-1].offset + opened.members[-1].size
    for length in [*range(0, 16_000, 101), *range(16_000, end + 512, 1777), end, end + 511]:
        ova.write_bytes(whole[:length])
        with pytest.raises(FormatError, match=r"^photon\.ova"), open_ova(ova):
            pass


BAD_NAMES = ["../x", "/x", "a/b", "a\\b", "..", ".", "a\nb", "\x7f", "\udcff", ""]


@pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.ova"
    member = tarfile.TarInfo(name)
    raw = pack(path, compose_members()).read_bytes()
    path.write_bytes(member.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape") + raw)
    with pytest.raises(FormatError, match="a member is named"), open_ova(path):
        pass
    with path.open("w+b") as out, pytest.raises(FormatError, match="a member is named"):
        write_ova(out.fileno(), replace(new_appliance(), disk_name=name))


def _members(change: str) -> Members:
    """Return members with one thing wrong."""
    ovf, mf, disk = compose_members()
    envelope = ovf[1]
    gzip = b'ovf:compression="gzip" ovf:size'
    second = b"<Disk ovf:diskId='d2' ovf:capacity='1' ovf:fileRef='file0'/></DiskSection>"
    table: dict[str, Members] = {
        "not first": [disk, ovf, mf],
        "no envelope": [disk],
        "two envelopes": [ovf, ("b.ovf", envelope), disk],
        "twice": [ovf, disk, disk],
        "missing file": [ovf, ("other.vmdk", DISK)],
        "other size": [ovf, ("photon.vmdk", DISK[1:])],
        "two manifests": [ovf, mf, ("b.mf", mf[1]), disk],
        "manifest of others": [ovf, ("a.mf", mf[1].replace(b"photon.vmdk", b"absent")), disk],
        "bad manifest": [ovf, ("a.mf", b"nonsense"), disk],
        "huge manifest": [ovf, ("a.mf", b"\n" * (2 << 20)), disk],
        "huge envelope": [("a.ovf", b" " * (5 << 20)), disk],
        "bad envelope": [("a.ovf", b"<a"), disk],
        "two disks": [("a.ovf", envelope.replace(b"</DiskSection>", second)), disk],
        "no disk": [("a.ovf", envelope.replace(b' ovf:fileRef="file0"', b"")), disk],
        "gzip disk": [("a.ovf", envelope.replace(b"ovf:size", gzip)), disk],
        "chunks": [("a.ovf", envelope.replace(b"ovf:size", b'ovf:chunkSize="5" ovf:size')), disk],
    }  # fmt: skip
    return table[change]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("not first", "the first member is photon.vmdk; wanted photon.ovf"),
        ("no envelope", "0 OVF envelopes"),
        ("two envelopes", "2 OVF envelopes"),
        ("twice", "two members are named photon.vmdk"),
        ("missing file", "names photon.vmdk, which is not in the archive"),
        ("other size", "has 196607 bytes; the envelope says 196608"),
        ("two manifests", "2 manifests"),
        ("manifest of others", "names absent"),
        ("bad manifest", "line 1: 'nonsense'"),
        ("huge manifest", "wanted at most"),
        ("huge envelope", "wanted at most"),
        ("bad envelope", "a.ovf: line 1"),
        ("two disks", r"2 disks with content \(vmdisk0, d2\)"),
        ("no disk", "0 disks with content"),
        ("gzip disk", "photon.vmdk is compressed with gzip"),
        ("chunks", "split in chunks"),
    ],
)
def test_appliances_that_contradict_themselves_are_refused(
    tmp_path: Path, change: str, message: str
) -> None:
    path = pack(tmp_path / "a.ova", _members(change))
    with pytest.raises(FormatError, match=message), open_ova(path) as ova:
        _ = ova.disk


def test_members_that_are_no_files_are_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.ova", compose_members())
    link = tarfile.TarInfo("photon.vmdk")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    path.write_bytes(link.tobuf(tarfile.USTAR_FORMAT) + path.read_bytes())
    with pytest.raises(FormatError, match="photon.vmdk is a symbolic link"), open_ova(path):
        pass


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "the file is empty"),
        (b"PK\x03\x04" + bytes(600), "zip"),
        (b"\x1f\x8b" + bytes(600), "gzip"),
        (b"\xfd7zXZ\0" + bytes(600), "xz"),
        (b"KDMV" + bytes(600), "VMDK"),
        (OVA_COMPOSE, "XML"),
        (bytes(10_240), "empty archive"),
        (b"text" * 500, "not a tar archive"),
        (b"short", "truncated|ends at byte 5"),
    ],
    ids=["empty", "zip", "gzip", "xz", "vmdk", "ovf", "zeros", "text", "short"],
)
def test_other_files_are_said_to_be_what_they_are(tmp_path: Path, raw: bytes, message: str) -> None:
    path = tmp_path / "a.ova"
    path.write_bytes(raw)
    with pytest.raises(FormatError, match=message), open_ova(path):
        pass


def test_a_directory_and_an_absent_file_are_said(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="is a directory"), open_ova(tmp_path):
        pass
    with pytest.raises(HostError, match="no such file"), open_ova(tmp_path / "absent"):
        pass


def test_a_huge_file_of_zeros_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.ova"
    with path.open("wb") as out:
        out.truncate(1 << 42)
    with pytest.raises(FormatError, match="bytes follow the end"), open_ova(path):
        pass


def test_flipped_bytes_give_an_answer_or_a_format_error(ova: Path) -> None:
    raw = ova.read_bytes()
    for at in range(0, 16_000, 29):
        ova.write_bytes(raw[:at] + bytes([raw[at] ^ 0x20]) + raw[at + 1 :])
        try:
            with open_ova(ova) as opened:
                assert opened.disk[0].size == len(DISK)
        except FormatError:
            continue


def test_qemu_reads_the_disk_in_a_written_appliance(tmp_path: Path) -> None:
    disk, raw = tmp_path / "photon.vmdk", tmp_path / "raw"
    raw.write_bytes(DISK * 20)
    judge("qemu-img", "convert", "-O", "vmdk", "-o", "subformat=streamOptimized", raw, disk)
    envelope = parse_envelope(OVA_COMPOSE, name="e.ovf")
    size = disk.stat().st_size
    text = edit_envelope(envelope, Edits(disk=envelope.disks[0], disk_size=size))
    with disk.open("rb") as source:
        segments = [Span(source.fileno(), 0, size)]
        new = replace(new_appliance(), envelope=text, disk_size=size, disk_segments=segments)
        written(tmp_path / "e.ova", new)
    disk.unlink()
    judge("tar", "-xf", tmp_path / "e.ova", "-C", tmp_path)
    judge("qemu-img", "compare", "-f", "vmdk", "-F", "raw", disk, raw)
