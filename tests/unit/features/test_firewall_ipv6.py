"""IPv6 works where it is asked for, also where Photon's packet filter drops what it needs."""

from pathlib import Path
from typing import Any

import pytest

from builder.carriers.edit import edit
from builder.facts import Facts, facts_of
from builder.features import Feature, firewall, network, ssh
from builder.guest.firewall import DHCPV6, ICMPV6, IP6SAVE
from tests.support.judges import judge
from tests.support.namespace import run_in_namespace
from tests.support.photon_releases import RELEASES
from tests.support.photon_root import PLACEMENT
from tests.support.photon_texts import configuration
from tests.support.roots import merged_root, put, steps, text_of
from tests.support.tree import File
from tests.support.wishes import wish

OLD = facts_of("4.0", revision="Rev2", image="ova")
NEW = facts_of("5.0", revision="GA", image="ova")
STATIC = {"eth0": {"addresses": ["fd00::1/64"]}}

NEIGHBOURS = """
serve='import socket, sys
server = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6)
while True: server.accept()[0].close()'
ask='import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)'
unshare -n python3 -c "$serve" 80 & other=$!
trap 'kill $other $own' EXIT
until [ "$(readlink /proc/$other/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
ip link add out type veth peer name eth0
ip link set out netns $other
nsenter -t $other -n sh -c 'ip link set out up; ip -6 addr add fd00::2/64 dev out nodad'
ip link set lo up
ip link set eth0 up
ip -6 addr add fd00::1/64 dev eth0 nodad
python3 -c "$serve" 22 & own=$!
sleep 0.5
ip6tables-restore < "$1"
python3 -c "$ask" fd00::2 80 2>/dev/null && echo outwards || true
nsenter -t $other -n python3 -c "$ask" fd00::1 22 2>/dev/null && echo inwards || true
"""
"""A machine with the rules and its neighbour: each opens a connection to the other."""


def filter_of(release: str) -> str:
    entry = configuration(RELEASES[release], PLACEMENT)[IP6SAVE]
    assert isinstance(entry, File)
    return entry.content.decode()


def edited(release: str, facts: Facts, feature: Feature, value: Any) -> str:  # noqa: ANN401 - any valid value
    root = merged_root()
    for name in ("ip4save", "ip6save"):
        put(root, f"/etc/systemd/scripts/{name}", filter_of(release))
    for path in ("iptables",):
        put(root, f"/etc/systemd/scripts/{path}", "#!/bin/sh\n", 0o755)
    found = wish(feature, value, release=release, facts=facts)
    assert found.codes == []
    wanted = [change for change in found.changes if getattr(change, "path", "") == IP6SAVE]
    edit(root, steps(*wanted), 0)
    return text_of(root, IP6SAVE)


def reached(text: str, folder: Path) -> list[str]:
    (folder / "ip6save").write_text(text)
    return run_in_namespace(NEIGHBOURS, str(folder / "ip6save")).split()


def test_the_published_filter_of_4_0_cuts_ipv6_off(tmp_path: Path) -> None:
    assert reached(filter_of("4.0"), tmp_path) == []


def test_an_address_of_ipv6_reaches_its_neighbours(tmp_path: Path) -> None:
    text = edited("4.0", OLD, network.FEATURE, STATIC)
    assert reached(text, tmp_path) == ["outwards", "inwards"]


ASKED = [
    (network.FEATURE, STATIC),
    (network.FEATURE, {"eth0": {"dhcp": "ipv6"}}),
    (network.FEATURE, {"eth0": {}}),
    (network.FEATURE, {"eth0": {"addresses": ["10.0.0.1/8"], "accept_ra": True}}),
    (firewall.FEATURE, {"open": [443]}),
    (firewall.FEATURE, {"open": [{"port": 443, "from": "fd00::/8"}]}),
    (ssh.FEATURE, {"port": 2222}),
]


@pytest.mark.parametrize(("feature", "value"), ASKED)
@pytest.mark.parametrize("release", ["3.0 GA", "4.0"])
def test_the_rules_are_added_where_the_base_lacks_them(
    release: str, feature: Feature, value: object
) -> None:
    number, _, revision = release.partition(" ")
    facts = facts_of(number, revision=revision or "Rev2", image="ova")
    text = edited(release, facts, feature, value)
    assert text.splitlines().count(ICMPV6) == text.splitlines().count(DHCPV6) == 1
    judge("unshare", "-r", "-n", "ip6tables-restore", "--test", text=text)


@pytest.mark.parametrize(("feature", "value"), ASKED)
def test_a_base_that_has_the_rules_keeps_its_own(feature: Feature, value: object) -> None:
    text = edited("5.0", NEW, feature, value)
    assert text.splitlines().count(ICMPV6) == 1
    assert DHCPV6 not in text
    unknown = edited("5.0", facts_of(""), feature, value)
    assert unknown.splitlines().count(ICMPV6) == 1, "the base's own text decides, too"


@pytest.mark.parametrize(
    ("feature", "value"),
    [
        (network.FEATURE, {"eth0": {"addresses": ["10.0.0.1/8"]}}),
        (network.FEATURE, {"eth0": {"dhcp": "ipv4"}}),
        (firewall.FEATURE, {"open": [{"port": 443, "from": "10.0.0.0/8"}], "ping": True}),
    ],
)
def test_ipv4_alone_needs_no_rules_of_ipv6(feature: Feature, value: object) -> None:
    assert wish(feature, value, release="4.0", facts=OLD).lines(IP6SAVE) == []


def test_the_plan_says_what_the_base_drops() -> None:
    reasons = wish(network.FEATURE, STATIC, release="4.0", facts=OLD).reasons
    assert any("drops neighbour discovery" in reason for reason in reasons)
    assert any("may drop" in reason for reason in wish(network.FEATURE, STATIC).reasons)
