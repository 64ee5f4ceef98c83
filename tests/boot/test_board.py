"""An image for a board, built from a packed base, started on an arm64 machine and asked."""

import json
from pathlib import Path

import pytest

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
  sysctl: {{vm.swappiness: 10}}
  files:
    - {{path: /opt/app/run, content: "#!/bin/sh\\n", mode: "0755"}}
  kernel: {{add: [audit=0]}}
"""
SECRETS = {"ROOT_PASSWORD": "tr0ub4dor-homelab", "ADA_PASSWORD": "correct-horse-7"}


def test_a_board_s_image_is_what_the_spec_says(base_cache: Path, bench: Bench) -> None:
    require("qemu-system-aarch64")
    spec = bench.write("specs/pi.yaml", SPEC.format(base=make_board(base_cache)))
    artifact = bench.build(spec, **SECRETS)
    assert artifact.name == "pi.rpi3.raw.xz"
    kind = bench.write("kind", "uname -m; findmnt -n -o FSTYPE /boot/efi; cat /etc/machine-id\n")
    done = bench.run(
        "boot", artifact, "--test", spec, "--accel", "tcg", "--once", "--json", "--run", kind,
        "--report", "report", **SECRETS,
    )  # fmt: skip
    console = (bench.directory / "report/console.log").read_text()
    assert done.code == 0, f"{done.err}\n{console[-3000:]}"
    answers = {row["name"]: row["found"] for row in json.loads(done.out)}
    assert answers["kind succeeds"].split()[:2] == ["aarch64", "vfat"]
    assert answers.keys() >= {
        "root logs in with the password",
        "the host has its name",
        "eth0 has its addresses",
        "the kernel has its arguments",
        "systemd-timesyncd.service is masked",
        "/opt/app/run has the planned content",
        "no unit has failed",
    }
    judge("xz", "-t", artifact)
