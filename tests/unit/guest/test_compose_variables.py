"""Variables and `.env` files, with the values that compose 2.33 itself makes of them.

The tables were made with compose-go 2.4.8, the library by which compose 2.33.1 reads both.
"""

import random
from pathlib import Path

import pytest

from builder.documents import parse_document
from builder.guest.compose.dotenv import format_env, parse_env, without_names
from builder.guest.compose.interpolation import expand
from tests.support.judges import judge

VARIABLES = {"FOO": "first", "BAR": "", "JSON": '{"json":2}'}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a $ string", "a $ string"),
        ("^REGEX$", "^REGEX$"),
        ("$1 $} $/ $", "$1 $} $/ $"),
        ('grep -E "^x$" /f', 'grep -E "^x$" /f'),
        ("$$FOO $${FOO} $$$FOO", "$FOO ${FOO} $first"),
        ("$foo${FOO}BAR", "firstBAR"),
        ("${FOO}}", "first}"),
        ("ok ${BAR:-def} ${BAR-def} ${NO:-def} ${NO-def}", "ok def  def def"),
        ("${FOO:+x} ${BAR:+x} ${BAR+x} ${NO+x}", "x  x "),
        ("${BAR:-${FOO}}-${NO:-${BAR:-$$deep}}", "first-$deep"),
        ("${BAR:-a:-b?c+d}", "a:-b?c+d"),
        ('${JSON:-{"json":1}}', '{"json":2}'),
        ('${NO:-{"json":1}}', '{"json":1}'),
        ("${BAR:-{a}b}", "{a}b"),
        ("${NO:-{{.Names}}}", "{{.Names}}"),
        ("${FOO:+{x} $FOO} y}", "{x} first y}"),
        ("${FOO:-x}\n${BAR:-y}", "first\ny"),
    ],
)
def test_a_text_is_expanded_as_compose_does(text: str, wanted: str) -> None:
    assert expand(text, {**VARIABLES, "foo": ""}) == (wanted, [])


@pytest.mark.parametrize(
    "text",
    [
        "${",
        "${}",
        "${ FOO}",
        "${FOO }",
        "${FOO!}",
        "${FOO/a/b}",
        "${1}",
        "${FOO:-x",
        "${BAR:-\nx}",
        "a${FOO:b}",
        "${FOO:-${}}",
    ],
)
def test_what_compose_does_not_take_as_a_variable_is_not_valid(text: str) -> None:
    assert any(lack.is_invalid for lack in expand(text, VARIABLES)[1])


def test_a_default_that_is_not_used_may_lack_a_value_but_not_one_that_is_required() -> None:
    assert expand("${FOO:-$NO}", VARIABLES) == ("first", [])
    (lack,) = expand("${FOO:-${NO:?set $FOO}}", VARIABLES)[1]
    assert (lack.name, lack.message, lack.is_required) == ("NO", "set first", True)


ENV = [
    ("A=1 # one\nB='two # three'\nC=#x\nD=a#b\n",
     {"A": "1", "B": "two # three", "C": "#x", "D": "a#b"}),
    ("export A=1\nexport\tB=2\n\texport   C = 3\n", {"A": "1", "B": "2", "C": "3"}),
    ("A: 1\nB : two words\n", {"A": "1", "B": "two words"}),
    ("PORT=53\nP=${PORT}:53/udp\nQ=$PORT\nR='$PORT'\n",
     {"PORT": "53", "P": "53:53/udp", "Q": "53", "R": "$PORT"}),
    ("A=${NO:-x}\nB=${A:+y}\nC=\\${A}\n", {"A": "x", "B": "y", "C": "\\x"}),
    ("A=$$x\nB=\"$$x\"\nC=\"\\$x\"\nD='$$x'\n", {"A": "$x", "B": "$x", "C": "$x", "D": "$$x"}),
    ('A="a\\nb\\t\\"c\\" \\\\ \\x \\0101 \\01"\n', {"A": 'a\nb\t"c" \\ \\x A \\1'}),
    ("A='a\\nb \\'c\\' \\\\ d'\n", {"A": "a\\nb 'c' \\\\ d"}),
    ("A=\"one\ntwo # three\n\"\nB='x\ny'\n", {"A": "one\ntwo # three\n", "B": "x\ny"}),
    ('A="a"# c\nB="b" # c\n', {"A": "a", "B": "b"}),
    ("a.b-c=1\n1A=2\nÉ=3\nA[0]=4\n", {"a.b-c": "1", "1A": "2", "É": "3", "A[0]": "4"}),
    ("\ufeffA=1\r\nB='2'\r\n# c\r\n\r\nC=\r\n", {"A": "1", "B": "2", "C": ""}),
    ("A=1\nA=2\n", {"A": "2"}),
    ("A=\n B = it's\nC=x\\\nD=\"\"\n", {"A": "", "B": "it's", "C": "x\\", "D": ""}),
    ("NO\nA=1\n", {"A": "1"}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), ENV)
def test_a_env_file_is_read_as_compose_does(text: str, wanted: dict[str, str]) -> None:
    found = parse_env(text)
    assert (found.variables, found.error) == (wanted, None)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("A=1\nA B=c\n", 2, "found a space in the name of a variable"),
        ("A=1\n\nsome text\nB=2\n", 3, "found a space in the name of a variable"),
        ('A="x\nB=1\n', 1, "found no end of the quoted value"),
        ("A='it\\'\n", 1, "found no end of the quoted value"),
        ("A=1\nB@=1\n", 2, "found '@' in the name of a variable"),
        ("A=${hunter2\n", 1, "found `${`, which begins no valid variable"),
        ("A=1\nB=${NO:?}\n", 2, "the variable NO has no value"),
        ("export ", 1, "found no name after `export`"),
    ],
)
def test_a_env_file_that_compose_refuses_is_refused(text: str, line: int, message: str) -> None:
    error = parse_env(text).error
    assert error is not None
    assert (error.line, str(error)) == (line, message)
    assert error.hint


def test_a_variable_that_is_set_already_goes_before_the_file() -> None:
    found = parse_env("A=1\nB=${A}\nC\n", {"A": "given", "C": "c"})
    assert found.variables == {"A": "given", "B": "given", "C": "c"}


def test_statements_are_taken_out_whole() -> None:
    text = "# c\nA='1\n2'\nB=3 # b\nexport A=4\nC=5"
    assert without_names(text, {"A": 0}) == "# c\n\nB=3 # b\nC=5"
    assert without_names(text, {}) == text


LETTERS = [
    "a",
    " ",
    " #",
    "#",
    "$",
    "${A}",
    "$$",
    "{",
    "'",
    '"',
    "\\",
    "\\n",
    "\n",
    "\r\n",
    "é",
    "`",
]


def test_what_is_written_is_read_back_whatever_the_value() -> None:
    draw = random.Random(22)
    for _ in range(3000):
        value = "".join(draw.choices(LETTERS, k=draw.randint(0, 8)))
        text = f"BEFORE=1\n{format_env('KEY', value)}\nAFTER=2\n"
        assert parse_env(text).variables == {"BEFORE": "1", "KEY": value, "AFTER": "2"}


def test_what_cannot_be_written_is_refused() -> None:
    with pytest.raises(ValueError, match="KEY"):
        format_env("KEY", "a\0b")


@pytest.mark.parametrize(
    "value", ["a b", "x # y", "#x", "$HOME", 'a"b', "two\nlines", "a=b", "", "{{.Name}}"]
)
def test_compose_itself_reads_what_is_written(tmp_path: Path, value: str) -> None:
    (tmp_path / ".env").write_text(f"{format_env('KEY', value)}\nAFTER=2\n")
    service = 'image: "x:${AFTER}"\n    environment: {GOT: "${KEY}"}\n'
    (tmp_path / "docker-compose.yml").write_text(f"version: '3'\nservices:\n  a:\n    {service}")
    told = judge("docker-compose", "--project-directory", tmp_path, "config").stdout
    found = parse_document(told, tmp_path / "told").value["services"]["a"]
    assert found["environment"]["GOT"].replace("$$", "$") == value
    assert found["image"] == "x:2"
