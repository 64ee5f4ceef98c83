"""An image for a board, built from a packed base, started on an arm64 machine and asked.

QEMU's ``virt`` has what a boot test needs: a network, UEFI, quick disks. It has no radio, and gets
two of software, one of which is the access point. The board itself is :mod:`.test_raspberry_pi`'s.
"""

import json
from pathlib import Path

import pytest

from builder.formats.disk import KIB, MIB
from tests.support.board import make_board
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
    answers = {row["name"]: row["found"] for row in json.loads(done.out)["results"]}
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
