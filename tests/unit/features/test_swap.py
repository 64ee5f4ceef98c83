"""Swap space on any disk: the script that makes a file, judged by the tools that read one."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from builder import rules, targets
from builder.facts import facts_of
from builder.features import swap
from builder.guest import swap as guest_swap
from builder.guest.install_keys import make_disk_keys
from builder.guest.installer import Installer
from builder.spec import load_spec
from tests.support.judges import judge
from tests.support.wishes import wish

IMAGES = ["ova", "ami", "gce", "azure", "iso-minimal", "rpi"]
DISK = "/dev/sda"


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize(
    "value", ["2GiB", "2 GB", 2, {"size": "2048M"}, {"kind": "file", "size": "2G"}]
)
def test_every_disk_takes_a_swap_file(image: str, value: object) -> None:
    arch = "aarch64" if image == "rpi" else "x86_64"
    found = wish(swap.FEATURE, value, facts=facts_of("5.0", image=image, arch=arch))
    assert found.codes == []
    assert f"ExecStart={guest_swap.SCRIPT} file 2048\n" in found.text(guest_swap.UNIT_PATH)
    assert found.units()[guest_swap.UNIT] == "enabled"
    assert ("resizefs.service" in found.units()) == (image == "rpi")


def run(tmp_path: Path, size: str) -> "subprocess.CompletedProcess[str]":
    """Run the script as the unit does; the file lies in a folder of the test."""
    text = guest_swap.SCRIPT_TEXT.replace(guest_swap.FILE, str(tmp_path / "lib/swap"))
    script, tools = tmp_path / "script", tmp_path / "tools"
    script.write_text(text)
    tools.mkdir(exist_ok=True)
    swapon = tools / "swapon"
    swapon.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/on\n')
    swapon.chmod(0o755)
    path = f"{tools}:{os.environ['PATH']}:/usr/sbin:/sbin"
    return subprocess.run(
        ["sh", script, "file", size],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": path},
    )


def test_the_file_is_swap_space_without_holes_for_root_alone(tmp_path: Path) -> None:
    done = run(tmp_path, "8")
    assert done.returncode == 0, done.stderr
    file = tmp_path / "lib/swap"
    status = file.stat()
    assert (status.st_size, status.st_mode & 0o777) == (8 << 20, 0o600)
    assert status.st_blocks * 512 >= status.st_size
    assert "swap file" in judge("file", file).stdout
    judge("swaplabel", file)
    assert [path.name for path in file.parent.iterdir()] == ["swap"]


def test_the_kernel_takes_the_file_as_swap_space(tmp_path: Path) -> None:
    assert run(tmp_path, "8").returncode == 0
    file = tmp_path / "lib/swap"
    told = judge("blkid", "-p", "-s", "TYPE", "-o", "value", file).stdout
    assert told == "swap\n"
    on = subprocess.run(["/sbin/swapon", file], check=False, capture_output=True, text=True)
    kind = judge("stat", "-f", "-c", "%T", file).stdout.strip()
    if "Operation not permitted" in on.stderr or kind in {"tmpfs", "overlayfs"}:
        pytest.skip(f"turning swap on needs root, and a disk: this is {kind}")
    try:
        assert on.returncode == 0, on.stderr
        sizes = judge("swapon", "--show=NAME,SIZE", "--bytes", "--noheadings").stdout
        assert f"{file} {(8 << 20) - os.sysconf('SC_PAGE_SIZE')}\n" in sizes
    finally:
        subprocess.run(["/sbin/swapoff", file], check=False, capture_output=True)


def test_the_second_boot_turns_the_same_file_on(tmp_path: Path) -> None:
    run(tmp_path, "4")
    file = tmp_path / "lib/swap"
    before = (file.stat().st_ino, file.read_bytes())
    assert run(tmp_path, "4").returncode == 0
    assert (file.stat().st_ino, file.read_bytes()) == before
    assert (tmp_path / "on").read_text() == f"{file}\n" * 2


def test_what_a_power_failure_left_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/swap.new").write_bytes(b"x" * (6 << 20))
    assert run(tmp_path, "4").returncode == 0
    assert (tmp_path / "lib/swap").stat().st_size == 4 << 20
    judge("swaplabel", tmp_path / "lib/swap")


def test_a_disk_without_room_keeps_what_room_it_has(tmp_path: Path) -> None:
    much = str(shutil.disk_usage(tmp_path).total >> 20)
    done = run(tmp_path, much)
    assert done.returncode == 1
    assert f"no room for a swap file of {much} MiB: " in done.stderr
    assert list((tmp_path / "lib").iterdir()) == []
    assert not (tmp_path / "on").exists()


@pytest.mark.parametrize(
    ("value", "image", "code"),
    [
        ({"kind": "zram"}, "ova", "SWAP002"),
        ({"kind": "zram"}, "gce", None),
        ({"kind": "zram"}, "iso-minimal", None),
        ({"kind": "partition"}, "ova", "SWAP003"),
        ({"kind": "none"}, "ova", None),
    ],
)
def test_what_an_image_cannot_do_is_refused(value: object, image: str, code: str | None) -> None:
    found = wish(swap.FEATURE, value, facts=facts_of("5.0", revision="GA", image=image))
    assert found.codes == ([code] if code else [])


def check(folder: Path, body: str, target: str) -> list[tuple[str, str]]:
    """Return code and message of each error."""
    path = folder / "lab.yaml"
    path.write_text(f"version: 1\ntarget: {target}\nbase: {{sample: true}}\n{body}\n")
    spec = load_spec(path, targets=targets.discover())
    return [(p.code, p.message) for p in rules.check_rules(spec) if p.severity == "error"]


def test_a_file_as_large_as_the_disk_is_refused(tmp_path: Path) -> None:
    found = check(tmp_path, "disk: {size: 20}\noverlay: {swap: 20480M}", "ova")
    assert found == [("SWAP004", "a swap file of 20480M does not fit on a disk of 20")]
    assert check(tmp_path, "disk: {size: 20}\noverlay: {swap: 4GB}", "ova") == []


def test_a_swap_partition_of_a_medium_needs_no_mount_point(tmp_path: Path) -> None:
    wanted = "[{mountpoint: /}, {filesystem: swap, size: 2G}, {filesystem: swap, size: 2G}]"
    body = f"install: {{disk: {DISK}, partitions: {wanted}}}"
    assert [code for code, _ in check(tmp_path, body, "iso") if code.startswith("INS")] == []
    entries = [{"mountpoint": "/"}, {"mountpoint": "", "filesystem": "swap", "size": "2G"}]
    keys = make_disk_keys({"disk": DISK, "partitions": entries}, Installer())
    assert keys["partitions"][1] == {"filesystem": "swap", "size": 2048}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{size: 100}", "`mountpoint` is missing"),
        ('{size: 100, mountpoint: ""}', "`mountpoint` is missing"),
        ("{size: 100, filesystem: swap, mountpoint: /swap}", "swap is not mounted"),
        ("{size: 100, filesystem: swap, ab: true}", "no installer makes swap twice"),
    ],
)
def test_partitions_that_stop_an_installer_half_way_are_refused(
    entry: str, message: str, tmp_path: Path
) -> None:
    body = f"install: {{disk: {DISK}, partitions: [{{mountpoint: /}}, {entry}]}}"
    (found,) = [row for row in check(tmp_path, body, "iso") if row[0].startswith("INS")]
    assert found[0] == "INS001"
    assert message in found[1]
