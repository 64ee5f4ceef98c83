import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Unpack

import pytest

from builder.blob import Download
from builder.changes import EnsureLine, Remove, WriteFile
from builder.documents import parse_document
from builder.errors import Severity
from builder.features import compose
from builder.features.compose.host import DIGESTS
from builder.guest.compose import iter_published
from builder.guest.compose.dotenv import parse_env
from builder.guest.compose.files import iter_local_files
from builder.image_names import Pin
from tests.support.judges import judge
from tests.support.manager import run_manager
from tests.support.wishes import FetchOptions, Known, wish

PIHOLE = """\
services:
  pihole:
    image: pihole/pihole:2026.04.0
    ports: ["53:53/tcp", "53:53/udp", "80:80/tcp"]
    environment:
      PW: ${PIHOLE_PASSWORD:?set it}
    env_file: app.env
    volumes: ["./etc-pihole:/etc/pihole", "named:/data", "/abs:/abs"]
configs:
  c: {file: ./conf/c.txt}
"""
ENV = {"PIHOLE_PASSWORD": {"env": "PIHOLE_PASSWORD"}}


def _wish(
    directory: Path,
    text: str = PIHOLE,
    settings: Mapping[str, object] = MappingProxyType({}),
    overlay: Mapping[str, object] = MappingProxyType({}),
    **known: Unpack[Known],
) -> FetchOptions:
    (directory / "compose.yml").write_text(text)
    value = {"pihole": {"file": "compose.yml", **settings}}
    return wish(compose.FEATURE, value, directory, overlay=overlay, **known)


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIHOLE_PASSWORD", "it's a secret")


def test_a_project_is_copied_with_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "etc-pihole").mkdir()
    (tmp_path / "etc-pihole/x.list").write_text("x")
    (tmp_path / "app.env").write_text("A=1\n")
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/c.txt").write_text("c")
    found = _wish(tmp_path, settings={"env": ENV})
    assert found.codes == []
    assert found.text("/opt/compose/pihole/compose.yaml") == PIHOLE
    assert found.text("/opt/compose/pihole/etc-pihole/x.list") == "x"
    assert found.text("/opt/compose/pihole/conf/c.txt") == "c"
    assert found.file("/opt/compose/pihole/app.env").secret
    env = found.file("/opt/compose/pihole/.env")
    assert (env.mode, env.secret) == (0o600, True)
    assert found.text(env.path) == 'PIHOLE_PASSWORD="it\'s a secret"\n'


def test_an_env_file_beside_it_is_kept_and_overruled(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# mine\nTAG=1\nPIHOLE_PASSWORD=old\n")
    found = _wish(tmp_path, settings={"env": {"PIHOLE_PASSWORD": {"env": "PIHOLE_PASSWORD"}}})
    text = found.text("/opt/compose/pihole/.env")
    assert text == 'PIHOLE_PASSWORD="it\'s a secret"\n# mine\nTAG=1\n'


def test_a_env_file_may_stand_on_what_the_spec_says(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=1\nDNS=${PORT}\n")
    text = 'services: {a: {image: x, ports: ["${DNS}:53/udp"]}}\n'
    found = _wish(tmp_path, text, {"env": {"PORT": 53}})
    assert found.codes == []
    assert "compose.pihole publishes 53/udp" in found.reasons
    assert parse_env(found.text("/opt/compose/pihole/.env")).variables == {
        "PORT": "53",
        "DNS": "53",
    }


def test_a_env_file_that_compose_refuses_is_shown_with_its_line(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\nB='x\n")
    (fault,) = _wish(tmp_path, "services: {a: {image: x}}\n").faults
    assert (fault.code, fault.excerpt) == ("CMP026", "")
    assert str(fault.place) == f"{tmp_path / '.env'}:2:1"


def test_port_53_turns_the_stub_off_and_says_why(tmp_path: Path) -> None:
    found = _wish(tmp_path, settings={"env": ENV})
    assert "DNSStubListener=no" in found.text("/etc/systemd/resolved.conf.d/10-photon-builder.conf")
    assert found.links()["/etc/resolv.conf"] == "../run/systemd/resolve/resolv.conf"
    assert "compose.pihole publishes 53/tcp" in found.reasons


@pytest.mark.parametrize("port", ["80:80", "192.168.1.5:53:53", "153:53/udp", "53"])
def test_other_ports_leave_the_stub_alone(port: str, tmp_path: Path) -> None:
    found = _wish(tmp_path, f'services: {{a: {{image: x, ports: ["{port}"]}}}}\n')
    assert "/etc/resolv.conf" not in found.links()


def test_a_project_brings_docker_its_unit_and_the_clock(tmp_path: Path) -> None:
    found = _wish(tmp_path, settings={"env": ENV}, release="5.0")
    assert found.units() == {
        "docker.service": "enabled",
        "photon-builder-compose@pihole.service": "enabled",
        "systemd-timesyncd.service": "enabled",
        "systemd-time-wait-sync.service": "enabled",
    }
    unit = found.text("/etc/systemd/system/photon-builder-compose@.service")
    assert "ExecStart=/usr/bin/docker compose --project-name %i up" in unit
    settings = json.loads(found.text("/etc/docker/daemon.json"))
    assert settings["log-driver"] == "local"
    assert "-A INPUT -i br-+ -j ACCEPT" in found.lines("/etc/systemd/scripts/ip4save")
    assert found.text("/etc/systemd/system/docker.service.d/10-photon-builder.conf").endswith(
        "After=iptables.service\n"
    )


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_the_plugin_is_a_pinned_download(arch: str, tmp_path: Path) -> None:
    found = _wish(tmp_path, settings={"env": ENV}, arch=arch)
    plugin = found.file("/usr/local/lib/docker/cli-plugins/docker-compose")
    assert isinstance(plugin.content.source, Download)
    assert plugin.content.source.url.endswith(f"/v2.33.1/docker-compose-linux-{arch}")
    assert (plugin.content.sha256, plugin.mode) == (DIGESTS[arch], 0o755)


@pytest.mark.parametrize("plugin", [True, False])
@pytest.mark.parametrize("release", ["3.0", "5.0"])
def test_the_bases_own_compose_can_be_kept(release: str, tmp_path: Path, *, plugin: bool) -> None:
    """Photon's package has had the command from the first, and the plugin since October 2024."""
    overlay = {"docker": {"compose_plugin": "base"}}
    found = _wish(tmp_path, settings={"env": ENV}, overlay=overlay, release=release)
    assert "/usr/local/bin/docker-compose" not in found.links()
    units = {
        path.removeprefix("/etc/systemd/system/"): found.text(path)
        for path in {c.path for c in found.changes if isinstance(c, WriteFile)}
        if path.startswith("/etc/systemd/system/")
    }
    units["docker.service"] = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n"
    told = '#!/bin/sh\necho "$(basename "$0") $*" >>/run/told\n'
    programs = {"docker": told + f"test $1 = compose && {str(plugin).lower()}\n"}
    programs["docker-compose"] = told
    script = (
        "mkdir -p /opt/compose/pihole; touch /opt/compose/pihole/compose.yaml\n"
        "systemctl start photon-builder-compose@pihole; tail -n 1 /run/told\n"
    )
    command = "docker compose" if plugin else "docker-compose"
    wanted = f"{command} --project-name pihole up --detach --remove-orphans\n"
    assert run_manager(tmp_path / "run", units, programs, script) == wanted


@pytest.mark.parametrize(
    ("text", "settings", "codes"),
    [
        (PIHOLE, {}, ["CMP002"]),
        (PIHOLE, {"env": ENV, "preload": True}, ["CMP020"]),
        (PIHOLE, {"env": {"PIHOLE_PASSWORD": "plain"}}, ["SEC001"]),
        (PIHOLE, {"env": {"PIHOLE_PASSWORD": {"env": "NOT_SET_ANYWHERE"}}}, ["SEC002"]),
        (PIHOLE, {"env": {**ENV, "A": "x\ny"}}, []),
        (PIHOLE, {"env": {**ENV, "A": "x\0y"}}, ["CMP023"]),
        ("services: {a: {image: 'x:${T'}}\n", {}, ["CMP027"]),
        ("services: {}\n", {}, ["CMP001"]),
        ("- list\n", {}, ["CMP001"]),
        ("services: [\n", {}, ["CMP001"]),
        ('services: {a: {ports: ["http:80"]}}\n', {}, ["CMP022"]),
        ("services: {a: {network_mode: host}}\n", {}, ["CMP005"]),
    ],
)
def test_a_wrong_project_has_its_code(
    text: str, settings: dict[str, object], codes: list[str], tmp_path: Path
) -> None:
    assert _wish(tmp_path, text, settings).codes == codes


def test_what_is_wrong_in_a_compose_file_is_shown_with_its_line(tmp_path: Path) -> None:
    text = "services:\n  a:\n    image: ${GONE}\n    network_mode: host\n"
    faults = _wish(tmp_path, text, {}).faults
    assert {(fault.code, fault.excerpt) for fault in faults} == {
        ("CMP002", ""),
        ("CMP005", "    network_mode: host"),
    }
    (fault,) = _wish(tmp_path, "services:\n  a:\n    ports:\n    - 80:x\n", {}).faults
    assert (fault.code, fault.excerpt) == ("CMP022", "    - 80:x")
    (fault,) = _wish(tmp_path, "services:\n  a: 5: 6\n", {}).faults
    assert (fault.code, fault.excerpt) == ("CMP001", "  a: 5: 6")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (fault,) = wish(compose.FEATURE, {"a": {"file": "gone.yaml"}}, tmp_path).faults
    assert (fault.code, fault.path) == ("CMP021", ("a", "file"))


def test_a_service_on_the_hosts_network_opens_what_it_exposes(tmp_path: Path) -> None:
    text = 'services: {a: {network_mode: host, expose: ["8123", "5353/udp", "53/udp"]}}\n'
    found = _wish(tmp_path, text)
    for table in ("ip4save", "ip6save"):
        rules = found.lines(f"/etc/systemd/scripts/{table}")
        assert "-A INPUT -p tcp -m tcp --dport 8123 -j ACCEPT" in rules
        assert "-A INPUT -p udp -m udp --dport 5353 -j ACCEPT" in rules
    assert "/etc/resolv.conf" in found.links()
    rules_changed = [c for c in found.changes if isinstance(c, EnsureLine)]
    assert all(change.before == "COMMIT" for change in rules_changed)


@pytest.mark.parametrize(
    ("opened", "moved"),
    [
        (["53/udp"], True),
        ([{"port": "53/tcp", "from": "192.168.1.0/24"}], True),
        (["50-60/udp"], True),
        (["80/tcp", "853/tcp"], False),
        (["x"], False),
    ],
)
def test_a_dns_server_on_the_hosts_network_gets_port_53(
    opened: list[object], tmp_path: Path, *, moved: bool
) -> None:
    overlay = {"firewall": {"open": opened}}
    text = "services: {dns: {image: x, network_mode: host, restart: always}}\n"
    found = _wish(tmp_path, text, overlay=overlay)
    assert ("/etc/resolv.conf" in found.links()) is moved
    assert any("dns of compose.pihole is on the host" in why for why in found.reasons) is moved
    bridged = "services: {dns: {image: x, restart: always}}\n"
    assert "/etc/resolv.conf" not in _wish(tmp_path, bridged, overlay=overlay).links()


def test_the_warning_of_the_hosts_network_goes_with_open_ports(tmp_path: Path) -> None:
    text = "services: {a: {network_mode: host}}\n"
    (fault,) = _wish(tmp_path, text).faults
    assert fault.severity is Severity.WARNING
    assert fault.place is not None
    assert _wish(tmp_path, text, overlay={"firewall": {"open": ["80/tcp"]}}).codes == []


@pytest.mark.parametrize(
    ("port", "wanted"),
    [
        ("8080:80", ("8080/tcp", "")),
        ("127.0.0.1:8080:80/udp", ("8080/udp", "127.0.0.1")),
        ("[::1]:53:53", ("53/tcp", "::1")),
        ("8000-8010:80-90", ("8000-8010/tcp", "")),
        ("8000-8010:80/TCP", ("8000-8010/tcp", "")),
        ({"target": 80, "published": "443", "protocol": "udp"}, ("443/udp", "")),
        ({"target": 80, "published": 81, "host_ip": "10.0.0.1"}, ("81/tcp", "10.0.0.1")),
    ],
)
def test_ports_are_read_in_every_form(port: object, wanted: tuple[str, str]) -> None:
    (found,) = iter_published({"services": {"a": {"ports": [port]}}})
    assert (str(found), found.address) == wanted
    assert found.path == ("services", "a", "ports", 0)


@pytest.mark.parametrize("port", ["80", 80, {"target": 80}, "127.0.0.1::80", "0:80", ":80"])
def test_a_port_drawn_at_start_is_not_the_hosts(port: object) -> None:
    assert list(iter_published({"services": {"a": {"ports": [port]}}})) == []


@pytest.mark.parametrize(
    "port", ["x:80", "70000:80", "90-80:1", "1:2:3:4", "80-81:90-95", "80/foo", "1.2.3:1:2", "80:"]
)
def test_what_is_no_port_is_refused(port: str) -> None:
    with pytest.raises(ValueError, match="port"):
        list(iter_published({"services": {"a": {"ports": [port]}}}))


def test_only_files_beside_the_project_are_taken_along() -> None:
    service = {
        "volumes": ["./a:/a", "../up:/u", "named:/n", {"type": "bind", "source": "b"}, "/anon"],
        "env_file": ["c.env", {"path": "d.env"}],
        "extends": {"file": "base.yaml", "service": "x"},
    }
    project = {"services": {"s": service, "odd": None}, "secrets": {"k": {"file": "./k.txt"}}}
    found = {path for path, _ in iter_local_files(project)}
    assert found == {"a", "b", "c.env", "d.env", "base.yaml", "k.txt"}


@pytest.mark.parametrize("project", [None, [], {"services": []}, {"services": {"a": {"ports": 5}}}])
def test_a_project_of_another_shape_breaks_nothing(project: object) -> None:
    assert list(iter_local_files(project)) == []
    assert list(iter_published(project)) == []


NAME, OTHER = "docker.io/pihole/pihole:2026.04.0", "docker.io/library/nginx:latest"
DIGEST = f"sha256:{'ab' * 32}"
PIN = Pin(DIGEST, {"linux/amd64": DIGEST})
OVERRIDE = "/opt/compose/pihole/compose.override.yaml"
TWO = """\
services:
  web: {image: nginx, restart: always}
  "no": {image: "pihole/pihole:${TAG:-2026.04.0}", command: [x], environment: {A: b}}
  built: {build: ., image: nginx}
  fixed: {image: "nginx@sha256:PLACE"}
""".replace("PLACE", "cd" * 32)


def test_a_locked_image_is_pulled_by_its_digest(tmp_path: Path) -> None:
    found = _wish(tmp_path, settings={"env": ENV}, pins={NAME: PIN})
    assert found.text("/opt/compose/pihole/compose.yaml") == PIHOLE, "the user's file is as it was"
    image = f'"pihole/pihole:2026.04.0@{DIGEST}"'
    body = f'services:\n  "pihole":\n    image: {image}\n'
    assert found.text(OVERRIDE).partition("\n")[2] == body
    assert any(DIGEST in reason for reason in found.reasons)
    removed = {change.path for change in found.changes if isinstance(change, Remove)}
    assert removed == {
        "/opt/compose/pihole/compose.override.yml",
        "/opt/compose/pihole/docker-compose.override.yml",
        "/opt/compose/pihole/docker-compose.override.yaml",
    }


def test_nothing_is_written_for_what_is_not_locked(tmp_path: Path) -> None:
    found = _wish(tmp_path, settings={"env": ENV}, pins={OTHER: PIN})
    assert not [c for c in found.changes if "override" in c.subject]


def test_compose_itself_reads_the_pins(tmp_path: Path) -> None:
    found = _wish(tmp_path, TWO, pins={NAME: PIN, OTHER: PIN})
    guest = tmp_path / "guest"
    guest.mkdir()
    for name in ("compose.yaml", "compose.override.yaml"):
        (guest / name).write_text(found.text(f"/opt/compose/pihole/{name}"))
    told = judge("docker-compose", "--project-directory", guest, "config").stdout
    project = parse_document(told, tmp_path / "told").value["services"]
    assert {name: service["image"] for name, service in project.items()} == {
        "web": f"nginx:latest@{DIGEST}",
        "no": f"pihole/pihole:2026.04.0@{DIGEST}",
        "built": "nginx",
        "fixed": f"nginx@sha256:{'cd' * 32}",
    }
    assert project["no"]["command"] == ["x"]
    assert project["web"]["restart"] == "always"


def test_an_inherited_image_is_pinned_where_it_is_run(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("services: {b: {extends: c}, c: {image: nginx}}\n")
    text = "services: {a: {extends: {file: base.yaml, service: b}}, d: {extends: a, image: x}}\n"
    found = _wish(tmp_path, text, pins={OTHER: PIN})
    assert f'  "a":\n    image: "nginx:latest@{DIGEST}"\n' in found.text(OVERRIDE)
    assert '"d"' not in found.text(OVERRIDE)


def test_services_that_extend_each_other_end(tmp_path: Path) -> None:
    text = "services: {a: {extends: b}, b: {extends: a}, c: {image: nginx, extends: c}}\n"
    assert '"c"' in _wish(tmp_path, text, pins={OTHER: PIN}).text(OVERRIDE)


@pytest.mark.parametrize(("arch", "codes"), [("x86_64", []), ("aarch64", ["CMP006"])])
def test_an_image_without_a_variant_for_the_base_is_refused(
    arch: str, codes: list[str], tmp_path: Path
) -> None:
    found = _wish(tmp_path, settings={"env": ENV}, pins={NAME: PIN}, arch=arch)
    assert found.codes == codes
    assert all("it has linux/amd64" in fault.message for fault in found.faults)


def test_a_service_that_names_its_platform_has_its_way(tmp_path: Path) -> None:
    text = "services: {a: {image: nginx, platform: linux/amd64}}\n"
    assert _wish(tmp_path, text, pins={OTHER: PIN}, arch="aarch64").codes == []


@pytest.mark.parametrize("beside", [False, True])
def test_pins_that_compose_would_not_read_are_refused(tmp_path: Path, *, beside: bool) -> None:
    text = "services: {a: {image: nginx}}\n"
    settings = {} if beside else {"env": {"COMPOSE_FILE": "compose.yaml"}}
    (tmp_path / ".env").write_text("COMPOSE_FILE=compose.yaml\n" if beside else "")
    assert _wish(tmp_path, text, settings, pins={OTHER: PIN}).codes == ["CMP025"]
    assert _wish(tmp_path, text, settings).codes == []
