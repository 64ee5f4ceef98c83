"""What machine an artifact gets, and what QEMU itself says of the command line."""

import os
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.boot.console import open_console
from builder.boot.disk import installed_machine, make_empty_disk, open_disk
from builder.boot.machine import Architecture, StartOptions, VirtualMachine, read_machine
from builder.boot.qemu import format_arguments, runs_guests
from builder.boot.session import start_machine
from builder.boot.trial import install
from builder.errors import FormatError, ToolError, UsageError, VerifyError
from builder.formats.disk import GIB, SECTOR, FileDisk
from builder.formats.foreign import start_tool
from builder.structs import replace
from tests.support.bases import Base
from tests.support.isos import make_iso
from tests.support.judges import judge, require
from tests.support.opened import open_ova
from tests.support.program import Bench

HALT = b"\xb0\x21\xe6\xf4\xf4"
"""Says a number to a debug port that is not there, and stops the processor."""
RESTART = b"\xb0\xfe\xe6\x64\xf4"
"""Asks the keyboard controller for a reset."""


def write_sector(path: Path, code: bytes) -> None:
    """Write a disk whose first sector runs."""
    with path.open("wb") as stream:
        stream.write(code.ljust(SECTOR - 2, b"\0") + b"\x55\xaa")
        stream.truncate(1 << 20)


def boot_image(tmp_path: Path, code: bytes) -> Path:
    """Return a medium whose boot image runs."""
    image = tmp_path / "tree/boot.bin"
    image.parent.mkdir()
    image.write_bytes(code.ljust(2048, b"\0"))
    made = tmp_path / "made.iso"
    judge(
        "genisoimage", "-quiet", "-R", "-b", "boot.bin", "-no-emul-boot", "-boot-load-size", "4",
        "-o", made, image.parent,
    )  # fmt: skip
    return made


@pytest.mark.parametrize(("kind", "firmware"), [("photon", "bios"), ("hybrid-gpt", "bios")])
def test_a_medium_gets_an_empty_disk_and_the_firmware_that_starts_it(
    kind: str, firmware: str, base_cache: Path
) -> None:
    machine = read_machine(make_iso(base_cache, kind))
    assert (machine.source, machine.firmware) == ("", firmware)
    assert machine.medium.endswith(".iso")


def test_a_medium_without_boot_catalog_is_refused(base_cache: Path) -> None:
    with pytest.raises(FormatError, match="no boot catalog"):
        read_machine(make_iso(base_cache, "plain"))


@pytest.mark.parametrize(
    ("disk", "device"),
    [("sda", "pvscsi"), ("nvme0n1", "nvme"), ("vda", "virtio-blk-pci")],
)
def test_the_disk_has_the_name_of_the_spec(disk: str, device: str, tmp_path: Path) -> None:
    require("qemu-system-x86_64")
    machine = VirtualMachine("home", medium="/dev/null", disk=disk)
    argv = " ".join(format_arguments(machine, StartOptions(), tmp_path))
    assert device in argv
    assert "media=cdrom" in argv


@pytest.mark.parametrize(
    ("architecture", "setting", "cpu"),
    [
        ("x86_64", StartOptions(), "max,la57=off"),
        ("x86_64", StartOptions("kvm"), "host"),
        ("x86_64", StartOptions("kvm", cpu="Nehalem"), "Nehalem"),
        ("aarch64", StartOptions(), "cortex-a72"),
        ("aarch64", StartOptions(cpu="cortex-a53"), "cortex-a53"),
    ],
)
def test_the_processor_can_be_chosen(
    architecture: Architecture, setting: StartOptions, cpu: str, tmp_path: Path
) -> None:
    require("qemu-system-aarch64")
    machine = VirtualMachine("home", source="disk", architecture=architecture, firmware="efi")
    arguments = format_arguments(machine, setting, tmp_path)
    assert arguments[arguments.index("-cpu") + 1] == cpu


def test_a_board_s_disk_gets_a_machine_of_its_kind(tmp_path: Path) -> None:
    require("qemu-system-aarch64")
    machine = VirtualMachine("pi", source="disk", architecture="aarch64", firmware="efi")
    argv = " ".join(format_arguments(machine, StartOptions(), tmp_path))
    assert "-machine virt" in argv
    assert "AAVMF" in argv or "edk2" in argv
    assert machine.console == "ttyAMA0"


def test_a_packed_disk_is_unpacked_for_its_machine(small_ova: Base, tmp_path: Path) -> None:
    opened = open_ova(small_ova.path, small_ova.root_offset, tmp_path)
    packed = tmp_path / "disk.raw.gz"
    judge("sh", "-c", f"head -c 64M {opened.raw} | gzip -1 > {packed}")
    with open_disk(packed) as disk:
        assert disk != packed
        with FileDisk(disk) as left, FileDisk(opened.raw) as right:
            assert left.size == 64 << 20
            assert left.read(0, 1 << 20) == right.read(0, 1 << 20)
        assert disk.stat().st_blocks * SECTOR < left.size
    assert not disk.exists()
    with open_disk(opened.raw) as same:
        assert same == opened.raw


def test_a_medium_that_restarts_the_machine_has_installed(tmp_path: Path) -> None:
    require("qemu-system-x86_64")
    machine = read_machine(boot_image(tmp_path, RESTART))
    disk = tmp_path / "disk.raw"
    make_empty_disk(disk)
    result, _ = install(machine, StartOptions(disk=disk), seconds=60, at_end=lambda _: None)
    assert (result.boot, result.passed) == ("installation", True)
    with pytest.raises(VerifyError, match="the installed disk"):
        installed_machine(machine, disk)


def test_a_medium_that_does_not_end_has_failed(tmp_path: Path) -> None:
    require("qemu-system-x86_64")
    machine = read_machine(boot_image(tmp_path, HALT))
    disk = tmp_path / "disk.raw"
    make_empty_disk(disk)
    seen = tmp_path / "screen.png"
    result, _ = install(
        machine,
        StartOptions(disk=disk),
        seconds=4,
        at_end=lambda session: session.take_screenshot(seen),
    )
    assert not result.passed
    assert "waited 4 s for the end of the installation" in result.found
    assert seen.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("test", [False, True])
def test_a_program_that_is_killed_leaves_no_machine_behind(test: bool, tmp_path: Path) -> None:
    require("qemu-system-x86_64")
    bench = Bench(tmp_path)
    medium = boot_image(tmp_path, HALT)
    spec = tmp_path / "killed.yaml"
    spec.write_text(
        "version: 1\nname: killed\ntarget: iso\nbase: {file: made.iso}\ninstall: {disk: /dev/sda}\n"
    )
    options: list[str | Path] = ["--test", spec] if test else []
    command = bench.command("boot", medium, "--accel", "tcg", *options)
    started = subprocess.Popen(
        command,
        env=bench.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: machines_with(medium), seconds=30)
        started.kill()
        started.wait()
        wait_for(lambda: not machines_with(medium), seconds=10)
    finally:
        started.kill()
        for each in machines_with(medium):
            os.kill(each, signal.SIGKILL)


def machines_with(medium: Path) -> list[int]:
    """Return the numbers of the QEMU processes that have this medium."""
    found = judge("ps", "-eo", "pid=,stat=,args=", "-ww").stdout.splitlines()
    fields = [line.split(None, 2) for line in found if f"file={medium}" in line]
    return [int(pid) for pid, state, args in fields if "qemu-system" in args and "Z" not in state]


def wait_for(condition: Callable[[], object], *, seconds: float) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


def test_an_installation_takes_a_new_disk_only(tmp_path: Path) -> None:
    disk = tmp_path / "disk.raw"
    make_empty_disk(disk)
    assert disk.stat().st_size == 16 * GIB
    with pytest.raises(UsageError, match="exists already"):
        make_empty_disk(disk)


def test_writes_of_the_guest_stay_in_the_overlay(tmp_path: Path) -> None:
    """A guest that is switched off in the middle: the disk is as it was, the console is over."""
    require("qemu-system-x86_64")
    path = tmp_path / "disk.raw"
    write_sector(path, RESTART)
    before = path.read_bytes()
    machine = replace(read_machine_of(path), memory_mib=64)
    with start_machine(
        machine, StartOptions(ends_at_restart=True), {0: before[:SECTOR]}
    ) as session:
        session.console.expect_end(seconds=60, what="the end")
        with pytest.raises(VerifyError, match="switched off"):
            session.console.expect("never", seconds=1, what="nothing")
    assert path.read_bytes() == before


def test_an_error_of_qemu_is_reported_in_its_words(tmp_path: Path) -> None:
    require("qemu-system-x86_64")
    path = tmp_path / "disk.raw"
    write_sector(path, RESTART)
    with (
        pytest.raises(ToolError, match="failed with exit status 1") as caught,
        start_machine(read_machine_of(path), StartOptions(cpu="i4004"), {}),
    ):
        pass
    assert "unable to find CPU model 'i4004'" in "".join(caught.value.__notes__)


def read_machine_of(path: Path) -> VirtualMachine:
    """Return a machine with a disk that holds no partitions."""
    return VirtualMachine("bare", source=str(path), source_format="raw")


def test_a_processor_that_hangs_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A QEMU whose guest gets nowhere, and which does not end when it is asked to."""
    fake = tmp_path / "qemu-system-x86_64"
    fake.write_text("#!/bin/sh\ntrap '' TERM INT\nwhile :; do sleep 1; done\n")
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    begun = time.monotonic()
    assert not runs_guests("kvm", seconds=0.5)
    assert time.monotonic() - begun < 10


def test_the_console_of_an_ended_machine_is_an_error(tmp_path: Path) -> None:
    with start_tool(["sh", "-c", "exit 0"], tmp_path / "log") as running:
        running.wait(5)
        with (
            pytest.raises(FileNotFoundError),
            open_console(tmp_path / "nothing", running.check, seconds=0.3),
        ):
            pass
