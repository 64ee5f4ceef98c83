"""Versions of packages: older and newer as rpm itself decides."""

from itertools import combinations

from builder.formats.rpm_version import age_of
from tests.support.judges import judge

VERSIONS = (
    *("1", "1.0", "1.0.", "1.00", "01", "2", "10", "1.10", "1.9", "1a", "1.a", "a1", "a", "b"),
    *("1.0~rc1", "1.0~rc2", "1.0~", "1.0^", "1.0^git1", "1.0^git1~pre", "1.0.1", "1_0"),
    *("20240101", "20240101git", "5.ph5", "5.ph4", "10.ph3", "~", "^", "A", "rc1", "1.0rc1"),
    "9" * 40,
)


def test_versions_are_ordered_as_rpm_orders_them() -> None:
    pairs = [*combinations(VERSIONS, 2), *((v, v) for v in VERSIONS)]
    lua = "".join(f"print(rpm.vercmp('{a}', '{b}') .. ' ')" for a, b in pairs)
    wanted = [int(word) for word in judge("rpm", "--eval", f"%{{lua: {lua}}}").stdout.split()]
    found = [
        (age_of(0, a, "") > age_of(0, b, "")) - (age_of(0, a, "") < age_of(0, b, ""))
        for a, b in pairs
    ]
    assert dict(zip(pairs, found, strict=True)) == dict(zip(pairs, wanted, strict=True))


def test_epoch_outranks_version_and_version_release() -> None:
    ages = [age_of(0, "9", "1"), age_of(0, "9", "2"), age_of(0, "10", "1"), age_of(1, "1", "1")]
    assert ages == sorted(ages)
    assert len(set(ages)) == len(ages)
