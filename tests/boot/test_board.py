"""Images for a board, built from a packed base, started on arm64 machines and asked.

``virt`` has what a boot test needs: a network, UEFI, quick disks. ``raspi3b`` is the board itself
from its second step on: QEMU has no GPU that would read config.txt, so U-Boot is given to it, and
goes on from the card as on the board. Both have no radio; ``virt`` gets one of software.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from builder.boot.console import Console, open_console
from builder.formats.disk import GIB, KIB, MIB
from builder.formats.foreign import start_tool
from tests.support.board import BOOT_OFFSET, make_board
from tests.support.judges import judge, require
from tests.support.program import Bench

pytestmark = pytest.mark.slow

SPEC = """\
version: 1
name: pi
target: rpi3
base: {{file: {base}}}
overlay:
  hostname: pi-1
  timezone: Europe/Berlin
  users:
    root: {{password: {{env: ROOT_PASSWORD}}}}
    ada: {{uid: 1000, groups: [wheel], password: {{env: ADA_PASSWORD}}}}
  network:
    eth0: {{addresses: [10.0.2.15/24], gateway: 10.0.2.2, dns: [10.0.2.3]}}
  services: {{mask: [systemd-timesyncd]}}
  ssh: {{sftp: true}}
  sysctl: {{vm.swappiness: 10}}
  swap: {{kind: zram, size: 64MiB}}
  wifi:
    country: NL
    networks:
      attic: {{psk: {{env: WIFI_PASSWORD}}, priority: 5}}
      two words: {{open: true, hidden: true}}
  files:
    - {{path: /opt/app/run, content: "#!/bin/sh\\n", mode: "0755"}}
    - path: /etc/systemd/system/sys-subsystem-net-devices-wlan0.device.d/patience.conf
      content: "[Unit]\\nJobRunningTimeoutSec=15\\n"
  kernel: {{add: [audit=0]}}
"""
CARD_SPEC = """\
version: 1
name: card
target: rpi3
base: {{file: {base}}}
output: {{compression: none}}
overlay:
  hostname: pi-2
  users: {{root: {{password: {{env: ROOT_PASSWORD}}}}}}
  serial_console: {{port: ttyS1}}
  swap: {{kind: file, size: 16MiB}}
"""
SECRETS = {
    "ROOT_PASSWORD": "tr0ub4dor-homelab",
    "ADA_PASSWORD": "correct-horse-7",
    "WIFI_PASSWORD": "correct horse",
}
KIND = "uname -m; findmnt -n -o FSTYPE /boot/efi; /usr/sbin/sshd -T | grep ^subsystem\n"
SWAP = "swapon --show=NAME,TYPE,SIZE,PRIO --noheadings --raw --bytes; ! grep ^LABEL= /etc/fstab\n"
RADIO = """\
set -e
test "$(systemctl show -P ActiveState wpa_supplicant@wlan0)" = inactive
modprobe mac80211_hwsim radios=2
printf '%s\\n' network={ 'ssid="attic"' mode=2 frequency=2412 key_mgmt=WPA-PSK \
'psk="correct horse"' } >/run/point
wpa_supplicant -B -i wlan1 -c /run/point >/dev/null
systemctl start wpa_supplicant@wlan0
for second in $(seq 40); do
wpa_cli -i wlan0 status | grep -q ^wpa_state=COMPLETED && break
sleep 1
done
wpa_cli -i wlan0 status | grep -e ^wpa_state -e ^ssid -e ^key_mgmt
wpa_cli -i wlan0 list_networks | tail -n +2 | cut -f 2
echo "country=$(wpa_cli -i wlan0 get country)"
"""
"""Without a radio the unit waits and starts nothing; with two, one is the access point."""


def test_a_board_s_image_is_what_the_spec_says(base_cache: Path, bench: Bench) -> None:
    require("qemu-system-aarch64")
    spec = bench.write("specs/pi.yaml", SPEC.format(base=make_board(base_cache)))
    artifact = bench.build(spec, **SECRETS)
    assert artifact.name == "pi.rpi3.raw.xz"
    scripts = {"kind": KIND, "swap": SWAP, "radio": RADIO}
    asked = [word for name, text in scripts.items() for word in ("--run", bench.write(name, text))]
    done = bench.run(
        "boot", artifact, "--test", spec, "--accel", "tcg", "--once", "--json", *asked,
        "--report", "report", **SECRETS,
    )  # fmt: skip
    console = (bench.directory / "report/console.log").read_text()
    assert done.code == 0, f"{done.err}\n{console[-3000:]}"
    answers = {row["name"]: row["found"] for row in json.loads(done.out)}
    assert answers["kind succeeds"].split("\n") == [
        *("aarch64", "vfat", "subsystem sftp internal-sftp"),
    ]
    assert answers["swap succeeds"].split() == [
        "/dev/zram0",
        "partition",
        str(64 * MIB - 4 * KIB),
        "100",
    ]
    assert answers["radio succeeds"].splitlines() == [
        *("ssid=attic", "key_mgmt=WPA2-PSK", "wpa_state=COMPLETED"),
        *("attic", "two words", "country=NL"),
    ]
    assert answers.keys() >= {
        "root logs in with the password",
        "the host has its name",
        "eth0 has its addresses",
        "the kernel has its arguments",
        "systemd-timesyncd.service is masked",
        "photon-builder-swap.service runs",
        "wpa_supplicant@wlan0.service is enabled",
        "/opt/app/run has the planned content",
        "no unit has failed",
    }
    judge("xz", "-t", artifact)


@contextmanager
def started(card: Path, folder: Path) -> Iterator[Console]:
    """Start QEMU's Raspberry Pi 3 with a card in it, from U-Boot on; its second UART is ours."""
    loader, socket = folder / "u-boot.bin", folder / "tty"
    judge("mcopy", "-i", f"{card}@@{BOOT_OFFSET}", "::/u-boot-rpi3.bin", loader)
    argv = [
        *("qemu-system-aarch64", "-machine", "raspi3b", "-accel", "tcg,thread=multi"),
        *("-nodefaults", "-display", "none", "-kernel", str(loader)),
        *("-drive", f"if=sd,format=raw,file={card},cache=unsafe"),
        *("-chardev", f"socket,id=tty,path={socket},server=on,wait=on"),
        *("-serial", "null", "-serial", "chardev:tty"),
    ]
    with (
        start_tool(argv, folder / "qemu.log") as running,
        open_console(socket, running.check) as console,
    ):
        yield console


def test_a_card_starts_a_raspberry_pi(base_cache: Path, bench: Bench, tmp_path: Path) -> None:
    require("qemu-system-aarch64")
    spec = bench.write("specs/card.yaml", CARD_SPEC.format(base=make_board(base_cache)))
    card = bench.build(spec, **SECRETS)
    judge("truncate", "-s", "1G", card)
    with started(card, tmp_path) as console:
        console.log_in("root", SECRETS["ROOT_PASSWORD"], seconds=400)
        console.open_shell(seconds=60)

        def ask(command: str) -> list[str]:
            return console.run(command, seconds=120).out.split()

        assert "Found EFI removable media binary efi/boot/bootaa64.efi" in console.text
        assert "pi-2 login:" in console.text
        assert ask("tr -d '\\0' </proc/device-tree/model") == ["Raspberry", "Pi", "3", "Model", "B"]
        assert ask("until systemctl is-active -q photon-builder-swap; do sleep 1; done") == []
        shown = ask("swapon --show=NAME,TYPE,SIZE --noheadings --raw --bytes")
        assert shown == ["/var/lib/photon-builder/swap", "file", str(16 * MIB - 4 * KIB)]
        assert int(ask("df --output=size -B 1 / | tail -n 1")[0]) > 0.9 * GIB
        assert ask("findmnt -n -o SOURCE,OPTIONS / | tr ' ' ,")[0].startswith("/dev/mmcblk0p2,")
        ask("sync")
    table = json.loads(judge("sfdisk", "--json", card).stdout)["partitiontable"]
    last = table["partitions"][-1]
    assert (last["start"] + last["size"]) * 512 > GIB - MIB
    judge("sfdisk", "--verify", card)
