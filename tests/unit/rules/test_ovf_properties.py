"""Whether anything in the guest reads the properties of an appliance."""

from pathlib import Path

import jsonschema
import pytest
import yaml

from builder import rules, targets
from builder.errors import Diagnostic
from builder.facts import Facts, facts_of
from builder.features import cloud_init
from builder.lock import Lock
from builder.spec import load_spec
from tests.support.wishes import wish

NEW = facts_of("5.0", revision="GA", image="ova")
OLD = facts_of("3.0", revision="GA", image="ova")
LISTED = facts_of("4.0", revision="Rev2", image="ova")
FIRST_BOOT = 'first_boot: [{name: a, script: "#!/bin/sh\\n"}]'


def check(
    folder: Path, facts: Facts, keys: str, overlay: str = "timezone: UTC"
) -> list[Diagnostic]:
    path = folder / "lab.yaml"
    path.write_text(
        "version: 1\ntargets: [ova]\nbase: {sample: true}\n"
        f"output: {{properties: {keys}}}\noverlay:\n  {overlay}\n"
    )
    known = targets.discover()
    spec = load_spec(path, targets=known, locked=Lock())
    found = rules.check_rules(spec, {"ova": facts})
    return [problem for problem in found if problem.code == "OVF001"]


@pytest.mark.parametrize(
    ("facts", "keys", "overlay", "said"),
    [
        (NEW, "{public-keys: {}}", "timezone: UTC", "does not look for OVF properties"),
        (NEW, "{public-keys: {}}", "cloud_init: {datasources: [NoCloud, OVF, None]}", ""),
        (NEW, "{public-keys: {}}", FIRST_BOOT, ""),
        (LISTED, "{public-keys: {}}", "timezone: UTC", ""),
        (LISTED, "{mine: {}}", "timezone: UTC", "does not read the property mine"),
        (LISTED, "{mine: {}}", FIRST_BOOT, ""),
        (LISTED, "{hostname: {}}", "hostname: lab", "the property hostname has no effect"),
        (LISTED, "{hostname: {}}", "timezone: UTC", ""),
        (OLD, "{hostname: {}}", "timezone: UTC", "cloud-init 18.3 of Photon 3.0 GA"),
        (NEW, "{}", "timezone: UTC", ""),
    ],
)
def test_a_property_that_nothing_reads_is_told(
    facts: Facts, keys: str, overlay: str, said: str, tmp_path: Path
) -> None:
    found = check(tmp_path, facts, keys, overlay)
    assert len(found) == bool(said)
    assert all(said in problem.message for problem in found)
    assert all(problem.place and problem.place.line == 4 for problem in found)


def test_the_hint_is_a_setting_that_helps(tmp_path: Path) -> None:
    (problem,) = check(tmp_path, NEW, "{public-keys: {}}")
    value = yaml.safe_load(problem.hint.split("`")[1])["cloud_init"]
    jsonschema.validate(value, cloud_init.SCHEMA)
    assert check(tmp_path, NEW, "{public-keys: {}}", problem.hint.split("`")[1]) == []
    text = wish(cloud_init.FEATURE, value, facts=NEW).text(cloud_init.CLOUD)
    assert text == "datasource_list: [NoCloud, OVF, ConfigDrive, OpenStack, VMware, None]\n"


def test_a_base_without_cloud_init_needs_no_settings_of_it() -> None:
    board = facts_of("5.0", revision="GA", image="rpi", arch="aarch64")
    value = {"datasources": ["NoCloud"]}
    assert wish(cloud_init.FEATURE, value, facts=board).codes == ["CLD001"]
    more = {"packages": ["cloud-init"]}
    assert wish(cloud_init.FEATURE, value, facts=board, overlay=more).codes == []
