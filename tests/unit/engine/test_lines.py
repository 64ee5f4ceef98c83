"""Lines of text files: what is added, and that everything else stays."""

import pytest

from builder.engine.text.lines import ensure_line


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "x\n"),
        ("\n", "\nx\n"),
        ("a", "a\nx\n"),
        ("a\n", "a\nx\n"),
        ("x", "x"),
        ("a\nx\n", "a\nx\n"),
        ("x\na\nx\n", "x\na\n"),
        ("x\n\n\n", "x\n\n\n"),
        ("a\r\nx\r\n", "a\r\nx\r\n"),
        ("a\r\n", "a\r\nx\n"),
        ("x\r\nx\n", "x\r\n"),
        ("a\x0cb\x85c\u2028d\n", "a\x0cb\x85c\u2028d\nx\n"),
        ("xx\n x\nx \n", "xx\n x\nx \nx\n"),
    ],
)
def test_a_line_is_there_once_and_the_rest_as_it_was(before: str, after: str) -> None:
    assert ensure_line(before, "x") == after
    assert ensure_line(after, "x") == after


@pytest.mark.parametrize("line", ["a\x0cb", "\u2028", "\x1c", " "])
def test_a_line_of_odd_characters_is_found_again(line: str) -> None:
    once = ensure_line("a\n", line)
    assert once == f"a\n{line}\n"
    assert ensure_line(once, line) == once


def test_a_pattern_reaches_the_end_of_a_line_of_dos() -> None:
    assert ensure_line("a=1\r\nb=1\r\n", "a=2", replaces="^a=1$") == "b=1\r\na=2\n"
