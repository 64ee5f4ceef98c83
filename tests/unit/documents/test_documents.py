"""YAML 1.2 with positions."""

import contextlib
import itertools
import math
import time
from pathlib import Path

import pytest

from builder import targets
from builder.documents import Document, load_document, parse_document
from builder.errors import Diagnostic, Place, SpecError
from builder.spec import load_spec

FILE = Path("specs/x.yaml")


def problems_of(text: str) -> tuple[Diagnostic, ...]:
    """Return what is wrong with a text."""
    with pytest.raises(SpecError) as caught:
        parse_document(text, FILE)
    return caught.value.problems


def shown(problem: Diagnostic) -> tuple[str, int, int]:
    """Return code, line and column of a problem."""
    assert problem.place is not None
    assert problem.place.file == FILE
    return problem.code, problem.place.line, problem.place.column


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("53:53", "53:53"),
        ("22:22", "22:22"),
        ("00:50:56:12:34:56", "00:50:56:12:34:56"),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("y", "y"),
        ("2020-01-01", "2020-01-01"),
        ("1_000", "1_000"),
        ("0b101", "0b101"),
        ("3.0.1", "3.0.1"),
        ("0644", 644),
        ("0o17", 15),
        ("0x1F", 31),
        ("-12", -12),
        ("+1", 1),
        ("1.5", 1.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("-.inf", -math.inf),
        ("true", True),
        ("False", False),
        ("tRUE", "tRUE"),
        ("null", None),
        ("~", None),
        ("", None),
        ('"true"', "true"),
        ("'5'", "5"),
        ("9" * 200, "9" * 200),
    ],
)
def test_a_plain_word_means_what_yaml_1_2_says(word: str, value: object) -> None:
    found = parse_document(f"a: {word}\n", FILE).value["a"]
    assert found == value
    assert type(found) is type(value)


def test_not_a_number_is_one() -> None:
    assert math.isnan(parse_document("a: .nan", FILE).value["a"])


def test_keys_are_text_whatever_they_look_like() -> None:
    assert parse_document("53: a\ntrue: b\n1.0: c\n'': d\n", FILE).value == {
        "53": "a",
        "true": "b",
        "1.0": "c",
        "": "d",
    }


def test_aliases_and_merges_are_followed() -> None:
    text = "x: &x {a: 1, b: 2}\ny:\n  <<: *x\n  b: 3\nz: [*x]\nw: {<<: [{c: 1}, *x]}\n"
    assert parse_document(text, FILE).value == {
        "x": {"a": 1, "b": 2},
        "y": {"b": 3, "a": 1},
        "z": [{"a": 1, "b": 2}],
        "w": {"c": 1, "a": 1, "b": 2},
    }


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        pytest.param("a: b: c", "YAML001", 1, 5, id="two colons"),
        pytest.param("a:\n\tb: 1", "YAML001", 2, 1, id="tab"),
        pytest.param("a: 1\nb: 'x\ny", "YAML001", 2, 4, id="open quote, where it begins"),
        pytest.param("a: [1, 2\nb: 3", "YAML001", 1, 4, id="open list, where it begins"),
        pytest.param("a: {b: 1", "YAML001", 1, 4, id="open mapping, where it begins"),
        pytest.param("a:\n  - 1\n - 2", "YAML001", 3, 2, id="indentation"),
        pytest.param("a: 1\nb\n", "YAML001", 2, 1, id="no colon"),
        pytest.param("a: @x", "YAML001", 1, 4, id="reserved letter"),
        pytest.param("a: *", "YAML001", 1, 5, id="nameless alias"),
        pytest.param("[" * 200, "YAML003", 1, 65, id="deep list"),
        pytest.param("a: &x [*x]", "YAML005", 1, 8, id="alias in itself"),
        pytest.param("? [a]\n: 1", "YAML006", 1, 3, id="list as a key"),
        pytest.param("? \n: 1", "YAML006", 1, 2, id="nothing as a key"),
        pytest.param("--- a\n---\nb", "YAML007", 2, 1, id="two documents"),
        pytest.param("", "YAML008", 1, 1, id="empty"),
        pytest.param("# only\n", "YAML008", 1, 1, id="comments only"),
        pytest.param("%YAML 1.1\n---\na: 1", "YAML009", 1, 1, id="yaml 1.1"),
        pytest.param("a: !!binary eA==", "YAML010", 1, 4, id="tag"),
        pytest.param("a: !mine x", "YAML010", 1, 4, id="tag of one's own"),
        pytest.param("<<: 5", "YAML011", 1, 1, id="merge of a number"),
        pytest.param("a: *b", "YAML012", 1, 4, id="alias of nothing"),
        pytest.param("a: 1\nb: x\0", "YAML015", 2, 5, id="NUL"),
        pytest.param("a: \ud800", "YAML015", 1, 4, id="half a character"),
    ],
)
def test_what_is_no_document_is_refused_at_its_place(
    text: str, code: str, line: int, column: int
) -> None:
    (problem,) = problems_of(text)
    assert shown(problem) == (code, line, column)
    assert problem.message.startswith(("found", "*"))


def test_every_duplicate_key_is_listed_at_once() -> None:
    found = problems_of("a: 1\nb: {c: 1, c: 2}\na: 2\nd:\n  - {e: 1, 'e': 2}\n")
    assert [shown(problem) for problem in found] == [
        ("YAML002", 2, 11),
        ("YAML002", 3, 1),
        ("YAML002", 5, 12),
    ]
    assert "after line 1" in found[1].message
    assert found[1].excerpt == "a: 2"


def test_duplicates_before_a_syntax_error_are_kept() -> None:
    assert [problem.code for problem in problems_of("a: 1\na: 2\nb: [")] == ["YAML002", "YAML001"]


def test_an_alias_bomb_is_refused_at_once() -> None:
    levels = "abcdefghijklmnop"
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for below, name in itertools.pairwise(levels):
        lines.append(f"{name}: &{name} [{', '.join([f'*{below}'] * 9)}]")
    started = time.perf_counter()
    (problem,) = problems_of("\n".join(lines))
    assert problem.code == "YAML004"
    assert time.perf_counter() - started < 0.5


@pytest.mark.parametrize(
    "letter", ["[", "{a: ", "- ", "? ", "[{", "&a [", "'", '"', "|\n", "%", "*"]
)
def test_repetition_is_refused_or_read_quickly(letter: str) -> None:
    started = time.perf_counter()
    with contextlib.suppress(SpecError):
        parse_document(letter * (100_000 // len(letter)), FILE)
    assert time.perf_counter() - started < 3  # what is quadratic takes minutes


TEXT = """\
# a comment
version: 1
base: {release: "3.0"}
overlay:
  network:
    eth0:
      dns: [1.1.1.1, 9.9.9.9]
  mounts:
    - path: /a
"""


@pytest.mark.parametrize(
    ("path", "key", "line", "column"),
    [
        ((), False, 2, 1),
        (("version",), False, 2, 10),
        (("version",), True, 2, 1),
        (("base", "release"), False, 3, 17),
        (("base", "release"), True, 3, 8),
        (("base", "nothing"), False, 3, 1),
        (("overlay", "network", "eth0", "dns", 1), False, 7, 22),
        (("overlay", "network", "eth0", "gateway", 3), False, 6, 5),
        (("overlay", "mounts", 0), False, 9, 7),
        (("overlay", "mounts", 0, "type"), False, 9, 7),
        (("overlay", "mounts", 7), False, 8, 3),
        (("nothing",), False, 2, 1),
    ],
)
def test_a_value_knows_its_place(
    path: tuple[str | int, ...], key: bool, line: int, column: int
) -> None:
    document = parse_document(TEXT, FILE)
    assert document.place(path, key=key) == Place(FILE, line, column)


def test_an_excerpt_is_the_source_line_without_secrets() -> None:
    text = "a: 1  \npassword: hunter2\nb: {DB_PASSWORD: x y, c: 1}\nd: {password: {env: NAME}}\n"
    text += "e: [API_KEY=hunter3, x]\nf: nfs://ada:hunt@er4@nas/x\ng: https://nas:80/a\n"
    document = parse_document(text, FILE)
    lines = [document.excerpt(Place(FILE, line, 1)) for line in range(9)]
    assert lines == [
        "",
        "a: 1",
        "password: …",
        "b: {DB_PASSWORD: …",
        "d: {password: {env: NAME}}",
        "e: [API_KEY=…",
        "f: nfs://…@nas/x",
        "g: https://nas:80/a",
        "",
    ]


SPOKEN = """\
wifi:
  networks:
    attic: hunter2SECRET
    cellar:
      psk:
        hunter2SECRET
users:
  root: hunter2SECRET
  ada: {uid: 5a, password: "x, SECRET#y}T", comment: SECRET}
  eve:
    password: |
      line
      SECRET
compose:
  - project: a
    env: {PIHOLE_PASSWORD: "pre,SECRET#x}T", PLAIN: SECRET}
mounts:
  - options: ["username=u,password=SECRET", noatime]
  - options: username=u,pass=SECRET
environment:
  - DB=SECRET
x: &p SECRET
password: *p
command: mysql --root-password SECRET
url: "http://me:SECRET@h/x?sig=SECRET#SECRET"
other: https://SECRET@h/x
image: me:SECRET@registry.example/app:1
secrets: {db: SECRET}
pinned: postgres:16@sha256:0123456789
"""


def test_no_line_shows_a_secret_that_stands_where_it_does_not_belong() -> None:
    document = parse_document(SPOKEN, FILE)
    lines = [document.excerpt(Place(FILE, n + 1, 1)) for n in range(SPOKEN.count("\n"))]
    assert not [line for line in lines if "SECRET" in line]
    assert lines[8].startswith("  ada: {uid: 5a, password: …")
    assert lines[17] == "  - options: […noatime]"
    assert lines[-1] == "pinned: postgres:16@sha256:0123456789"


def test_no_line_of_a_file_that_is_not_valid_shows_a_secret() -> None:
    lines = SPOKEN.splitlines()
    for count, line in enumerate(lines, 1):
        torn = "\n".join([*lines[: count - 1], f"{line}\x07"])
        with pytest.raises(SpecError) as caught:
            parse_document(torn, FILE)
        (problem,) = caught.value.problems
        assert problem.place is not None
        assert problem.place.line == count
        assert "SECRET" not in problem.excerpt or line == "x: &p SECRET", problem.excerpt


def test_a_long_line_is_shown_at_once_and_no_half_secret() -> None:
    text = f"a: {'password' * 8000}\nb: {'x ' * 190}http://me:{'S' * 4000}@h/\n"
    document = parse_document(text, FILE)
    begun = time.monotonic()
    shown = [document.excerpt(Place(FILE, line, 1)) for line in (1, 2)]
    assert time.monotonic() - begun < 1
    assert shown[0] == "a: …"
    assert "S" not in shown[1]


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: \xc3\xa9\r\nb: 2\r\n")
    document = load_document(path)
    assert document.value == {"a": "é", "b": 2}
    assert document.place(("a",)) == Place(path, 1, 4)


@pytest.mark.parametrize(
    ("content", "code", "line", "column"),
    [
        pytest.param(b"a: 1\nb: \xff\xd8", "YAML014", 2, 4, id="latin or image"),
        pytest.param("a: 1".encode("utf-16"), "YAML014", 1, 1, id="UTF-16"),
        pytest.param(b"a: \x00", "YAML015", 1, 4, id="NUL"),
    ],
)
def test_bytes_that_are_no_text_are_refused(
    tmp_path: Path, content: bytes, code: str, line: int, column: int
) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    with pytest.raises(SpecError) as caught:
        load_document(path)
    (problem,) = caught.value.problems
    assert (problem.code, problem.place) == (code, Place(path, line, column))


def test_a_missing_file_names_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "homelab.yaml").write_text("a: 1")
    with pytest.raises(SpecError) as caught:
        load_document(tmp_path / "homlab.yaml")
    (problem,) = caught.value.problems
    assert problem.code == "YAML020"
    assert problem.hint == f"did you mean {tmp_path / 'homelab.yaml'}?"


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    large = tmp_path / "large.yaml"
    large.write_text("a: 1\n" * 100)
    cases = {tmp_path: "YAML021", large: "YAML023", Path("a\0b"): "YAML022"}
    for path, code in cases.items():
        with pytest.raises(SpecError) as caught:
            load_document(path, limit=499)
        assert caught.value.problems[0].code == code


def test_a_file_of_exactly_the_limit_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("a: 1\n")
    assert load_document(path, limit=5).value == {"a": 1}


def test_a_document_has_the_positions_of_what_was_merged() -> None:
    document: Document = parse_document("x: &x\n  a: 1\ny:\n  <<: *x\n", FILE)
    assert document.place(("y", "a")) == Place(FILE, 2, 6)


def test_a_file_of_thousands_of_wrong_lines_is_answered_at_once(tmp_path: Path) -> None:
    lines = [f"k{at}: {{password: hunter{at}}}\n" for at in range(20_000)]
    path = tmp_path / "a.yaml"
    path.write_text("version: 1\nname: a\ntarget: ova\nbase: {sample: true}\n" + "".join(lines))
    begun = time.process_time()
    with pytest.raises(SpecError) as caught:
        load_spec(path, targets=targets.discover())
    assert len(caught.value.problems) >= 100
    assert not [found for found in caught.value.problems if "hunter" in found.excerpt]
    assert time.process_time() - begun < 20
