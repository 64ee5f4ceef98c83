"""The JSON Schema of a spec, and the sentences for what does not fit."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from builder import features, targets
from builder.documents import parse_document
from builder.errors import Diagnostic, Place
from builder.features.sources import guest_path
from builder.schema import check_schema, overlay_schema, spec_schema

FILE = Path("x.yaml")


@dataclass(frozen=True)
class Kind:
    """A target, as far as a schema looks at it."""

    name: str
    summary: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


KINDS = {
    "ova": Kind("ova", options={"hw_version": {"type": "integer"}}),
    "gce": Kind("gce", options={"compression": {"enum": ["gz", "none"]}}),
    "rpi3": Kind("rpi3", options={"compression": {"enum": ["xz"]}}),
}


def test_the_schema_is_valid_and_says_what_it_is() -> None:
    schema = spec_schema(features.discover(), KINDS)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"].endswith("2020-12/schema")
    assert schema["$id"]
    overlay = schema["properties"]["overlay"]["properties"]
    assert set(overlay) == {feature.key for feature in features.discover()}
    assert all(inner["examples"] and inner["title"] for inner in overlay.values())
    assert schema["properties"]["targets"]["items"]["enum"] == ["gce", "ova", "rpi3"]
    assert set(schema["properties"]["output"]["properties"]) == {"hw_version", "compression"}


@pytest.mark.parametrize("feature", features.discover(), ids=lambda feature: feature.key)
def test_an_example_fits_its_feature(feature: features.Feature) -> None:
    document = parse_document(feature.example, FILE)
    assert check_schema(document, feature.schema) == ()


def test_an_option_of_two_targets_may_have_either_form() -> None:
    output = spec_schema((), KINDS)["properties"]["output"]
    for word, fits in (("gz", True), ("xz", True), ("zip", False)):
        found = check_schema(parse_document(f"compression: {word}", FILE), output)
        assert (found == ()) is fits


SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z]+$", "description": "Small letters."},
        "count": {"type": "integer", "minimum": 1, "maximum": 9},
        "flag": {"type": "boolean"},
        "kind": {"enum": ["iso", "ova", True]},
        "one": {"const": 1},
        "list": {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "minItems": 1},
        "text": {"type": ["string", "null"], "minLength": 2},
        "either": {
            "anyOf": [
                {"type": "string"},
                {"type": "object", "additionalProperties": False, "properties": {"port": {}}},
            ]
        },
        "when": {"anyOf": [{"enum": ["never", "always"]}, {"type": "integer", "minimum": 1}]},
        "map": {"type": "object", "propertyNames": {"pattern": "^[a-z]$"}},
        "form": {"type": "string", "pattern": "^[A-Z]$", "x-form": "one capital"},
        "forms": {"propertyNames": {"pattern": "^[A-Z]$", "x-form": "one capital"}},
        "password": {"type": ["object"]},
        "own": {"enum": ["a"], "x-own-check": ["enum"]},
    },
}


@pytest.mark.parametrize(
    ("text", "code", "place", "words", "hint"),
    [
        ("name: 5", "SCH001", (1, 7), "name: found the number 5; wanted text", ""),
        ("name: a\ncount: x", "SCH001", (2, 8), "found the text 'x'; wanted a whole number", ""),
        ("name: a\nflag: yes", "SCH001", (2, 7), "wanted true or false", "YAML 1.2"),
        ("name: a\nlist: x", "SCH001", (2, 7), "wanted a list", "write [x]"),
        ("name: a\nlist: {x: y}", "SCH001", (2, 7), "found a mapping; wanted a list", "dash"),
        ("name: a\nmap: [x]", "SCH001", (2, 6), "found a list; wanted a mapping", "`key: value`"),
        ("name: a\nmap:", "SCH001", (2, 5), "found nothing", "drop the key"),
        ("name: a\nnmae: b", "SCH002", (2, 1), "unknown key `nmae`", "did you mean `name`?"),
        ("name: a\nzzz: b", "SCH002", (2, 1), "unknown key `zzz`", "known: count,"),
        ("count: 1", "SCH003", (1, 1), "`name` is missing", "add `name: …`"),
        ("name: a\nkind: oav", "SCH004", (2, 7), "one of iso, ova, true", "did you mean `ova`?"),
        ("name: a\none: 2", "SCH004", (2, 6), "found the number 2; wanted 1", ""),
        ("name: A1", "SCH005", (1, 7), "wanted small letters", ""),
        (
            "name: a\nmap: {AB: 1}",
            "SCH005",
            (2, 7),
            "invalid key `AB` in `map`; wanted a key that matches ^[a-z]$",
            "",
        ),
        ("name: a\nform: x", "SCH005", (2, 7), "wanted one capital", "did you mean `X`?"),
        (
            "name: a\nforms: {x: 1}",
            "SCH005",
            (2, 9),
            "invalid key `x` in `forms`; wanted one capital",
            "`X`",
        ),
        ("name: a\ncount: 0", "SCH006", (2, 8), "found the number 0; wanted 1 or more", ""),
        ("name: a\ncount: 10", "SCH006", (2, 8), "wanted 9 or less", ""),
        ("name: a\nlist: []", "SCH006", (2, 7), "found none; wanted 1 or more entries", ""),
        ("name: a\ntext: x", "SCH006", (2, 7), "found 1; wanted 2 or more letters", ""),
        ("name: a\nlist: [x, y, x]", "SCH007", (2, 14), "the text 'x' is there twice", ""),
        ("name: a\neither: 5", "SCH001", (2, 9), "wanted text or a mapping", ""),
        ("name: a\neither: {prot: 1}", "SCH002", (2, 10), "`prot`", "did you mean `port`?"),
        ("name: a\nwhen: nevr", "SCH001", (2, 7), "never or always or a whole", "`never`"),
        ("name: a\nwhen: 0", "SCH006", (2, 7), "wanted 1 or more", ""),
        ("- a", "SCH001", (1, 1), "the file: found a list; wanted a mapping", ""),
    ],
)
def test_what_does_not_fit_is_said_at_its_place(
    text: str, code: str, place: tuple[int, int], words: str, hint: str
) -> None:
    (problem,) = check_schema(parse_document(text, FILE), SCHEMA)
    assert (problem.code, problem.place) == (code, Place(FILE, *place))
    assert words in problem.message
    assert hint in problem.hint
    assert problem.excerpt == text.splitlines()[place[0] - 1]


def test_what_is_checked_elsewhere_is_left_alone() -> None:
    assert check_schema(parse_document("name: a\nown: b", FILE), SCHEMA) == ()


def test_every_form_of_the_spec_is_told_in_words() -> None:
    def patterns(schema: object) -> Iterator[dict[str, object]]:
        if isinstance(schema, dict):
            if isinstance(schema.get("pattern"), str):
                yield schema
            for inner in schema.values():
                yield from patterns(inner)
        elif isinstance(schema, list):
            for inner in schema:
                yield from patterns(inner)

    found = list(patterns(spec_schema(features.discover(), targets.discover())))
    assert len(found) > 30
    assert [each for each in found if not each.get("x-form", each.get("description"))] == []


def test_no_message_quotes_a_secret() -> None:
    (problem,) = check_schema(parse_document("name: a\npassword: hunter2", FILE), SCHEMA)
    assert "hunter2" not in f"{problem}"
    assert "found text" in problem.message
    assert "env" in problem.hint


def test_everything_is_said_at_once_and_in_order() -> None:
    text = "count: x\nbad: 1\nflag: no\nname: A\n"
    found = check_schema(parse_document(text, FILE), SCHEMA)
    assert [(p.place.line, p.code) for p in found if p.place] == [
        (1, "SCH001"),
        (2, "SCH002"),
        (3, "SCH001"),
        (4, "SCH005"),
    ]


def test_no_message_is_in_the_notation_of_python() -> None:
    text = "hostname: {a: 1}\nservices: {enable: [1, null, [x]]}\nusers: {root: {expire: {}}}\n"
    found = check_schema(parse_document(text, FILE), overlay_schema(features.discover()))
    assert len(found) == 5
    for problem in found:
        assert not {"None", "True", "{", "is not of type"} & set(problem.message.split())


BREAKS = [
    ("name", "a\n"),
    ("hostname", "a\n"),
    ("users", {"ada\n": {"uid": 1000}}),
    ("users", {"ada": {"uid": 1000, "shell": "/bin/bash\n"}}),
    ("users", {"ada": {"uid": 1000, "comment": "Ada\n"}}),
    ("users", {"ada": {"uid": 1000, "groups": ["wheel\n"]}}),
    ("users", {"ada": {"uid": 1000, "gid": "wheel\n"}}),
    ("kernel", {"add": ["quiet\n"]}),
    ("modules", {"load": ["loop\n"]}),
    ("packages", ["vim\n"]),
    ("sysctl", {"net.ipv4.ip_forward\n": 1}),
    ("sysctl", {"kernel.core_pattern": "core\n"}),
    ("locale", "C.UTF-8\n"),
    ("timezone", "Europe/Berlin\n"),
    ("units", {"x.service": {"dropins": {"10-a.conf\n": "[Unit]\n"}}}),
    ("mounts", [{"source": "tmpfs", "path": "/m", "type": "tmpfs", "options": ["noatime\n"]}]),
    ("journal", {"max_size": "64M\n"}),
    ("first_boot", [{"name": "a\n", "script": "#!/bin/sh\n"}]),
]


@pytest.mark.parametrize(("key", "value"), BREAKS, ids=lambda each: str(each)[:40])
def test_a_value_that_ends_in_a_line_break_is_not_taken(key: str, value: object) -> None:
    known = {feature.key for feature in features.discover()}
    spec: dict[str, object] = {"version": 1, "name": "a", "base": {"sample": True}}
    spec |= {"overlay": {key: value}} if key in known else {key: value}
    document = parse_document(json.dumps(spec), FILE)
    schema = spec_schema(features.discover(), targets.discover())
    assert check_schema(document, schema), "it fits"


@pytest.mark.parametrize("path", ["/opt/x\n", "/opt/\x07x", "/opt/a\rb", "/opt/x\x7f"])
def test_a_path_with_a_control_character_is_not_taken(path: str) -> None:
    assert isinstance(guest_path(path), Diagnostic)
