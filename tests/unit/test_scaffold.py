"""The spec that ``init`` writes."""

from pathlib import Path

import pytest

from builder import features, rules, targets
from builder.errors import UsageError
from builder.facts import facts_of
from builder.plan import make_plan
from builder.scaffold import make_spec_text
from builder.spec import Spec, load_spec


def read(folder: Path, text: str) -> Spec:
    """Return the spec of a text."""
    path = folder / "my.yaml"
    path.write_text(text)
    return load_spec(path, features=features.discover(), targets=targets.discover())


@pytest.mark.parametrize("target", sorted(targets.discover()))
def test_a_new_spec_is_valid_and_plans_without_a_complaint(tmp_path: Path, target: str) -> None:
    text = make_spec_text("my-photon", target)
    spec = read(tmp_path, text)
    assert (spec.name, spec.targets) == ("my-photon", (target,))
    assert rules.check_rules(spec) == ()
    plan = make_plan(spec, features.discover(), facts=facts_of("3.0"))
    assert plan.steps
    assert plan.warnings == ()


def test_a_new_spec_begins_with_what_editors_look_for() -> None:
    first, *others = make_spec_text("lab", "ova").splitlines()
    assert first == "# yaml-language-server: $schema=../docs/spec.schema.json"
    assert sum(line.strip().startswith("#") for line in others) > 10
    assert max(map(len, others)) <= 100


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("my lab!", "my-lab"),
        ("../../etc", "etc"),
        ("日本", "my-photon"),
        ("-x-", "x"),
        ("a" * 200, "a" * 60),
        ("no", "no"),
        ("2026", "2026"),
        ("1e3", "1e3"),
        ("true", "true"),
    ],
)
def test_any_file_name_gives_a_valid_spec(tmp_path: Path, name: str, wanted: str) -> None:
    spec = read(tmp_path, make_spec_text(name, "ova"))
    assert spec.name == wanted
    assert rules.check_rules(spec) == ()


def test_an_unknown_target_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        make_spec_text("lab", "oav")
    assert caught.value.hint.startswith("did you mean ova")
