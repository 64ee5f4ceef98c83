"""A real dockerd with the settings that a plan writes, and what a container may do then.

The engine is Debian's 20.10: newer than those that need the profile, with the same reader of
profiles and of daemon.json. Its own profile answers ENOSYS, too, so the calls that tell whose
filter is loaded are personality (EPERM by its own) and io_uring_setup (allowed by its own).
"""

import json
from pathlib import Path
from typing import Any

import pytest

from builder.facts import facts_of
from builder.features import docker
from builder.guest.compose import shared as compose_shared
from tests.support.engine import HEAD, IMAGE, engine_tree, run_engine
from tests.support.wishes import FetchOptions, wish

pytestmark = pytest.mark.slow
__all__ = ["engine_tree"]

PROBE = """\
import ctypes, errno, json, os, threading
libc = ctypes.CDLL(None, use_errno=True)
def call(*words):
    return "ok" if libc.syscall(*words) >= 0 else errno.errorcode[ctypes.get_errno()]
calls = {
    "clone3": (435, 0, 0), "faccessat2": (439, -100, b"/", 0, 0), "unknown": (999,),
    "personality": (135, 0x40000), "io_uring_setup": (425, 0, 0), "keyctl": (250, 0, 0, 0),
    "add_key": (248, 0, 0, 0, 0, 0), "userfaultfd": (323, 0), "mount": (165, 0, 0, 0, 0, 0),
    "unshare": (272, 0x10000000), "listener": (317, 1, 8, 0),
}
found = {name: call(*words) for name, words in calls.items()}
thread = threading.Thread(target=lambda: found.update(thread="ok"))
thread.start()
thread.join()
print(json.dumps(found))
"""
SCRIPT = f"""{HEAD}{IMAGE}
docker info --format '{{{{json .SecurityOptions}}}} {{{{.LoggingDriver}}}}'
run machine python3 /probe
run --cap-add SYS_ADMIN machine python3 /probe
run --read-only --tmpfs /tmp --cap-drop ALL --user 1000 machine python3 /probe
"""
LISTENING = "/etc/systemd/system/docker.service.d/20-photon-builder-command.conf"
HOSTS = ["unix:///var/run/docker.sock", "tcp://127.0.0.1:2375"]
UNIT = "/usr/sbin/dockerd -H unix:///run/docker.sock"
"""A command of a unit with a place to listen of its own; there is no systemd to give a socket."""


def on(release: str, revision: str, **daemon: object) -> tuple[FetchOptions, dict[str, str]]:
    """Return what `docker` means on a base, and the files that it writes below /etc/docker."""
    facts = facts_of(release, revision=revision)
    found = wish(docker.FEATURE, {"daemon": daemon}, facts=facts)
    paths = {change.subject.removeprefix("path ") for change in found.changes}
    return found, {path: found.text(path) for path in paths if path.startswith("/etc/docker/")}


def answers(line: str) -> dict[str, Any]:
    """Return what a probe printed."""
    said: dict[str, Any] = json.loads(line)
    return said


@pytest.mark.parametrize(
    ("release", "revision", "listener"),
    [("3.0", "Rev2 Update3", "EFAULT"), ("3.0", "Rev2", "EFAULT"), ("4.0", "GA", "EPERM")],
)
def test_containers_of_an_old_engine_can_do_what_images_of_today_need(
    release: str, revision: str, listener: str, engine_tree: Path, tmp_path: Path
) -> None:
    found, files = on(release, revision)
    said = run_engine(engine_tree, tmp_path, {**files, "/probe": PROBE}, SCRIPT).splitlines()
    driver = json.loads(found.text("/etc/docker/daemon.json"))["log-driver"]
    profile = '"name=seccomp,profile=/etc/docker/seccomp-photon.json"'
    assert said[0] == f"[{profile}] {driver}", said
    refused = ("io_uring_setup", "keyctl", "add_key", "userfaultfd", "mount", "unshare")
    usual = {
        **dict.fromkeys(refused, "EPERM"),
        **dict.fromkeys(("clone3", "unknown", "personality"), "ENOSYS"),
        **dict.fromkeys(("faccessat2", "thread"), "ok"),
        "listener": listener,
    }
    assert answers(said[1]) == usual
    assert answers(said[2]) == {**usual, "mount": "EFAULT", "clone3": "EINVAL", "unshare": "ok"}
    assert answers(said[3]) == usual


def test_places_to_listen_are_dockerd_s_to_read(engine_tree: Path, tmp_path: Path) -> None:
    found, files = on("5.0", "GA", hosts=HOSTS)
    start = HEAD + "docker -H tcp://127.0.0.1:2375 version --format '{{.Server.Version}}'\n"
    command = found.text(LISTENING).splitlines()[-1].removeprefix("ExecStart=")
    command = command.replace("/usr/bin/", "/usr/sbin/")
    start = "containerd >/dev/null 2>&1 &\n" + start
    said = run_engine(engine_tree, tmp_path / "ours", files, start.replace("dockerd", command, 1))
    assert said.startswith("20.10."), said
    refused = run_engine(engine_tree, tmp_path / "as", files, start.replace("dockerd", UNIT, 1))
    assert "directives are specified both as a flag and in the configuration file: hosts" in refused


def test_a_missing_profile_keeps_dockerd_from_starting(engine_tree: Path, tmp_path: Path) -> None:
    """So the plan demands the file of the spec's own key."""
    _, files = on("3.0", "Rev2 Update3", **{"seccomp-profile": "/etc/docker/mine.json"})
    assert "opening seccomp profile" in run_engine(engine_tree, tmp_path / "a", files, HEAD)
    _, files = on("3.0", "Rev2 Update3", **{"seccomp-profile": ""})
    info = HEAD + "docker info --format '{{json .SecurityOptions}}'\n"
    said = run_engine(engine_tree, tmp_path / "b", files, info)
    assert said == '["name=seccomp,profile=default"]\n'


def test_dockerd_knows_the_keys_of_the_table(engine_tree: Path, tmp_path: Path) -> None:
    first = facts_of("").daemon_keys
    known = {key: None for key, docker in first.items() if docker in {"18.06", "19.03", "20.10"}}
    files = {"/etc/docker/daemon.json": json.dumps(known)}
    said = run_engine(engine_tree, tmp_path / "known", files, HEAD)
    assert "specified both as a flag and in the configuration file" in said
    files = {"/etc/docker/daemon.json": json.dumps({"proxies": None, "log-drivers": None})}
    said = run_engine(engine_tree, tmp_path / "unknown", files, HEAD)
    assert "match any configuration option" in said
    assert "proxies" in said
    assert "log-drivers" in said


def test_shared_networks_and_volumes_are_made_once(engine_tree: Path, tmp_path: Path) -> None:
    commands = []
    for kind in compose_shared.KINDS:
        unit = compose_shared.format_unit(kind)
        (command,) = (line for line in unit.splitlines() if line.startswith("ExecStart="))
        commands.append(command.removeprefix("ExecStart=").replace("%i", "proxy.1"))
    asked = ["docker network ls --format '{{.Name}}'", "docker volume ls --format '{{.Name}}'"]
    script = HEAD + "\n".join(f"{line} >/dev/null" for line in commands * 2) + "\n"
    said = run_engine(engine_tree, tmp_path, {}, script + "\n".join(asked) + "\n")
    assert sorted(said.split()) == ["host", "none", "proxy.1", "proxy.1"]
