"""The parts of a boot test, each with the other side played by something real."""

import json
import os
import pty
import select
import socket
import struct
import subprocess
import threading
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from builder.boot.access import find_accounts, find_network, free_port
from builder.boot.assertions import compose_checks, make_checks, published_ports
from builder.boot.checks import Check, CheckResult, Match, script_check
from builder.boot.console import Console
from builder.boot.disk import console_blocks
from builder.boot.machine import (
    GuestNetwork,
    PortForward,
    StartOptions,
    VirtualMachine,
    read_machine,
)
from builder.boot.monitor import convert_ppm
from builder.boot.qemu import format_arguments
from builder.boot.report import format_junit, format_result
from builder.boot.trial import port_answers
from builder.errors import FormatError, ToolError, UsageError, VerifyError
from builder.facts import facts_of
from builder.features import discover as discover_features
from builder.formats.disk import MIB, FileDisk
from builder.formats.foreign import find_tool, run_tool, start_tool
from builder.plan import make_plan
from builder.spec import Spec, load_spec
from builder.structs import replace
from builder.targets import discover as discover_targets
from tests.support.bases import Base
from tests.support.judges import judge, require
from tests.support.opened import open_ova

SPEC = """\
version: 1
name: parts
target: ova
base: {file: base.ova}
overlay:
  hostname: parts-1
  users:
    root: {password: {env: PARTS_PASSWORD}}
    ada: {uid: 1000, password: {random: true}}
  network:
    eth0: {addresses: [192.168.7.5/24], gateway: 192.168.7.1, dns: [192.168.7.1, 9.9.9.9]}
  services: {mask: [rpcbind]}
"""


@contextmanager
def shell_on_a_line(*arguments: str) -> Iterator[Console]:
    """A console with a real shell at the other end of a terminal."""
    ours, theirs = socket.socketpair()
    master, slave = pty.openpty()
    command = ["/bin/sh", *(arguments or ("-i",))]
    environment = {"PATH": os.environ["PATH"], "PS1": "# "}
    shell = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
    )
    os.close(slave)
    over = threading.Event()
    carrier = threading.Thread(target=carry, args=(master, theirs, over))
    carrier.start()
    try:
        yield Console(ours, lambda: None)
    finally:
        over.set()
        carrier.join()
        shell.kill()
        shell.wait()
        os.close(master)
        ours.close()
        theirs.close()


def carry(master: int, line: socket.socket, over: threading.Event) -> None:
    """Carry bytes between a terminal and a socket."""
    while not over.is_set():
        ready, _, _ = select.select([master, line.fileno()], [], [], 0.05)
        if master in ready:
            line.sendall(os.read(master, 7))
        if line.fileno() in ready:
            os.write(master, line.recv(4096))


def read_spec(tmp_path: Path) -> Spec:
    path = tmp_path / "parts.yaml"
    path.write_text(SPEC)
    return load_spec(path, targets=discover_targets())


def test_a_command_gives_its_output_and_status() -> None:
    with shell_on_a_line() as console:
        console.open_shell(seconds=10)
        first = console.run("echo one; echo two >&2; false", seconds=10)
        second = console.run("printf '\\033[1mbold\\033[0m'", seconds=10)
    assert (first.code, first.out) == (1, "one\ntwo")
    assert (second.code, second.out) == (0, "bold")


def test_a_command_that_does_not_end_is_reported_with_the_last_lines() -> None:
    with shell_on_a_line() as console:
        console.open_shell(seconds=10)
        console.run("echo the last words", seconds=10)
        with pytest.raises(VerifyError, match=r"waited 0.5 s for the end of `sleep 9`") as caught:
            console.run("sleep 9", seconds=0.5)
    assert any("the last words" in note for note in caught.value.__notes__)


LOGIN = """\
printf 'Last login: '; sleep 0.2; printf 'today\\nhost login: '; read user; stty -echo
printf 'Password: '; read password; stty echo; echo; printf '%s' "{answer}"; sleep 9
"""


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ("Login incorrect", "the guest rejects the password of ada"),
        ("You are required to change your password", "asks ada for a new password"),
    ],
    ids=["wrong", "expired"],
)
def test_a_rejected_login_is_reported(answer: str, wanted: str) -> None:
    with shell_on_a_line("-c", LOGIN.format(answer=answer)) as console:
        with pytest.raises(VerifyError, match=wanted) as caught:
            console.log_in("ada", "s3cret", seconds=5)
        assert "s3cret" not in console.text
    assert any("Last login: today" in note for note in caught.value.__notes__)


@pytest.mark.parametrize(
    ("says", "wanted"),
    [
        ("---[ end Kernel panic - not syncing: VFS: Unable to mount root fs ]---", "kernel panics"),
        ("Give root password for maintenance\n(or press Control-D): ", "stops in emergency mode"),
        ("Press Enter for maintenance\n(or press Control-D): ", "stops in emergency mode"),
        ("Cannot open access to console, the root account is locked.\n", "stops in emergency mode"),
        ("(initramfs) ", "the initrd does not find the root"),
        ("grub rescue> ", "GRUB finds no configuration"),
    ],
)
def test_a_machine_that_cannot_start_ends_the_wait(says: str, wanted: str) -> None:
    with (
        shell_on_a_line("-c", f"printf '%s' '{says}'; sleep 9") as console,
        pytest.raises(VerifyError, match=wanted),
    ):
        console.log_in("ada", "s3cret", seconds=5)


def test_an_accepted_login_opens_a_shell() -> None:
    with shell_on_a_line("-c", LOGIN.format(answer="$user $password # ")) as console:
        console.log_in("ada", "s3cret", seconds=5)
        assert console.text.rstrip().endswith("ada s3cret #")


@pytest.mark.parametrize(
    ("match", "wanted", "out", "accepted"),
    [
        (Match.SAME, "a b", " a\n b\n", True),
        (Match.SAME, "a", "a b", False),
        (Match.WORDS, "10.0.2.15/24", "10.0.2.15/24 fe80::1/64", True),
        (Match.WORDS, "10.0.2.1", "10.0.2.15", False),
        (Match.LINE, "-P INPUT DROP", "-P INPUT DROP\n-A INPUT", True),
        (Match.LINE, "-P INPUT DROP", "-P INPUT DROP more", False),
        (Match.SUCCESS, "", "anything", True),
    ],
)
def test_an_answer_is_compared(match: Match, wanted: str, out: str, *, accepted: bool) -> None:
    assert Check("it", "ask", wanted, match).accepts(0, out) is accepted


def test_a_spec_becomes_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTS_PASSWORD", "only-for-parts")
    spec = read_spec(tmp_path)
    checks = make_checks(spec, make_plan(spec, discover_features(), facts=facts_of("5.0")))
    asked = {check.name: check for check in checks}
    assert asked["the host has its name"].wanted == "parts-1"
    assert asked["eth0 has its addresses"].wanted == "192.168.7.5/24"
    assert asked["rpcbind.service is masked"].wanted == "masked"
    assert list(asked)[-1] == "no unit has failed"
    assert "only-for-parts" not in repr(checks)
    assert "$6$" not in repr(checks)


def test_the_network_has_the_static_address_of_the_spec(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARTS_PASSWORD", "only-for-parts")
    spec = read_spec(tmp_path)
    assert find_network(spec) == GuestNetwork(
        "192.168.7.0/24", "192.168.7.1", "192.168.7.2", "192.168.7.5"
    )
    assert [(one.name, one.password) for one in find_accounts(spec)] == [("root", "only-for-parts")]


def test_the_command_line_has_the_network(tmp_path: Path, small_ova: Base) -> None:
    require("qemu-system-x86_64")
    setting = StartOptions(
        forwards=(PortForward(8080, 80), PortForward(5353, 53, "udp")),
        network=GuestNetwork("192.168.7.0/24", "192.168.7.1", "192.168.7.2", "192.168.7.5"),
    )
    argv = format_arguments(read_machine(small_ova.path), setting, tmp_path)
    assert "hostfwd=tcp:127.0.0.1:8080-192.168.7.5:80" in " ".join(argv)
    assert "vmxnet3,netdev=net0,romfile=" in argv


def test_the_machine_is_what_the_envelope_asks_for(small_ova: Base) -> None:
    machine = read_machine(small_ova.path)
    assert (machine.firmware, machine.cpus, machine.memory_mib) == ("efi", 2, 2048)
    assert machine.adapters == ("vmxnet3",)
    found = json.loads(judge("qemu-img", "info", "--output=json", machine.source).stdout)
    assert (found["format"], found["virtual-size"]) == ("vmdk", small_ova.disk_size)


def test_the_console_is_enabled_in_a_copy_only(small_ova: Base, tmp_path: Path) -> None:
    pieces = console_blocks(small_ova.path, root_shell=True, timestamp=1_700_000_000)
    opened = open_ova(small_ova.path, small_ova.root_offset, tmp_path)
    assert "ttyS0" not in opened.text("/boot/systemd.cfg") + opened.text("/boot/photon.cfg")
    with FileDisk(opened.raw, writable=True) as disk:
        for offset, piece in pieces.items():
            disk.write(offset, piece)
    opened.check()
    kernel = opened.text("/boot/systemd.cfg") + opened.text("/boot/linux-6.1.10-10.ph5-esx.cfg")
    assert "console=ttyS0,115200" in kernel
    assert sum(map(len, pieces.values())) < MIB


def test_a_screen_becomes_a_png() -> None:
    png = convert_ppm(b"P6\n2 2\n255\n" + bytes(range(12)))
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", png[16:24]) == (2, 2)
    start = png.index(b"IDAT") + 4
    assert zlib.decompress(png[start:-16]) == b"\0\0\1\2\3\4\5\0\6\7\x08\t\n\x0b"


@pytest.mark.parametrize("ppm", [b"", b"P5\n1 1\n255\n0", b"P6\n2 2\n255\n12345"])
def test_an_invalid_screen_dump_is_refused(ppm: bytes) -> None:
    with pytest.raises(FormatError):
        convert_ppm(ppm)


def test_a_report_is_valid_xml_with_any_output() -> None:
    bad = CheckResult("first boot", 'a <b> & "c"', passed=False, wanted="x", found="\x1b[0m\0 <y>")
    good = replace(bad, boot="second boot", passed=True)
    tree = ET.fromstring(format_junit("home.ova", [bad, good], "console \x1b[1m]]>"))  # noqa: S314 - our own
    assert [case.get("name") for case in tree.iter("testcase")] == [bad.name, bad.name]
    assert [len(suite.findall("testcase/failure")) for suite in tree] == [1, 0]
    assert tree.findtext("testsuite/system-out") == "console [1m]]>"
    assert "FAIL" in format_result(bad)
    assert "wanted: x" in format_result(bad)


def test_a_failing_tool_is_reported_with_its_last_lines(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="sh: failed with exit status 3") as caught:
        run_tool(["sh", "-c", "echo why >&2; exit 3"])
    assert caught.value.__notes__ == ["why"]
    with pytest.raises(ToolError, match="did not end within 0.1 s"):
        run_tool(["sleep", "5"], seconds=0.1)
    with pytest.raises(ToolError, match="no-such-tool: program not installed"):
        find_tool("no-such-tool")
    with start_tool(["sh", "-c", "echo gone; exit 4"], tmp_path / "log") as running:
        assert running.wait(5)
        with pytest.raises(ToolError, match="status 4"):
            running.check()
    with start_tool(["sleep", "60"], tmp_path / "log") as running:
        assert running.code is None
    assert running.code == -15


@pytest.mark.parametrize(("said", "served"), [(b"hello", True), (b"", False)])
def test_a_port_answers_when_data_comes_back(said: bytes, *, served: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=print_once, args=(server, said))
        thread.start()
        assert port_answers(PortForward(server.getsockname()[1], 80)) is served
        thread.join()
    assert not port_answers(PortForward(free_port(), 80))


def print_once(server: socket.socket, said: bytes) -> None:
    """Say something to the first who comes."""
    connection, _ = server.accept()
    with connection:
        connection.recv(100)
        connection.sendall(said)


@pytest.mark.parametrize("number", [b"", b"x"], ids=["its number", "another number"])
def test_dns_answers_with_the_number_of_the_query(number: bytes) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=echo_once, args=(server, number))
        thread.start()
        assert port_answers(PortForward(server.getsockname()[1], 53, "udp")) is not bool(number)
        thread.join()


def echo_once(server: socket.socket, before: bytes) -> None:
    """Send the first packet back, with something before it."""
    packet, sender = server.recvfrom(512)
    server.sendto(before + packet, sender)


@pytest.mark.parametrize("text", ["80", "0:80", "80:99999", "a:b", "80:80/sctp"])
def test_an_invalid_port_forward_is_refused(text: str) -> None:
    from builder.cli.boot import _forward as parse_forward

    with pytest.raises(UsageError, match="is not a valid port forward"):
        parse_forward(text)


@pytest.mark.parametrize("script", ["a\tb", "x" * 3000, "\x03"], ids=["tab", "long", "control"])
def test_a_script_that_cannot_be_typed_is_refused(script: str) -> None:
    with pytest.raises(UsageError, match="cannot be typed"):
        script_check("mine", script)


@pytest.mark.parametrize(("code", "passed"), [("0", True), ("3", False)])
def test_a_script_of_several_lines_runs_whole(code: str, *, passed: bool) -> None:
    check = script_check("mine", f"echo 'one'\nif true; then\n  echo two\nfi\nexit {code}\n")
    with shell_on_a_line() as console:
        console.open_shell(seconds=10)
        answer = console.run(check.command, seconds=10)
    assert (answer.out, check.accepts(answer.code, answer.out)) == ("one\ntwo", passed)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ("", "autofs"),
        (", options: [nofail]", "nfs"),
        (", options: [nofail, x-systemd.automount, port=1234]", "autofs"),
    ],
)
def test_a_share_is_mounted_or_waits(
    options: str, wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARTS_PASSWORD", "only-for-parts")
    mount = f'{{source: "10.0.2.2:/nfs", path: /mnt/nfs, type: nfs{options}}}'
    path = tmp_path / "parts.yaml"
    path.write_text(f"{SPEC}  mounts: [{mount}]\n")
    spec = load_spec(path, targets=discover_targets())
    checks = make_checks(spec, make_plan(spec, discover_features(), facts=facts_of("5.0")))
    asked = {check.name: check.wanted for check in checks}
    assert asked["/mnt/nfs is mounted"] == wanted


@pytest.mark.parametrize(
    ("state", "more", "passed"),
    [
        ("active yes 5", "", True),
        ("inactive no 5", "", True),
        ("inactive no 0", "", False),
        ("failed yes 5", "", False),
        ("inactive no 0", r"BindsTo=a.service sys-a\x2d.device", True),
        ("inactive no 0", r"Requires=there.device sys-a\x2d.device", True),
        ("inactive no 0", "BindsTo=there.device Requires=a.service", False),
    ],
)
def test_a_unit_that_was_never_started_does_not_run(
    state: str, more: str, *, passed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real shell asks; what the service manager says of the unit is given."""
    monkeypatch.setenv("PARTS_PASSWORD", "only-for-parts")
    path = tmp_path / "parts.yaml"
    path.write_text(SPEC.replace("mask: [rpcbind]", "enable: [rpcbind]"))
    spec = load_spec(path, targets=discover_targets())
    checks = make_checks(spec, make_plan(spec, discover_features(), facts=facts_of("5.0")))
    check = next(check for check in checks if check.name == "rpcbind.service runs")
    names = "ActiveState", "ConditionResult", "ConditionTimestampMonotonic"
    lines = "\n".join([*map("=".join, zip(names, state.split(), strict=True)), more])
    (tmp_path / "state").write_text(f"{lines}\n")
    program = f"""systemctl() {{
        case $1 in show) cat {tmp_path}/state ;; *) test "$3" = there.device ;; esac
    }}; {check.command}"""
    done = judge("sh", "-c", program, check=False)
    assert check.accepts(done.returncode, done.stdout) is passed
    assert ("there is no sys-a\\x2d.device" in done.stdout) is ("sys-a" in more)


def test_a_file_with_an_added_line_is_not_compared_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real shell asks of the file as the image holds it."""
    monkeypatch.setenv("PARTS_PASSWORD", "only-for-parts")
    held = tmp_path / "held.conf"
    entries = f"[{{path: {held}, content: 'a=1'}}, {{path: {held}, lines: [b=2]}}]"
    path = tmp_path / "parts.yaml"
    path.write_text(f"{SPEC}  files: {entries}\n")
    spec = load_spec(path, targets=discover_targets())
    checks = make_checks(spec, make_plan(spec, discover_features(), facts=facts_of("5.0")))
    asked = [check for check in checks if check.name.startswith(f"{held} has")]
    assert len(asked) == 2
    for text, passed in (("a=1\nb=2\n", True), ("a=1\n", False)):
        held.write_text(text)
        held.chmod(0o644)
        answers_of = [(each, judge("sh", "-c", each.command, check=False)) for each in asked]
        accepted = [each.accepts(done.returncode, done.stdout) for each, done in answers_of]
        assert all(accepted) is passed


COMPOSE = """\
services:
  web: {image: "web:1.2.3", ports: ["8080:80", "127.0.0.1:9000:9000", "53:53/udp", "70:70/udp"]}
  tools: {image: "tools:1.2.3", profiles: [debug]}
"""


def test_compose_projects_become_checks_and_port_forwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARTS_PASSWORD", "only-for-parts")
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    path = tmp_path / "parts.yaml"
    path.write_text(f"{SPEC}  compose: {{home: {{file: compose.yaml}}}}\n")
    spec = load_spec(path, targets=discover_targets())
    checks = list(compose_checks(spec))
    assert [check.name for check in checks] == ["web of home runs"]
    assert "label=com.docker.compose.project=home" in checks[0].command
    doors = {(each.guest, each.protocol) for each in published_ports(spec)}
    assert doors == {(8080, "tcp"), (53, "udp")}


def test_a_bare_disk_starts_with_the_firmware_that_it_supports(
    small_ova: Base, tmp_path: Path
) -> None:
    opened = open_ova(small_ova.path, small_ova.root_offset, tmp_path)
    machine = read_machine(opened.raw)
    assert isinstance(machine, VirtualMachine)
    assert (machine.firmware, machine.source_format) == ("bios", "raw")
