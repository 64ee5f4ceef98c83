"""Keys for boards: what they change, what they refuse, and what foreign programs say of it."""

import re
from pathlib import Path

import pytest

from builder.changes import EnsureLine, SetFirmware, SetKernelArguments
from builder.engine.text.lines import ensure_line
from builder.errors import UnsupportedError
from builder.facts import facts_of
from builder.features import (
    Feature,
    clock,
    config_txt,
    discover,
    journal,
    serial_console,
    swap,
    wifi,
)
from builder.guest import card, fstab
from builder.guest import swap as guest_swap
from builder.guest.wifi import derive_key
from builder.rules import discover as discover_rules
from builder.spec import load_spec
from builder.support import features_for
from builder.targets import Target
from builder.targets import discover as discover_targets
from tests.support.judges import judge
from tests.support.wishes import FetchOptions, wish

BOARD_KEYS = {"clock", "config_txt", "serial_console", "wifi"}
BOARD = facts_of("5.0", image="rpi", arch="aarch64")
CONFIGURATION = "/etc/wpa_supplicant/wpa_supplicant-wlan0.conf"
FAULTS = [
    (config_txt.FEATURE, {"all": {"set": {"kernel": "x.bin"}}}, ["CFG002"]),
    (config_txt.FEATURE, {"all": {"unset": ["arm_64bit=1"]}}, ["CFG002"]),
    (config_txt.FEATURE, {"all": {"set": {"enable_uart": 0}}}, ["CFG002"]),
    (config_txt.FEATURE, {"all": {"unset": ["enable_uart"]}}, ["CFG002"]),
    (config_txt.FEATURE, {"all": {"set": {"enable_uart": 1}}}, []),
    (config_txt.FEATURE, {"all": {"add": ["initramfs x followkernel"]}}, []),
    (config_txt.FEATURE, {"all": {"set": {"cmdline": "x"}}}, ["CFG002"]),
    (config_txt.FEATURE, {"all": {"unset": ["cmdline"]}}, []),
    (config_txt.FEATURE, {"rpi4": {"set": {"a": 1}}}, ["CFG003"]),
    (config_txt.FEATURE, {"pi4": {"add": [f"dtoverlay={'x' * 89}"]}}, ["CFG004"]),
    (config_txt.FEATURE, {"pi4": {"add": [f"dtoverlay={'x' * 88}"]}}, []),
    (serial_console.FEATURE, {"port": "serial0"}, ["SER001"]),
    (serial_console.FEATURE, {"port": "ttyS9"}, ["SER001"]),
    (swap.FEATURE, {"kind": "file"}, ["SWAP001"]),
    (swap.FEATURE, {"kind": "none", "size": "1GiB"}, ["SWAP001"]),
    (swap.FEATURE, {"kind": "zram"}, []),
    (wifi.FEATURE, {"country": "UK", "networks": {"a": {"open": True}}}, ["WIFI004"]),
    (wifi.FEATURE, {"country": "NL", "networks": {"a": {}}}, ["WIFI003"]),
    (
        wifi.FEATURE,
        {"country": "NL", "networks": {"a": {"open": True, "psk": {"env": "KEY"}}}},
        ["WIFI003"],
    ),
    (wifi.FEATURE, {"country": "NL", "networks": {"é" * 17: {"open": True}}}, ["WIFI002"]),
    (wifi.FEATURE, {"country": "NL", "networks": {"é" * 16: {"open": True}}}, []),
    (wifi.FEATURE, {"country": "NL", "networks": {"a": {"psk": {"env": "GONE"}}}}, ["SEC002"]),
    (wifi.FEATURE, {"country": "NL", "networks": {"a": {"psk": {"plain": "x"}}}}, ["SEC001"]),
]


def join(secret: str, monkeypatch: pytest.MonkeyPatch, ssid: str = "attic") -> FetchOptions:
    """Return what joining a network with a password means."""
    monkeypatch.setenv("KEY", secret)
    return wish(wifi.FEATURE, {"country": "NL", "networks": {ssid: {"psk": {"env": "KEY"}}}})


@pytest.mark.parametrize(("feature", "value", "codes"), FAULTS)
def test_what_cannot_work_is_named(
    feature: Feature, value: object, codes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "correct horse")
    monkeypatch.delenv("GONE", raising=False)
    assert wish(feature, value).codes == codes
    assert set(codes) <= {rule.code for rule in discover_rules()}


@pytest.mark.parametrize(
    ("secret", "is_one"),
    [
        *((text, True) for text in ("x" * 8, "x" * 63, "a b~!\"'\\${}", "0" * 64, "eight123\r\n")),
        *(
            (text, False)
            for text in ("x" * 7, "x" * 64, "x" * 65, "pässword", "two\nlines", "\t" * 9)
        ),
    ],
)
def test_a_password_is_one_by_the_rules_of_wpa2(
    secret: str, is_one: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = join(secret, monkeypatch)
    assert found.codes == [] if is_one else found.codes == ["WIFI001"]
    assert not any(secret in fault.message for fault in found.faults)


@pytest.mark.parametrize(
    ("ssid", "secret"),
    [("attic", "correct horse"), ("a b", "x" * 63), ("café", "12345678"), ("x" * 32, "q'\"\\ $;#")],
)
def test_the_key_is_the_one_that_wpa_passphrase_derives(
    ssid: str, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = judge("wpa_passphrase", ssid, secret).stdout
    key = next(iter(re.findall(r"^\tpsk=([0-9a-f]{64})$", told, re.MULTILINE)))
    text = join(secret, monkeypatch, ssid).text(CONFIGURATION)
    assert f"\tpsk={key}\n" in text
    assert secret not in text


def test_a_key_in_hex_is_taken_as_it_is() -> None:
    assert derive_key("attic", "AB" * 32) == "ab" * 32


@pytest.mark.parametrize(
    ("ssid", "line"),
    [
        ("attic", 'ssid="attic"'),
        ("two words", 'ssid="two words"'),
        ('a"b', "ssid=612262"),
        ("a\\b", "ssid=615c62"),
        ("café", "ssid=636166c3a9"),
    ],
)
def test_a_name_is_written_so_that_it_is_read_back(ssid: str, line: str) -> None:
    value = {"country": "NL", "networks": {ssid: {"open": True, "hidden": True, "priority": 2}}}
    text = wish(wifi.FEATURE, value).text(CONFIGURATION)
    assert f"\t{line}\n\tscan_ssid=1\n\tkey_mgmt=NONE\n\tpriority=2\n" in text


def test_wpa_supplicant_reads_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "correct horse")
    networks = {"attic": {"psk": {"env": "KEY"}, "hidden": True}, 'a"b': {"open": True}}
    found = wish(wifi.FEATURE, {"country": "NL", "networks": networks})
    path = tmp_path / "wlan0.conf"
    path.write_text(found.text(CONFIGURATION).replace("/run/", f"{tmp_path}/"))
    said = judge("wpa_supplicant", "-i", "none0", "-D", "none", "-c", path, "-d", check=False)
    assert "Invalid configuration line" not in said.stdout
    assert "Failed to read or parse" not in said.stdout + said.stderr
    assert "id=0 ssid='attic'\n" in said.stdout, said.stdout
    assert """id=1 ssid='a\\"b'\n""" in said.stdout
    assert "country='NL'\n" in said.stdout


def test_the_configuration_is_secret_and_roots_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    found = join("correct horse", monkeypatch)
    file = found.file(CONFIGURATION)
    assert (file.mode, file.secret) == (0o600, True)
    assert found.units()["wpa_supplicant@wlan0.service"] == "enabled"


def test_the_radio_asks_for_a_lease_unless_the_spec_says_otherwise() -> None:
    value = {"country": "NL", "networks": {"a": {"open": True}}}
    path = "/etc/systemd/network/05-photon-builder-wlan0.network"
    assert "DHCP=yes" in wish(wifi.FEATURE, value, release="5.0").text(path)
    given = wish(wifi.FEATURE, value, overlay={"network": {"wlan0": {"dhcp": "ipv4"}}})
    assert not [change for change in given.changes if getattr(change, "path", "") == path]


@pytest.mark.parametrize(("release", "word"), [("5.0", "--any"), ("3.0", "--interface=wlan0")])
def test_the_boot_waits_for_either_interface(release: str, word: str) -> None:
    value = {"country": "NL", "networks": {"a": {"open": True}}}
    path = "/etc/systemd/system/systemd-networkd-wait-online.service.d/10-photon-builder.conf"
    text = wish(wifi.FEATURE, value, release=release).text(path)
    assert text.splitlines() == [
        *("[Service]", "ExecStart="),
        f"ExecStart=/usr/lib/systemd/systemd-networkd-wait-online {word}",
    ]


def test_settings_of_the_firmware_are_changes_of_their_own() -> None:
    value = {"pi4": {"set": {"arm_boost": 1}, "add": ["dtoverlay=a,b"], "unset": ["gpu_mem"]}}
    assert wish(config_txt.FEATURE, value).changes == (
        SetFirmware("pi4", "arm_boost=1", "arm_boost"),
        SetFirmware("pi4", "dtoverlay=a,b"),
        SetFirmware("pi4", "", "gpu_mem"),
    )


def test_a_serial_console_is_a_uart_and_an_argument() -> None:
    assert wish(serial_console.FEATURE, {"port": "ttyAMA0", "speed": 9600}).changes == (
        SetFirmware("all", "enable_uart=1", "enable_uart"),
        SetKernelArguments(("console=ttyAMA0,9600n8",)),
    )


@pytest.mark.parametrize(
    ("release", "paths"),
    [
        ("5.0", ["/usr/lib/clock-epoch"]),
        ("3.0", ["/usr/lib/clock-epoch", "/var/lib/systemd/timesync/clock"]),
    ],
)
def test_the_clock_begins_where_the_systemd_of_the_release_looks(
    release: str, paths: list[str]
) -> None:
    found = wish(clock.FEATURE, "build", release=release)
    assert [getattr(change, "path", "") for change in found.changes] == paths
    assert wish(clock.FEATURE, "keep", release=release).changes == ()


def test_the_journal_is_kept_small() -> None:
    text = wish(journal.FEATURE, {"max_use": "64M", "storage": "volatile"}).text(journal.FILE)
    assert text == "[Journal]\nStorage=volatile\nSystemMaxUse=64M\nRuntimeMaxUse=64M\n"


@pytest.mark.parametrize("line", ["LABEL=PHOTON_SWAP none swap defaults 0 0", "/dev/mmcblk0p3\tx"])
def test_the_line_of_the_swap_partition_goes(line: str) -> None:
    found = wish(swap.FEATURE, {"kind": "none"}, facts=BOARD)
    (change,) = (c for c in found.changes if isinstance(c, EnsureLine))
    assert change.path == fstab.FSTAB
    before = f"a / ext4\n{line}\nUUID=1 none swap defaults\n"
    after = ensure_line(before, change.line, replaces=change.replaces)
    assert after == "a / ext4\nUUID=1 none swap defaults\n# no swap partition: swap is none\n"


@pytest.mark.parametrize("script", [card.GROW_TEXT, guest_swap.SCRIPT_TEXT], ids=["grow", "swap"])
def test_the_scripts_of_the_card_are_clean(script: str, tmp_path: Path) -> None:
    path = tmp_path / "script"
    path.write_text(script)
    judge("shellcheck", path)


@pytest.mark.parametrize(
    ("value", "command"),
    [
        ({"kind": "file", "size": "2GiB"}, "/usr/libexec/photon-builder/swap file 2048"),
        ({"kind": "zram"}, "/usr/libexec/photon-builder/swap zram"),
    ],
)
def test_systemd_accepts_the_units(value: object, command: str, tmp_path: Path) -> None:
    found = wish(swap.FEATURE, value, facts=BOARD)
    folder = tmp_path / "usr/lib/systemd/system"
    folder.mkdir(parents=True)
    for path in (card.UNIT_PATH, guest_swap.UNIT_PATH):
        (folder / Path(path).name).write_text(found.text(path))
    assert f"ExecStart={command}\n" in found.text(guest_swap.UNIT_PATH)
    for program in (card.GROW, guest_swap.SCRIPT):
        here = tmp_path / program.lstrip("/")
        here.parent.mkdir(parents=True, exist_ok=True)
        here.write_text(found.text(program))
        here.chmod(0o755)
    for unit in ("multi-user", "sysinit", "basic", "shutdown", "local-fs"):
        (folder / f"{unit}.target").write_text("[Unit]\nDefaultDependencies=no\n")
    units = [Path(card.UNIT_PATH).name, guest_swap.UNIT]
    said = judge("systemd-analyze", f"--root={tmp_path}", "verify", *units, check=False)
    assert (said.returncode, said.stderr) == (0, ""), said.stderr


def test_the_keys_for_boards_say_so() -> None:
    assert {feature.key for feature in discover() if feature.for_boards} == BOARD_KEYS


@pytest.mark.parametrize("key", sorted(BOARD_KEYS - {"clock"}))
def test_a_key_for_boards_is_refused_by_name_elsewhere(key: str, tmp_path: Path) -> None:
    (feature,) = (feature for feature in discover() if feature.key == key)
    path = tmp_path / "x.yaml"
    path.write_text(
        f"version: 1\ntarget: ova\nbase: {{sample: true}}\noverlay:\n  {key}: {feature.example}\n"
    )
    targets = discover_targets()
    spec = load_spec(path, targets=targets)
    for name, target in targets.items():
        if isinstance(target, Target) and not target.is_board:
            sentence = f"x.yaml:5:3: {name} takes no `{key}`; it "
            with pytest.raises(UnsupportedError, match=re.escape(sentence)):
                features_for(spec, target, discover())
    board = targets["rpi3"]
    assert isinstance(board, Target)
    assert features_for(spec, board, discover()) == discover()


def test_the_default_of_a_key_for_boards_is_theirs_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("version: 1\ntarget: ova\nbase: {sample: true}\n")
    targets = discover_targets()
    spec = load_spec(path, targets=targets)
    ova = targets["ova"]
    assert isinstance(ova, Target)
    assert not BOARD_KEYS & {feature.key for feature in features_for(spec, ova, discover())}


BOARDS = {
    ("3.0", "Rev2"): ["SWAP002", "SER002"],
    ("4.0", "Rev2"): ["SWAP002"],
    ("5.0", "GA"): [],
}


@pytest.mark.parametrize("revision", BOARDS)
def test_what_the_kernel_of_a_board_lacks_is_refused(revision: tuple[str, str]) -> None:
    release, name = revision
    facts = facts_of(release, revision=name, image="rpi", arch="aarch64")
    asked = [
        (swap.FEATURE, {"kind": "zram"}),
        (swap.FEATURE, {"kind": "file", "size": "512MiB"}),
        (serial_console.FEATURE, {"port": "ttyAMA0"}),
        (serial_console.FEATURE, {"port": "ttyS0"}),
    ]
    codes = [code for feature, value in asked for code in wish(feature, value, facts=facts).codes]
    assert codes == BOARDS[revision]
