from pathlib import Path

import pytest

from builder.engine.text import packages, systemd
from builder.engine.text.unit_names import complete_name, escape_path, is_name
from builder.errors import GuestError
from builder.guest import first_boot, preload, repositories
from builder.guest.compose import units as compose_units
from tests.support.judges import judge

LIBRARY = "usr/lib/systemd/system"

UNITS = {
    "plain.service": "[Install]\nWantedBy=multi-user.target\n",
    "many.service": (
        "[Install]\nWantedBy=one.target \\\n# a comment\n  two.target\nWantedBy=\n"
        "WantedBy=\"three.target\" 'four.target'\nRequiredBy=%N.target\n"
        "Alias=bb.service cc.service\nDefaultInstance=zz\n; the end\n"
    ),
    "a-b-c.socket": "[Install]\nWantedBy=sockets.target %j.target %p.target\n",
    "worker@.service": (
        "[Install]\nWantedBy=multi-user.target\nRequiredBy=x@%i.target %p-%j.target\n"
        "DefaultInstance=dd\n"
    ),
    "bare@.service": "[Install]\nWantedBy=multi-user.target foo@.target\n",
    "tty@.service": "[Install]\nWantedBy=getty.target\nAlias=auto@.service\nDefaultInstance=tty1\n",
    "wrong@.service": "[Install]\nAlias=al-%i.service other@%i.service\n",
    "wifi@.service": "[Install]\nAlias=multi-user.target.wants/wifi@%i.service\n",
    "far.service": "[Install]\nAlias=x.target.requires/far.service\n",
    "static.service": "[Service]\nExecStart=/bin/true\n",
    "junk.service": "stray\n[Install]\nno equals sign\nWantedBy=multi-user.target\n",
}
NAMES = [
    *("plain.service", "many.service", "a-b-c.socket", "worker@one.service", "worker@.service"),
    *("bare@.service", "bare@x-y.service", "tty@.service", "tty@tty3.service", "static.service"),
    *("wrong@w.service", "junk.service", "wifi@wlan0.service", "far.service"),
]


def _tree(root: Path, text: str, file: str) -> None:
    (root / LIBRARY).mkdir(parents=True)
    (root / "etc/systemd/system").mkdir(parents=True)
    (root / LIBRARY / file).write_text(f"{text}\n[Service]\nExecStart=/bin/true\n")


def _links(root: Path) -> dict[str, str]:
    found = (path for path in (root / "etc").rglob("*") if path.is_symlink())
    return {f"/{path.relative_to(root)}": str(path.readlink()) for path in found}


@pytest.mark.parametrize("unit", NAMES)
def test_enabling_makes_the_links_systemctl_would(unit: str, tmp_path: Path) -> None:
    file = unit if unit in UNITS else f"{systemd.template_of(unit)}"
    _tree(tmp_path, UNITS[file], file)
    judge("systemctl", f"--root={tmp_path}", "enable", unit, check=False)
    ours = systemd.enable_links(unit, UNITS[file], f"/{LIBRARY}/{file}")
    assert dict(ours) == _links(tmp_path)
    assert len(ours) == len(dict(ours))


def test_drop_ins_add_to_the_install_section(tmp_path: Path) -> None:
    _tree(tmp_path, UNITS["plain.service"], "plain.service")
    dropin = "[Install]\nWantedBy=more.target\n"
    folder = tmp_path / "etc/systemd/system/plain.service.d"
    folder.mkdir()
    (folder / "1.conf").write_text(dropin)
    judge("systemctl", f"--root={tmp_path}", "enable", "plain.service")
    path = f"/{LIBRARY}/plain.service"
    links = systemd.enable_links("plain.service", UNITS["plain.service"], path, dropin)
    assert dict(links) == _links(tmp_path)


def test_also_names_the_other_units() -> None:
    text = "[Install]\nAlso=%p.socket other.service\n"
    assert systemd.also("web.service", text) == ["web.socket", "other.service"]


def test_a_specifier_of_the_running_machine_is_refused() -> None:
    with pytest.raises(GuestError, match="%m"):
        systemd.enable_links("a.service", "[Install]\nWantedBy=%m.target\n", "/x")


@pytest.mark.parametrize(
    "path", ["/", "/mnt/nfs", "/mnt//a b", "/.hidden/x", "/a-b/ü", "/srv/a\\b:c_d.e/", "mnt/./x"]
)
def test_paths_are_escaped_as_systemd_escape_does(path: str) -> None:
    assert escape_path(path) == judge("systemd-escape", "--path", "--", path).stdout.rstrip("\n")


@pytest.mark.parametrize(
    ("text", "unit", "enable", "wanted"),
    [
        ("", "docker.service", True, "enable docker.service\n"),
        ("enable docker.service\n", "docker.service", False, "disable docker.service\n"),
        ("enable b@.service y\n", "b@x.service", True, "enable b@.service x y\n"),
        (
            "enable b@.service x y\n",
            "b@x.service",
            False,
            "enable b@.service y\ndisable b@x.service\n",
        ),
        ("disable z.service\n", "a.service", True, "enable a.service\ndisable z.service\n"),
    ],
    ids=["first", "change of mind", "second instance", "instance off", "sorted"],
)
def test_a_preset_line_says_the_last_wish(text: str, unit: str, enable: bool, wanted: str) -> None:
    once = systemd.set_preset(text, unit, enable=enable)
    assert once == wanted
    assert systemd.set_preset(once, unit, enable=enable) == once


def test_systemd_takes_our_preset_for_what_it_says(tmp_path: Path) -> None:
    _tree(tmp_path, UNITS["worker@.service"], "worker@.service")
    (tmp_path / LIBRARY / "off.service").write_text("[Install]\nWantedBy=multi-user.target\n")
    text = ""
    for unit, enable in (
        ("worker@a.service", True),
        ("worker@b.service", True),
        ("off.service", False),
    ):
        text = systemd.set_preset(text, unit, enable=enable)
    preset = tmp_path / systemd.PRESET.lstrip("/")
    preset.parent.mkdir()
    preset.write_text(text)
    judge("systemctl", f"--root={tmp_path}", "preset-all", "--preset-mode=full")
    wanted = {name.rpartition("/")[2] for name in _links(tmp_path) if "multi-user" in name}
    assert wanted == {"worker@a.service", "worker@b.service"}


def test_malformed_lines_are_found() -> None:
    text = "stray\n[Unit]\nDescription=a\\\n b\nnonsense\n"
    assert systemd.malformed_lines(text) == [(1, "stray"), (5, "nonsense")]


@pytest.mark.parametrize(
    ("name", "valid"),
    [("docker.service", True), ("a@b.timer", True), ("docker", False), ("a b.service", False)],
)
def test_unit_names_are_told_from_others(name: str, valid: bool) -> None:
    assert is_name(name) is valid


def test_a_bare_name_is_a_service() -> None:
    assert complete_name("docker") == "docker.service"
    assert complete_name("nfs.mount") == "nfs.mount"


STUBS = ("docker.service", "iptables.service", "resizefs.service")
_preload = {
    preload.UNIT: preload.format_unit(packages=True),
    preload.RETRY_PATH.rpartition("/")[2]: preload.RETRY_UNIT,
}
GENERATED = {
    "photon-builder-compose@.service": compose_units.format_unit(release="5.0", standalone=True),
    "photon-builder-first-boot-a.service": first_boot.format_unit("a", network=True),
    "photon-builder-first-boot-b.service": first_boot.format_unit(
        "b", after="x.service", packages=True
    ),
    packages.UNIT: packages.UNIT_TEXT,
    **_preload,
}
OLD = {
    **_preload,
    repositories.UNIT: repositories.UNIT_TEXT,
    packages.UNIT: packages.UNIT_TEXT,
    "photon-builder-compose@.service": compose_units.format_unit(release="3.0", standalone=True),
    "photon-builder-compose-retry@.service": compose_units.format_retry_unit(),
}


@pytest.mark.parametrize("units", [GENERATED, OLD], ids=["5.0", "3.0"])
def test_systemd_finds_nothing_to_say_about_our_units(
    units: dict[str, str], tmp_path: Path
) -> None:
    programs = (
        "usr/bin/docker",
        compose_units.PLUGIN[1:],
        "usr/bin/sleep",
        "usr/bin/systemctl",
        "usr/bin/rpm",
        "usr/bin/mkdir",
        packages.SCRIPT[1:],
        preload.SCRIPT_PATH[1:],
    )
    scripts = tuple(f"{first_boot.DIRECTORY[1:]}/{name}" for name in "ab")
    for program in (*programs, *scripts, "usr/bin/touch", "bin/true"):
        path = tmp_path / program
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    library = tmp_path / LIBRARY
    library.mkdir(parents=True)
    for stub in STUBS:
        (library / stub).write_text("[Service]\nExecStart=/bin/true\n")
    for target in Path("/usr/lib/systemd/system").glob("*.target"):
        (library / target.name).write_bytes(target.read_bytes())
    for special in ("-.slice", "system.slice", "tmp.mount"):
        (library / special).write_text("[Unit]\nDescription=stub\n")
    for name, text in units.items():
        (library / name).write_text(text)
    instances = [name.replace("@", "@pihole") for name in units]
    said = judge("systemd-analyze", "verify", f"--root={tmp_path}", *instances, check=False)
    ours = [line for line in said.stderr.splitlines() if "photon-builder" in line]
    assert ours == []
    assert "Failed to load" not in said.stderr


def test_the_script_that_loads_images_is_valid_for_every_shell(tmp_path: Path) -> None:
    script = tmp_path / "preload"
    script.write_text(preload.SCRIPT)
    judge("shellcheck", script)
    for shell in ("dash", "bash"):
        judge(shell, "-n", script)


def test_old_releases_get_no_restart_of_a_oneshot_unit() -> None:
    old = compose_units.format_unit(release="", standalone=True)
    assert "Restart=" not in old
    assert "OnFailure=photon-builder-compose-retry@%i.service" in old
    assert "Restart=on-failure" in GENERATED["photon-builder-compose@.service"]
