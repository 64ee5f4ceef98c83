import re
from pathlib import Path

import jsonschema
import pytest

from builder.changes import (
    AddUser,
    EnsureLine,
    InstallPackages,
    MakeDirectory,
    ReplaceText,
    SetPassword,
    WriteFile,
)
from builder.errors import SpecError
from builder.facts import facts_of
from builder.features import network, ssh, ssh_client, users
from builder.features.users import cloud as cloud_users
from builder.guest.password import check_hash, derived_salt, hash_password
from builder.guestpath import guest
from builder.secret import read_secret
from tests.support.judges import judge
from tests.support.wishes import FetchOptions, wish

HASH = hash_password("x", salt="abc")
LOCKED = {"locked": True}


@pytest.fixture
def key(tmp_path: Path) -> str:
    judge("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "id", "-C", "me")
    return (tmp_path / "id.pub").read_text().strip()


def _password(found: FetchOptions, user: str = "root") -> SetPassword:
    (change,) = [c for c in found.changes if isinstance(c, SetPassword) and c.user == user]
    return change


def test_a_password_by_reference_becomes_the_same_hash_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROOT_PASSWORD", "correct horse")
    (tmp_path / "secret").write_text("correct horse\r\n")
    salt = derived_salt("correct horse", "homelab", "root")
    wanted = SetPassword("root", hash_password("correct horse", salt=salt))
    for form in ({"env": "ROOT_PASSWORD"}, {"file": "secret"}):
        found = wish(users.FEATURE, {"root": {"password": form}}, tmp_path)
        assert _password(found) == wanted
        assert "correct horse" not in repr(found)
        assert wanted.hash not in repr(found)


@pytest.mark.parametrize(
    ("expire", "days", "must_change"),
    [("never", 99999, False), ("first-login", 99999, True), (90, 90, False)],
)
def test_a_password_expires_when_the_spec_says(
    expire: str | int, days: int, must_change: bool
) -> None:
    found = _password(wish(users.FEATURE, {"root": {"password": {"hash": HASH}, "expire": expire}}))
    assert (found.hash, found.max_days, found.must_change) == (HASH, days, must_change)


def test_a_drawn_password_is_announced_once() -> None:
    said: list[str] = []
    value = {"root": {"password": {"random": True}}}
    found = _password(wish(users.FEATURE, value, announce=said.append))
    (line,) = said
    plain = line.removeprefix("password of root: ")
    assert len(plain) == 20
    assert found.hash == hash_password(plain, salt=derived_salt(plain, "homelab", "root"))
    assert check_hash(found.hash) == "sha512crypt"


@pytest.mark.parametrize(
    ("value", "codes"),
    [
        ({"root": {"password": "plain"}}, ["SEC001"]),
        ({"root": {"password": {"env": "NOT_SET_ANYWHERE"}}}, ["SEC002"]),
        ({"root": {"password": {"file": "gone"}}}, ["SEC003"]),
        ({"root": {"password": {"hash": "plain"}}}, ["USR001"]),
        ({"root": {"password": {"hash": f"$y$j9T$a${'a' * 43}"}}}, ["USR002"]),
        ({"root": {"password": {}}}, ["USR003"]),
        ({"root": {"password": {"locked": True, "random": True}}}, ["USR003"]),
        ({"root": {"password": {"locked": False}}}, ["USR003"]),
        ({"root": {"expire": "never"}}, ["USR004"]),
        ({"root": {"uid": 5, "home": "/x"}}, ["USR007", "USR007"]),
        ({"ada": {}}, ["USR008"]),
        ({"ada": {"uid": 1000, "home": "x"}}, ["FILE001"]),
        ({"root": {"ssh_keys": ["file:gone.pub"]}}, ["USR010"]),
        ({"root": {"ssh_keys": ["ssh-ed25519 AAAA me"]}}, ["USR011"]),
    ],
)
def test_a_wrong_account_has_its_code(value: object, codes: list[str], tmp_path: Path) -> None:
    assert jsonschema.Draft202012Validator(users.SCHEMA).is_valid(value)
    assert wish(users.FEATURE, value, tmp_path, release="3.0").codes == codes


@pytest.mark.parametrize(("plain", "code"), [("changeme", "USR006"), ("a\nb", "USR005")])
def test_a_weak_or_broken_password_is_refused(
    plain: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PW", plain)
    assert wish(users.FEATURE, {"root": {"password": {"env": "PW"}}}).codes == [code]


def test_an_account_has_its_groups_home_and_keys(key: str) -> None:
    value = {"ada": {"uid": 1000, "groups": ["wheel"], "ssh_keys": [key, key]}}
    found = wish(users.FEATURE, value)
    account, folder, line = (c for c in found.changes if c.subject.count("MaxAuthTries") == 0)
    assert account == AddUser("ada", 1000, "users", guest("/home/ada"), groups=("wheel",))
    assert isinstance(folder, MakeDirectory)
    assert (folder.path, folder.mode, folder.owner.uid) == ("/home/ada/.ssh", 0o700, 1000)
    assert isinstance(line, EnsureLine)
    assert (line.line, line.mode, line.owner.gid) == (key, 0o600, "users")


def test_keys_come_from_files_too(key: str, tmp_path: Path) -> None:
    (tmp_path / "two.pub").write_text(f"# mine\n\n{key}\n{key} again\n")
    found = wish(users.FEATURE, {"root": {"ssh_keys": ["file:two.pub"]}}, tmp_path)
    assert found.lines("/root/.ssh/authorized_keys") == [key, f"{key} again"]


def test_cloud_init_leaves_root_alone(key: str) -> None:
    password = wish(users.FEATURE, {"root": {"password": {"hash": HASH}}})
    assert "lock_passwd: false" in password.text(cloud_users.CLOUD)
    keys = wish(users.FEATURE, {"root": {"ssh_keys": [key]}})
    assert keys.text(cloud_users.CLOUD) == "disable_root: false\n"
    assert not any(
        isinstance(c, WriteFile)
        for c in wish(users.FEATURE, {"root": {"password": LOCKED}}).changes
    )


def test_a_root_key_opens_ssh_for_keys_alone(key: str) -> None:
    found = wish(users.FEATURE, {"root": {"ssh_keys": [key]}}, release="5.0")
    assert found.text(ssh.KEYS_DROPIN) == (
        "PermitRootLogin prohibit-password\nPasswordAuthentication no\n"
    )
    assert found.lines(ssh.CONFIG) == [ssh.INCLUDE]
    assert found.units() == {
        "sshd.service": "enabled",
        "sshd-keygen.service": "enabled",
        "sshd.socket": "disabled",
    }
    assert any("root has ssh keys" in reason for reason in found.reasons)


def test_passwords_of_others_stay_usable(key: str) -> None:
    value = {"root": {"ssh_keys": [key]}, "ada": {"uid": 1000, "password": {"hash": HASH}}}
    found = wish(users.FEATURE, value, release="5.0")
    assert "PasswordAuthentication" not in found.text(ssh.KEYS_DROPIN)


def test_a_given_ssh_key_has_the_word(key: str) -> None:
    value = {"root": {"ssh_keys": [key]}}
    overlay = {"ssh": {"permit_root": "no"}}
    assert wish(users.FEATURE, value, release="5.0", overlay=overlay).units() == {}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (
            {"permit_root": "keys", "password": False},
            "PermitRootLogin prohibit-password\nPasswordAuthentication no\n",
        ),
        ({"permit_root": "yes"}, "PermitRootLogin yes\nPasswordAuthentication yes\n"),
        (
            {"permit_root": False, "tcp_forwarding": True},
            "PermitRootLogin no\nAllowTcpForwarding yes\n",
        ),
        ({"port": 2222}, "Port 2222\n"),
    ],
)
def test_ssh_says_what_is_asked_and_nothing_else(value: object, text: str) -> None:
    found = wish(ssh.FEATURE, value, release="4.0")
    assert found.text(ssh.DROPIN) == text
    assert found.file(ssh.DROPIN).mode == 0o600
    assert found.lines(ssh.CONFIG) == [ssh.INCLUDE]
    assert bool(found.lines("/etc/systemd/scripts/ip6save")) is ("Port" in text)


@pytest.mark.parametrize("release", ["3.0", ""])
def test_an_old_sshd_is_told_in_its_own_file(release: str, key: str) -> None:
    found = wish(ssh.FEATURE, {"password": False}, release=release)
    assert found.lines(ssh.CONFIG) == ["PasswordAuthentication no"]
    keys = wish(users.FEATURE, {"root": {"ssh_keys": [key]}}, release=release)
    assert ssh.INCLUDE not in keys.lines(ssh.CONFIG)
    assert "PermitRootLogin prohibit-password" in keys.lines(ssh.CONFIG)


@pytest.mark.parametrize("release", ["3.0", "5.0"])
def test_files_are_taken_by_one_line_whatever_the_base_says(release: str) -> None:
    (change,) = [
        change
        for change in wish(ssh.FEATURE, {"sftp": True}, release=release).changes
        if isinstance(change, EnsureLine)
    ]
    assert (change.path, change.before) == (ssh.CONFIG, "")
    given = "#Subsystem sftp /a\n\tsubsystem sftp /usr/libexec/sftp-server\nSubsystem sftpd /b\n"
    lines = [line for line in given.splitlines() if not re.search(change.replaces, line)]
    assert lines == ["#Subsystem sftp /a", "Subsystem sftpd /b"]
    assert judge("grep", "-Ev", change.replaces, text=given).stdout.splitlines() == lines
    assert change.line == "Subsystem sftp internal-sftp"
    off = wish(ssh.FEATURE, {"sftp": False}, release=release).lines(ssh.CONFIG)
    assert off == ["# no sftp: the spec has it off"]


def test_ssh_takes_root_keys_as_a_wish_for_keys(key: str) -> None:
    overlay = {"users": {"root": {"ssh_keys": [key]}}}
    found = wish(ssh.FEATURE, {"tcp_forwarding": False}, release="5.0", overlay=overlay)
    assert found.text(ssh.DROPIN) == "PermitRootLogin prohibit-password\nAllowTcpForwarding no\n"


@pytest.mark.parametrize(
    ("content", "code"), [(b"", "SEC003"), (b"\n\n", "SEC003"), (b"\xff\xfe", "SEC003")]
)
def test_an_empty_or_binary_secret_is_refused(content: bytes, code: str, tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(content)
    with pytest.raises(SpecError) as caught:
        read_secret({"file": "s"}, tmp_path)
    assert caught.value.code == code


STATIC = {
    "eth0": {
        "addresses": ["192.168.1.53/24"],
        "gateway": "192.168.1.1",
        "dns": ["1.1.1.1", "9.9.9.9"],
    }
}
NETWORK = "/etc/systemd/network/05-photon-builder-{}"


def test_a_static_address_is_the_recipes_file_and_cloud_init_is_kept_out() -> None:
    found = wish(network.FEATURE, STATIC, release="5.0")
    text = found.text(NETWORK.format("eth0.network"))
    assert "[Match]\nName=eth0\n" in text
    assert "DHCP=no\nAddress=192.168.1.53/24\nGateway=192.168.1.1\nDNS=1.1.1.1\n" in text
    assert found.file(NETWORK.format("eth0.network")).mode == 0o644
    assert found.text(network.CLOUD) == "network: {config: disabled}\n"
    assert found.units()["systemd-networkd.service"] == "enabled"


def test_interfaces_vlans_and_routes_have_their_files() -> None:
    value = {
        "lan": {"match": {"mac": "00-50-56-AB-CD-EF"}, "mtu": 9000, "optional": True},
        "vlan20": {
            "vlan": {"id": 20, "link": "lan"},
            "addresses": ["10.0.20.2/24", "fd00::2/64"],
            "gateway": ["10.0.20.1", "fd00::1"],
            "routes": [{"to": "10.9.0.0/16", "via": "10.0.20.9", "metric": 5}, {"to": "default"}],
            "domains": ["home.arpa"],
        },
        "v6": {"match": {"name": "eth3"}, "dhcp": "ipv6"},
    }
    found = wish(network.FEATURE, value, release="5.0")
    assert found.codes == []
    lan = found.text(NETWORK.format("lan.network"))
    assert "MACAddress=00:50:56:ab:cd:ef\n\n[Link]\nMTUBytes=9000\nRequiredForOnline=no" in lan
    assert "DHCP=yes\nVLAN=vlan20\n" in lan
    assert found.text(NETWORK.format("vlan20.netdev")) == (
        "[NetDev]\nName=vlan20\nKind=vlan\n\n[VLAN]\nId=20\n"
    )
    vlan = found.text(NETWORK.format("vlan20.network"))
    assert "Gateway=10.0.20.1\nGateway=fd00::1\nDomains=home.arpa\n" in vlan
    assert "[Route]\nDestination=10.9.0.0/16\nGateway=10.0.20.9\nMetric=5\n" in vlan
    assert "IPv6AcceptRA=yes" in found.text(NETWORK.format("v6.network"))


@pytest.mark.parametrize(
    ("settings", "code", "path"),
    [
        ({"match": {"name": "*"}}, "NET020", ("eth0",)),
        ({"match": {"name": "a" * 16}}, "NET020", ("eth0",)),
        ({"addresses": ["10.0.0.1"]}, "NET021", ("eth0", "addresses", 0)),
        ({"addresses": ["10.0.0.300/24"]}, "NET021", ("eth0", "addresses", 0)),
        ({"gateway": "10.0.0.1/24"}, "NET022", ("eth0", "gateway")),
        ({"gateway": ["10.0.0.1", "x"]}, "NET022", ("eth0", "gateway", 1)),
        ({"dns": ["dns.example"]}, "NET022", ("eth0", "dns", 0)),
        ({"vlan": {"id": 5, "link": "eth9"}}, "NET023", ("eth0", "vlan", "link")),
        ({"match": {"mac": "00:11"}}, "NET024", ("eth0", "match", "mac")),
        ({"routes": [{"to": "10.0.0.1/8"}]}, "NET025", ("eth0", "routes", 0, "to")),
        ({"routes": [{"to": "default", "via": "x"}]}, "NET022", ("eth0", "routes", 0, "via")),
    ],
)
def test_a_wrong_interface_has_its_code_and_place(
    settings: object, code: str, path: tuple[str | int, ...]
) -> None:
    value = {"eth0": settings}
    jsonschema.validate(value, network.SCHEMA)
    (fault,) = wish(network.FEATURE, value).faults
    assert (fault.code, fault.path) == (code, path)


ADDRESSES = {
    "192.168.1.5/24": "",
    "192.168.1.5/255.255.255.0": "write 192.168.1.5/24",
    "10.1.2.3/255.255.240.0": "write 10.1.2.3/20",
    "192.168.1.5/0.0.0.255": "write 192.168.1.5/24",
    "fd00::5/64": "",
    "fe80::1%eth0/64": "write fe80::1/64",
}


@pytest.mark.parametrize("text", ADDRESSES)
def test_an_address_is_one_that_systemd_takes_or_the_hint_says_what_to_write(
    text: str, tmp_path: Path
) -> None:
    faults = wish(network.FEATURE, {"eth0": {"addresses": [text]}}).faults
    assert [(fault.code, fault.hint) for fault in faults] == (
        [("NET021", ADDRESSES[text])] if ADDRESSES[text] else []
    )
    for written in (text, *(fault.hint.removeprefix("write ") for fault in faults)):
        # IPAddressAllow= is read by the function that reads Address= of a .network file.
        unit = tmp_path / "judge.service"
        unit.write_text(f"[Service]\nExecStart=/bin/true\nIPAddressAllow={written}\n")
        told = judge("systemd-analyze", "verify", unit, check=False).stderr
        assert ("Address prefix is invalid" in told) is (written == text and bool(faults))


def test_a_route_with_a_netmask_is_refused_with_the_prefix_length() -> None:
    route = {"to": "10.9.0.0/255.255.0.0", "via": "192.168.1.1"}
    value = {"eth0": {"addresses": ["192.168.1.5/24"], "routes": [route]}}
    (fault,) = wish(network.FEATURE, value).faults
    assert (fault.code, fault.hint) == ("NET025", "write 10.9.0.0/16")


@pytest.mark.parametrize("ciphers", ["aes256-ctr,arcfour256,arcfour128,aes128-ctr", "aes128-ctr"])
def test_the_client_of_a_cloud_image_starts_again(ciphers: str, tmp_path: Path) -> None:
    path = tmp_path / "ssh_config"
    text = f"Host *\nForwardAgent no\nCiphers {ciphers}\n"
    path.write_text(text)
    starts = judge("ssh", "-G", "-F", path, "host", check=False).returncode == 0
    assert starts is ("arcfour" not in ciphers)
    for change in wish(ssh_client.FEATURE, ssh_client.FEATURE.default).changes:
        assert isinstance(change, ReplaceText)
        assert change.pattern == "/etc/ssh/ssh_config"
        text = text.replace(change.old, change.new)
    path.write_text(text)
    told = judge("ssh", "-G", "-F", path, "host").stdout
    assert f"ciphers {ciphers.replace('arcfour256,arcfour128,', '')}\n" in told
    assert wish(ssh_client.FEATURE, {"fix_ciphers": False}).changes == ()


@pytest.mark.parametrize(
    ("image", "users_line"),
    [
        ("azure", "users: [default, {name: root, lock_passwd: false}]\n"),
        ("ami", "users: [{name: root, lock_passwd: false}]\n"),
        ("ova", "users: [{name: root, lock_passwd: false}]\n"),
    ],
)
def test_the_user_of_the_portal_is_made_beside_a_password_of_root(
    image: str, users_line: str
) -> None:
    facts = facts_of("5.0", revision="GA", image=image)
    found = wish(users.FEATURE, {"root": {"password": {"hash": HASH}}}, facts=facts)
    assert found.text(cloud_users.CLOUD) == f"{users_line}disable_root: false\n"
    assert any("portal" in reason for reason in found.reasons) is (image == "azure")


SUDO = [(True, "ada ALL=(ALL) ALL\n"), ("nopasswd", "ada ALL=(ALL) NOPASSWD: ALL\n")]


@pytest.mark.parametrize(("value", "rule"), SUDO)
def test_an_account_becomes_root_by_a_rule_that_visudo_accepts(
    value: object, rule: str, tmp_path: Path
) -> None:
    given = {"ada": {"uid": 1000, "sudo": value}}
    jsonschema.validate(given, users.SCHEMA)
    found = wish(users.FEATURE, given, facts=facts_of("5.0", revision="GA", image="ova"))
    file = found.file("/etc/sudoers.d/90-photon-builder-ada")
    assert (file.mode, file.owner.uid, found.text(file.path)) == (0o440, 0, rule)
    (tmp_path / "rule").write_text(rule)
    (tmp_path / "rule").chmod(0o440)
    judge("visudo", "-c", "-f", tmp_path / "rule")
    assert InstallPackages(("sudo",), source="release", online=False) in found.changes
    assert any(reason.startswith("the base lacks sudo") for reason in found.reasons)


def test_sudo_is_installed_where_it_is_not_known_to_be_there() -> None:
    given = {"ada": {"uid": 1000, "sudo": True}}
    ami = wish(users.FEATURE, given, facts=facts_of("5.0", revision="GA", image="ami"))
    assert not any(isinstance(change, InstallPackages) for change in ami.changes)
    assert "the base may lack sudo" in wish(users.FEATURE, given).reasons
    off = wish(users.FEATURE, {"ada": {"uid": 1000, "sudo": False}})
    assert [type(change) for change in off.changes] == [AddUser]
    assert wish(users.FEATURE, {"root": {"sudo": True}}).codes == ["USR007"]
