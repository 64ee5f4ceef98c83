"""The container engine: what is written for the engine that a base has, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from builder import features, targets
from builder.base import find_facts
from builder.changes import Require, WriteFile
from builder.errors import Diagnostic, Severity, SpecError
from builder.facts import facts_of, revisions
from builder.features import docker
from builder.lock import Lock
from builder.plan import make_plan
from builder.rules import check_rules
from builder.spec import load_spec
from builder.targets import ova
from tests.support.judges import judge
from tests.support.wishes import FetchOptions, wish

DAEMON = "/etc/docker/daemon.json"
PROFILE = "/etc/docker/seccomp-photon.json"
KERNEL_OF = {
    "3.0 GA": "4.19",
    "3.0 Rev2": "4.19",
    "3.0 Rev2 Update3": "4.19",
    "3.0 Rev3 Update1": "",
    "4.0 GA": "5.10",
    "4.0 Rev1": "",
    "4.0 Rev2": "",
    "5.0 GA": "",
}
"""Base to the profile without which images of today fail there."""

LISTENING = "/etc/systemd/system/docker.service.d/20-photon-builder-command.conf"
LOCAL = "unix:///var/run/docker.sock"


def on(base: str, daemon: dict[str, Any] | None = None) -> FetchOptions:
    """Return what `docker` with settings means on a base, such as ``3.0 Rev2``."""
    release, _, revision = base.partition(" ")
    value = {} if daemon is None else {"daemon": daemon}
    return wish(docker.FEATURE, value, facts=facts_of(release, revision=revision))


def settings(found: FetchOptions) -> dict[str, Any]:
    """Return what daemon.json says."""
    said: dict[str, Any] = json.loads(found.text(DAEMON))
    return said


def written(found: FetchOptions) -> set[str]:
    """Return the files that are written."""
    return {change.path for change in found.changes if isinstance(change, WriteFile)}


def test_every_published_base_is_in_the_table() -> None:
    assert {f"{row['release']} {row['names'][0]}" for row in revisions()} == set(KERNEL_OF)


@pytest.mark.parametrize("base", KERNEL_OF)
def test_an_old_engine_gets_a_profile_that_images_of_today_run_in(base: str) -> None:
    found = on(base)
    if kernel := KERNEL_OF[base]:
        assert settings(found)["seccomp-profile"] == PROFILE
        assert found.text(PROFILE) == Path(f"builder/data/seccomp-{kernel}.json").read_text()
        assert found.file(PROFILE).mode == 0o644
        assert any("answers EPERM" in reason for reason in found.reasons)
    else:
        assert PROFILE not in written(found)
        assert "seccomp-profile" not in settings(found)


@pytest.mark.parametrize(("base", "kernel"), [("3.0", "4.19"), ("4.0", "5.10"), ("5.0", "")])
def test_a_base_of_the_users_own_gets_the_profile_of_its_release(base: str, kernel: str) -> None:
    assert (PROFILE in written(on(base))) is bool(kernel)


def test_nothing_is_assumed_of_a_base_without_a_release() -> None:
    found = wish(docker.FEATURE, {})
    assert PROFILE not in written(found)
    assert settings(found)["log-driver"] == "json-file"


@pytest.mark.parametrize("value", ["", "/etc/docker/mine.json"])
def test_the_profile_of_the_spec_is_kept(value: str) -> None:
    found = on("3.0 Rev2", {"seccomp-profile": value})
    assert settings(found)["seccomp-profile"] == value
    assert PROFILE not in written(found)
    needs = [change.path for change in found.changes if isinstance(change, Require)]
    assert needs == [value] * bool(value)


@pytest.mark.parametrize("key", ["seccomp-profile", "tlscacert", "tlscert", "tlskey"])
def test_files_that_the_engine_dies_without_are_demanded(key: str) -> None:
    (need,) = [c for c in on("5.0 GA", {key: "/x"}).changes if isinstance(c, Require)]
    assert (need.path, need.code) == ("/x", "DKR002")
    assert on("5.0 GA", {key: "x"}).codes == ["FILE001"]


@pytest.mark.parametrize(("base", "codes"), [("4.0 Rev2", ["DKR002"]), ("5.0 GA", [])])
@pytest.mark.parametrize("word", ["builtin", "unconfined"])
def test_words_for_profiles_are_files_to_an_old_engine(
    word: str, base: str, codes: list[str]
) -> None:
    found = on(base, {"seccomp-profile": word})
    assert found.codes == codes
    assert not [change for change in found.changes if isinstance(change, Require)]


@pytest.mark.parametrize(
    ("base", "driver"),
    [
        ("3.0 GA", "json-file"),
        ("3.0 Rev2", "json-file"),
        ("3.0 Rev2 Update3", "local"),
        ("4.0 GA", "local"),
        ("5.0 GA", "local"),
        ("3.0", "json-file"),
    ],
)
def test_the_log_driver_is_one_that_the_engine_has(base: str, driver: str) -> None:
    found = settings(on(base))
    assert found["log-driver"] == driver
    assert found["log-opts"] == {"max-size": "10m", "max-file": "3"}


def test_a_log_driver_that_the_engine_lacks_is_refused() -> None:
    (fault,) = on("3.0 Rev2", {"log-driver": "local"}).faults
    assert (fault.code, fault.path) == ("DKR001", ("daemon", "log-driver"))
    assert "docker 18.06.2 of Photon 3.0 Rev2" in fault.message
    assert on("3.0 Rev2 Update3", {"log-driver": "local"}).codes == []


def test_docker_settings_take_the_place_of_ours() -> None:
    found = on("5.0 GA", {"log-driver": "journald", "mtu": 1400})
    assert settings(found) == {"log-driver": "journald", "live-restore": True, "mtu": 1400}
    assert wish(docker.FEATURE, {"enable": False}).units()["docker.service"] == "disabled"


@pytest.mark.parametrize(
    ("base", "command"),
    [
        ("3.0 GA", ""),
        ("3.0 Rev2 Update3", "/usr/bin/dockerd --containerd=/run/containerd/containerd.sock"),
        ("5.0 GA", "/usr/bin/dockerd --containerd=/run/containerd/containerd.sock"),
        ("", "/usr/bin/dockerd"),
    ],
)
def test_hosts_take_the_place_of_the_units_own(base: str, command: str, tmp_path: Path) -> None:
    found = on(base, {"hosts": [LOCAL, "tcp://127.0.0.1:2375"]})
    assert found.codes == []
    assert (LISTENING in written(found)) is bool(command)
    if command:
        unit = tmp_path / "docker.service"
        unit.write_text("[Service]\nType=notify\nExecStart=/bin/true -H fd://\n")
        text = found.text(LISTENING)
        assert text.splitlines() == ["[Service]", "ExecStart=", f"ExecStart={command}"]
        (tmp_path / "docker.service.d").mkdir()
        (tmp_path / "docker.service.d/20.conf").write_text(text.replace(command, "/bin/false"))
        judge("systemd-analyze", "verify", "--man=no", unit)
    assert LISTENING not in written(on(base))


def test_an_argument_of_the_unit_is_not_said_twice() -> None:
    found = on("5.0 GA", {"containerd": "/run/other.sock"})
    assert found.text(LISTENING).splitlines()[-1] == "ExecStart=/usr/bin/dockerd -H fd://"
    assert LISTENING not in written(on("3.0 Rev2", {"containerd": "/run/other.sock"}))


def test_a_command_of_the_spec_s_own_is_kept() -> None:
    dropin = "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd --debug\n"
    units = {"docker.service": {"dropins": {"10-mine.conf": dropin}}}
    found = wish(docker.FEATURE, {"daemon": {"hosts": [LOCAL]}}, overlay={"units": units})
    assert LISTENING not in written(found)


@pytest.mark.parametrize(
    ("base", "key", "hint"),
    [
        ("5.0 GA", "log-drivers", "did you mean log-driver?"),
        ("5.0 GA", "host", "did you mean hosts?"),
        ("3.0 Rev2", "features", "drop it, or use a newer base"),
        ("4.0 GA", "ip6tables", "drop it, or use a newer base"),
        ("4.0 Rev2", "proxies", "drop it, or use a newer base"),
        ("5.0 GA", "proxies", ""),
        ("5.0 GA", "registry-mirrors", ""),
        ("4.0", "ip6tables", ""),
        ("5.0 GA", "resolv-conf", ""),
    ],
)
def test_a_key_that_dockerd_stops_at_is_refused(base: str, key: str, hint: str) -> None:
    found = on(base, {key: {}})
    assert [(fault.code, fault.hint) for fault in found.faults] == [("DKR007", hint)] * bool(hint)


def test_a_newer_engine_that_is_installed_knows_more() -> None:
    facts = facts_of("4.0", revision="GA")
    packages = {"packages": ["docker"]}
    found = wish(docker.FEATURE, {"daemon": {"ip6tables": True}}, overlay=packages, facts=facts)
    assert found.codes == []


@pytest.mark.parametrize(
    ("hosts", "codes"),
    [
        ([LOCAL], []),
        (["fd://"], []),
        ([LOCAL, "tcp://0.0.0.0:2375"], ["DKR004"]),
        ([LOCAL, "tcp://:2375"], ["DKR004"]),
        ([LOCAL, "tcp://127.0.0.1:2375"], []),
        (["tcp://127.0.0.1:2375"], ["DKR003"]),
        ("tcp://127.0.0.1:2375", ["DKR003"]),
        ([5], ["DKR003"]),
    ],
)
def test_places_to_listen_are_looked_at(hosts: object, codes: list[str]) -> None:
    assert on("5.0 GA", {"hosts": hosts}).codes == codes


def test_a_project_needs_the_local_socket() -> None:
    daemon = {"daemon": {"hosts": ["tcp://127.0.0.1:2375"]}}
    (alone,) = wish(docker.FEATURE, daemon).faults
    (used,) = wish(docker.FEATURE, daemon, overlay={"compose": {"web": {}}}).faults
    assert (alone.severity, used.severity) == (Severity.WARNING, Severity.ERROR)


def test_an_engine_without_docker_socket_gets_no_socket_from_it() -> None:
    (fault,) = on("3.0 Rev2", {"hosts": ["fd://"]}).faults
    assert (fault.code, fault.path) == ("DKR003", ("daemon", "hosts", 0))


def test_a_port_with_verified_clients_is_no_hole() -> None:
    files = {key: f"/etc/docker/{key}.pem" for key in ("tlscacert", "tlscert", "tlskey")}
    hosts = [LOCAL, "tcp://0.0.0.0:2376"]
    (fault,) = on("5.0 GA", {"hosts": hosts, "tls": True, **files}).faults
    assert (fault.code, fault.severity) == ("DKR004", Severity.WARNING)
    assert on("5.0 GA", {"hosts": hosts, "tlsverify": True, **files}).codes == []


def test_buildkit_is_not_reached_by_the_profile() -> None:
    daemon = {"features": {"buildkit": True}}
    (fault,) = on("3.0 Rev2 Update3", daemon).faults
    assert (fault.code, fault.severity) == ("DKR005", Severity.WARNING)
    assert on("5.0 GA", daemon).codes == []
    assert on("3.0 Rev2 Update3", {**daemon, "seccomp-profile": ""}).codes == []


def test_podman_is_not_reached_by_the_profile(tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    for base, warned in (
        ("{release: '3.0', revision: Rev2 Update3}", True),
        ("{release: '5.0'}", False),
    ):
        path.write_text(f"version: 1\ntarget: ova\nbase: {base}\noverlay: {{packages: [podman]}}\n")
        spec = load_spec(path, targets=targets.discover())
        bases = find_facts(spec, [ova.TARGET], Lock())
        found = {problem.code for problem in check_rules(spec, bases)}
        assert ("DKR005" in found) is warned


def test_compose_that_the_base_lacks_is_missed(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("services: {a: {image: x, restart: always}}\n")
    path = tmp_path / "lab.yaml"
    plugin, static = "docker: {compose_plugin: base}", "docker: {compose_plugin: static}"
    for more, missed in (
        (plugin, True),
        (static, False),
        (f"{plugin}, packages: [docker-compose]", False),
        (f"{plugin}, files: [{{path: /usr/local/bin/docker-compose, source: c.yaml}}]", False),
    ):
        overlay = f"{{compose: {{web: {{file: c.yaml}}}}, {more}}}"
        path.write_text(f"version: 1\ntarget: ova\nbase: {{release: '5.0'}}\noverlay: {overlay}\n")
        spec = load_spec(path, targets=targets.discover())
        found = {each.code for each in check_rules(spec, find_facts(spec, [ova.TARGET], Lock()))}
        assert ("DKR006" in found) is missed, more


def _planned(folder: Path, *overlays: str) -> tuple[Diagnostic, ...]:
    """Return what is wrong with a plan of overlays; an empty tuple when nothing is."""
    for index, text in enumerate(overlays):
        (folder / f"overlays/{index}").mkdir(parents=True)
        (folder / f"overlays/{index}/overlay.yaml").write_text(text)
    path = folder / "specs/lab.yaml"
    path.parent.mkdir()
    listed = ", ".join(f'"{index}"' for index in range(len(overlays)))
    path.write_text(f"version: 1\ntarget: ova\nbase: {{sample: true}}\noverlays: [{listed}]\n")
    spec = load_spec(path, targets=targets.discover())
    try:
        plan = make_plan(spec, features.discover(), facts=facts_of("5.0"))
    except SpecError as error:
        return error.problems
    file = next(c for c in plan.changes if isinstance(c, WriteFile) and c.path == DAEMON)
    with file.content.open() as stream:
        assert json.load(stream).items() >= {"mtu": 1400, "debug": True}.items()
    return ()


def test_settings_of_two_overlays_are_one_file(tmp_path: Path) -> None:
    first = "docker: {daemon: {mtu: 1400}}\n"
    assert _planned(tmp_path / "a", first, "docker: {daemon: {debug: true}}\n") == ()


def test_a_setting_of_a_later_overlay_counts(tmp_path: Path) -> None:
    first = "docker: {daemon: {mtu: 1500, debug: true}}\n"
    assert _planned(tmp_path, first, "docker: {daemon: {mtu: 1400}}\n") == ()
