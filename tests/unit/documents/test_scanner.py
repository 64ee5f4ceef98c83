"""YAML is read by one scanner, whatever PyYAML was built with, and as YAML 1.2 has it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from builder.documents import parse_document
from builder.errors import SpecError

FILE = Path("x.yaml")
ROOT = Path(__file__).resolve().parents[3]

TAKEN = [
    ("a: b\t\nc: 1 \t # d\n", {"a": "b", "c": 1}),
    ("a:\tb\n", {"a": "b"}),
    ("a: one\t two\n  three\n", {"a": "one\t two three"}),
    ("a: |\t\n  b\n", {"a": "b\n"}),
    ("a: |-\n \tb\n", {"a": "\tb"}),
    ("a: |2- # c\n   b\n\n", {"a": " b"}),
    ("a: >+\n  b\n  c\n\n", {"a": "b c\n\n"}),
    ("a: 'b\n\tc'\n", {"a": "b c"}),
    ("[https://x/y?z=1, a?, ?b, -c]", ["https://x/y?z=1", "a?", "?b", "-c"]),
    ("{a?: 1, ?b: 2, c: ?d}", {"a?": 1, "?b": 2, "c": "?d"}),
    ("[:x, ::1, a:b, 'c':d]", [":x", "::1", "a:b", {"c": "d"}]),
    ('{"a":1,"b": [2],c: :3}', {"a": 1, "b": [2], "c": ":3"}),
    ("[\ta,\tb\t]", ["a", "b"]),
    ("a: [b,\n\tc]\n", {"a": ["b", "c"]}),
    ("- a\n-\n  - b\n- - c\n", ["a", ["b"], ["c"]]),
    ("a: b\n\n  c\n\n\n  d\n", {"a": "b\nc\n\nd"}),
    ("a: b#c\nd: e #f\n", {"a": "b#c", "d": "e"}),
    ("? a\n: b\n", {"a": "b"}),
    ("a: -1\nb: :c\nd: ?e\n", {"a": -1, "b": ":c", "d": "?e"}),
    ("%FOO bar\n---\na: 1\n", {"a": 1}),
    ("key: &an:chor value\n", {"key": "value"}),
    ("a: &x/y.z-1 b\nc: *x/y.z-1\n", {"a": "b", "c": "b"}),
    ("[&a b, *a]", ["b", "b"]),
    ("[a] #c\n", ["a"]),
]
REFUSED = [
    "a:\n\tb: 1\n",
    "\ta: 1\n",
    "a: |x\n  b\n",
    "a: |#\n  b\n",
    "[-]",
    "[a\n",
    "a: 'b\n",
    "a: b: c\n",
    "[a]#c\n",
    '"v"#c\n',
    "a: & b\n",
]


@pytest.mark.parametrize(("text", "value"), TAKEN)
def test_a_text_is_read_as_yaml_1_2_has_it(text: str, value: object) -> None:
    assert parse_document(text, FILE).value == value


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_not_valid_yaml_is_refused(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_document(text, FILE)
    assert [problem.code for problem in caught.value.problems] == ["YAML001"]


_PROGRAM = """
import json, sys
if sys.argv[1] == "without":
    sys.modules["yaml._yaml"] = None
import yaml
from pathlib import Path
from builder.documents import SpecError, parse_document
said = [yaml.__with_libyaml__]
for text in json.load(sys.stdin):
    try:
        said.append(parse_document(text, Path("x")).value)
    except SpecError as error:
        said.append([str(problem) for problem in error.problems])
print(json.dumps(said))
"""


def _said(kind: str) -> list[object]:
    """Return what a process with or without libyaml makes of all texts."""
    texts = [text for text, _ in TAKEN] + REFUSED
    run = subprocess.run(
        [sys.executable, "-c", _PROGRAM, kind],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    said: list[object] = json.loads(run.stdout)
    return said


def test_it_does_not_matter_whether_libyaml_is_there() -> None:
    with_it, without = _said("with"), _said("without")
    assert without[0] is False
    assert with_it[1:] == without[1:]


def test_keys_that_are_no_text_are_known() -> None:
    document = parse_document("a: &x {1: b, '2': c}\nd: [{true: e, no: f, ~: g}]\nh: *x\n", FILE)
    assert list(document.odd_keys()) == [("a", "1"), ("d", 0, "true"), ("d", 0, "~"), ("h", "1")]
