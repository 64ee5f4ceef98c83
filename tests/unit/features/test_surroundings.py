"""Names, time, proxy, trust and keyboard, judged by the programs that read them."""

import os
from collections.abc import Mapping
from pathlib import Path

import jsonschema
import pytest

from builder.carriers.edit import edit
from builder.changes import AddGroup, InstallPackages, WriteFile
from builder.errors import GuestError
from builder.facts import facts_of
from builder.features import Feature, ca_certificates, groups, hosts, keyboard, ntp, proxy, users
from builder.guest import ca_certificates as store
from builder.guestpath import GuestPath
from tests.support.judges import judge
from tests.support.roots import merged_root, steps, text_of
from tests.support.wishes import wish

GCE = facts_of("5.0", revision="GA", image="gce")
OVA = facts_of("5.0", revision="GA", image="ova")


def test_names_are_lines_that_the_resolver_takes(tmp_path: Path) -> None:
    value = {"192.168.1.10": ["nas.home.arpa", "nas"], "fd00::1": "printer"}
    lines = wish(hosts.FEATURE, value).lines("/etc/hosts")
    assert lines == ["192.168.1.10\tnas.home.arpa nas", "fd00::1\tprinter"]
    (tmp_path / "hosts").write_text("127.0.0.1 localhost\n" + "".join(f"{x}\n" for x in lines))
    ask = "import socket; print(socket.gethostbyname('nas'))"
    if os.geteuid() == 0:
        script = 'mount --bind "$1" /etc/hosts; python3 -c "$2"'
        told = judge("unshare", "-m", "sh", "-c", script, "sh", tmp_path / "hosts", ask)
        assert told.stdout == "192.168.1.10\n"


def test_time_servers_are_a_drop_in_of_timesyncd() -> None:
    value = {"servers": ["192.168.1.1", "0.pool.ntp.org"], "fallback": ["time.example.org"]}
    found = wish(ntp.FEATURE, value, facts=OVA)
    assert found.text(ntp.FILE) == (
        "[Time]\nNTP=192.168.1.1 0.pool.ntp.org\nFallbackNTP=time.example.org\n"
    )
    assert found.units() == {"systemd-timesyncd.service": "enabled"}


def test_a_second_daemon_that_sets_the_clock_is_told() -> None:
    value = {"servers": ["a.example"]}
    assert wish(ntp.FEATURE, value, facts=GCE).codes == ["NTP002"]
    off = {"services": {"mask": ["ntpd"]}}
    assert wish(ntp.FEATURE, value, facts=GCE, overlay=off).codes == []
    assert wish(ntp.FEATURE, value, facts=OVA, overlay={"packages": ["chrony"]}).codes == ["NTP002"]


def test_a_proxy_is_what_services_and_shells_see(tmp_path: Path) -> None:
    value = {"http": "http://proxy.home.arpa:3128", "no": [".home.arpa", "192.168.0.0/16"]}
    found = wish(proxy.FEATURE, value)
    (tmp_path / "profile").write_text(found.text(proxy.PROFILE))
    told = judge("sh", "-c", f'. "{tmp_path}/profile"; env').stdout.splitlines()
    clouds = "169.254.169.254,metadata.google.internal,168.63.129.16"
    no = f"localhost,127.0.0.1,::1,{clouds},.home.arpa,192.168.0.0/16"
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        assert f"{name}=http://proxy.home.arpa:3128" in told
    assert {f"no_proxy={no}", f"NO_PROXY={no}"} <= set(told)
    place = tmp_path / "etc/systemd/system.conf.d"
    place.mkdir(parents=True)
    (place / "10.conf").write_text(found.text(proxy.MANAGER))
    shown = judge("systemd-analyze", f"--root={tmp_path}", "cat-config", "systemd/system.conf")
    assert f'"NO_PROXY={no}"' in shown.stdout


def test_a_keymap_brings_the_package_that_has_it() -> None:
    found = wish(keyboard.FEATURE, "de-latin1", facts=OVA)
    assert found.text("/etc/vconsole.conf") == "KEYMAP=de-latin1\n"
    assert InstallPackages(("kbd",), source="release", online=False) in found.changes


WRONG: list[tuple[Feature, object, list[str]]] = [
    (hosts.FEATURE, {"192.168.1.0/24": "a"}, ["HST001"]),
    (hosts.FEATURE, {"127.0.1.1": "a"}, ["HST001"]),
    (hosts.FEATURE, {"10.0.0.1": ["ok", "not ok"]}, ["HST002"]),
    (ntp.FEATURE, {"servers": ["ntp://x"]}, ["NTP001"]),
    (proxy.FEATURE, {"http": "http://me:secret@proxy"}, ["PRX001"]),
    (proxy.FEATURE, {"http": "proxy:3128"}, ["PRX001"]),
    (proxy.FEATURE, {"http": "http://proxy", "no": ["a b"]}, ["PRX002"]),
    (ca_certificates.FEATURE, ["gone.pem"], ["CRT001"]),
    (ca_certificates.FEATURE, ["-----BEGIN X-----\nx"], ["CRT002"]),
    (
        ca_certificates.FEATURE,
        ["-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----"],
        ["CRT002"],
    ),
    (
        ca_certificates.FEATURE,
        ["-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----"],
        ["CRT002"],
    ),
]


@pytest.mark.parametrize(("feature", "value", "codes"), WRONG)
def test_a_wrong_value_has_its_code(
    feature: Feature, value: object, codes: list[str], tmp_path: Path
) -> None:
    jsonschema.validate(value, feature.schema)
    assert wish(feature, value, tmp_path, facts=OVA).codes == codes


def authority(folder: Path, name: str) -> Path:
    """Make an authority and a certificate that it signed; return the authority's."""
    made = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    ca, key = folder / f"{name}-ca.pem", folder / f"{name}-ca.key"
    judge("openssl", "req", "-x509", *made, "-subj", f"/CN={name}", "-keyout", key, "-out", ca)
    request = folder / f"{name}.csr"
    judge("openssl", "req", *made, "-subj", "/CN=leaf", "-keyout", folder / "k", "-out", request)
    signed = ("-CA", ca, "-CAkey", key, "-out", folder / f"{name}.pem")
    judge("openssl", "x509", "-req", "-in", request, *signed)
    return ca


def boot(folder: Path, files: Mapping[GuestPath, str]) -> None:
    """Run the script of the guest on stores below a folder."""
    (folder / "certs").mkdir(exist_ok=True)
    for path, text in files.items():
        (folder / "certs" / path.rpartition("/")[2]).write_text(text)
    script = store.SCRIPT_TEXT.replace("/etc/ssl/certs", str(folder / "certs"))
    script = script.replace("/etc/pki/tls/certs", str(folder / "pki"))
    judge("sh", "-eu", text=script)


def test_authorities_are_trusted_by_both_stores_in_every_boot(tmp_path: Path) -> None:
    both = authority(tmp_path, "one").read_text() + authority(tmp_path, "two").read_text()
    (tmp_path / "both.pem").write_text(f"some words\r\n{both}")
    found = wish(ca_certificates.FEATURE, ["both.pem"], tmp_path)
    assert found.codes == []
    files = {
        change.path: found.text(change.path)
        for change in found.changes
        if isinstance(change, WriteFile) and change.path.endswith(".pem")
    }
    assert len(files) == 2
    root = tmp_path / "root"
    root.mkdir()
    bundle = root / "pki/ca-bundle.crt"
    for _ in range(2):
        boot(root, files)
        assert bundle.read_text().count("BEGIN CERTIFICATE") == 2
        for name in ("one", "two"):
            leaf = tmp_path / f"{name}.pem"
            judge("openssl", "verify", "-no-CAfile", "-CApath", root / "certs", leaf)
            judge("openssl", "verify", "-no-CApath", "-CAfile", bundle, leaf)
    bundle.write_text("")
    boot(root, files)
    judge("openssl", "verify", "-no-CApath", "-CAfile", bundle, tmp_path / "one.pem")


def test_the_script_and_the_unit_of_the_stores_are_sound(tmp_path: Path) -> None:
    judge("shellcheck", "-", text=store.SCRIPT_TEXT)
    unit = tmp_path / store.UNIT
    unit.write_text(store.UNIT_TEXT.replace(store.SCRIPT, "/bin/true"))
    told = judge("systemd-analyze", "verify", "--man=no", unit, check=False)
    assert store.UNIT not in told.stderr


def test_an_account_joins_a_group_of_the_spec() -> None:
    made = wish(groups.FEATURE, {"media": 2000, "docker": 990}, facts=OVA).changes
    account = wish(users.FEATURE, {"ada": {"uid": 1000, "gid": "media", "groups": ["docker"]}})
    root = merged_root()
    edit(root, steps(*made, *account.changes), 0)
    text = text_of(root, "/etc/group")
    assert "media:x:2000:\n" in text
    assert "docker:x:990:ada\n" in text
    again = wish(groups.FEATURE, {"docker": 990}).changes
    assert edit(root, steps(*again), 0) == []


@pytest.mark.parametrize("change", [AddGroup("wheel", 2000), AddGroup("media", 28)])
def test_a_group_of_the_base_keeps_its_name_and_id(change: AddGroup) -> None:
    with pytest.raises(GuestError, match="found wheel:x:28"):
        edit(merged_root(), steps(change), 0)
