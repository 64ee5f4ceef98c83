"""The spec that ``init`` writes."""

import json
from pathlib import Path

import pytest

from builder import features, rules, targets
from builder.errors import UsageError
from builder.facts import facts_of
from builder.plan import make_plan
from builder.scaffold import make_spec_text
from builder.spec import Spec, load_spec
from tests.support.program import Bench


def read(folder: Path, text: str) -> Spec:
    """Return the spec of a text."""
    path = folder / "my.yaml"
    path.write_text(text)
    return load_spec(path, targets=targets.discover())


@pytest.mark.parametrize("target", sorted(targets.discover()))
def test_a_new_spec_is_valid_and_plans_without_a_complaint(tmp_path: Path, target: str) -> None:
    text = make_spec_text("my-photon", target)
    spec = read(tmp_path, text)
    assert (spec.name, spec.targets) == ("my-photon", (target,))
    assert rules.check_rules(spec) == ()
    plan = make_plan(spec, features.discover(), facts=facts_of("3.0"))
    assert plan.steps
    assert plan.warnings == ()


@pytest.mark.parametrize("target", sorted(targets.discover()))
def test_what_init_writes_is_checked_without_a_word(tmp_path: Path, target: str) -> None:
    bench = Bench(tmp_path)
    assert bench.run("init", "specs/my.yaml", "-t", target).code == 0
    done = bench.run("check", "my", "--json")
    assert (done.code, json.loads(done.out)["problems"]) == (0, []), done.err
    assert bench.run("plan", "my").code == 0


def test_the_newest_release_is_what_a_new_spec_begins_with() -> None:
    for target in ("ova", "iso", "minimal-iso", "ami", "azure", "rpi3", "rpi", "all", "all-images"):
        assert 'base:\n  release: "5.0"\n' in make_spec_text("lab", target)
    assert 'release: "4.0"' in make_spec_text("lab", "ova_uefi"), "5.0 has it for aarch64 alone"
    assert 'release: "3.0"' in make_spec_text("lab", "gce"), "the newest in the catalog"


def test_docker_is_enabled_where_the_base_has_it() -> None:
    assert "enable: [docker]" in make_spec_text("lab", "ova")
    for target in ("rpi3", "rpi"):
        text = make_spec_text("pi", target)
        assert "docker" not in text
        assert "wifi:" in text


def test_the_modeline_leads_to_the_schema_or_says_how_to_get_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert bench.run("init", "my.yaml").code == 0
    first, second, *_ = (tmp_path / "my.yaml").read_text().splitlines()
    assert "photon-builder schema > spec.schema.json" in first
    assert "$schema=spec.schema.json" in second
    assert not second.startswith("# yaml-language-server"), "nothing is there yet"
    bench.write("docs/spec.schema.json", "{}")
    assert bench.run("init", "specs/deep/my.yaml").code == 0
    first = (tmp_path / "specs/deep/my.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=../../docs/spec.schema.json"


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
