"""Which of VMware's products take an appliance: its hardware version, the spec's or the base's."""

from pathlib import Path

import pytest

from builder import rules, targets
from builder.errors import Diagnostic, SpecError
from builder.facts import facts_of
from builder.facts.appliances import needed_for, newest_of
from builder.spec import load_spec

OVA = facts_of("5.0", revision="GA", image="ova")


def check(folder: Path, output: str, *, target: str = "ova", old: bool = False) -> list[Diagnostic]:
    """Return what is wrong with the ``output`` section of a spec, on line 4."""
    path = folder / "lab.yaml"
    path.write_text(f"version: 1\ntarget: {target}\nbase: {{sample: true}}\noutput: {output}\n")
    try:
        spec = load_spec(path, targets=targets.discover())
    except SpecError as error:
        return list(error.problems)
    facts = facts_of("4.0", revision="GA", image="ova") if old else OVA
    found = rules.check_rules(spec, {target: facts})
    return [problem for problem in found if problem.code.startswith("HWV")]


NEWEST = {
    "esxi 6.0": 11,
    "ESXi 6.5": 13,
    "esxi 6.7": 14,
    "esxi 6.7 u2": 15,
    "esxi 7.0": 17,
    "esxi 7.0.1": 18,
    "ESXi 7.0 Update 3": 19,
    "esxi 8.0.1": 20,
    "ESXi 8.0 U3": 21,
    "esxi 8.0.3": 21,
    "workstation 12": 12,
    "workstation 16": 18,
    "Workstation 17.0.2": 20,
    "workstation 17.6": 21,
    "fusion 12.2": 19,
    "Fusion 13.5": 21,
}


@pytest.mark.parametrize("product", NEWEST)
def test_hardware_newer_than_a_product_takes_is_refused(product: str, tmp_path: Path) -> None:
    newest = NEWEST[product]
    assert newest_of(product) == newest
    output = f"{{hardware_version: {newest + 1}, runs_on: [{product}]}}"
    (problem,) = check(tmp_path, output)
    assert (problem.code, problem.severity) == ("HWV001", "error")
    assert f"takes hardware up to {newest}; hardware version is {newest + 1}" in problem.message
    assert problem.hint == f"write hardware_version: {newest}"
    # The hint, followed, leaves nothing but what is known of imports to ESXi 8.0.3.
    left = check(tmp_path, output.replace(f": {newest + 1}", f": {newest}"))
    assert [p.code for p in left] == (
        ["HWV002"] if newest_of(product) == 21 and "8.0" in product else []
    )


def test_version_21_on_esxi_8_0_3_does_not_pass_without_a_word(tmp_path: Path) -> None:
    (problem,) = check(tmp_path, "{hardware_version: 21}")
    assert (problem.code, problem.severity) == ("HWV002", "warning")
    assert "needs ESXi 8.0.2, Workstation 17.5 or Fusion 13.5, or later" in problem.message
    assert "the base has 15, for ESXi 6.7.2, Workstation 15 or Fusion 11" in problem.message
    (problem,) = check(tmp_path, "{hardware_version: 21, runs_on: [esxi 8.0.3]}")
    assert problem.message == "ESXi 8.0.3 takes hardware 21, but imports of it have failed there"
    assert problem.hint == "write hardware_version: 20"
    assert check(tmp_path, "{hardware_version: 20, runs_on: [esxi 8.0.3]}") == []


def test_the_hardware_of_the_base_counts_too(tmp_path: Path) -> None:
    (problem,) = check(tmp_path, "{runs_on: [workstation 17, esxi 6.5]}")
    assert problem.place is not None
    assert (problem.code, problem.place.line, problem.place.column) == ("HWV001", 4, 36)
    assert problem.message.endswith("the base's hardware version is 15")
    assert problem.hint == "add hardware_version: 13"
    assert check(tmp_path, "{runs_on: [esxi 6.5], hardware_version: 13}") == []
    assert check(tmp_path, "{runs_on: [esxi 6.0]}", old=True) == []
    (problem,) = check(tmp_path, "{runs_on: [esxi 6.0]}", target="ova_uefi", old=True)
    assert "takes hardware up to 11; the base's hardware version is 13" in problem.message


@pytest.mark.parametrize(
    "output",
    [
        "{hardware_version: 13}",
        "{hardware_version: 15}",
        "{hardware_version: 22, runs_on: [workstation 25.2]}",
        "{hardware_version: 22, runs_on: [esxi 9.0]}",
        "{}",
    ],
)
def test_hardware_that_products_take_or_that_nothing_is_known_of_passes(
    output: str, tmp_path: Path
) -> None:
    assert check(tmp_path, output) == []


@pytest.mark.parametrize("product", ["esxi", "vsphere 8", "esxi8", "virtualbox 7"])
def test_an_unknown_product_is_answered_with_what_is_accepted(product: str, tmp_path: Path) -> None:
    (problem,) = check(tmp_path, f"{{runs_on: [{product}]}}")
    assert "esxi 8.0.3" in problem.message + problem.hint


def test_no_version_is_needed_by_less_than_it() -> None:
    assert [needed_for(v).partition(",")[0] for v in (11, 13, 14, 17, 19)] == [
        *("ESXi 6.0", "ESXi 6.5", "ESXi 6.7", "ESXi 7.0", "ESXi 7.0.2")
    ]


def test_a_license_that_cannot_be_read_is_an_error_of_the_spec(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\0")
    for name, reason in (("gone", "No such file"), ("empty", "1 bytes"), ("binary", "UTF-8")):
        (problem,) = check(tmp_path, f"{{eula: {{file: {name}}}}}")
        assert (problem.code, problem.place and problem.place.line) == ("OUT007", 4)
        assert reason in problem.message


def test_a_license_in_a_file_is_read_with_the_spec(tmp_path: Path) -> None:
    (tmp_path / "terms.txt").write_bytes("Terms:\r\nnöne.\r\n".encode())
    path = tmp_path / "lab.yaml"
    head = "version: 1\ntarget: ova\nbase: {sample: true}\n"
    path.write_text(f"{head}output: {{eula: {{file: terms.txt}}}}\n")
    spec = load_spec(path, targets=targets.discover())
    assert spec.output == {"eula": "Terms:\nnöne.\n"}
