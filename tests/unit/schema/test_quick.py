"""The quick check of a schema never says yes where jsonschema says no."""

import copy
import random
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from builder import features, targets
from builder.documents import parse_document
from builder.schema import spec_schema
from builder.schema.quick import fits

SCHEMA = spec_schema(features.discover(), targets.discover(), examples=False)
JUDGE = Draft202012Validator(SCHEMA)
ODDITIES: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    -1,
    1.0,
    2.5,
    "",
    "x",
    "0644",
    [],
    {},
    [1, True],
    {"a": 1},
]


def whole_spec() -> dict[str, Any]:
    overlay = {
        feature.key: parse_document(feature.example, Path(feature.key)).value
        for feature in features.discover()
    }
    return {"version": 1, "targets": ["ova"], "base": {"sample": True}, "overlay": overlay}


def places(value: object) -> list[tuple[Any, Any]]:
    """Return container and key of everything in a value."""
    found: list[tuple[Any, Any]] = []
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            found += [(value, key), *places(inner)]
    return found


def test_it_vouches_for_the_examples_of_all_features() -> None:
    spec = whole_spec()
    JUDGE.validate(spec)
    assert fits(spec, SCHEMA)


@pytest.mark.parametrize("seed", range(8))
def test_it_never_says_yes_where_jsonschema_says_no(seed: int) -> None:
    chance = random.Random(seed)
    whole = whole_spec()
    refused = 0
    for _ in range(400):
        spec = copy.deepcopy(whole)
        container, key = chance.choice(places(spec))
        match chance.choice(["replace", "remove", "add"]):
            case "replace":
                container[key] = chance.choice(ODDITIES)
            case "remove":
                del container[key]
            case _ if isinstance(container, dict):
                container[chance.choice(["odd", "path", "name"])] = chance.choice(ODDITIES)
            case _:
                container.append(chance.choice(ODDITIES))
        valid = JUDGE.is_valid(spec)
        refused += not valid
        assert valid or not fits(spec, SCHEMA), spec
    assert refused > 100, "the mutations hardly broke anything"


@pytest.mark.parametrize("schema", [{"not": {}}, {"$ref": "#"}, {"if": {}}, False], ids=str)
def test_it_vouches_for_no_keyword_that_it_does_not_know(schema: object) -> None:
    assert not fits("x", schema)
