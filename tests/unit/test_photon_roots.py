"""The roots that tests and samples are made of, held against the tables and against systemd."""

import shutil
from collections import defaultdict
from pathlib import Path

import pytest

from builder.documents import parse_document
from builder.engine.text.systemd import parse_install
from builder.facts import Facts
from builder.facts.data import covers, table
from builder.facts.packages import unit_rows
from builder.sample.files import package_files
from tests.support.judges import judge
from tests.support.photon_releases import IMAGES, RELEASES, Release
from tests.support.photon_root import PLACEMENT, make_small_root, small_tree
from tests.support.tree import File, Link, Tree

IDENTITIES = [identity for identity in RELEASES if identity[3:4] == "-"]
EVERY = [RELEASES[identity].on(image) for identity in IDENTITIES for image in IMAGES]
JUDGED = [release for release in EVERY if release.image in {"ova", "gce", "rpi"}]
SYSTEM = Path("/usr/lib/systemd/system")
ETC = "/etc/systemd/system"
STATIC = {
    *("cloud-init.target", "cloud-config.target"),
    *("systemd-udevd.service", "systemd-udev-settle.service", "systemd-udev-trigger.service"),
    *("systemd-udevd-control.socket", "systemd-udevd-kernel.socket", "ip6tables.service"),
}
"""Units that packages preset and that cannot be enabled: no ``[Install]`` section, or no file."""


def name(release: Release) -> str:
    return f"{release.identity} {release.image}"


def tree_of(release: Release) -> Tree:
    return small_tree(release, PLACEMENT)


def content(tree: Tree, path: str) -> str:
    entry = tree[path]
    assert isinstance(entry, File), path
    return entry.content.decode()


def starts(tree: Tree) -> set[str]:
    """Return the units that a link starts."""
    return {
        path.rpartition("/")[2]
        for path, entry in tree.items()
        if isinstance(entry, Link) and path.rpartition("/")[0].endswith((".wants", ".requires"))
    }


def units_of(facts: Facts) -> dict[str, str]:
    """Return the units that the packages of an image are known to bring, with those packages."""
    return {
        unit: row["package"]
        for row in unit_rows(facts.revision)
        if facts.has_package(row["package"])
        for unit in (*row["units"].split(), *row["enables"].split())
        if "*" not in unit and ".d/" not in unit
    }


def test_every_published_revision_can_be_made() -> None:
    builds = {RELEASES[identity].build for identity in IDENTITIES}
    assert {"a383732", "9355405"} < builds
    assert len(builds) == 8
    assert [RELEASES[short].identity for short in ("3.0 GA", "3.0", "4.0", "5.0")] == [
        *("3.0-GA", "3.0-Rev3-U1", "4.0-Rev2", "5.0-GA")
    ]


@pytest.mark.parametrize("release", EVERY, ids=name)
def test_a_root_says_which_revision_it_is(release: Release) -> None:
    tree = tree_of(release)
    assert f"PHOTON_BUILD_NUMBER={release.build}\n" in content(tree, "/etc/photon-release")
    assert f"VERSION_ID={release.number}\n" in content(tree, "/usr/lib/os-release")


@pytest.mark.parametrize("release", EVERY, ids=name)
def test_a_root_has_the_units_of_its_packages_and_no_others(release: Release) -> None:
    facts, tree = release.facts, tree_of(release)
    there = {path.rpartition("/")[2] for path in tree if path.startswith((f"{SYSTEM}/", ETC))}
    assert units_of(facts).keys() - there - STATIC <= {"lvm2-lvmetad.socket"}
    known = {unit for row in unit_rows(facts.revision) for unit in row["enables"].split()}
    strange = {unit for unit in known & there if facts.has_unit(unit) is not True}
    assert strange == set()


@pytest.mark.parametrize("release", EVERY, ids=name)
def test_what_starts_in_a_root_is_what_the_tables_say(release: Release) -> None:
    facts, started = release.facts, starts(tree_of(release))
    brought = {unit for unit in units_of(facts) if unit not in STATIC and "@." not in unit}
    expected = {unit for unit in brought if facts.is_enabled(unit)}
    assert expected - started == set()
    assert {unit for unit in brought & started if not facts.is_enabled(unit)} == set()


@pytest.mark.parametrize("release", JUDGED, ids=name)
def test_systemctl_preset_enables_the_same(release: Release, tmp_path: Path) -> None:
    root = make_small_root(tmp_path / "root", release).folder
    rows = [row for row in unit_rows(release.identity) if release.facts.has_package(row["package"])]
    units = {unit for row in rows for unit in row["enables"].split()} - STATIC

    def links() -> set[str]:
        found = (root / ETC.lstrip("/")).rglob("*")
        return {path.name for path in found if path.is_symlink()} & units

    before = links()
    for folder in (root / ETC.lstrip("/")).glob("*.wants"):
        shutil.rmtree(folder)
    judge("systemctl", f"--root={root}", "preset", *sorted(units))
    assert links() == before


@pytest.mark.parametrize("release", JUDGED, ids=name)
def test_systemd_accepts_the_units_of_a_root(release: Release, tmp_path: Path) -> None:
    root = make_small_root(tmp_path / "root", release).folder
    units = [unit for unit in starts(tree_of(release)) if "@" not in unit]
    run = judge(
        "systemd-analyze", f"--root={root}", "--man=no", "verify", *sorted(units), check=False
    )
    lines = [line for line in run.stderr.splitlines() if "is not executable" not in line]
    assert [line for line in lines if "Failed to open /dev/null" not in line] == []


@pytest.mark.parametrize("release", EVERY, ids=name)
def test_a_root_lacks_what_its_image_lacks(release: Release) -> None:
    facts, tree = release.facts, tree_of(release)
    programs = {
        "docker": "/usr/bin/dockerd",
        "cloud-init": "/etc/cloud/cloud.cfg",
        "sudo": "/etc/sudoers",
        "rpcbind": f"{SYSTEM}/rpcbind.service",
        "open-vm-tools": "/usr/bin/vmtoolsd",
        "nfs-utils": "/usr/sbin/mount.nfs",
        "docker-compose": "/usr/libexec/docker/cli-plugins/docker-compose",
        "containerd": f"{SYSTEM}/containerd.service",
        "wpa_supplicant": "/usr/bin/wpa_supplicant",
    }
    for package, path in programs.items():
        assert (path in tree) == (facts.has_package(package) is True), package
    groups = [line.split(":")[0] for line in content(tree, "/etc/group").splitlines()]
    assert ("docker" in groups) == facts.has_docker


@pytest.mark.parametrize("release", EVERY, ids=name)
def test_repositories_and_keys_are_those_of_the_revision(release: Release) -> None:
    facts, tree = release.facts, tree_of(release)
    keys = {path.rpartition("/")[2] for path in tree if path.startswith("/etc/pki/rpm-gpg/V")}
    assert ("VMWARE-RPM-GPG-KEY-4096" in keys) == facts.has_key_4096
    for known in facts.repositories:
        text = content(tree, f"/etc/yum.repos.d/{known.name}.repo")
        assert f"baseurl={known.address}\n" in text
        assert f"enabled={int(known.is_enabled)}\n" in text
        assert {
            word.rpartition("/")[2] for word in text.split("gpgkey=")[1].split("\n")[0].split()
        } == keys


@pytest.mark.parametrize("release", EVERY, ids=name)
def test_the_packet_filter_is_that_of_the_revision(release: Release) -> None:
    facts, tree = release.facts, tree_of(release)
    saved = content(tree, "/etc/systemd/scripts/ip6save")
    assert ("ipv6-icmp" in saved) == facts.firewall.has_icmpv6
    assert ("--dport 546" in saved) == facts.firewall.has_dhcpv6
    script = content(tree, "/etc/systemd/scripts/iptables")
    written = dict(
        line.split(" > /proc/sys/")[::-1] for line in script.splitlines() if "/proc/sys" in line
    )
    assert {key.replace("/", "."): int(value.split()[1]) for key, value in written.items()} == dict(
        facts.firewall.sysctls
    )
    for which in ("ip4save", "ip6save"):
        tool = "iptables-restore" if which == "ip4save" else "ip6tables-restore"
        judge(tool, "--test", text=content(tree, f"/etc/systemd/scripts/{which}"))


@pytest.mark.parametrize("release", EVERY, ids=name)
def test_cloud_init_says_what_the_tables_say(release: Release) -> None:
    known, tree = release.facts.cloud_init, tree_of(release)
    if known is None:
        return
    found = parse_document(content(tree, "/etc/cloud/cloud.cfg"), Path("cloud.cfg")).value
    users = found["users"]
    assert users == ["default"] if known.users == "default" else users[0]["name"] == "root"
    assert found["disable_root"] == known.disable_root
    assert [str(each) for each in found["datasource_list"]] == list(known.datasources)
    unit = content(tree, f"{SYSTEM}/cloud-init.service")
    assert "sshd.service" in unit.partition("Wants=")[2].partition("\n")[0].split()


@pytest.mark.parametrize("release", EVERY, ids=name)
def test_the_kernel_has_its_name_and_its_modules(release: Release) -> None:
    facts, tree = release.facts, tree_of(release)
    assert f"/boot/vmlinuz-{release.kernel}" in tree
    assert facts.version_of(facts.flavours[0]) in release.kernel
    listed = content(tree, f"/usr/lib/modules/{release.kernel}/modules.dep")
    for module in ("zram", "nfs", "br_netfilter"):
        assert (f"/{module}.ko" in listed) == (
            facts.kernel_module(module, facts.flavours[0]) == "m"
        )
    assert (f"/boot/initrd.img-{release.kernel}" in tree) == facts.has_package("initramfs")


@pytest.mark.parametrize("image", IMAGES)
def test_files_that_are_the_same_in_photon_are_the_same_here(image: str) -> None:
    """Equal digests of published files mean equal texts here."""
    seen: dict[tuple[str, str], set[str]] = defaultdict(set)
    for identity in IDENTITIES:
        tree = tree_of(RELEASES[identity].on(image))
        for row in table("system")["files"]["rows"]:
            if covers(row["on"], identity) and row["path"] in tree:
                seen[row["path"], row["sha256_12"]].add(content(tree, row["path"]))
    assert {key for key, texts in seen.items() if len(texts) > 1} == set()
    assert len(seen) > 12


def test_every_unit_of_a_package_says_when_it_starts() -> None:
    for identity in IDENTITIES:
        for package, texts in package_files(RELEASES[identity].facts).items():
            for path, text in texts.items():
                unit = path.rpartition("/")[2]
                if package != "systemd" and unit in units_of(RELEASES[identity].facts):
                    is_static = unit in STATIC or unit.endswith("@.service")
                    assert is_static or parse_install(text).wanted or "updateinfo" in unit, path
