"""What ``check`` says of installation media, without one."""

from pathlib import Path

import pytest

from builder import features, rules, targets
from builder.errors import Problem
from builder.spec import load_spec

LOGIN = "users: {root: {password: {random: true}}}"


def check(
    folder: Path, install: str, *, target: str = "iso", base: str = 'release: "5.0"'
) -> tuple[Problem, ...]:
    """Return what the rules say of an ``install`` section; its value is on line 4."""
    path = folder / "edge.yaml"
    head = f"version: 1\ntarget: {target}\nbase: {{{base}}}\n"
    path.write_text(f"{head}install: {install}\noverlay:\n  {LOGIN}\n")
    spec = load_spec(path, features=features.discover(), targets=targets.discover())
    return rules.check_rules(spec)


def rows(problems: tuple[Problem, ...]) -> list[tuple[str, int, int]]:
    """Return code, line and column of each problem."""
    return [(p.code, p.place.line, p.place.column) for p in problems if p.place]


PARTITIONS = {
    "no root": ("[{mountpoint: /var}]", 39),
    "one place twice": ("[{mountpoint: /, size: 9}, {mountpoint: /}]", 79),
    "A/B on a volume": (
        "[{mountpoint: /, ab: true, lvm: {vg_name: v, lv_name: l}}]",
        60,
    ),
    "an ESP of ext4": ("[{mountpoint: /}, {mountpoint: /boot/efi, size: 9}]", 57),
}


@pytest.mark.parametrize("case", PARTITIONS.values(), ids=PARTITIONS)
def test_partitions_that_no_installer_makes_are_refused_before_a_download(
    case: tuple[str, int], tmp_path: Path
) -> None:
    partitions, column = case
    found = check(tmp_path, f"{{disk: /dev/sda, partitions: {partitions}}}")
    assert rows(found) == [("INS001", 4, column)]


def test_partitions_that_can_be_made_are_not_mentioned(tmp_path: Path) -> None:
    partitions = "[{mountpoint: /boot, size: 512}, {mountpoint: /, ab: true}]"
    assert rows(check(tmp_path, f"{{disk: /dev/sda, partitions: {partitions}}}")) == []
