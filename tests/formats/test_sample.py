"""The sample base, judged by foreign tools: container, disk, filesystems, units, accounts."""

import hashlib
import io
import os
import tarfile
import zoneinfo
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from builder.engine.memory import MemoryTree
from builder.engine.tree import resolve
from builder.facts import Facts, facts_of
from builder.formats.disk import MIB
from builder.formats.filesystem import Kind
from builder.formats.ova import open_ova
from builder.formats.vmdk import GrainOverlay, StreamOptimized
from builder.guest.os_release import Release
from builder.guestpath import guest
from builder.roots.disk import open_root, read_release
from builder.sample import make_ova
from builder.sample.nodes import make_operations
from builder.sample_revision import sample_revision
from tests.support import opened
from tests.support.judges import judge
from tests.support.opened import Opened

TIMESTAMP = 1_700_000_000
ESP_OFFSET, ROOT_OFFSET = 5 * MIB, 15 * MIB
UNITS = "/usr/lib/systemd/system"


FACTS = facts_of("5.0", revision="GA", image="ova")


def write_sample(
    path: Path, timestamp: int = TIMESTAMP, *, release: str = "5.0", image: str = "ova"
) -> Path:
    """Write the sample into a new file."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    try:
        make_ova(fd, timestamp, facts_of(release, revision="GA", image="ova"), image=image)
    finally:
        os.close(fd)
    return path


@pytest.fixture(scope="module")
def ova(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample as an appliance."""
    return write_sample(tmp_path_factory.mktemp("sample") / "sample.ova")


@pytest.fixture(scope="module")
def sample(ova: Path, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """The sample, taken apart by foreign tools."""
    return opened.open_ova(ova, ROOT_OFFSET, tmp_path_factory.mktemp("opened"))


@pytest.fixture
def folder(sample: Opened, tmp_path: Path) -> Path:
    """The tree as debugfs copies it into a folder of this machine."""
    sample.debugfs(f"rdump / {tmp_path}")
    return tmp_path


@pytest.fixture(scope="module")
def tree() -> MemoryTree:
    """The tree in memory."""
    return tree_of(FACTS)


def tree_of(facts: Facts) -> MemoryTree:
    """Return the tree of any image."""
    root = MemoryTree()
    for op in make_operations(facts):
        root.apply(op)
    return root


def read(root: MemoryTree, path: str) -> bytes:
    """Return a file's content, links followed."""
    return b"".join(root.chunks(resolve(root, guest(path))))


def test_the_appliance_holds_what_its_manifest_says(ova: Path) -> None:
    with tarfile.open(ova) as archive:
        content = {m.name: archive.extractfile(m).read() for m in archive}  # type: ignore[union-attr]  # all are files
        assert {member.mtime for member in archive} == {TIMESTAMP}
    names = list(content)
    assert names[0].endswith(".ovf")
    lines = content.pop(next(name for name in names if name.endswith(".mf"))).decode().split("\n")
    said = dict(line.removeprefix("SHA256(").split(")= ") for line in lines if line)
    assert said == {name: hashlib.sha256(raw).hexdigest() for name, raw in content.items()}
    assert set(said) == {"photon-sample.ovf", "photon-sample-disk1.vmdk"}


def test_the_product_finds_its_root_and_its_release(ova: Path) -> None:
    with open_ova(ova) as appliance:
        member = appliance.disk[0]
        vmdk = StreamOptimized(appliance.fd, member.offset, member.size, name=member.name)
        vmdk.check(full=True)
        root = open_root(GrainOverlay(vmdk), timestamp=TIMESTAMP)
        assert set(root.mounts) == {"/", "/boot/efi"}
        assert read_release(root) == Release("5.0", "dde71ec57", "sample")
        assert root.lstat(guest("/boot/efi/boot/grub2/grub.cfg")) is not None


def test_every_judge_finds_the_disk_sound(sample: Opened, tmp_path: Path) -> None:
    sample.check()
    esp = tmp_path / "esp"
    with sample.raw.open("rb") as disk:
        disk.seek(ESP_OFFSET)
        esp.write_bytes(disk.read(10 * MIB))
    judge("fsck.fat", "-n", esp)
    assert "BOOT" in judge("mdir", "-i", esp, "-b", "-/", "::").stdout


def test_fstab_names_the_partitions_that_the_table_has(sample: Opened) -> None:
    guids = []
    for number, start in ((2, ESP_OFFSET), (3, ROOT_OFFSET)):
        facts = judge("sgdisk", "-i", str(number), sample.raw).stdout
        assert f"First sector: {start // 512} " in facts
        guids.append(facts.partition("Partition unique GUID: ")[2].split()[0].lower())
    esp, root = guids
    lines = [line.split() for line in sample.text("/etc/fstab").splitlines()]
    assert [f"PARTUUID={root}", "/"] in [line[:2] for line in lines]
    assert [f"PARTUUID={esp}", "/boot/efi"] in [line[:2] for line in lines]
    assert f"set rootpartition=PARTUUID={root}\n" in sample.text("/boot/grub2/grub.cfg")


def test_the_boot_menu_finds_the_root_by_its_uuid(sample: Opened) -> None:
    facts = judge("dumpe2fs", "-h", sample.device).stdout
    uuid = facts.partition("Filesystem UUID:")[2].split()[0]
    assert f"search -n -u {uuid} -s\n" in sample.text("/boot/grub2/grub.cfg")


def test_two_samples_are_equal_and_another_time_makes_another(ova: Path, tmp_path: Path) -> None:
    again = write_sample(tmp_path / "again.ova")
    assert again.read_bytes() == ova.read_bytes()
    later = write_sample(tmp_path / "later.ova", TIMESTAMP + 2)
    assert later.read_bytes() != ova.read_bytes()


HARDWARE = {
    ("3.0", "ova"): ("vmx-11", "bios"),
    ("3.0", "ova_uefi"): ("vmx-13", "efi"),
    ("4.0", "ova"): ("vmx-11", "bios"),
    ("5.0", "ova"): ("vmx-15", "efi"),
}


@pytest.mark.parametrize(("kind", "hardware"), HARDWARE.items(), ids=str)
def test_the_envelope_asks_for_the_hardware_of_the_release(
    kind: tuple[str, str], hardware: tuple[str, str], tmp_path: Path
) -> None:
    release, image = kind
    path = write_sample(tmp_path / "sample.ova", release=release, image=image)
    with open_ova(path) as appliance:
        appliance.check_digests()
        found = appliance.envelope
        assert (found.hardware_version, found.firmware) == hardware
        assert appliance.disk[1].capacity == 1024 * MIB


@pytest.mark.parametrize("unit", ["docker.service", "sshd.service", "systemd-networkd.service"])
def test_systemctl_can_disable_and_enable(unit: str, folder: Path) -> None:
    def state() -> str:
        run = judge("systemctl", f"--root={folder}", "is-enabled", unit, check=False)
        return run.stdout.strip()

    assert state() == ("disabled" if unit == "docker.service" else "enabled")
    judge("systemctl", f"--root={folder}", "disable", unit)
    assert state() == "disabled"
    judge("systemctl", f"--root={folder}", "enable", unit)
    assert state() == "enabled"


def test_what_is_enabled_is_what_systemctl_would_enable(folder: Path) -> None:
    def links() -> dict[str, str]:
        return {
            str(path.relative_to(folder)): str(path.readlink()).replace("/usr/lib/", "/lib/")
            for path in (folder / "etc/systemd/system").rglob("*")
            if path.is_symlink()
        }

    before = links()
    units = sorted(
        {Path(path).name for path in before if ".wants/" in path or ".requires/" in path}
    )
    for path in before:
        (folder / path).unlink()
    judge("systemctl", f"--root={folder}", "enable", *units)
    assert links() == before


def test_the_units_lack_nothing_but_their_programs(folder: Path) -> None:
    units = ("multi-user.target", "docker.service", "sshd.service")
    run = judge("systemd-analyze", f"--root={folder}", "--man=no", "verify", *units, check=False)
    assert "docker.service: Command /usr/bin/dockerd is not executable" in run.stderr
    assert [line for line in run.stderr.splitlines() if "is not executable" not in line] == []


def test_the_account_files_are_sound(folder: Path) -> None:
    judge("pwck", "-r", "-q", folder / "etc/passwd", folder / "etc/shadow")
    judge("grpck", "-r", folder / "etc/group", folder / "etc/gshadow")
    root = (folder / "etc/shadow").read_text().splitlines()[0].split(":")
    assert root[0] == "root"
    assert root[2:6] == ["0", "0", "90", "7"], "the password must be changed, and it expires"


@pytest.mark.parametrize("name", ["iptables", "iptables.stop"])
def test_the_firewall_scripts_are_programs(name: str, folder: Path) -> None:
    script = folder / "etc/systemd/scripts" / name
    judge("sh", "-n", script)
    assert os.access(script, os.X_OK)


@pytest.mark.parametrize(
    ("path", "mode", "owner"),
    [
        ("/root", "0750", "0 0"),
        ("/tmp", "01777", "0 0"),
        ("/etc/machine-id", "0444", "0 0"),
        ("/etc/shadow", "0600", "0 0"),
        ("/etc/ssh/sshd_config", "0600", "0 0"),
        ("/etc/systemd/network/99-dhcp-en.network", "0644", "0 0"),
        ("/etc/systemd/scripts/iptables", "0755", "0 0"),
        ("/boot/efi", "0755", "0 0"),
        ("/var/lib/systemd/timesync", "0755", "78 78"),
        ("/var/opt/journal/log", "02755", "0 23"),
    ],
    ids=str,
)
def test_a_node_has_its_mode_and_owner(path: str, mode: str, owner: str, sample: Opened) -> None:
    facts = sample.stat(path)
    assert facts["mode"] == mode
    assert f"{facts['user']} {facts['group']}" == owner


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/bin", "usr/bin"),
        ("/lib", "usr/lib"),
        ("/lib64", "usr/lib"),
        ("/var/run", "../run"),
        ("/boot/grub", "grub2"),
        ("/etc/localtime", "../usr/share/zoneinfo/UTC"),
        ("/etc/systemd/system/multi-user.target.wants/sshd.service", f"{UNITS}/sshd.service"),
    ],
    ids=str,
)
def test_a_link_points_where_photon_points_it(path: str, target: str, sample: Opened) -> None:
    assert sample.stat(path)["target"] == target


@pytest.mark.parametrize("path", ["/usr/sbin/mount.nfs", "/etc/resolv.conf", "/etc/docker"])
def test_what_the_published_appliance_lacks_is_absent(path: str, tree: MemoryTree) -> None:
    assert tree.lstat(resolve(tree, guest(path))) is None


def test_every_link_of_the_tree_leads_somewhere(tree: MemoryTree) -> None:
    made_at_boot = {"/etc/mtab", "/media", "/var/lock"}
    links = [path for path, (node, _) in tree.nodes.items() if node.kind is Kind.SYMLINK]
    dangling = {path for path in links if tree.lstat(resolve(tree, path)) is None}
    assert dangling == made_at_boot


def test_every_time_zone_of_the_database_is_there_and_is_utc(tree: MemoryTree) -> None:
    """Zones newer than the list may be missing on a machine that knows them."""
    known = zoneinfo.available_timezones() - {"localtime", "Factory"}
    missing = {z for z in known if tree.lstat(guest(f"/usr/share/zoneinfo/{z}")) is None}
    assert len(missing) < 20
    for zone in ("UTC", "Europe/Amsterdam", "Asia/Shanghai", "America/Argentina/Ushuaia"):
        content = read(tree, f"/usr/share/zoneinfo/{zone}")
        clock = datetime.fromtimestamp(0, UTC).astimezone(
            zoneinfo.ZoneInfo.from_file(io.BytesIO(content))
        )
        assert (clock.utcoffset(), clock.tzname()) == (timedelta(0), "UTC")


def test_it_says_that_it_is_a_sample_and_does_not_boot(tree: MemoryTree) -> None:
    note = read(tree, "/usr/share/photon-builder-sample").decode()
    assert "does not boot" in " ".join(note.split())
    assert b"sample base" in read(tree, "/etc/motd")
    assert b"VARIANT_ID=sample\n" in read(tree, "/usr/lib/os-release")


def test_the_repositories_are_those_of_photon(tree: MemoryTree) -> None:
    enabled = {}
    for name in tree.names(guest("/etc/yum.repos.d")):
        text = read(tree, f"/etc/yum.repos.d/{name}").decode()
        pairs = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        assert f"[{name.removesuffix('.repo')}]\n" in text
        enabled[name] = (pairs["enabled"], pairs["baseurl"].split("/")[2])
    assert len(enabled) == 6
    assert [name for name, (on, _) in enabled.items() if on == "1"] == ["photon-updates.repo"]
    hosts = {name: host for name, (_, host) in enabled.items()}
    assert hosts.pop("photon-iso.repo") == ""
    assert set(hosts.values()) == {"packages.vmware.com"}


def test_a_sample_of_other_files_is_another_base(tmp_path: Path) -> None:
    for folder, text in (("a", "one"), ("b", "two"), ("c", "two")):
        (tmp_path / folder / "tree").mkdir(parents=True)
        (tmp_path / folder / "tree" / "file").write_text(text)
    one, two, same = (sample_revision(tmp_path / folder) for folder in "abc")
    assert one != two == same
