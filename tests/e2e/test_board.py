"""Cards for a Raspberry Pi from a spec: firmware, radio, console, swap, room for the first boot."""

import json
from pathlib import Path

import pytest

from builder.formats.disk import GIB, MIB, SECTOR
from tests.support.cards import CONFIG_TXT, FIRMWARE_OFFSET, Card, make_board_card, make_card
from tests.support.judges import judge
from tests.support.program import Bench

SPEC = """\
version: 1
name: card
target: {target}
base: {base}
output: {{compression: none}}
{more}
overlay:
"""
OVERLAY = """\
  config_txt:
    all: {set: {gpu_mem: 16}, add: ["dtparam=i2c_arm=on"]}
    pi4: {set: {arm_boost: 1}, unset: ["dtoverlay=upstream-pi4"]}
  serial_console: {port: ttyAMA0}
  wifi:
    country: NL
    networks: {attic: {psk: {env: WIFI_PASSWORD}}}
"""
SHARE = 9 / 10


def build(bench: Bench, base: Path, overlay: str, more: str = "") -> Path:
    text = SPEC.format(target="rpi3", base=f"{{file: {base}}}", more=more) + overlay
    spec = bench.write("specs/card.yaml", text)
    return bench.build(spec, SOURCE_DATE_EPOCH="1700000000", WIFI_PASSWORD="correct horse")


def read(disk: Path, card: Card, path: str) -> str:
    return judge("debugfs", "-R", f"cat {path}", f"{disk}?offset={card.root}").stdout


def check(disk: Path, card: Card) -> None:
    """Let foreign programs look at table, firmware partition and root."""
    judge("sfdisk", "--verify", disk)
    judge("e2fsck", "-fn", f"{disk}?offset={card.root}")
    firmware = disk.with_name("firmware")
    with disk.open("rb") as stream:
        stream.seek(FIRMWARE_OFFSET)
        firmware.write_bytes(stream.read(10 * MIB))
    judge("fsck.fat", "-n", firmware)


def partitions(disk: Path) -> list[dict[str, int]]:
    told = json.loads(judge("sfdisk", "--json", disk).stdout)
    found: list[dict[str, int]] = told["partitiontable"]["partitions"]
    return found


def test_a_card_is_what_the_spec_says(base_cache: Path, bench: Bench, tmp_path: Path) -> None:
    card = make_board_card(base_cache, tmp_path)
    disk = build(bench, card.path, OVERLAY)
    check(disk, card)
    text = judge("mtype", "-i", f"{disk}@@{FIRMWARE_OFFSET}", "::/config.txt").stdout
    wanted = CONFIG_TXT.replace("dtoverlay=upstream-pi4\n", "")
    wanted = wanted.replace("rpi4.bin\n", "rpi4.bin\narm_boost=1\n")
    assert text == f"{wanted}dtparam=i2c_arm=on\ngpu_mem=16\n"
    joined = read(disk, card, "/etc/wpa_supplicant/wpa_supplicant-wlan0.conf")
    key = judge("wpa_passphrase", "attic", "correct horse").stdout.split("\tpsk=")[1].split()[0]
    assert f"\tpsk={key}\n" in joined
    assert "console=ttyAMA0,115200n8" in read(disk, card, "/boot/systemd.cfg")
    wants = "/etc/systemd/system/multi-user.target.wants"
    radio = judge("debugfs", "-R", f"stat {wants}/wpa_supplicant@wlan0.service",
                  f"{disk}?offset={card.root}").stdout  # fmt: skip
    assert "Type: symlink" in radio


DOCKER = """\
  docker: {compose_plugin: base}
  compose:
    web: {file: web.yaml}
"""


ONLINE = "  repositories: {install: online}\n"


def test_docker_comes_with_its_package_to_a_card_that_has_none(
    base_cache: Path, bench: Bench, tmp_path: Path
) -> None:
    card = make_board_card(base_cache, tmp_path)
    gone = "".join(
        f"rm /usr/lib/systemd/system/{name}\n" for name in ("docker.service", "docker.socket")
    )
    (tmp_path / "gone").write_text(gone)
    judge("debugfs", "-w", "-f", tmp_path / "gone", f"{card.path}?offset={card.root}")
    bench.write("specs/web.yaml", "services: {a: {image: nginx:1.27}}\n")
    text = SPEC.format(target="rpi3", base=f"{{file: {card.path}}}", more="") + DOCKER
    lacking = bench.write("specs/lacking.yaml", text)
    checked = bench.run("check", lacking)
    assert "the package docker brings it" in checked.err, checked.err
    assert "add `packages: [docker]`" in checked.err
    disk = build(bench, card.path, f"{DOCKER}  packages: [docker]\n{ONLINE}")
    check(disk, card)
    folder = "/var/lib/photon-builder/packages"
    assert read(disk, card, f"{folder}/wanted") == "docker\n"
    units = read(disk, card, f"{folder}/units").splitlines()
    assert {"enabled docker.service", "started photon-builder-compose@web.service"} <= set(units)
    preset = read(disk, card, "/etc/systemd/system-preset/00-photon-builder.preset")
    assert "enable docker.service\n" in preset


def test_the_clock_of_a_card_begins_at_the_build(
    base_cache: Path, bench: Bench, tmp_path: Path
) -> None:
    card = make_board_card(base_cache, tmp_path)
    disk = build(bench, card.path, "  hostname: edge\n")
    for path in ("/usr/lib/clock-epoch", "/var/lib/systemd/timesync/clock"):
        told = judge("debugfs", "-R", f"stat {path}", f"{disk}?offset={card.root}").stdout
        assert f"mtime: 0x{1700000000:x}" in told, told


def test_no_secret_is_beside_the_artifact(base_cache: Path, bench: Bench, tmp_path: Path) -> None:
    card = make_board_card(base_cache, tmp_path)
    disk = build(bench, card.path, OVERLAY)
    beside = [path for path in bench.output.iterdir() if path != disk]
    assert beside
    assert not any(b"correct horse" in path.read_bytes() for path in beside)
    judge("sh", "-c", f"! grep -q -a 'correct horse' '{disk}'")


def test_room_is_left_for_the_swap_partition_of_the_first_boot(
    base_cache: Path, bench: Bench, tmp_path: Path
) -> None:
    card = make_board_card(base_cache, tmp_path)
    disk = build(bench, card.path, "  hostname: edge\n", "disk: {size: 2GiB}")
    check(disk, card)
    sectors = disk.stat().st_size // SECTOR
    root = partitions(disk)[1]
    assert root["start"] + root["size"] <= sectors * SHARE
    assert root["size"] > sectors * SHARE * 0.95
    # What the unit of Photon does: the root up to nine tenths, and swap behind it.
    wanted = sectors // 2048 * 9 // 10 * 2048
    judge("parted", "-s", disk, "unit", "s", "resizepart", "2", str(wanted + root["start"] - 1))
    behind = str(wanted + root["start"])
    judge("parted", "-s", disk, "unit", "s", "mkpart", "primary", "linux-swap", behind, "100%")
    assert len(partitions(disk)) == 3


@pytest.mark.parametrize(
    "overlay",
    ["  swap: {kind: zram}\n", "  services: {disable: [resizefs]}\n"],
    ids=["another policy", "no unit"],
)
def test_without_a_swap_partition_the_root_takes_the_card(
    overlay: str, base_cache: Path, bench: Bench, tmp_path: Path
) -> None:
    card = make_board_card(base_cache, tmp_path)
    disk = build(bench, card.path, overlay, "disk: {size: 2GiB}")
    check(disk, card)
    root = partitions(disk)[1]
    assert (root["start"] + root["size"]) * SECTOR > 2 * GIB - 2 * MIB


def test_a_card_that_grows_a_little_keeps_its_root(
    base_cache: Path, bench: Bench, tmp_path: Path
) -> None:
    card = make_board_card(base_cache, tmp_path)
    before = partitions(card.path)[1]["size"]
    disk = build(bench, card.path, "  hostname: edge\n", "disk: {size: 520MiB}")
    check(disk, card)
    assert partitions(disk)[1]["size"] == before


def test_a_base_without_firmware_is_named(base_cache: Path, bench: Bench, tmp_path: Path) -> None:
    card = make_card(base_cache, tmp_path)
    text = SPEC.format(target="rpi3", base=f"{{file: {card.path}}}", more="")
    spec = bench.write(
        "specs/card.yaml", f"{text}  config_txt: {{all: {{set: {{gpu_mem: 16}}}}}}\n"
    )
    done = bench.run("build", spec)
    assert done.code == 8
    assert "error[CFG001]: the base has no config.txt" in done.err
    assert not list(bench.output.glob("*"))


@pytest.mark.parametrize("target", ["ova", "ami", "gce", "azure", "iso"])
def test_a_key_for_boards_is_refused_before_anything_is_downloaded(
    target: str, bench: Bench
) -> None:
    # Nothing answers there: whoever asks the network fails with another exit code.
    base = f"{{url: 'http://127.0.0.1:9/x', sha256: {'a' * 64}}}"
    more = "install: {disk: /dev/sda}" if target == "iso" else ""
    text = SPEC.replace("output: {{compression: none}}\n", "").format(
        target=target, base=base, more=more
    )
    spec = bench.write("specs/card.yaml", f"{text}  clock: keep\n")
    for command in ("check", "plan", "build"):
        done = bench.run(command, spec)
        assert done.code == 4, done.err
        assert f"{target} takes no `clock`; it is for rpi3" in done.err
    assert not list(bench.directory.glob("cache/*"))
