import re
from pathlib import Path

import pytest

from builder.engine.text import grub
from builder.errors import GuestError
from builder.guest import (
    authorized_keys,
    firewall,
    fstab,
    hosts,
    mount_types,
    networkd,
    os_release,
    patterns,
)
from builder.guest.compose.dotenv import format_env
from builder.guest.compose.interpolation import interpolate
from tests.support.judges import judge

NASTY = "a.b*c[d]\\e^f$g+h?(i){j}|k"


def test_a_literal_pattern_means_itself_to_grep_and_to_python() -> None:
    pattern = patterns.literal(NASTY)
    assert re.fullmatch(pattern, NASTY)
    said = judge("grep", "-xE", "--", pattern, text=f"{NASTY}\naxb\n")
    assert said.stdout == f"{NASTY}\n"


@pytest.mark.parametrize(
    ("pattern", "dropped"),
    [
        (fstab.line_of_path("/mnt/a b"), ["x\t/mnt/a\\040b\tnfs ro 0 0"]),
        (fstab.line_of_path("/mnt/nfs"), ["old:/x  /mnt/nfs nfs ro 0 0"]),
        (fstab.line_of_source("/dev/sdb1"), ["/dev/sdb1 none swap sw 0 0"]),
        (hosts.OWN_LINE, ["127.0.1.1 old"]),
        (patterns.key_line("net.ipv4.ip_forward"), ["net.ipv4.ip_forward=0"]),
        (patterns.first_word("Port"), ["Port 22"]),
    ],
    ids=["blank", "path", "swap", "hosts", "sysctl", "sshd"],
)
def test_patterns_match_the_same_lines_for_grep_and_python(
    pattern: str, dropped: list[str]
) -> None:
    lines = [
        "x\t/mnt/a\\040b\tnfs ro 0 0",
        "old:/x  /mnt/nfs nfs ro 0 0",
        "#old:/x /mnt/nfs nfs ro 0 0",
        "/mnt/nfs /elsewhere nfs ro 0 0",
        "/dev/sdb1 none swap sw 0 0",
        "127.0.1.1 old",
        "127.0.1.10 other",
        "net.ipv4.ip_forward=0",
        "net.ipv4.ip_forward_x = 0",
        "Port 22",
        "#Port 22",
    ]
    said = judge("grep", "-E", "--", pattern, text="\n".join(lines), check=False)
    assert said.stdout.splitlines() == dropped
    assert [line for line in lines if re.search(pattern, line)] == dropped


MOUNT = fstab.Mount("//nas/my share", "/mnt/a#b\\c", "cifs", "defaults,nofail", 0, 2)


def test_a_mount_survives_its_line() -> None:
    assert fstab.parse_fstab(f"# comment\n\n{fstab.format_mount(MOUNT)}\n") == (MOUNT,)


def test_findmnt_reads_the_line_as_meant(tmp_path: Path) -> None:
    table = tmp_path / "fstab"
    table.write_text(f"{fstab.format_mount(MOUNT)}\n")
    arguments = ("--tab-file", table, "--noheadings", "--raw", "--output", "SOURCE,TARGET,OPTIONS")
    said = judge("findmnt", *arguments).stdout.strip()
    assert said == "//nas/my\\x20share /mnt/a#b\\x5cc defaults,nofail"


def test_short_lines_get_the_usual_fields() -> None:
    found = fstab.parse_fstab("proc /proc proc\nno-mount-point\n")
    assert found == (fstab.Mount("proc", "/proc", "proc"),)


@pytest.mark.parametrize(
    ("kind", "source", "good"),
    [
        ("nfs", "192.168.0.100:/nfs", True),
        ("nfs", "[fd00::1]:/nfs", True),
        ("nfs4", "nas:/", True),
        ("nfs", "/nfs", False),
        ("nfs", "fd00::1:/nfs", False),
        ("cifs", "//nas/share", True),
        ("cifs", "nas/share", False),
        ("ext4", "UUID=12-34", True),
        ("ext4", "sdb1", False),
        ("bind", "srv", False),
        ("swap", "/swapfile", True),
    ],
)
def test_sources_fit_their_kind(kind: str, source: str, good: bool) -> None:
    assert (mount_types.find_source_fault(kind, source) == "") is good


SYSTEMD_CFG = "# GRUB Environment Block\nsystemd_cmdline=net.ifnames=0 plymouth.enable=0\n"
MENU = (
    'set timeout=5\nmenuentry "Photon" {\n'
    "    linux /boot/$photon_linux root=$rootpartition $photon_cmdline $systemd_cmdline\n"
    "    if [ -f /boot/$photon_initrd ]; then\n        initrd /boot/$photon_initrd\n    fi\n}\n"
)


@pytest.mark.parametrize(
    ("text", "add", "remove", "wanted"),
    [
        (SYSTEMD_CFG, ("quiet",), (), "systemd_cmdline=net.ifnames=0 plymouth.enable=0 quiet"),
        (SYSTEMD_CFG, ("net.ifnames=1",), (), "systemd_cmdline=plymouth.enable=0 net.ifnames=1"),
        (SYSTEMD_CFG, (), ("plymouth.enable",), "systemd_cmdline=net.ifnames=0"),
        (SYSTEMD_CFG, (), ("plymouth",), SYSTEMD_CFG.splitlines()[1]),
        (MENU, ("a=1", "a=2"), (), "$photon_cmdline $systemd_cmdline a=1 a=2"),
        ("photon_cmdline=init=/x ro quiet\n", (), ("quiet",), "photon_cmdline=init=/x ro"),
    ],
    ids=["add", "replace a key", "remove a key", "no prefix", "menu", "photon.cfg"],
)
def test_kernel_arguments_are_edited(
    text: str, add: tuple[str, ...], remove: tuple[str, ...], wanted: str
) -> None:
    once = grub.set_arguments(text, add, remove)
    assert any(line.endswith(wanted) for line in once.splitlines())
    assert once.count("\n") == text.count("\n")
    assert grub.set_arguments(once, add, remove) == once


def test_a_file_without_a_command_line_is_known() -> None:
    assert grub.has_arguments(MENU)
    assert grub.has_arguments(SYSTEMD_CFG)
    assert not grub.has_arguments("set timeout=5\n")


@pytest.mark.parametrize(
    ("text", "source", "lines"),
    [
        ("80/tcp", "", ["-p tcp -m tcp --dport 80", "-p tcp -m tcp --dport 80"]),
        ("443", "", ["-p tcp -m tcp --dport 443"] * 2),
        ("8000-8010/udp", "", ["-p udp -m udp --dport 8000:8010"] * 2),
        ("22", "192.168.0.0/24", ["-s 192.168.0.0/24 -p tcp -m tcp --dport 22"]),
        ("22", "fd00::/8", ["-s fd00::/8 -p tcp -m tcp --dport 22"]),
    ],
)
def test_openings_become_rules(text: str, source: str, lines: list[str]) -> None:
    rules = firewall.format_rules(firewall.parse_opening(text, source))
    assert [line for _, line in rules] == [f"-A INPUT {line} -j ACCEPT" for line in lines]
    expected = {"": [firewall.IP4SAVE, firewall.IP6SAVE], "f": [firewall.IP6SAVE]}
    assert [file for file, _ in rules] == expected.get(source[:1], [firewall.IP4SAVE])


@pytest.mark.parametrize("text", ["", "0", "70000", "80/icmp", "90-80", "http", "80/tcp "])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="port"):
        firewall.parse_opening(text)


def test_a_release_is_read_from_its_files() -> None:
    text = 'NAME="VMware Photon OS"\nID=photon\nVERSION_ID=3.0\n# x\nbroken\nQ="half\n'
    more = "VMware Photon OS 3.0\nPHOTON_BUILD_NUMBER=49d932d\n"
    assert os_release.parse_release(text, more) == os_release.Release("3.0", "49d932d")
    assert os_release.parse_release("", "VMware Photon Linux v1.0\n").version == "1.0"


def test_another_system_is_named() -> None:
    with pytest.raises(GuestError, match="Debian GNU/Linux 12"):
        os_release.parse_release('ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12"\n')


def _key(tmp_path: Path, kind: str) -> str:
    judge("ssh-keygen", "-q", "-t", kind, "-N", "", "-f", tmp_path / "key", "-C", "me@here")
    return (tmp_path / "key.pub").read_text().strip()


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_keys_of_ssh_keygen_are_fine(kind: str, tmp_path: Path) -> None:
    key = _key(tmp_path, kind)
    assert authorized_keys.find_fault(key) == ""
    assert authorized_keys.find_fault(f'from="10.0.0.0/8",no-pty {key}') == ""
    assert authorized_keys.find_fault(key[:60]) != ""


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "private"),
        ("ssh-dss AAAA x", "DSA"),
        ("hello", "no public key"),
        ("ssh-ed25519 AAAA!!! x", "not base64"),
        ("ssh-ed25519 AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7 x", "does not hold"),
        ("ssh-ed25519 AAAA", "does not hold"),
    ],
)
def test_other_lines_are_told_what_they_are(line: str, sentence: str) -> None:
    assert sentence in authorized_keys.find_fault(line)


LINK = networkd.Link(
    "eth0",
    name="eth0",
    addresses=("192.168.1.53/24",),
    gateways=("192.168.1.1",),
    dns=("1.1.1.1", "9.9.9.9"),
)


def test_a_static_interface_is_the_recipes_file() -> None:
    assert networkd.format_network(LINK, release="5.0") == (
        "[Match]\nName=eth0\n\n[Link]\nRequiredForOnline=routable\n\n[Network]\nDHCP=no\n"
        "Address=192.168.1.53/24\nGateway=192.168.1.1\nDNS=1.1.1.1\nDNS=9.9.9.9\n"
        "IPv6AcceptRA=no\nLLMNR=no\nMulticastDNS=no\n"
    )


def test_release_three_knows_no_link_states_and_one_dhcp_section() -> None:
    link = networkd.Link("a", mac="00:50:56:00:00:01", dns=("1.1.1.1",), dhcp="yes", required=True)
    old, new = (networkd.format_network(link, release=release) for release in ("3.0", "5.0"))
    assert "RequiredForOnline=yes\n" in old
    assert old.endswith("[DHCP]\nUseDNS=no\n")
    assert new.endswith("[DHCPv4]\nUseDNS=no\n\n[DHCPv6]\nUseDNS=no\n")
    assert "Name=" not in old


@pytest.mark.parametrize(
    ("text", "wanted", "lacks"),
    [
        ("$$A", "$A", []),
        ("$A-${A}", "x-x", []),
        ("${B:-d}${B-d}", "dd", []),
        ("${E:-d}${E-d}", "d", []),
        ("${B:-${A}}", "x", []),
        ("${B:-${C:-deep}}!", "deep!", []),
        ("${A:+y}${B:+y}${E+y}", "yy", []),
        ("$B", "", [("B", "", False)]),
        ("${B:?set it}", "", [("B", "set it", True)]),
        ("${E:?set it}${E?no}", "", [("E", "set it", True)]),
        ("${A:-$NO}", "x", []),
        ("a${", "a{", [("${", "", True)]),
        ("cost: 5$", "cost: 5$", []),
    ],
)
def test_variables_are_expanded_as_compose_does(
    text: str, wanted: str, lacks: list[tuple[str, str, bool]]
) -> None:
    value, undefined = interpolate({"k": [text, 1]}, {"A": "x", "E": ""})
    assert value == {"k": [wanted, 1]}
    assert [(u.name, u.message, u.is_required) for u in undefined] == lacks
    assert all(u.path == ("k", 0) for u in undefined)


def test_a_deep_default_ends() -> None:
    text = "${A:-" * 500 + "x" + "}" * 500
    assert interpolate(text, {})[1][0].is_required


@pytest.mark.parametrize("value", ["plain", "with blank", "a'b", 'a"b$c', "#x", "", "end\\", "a=b"])
def test_a_line_of_env_means_its_value_to_a_shell(value: str) -> None:
    line = format_env("KEY", value)
    said = judge("sh", "-c", f'{line}\nprintf %s "$KEY"')
    assert said.stdout == value
