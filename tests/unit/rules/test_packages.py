"""Rules of packages and their units: what is said of a spec without a base at hand."""

from pathlib import Path

import pytest

from builder import rules, targets
from builder.errors import Diagnostic
from builder.facts import Facts, facts_of
from builder.spec import load_spec

STORY = facts_of("3.0", revision="Rev2 Update3", image="ova")
NEW = facts_of("5.0", revision="GA", image="ova")
PI = facts_of("5.0", revision="GA", image="rpi", arch="aarch64")
CODES = {"SVC001", "PKG006", "PKG007"}


def check(folder: Path, overlay: str, facts: Facts) -> list[Diagnostic]:
    """Return what the rules say of an overlay on a base."""
    path = folder / "lab.yaml"
    inner = "".join(f"  {line}\n" for line in overlay.splitlines())
    path.write_text(f"version: 1\ntarget: ova\nbase: {{sample: true}}\noverlay:\n{inner}")
    spec = load_spec(path, targets=targets.discover())
    return [p for p in rules.check_rules(spec, {"ova": facts}) if p.code in CODES]


def test_a_unit_of_a_package_is_refused_with_the_package_to_add(tmp_path: Path) -> None:
    (found,) = check(tmp_path, "services: {enable: [nfs-server]}", STORY)
    assert found.message == (
        "Photon 3.0 Rev2 Update3 has no nfs-server.service: the package nfs-utils brings it"
    )
    assert found.hint == "add `packages: [nfs-utils]`"
    assert found.place is not None
    assert (found.place.line, found.place.column) == (5, 23)


@pytest.mark.parametrize(
    ("overlay", "facts"),
    [
        ("services: {enable: [nfs-server]}\npackages: [nfs-utils]", STORY),
        ("services: {enable: [docker]}", STORY),
        ("docker: {enable: true}\npackages: [docker]", PI),
        ("docker: {enable: false}", PI),
        ("services: {enable: [kubelet]}\npackages: [kubernetes]", STORY),
        ("services: {enable: [nfs-server]}\nunits: {nfs-server: {content: '[Service]'}}", STORY),
        ("services: {enable: [nfs-server]}\npackages: [mine-1-1.x86_64.rpm]", STORY),
        ("services: {enable: [nfs-server]}", facts_of("5.0", image="ova")),
    ],
)
def test_a_unit_that_comes_or_may_come_is_no_problem(
    tmp_path: Path, overlay: str, facts: Facts
) -> None:
    (tmp_path / "mine-1-1.x86_64.rpm").write_bytes(b"\xed\xab\xee\xdb")
    assert check(tmp_path, overlay, facts) == []


@pytest.mark.parametrize("overlay", ["docker: {enable: true}", "compose:\n  web: {file: web.yaml}"])
def test_the_engine_is_missed_on_a_board(tmp_path: Path, overlay: str) -> None:
    (tmp_path / "web.yaml").write_text("services: {a: {image: nginx}}\n")
    (found,) = check(tmp_path, overlay, PI)
    assert found.message.endswith("has no docker.service: the package docker brings it")
    assert found.hint == "add `packages: [docker]`"


def test_a_second_clock_is_said(tmp_path: Path) -> None:
    (found,) = check(tmp_path, "packages: [chrony]", NEW)
    assert found.code == "PKG006"
    fixed = "packages: [chrony]\nservices: {disable: [systemd-timesyncd]}"
    assert check(tmp_path, fixed, NEW) == []


@pytest.mark.parametrize("package", ["nftables", "fail2ban"])
def test_a_second_packet_filter_is_said(tmp_path: Path, package: str) -> None:
    (found,) = check(tmp_path, f"packages: [{package}]", NEW)
    assert found.code == "PKG007"
    fixed = f"packages: [{package}]\nservices: {{mask: [nftables]}}"
    assert check(tmp_path, fixed, NEW) == []
