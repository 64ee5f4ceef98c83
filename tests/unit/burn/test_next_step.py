"""The next step with a finished card, on cards made by sgdisk, mkfs and debugfs."""

from pathlib import Path

import pytest

from builder.burn.devices import Device
from builder.burn.next_step import NextStep, next_step
from builder.formats.disk import MIB
from builder.structs import replace
from tests.support.bases import Recipe, make_base
from tests.support.judges import judge
from tests.support.machines import Machine, stick

ETC, LIB = "/etc/systemd/network", "/usr/lib/systemd/network"
PASSWD = """\
root:x:0:0:root:/root:/bin/bash
far:x:1002:1002::/home/../..:/bin/bash
near:x:1003:1003::home:/bin/bash
daemon:x:1:1:daemon:/var/daemon:/bin/false
$(reboot):x:1001:1001::/home/bad:/bin/bash
ann:x:1000:1000::/home/ann/:/bin/bash
"""
ADDRESS = f"{ETC}/10-a.network"
PLAIN = NextStep("start the machine from it")


@pytest.fixture
def device(tmp_path: Path, base_cache: Path) -> Device:
    base = make_base(base_cache, Recipe(kind="raw", size=512 * MIB))
    path = tmp_path / "card"
    judge("cp", "--sparse=always", base.path, path)
    path.chmod(0o644)
    machine = Machine(tmp_path / "machine")
    stick(machine)
    offset = str(base.root_offset)
    return replace(machine.device("sdb"), name=str(path), size=512 * MIB, serial=offset)


def put(device: Device, folder: Path, files: dict[str, str]) -> None:
    """Put files into the root of a card, as debugfs(8) does; an arrow makes a link."""
    commands = []
    for number, (path, text) in enumerate(files.items()):
        parts = Path(path).parent.parts
        commands += [f"mkdir /{'/'.join(parts[1 : n + 1])}" for n in range(1, len(parts))]
        commands.append(f"rm {path}")
        if text.startswith("-> "):
            commands.append(f"symlink {path} {text[3:]}")
            continue
        (folder / str(number)).write_text(text)
        commands.append(f"write {folder}/{number} {path}")
    (folder / "commands").write_text("\n".join(commands) + "\n")
    disk = f"{device.path}?offset={device.serial}"
    done = judge("debugfs", "-w", "-f", folder / "commands", disk)
    assert "write: " not in done.stderr


def network(*addresses: str) -> str:
    return "[Match]\nName=eth0\n[Network]\n" + "".join(f"Address={each}\n" for each in addresses)


@pytest.mark.parametrize(
    ("files", "address"),
    [
        ({ADDRESS: network("192.168.1.53/24")}, "192.168.1.53"),
        ({ADDRESS: network("fe80::1/64", "2001:db8::5/64")}, "2001:db8::5"),
        ({ADDRESS: network("127.0.0.2/8", "wrong", "10.0.0.9")}, "10.0.0.9"),
        (
            {
                f"{LIB}/05-a.network": network("10.0.0.1/8"),
                f"{LIB}/08-a.network": network("10.2.2.2/8"),
                f"{ETC}/06-a.network": network("10.4.4.4/8"),
            },
            "10.0.0.1",
        ),
        (
            {f"{LIB}/10-a.network": network("10.0.0.1/8"), ADDRESS: network("10.2.2.2/8")},
            "10.2.2.2",
        ),
        (
            {f"{LIB}/10-a.network": network("10.0.0.1/8"), ADDRESS: "-> /dev/null",
             f"{ETC}/20-a.network": network("10.3.3.3/8")},
            "10.3.3.3",
        ),
        ({f"{ETC}/10-a.netdev": network("10.0.0.1/8")}, ""),
        ({ADDRESS: "[Match]\nName=eth0\n[Address]\nAddress = 10.5.5.5/8\n"}, "10.5.5.5"),
        ({ADDRESS: "[Route]\nAddress=10.6.6.6/8\n# Address=10.7.7.7/8\n"}, ""),
    ],
    ids=["plain", "no-link-local", "no-loopback", "by-name", "etc-first", "masked",
         "other-file", "own-section", "other-section"],
)  # fmt: skip
def test_the_address_is_the_one_that_networkd_sets(
    device: Device, files: dict[str, str], address: str, tmp_path: Path
) -> None:
    put(device, tmp_path, {"/etc/hostname": "pi-1\n", **files})
    found = next_step(device)
    if address:
        assert found == NextStep("start pi-1 from it, then log in", f"ssh root@{address}")
    else:
        assert "look for pi-1 in the list of your router" in found.text
        assert found.command == ""


@pytest.mark.parametrize(
    ("keys", "user"),
    [
        ([], "root"),
        (["/home/ann"], "ann"),
        (["/home/ann", "/root"], "root"),
        (["/var/daemon", "/home/bad"], "root"),
    ],
)
def test_the_user_is_the_first_with_an_ssh_key(
    device: Device, keys: list[str], user: str, tmp_path: Path
) -> None:
    files = {f"{home}/.ssh/authorized_keys": "ssh-ed25519 AAAA\n" for home in keys}
    address = {ADDRESS: network("10.0.0.9/8")}
    put(device, tmp_path, {"/etc/passwd": PASSWD, **address, **files})
    assert next_step(device).command == f"ssh {user}@10.0.0.9"


def test_a_card_without_photon_has_no_ssh_command(device: Device, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.touch()
    with other.open("r+b") as stream:
        stream.truncate(64 * MIB)
    assert next_step(replace(device, name=str(other), size=64 * MIB)) == PLAIN
    judge("sgdisk", "-n1:2048:0", other)
    judge("mkfs.ext4", "-q", "-F", "-E", f"offset={MIB}", other, "32M")
    assert next_step(replace(device, name=str(other), size=64 * MIB)) == PLAIN
    assert next_step(replace(device, name=str(tmp_path / "missing"))) == PLAIN
