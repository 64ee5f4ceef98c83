"""What we build, started: the guest says whether it is what the spec wanted."""

import hashlib
import json
from pathlib import Path

import pytest

from builder.boot.qemu import choose_accelerator, runs_guests
from tests.support.bases import Base
from tests.support.dns import ADDRESS, serve_dns
from tests.support.home import ONLY, SECRETS, TOLD, write_spec
from tests.support.judges import judge, require
from tests.support.nfs import serve_nfs
from tests.support.program import Bench

pytestmark = pytest.mark.slow


def test_the_guest_is_what_the_spec_says_on_every_boot(
    bootable: Base, bench: Bench, identity: Path, tmp_path: Path
) -> None:
    """Under BIOS, with a file server; UEFI is compared with what a medium installs."""
    require("qemu-system-x86_64")
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "hello").write_text("from the host\n")
    use = bench.write("use-the-share", "cat /mnt/share/hello && uname -n >/mnt/share/answer\n")
    with serve_nfs(shared) as port:
        head = "target: ova\noutput: {firmware: bios}"
        spec = write_spec(bench, bootable, head, identity, nfs_port=port)
        artifact = bench.build(spec, **SECRETS)
        before = hashlib.sha256(artifact.read_bytes()).hexdigest()
        done = bench.run(
            "boot", artifact, "--test", spec, "--accel", "tcg", "--json", "--run", use,
            "--identity", identity, "--report", "report", "--screenshot", "screen.png", **SECRETS,
        )  # fmt: skip
    assert done.code == 0, done.err
    assert (shared / "answer").read_text() == "home-1\n"
    rows = json.loads(done.out)["results"]
    assert {row["boot"] for row in rows} == set(ONLY)
    assert all(row["passed"] for row in rows)
    for boot, only in ONLY.items():
        told = {row["name"] for row in rows if row["boot"] == boot}
        assert told >= TOLD | {only}
    report = bench.directory / "report"
    cases = judge("xmllint", "--xpath", "count(//testcase)", report / "junit.xml")
    assert int(cases.stdout) == len(rows)
    assert json.loads((report / "results.json").read_text()) == rows
    assert "home-1 login:" in (report / "console.log").read_text()
    for screen in (report / "screen.png", bench.directory / "screen.png"):
        assert screen.read_bytes().startswith(b"\x89PNG")
    assert hashlib.sha256(artifact.read_bytes()).hexdigest() == before
    everything = "".join(path.read_text() for path in report.glob("*.[!p]*"))
    assert SECRETS["ROOT_PASSWORD"] not in done.out + done.err + everything


WISHES = """\
version: 1
name: other
target: ova
base: {{file: {base}}}
overlay:
  hostname: other
  timezone: Asia/Tokyo
  users:
    root: {{ssh_keys: ["file:{key}.pub"]}}
    ada: {{uid: 1000, groups: [wheel], password: {{random: true}}}}
  network:
    eth0: {{addresses: [10.0.2.50/24], gateway: 10.0.2.1, dns: [10.0.2.9]}}
  services: {{enable: [docker], mask: [systemd-udevd], disable: [vmtoolsd]}}
  sysctl: {{vm.swappiness: 10}}
  firewall: {{open: [8080/tcp]}}
  files:
    - {{path: /etc/motd, content: "other\\n", mode: "0600"}}
    - {{path: /opt/link, symlink: /etc/motd}}
    - {{path: /etc/profile, absent: true}}
  first_boot:
    - {{name: hello, script: "#!/bin/sh\\necho hello\\n"}}
  mounts:
    - {{source: tmpfs, path: /mnt/scratch, type: tmpfs}}
    - {{source: "10.0.2.99:/nfs", path: /mnt/nfs, type: nfs}}
  kernel: {{add: [audit=0]}}
  docker: {{compose_plugin: base}}
  compose: {{pihole: {{file: ../compose.yaml}}}}
"""
RIGHT = {
    "sshd.service is enabled",
    "sshd.service runs",
    "vmtoolsd.service does not run",
    "eth0 has the router 10.0.2.1",
    "eth0 has its name servers",
    "/root/.ssh is a directory",
    "/var/lib/systemd/timesync/clock has mode 0644 and its owner",
    "the machine boots",
    "the boot comes to its end",
    "the firewall is closed",
    "no unit has failed",
}
"""What is true of the base as it is; the router and the name server come from DHCP."""


def test_a_guest_that_is_not_what_the_spec_says_fails_everywhere(
    bootable: Base, bench: Bench, identity: Path
) -> None:
    """The base itself, against a spec that it was not made from."""
    require("qemu-system-x86_64")
    bench.write("compose.yaml", COMPOSE)
    spec = bench.write("specs/other.yaml", WISHES.format(base=bootable.path, key=identity))
    script = bench.write("never", "echo no; exit 3\n")
    done = bench.run(
        "boot", bootable.path, "--test", spec, "--accel", "tcg", "--cpu", "qemu64", "--once",
        "--json", "--identity", identity, "--run", script,
    )  # fmt: skip
    assert done.code == 11
    rows = json.loads(done.out)["results"]
    assert {row["name"] for row in rows if row["passed"]} <= RIGHT
    wrong = {row["name"]: row["found"] for row in rows if not row["passed"]}
    assert wrong["the host has its name"] == "photon-machine"
    assert wrong["never succeeds"] == "no"
    assert len(wrong) > 40


COMPOSE = """\
services:
  pihole:
    image: stand-in:1
    ports:
      - "53:53/tcp"
      - "53:53/udp"
      - "80:80/tcp"
      - "443:443/tcp"
"""
HOMELAB = """\
version: 1
name: homelab
target: ova
base: {{file: {base}}}
output: {{firmware: bios}}
overlay:
  hostname: pihole
  users: {{root: {{password: {{env: ROOT_PASSWORD}}}}}}
  network:
    eth0: {{addresses: [192.168.0.235/24], gateway: 192.168.0.1, dns: [192.168.0.1]}}
  docker: {{compose_plugin: base}}
  compose: {{pihole: {{file: compose.yaml}}}}
  files:
    - {{path: {dropin}, content: "{clock}"}}
"""
DROPIN = "/etc/systemd/system/systemd-time-wait-sync.service.d/90-no-time-server-here.conf"
CLOCK = r"[Service]\nExecStart=\nExecStart=/usr/bin/true\n"


def test_a_compose_project_serves_the_network(bootable: Base, bench: Bench) -> None:
    """Port 53 is the container's, though systemd-resolved had it, which still resolves."""
    require("qemu-system-x86_64")
    bench.write("compose.yaml", COMPOSE)
    spec = bench.write(
        "homelab.yaml", HOMELAB.format(base=bootable.path, dropin=DROPIN, clock=CLOCK)
    )
    artifact = bench.build(spec, **SECRETS)
    resolve = bench.write("resolve", f"getent ahostsv4 registry.example.org | grep -q {ADDRESS}\n")
    with serve_dns():
        done = bench.run(
            "boot", artifact, "--test", spec, "--accel", "tcg", "--cpu", "qemu64", "--once",
            "--json", "--run", resolve, **SECRETS,
        )  # fmt: skip
    assert done.code == 0, done.err
    names = {row["name"] for row in json.loads(done.out)["results"]}
    assert names >= {
        *(
            f"port {port} answers from outside"
            for port in ("53/tcp", "53/udp", "80/tcp", "443/tcp")
        ),
        "resolve succeeds",
        "photon-builder-compose@pihole.service runs",
        "/etc/resolv.conf is a link",
        "eth0 has its name servers",
        "no unit has failed",
    }


def test_the_chosen_accelerator_runs_guests() -> None:
    """A device that is there and hangs its guests must not be chosen."""
    require("qemu-system-x86_64")
    assert runs_guests(choose_accelerator())
