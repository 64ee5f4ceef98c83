import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from builder.changes import (
    EnsureLine,
    InstallPackages,
    MakeDirectory,
    Owner,
    Remove,
    ReplaceText,
    Require,
    SetKernelArguments,
    WriteFile,
)
from builder.documents import parse_document
from builder.errors import Severity
from builder.facts import facts_of
from builder.features import (
    WITH_DEFAULT,
    Feature,
    discover,
    features_of,
    firewall,
    first_boot,
    hostname,
    identity,
    kernel,
    locale,
    modules,
    mounts,
    packages,
    repositories,
    services,
    sysctl,
    timezone,
    units,
)
from builder.features import files as files_module
from builder.features.files import FEATURE as FILES
from builder.features.tree import tree_changes
from builder.guestpath import guest
from tests.support.wishes import wish


@pytest.mark.parametrize("feature", discover(), ids=lambda feature: feature.key)
def test_a_feature_documents_itself_and_its_example_is_valid(feature: Feature) -> None:
    jsonschema.Draft202012Validator.check_schema(feature.schema)
    value = parse_document(feature.example, Path(feature.key)).value
    jsonschema.validate(value, feature.schema)
    assert "description" in feature.schema
    assert feature.summary
    assert not feature.summary.endswith(".")
    properties = feature.schema.get("properties", {})
    assert all("description" in schema for schema in properties.values())


def test_every_key_is_one_features() -> None:
    keys = [feature.key for feature in discover()]
    assert len(keys) == len(set(keys))
    assert {"hostname", "users", "network", "compose", "files"} <= set(keys)


def test_every_feature_is_found_by_its_key_alone() -> None:
    for feature in discover():
        named = [found for found in features_of([feature.key]) if found.key == feature.key]
        assert named == [feature]
        assert bool(feature.default) == (feature.key in WITH_DEFAULT)


@pytest.mark.parametrize("key", ["hostnam", "compose_dns", "../users", "os", ""])
def test_a_key_without_a_feature_is_judged_by_all_features(key: str) -> None:
    assert features_of(["hostname", key]) == discover()


def test_a_spec_without_compose_is_checked_without_its_modules(tmp_path: Path) -> None:
    spec = tmp_path / "lab.yaml"
    spec.write_text("version: 1\ntarget: ova\nbase: {sample: true}\noverlay: {hostname: lab}\n")
    script = (
        "import sys; from builder.api import load; assert load(sys.argv[1]).spec;"
        "print(*(name for name in sys.modules if name.startswith('builder.features.compose')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, spec], stdout=subprocess.PIPE, text=True, check=True
    )
    assert done.stdout.split() == []


def test_a_host_name_is_written_resolved_and_kept() -> None:
    found = wish(hostname.FEATURE, "pihole.home.arpa")
    assert found.text("/etc/hostname") == "pihole.home.arpa\n"
    assert found.lines("/etc/hosts") == ["127.0.1.1\tpihole.home.arpa pihole"]
    assert found.text(hostname.CLOUD) == "preserve_hostname: true\n"


@pytest.mark.parametrize(
    ("name", "valid"),
    [("a", True), ("a-b.c", True), ("-a", False), ("A", False), ("a" * 64, False), ("a..b", False)],
)
def test_host_names_follow_rfc_1123(name: str, valid: bool) -> None:
    assert jsonschema.Draft202012Validator(hostname.SCHEMA).is_valid(name) is valid


@pytest.mark.parametrize(
    ("feature", "value", "codes"),
    [
        (hostname.FEATURE, "localhost", ["NAME001"]),
        (hostname.FEATURE, "nas.local", ["NAME002"]),
        (services.FEATURE, {"enable": ["docker"], "mask": ["docker.service"]}, ["SVC011"]),
        (services.FEATURE, {"enable": ["a b"]}, ["SVC010"]),
        (kernel.FEATURE, {"add": ["root=/dev/sda"], "remove": []}, ["KRN010"]),
        (kernel.FEATURE, {"add": ["a=$b"]}, ["KRN011"]),
        (kernel.FEATURE, {"add": ["quiet"], "remove": ["quiet"]}, ["KRN012"]),
        (locale.FEATURE, "nl_NL.UTF-8", ["LOC001"]),
        (locale.FEATURE, {"LANG": "en_US.UTF-8", "LC_TIME": "C"}, []),
        (firewall.FEATURE, {"open": ["80/icmp", {"port": 80, "from": "x"}]}, ["FWL002"] * 2),
        (packages.FEATURE, ["gone.rpm", "a/b"], ["PKG001", "PKG004"]),
        (units.FEATURE, {"a b": {"content": "[Unit]\n"}}, ["UNIT001"]),
        (units.FEATURE, {"a": {"content": "[Unit]\n", "source": "x"}}, ["UNIT002"]),
        (units.FEATURE, {"a": {"source": "gone"}}, ["UNIT003"]),
        (units.FEATURE, {"a": {"content": "[Unit]\n", "enable": True}}, ["UNIT004"]),
        (units.FEATURE, {"a": {"dropins": {"x.conf": "stray"}}}, ["UNIT005"]),
        (first_boot.FEATURE, [{"name": "a"}], ["BOOT002"]),
        (first_boot.FEATURE, [{"name": "a", "source": "gone"}], ["BOOT003"]),
        (first_boot.FEATURE, [{"name": "a", "script": "echo"}], ["BOOT004"]),
        (first_boot.FEATURE, [{"name": "a", "script": "#!/bin/sh\r\n"}], ["BOOT005"]),
        (first_boot.FEATURE, [{"name": "a", "script": "#!/bin/sh\n"}] * 2, ["BOOT001"]),
        (mounts.FEATURE, [{"source": "nas", "path": "/m", "type": "nfs"}], ["MNT002"]),
        (mounts.FEATURE, [{"source": "/dev/sdb", "path": "/", "type": "ext4"}], ["MNT003"]),
        (mounts.FEATURE, [{"source": "/dev/sdb", "type": "ext4"}], ["MNT003"]),
        (mounts.FEATURE, [{"source": "t", "path": "/m", "type": "tmpfs"}] * 2, ["MNT004"]),
        (
            mounts.FEATURE,
            [{"source": "//n/s", "path": "/m", "type": "cifs", "options": ["password=x"]}],
            ["SEC001"],
        ),
        (FILES, [{"path": "relative", "content": ""}], ["FILE001"]),
        (FILES, [{"path": "/a/../b", "content": ""}], ["FILE001"]),
        (FILES, [{"path": "/a"}], ["FILE002"]),
        (FILES, [{"path": "/a", "content": "", "absent": True}], ["FILE002"]),
        (FILES, [{"path": "/a", "source": "gone"}], ["FILE003"]),
        (FILES, [{"path": "/etc/shadow", "content": ""}], ["FILE005"]),
        (FILES, [{"path": "/etc/group", "lines": ["a:x:5:"]}], ["FILE005"]),
        (FILES, [{"path": "/a", "lines": ["a"], "content": ""}], ["FILE002"]),
        (FILES, [{"path": "/", "lines": ["a"]}], ["FILE001"]),
        (FILES, [{"path": "/a", "lines": ["a", "b\nc", "", "d\r", "e\0"]}], ["FILE007"] * 4),
        (FILES, [{"path": "/a", "content": "", "mode": 755}], ["FILE006"]),
        (FILES, [{"path": "/a", "content": "", "mode": "999"}], ["FILE006"]),
        (
            FILES,
            [{"path": "/etc/systemd/network/10-a.network", "content": "", "mode": "0640"}],
            ["NET030"],
        ),
    ],
    ids=lambda value: value.key if isinstance(value, Feature) else None,
)
def test_a_wrong_value_has_its_code(
    feature: Feature, value: object, codes: list[str], tmp_path: Path
) -> None:
    found = wish(feature, value, tmp_path)
    assert found.codes == codes
    assert all(fault.message for fault in found.faults)


@pytest.mark.parametrize(
    ("entry", "hint"),
    [
        ({"path": "relative", "content": ""}, "write /relative"),
        ({"path": "/a/../b", "content": ""}, "write /b"),
        ({"path": "/a", "source": "gone"}, "relative paths start at the folder of the file"),
    ],
)
def test_a_wrong_path_is_told_with_what_to_do(
    entry: dict[str, str], hint: str, tmp_path: Path
) -> None:
    (fault,) = wish(FILES, [entry], tmp_path).faults
    assert hint in fault.hint


def test_a_time_zone_is_a_link_and_a_demand() -> None:
    found = wish(timezone.FEATURE, "Asia/Shanghai")
    assert found.links() == {"/etc/localtime": "../usr/share/zoneinfo/Asia/Shanghai"}
    demands = [(c.path, c.code) for c in found.changes if isinstance(c, Require)]
    assert demands == [("/usr/share/zoneinfo/Asia/Shanghai", "TIM001")]


@pytest.mark.parametrize(("release", "codes"), [("4.0", ["LOC001"]), ("5.0", [])])
def test_c_utf8_is_in_bases_of_5_0_alone(release: str, codes: list[str]) -> None:
    known = facts_of(release, revision="GA", image="ova")
    assert wish(locale.FEATURE, "C.UTF-8", facts=known).codes == codes
    assert wish(locale.FEATURE, "en_US.UTF-8", facts=known).codes == []


def test_another_locale_is_fine_with_its_package() -> None:
    found = wish(locale.FEATURE, "nl_NL.UTF-8", overlay={"packages": ["glibc-i18n"]})
    assert found.codes == []
    assert found.text("/etc/locale.conf") == "LANG=nl_NL.UTF-8\n"
    assert wish(locale.FEATURE, "nl_NL.UTF-8").faults[0].severity is Severity.WARNING


def test_services_get_their_suffix_and_state() -> None:
    value = {"enable": ["docker", "a.timer"], "disable": ["b"], "mask": ["c@x.service"]}
    assert wish(services.FEATURE, value).units() == {
        "docker.service": "enabled",
        "a.timer": "enabled",
        "b.service": "disabled",
        "c@x.service": "masked",
    }


def test_sysctls_and_modules_are_lines_that_overlays_may_share() -> None:
    found = wish(sysctl.FEATURE, {"net.ipv4.ip_forward": 1})
    assert found.lines(sysctl.FILE) == ["net.ipv4.ip_forward = 1"]
    value = {"load": ["a"], "blacklist": ["b"], "options": {"c": "d=1"}}
    mods = wish(modules.FEATURE, value)
    assert mods.lines(modules.LOAD) == ["a"]
    assert mods.lines(modules.MODPROBE) == ["blacklist b", "options c d=1"]


def test_kernel_arguments_are_one_change() -> None:
    found = wish(kernel.FEATURE, {"add": ["a=1"], "remove": ["quiet"]})
    assert found.changes == (SetKernelArguments(("a=1",), ("quiet",)),)


def test_dead_hosts_are_replaced_by_default() -> None:
    default = repositories.FEATURE.default
    found = wish(repositories.FEATURE, {**default, "fix_key": False}).changes
    line = "https://dl.bintray.com/vmware/photon_updates_$releasever_$basearch"
    for change in found:
        assert isinstance(change, ReplaceText)
        line = line.replace(change.old, change.new)
    assert line == (
        "https://packages.broadcom.com/photon/$releasever/photon_updates_$releasever_$basearch"
    )
    assert wish(repositories.FEATURE, {"fix_host": False, "fix_key": False}).changes == ()


def test_the_identity_is_reset_by_default() -> None:
    found = wish(identity.FEATURE, identity.FEATURE.default)
    assert found.text("/etc/machine-id") == ""
    assert found.file("/etc/machine-id").mode == 0o444
    gone = {change.path for change in found.changes if isinstance(change, Remove)}
    assert {"/etc/ssh/ssh_host_rsa_key.pub", "/var/lib/cloud/instances"} <= gone


def test_openings_are_rules_of_both_families_before_the_end() -> None:
    found = wish(
        firewall.FEATURE,
        {"open": [443, {"port": "53/udp", "from": "10.0.0.0/8"}], "ping": True},
        facts=facts_of("5.0", revision="GA", image="ova"),
    )
    assert len(found.lines("/etc/systemd/scripts/ip4save")) == 3
    assert len(found.lines("/etc/systemd/scripts/ip6save")) == 1
    assert all(getattr(change, "before", "COMMIT") == "COMMIT" for change in found.changes)


def test_packages_and_files_are_installed_together(tmp_path: Path) -> None:
    (tmp_path / "own-1.x86_64.rpm").write_bytes(b"\xed\xab\xee\xdb rest")
    (tmp_path / "text.rpm").write_bytes(b"hello")
    (tmp_path / "arm.aarch64.rpm").write_bytes(b"\xed\xab\xee\xdb rest")
    found = wish(packages.FEATURE, ["jq", "own-1.x86_64.rpm", "bash"], tmp_path)
    (change,) = found.changes
    assert isinstance(change, InstallPackages)
    assert change.names == ("bash", "jq")
    assert [name for name, _ in change.files] == ["own-1.x86_64.rpm"]
    assert "signatures of RPM files are not checked" in found.reasons[0]
    assert wish(packages.FEATURE, ["text.rpm", "arm.aarch64.rpm"], tmp_path).codes == [
        "PKG002",
        "PKG003",
    ]


def test_units_and_drop_ins_are_written_and_enabled(tmp_path: Path) -> None:
    (tmp_path / "x.service").write_text("[Service]\nExecStart=/x\n[Install]\nAlias=y.service")
    value = {
        "x.service": {"source": "x.service", "enable": True},
        "docker": {"dropins": {"10-a.conf": "[Service]\nNice=1"}, "enable": False},
    }
    found = wish(units.FEATURE, value, tmp_path)
    assert found.codes == []
    assert found.text("/etc/systemd/system/x.service").endswith("Alias=y.service\n")
    assert found.text("/etc/systemd/system/docker.service.d/10-a.conf").endswith("Nice=1\n")
    assert found.units() == {"x.service": "enabled", "docker.service": "disabled"}


def test_first_boot_scripts_run_in_order() -> None:
    value = [{"name": n, "script": "#!/bin/sh\n", "network": n == "b"} for n in "ab"]
    found = wish(first_boot.FEATURE, value)
    second = found.text("/etc/systemd/system/photon-builder-first-boot-b.service")
    assert "photon-builder-first-boot-a.service" in second
    assert "Wants=network-online.target" in second
    assert found.file("/usr/libexec/photon-builder/first-boot/a").mode == 0o700
    assert set(found.units().values()) == {"enabled"}


NFS = {"source": "192.168.0.100:/nfs", "path": "/mnt/nfs", "type": "nfs"}


def test_a_share_never_stops_the_boot_and_needs_its_program() -> None:
    found = wish(mounts.FEATURE, [NFS])
    (line,) = found.lines("/etc/fstab")
    assert line == (
        "192.168.0.100:/nfs\t/mnt/nfs\tnfs\tdefaults,_netdev,nofail,x-systemd.automount,"
        "x-systemd.mount-timeout=30s\t0\t0"
    )
    assert [c.code for c in found.changes if isinstance(c, Require)] == ["MNT001"]
    assert any(isinstance(c, MakeDirectory) and c.path == "/mnt/nfs" for c in found.changes)
    helped = wish(mounts.FEATURE, [NFS], overlay={"packages": ["nfs-utils"]})
    assert not [c for c in helped.changes if isinstance(c, Require)]


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        (
            {"source": "LABEL=data", "path": "/data", "type": "ext4"},
            "LABEL=data\t/data\text4\tdefaults,nofail\t0\t2",
        ),
        (
            {"source": "/srv", "path": "/b", "type": "bind"},
            "/srv\t/b\tnone\tdefaults,nofail,bind\t0\t0",
        ),
        ({"source": "/swap", "type": "swap"}, "/swap\tnone\tswap\tdefaults,nofail\t0\t0"),
        (
            {"source": "tmpfs", "path": "/t", "type": "tmpfs", "options": ["size=1G", "ro"]},
            "tmpfs\t/t\ttmpfs\tsize=1G,ro\t0\t0",
        ),
    ],
    ids=["ext4", "bind", "swap", "tmpfs"],
)
def test_each_kind_has_its_line(entry: dict[str, Any], line: str) -> None:
    assert wish(mounts.FEATURE, [entry]).lines("/etc/fstab") == [line]


def test_no_pattern_of_a_line_uses_what_only_python_knows() -> None:
    value = [NFS, {"source": "/dev/sdb", "type": "swap"}]
    for change in wish(mounts.FEATURE, value).changes:
        pattern = getattr(change, "replaces", "")
        assert not re.search(r"\\[a-zA-Z0-9]|\(\?", pattern)


@pytest.mark.parametrize(
    ("path", "content", "mode"),
    [
        ("/etc/motd", "hi", 0o644),
        ("/usr/local/bin/x", "#!/bin/sh\n", 0o755),
        ("/usr/bin/x", "\x7fELF", 0o755),
        ("/etc/x", "\x7fELF", 0o644),
        ("/etc/systemd/network/10-a.network", "", 0o644),
        ("/etc/systemd/network/10-a.netdev", "[WireGuard]\nPrivateKey=x\n", 0o640),
        ("/etc/systemd/network/10-a.netdev", "[NetDev]\n", 0o644),
        ("/etc/ssh/sshd_config.d/x.conf", "", 0o600),
        ("/root/.ssh/id_ed25519", "", 0o600),
        ("/opt/app/app.env", "", 0o600),
        ("/opt/app/secrets/token", "", 0o600),
        ("/etc/sudoers.d/ada", "", 0o440),
    ],
)
def test_a_path_decides_the_mode(path: str, content: str, mode: int) -> None:
    change = wish(FILES, [{"path": path, "content": content}]).file(path)
    assert change.mode == mode
    assert change.owner.gid == (76 if mode == 0o640 else 0)
    assert change.secret is (mode == 0o600 and "sshd_config" not in path)


def test_entries_say_mode_owner_link_folder_and_absence() -> None:
    value = [
        {"path": "/a", "content": "x", "mode": "600", "owner": "ada", "group": 5},
        {"path": "/b", "symlink": "../a"},
        {"path": "/c", "directory": True, "mode": "1777"},
        {"path": "/d", "absent": True},
    ]
    found = wish(FILES, value)
    a = found.file("/a")
    assert (a.mode, a.owner.uid, a.owner.gid) == (0o600, "ada", 5)
    assert found.links() == {"/b": "../a"}
    assert found.changes[2] == MakeDirectory(guest("/c"), 0o1777)
    assert isinstance(found.changes[3], Remove)
    assert files_module.FEATURE.key == "files"


def test_lines_are_added_to_a_file_that_may_be_the_bases() -> None:
    value = [
        {"path": "/etc/environment", "lines": ["A=1", "B=2"]},
        {"path": "/root/.ssh/config", "lines": ["Host *"]},
        {"path": "/srv/x", "lines": ["y"], "mode": "0600", "owner": "ada"},
    ]
    assert wish(FILES, value).changes == (
        EnsureLine(guest("/etc/environment"), "A=1"),
        EnsureLine(guest("/etc/environment"), "B=2"),
        EnsureLine(guest("/root/.ssh/config"), "Host *", mode=0o600),
        EnsureLine(guest("/srv/x"), "y", mode=0o600, owner=Owner("ada", 0)),
    )


def test_a_folder_is_copied_without_touching_the_bases_own_folders(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/motd").write_text("hi")
    (tmp_path / "etc/motd").chmod(0o600)
    (tmp_path / "root/.ssh").mkdir(parents=True)
    (tmp_path / "root/.ssh/config").write_text("x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/.gitkeep").touch()
    (tmp_path / "link").symlink_to("etc/motd")
    found = list(tree_changes(tmp_path))
    folders = {c.path: c.mode for c in found if isinstance(c, MakeDirectory)}
    assert folders == {"/empty": 0o755, "/kept": 0o755, "/root/.ssh": 0o700}
    rest = {getattr(c, "path", ""): getattr(c, "mode", None) for c in found}
    assert rest["/etc/motd"] == 0o644
    assert rest["/root/.ssh/config"] == 0o600
    assert {"/link", "/kept/.gitkeep"} & rest.keys() == {"/link"}


def test_a_device_in_a_folder_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (fault,) = tree_changes(tmp_path)
    assert getattr(fault, "code", "") == "FILE004"


def test_a_folder_goes_to_its_owner(tmp_path: Path) -> None:
    (tmp_path / "app/sub").mkdir(parents=True)
    (tmp_path / "app/sub/x").write_text("x")
    value = [{"path": "/opt/app", "source": "app", "mode": "0755", "owner": "ada"}]
    found = wish(FILES, value, tmp_path).changes
    assert [getattr(c, "path", "") for c in found] == ["/opt/app", "/opt/app/sub", "/opt/app/sub/x"]
    owned = [c for c in found if isinstance(c, MakeDirectory | WriteFile)]
    assert [c.owner.uid for c in owned] == ["ada"] * 3
