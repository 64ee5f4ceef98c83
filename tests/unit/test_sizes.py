"""Sizes as people write them, wherever a size stands."""

from fractions import Fraction
from pathlib import Path

import pytest

from builder import rules, targets
from builder.carriers.appliance import edits_of
from builder.carriers.packing import disk_size
from builder.errors import Diagnostic, SpecError
from builder.facts import facts_of
from builder.features import journal
from builder.guest.install_keys import make_disk_keys
from builder.guest.installer import Installer
from builder.sizes import GIB, MIB, format_size, mib_of, parse_label_size, parse_size
from builder.spec import load_spec
from tests.support.judges import judge
from tests.support.wishes import wish

TWENTY = [
    "20",
    "20G",
    "20GB",
    "20 GiB",
    "20g",
    "20 gb",
    '"20"',
    "20480M",
    "20480 MiB",
    "20 gib",
]
WRONG = [
    "0",
    "-1",
    "20 gigabytes",
    "20Gig",
    "20GiBi",
    "big",
    ".nan",
    "[20]",
    "20  G",
    '"0 G"',
    "1e300",
]
HEAD = "version: 1\ntarget: {}\nbase: {{sample: true}}\n"


def problems_of(folder: Path, body: str, target: str = "ova") -> list[Diagnostic]:
    """Return what is wrong with a spec."""
    path = folder / "lab.yaml"
    path.write_text(HEAD.format(target) + body)
    try:
        spec = load_spec(path, targets=targets.discover())
    except SpecError as error:
        return list(error.problems)
    bases = {"rpi3": facts_of("5.0", image="rpi")} if target == "rpi3" else {}
    return [p for p in rules.check_rules(spec, bases) if not p.code.startswith("ACC")]


@pytest.mark.parametrize("size", TWENTY)
def test_a_disk_of_20_gib_is_written_in_any_way(size: str, tmp_path: Path) -> None:
    assert problems_of(tmp_path, f"disk: {{size: {size}}}\n") == []
    assert disk_size({"disk": {"size": size.strip('"')}}) == 20 * GIB


@pytest.mark.parametrize("size", WRONG)
def test_a_wrong_size_is_answered_with_what_is_accepted(size: str, tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, f"disk: {{size: {size}}}\n")
    said = problem.message + problem.hint
    assert "20 GiB" in said or "GiB or " in said, said


@pytest.mark.parametrize(
    "size", ["512K", "64M", "1536M", "20G", "1.5T", "0.7G", "999999999K", "20GB", "7 MiB"]
)
def test_sizes_mean_what_numfmt_says(size: str) -> None:
    number, unit = size.rstrip("KMGTiB "), size.lstrip("0123456789. ")[:1]
    said = judge("numfmt", "--from=iec", "--round=up", f"{number}{unit}").stdout
    assert parse_size(size) == int(said)


def test_parts_of_a_mebibyte_are_rounded_up() -> None:
    assert mib_of("0.7G") == -(-Fraction(7, 10) * 1024 // 1)
    assert mib_of("1K") == 1


@pytest.mark.parametrize("size", [512, "512M", "512 MiB", "0.5G"])
def test_memory_and_partitions_take_sizes_too(size: str | int, tmp_path: Path) -> None:
    assert problems_of(tmp_path, f"output: {{memory: {size}}}\n") == []
    assert edits_of({"memory": size}).memory_mib == 512
    install = {"disk": "/dev/sda", "partitions": [{"mountpoint": "/"}, {"mountpoint": "/boot"}]}
    install["partitions"][1]["size"] = size  # type: ignore[index]
    rest, boot = make_disk_keys(install, Installer())["partitions"]
    assert (rest["size"], boot["size"]) == (0, 512)


@pytest.mark.parametrize(
    ("size", "text"),
    [("64M", "64M"), (64, "64M"), ("1 GiB", "1G"), ("1.5G", "1536M"), ("9K", "9K")],
)
def test_the_journal_is_told_in_the_units_of_systemd(size: str | int, text: str) -> None:
    found = wish(journal.FEATURE, {"max_use": size}).text(journal.FILE)
    assert f"SystemMaxUse={text}\n" in found
    assert int(judge("numfmt", "--from=iec", text).stdout) == parse_size(size, "M")


@pytest.mark.parametrize(
    ("body", "target", "code", "hint"),
    [
        ("output: {memory: 4}", "ova", "SCH006", "write 4G; a number alone counts MiB"),
        ("output: {memory: '4'}", "ova", "SIZ001", "write 4G; a number alone counts MiB"),
        ("output: {memory: 100M}", "ova", "SIZ001", ""),
        ("disk: {size: 20480}", "ova", "DSK002", "write 20480M"),
        ("disk: {size: 3T}", "ova", "DSK002", "second disk"),
        ("overlay: {swap: 512}", "ova", "SIZ002", "write 512M, or 512GiB"),
        ("overlay: {swap: {size: 512}}", "ova", "SIZ002", "write 512M, or 512GiB"),
        ("disk: {size: 16GB}", "rpi3", "SIZ002", "write 14GiB for such a card, or 16GiB"),
        ("disk: {size: 16}", "rpi3", "SIZ002", "write 14GiB for such a card, or 16GiB"),
        (
            "install: {disk: /dev/sda, partitions: [{mountpoint: /}, {mountpoint: /var, size: 8}]}",
            "iso",
            "SIZ002",
            "write 8G, or 8MiB",
        ),
    ],
)
def test_a_size_in_the_wrong_unit_is_named(
    body: str, target: str, code: str, hint: str, tmp_path: Path
) -> None:
    found = problems_of(tmp_path, f"{body}\n", target)
    (problem,) = [p for p in found if p.code.startswith(("SCH", "SIZ0", "DSK"))]
    assert problem.code == code
    assert hint in problem.hint


@pytest.mark.parametrize(
    ("body", "target"),
    [
        ("disk: {size: 16GiB}", "rpi3"),
        ("disk: {size: 16GB}", "ova"),
        ("output: {memory: 1T}", "ova"),
        ("overlay: {swap: 2}", "ova"),
    ],
)
def test_a_size_with_its_unit_is_not_asked_about(body: str, target: str, tmp_path: Path) -> None:
    found = problems_of(tmp_path, f"{body}\n", target)
    assert [p.code for p in found if p.code.startswith(("SIZ0", "DSK", "SCH"))] == []


def test_a_size_is_printed_in_the_largest_unit_that_fits() -> None:
    assert [format_size(n * MIB) for n in (512, 1024, 1 << 20)] == ["512M", "1G", "1T"]


@pytest.mark.parametrize(
    "size", ["32G", "32GB", "32 GB", "32g", "29.8GiB", "29.8 gib", "512M", "1.5T", "32000000000"]
)
def test_the_label_of_a_card_counts_thousands_unless_it_says_binary(size: str) -> None:
    plain = size.upper().replace(" ", "").removesuffix("B").replace("I", "i")
    wanted = judge("numfmt", "--from=auto", "--round=up", plain).stdout
    assert parse_label_size(size) == int(wanted)


@pytest.mark.parametrize("size", ["", "G", "1e9", "-1G", "32X", "32GiBi", "3²G", "9" * 5000])
def test_what_is_not_a_size_is_refused_on_a_label_too(size: str) -> None:
    with pytest.raises(ValueError, match="not a valid size|digits"):
        parse_label_size(size)
