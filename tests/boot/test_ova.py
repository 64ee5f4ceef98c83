"""What we build, started: the guest says whether it is what the spec wanted."""

import hashlib
import json
from pathlib import Path

import pytest

from builder.boot.accelerator import choose_accelerator, runs_guests
from builder.boot.access import free_port
from tests.support.bases import Base
from tests.support.judges import judge, require
from tests.support.program import Bench

pytestmark = pytest.mark.slow

SPEC = """\
version: 1
name: home
target: ova
base: {{file: {base}, sha256: {sha256}}}
output: {{firmware: {firmware}}}
overlay:
  hostname: home-1
  timezone: Europe/Amsterdam
  users:
    root:
      password: {{env: ROOT_PASSWORD}}
      ssh_keys: ["file:{key}.pub"]
    ada: {{uid: 1000, groups: [wheel], password: {{env: ADA_PASSWORD}}}}
  network:
    eth0: {{addresses: [10.0.2.15/24], gateway: 10.0.2.2, dns: [10.0.2.3]}}
  services: {{enable: [systemd-networkd], disable: [vmtoolsd], mask: [systemd-timesyncd]}}
  sysctl: {{net.ipv4.ip_forward: 1, vm.swappiness: 10}}
  firewall: {{open: [8080/tcp], ping: true}}
  files:
    - {{path: /opt/app/run, content: "#!/bin/sh\\n", mode: "0755"}}
    - {{path: /usr/lib/app.conf, content: "x\\n", owner: ada, group: wheel}}
  first_boot:
    - {{name: hello, script: "#!/bin/sh\\necho hello\\n"}}
  mounts:
    - {{source: tmpfs, path: /mnt/scratch, type: tmpfs}}
    - {{source: "10.0.2.99:/nfs", path: /mnt/nfs, type: nfs}}
  kernel: {{add: [audit=0]}}
"""
SECRETS = {"ROOT_PASSWORD": "tr0ub4dor-homelab", "ADA_PASSWORD": "correct-horse-7"}
TOLD = {
    "ada logs in with the password",
    "root logs in with the password",
    "root logs in by ssh with a key",
    "the host has its name",
    "the time zone is set",
    "eth0 has its addresses",
    "eth0 has the router 10.0.2.2",
    "eth0 has its name servers",
    "/mnt/scratch is mounted",
    "/mnt/nfs is mounted",
    "systemd-timesyncd.service does not run",
    "the firewall is closed",
    "the kernel has its arguments",
    "no unit has failed",
}
ONLY = {"first boot": "the script hello has run", "second boot": "the script hello stays quiet"}


def build(bench: Bench, base: Base, identity: Path, firmware: str) -> Path:
    text = SPEC.format(
        base=base.path, sha256=base.digests["sha256"], key=identity, firmware=firmware
    )
    return bench.build(bench.write("specs/home.yaml", text), **SECRETS)


@pytest.mark.parametrize(("firmware", "options"), [("bios", []), ("efi", ["--once"])])
def test_the_guest_is_what_the_spec_says_on_every_boot(
    firmware: str, options: list[str], bootable: Base, bench: Bench, identity: Path
) -> None:
    require("qemu-system-x86_64")
    artifact = build(bench, bootable, identity, firmware)
    before = hashlib.sha256(artifact.read_bytes()).hexdigest()
    done = bench.run(
        "boot", artifact, "--test", "specs/home.yaml", "--accel", "tcg", "--json",
        "--identity", identity, "--junit", "junit.xml", "--screenshot", "screen.png",
        *options, **SECRETS,
    )  # fmt: skip
    assert done.code == 0, done.err
    rows = json.loads(done.out)
    boots = ["first boot"] if options else list(ONLY)
    told = {boot: {row["name"] for row in rows if row["boot"] == boot} for boot in boots}
    assert {row["boot"] for row in rows} == set(boots)
    assert all(row["passed"] for row in rows)
    for boot, names in told.items():
        assert names >= TOLD | {ONLY[boot]}
    cases = judge("xmllint", "--xpath", "count(//testcase)", bench.directory / "junit.xml")
    assert int(cases.stdout) == len(rows)
    assert (bench.directory / "screen.png").read_bytes().startswith(b"\x89PNG")
    assert hashlib.sha256(artifact.read_bytes()).hexdigest() == before
    assert SECRETS["ROOT_PASSWORD"] not in done.out + done.err


def test_a_guest_that_is_not_what_the_spec_says_fails(bootable: Base, bench: Bench) -> None:
    """The base itself, whose root password is another and expired, against a spec."""
    require("qemu-system-x86_64")
    text = (
        f"version: 1\ntarget: ova\nbase: {{file: {bootable.path}}}\noverlay: {{hostname: other}}\n"
    )
    spec = bench.write("other.yaml", text)
    done = bench.run("boot", bootable.path, "--test", spec, "--accel", "tcg", "--once", "--json")
    wrong = {row["name"]: row["found"] for row in json.loads(done.out) if not row["passed"]}
    assert done.code == 11
    assert wrong["the host has its name"] == "photon-machine"
    assert "no unit has failed" not in wrong


COMPOSE = """\
services:
  pihole:
    image: stand-in:1
    ports:
      - "53:53/tcp"
      - "53:53/udp"
      - "80:80/tcp"
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
    eth0: {{addresses: [192.168.0.235/24], gateway: 192.168.0.1, dns: [192.168.0.100]}}
  docker: {{compose_plugin: base}}
  compose: {{pihole: {{file: compose.yaml}}}}
  files:
    - {{path: {dropin}, content: "{clock}"}}
"""
DROPIN = "/etc/systemd/system/systemd-time-wait-sync.service.d/90-no-time-server-here.conf"
CLOCK = r"[Service]\nExecStart=\nExecStart=/usr/bin/true\n"


def test_a_compose_project_serves_the_network(bootable: Base, bench: Bench) -> None:
    """Port 53 is the container's, although systemd-resolved had it, and the firewall lets in."""
    require("qemu-system-x86_64")
    bench.write("compose.yaml", COMPOSE)
    spec = bench.write(
        "homelab.yaml", HOMELAB.format(base=bootable.path, dropin=DROPIN, clock=CLOCK)
    )
    artifact = bench.build(spec, **SECRETS)
    ports = {"53/udp": free_port(), "80/tcp": free_port()}
    forwards = [f"--forward={port}:{name}" for name, port in ports.items()]
    done = bench.run(
        "boot", artifact, "--test", spec, "--accel", "tcg", "--once", "--json", *forwards, **SECRETS
    )
    assert done.code == 0, done.err
    names = {row["name"] for row in json.loads(done.out)}
    assert names >= {
        "port 53/udp answers from outside",
        "port 80/tcp answers from outside",
        "photon-builder-compose@pihole.service runs",
        "/etc/resolv.conf is a link",
        "eth0 has its name servers",
        "no unit has failed",
    }


def test_the_chosen_accelerator_runs_guests() -> None:
    """A device that is there and hangs its guests must not be chosen."""
    require("qemu-system-x86_64")
    assert runs_guests(choose_accelerator())
