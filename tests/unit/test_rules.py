"""The linter's rules: each with what breaks it and what does not."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from builder import rules, targets
from builder.base import find_facts
from builder.errors import BuilderError, Diagnostic, Severity, SpecError, UsageError
from builder.guest.password import hash_password
from builder.image_names import Pin
from builder.lock import Lock, read_lock, write_lock
from builder.schema import Entry
from builder.selection import targets_of
from builder.spec import load_spec
from tests.unit.rules.test_install import OF_MEDIA

PACKAGE = Path(__file__).resolve().parents[2] / "builder"
NAMES = ("ova", "ami", "gce", "azure", "photon-docker-image", "rpi3")


@dataclass(frozen=True)
class Kind:
    """A target, as far as a spec looks at it."""

    name: str
    summary: str = ""


@dataclass(frozen=True)
class Several:
    """A group of targets."""

    name: str
    members: tuple[str, ...]
    summary: str = ""


KNOWN: dict[str, Entry] = {
    **{name: Kind(name) for name in NAMES},
    "all-images": Several("all-images", ("ova", "ami", "gce", "azure")),
}


def check(
    folder: Path, overlay: str, *, head: str = "", files: dict[str, str] | None = None
) -> tuple[Diagnostic, ...]:
    """Return what the rules say of an overlay; its first line is line 5."""
    (folder / "specs").mkdir(exist_ok=True)
    for name, text in (files or {}).items():
        path = folder / "specs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    top = head or 'target: ova\nbase: {release: "3.0"}\n'
    path = folder / "specs" / "lab.yaml"
    inner = "".join(f"  {line}\n" for line in overlay.splitlines())
    path.write_text(f"version: 1\n{top}overlay:\n{inner}")
    lock = read_lock(path.parent)
    spec = load_spec(path, targets=KNOWN, locked=lock)
    return rules.check_rules(spec)


def rows(problems: tuple[Diagnostic, ...]) -> list[tuple[str, int, int]]:
    """Return code, line and column of each problem."""
    return [(p.code, p.place.line, p.place.column) for p in problems if p.place]


LOGIN = "users: {root: {password: {random: true}}}\n"
NIC = LOGIN + "network:\n  eth0:\n"
HASH = hash_password("changeme", salt="abcdefgh")
OTHER = hash_password("something else", salt="abcdefgh")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDc0cGhvdG9uLWJ1aWxkZXItcXVpY2tzdGFydC1r a"
CLOUD = "target: ami\nbase: {sample: true}\n"
URL = "target: ova\nbase: {{url: 'https://x/y', {}: {}}}\n"

SIMPLE = [
    ("NET001", NIC + "    addresses: [192.168.1.0/24]", "    addresses: [192.168.1.1/24]", (8, 19)),
    ("NET001", NIC + "    addresses: [10.1.2.255/24]", "    addresses: [10.1.2.0/31]", (8, 19)),
    (
        "NET002",
        NIC + "    addresses: [10.1.2.3/24]\n    gateway: 10.1.2.3",
        "    addresses: [10.1.2.3/24]\n    gateway: 10.1.2.1",
        (9, 16),
    ),
    (
        "NET003",
        NIC + "    addresses: [192.168.1.53/24]\n    gateway: 192.168.2.1",
        "    addresses: [192.168.1.53/22]\n    gateway: 192.168.2.1",
        (9, 16),
    ),
    (
        "NET003",
        NIC + "    addresses: ['fd00::2/64']\n    gateway: ['fd01::1']",
        "    addresses: ['fd00::2/64']\n    gateway: ['fe80::1']",
        (9, 17),
    ),
    (
        "NET004",
        NIC + "    addresses: [198.168.0.235/24]",
        "    addresses: [192.168.0.235/24]",
        (8, 19),
    ),
    ("NET004", NIC + "    addresses: [173.20.0.5/24]", "    addresses: [172.20.0.5/24]", (8, 19)),
    (
        "NET005",
        NIC + "    addresses: [10.1.2.3/24]\n    dns: [1.1.1.1, 10.1.2.3]",
        "    addresses: [10.1.2.3/24]\n    dns: [1.1.1.1, 10.1.2.4]",
        (9, 22),
    ),
    ("NET005", NIC + "    dns: [127.0.0.53]", "    dns: [9.9.9.9]", (8, 13)),
    (
        "NET006",
        NIC + "    addresses: [10.1.2.3/24]\n  eth1:\n    addresses: [10.1.2.3/24]",
        "    addresses: [10.1.2.3/24]\n  eth1:\n    addresses: [10.1.2.4/24]",
        (10, 19),
    ),
    (
        "NET007",
        LOGIN + "docker: {}\nnetwork:\n  eth0:\n    addresses: [172.18.0.5/24]",
        "    addresses: [172.16.0.5/24]",
        (9, 19),
    ),
    (
        "NET011",
        NIC + "    addresses: [10.1.2.3/24]\n    gateway: 10.1.2.1\n  eth1:\n"
        "    addresses: [10.1.3.3/24]\n    gateway: 10.1.3.1",
        "    addresses: [10.1.2.3/24]\n    gateway: 10.1.2.1\n  eth1:\n    dhcp: ipv4",
        (12, 16),
    ),
    ("NET012", NIC + "    addresses: [224.0.0.5/24]", "    addresses: [10.0.0.5/24]", (8, 19)),
    (
        "NET013",
        NIC + "    addresses: [10.1.2.3/24]",
        "    addresses: [10.1.2.3/24]\n    dns: [1.1.1.1]",
        (8, 18),
    ),
    (
        "NET015",
        NIC + "    dhcp: ipv4\n  lan:\n    match: {name: eth0}",
        "    dhcp: ipv4\n  lan:\n    match: {name: eth1}",
        (10, 14),
    ),
]


@pytest.mark.parametrize(("code", "bad", "good", "place"), SIMPLE)
def test_a_slip_in_the_network_is_found(
    tmp_path: Path, code: str, bad: str, good: str, place: tuple[int, int]
) -> None:
    assert (code, *place) in rows(check(tmp_path, bad))
    head = bad[: bad.index("    addresses") if "    addresses" in bad else len(NIC)]
    assert code not in {p.code for p in check(tmp_path, head[: head.rindex("eth0:") + 6] + good)}


def test_a_mistyped_address_is_an_error_beside_the_network_that_is_meant(tmp_path: Path) -> None:
    alone = NIC + "    addresses: [198.168.0.235/24]\n    gateway: 198.168.0.1\n    dns: [SERVER]"
    for server, severity in (("1.1.1.1", Severity.WARNING), ("192.168.0.100", Severity.ERROR)):
        found = [p for p in check(tmp_path, alone.replace("SERVER", server)) if p.code == "NET004"]
        assert [problem.severity for problem in found] == [severity] * 2
        assert found[0].hint == "did you mean 192.168.0.235?"
        assert found[1].hint == "did you mean 192.168.0.1?"


def test_the_source_of_a_mount_may_be_mistyped_too(tmp_path: Path) -> None:
    text = LOGIN + 'packages: [nfs-utils]\nmounts:\n  - {source: "HOST:/a", path: /a, type: nfs}'
    assert rows(check(tmp_path, text.replace("HOST", "198.168.0.1"))) == [("NET004", 8, 16)]
    assert rows(check(tmp_path, text.replace("HOST", "192.168.0.1"))) == []


@pytest.mark.parametrize(("target", "found"), [("ami", True), ("ova", False)])
def test_a_cloud_hands_out_its_own_addresses(tmp_path: Path, target: str, found: bool) -> None:
    text = "network:\n  eth0:\n    addresses: [10.1.2.3/24]\n    dns: [1.1.1.1]"
    head = f"target: {target}\nbase: {{sample: true}}\n"
    expected = [("NET008", 7, 19)] if found else []
    assert rows(check(tmp_path, text, head=head)) == expected


CLOUD_NICS = [
    ("ami", "eth0: {dhcp: ipv4}", "", []),
    ("azure", "eth0: {dhcp: ipv4}", "", ["NET016"]),
    ("azure", "lan: {match: {name: eth1}, dhcp: ipv4}", "", ["NET016"]),
    ("azure", "lan: {match: {mac: '00:11:22:33:44:55'}, dhcp: ipv4}", "", []),
    ("azure", "ens4: {dhcp: ipv4}", "", []),
    ("azure", "eth0: {dhcp: ipv4}", "kernel: {add: [net.ifnames=0]}", []),
    ("gce", "eth0: {dhcp: ipv4}", "", ["NET016", "NET017"]),
    ("gce", "ens4: {dhcp: ipv4}", "", ["NET017"]),
    ("gce", "ens4: {dhcp: ipv4, mtu: 1460}", "", []),
    ("all-images", "eth0: {dhcp: ipv4, mtu: 1460}", "", ["NET016"]),
    ("all-images", "ens4: {addresses: [10.1.2.3/24], dns: [1.1.1.1], mtu: 1460}", "", ["NET008"]),
]


@pytest.mark.parametrize(("target", "nic", "more", "codes"), CLOUD_NICS)
def test_a_network_file_has_to_fit_the_cloud(
    target: str, nic: str, more: str, codes: list[str], tmp_path: Path
) -> None:
    head = f"target: {target}\nbase: {{sample: true}}\n"
    found = check(tmp_path, f"{LOGIN}network:\n  {nic}\n{more}", head=head)
    assert sorted(problem.code for problem in found) == codes


@pytest.mark.parametrize(
    ("target", "overlay", "codes"),
    [
        ("gce", "services: {enable: [systemd-timesyncd]}", ["SVC013"]),
        ("all-images", "services: {enable: [systemd-timesyncd.service]}", ["SVC013"]),
        ("gce", "services: {enable: [systemd-timesyncd], mask: [ntpd]}", []),
        ("gce", "services: {enable: [systemd-timesyncd], disable: [ntpd.service]}", []),
        ("azure", "services: {enable: [systemd-timesyncd]}", []),
        ("gce", "services: {mask: [ntpd]}", []),
        ("gce", "services: {mask: [ntp]}", ["SVC012"]),
        ("ami", "services: {mask: [ntpd]}", ["SVC012"]),
        ("ami", "ssh: {port: 22}", ["SSH001"]),
        ("ami", "ssh: {sftp: false}", []),
        ("ova", "ssh: {port: 22}", []),
        ("ami", "timezone: UTC", []),
    ],
)
def test_what_the_images_of_clouds_have_and_lack(
    target: str, overlay: str, codes: list[str], tmp_path: Path
) -> None:
    head = f"target: {target}\nbase: {{sample: true}}\n"
    found = check(tmp_path, LOGIN + overlay, head=head)
    assert [problem.code for problem in found] == codes


@pytest.mark.parametrize(
    ("size", "codes"), [("2048GiB", []), ("2049GiB", ["DSK002"]), ("999999MiB", [])]
)
def test_a_disk_has_a_largest_size(size: str, codes: list[str], tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text(f"version: 1\ntarget: gce\nbase: {{sample: true}}\ndisk: {{size: {size}}}\n")
    known = targets.discover()
    spec = load_spec(path, targets=known, locked=Lock())
    assert [problem.code for problem in rules.check_rules(spec)] == codes


def test_pools_that_are_set_are_fine(tmp_path: Path) -> None:
    text = NIC + "    addresses: [172.18.0.5/24]\n    dns: [1.1.1.1]\n"
    docker = "docker: {daemon: {default-address-pools: [{base: 10.201.0.0/16, size: 24}]}}"
    assert rows(check(tmp_path, text + docker)) == []
    assert rows(check(tmp_path, text)) == [], "without docker nobody takes the network"


FILES = [
    ("NET009", "50-x.network", "[Match]\\nName=*\\n", "[Match]\\nName=eth1\\n"),
    (
        "NET009",
        "50-x.network",
        "[Match]\\nName=e*\\n[Network]\\nAddress=10.0.0.1/24\\n",
        "[Match]\\nName=e*\\n[Network]\\nDHCP=yes\\n",
    ),
    ("NET010", "99-static.network", "[Match]\\nName=eth0\\n", "[Match]\\nName=wlan0\\n"),
    (
        "NET010",
        "99-static.network",
        "[Match]\\nMACAddress=00:50:56:00:00:01\\n",
        "[Match]\\nName=wlan0\\n",
    ),
    (
        "NET021",
        "10-x.network",
        "[Match]\\nName=eth0\\n[Network]\\nAddress=10.0.0.5/255.255.255.0\\n",
        "[Match]\\nName=eth0\\n[Network]\\nAddress=10.0.0.5/24\\n",
    ),
]


@pytest.mark.parametrize(("code", "name", "bad", "good"), FILES)
def test_a_network_file_is_read_as_networkd_would(
    tmp_path: Path, code: str, name: str, bad: str, good: str
) -> None:
    entry = 'files:\n  - {{path: /etc/systemd/network/{}, content: "{}"}}'
    assert rows(check(tmp_path, LOGIN + entry.format(name, bad))) == [(code, 7, 14)]
    assert rows(check(tmp_path, LOGIN + entry.format(name, good))) == []
    early = LOGIN + entry.format("10-x.network", "[Match]\\nName=eth0\\n")
    assert rows(check(tmp_path, early)) == []


def test_a_network_file_of_an_overlay_is_read_too(tmp_path: Path) -> None:
    name = "overlays/net/files/etc/systemd/network/99-static.network"
    head = "target: ova\nbase: {sample: true}\noverlays: [net]\n"
    (problem,) = check(tmp_path, LOGIN, head=head, files={name: "# x\n[Match]\nName=eth0\n"})
    assert (problem.code, problem.hint) == ("NET010", "name it 10-static.network")
    assert problem.place is not None
    assert (problem.place.file.name, problem.place.line) == ("99-static.network", 3)


OTHERS = [
    ("ACC001", "hostname: a", LOGIN, (4, 1)),
    ("ACC001", f"users: {{root: {{ssh_keys: ['{KEY}']}}}}", LOGIN, (5, 17)),
    (
        "ACC002",
        "users: {root: {password: {locked: true}}}",
        f"users: {{root: {{password: {{locked: true}}, ssh_keys: ['{KEY}']}}}}",
        (5, 28),
    ),
    (
        "ACC003",
        f"users: {{root: {{password: {{hash: {HASH}}}}}}}",
        f"users: {{root: {{password: {{hash: {OTHER}}}}}}}",
        (5, 35),
    ),
    (
        "ACC004",
        LOGIN.replace("}}}", "}}, a: {uid: 1000}, b: {uid: 1000}}"),
        LOGIN.replace("}}}", "}}, a: {uid: 1000}, b: {uid: 1001}}"),
        (5, 70),
    ),
    (
        "MNT010",
        LOGIN + "mounts: [{source: 'a:/b', path: /b, type: nfs}]",
        LOGIN + "mounts: [{source: 'a:/b', path: /b, type: nfs}]\npackages: [nfs-utils]",
        (6, 45),
    ),
    (
        "MNT011",
        LOGIN + "mounts: [{source: /dev/sdb1, path: /b, type: ext4}]\n"
        "files: [{path: /b/c, content: x}]",
        LOGIN + "mounts: [{source: /dev/sdb1, path: /b, type: ext4}]\n"
        "files: [{path: /bc, content: x}]",
        (7, 18),
    ),
    ("TIM002", LOGIN + "timezone: Europe/Amsterdm", LOGIN + "timezone: Asia/Shanghai", (6, 13)),
    ("TIM002", LOGIN + "timezone: CEST", LOGIN + "timezone: UTC", (6, 13)),
    ("SVC012", LOGIN + "services: {enable: [ssh]}", LOGIN + "services: {enable: [sshd]}", (6, 23)),
    (
        "PKG005",
        NIC + "    addresses: [10.1.2.3/24]\n    dns: [10.1.2.4]\npackages: [jq]",
        NIC + "    addresses: [10.1.2.3/24]\n    gateway: 10.1.2.1\n    dns: [1.1.1.1]\n"
        "packages: [jq]",
        (10, 14),
    ),
    (
        "SEC004",
        LOGIN + 'files: [{path: /k, content: "-----BEGIN PRIVATE KEY-----"}]',
        LOGIN + 'files: [{path: /k, content: "-----BEGIN PUBLIC KEY-----"}]',
        (6, 31),
    ),
]


@pytest.mark.parametrize(("code", "bad", "good", "place"), OTHERS)
def test_a_slip_elsewhere_is_found(
    tmp_path: Path, code: str, bad: str, good: str, place: tuple[int, int]
) -> None:
    assert rows(check(tmp_path, bad)) == [(code, *place)]
    assert rows(check(tmp_path, good)) == []


@pytest.mark.parametrize(
    ("base", "code", "place"),
    [
        ("{release: '5.1'}", "BASE009", (3, 17)),
        ("{release: '4.0', revision: Rev8}", "BASE009", (3, 34)),
        ("{file: nowhere.ova}", "BASE010", (3, 14)),
    ],
)
def test_a_base_that_is_not_there_is_found_with_all_else(
    tmp_path: Path, base: str, code: str, place: tuple[int, int]
) -> None:
    found = check(
        tmp_path, NIC + "    addresses: [192.168.1.0/24]", head=f"target: ova\nbase: {base}\n"
    )
    assert rows(found)[0] == (code, *place)
    assert ("NET001", 8, 19) in rows(found)
    assert all(problem.hint for problem in found)


@pytest.mark.parametrize("head", [CLOUD, CLOUD.replace("ami", "photon-docker-image")])
def test_a_login_is_not_missed_where_somebody_else_gives_it(tmp_path: Path, head: str) -> None:
    base = f"url: 'https://x/y', sha256: {'a' * 64}"
    assert rows(check(tmp_path, "hostname: a", head=head.replace("sample: true", base))) == []


def test_a_zone_is_suggested_by_its_city(tmp_path: Path) -> None:
    for written, meant in {
        "Amsterdam": "Europe/Amsterdam",
        "europe/berlin": "Europe/Berlin",
        "Asia/Shangai": "Asia/Shanghai",
        "Europe/New_York": "America/New_York",
    }.items():
        (problem,) = check(tmp_path, f"{LOGIN}timezone: {written}")
        assert problem.hint == f"did you mean {meant}?"


def test_a_unit_of_ones_own_may_have_any_name(tmp_path: Path) -> None:
    text = LOGIN + "services: {enable: [ssh]}\nunits: {ssh: {content: '[Service]'}}"
    assert rows(check(tmp_path, text)) == []


@pytest.mark.parametrize(
    ("name", "digest", "found"), [("md5", "0" * 32, True), ("sha256", "0" * 64, False)]
)
def test_a_weak_digest_is_said(tmp_path: Path, name: str, digest: str, found: bool) -> None:
    head = URL.format(name, f"'{digest}'")
    expected = [("BASE007", 3, 33)] if found else []
    assert rows(check(tmp_path, LOGIN, head=head)) == expected


PINNED = f"x:1.2.3@sha256:{'0' * 64}"
APP = f"services:\n  a:\n    image: {PINNED}\n    restart: always\n"
COMPOSE = [
    ("CMP003", APP + "    ports: ['22:22']", APP + "    ports: ['2222:22']", (5, 13)),
    (
        "CMP003",
        APP + "    ports: ['80:80', 80:81]",
        APP + "    ports: ['80:80', 80:81/udp]",
        (5, 22),
    ),
    (
        "CMP003",
        APP + "    ports: ['8000-8010:80', {target: 80, published: 8005}]",
        APP + "    ports: ['127.0.0.1:80:80', '127.0.0.2:80:80']",
        (5, 29),
    ),
    ("CMP007", APP.replace(PINNED, "x"), APP.replace(":1.2.3", ""), (3, 12)),
    ("CMP007", APP.replace(PINNED, "r.io:5000/x"), APP.replace(PINNED, "r.io:5000/x:1.2"), (3, 12)),
    ("CMP019", APP.replace(PINNED, "NGINX"), APP, (3, 12)),
    ("CMP007", APP.replace(PINNED, "x:${TAG:-edge}"), APP.replace(PINNED, "x:${T:-1.2}"), (3, 12)),
    ("CMP008", APP + "    build: .", APP, (5, 12)),
    ("CMP009", "version: '3'\n" + APP, APP, (1, 10)),
    ("CMP010", APP.replace("    restart: always\n", ""), APP, (3, 5)),
    ("CMP014", APP + "    privileged: true", APP + "    privileged: false", (5, 17)),
    (
        "CMP014",
        APP + "    volumes: ['/var/run/docker.sock:/x']",
        APP + "    volumes: ['./docker.sock:/x']",
        (5, 15),
    ),
    (
        "CMP016",
        APP.replace("x:1.2.3", "pihole/pihole:2026.04.0")
        + "    environment: {DNSMASQ_LISTENING: all}",
        APP.replace("x:1.2.3", "pihole/pihole:2024.07.0") + "    environment: {DNS1: 1.1.1.1}",
        (5, 38),
    ),
    (
        "CMP016",
        APP.replace("x:1.2.3", "pihole/pihole:2026.04.0") + "    environment: [DNS1=1.1.1.1]",
        APP + "    environment: [DNS1=1.1.1.1]",
        (5, 19),
    ),
    (
        "CMP017",
        APP + "    environment: {TZ: Mars/Base}",
        APP + "    environment: {TZ: Etc/UTC}",
        (5, 23),
    ),
    (
        "CMP018",
        APP + "    container_name: n\n" + APP[10:].replace("a:", "b:") + "    container_name: n",
        APP + "    container_name: n\n" + APP[10:].replace("a:", "b:") + "    container_name: m",
        (9, 21),
    ),
    (
        "SEC005",
        APP + "    environment: {DB_PASSWORD: hunter2}",
        APP + "    environment: {DB_PASSWORD: '${DB_PASSWORD}', P_PASSWORD_FILE: /run/p}",
        (5, 32),
    ),
]


COMPOSE_MODEL = {f"CMP{number:03}" for number in (28, *range(30, 38), *range(45, 48))}
"""Rules that tests/unit/rules/test_compose.py breaks."""


@pytest.mark.parametrize(("code", "bad", "good", "place"), COMPOSE)
def test_a_compose_file_is_read_too(
    tmp_path: Path, code: str, bad: str, good: str, place: tuple[int, int]
) -> None:
    overlay = LOGIN + "compose: {app: {file: app/c.yaml, env: {DB_PASSWORD: {env: X}}}}"
    found = check(tmp_path, overlay, files={"app/c.yaml": bad})
    assert rows(found) == [(code, *place)]
    assert {p.place.file.name for p in found if p.place} == {"c.yaml"}
    assert "hunter2" not in f"{found}"
    assert rows(check(tmp_path, overlay, files={"app/c.yaml": good})) == []


def test_ports_clash_across_apps_and_with_what_the_host_runs(tmp_path: Path) -> None:
    apps = {
        "a.yaml": APP + "    ports: ['8080:80', '${PORT}:80', '53:53']",
        "b.yaml": APP + "    ports: ['8080:80', '111:1']",
    }
    overlay = (
        LOGIN + "ssh: {port: 2222}\npackages: [nfs-utils]\n"
        "compose: {a: {file: a.yaml, env: {PORT: 2222}}, b: {file: b.yaml}}"
    )
    found = check(tmp_path, overlay, files=apps)
    assert [(p.place.file.name, p.place.column, p.message) for p in found if p.place] == [
        ("a.yaml", 24, "the host's port 2222/tcp belongs to sshd"),
        ("b.yaml", 13, "the host's port 8080/tcp belongs to a of compose.a"),
        ("b.yaml", 24, "the host's port 111/tcp belongs to rpcbind, which NFS brings along"),
    ]


def test_a_name_server_that_is_an_app_of_this_machine_waits_for_itself(tmp_path: Path) -> None:
    overlay = (
        NIC + "    addresses: [10.1.2.3/24]\n    dns: [10.1.2.3]\n"
        "compose: {pihole: {file: a.yaml, preload: false}}"
    )
    files = {"a.yaml": APP + "    ports: ['53:53/udp']"}
    (problem,) = check(tmp_path, overlay, files=files)
    assert (problem.code, "pihole" in problem.message) == ("NET005", True)
    assert check(tmp_path, overlay.replace("false", "true"), files=files) == ()


def locked(folder: Path, compose: str, *names: str, env: str = "{}") -> list[str]:
    """Return the codes of a project whose folder has a lock file with some images."""
    write_lock(folder / "specs", Lock({}, {name: Pin(f"sha256:{'0' * 64}", {}) for name in names}))
    overlay = LOGIN + f"compose: {{app: {{file: app/c.yaml, env: {env}}}}}"
    return [p.code for p in check(folder, overlay, files={"app/c.yaml": compose})]


def test_a_locked_tag_says_nothing_and_a_forgotten_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    compose = APP.replace(PINNED, "x:${TAG:-1.2}")
    assert locked(tmp_path, compose) == []
    assert locked(tmp_path, compose, "docker.io/library/other:1") == ["CMP007"]
    assert locked(tmp_path, compose, "docker.io/library/x:1.2") == []
    assert locked(tmp_path, compose, "docker.io/library/x:1.2", env='{TAG: "1.3"}') == ["CMP007"]
    assert locked(tmp_path, APP.replace(PINNED, "x"), "docker.io/library/x:latest") == []


def test_the_env_file_beside_a_compose_file_decides_its_tags(tmp_path: Path) -> None:
    (tmp_path / "specs/app").mkdir(parents=True)
    (tmp_path / "specs/app/.env").write_text("TAG=edge\n")
    compose = APP.replace(PINNED, "x:${TAG:-1.2}")
    assert locked(tmp_path, compose) == ["CMP007"]
    assert locked(tmp_path, compose, "docker.io/library/x:edge") == []


def test_an_image_by_reference_cannot_be_locked(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    compose = APP.replace(PINNED, "x:1.${TAG}")
    assert locked(tmp_path, compose, "docker.io/library/x:1.0", env="{TAG: {env: X}}") == ["CMP007"]


def test_an_inherited_image_is_looked_at_too(tmp_path: Path) -> None:
    (tmp_path / "specs/app").mkdir(parents=True)
    (tmp_path / "specs/app/base.yaml").write_text("services: {b: {image: 'x:edge'}}\n")
    compose = "services:\n  a:\n    extends: {file: base.yaml, service: b}\n    restart: always\n"
    assert locked(tmp_path, compose) == ["CMP007"]
    assert locked(tmp_path, compose, "docker.io/library/x:edge") == []


@pytest.mark.parametrize("name", ["compose.override.yaml", "docker-compose.override.yml"])
def test_an_override_beside_the_compose_file_stays_behind(tmp_path: Path, name: str) -> None:
    files = {"app/c.yaml": APP, f"app/{name}": "services: {}\n"}
    overlay = LOGIN + "compose: {app: {file: app/c.yaml}}"
    (problem,) = check(tmp_path, overlay, files=files)
    assert (problem.code, problem.severity) == ("CMP024", Severity.WARNING)
    assert name in problem.message


def test_a_compose_file_that_cannot_be_read_is_left_to_others(tmp_path: Path) -> None:
    overlay = LOGIN + "compose: {app: {file: app/c.yaml}}"
    assert check(tmp_path, overlay) == ()
    for text in ("services: [", "- a", "services: {}"):
        assert check(tmp_path, overlay, files={"app/c.yaml": text}) == ()


def test_values_that_features_refuse_do_not_stop_a_rule(tmp_path: Path) -> None:
    text = NIC + "    addresses: [x, 10.0.0.1]\n    gateway: y\n    dns: [z]\n"
    assert {p.code for p in check(tmp_path, text)} <= {"NET003", "NET013"}


def test_findings_are_in_the_order_of_the_lines(tmp_path: Path) -> None:
    text = NIC + "    addresses: [10.1.2.0/24]\n    dns: [127.0.0.1]\ntimezone: x"
    found = rows(check(tmp_path, text))
    assert found == [("NET001", 8, 19), ("NET005", 9, 13), ("TIM002", 10, 13)]


def test_every_rule_with_a_check_is_broken_by_a_test() -> None:
    tested = {case[0] for case in (*SIMPLE, *FILES, *OTHERS, *COMPOSE)} | {
        "NET008",
        "NET016",
        "NET017",
        "SSH001",
        "SVC001",
        "SVC013",
        "PKG006",
        "PKG007",
        "DSK002",
        "YAML016",
        "HWV001",
        "HWV002",
        "SIZ001",
        "SIZ002",
        "SWAP004",
        "BASE007",
        "BASE008",
        "SPEC002",
        "BASE009",
        "BASE010",
        "CMP024",
        "CMP041",
        "DKR005",
        "DKR006",
        "INS001",
        "ACC005",
        "ACC006",
        "SSH003",
        "SVC014",
        "OVF001",
    }
    checked = {rule.code for rule in rules.discover() if rule.check}
    assert checked - COMPOSE_MODEL == tested | OF_MEDIA


def test_every_code_that_is_raised_is_explained() -> None:
    pattern = re.compile(r'"([A-Z]{3,5}(?<!SHA)\d{3})"')
    texts = [p.read_text() for p in PACKAGE.rglob("*.py") if PACKAGE / "rules" not in p.parents]
    raised = {code for text in texts for code in pattern.findall(text)}
    assert len(raised) > 50
    assert raised <= {rule.code for rule in rules.discover()}


def test_every_kind_of_error_has_a_code_that_is_explained() -> None:
    import builder.executors

    kinds: list[type[BuilderError]] = [BuilderError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    with_codes_inside = {SpecError, *SpecError.__subclasses__(), SpecError}
    told_otherwise = {*with_codes_inside, builder.executors.NotStartedError}
    for kind in {*kinds} - told_otherwise:
        rule = rules.explain(kind.usual_code)
        assert f"exit code {kind.exit_code}" in rule.explanation, kind


def test_codes_are_unique_and_explained_in_sentences() -> None:
    found = rules.discover()
    assert len({rule.code for rule in found}) == len(found)
    for rule in found:
        assert re.fullmatch(r"[A-Z]{3,5}\d{3}", rule.code)
        assert not rule.summary.endswith(".")
        assert rule.explanation.endswith("."), rule.code
        assert rule.explanation != rule.summary


def test_a_code_is_explained_whatever_its_capitals() -> None:
    assert rules.explain("net003").code == "NET003"
    with pytest.raises(UsageError) as caught:
        rules.explain("NET03")
    assert caught.value.hint.startswith("did you mean NET0")


def test_rules_that_a_spec_is_spared_would_find_nothing_in_it() -> None:
    spared: set[str] = set()
    for path in sorted((PACKAGE.parent / "specs").glob("*.yaml")):
        spec = load_spec(path, targets=targets.discover(), locked=read_lock(path.parent))
        wanted = rules.rules_for({*spec.keys, *spec.sections})
        others = [rule for rule in rules.discover() if rule not in wanted]
        subject = rules.Subject(spec, find_facts(spec, targets_of(spec.choice), Lock()))
        found = [each for rule in others for each in (rule.check or _nothing)(subject)]
        assert found == [], path
        spared |= {rule.code for rule in others}
    assert {"CMP007", "CMP030", "INS008"} <= spared
    assert rules.rules_for({"compose", "install"}) == rules.discover()


def _nothing(_: rules.Subject) -> tuple[Diagnostic, ...]:
    """Find nothing."""
    return ()
