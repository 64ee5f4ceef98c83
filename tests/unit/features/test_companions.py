"""Files of the user's own have their effect: they are read, kept and applied last."""

import os
from pathlib import Path
from typing import Any

import pytest

from builder import features, targets
from builder.carriers.edit import edit
from builder.engine.memory import MemoryTree
from builder.errors import SpecError
from builder.facts import Facts, facts_of
from builder.features import files, identity, ssh, sysctl
from builder.features.host_keys import CLOUD
from builder.guestpath import guest
from builder.lock import Lock
from builder.plan import Plan, make_plan
from builder.spec import load_spec
from tests.support.judges import judge
from tests.support.namespace import run_in_namespace
from tests.support.photon_releases import RELEASES
from tests.support.photon_root import PLACEMENT
from tests.support.photon_texts import configuration
from tests.support.photon_units import unit_tree
from tests.support.roots import merged_root, put, text_of
from tests.support.tree import File
from tests.support.wishes import wish

OVA = facts_of("5.0", revision="GA", image="ova")
BOARD = facts_of("5.0", revision="GA", image="rpi", arch="aarch64")
KEY = "/etc/ssh/ssh_host_ed25519_key"


def plan(folder: Path, overlay: str, facts: Facts = OVA) -> Plan:
    (folder / "specs").mkdir(exist_ok=True)
    path = folder / "specs" / "lab.yaml"
    path.write_text(f"version: 1\ntarget: ova\nbase: {{sample: true}}\n{overlay}")
    known = features.discover()
    spec = load_spec(path, targets=targets.discover(), locked=Lock())
    return make_plan(spec, known, facts=facts)


def built(made: Plan, release: str = "5.0") -> MemoryTree:
    root = merged_root()
    for path, entry in configuration(RELEASES[release], PLACEMENT).items():
        if isinstance(entry, File) and path.startswith("/etc/"):
            put(root, path, entry.content.decode(), entry.mode)
    for path, entry in unit_tree(RELEASES[release]).items():
        if isinstance(entry, File):
            put(root, path, entry.content.decode())
    edit(root, made.steps, 0)
    return root


def sshd_settings(root: MemoryTree, folder: Path) -> set[str]:
    """Return what the real sshd makes of its configuration."""
    place = folder / "sshd_config.d"
    place.mkdir(exist_ok=True)
    dropins = guest("/etc/ssh/sshd_config.d")
    for name in root.names(dropins) if root.lstat(dropins) else ():
        (place / name).write_text(text_of(root, f"{dropins}/{name}"))
    text = text_of(root, "/etc/ssh/sshd_config").replace("/etc/ssh/sshd_config.d", str(place))
    (folder / "sshd_config").write_text(text)
    if not (folder / "host_key").exists():
        judge("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "host_key")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    told = judge("sshd", "-T", "-f", folder / "sshd_config", "-h", folder / "host_key")
    return set(told.stdout.splitlines())


DROPIN = '{path: /etc/ssh/sshd_config.d/20-mine.conf, content: "MaxSessions 3\\n"}'


@pytest.mark.parametrize("release", ["4.0", "5.0"])
def test_sshd_reads_a_file_of_the_users_own(release: str, tmp_path: Path) -> None:
    made = plan(tmp_path, f"overlay: {{files: [{DROPIN}]}}\n", facts_of(release, image="ova"))
    assert "maxsessions 3" in sshd_settings(built(made, release), tmp_path)
    (reason,) = {step.reason for step in made.steps if step.change.subject.endswith("sshd_config")}
    assert reason == "Photon's sshd_config does not read /etc/ssh/sshd_config.d"


def test_sshd_reads_a_file_of_an_overlay_folder(tmp_path: Path) -> None:
    where = tmp_path / "specs/overlays/mine/files/etc/ssh/sshd_config.d"
    where.mkdir(parents=True)
    (where / "20-mine.conf").write_text("MaxSessions 3\n")
    made = plan(tmp_path, "overlays: [mine]\n")
    assert "maxsessions 3" in sshd_settings(built(made), tmp_path)


def test_a_file_that_sshd_would_never_read_is_refused(tmp_path: Path) -> None:
    old = facts_of("3.0", revision="GA", image="ova")
    with pytest.raises(SpecError) as caught:
        plan(tmp_path, f"overlay:\n  files:\n    - {DROPIN}\n", old)
    (problem,) = caught.value.problems
    assert (problem.code, problem.place and problem.place.line) == ("SSH002", 6)
    assert "OpenSSH 8.2" in problem.message
    misnamed = [{"path": "/etc/ssh/sshd_config.d/mine", "content": "x"}]
    (fault,) = wish(files.FEATURE, misnamed, release="5.0").faults
    assert (fault.code, fault.hint) == ("SSH002", "name it /etc/ssh/sshd_config.d/mine.conf")
    unknown = wish(files.FEATURE, [{"path": "/etc/ssh/sshd_config.d/a.conf", "content": "x"}])
    assert [fault.severity for fault in unknown.faults] == ["warning"]
    assert unknown.lines(ssh.CONFIG) == [], "the line stops an old sshd from starting"


@pytest.mark.parametrize("release", ["3.0", "5.0"])
def test_the_client_reads_a_file_of_the_users_own(release: str, tmp_path: Path) -> None:
    path = "/etc/ssh/ssh_config.d/10-lab.conf"
    made = plan(
        tmp_path,
        f'overlay: {{files: [{{path: {path}, content: "Host lab\\n Port 2222\\n"}}]}}\n',
        facts_of(release, image="ova"),
    )
    root = built(made, release)
    place = tmp_path / "ssh_config.d"
    place.mkdir()
    (place / "10-lab.conf").write_text(text_of(root, path))
    text = text_of(root, "/etc/ssh/ssh_config").replace("/etc/ssh/ssh_config.d", str(place))
    (tmp_path / "ssh_config").write_text(text)
    assert "port 2222" in judge("ssh", "-G", "-F", tmp_path / "ssh_config", "lab").stdout


def test_a_host_key_that_the_image_brings_is_kept(tmp_path: Path) -> None:
    made = plan(tmp_path, f"overlay: {{files: [{{path: {KEY}, content: secret}}]}}\n")
    root = built(made)
    assert text_of(root, KEY) == "secret"
    assert text_of(root, CLOUD) == "ssh_deletekeys: false\n"
    assert text_of(root, "/etc/machine-id") == ""
    assert any("would delete the host keys" in step.reason for step in made.steps)


def test_kept_identities_keep_their_host_keys() -> None:
    assert wish(identity.FEATURE, "keep", facts=OVA).text(CLOUD) == "ssh_deletekeys: false\n"
    assert wish(identity.FEATURE, "keep", facts=BOARD).changes == ()


def test_a_folder_with_host_keys_is_kept_too(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "ssh_host_rsa_key").write_text("secret")
    found = wish(files.FEATURE, [{"path": "/etc/ssh", "source": "keys"}], tmp_path, facts=OVA)
    assert found.text(CLOUD) == "ssh_deletekeys: false\n"
    public = wish(files.FEATURE, [{"path": f"{KEY}.pub", "content": "x"}], facts=OVA)
    assert len(public.changes) == 1


FILTER = """\
echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter
echo 1 > /proc/sys/net/ipv4/conf/default/rp_filter
echo 0 > /proc/sys/net/ipv4/conf/default/accept_redirects
echo 1 > /proc/sys/net/ipv4/ip_forward # as Docker does, whatever sysctl.d says
"""
"""What happens before the drop-in's command: Photon's script, and another daemon."""

BOOT = """
mount --bind "$1/sysctl.d" /etc/sysctl.d
/usr/lib/systemd/systemd-sysctl "$1"/sysctl.d/*.conf
sh "$1/filter"
sh -eu "$1/after"
cd /proc/sys/net/ipv4
cat conf/all/rp_filter conf/default/rp_filter conf/default/accept_redirects ip_forward
"""


def after_boot(made: Plan, folder: Path) -> list[int]:
    """Return the parameters after sysctl.d, the packet filter and its drop-in had their turn."""
    root = built(made)
    (folder / "sysctl.d").mkdir()
    for name in root.names(guest("/etc/sysctl.d")):
        (folder / "sysctl.d" / name).write_text(text_of(root, f"/etc/sysctl.d/{name}"))
    (folder / "filter").write_text(FILTER)
    lines = text_of(root, sysctl.AFTER_FIREWALL).splitlines()
    assert lines[0] == "[Service]"
    commands = [line.removeprefix("ExecStartPost=-") for line in lines[1:]]
    (folder / "after").write_text("\n".join(commands))
    return [int(line) for line in run_in_namespace(BOOT, str(folder)).split()]


@pytest.mark.parametrize(
    "overlay",
    [
        "sysctl: {net.ipv4.conf.all.rp_filter: 2, net.ipv4.ip_forward: 0}",
        "sysctl: {net/ipv4/conf/all/rp_filter: '2', net.ipv4.ip_forward: 0}",
        'files: [{path: /etc/sysctl.d/95-a.conf, content: "net.ipv4.conf.all.rp_filter=2\\n"}]',
        "files: [{path: /etc/sysctl.d/95-a.conf, lines: [net.ipv4.conf.all.rp_filter = 2]}]",
    ],
)
def test_a_parameter_that_the_packet_filter_sets_has_the_last_word(
    overlay: str, tmp_path: Path
) -> None:
    made = plan(tmp_path, f"overlay: {{{overlay}}}\n")
    assert after_boot(made, tmp_path) == [2, 1, 0, 1]
    assert any("sets net.ipv4.conf.all.rp_filter to 1" in step.reason for step in made.steps)


def test_parameters_of_several_overlays_share_a_drop_in_that_systemd_takes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"specs/overlays/{name}").mkdir(parents=True)
    (tmp_path / "specs/overlays/one/overlay.yaml").write_text(
        "sysctl: {net.ipv4.conf.all.log_martians: 0}\n"
    )
    (tmp_path / "specs/overlays/two/overlay.yaml").write_text(
        "sysctl: {net.ipv4.conf.default.accept_redirects: 1}\n"
    )
    text = text_of(built(plan(tmp_path, "overlays: [one, two]\n")), sysctl.AFTER_FIREWALL)
    assert text.count("[Service]") == 1
    assert text.count("ExecStartPost") == 2
    place = tmp_path / "root/etc/systemd/system"
    (place / "iptables.service.d").mkdir(parents=True)
    (place / "iptables.service").write_text(
        "[Service]\nType=forking\nExecStart=/bin/true\nRemainAfterExit=yes\n"
    )
    (place / "iptables.service.d" / "50.conf").write_text(text)
    told = judge("systemd-analyze", "verify", "--man=no", place / "iptables.service", check=False)
    assert "50.conf" not in told.stderr


@pytest.mark.parametrize(
    "value",
    [
        {"net.ipv4.ip_forward": 1},
        {"net.ipv4.conf.all.rp_filter": 1},
        {"net.ipv4.conf.eth0.rp_filter": 2},
    ],
)
def test_other_parameters_need_no_drop_in(value: dict[str, Any]) -> None:
    assert wish(sysctl.FEATURE, value).lines(sysctl.AFTER_FIREWALL) == []


MANY_KEYS = "users: {root: {ssh_keys: ['ssh-ed25519 KEY a']}}".replace(
    "KEY", "AAAAC3NzaC1lZDI1NTE5AAAAIDc0cGhvdG9uLWJ1aWxkZXItcXVpY2tzdGFydC1r"
)


@pytest.mark.parametrize(
    ("release", "revision", "attempts"),
    [("3.0", "GA", 6), ("3.0", "Rev3 Update1", 6), ("4.0", "Rev2", 6), ("5.0", "GA", 4)],
)
def test_an_agent_with_several_keys_gets_in(
    release: str, revision: str, attempts: int, tmp_path: Path
) -> None:
    facts = facts_of(release, revision=revision, image="ova")
    assert facts.is_known
    root = built(plan(tmp_path, f"overlay: {{{MANY_KEYS}}}\n", facts), release)
    assert f"maxauthtries {attempts}" in sshd_settings(root, tmp_path)


def test_a_limit_of_the_users_own_stays(tmp_path: Path) -> None:
    own = "files: [{path: /etc/ssh/sshd_config, lines: [MaxAuthTries 3]}]"
    facts = facts_of("3.0", revision="GA", image="ova")
    root = built(plan(tmp_path, f"overlay: {{{MANY_KEYS}, {own}}}\n", facts), "3.0")
    assert "maxauthtries 3" in sshd_settings(root, tmp_path)
