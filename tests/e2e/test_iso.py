"""Installation media: built, read by foreign tools, proved, and the same each time."""

import gzip
import json
import re
import shutil
import zipfile
from pathlib import Path

import pytest

from tests.support.isos import approve, boot_report
from tests.support.judges import judge
from tests.support.media import GRUB, MENU, RELEASES, Media, digest_of, make_esp, make_medium
from tests.support.photon_releases import RELEASES as PHOTON
from tests.support.program import Bench
from tests.support.rpms import make_repository, make_rpm

SPEC = """\
version: 1
name: edge
target: {target}
base: {{file: {base}, sha256: {sha256}}}
{install}
overlay:
  hostname: edge-1
  timezone: Europe/Berlin
  users: {{root: {{password: {{env: ROOT_PASSWORD}}}}}}
  network: {{eth0: {{addresses: [192.168.1.5/24], gateway: 192.168.1.1}}}}
  services: {{enable: [docker], mask: [systemd-timesyncd]}}
  packages: [nfs-utils]
  files:
    - {{path: /opt/app/run, content: "#!/bin/sh\\n", mode: "0755"}}
"""
INSTALL = "install: {disk: /dev/sda, serial: ttyS0, kernel_arguments: [audit=1], timeout: 7}"
PASSWORD = "correct horse battery"
ENVIRONMENT = {"ROOT_PASSWORD": PASSWORD, "SOURCE_DATE_EPOCH": "1700000000"}


def write_spec(bench: Bench, base: Path, target: str = "iso", install: str = INSTALL) -> Path:
    text = SPEC.format(base=base, sha256=digest_of(base), target=target, install=install)
    return bench.write("specs/edge.yaml", text)


def read(iso: Path, path: str, into: Path) -> bytes:
    """Return a file of an image, as xorriso takes it out."""
    place = into / path.replace("/", "_")
    place.unlink(missing_ok=True)
    judge("xorriso", "-osirrox", "on", "-indev", iso, "-extract", path, place)
    return place.read_bytes()


@pytest.fixture
def medium(tmp_path: Path) -> Path:
    return make_medium(tmp_path / "base")


@pytest.mark.parametrize("name", [*(name for name in RELEASES if "-" in name), "unknown"])
def test_every_installer_gets_a_kickstart_that_it_knows(
    name: str, bench: Bench, tmp_path: Path
) -> None:
    media = RELEASES[name]
    base = make_medium(tmp_path / "base", media)
    iso = bench.build(write_spec(bench, base), **ENVIRONMENT)
    kickstart = json.loads(read(iso, "/photon-builder/ks.json", tmp_path))
    if name in PHOTON:
        assert set(kickstart) <= PHOTON[name].facts.installer.keys
    assert kickstart["disk"] == "/dev/sda"
    assert kickstart["hostname"] == "edge-1"
    extra = {"nfs-utils", "python3"}
    if name == "3.0-Rev2":  # its list has two kernels, and its installer would leave both
        assert "packagelist_file" not in kickstart
        listed = {"minimal", "linux", "initramfs", "lvm2"}
        assert set(kickstart["additional_packages"]) == extra | listed
    else:
        kernel = set() if name == "3.0-GA" else {"linux"}
        assert kickstart["packagelist_file"] == "packages_minimal.json"
        assert set(kickstart["additional_packages"]) == extra | kernel
    assert kickstart.get("bootmode") == (None if name == "3.0-GA" else "dualboot")
    assert re.fullmatch(r"\$6\$[^:]+", kickstart["password"]["text"])
    assert kickstart["password"] | {"text": ""} == {"crypted": True, "text": "", "age": -1}
    assert kickstart["postinstall"][0] == "#!/bin/sh"
    assert ("linux_flavor" in kickstart) == (name not in {"3.0-GA", "3.0-Rev2"})
    if name == "3.0-GA":
        assert "additional_files" not in kickstart
        assert kickstart["postinstall"][1].startswith("base64 -d")
    else:
        source = f"{media.media}/photon-builder/bundle.pyz"
        assert kickstart["additional_files"] == [{source: "/var/photon-builder.pyz"}]


def test_both_firmwares_start_the_installation_and_keep_the_attended_one(
    medium: Path, bench: Bench, tmp_path: Path
) -> None:
    iso = bench.build(write_spec(bench, medium), **ENVIRONMENT)
    isolinux = read(iso, "/isolinux/isolinux.cfg", tmp_path).decode()
    menu = read(iso, "/isolinux/menu.cfg", tmp_path).decode()
    grub = read(iso, "/boot/grub2/grub.cfg", tmp_path).decode()
    words = "ks=cdrom:/photon-builder/ks.json audit=1 console=ttyS0"
    assert "timeout 70\n" in isolinux
    assert "timeout 0\n" not in isolinux
    assert f"photon.media=cdrom {words}\n" in menu
    assert menu.index("label photon-builder") < menu.index("label install")
    assert re.findall(r"^\s*menu default$", menu, re.MULTILINE) == ["  menu default"]
    assert f"photon.media=UUID=$photondisk {words}\n" in grub
    assert grub.index("this erases /dev/sda") < grub.index('menuentry "Install"')
    assert re.findall(r"^set (?:timeout|default)=.*", grub, re.MULTILINE) == [
        "set default=0",
        "set timeout=7",
    ]
    for stock in (MENU.split("label install\n")[1], GRUB.split("menuentry")[1]):
        for line in stock.splitlines():
            assert line in menu + grub


def test_a_menu_inside_the_efi_image_is_edited_too(bench: Bench, tmp_path: Path) -> None:
    esp = tmp_path / "efiboot.img"
    make_esp(esp, GRUB)
    base = make_medium(
        tmp_path / "base",
        Media("5.0", ("linux_flavor",), extra={"boot/grub2/efiboot.img": esp.read_bytes()}),
    )
    iso = bench.build(write_spec(bench, base), **ENVIRONMENT)
    found = tmp_path / "found.img"
    found.write_bytes(read(iso, "/boot/grub2/efiboot.img", tmp_path))
    judge("fsck.fat", "-n", found)
    assert "ks=cdrom:" in judge("mtype", "-i", found, "::/EFI/BOOT/grub.cfg").stdout
    report = judge("xorriso", "-indev", iso, "-report_el_torito", "plain").stdout
    assert "UEFI" in report


def test_no_password_is_in_clear_on_the_medium(medium: Path, bench: Bench) -> None:
    iso = bench.build(write_spec(bench, medium), **ENVIRONMENT)
    assert PASSWORD.encode() not in iso.read_bytes()


def test_the_bundle_holds_the_plan_and_the_files(
    medium: Path, bench: Bench, tmp_path: Path
) -> None:
    iso = bench.build(write_spec(bench, medium), **ENVIRONMENT)
    bundle = tmp_path / "bundle.pyz"
    bundle.write_bytes(read(iso, "/photon-builder/bundle.pyz", tmp_path))
    with zipfile.ZipFile(bundle) as archive:
        steps = json.loads(archive.read("plan.json"))["steps"]
        (script,) = (step for step in steps if step.get("path") == "/opt/app/run")
        content = archive.read(f"contents/{script['content']['sha256']}")
    assert (script["mode"], content) == ("0755", b"#!/bin/sh\n")
    assert "SetUnitState docker.service" in [f"{s['do']} {s.get('unit')}" for s in steps]


def test_the_same_inputs_give_the_same_bytes(medium: Path, bench: Bench) -> None:
    spec = write_spec(bench, medium)
    builds = [bench.build(spec, "--output", out, **ENVIRONMENT) for out in ("one", "two")]
    assert builds[0].read_bytes() == builds[1].read_bytes()


def test_foreign_readers_find_it_sound_and_the_rest_as_it_was(medium: Path, bench: Bench) -> None:
    iso = bench.build(write_spec(bench, medium), **ENVIRONMENT)
    assert "No errors found" in judge("isovfy", iso).stdout
    assert "Everything is Ok" in judge("7z", "t", iso).stdout
    rows = json.loads(bench.run("diff", medium, iso, "--json").out)["differences"]
    assert {(row["sign"], row["path"]) for row in rows} == {
        ("+", "/photon-builder"),
        ("+", "/photon-builder/ks.json"),
        ("+", "/photon-builder/bundle.pyz"),
        ("~", "/isolinux/isolinux.cfg"),
        ("~", "/isolinux/menu.cfg"),
        ("~", "/boot/grub2/grub.cfg"),
    }


def test_it_is_proved_and_looked_into(medium: Path, bench: Bench) -> None:
    spec = write_spec(bench, medium)
    iso = bench.build(spec, **ENVIRONMENT)
    proof = bench.run("verify", iso, spec, **ENVIRONMENT)
    assert proof.code == 0, proof.err
    assert "valid iso" in proof.out
    told = json.loads(bench.run("inspect", iso, "--json").out)
    assert (told["kind"], told["volume"]) == ("iso", "PHOTON_20230425")
    assert "photon-os-installer" in told["installer"]
    listed = bench.run("ls", iso, "/photon-builder").out
    assert "/photon-builder/ks.json" in listed
    assert '"disk": "/dev/sda"' in bench.run("cat", iso, "/photon-builder/ks.json").out


WHOLE = """\
install:
  disk: /dev/nvme0n1
  bootmode: efi
  linux_flavor: linux-esx
  eject_cdrom: false
  volume_id: EDGE_1
  partitions:
    - {mountpoint: /boot, size: 512}
    - {mountpoint: /, size: 4096, ab: true}
    - {size: 1 GiB, filesystem: swap}
    - {mountpoint: /var, filesystem: xfs, lvm: {vg_name: data, lv_name: var}}
"""


def test_every_key_of_the_install_section_reaches_the_medium(
    medium: Path, bench: Bench, tmp_path: Path
) -> None:
    spec = write_spec(bench, medium, install=WHOLE)
    assert "this erases /dev/nvme0n1" in bench.run("plan", spec, **ENVIRONMENT).out
    iso = bench.build(spec, **ENVIRONMENT)
    kickstart = json.loads(read(iso, "/photon-builder/ks.json", tmp_path))
    wanted = {"disk", "bootmode", "linux_flavor", "eject_cdrom", "partitions"}
    assert {key: kickstart[key] for key in wanted} == {
        "disk": "/dev/nvme0n1",
        "bootmode": "efi",
        "linux_flavor": "linux-esx",
        "eject_cdrom": False,
        "partitions": [
            {"mountpoint": "/boot", "size": 512, "filesystem": "ext4"},
            {"mountpoint": "/", "size": 4096, "filesystem": "ext4", "ab": True},
            {"size": 1024, "filesystem": "swap"},
            {
                "mountpoint": "/var",
                "size": 0,
                "filesystem": "xfs",
                "lvm": {"vg_name": "data", "lv_name": "var"},
            },
        ],
    }
    menu = read(iso, "/isolinux/menu.cfg", tmp_path).decode()
    assert "menu label ^Install edge unattended - this erases /dev/nvme0n1\n" in menu
    assert "Volume id: EDGE_1\n" in judge("isoinfo", "-d", "-i", iso).stdout


@pytest.mark.parametrize("path", ["ks.json", "bundle.pyz"])
def test_a_medium_that_lost_something_is_not_proved(
    path: str, medium: Path, bench: Bench, tmp_path: Path
) -> None:
    spec = write_spec(bench, medium)
    iso = bench.build(spec, **ENVIRONMENT)
    data = read(iso, f"/photon-builder/{path}", tmp_path)
    whole = bytearray(iso.read_bytes())
    at = whole.index(data[:2048])
    whole[at + 20] ^= 1
    iso.write_bytes(whole)
    proof = bench.run("verify", iso, spec, **ENVIRONMENT)
    assert proof.code == 11
    assert path in proof.err


def test_building_on_what_was_built_changes_it_once(medium: Path, bench: Bench) -> None:
    first = bench.build(write_spec(bench, medium), **ENVIRONMENT)
    kept = first.rename(first.with_name("first.iso"))
    second = bench.build(write_spec(bench, kept), **ENVIRONMENT)
    rows = json.loads(bench.run("diff", kept, second, "--json").out)["differences"]
    assert rows == []


def test_the_plan_says_what_is_erased(medium: Path, bench: Bench) -> None:
    shown = bench.run("plan", write_spec(bench, medium), **ENVIRONMENT)
    assert "this erases /dev/sda" in shown.out


@pytest.mark.parametrize("flavor", ["linux-rt", "linux-secure", "linux-aws", "linux-esx"])
def test_the_kernel_that_is_chosen_is_installed(
    flavor: str, medium: Path, bench: Bench, tmp_path: Path
) -> None:
    install = f"install: {{disk: /dev/sda, linux_flavor: {flavor}}}"
    iso = bench.build(write_spec(bench, medium, install=install), **ENVIRONMENT)
    kickstart = json.loads(read(iso, "/photon-builder/ks.json", tmp_path))
    assert kickstart["linux_flavor"] == flavor
    assert flavor in kickstart["additional_packages"]


def test_a_kernel_that_the_medium_lacks_is_refused(bench: Bench, tmp_path: Path) -> None:
    media = Media("5.0", ("linux_flavor",), packages=("linux", "python3", "nfs-utils"))
    install = "install: {disk: /dev/sda, linux_flavor: linux-rt}"
    spec = write_spec(bench, make_medium(tmp_path / "b", media), install=install)
    done = bench.run("build", spec, **ENVIRONMENT)
    assert done.code == 8
    assert "the medium has no package linux-rt" in done.err


@pytest.mark.parametrize("name", RELEASES)
def test_every_kickstart_has_a_root_password(name: str, bench: Bench, tmp_path: Path) -> None:
    base = make_medium(tmp_path / "base", RELEASES[name])
    spec = write_spec(bench, base)
    lines = spec.read_text().splitlines(keepends=True)
    spec.write_text("".join(line for line in lines if "users:" not in line))
    iso = bench.build(spec, **ENVIRONMENT)
    kickstart = json.loads(read(iso, "/photon-builder/ks.json", tmp_path))
    assert kickstart["password"] == {"crypted": True, "text": "*", "age": -1}


REFUSED = {
    "a filesystem without its mkfs": (
        "iso",
        "install: {disk: /dev/sda, partitions: [{mountpoint: /, filesystem: xfs}]}",
        8,
        "no mkfs.xfs",
    ),
    "no install section": ("iso", "", 3, "install"),
    "no disk": ("iso", "install: {bootmode: efi}", 3, "disk"),
    "a section for another target": ("ova", INSTALL, 3, "takes no `install`"),
    "A/B of an old installer": (
        "iso",
        "install: {disk: /dev/sda, partitions: [{mountpoint: /, ab: true}]}",
        8,
        "A/B",
    ),
    "a package list that is not there": (
        "iso",
        "install: {disk: /dev/sda, package_list: packages_nothing.json}",
        8,
        "packages_minimal.json",
    ),
    "source media": ("src-iso", "", 4, "overlay.hostname"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused(
    case: tuple[str, str, int, str], bench: Bench, tmp_path: Path
) -> None:
    target, install, code, word = case
    base = make_medium(tmp_path / "base", RELEASES["4.0"])
    done = bench.run("build", write_spec(bench, base, target, install), **ENVIRONMENT)
    assert done.code == code, done.err
    assert word in done.err
    assert not list(bench.directory.glob("output/*.iso"))


def test_a_package_that_the_medium_lacks_is_refused(bench: Bench, tmp_path: Path) -> None:
    media = Media("5.0", ("linux_flavor",), packages=("bash", "python3"))
    done = bench.run("build", write_spec(bench, make_medium(tmp_path / "b", media)), **ENVIRONMENT)
    assert done.code == 8
    assert "nfs-utils" in done.err


@pytest.mark.parametrize(("target", "flavor"), [("minimal-iso", "linux"), ("rt-iso", "linux-rt")])
def test_the_other_media_differ_in_packages(
    target: str, flavor: str, medium: Path, bench: Bench, tmp_path: Path
) -> None:
    iso = bench.build(write_spec(bench, medium, target), **ENVIRONMENT)
    kickstart = json.loads(read(iso, "/photon-builder/ks.json", tmp_path))
    lists = {"minimal-iso": "packages_minimal.json", "rt-iso": "packages_rt.json"}
    assert (kickstart["linux_flavor"], kickstart["packagelist_file"]) == (flavor, lists[target])


def test_source_media_carry_files(medium: Path, bench: Bench) -> None:
    text = f"version: 1\nname: s\ntarget: src-iso\nbase: {{file: {medium}}}\noverlay:\n  files:\n"
    spec = bench.write("specs/s.yaml", text + "    - {path: /docs/README, content: hello}\n")
    iso = bench.build(spec, **ENVIRONMENT)
    rows = json.loads(bench.run("diff", medium, iso, "--json").out)["differences"]
    assert [(row["sign"], row["path"]) for row in rows] == [("+", "/docs"), ("+", "/docs/README")]
    assert bench.run("cat", iso, "/docs/README").out == "hello"


@pytest.mark.parametrize("target", ["iso", "minimal-iso", "rt-iso"])
def test_the_sample_medium_shows_everything_without_a_download(
    target: str, bench: Bench, tmp_path: Path
) -> None:
    text = SPEC.format(base="x", sha256="", target=target, install=INSTALL)
    text = text.replace("{file: x, sha256: }", "{sample: true}")
    iso = bench.build(bench.write("specs/edge.yaml", text), **ENVIRONMENT)
    kickstart = json.loads(read(iso, "/photon-builder/ks.json", tmp_path))
    assert kickstart["additional_files"][0].keys() == {"/mnt/media/photon-builder/bundle.pyz"}
    assert "does not boot" in read(iso, "/README.txt", tmp_path).decode()
    told = json.loads(bench.run("inspect", iso, "--json").out)
    assert (told["boots"], told["release"]) == (2, "VMware Photon OS 5.0")
    assert "partitions" not in told
    report = boot_report(iso)
    assert any("BIOS" in line for line in report)
    assert any("UEFI" in line for line in report)
    approve(iso)
    initrd = tmp_path / "initrd"
    initrd.write_bytes(read(iso, "/isolinux/initrd.img", tmp_path))
    judge("sh", "-c", 'cpio -t --quiet <"$1" | grep -x installer/packages_rt.json', "sh", initrd)
    again = bench.build(bench.directory / "specs/edge.yaml", "--output", "two", **ENVIRONMENT)
    assert again.read_bytes() == iso.read_bytes()


def test_an_rpm_file_joins_the_repository_of_the_medium(bench: Bench, tmp_path: Path) -> None:
    stock = make_rpm(tmp_path / "stock", "stock")
    repository = tmp_path / "repository"
    (repository / "noarch").mkdir(parents=True)
    shutil.copy2(stock, repository / "noarch")
    make_repository(repository)
    names = {str(p.relative_to(repository)): p for p in repository.rglob("*") if p.is_file()}
    extra = {f"RPMS/{name}": path.read_bytes() for name, path in names.items()}
    base = make_medium(tmp_path / "base", Media("5.0", ("linux_flavor",), extra=extra))
    mine = make_rpm(tmp_path / "mine", "mine")
    shutil.copy2(mine, bench.directory / "mine.rpm")
    spec = write_spec(bench, base)
    spec.write_text(spec.read_text().replace("[nfs-utils]", "[../mine.rpm, nfs-utils]"))
    iso = bench.build(spec, **ENVIRONMENT)
    out = tmp_path / "out"
    judge("xorriso", "-osirrox", "on", "-indev", iso, "-extract", "/RPMS", out)
    kickstart = json.loads(read(iso, "/photon-builder/ks.json", tmp_path))
    assert kickstart["additional_packages"] == ["linux", "mine", "nfs-utils", "python3"]
    assert (out / "noarch/mine.rpm").read_bytes() == mine.read_bytes()
    primary = next(out.glob("repodata/*-primary.xml.gz"))
    listed = gzip.decompress(primary.read_bytes()).decode()
    assert re.findall(r"<name>(\w+)</name>", listed) == ["stock", "mine"]
    assert sorted(path.name[65:] for path in (out / "repodata").glob("*.gz")) == [
        "filelists.xml.gz",
        "other.xml.gz",
        "primary.xml.gz",
    ]
    judge("createrepo_c", "--quiet", "--update", out)
    assert bench.run("verify", iso, spec, **ENVIRONMENT).code == 0
