"""What the example specs mean, compared with what it meant: `make golden` writes it anew."""

import json
import os
from pathlib import Path

import jsonschema
import pytest

from builder.engine.document import schema
from tools import golden
from tools.golden import Variant

SPECS = sorted(path.relative_to(golden.PROJECT) for path in golden.PROJECT.glob("specs/*.yaml"))


@pytest.fixture(autouse=True)
def _examples(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PHOTON_BUILDER")]:
        monkeypatch.delenv(name)
    for name, value in golden.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(golden.PROJECT)


@pytest.mark.parametrize("spec", SPECS, ids=lambda path: path.stem)
def test_an_example_means_what_it_did_for_every_target_and_release(spec: Path) -> None:
    plans: list[str] = []
    found = golden.files_of(spec, plans)
    assert {path.name for path in golden.FOLDER.glob(f"{spec.stem}.*")} == {*found}
    for name, text in found.items():
        assert text == (golden.FOLDER / name).read_text(), (
            f"{name}: is it meant? then: make golden, and look at the diff"
        )
        assert not any(secret in text for secret in golden.ENVIRONMENT.values())
    document = schema()
    for plan in {*plans}:
        jsonschema.validate(json.loads(plan), document)


def test_no_golden_file_is_left_of_a_spec_that_is_gone() -> None:
    stems = {spec.stem for spec in SPECS}
    assert {path.name.split(".")[0] for path in golden.FOLDER.iterdir()} == stems


def test_variants_that_are_merged_can_be_read_one_by_one() -> None:
    texts = {
        Variant("ova", "4.0"): ["a\n", "b\n", "c\n"],
        Variant("ova", "5.0"): ["a\n", "c\n", "d\n"],
        Variant("iso", "5.0"): ["b\n", "c\n"],
        Variant("iso", "4.0"): ["a\n", "b\n", "c\n"],
    }
    merged = golden.merge(texts)
    assert {each: golden.text_of(merged, each) for each in texts} == {
        each: "".join(pieces) for each, pieces in texts.items()
    }
    assert "@@ iso ova: 4.0; " not in merged
    assert merged.count("c\n") == 1
