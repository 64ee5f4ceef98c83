"""What the example specs mean, compared with what it meant: `make golden` writes it anew."""

import json
import os
from pathlib import Path

import jsonschema
import pytest

from builder.engine.document import schema
from tools import golden

SPECS = sorted((golden.PROJECT / "specs").glob("*.yaml"))
HINT = "is it meant? then: make golden, and look at the diff"


@pytest.fixture(autouse=True)
def _examples(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PHOTON_BUILDER")]:
        monkeypatch.delenv(name)
    for name, value in golden.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(golden.PROJECT)


@pytest.mark.parametrize("spec", SPECS, ids=lambda path: path.stem)
def test_an_example_plans_what_it_did(spec: Path) -> None:
    found = dict(golden.iter_golden(spec.relative_to(golden.PROJECT)))
    kept = {path.name for path in golden.FOLDER.glob(f"{spec.stem}-[0-9]*")}
    assert {name for name in kept if name.endswith((".plan.json", ".refused"))} == {*found}
    for name, text in found.items():
        assert text == (golden.FOLDER / name).read_text(), f"{name}: {HINT}"


@pytest.mark.parametrize("release", golden.RELEASES)
@pytest.mark.parametrize(("spec", "target"), golden.MADE)
def test_an_example_has_the_kickstart_or_the_envelope_that_it_had(
    spec: str, target: str, release: str
) -> None:
    for name, text in golden.iter_made(Path(f"specs/{spec}.yaml"), release, target):
        assert text == (golden.FOLDER / name).read_text(), f"{name}: {HINT}"


@pytest.mark.parametrize("path", sorted(golden.FOLDER.glob("*.plan.json")), ids=lambda p: p.name)
def test_a_plan_fits_the_schema_of_its_document(path: Path) -> None:
    jsonschema.validate(json.loads(path.read_text()), schema())
    for secret in golden.ENVIRONMENT.values():
        assert secret not in path.read_text()
