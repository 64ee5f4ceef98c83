"""Media that install by themselves, the systems that they leave, and how those differ from ours.

The medium starts under BIOS and UEFI, the stand-in for Photon's installer obeys the kickstart,
the installed disk is started and asked; an appliance with the same overlay gets the same questions.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.bases import Base
from tests.support.boot_medium import DOCKER
from tests.support.home import ONLY, SECRETS, TOLD, write_spec
from tests.support.judges import judge, require
from tests.support.program import Bench

pytestmark = pytest.mark.slow

INSTALL = "target: iso\ninstall: {{disk: /dev/sda, serial: ttyS0, timeout: 1, {more}}}"
FIRMWARE = {
    "bios": "kernel_arguments: [stand-in.postinstall=first]",
    "efi": "bootmode: efi, kernel_arguments: [stand-in.postinstall=last]",
}
"""Firmware to what its installation does otherwise; the installer's modules have no order."""
PUBLISHED = "photon-5.0-dde71ec57.x86_64.iso"
"""The name by which the medium is known to be that of 5.0 GA."""

WHEN = re.compile(r"(?<=TimestampMonotonic=)[1-9]\d*")
FACTS = """\
getent passwd | sort
getent group | sort
getent shadow root ada | cut -d : -f 1,3-9
systemctl --root=/ list-unit-files --plain --no-legend --no-pager \\
  --state=enabled,disabled,masked | grep -v photon-builder-installed
networkctl --no-legend --no-pager list
ip -o addr show dev eth0 | tr -s ' ' | cut -d ' ' -f 2-4
ip route
findmnt -rn -o TARGET,FSTYPE | grep -v efivarfs | sort
echo "$(cat /etc/hostname)"
stat -c '%n %a %u:%g' /etc/shadow /etc/ssh/sshd_config /root /root/.ssh /home/ada
sshd -T | grep -E '^(permitrootlogin|passwordauthentication)'
"""
APART = {
    "/boot/efi/boot/grub2/grub.cfg": "names the filesystem",
    "/boot/grub2/grub.cfg": "names the partition",
    "/etc/fstab": "names the partitions",
    "/etc/hostname": "has no new line by the installer",
    "/etc/hosts": "has the installer's line too",
    "/etc/login.defs": "has the age that the installer sets for all",
    "/etc/machine-id": "is drawn by the installer",
    "/etc/resolv.conf": "is removed by the installer; the first boot makes it",
    "/etc/ssh/sshd_config": "has PermitRootLogin yes in the appliance as published, no elsewhere",
    "/etc/group-": "", "/etc/gshadow": "", "/etc/gshadow-": "", "/etc/passwd-": "",
    "/etc/shadow": "", "/etc/shadow-": "rewritten by the installer's pwconv and grpconv",
    "/etc/ld.so.cache": "", "/var/cache/ldconfig/aux-cache": "is written by ldconfig",
    "/etc/systemd/system/multi-user.target.wants/photon-builder-installed.service": "",
    "/etc/systemd/system/photon-builder-installed.service": "tells of the installation",
    "/etc/systemd/system/sysinit.target.wants/systemd-network-generator.service": "",
    "/etc/systemd/system/sysinit.target.wants/systemd-resolved.service": "/lib is /usr/lib",
    "/usr/libexec/photon-builder/installed": "tells of the installation",
    "/var/lib/photon-builder": "", "/var/lib/photon-builder/install": "",
    "/var/lib/photon-builder/install/log": "",
    "/var/lib/photon-builder/install/record": "are what it tells from",
}  # fmt: skip
"""Paths in which an installed disk may differ from an edited one, and why."""


@dataclass(frozen=True, slots=True)
class Home:
    """A guest that was asked.

    Attributes:
        disk: The artifact, or what was installed.
        rows: The answers.
        console: What the console said.
    """

    disk: Path
    rows: list[dict[str, Any]]
    console: str

    @property
    def answers(self) -> dict[str, str]:
        """The answers of the first boot by question; when a unit started is no part of them."""
        return {
            row["name"]: WHEN.sub("at some time", row["found"])
            for row in self.rows
            if row["boot"] == "first boot"
        }


def ask(folder: Path, key: Path, base: Base | Path, head: str, *options: str) -> Home:
    """Build, start, and ask once."""
    require("qemu-system-x86_64")
    bench = Bench(folder)
    spec = write_spec(bench, base, head, key)
    artifact = bench.build(spec, **SECRETS)
    facts = bench.write("facts", FACTS)
    done = bench.run(
        "boot", artifact, "--test", spec, "--accel", "tcg", "--cpu", "qemu64", "--once", "--json",
        "--identity", key, "--run", facts, "--report", "report", *options, **SECRETS,
    )  # fmt: skip
    console = (folder / "report/console.log").read_text()
    assert done.code == 0, f"{done.err}\n{console[-3000:]}"
    disk = folder / "disk.raw"
    return Home(disk if disk.exists() else artifact, json.loads(done.out)["results"], console)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private key for all."""
    path = tmp_path_factory.mktemp("key") / "id"
    judge("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test@example.org", "-f", path)
    return path


@pytest.fixture(scope="module")
def edited(bootable: Base, key: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """An appliance under UEFI."""
    folder = tmp_path_factory.mktemp("edited")
    return ask(folder, key, bootable, "target: ova\noutput: {firmware: efi}")


@pytest.fixture(scope="module", params=FIRMWARE)
def installed(
    request: pytest.FixtureRequest,
    boot_medium: Path,
    key: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Home:
    """What a medium has installed, under either firmware."""
    folder = tmp_path_factory.mktemp(f"installed-{request.param}")
    head = INSTALL.format(more=FIRMWARE[request.param])
    options = ("--firmware", request.param, "--disk", "disk.raw")
    medium = folder / PUBLISHED
    medium.symlink_to(boot_medium)
    home = ask(folder, key, medium, head, *options)
    assert f"stand-in installer: firmware {request.param}" in home.console
    return home


def test_the_appliance_is_what_the_spec_says_under_uefi(edited: Home) -> None:
    assert edited.answers.keys() >= TOLD | {ONLY["first boot"]}


def test_a_medium_installs_what_the_spec_says(installed: Home) -> None:
    assert installed.rows[0]["boot"] == "installation"
    assert "ks=cdrom:/photon-builder/ks.json" in installed.console
    assert " steps, 0 failed" in installed.console
    assert installed.answers.keys() >= TOLD | {ONLY["first boot"]}


def test_both_carriers_give_the_same_answers(edited: Home, installed: Home) -> None:
    """But for the partition that the kernel's command line names."""
    ours, theirs = edited.answers, installed.answers
    facts = [set(answers.pop("facts succeeds").splitlines()) for answers in (ours, theirs)]
    assert "ada:x:1000:100::/home/ada:/bin/bash" in facts[0]
    assert facts[0] ^ facts[1] == set()
    command = "the kernel has its arguments"
    words = [set(answers.pop(command).split()) for answers in (ours, theirs)]
    assert {word.partition("=")[0] for word in words[0] ^ words[1]} == {"root"}
    assert ours == theirs


def test_the_installed_disk_is_the_edited_one(edited: Home, installed: Home) -> None:
    """But for what the installer does to every disk, and what tells of the installation."""
    done = Bench(edited.disk.parent).run("diff", edited.disk, installed.disk, "--json")
    paths = {row["path"] for row in json.loads(done.out)["differences"]}
    apart = {path for path in paths if not path.startswith(DOCKER)}
    assert apart <= APART.keys()
    assert "/etc/fstab" in apart
