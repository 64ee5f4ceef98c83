"""What the YAML scanner refuses, in words for users."""

from builder.structs import Struct


class Refusal(Struct, frozen=True):
    """A way in which text is not valid YAML.

    Attributes:
        marks: Words in the scanner's message; one of them is enough.
        message: What was found.
        hint: What to type instead.
        at_start: Whether the cause is where the construct began, not where it broke off.
    """

    marks: tuple[str, ...]
    message: str
    hint: str
    at_start: bool = False


_REFUSALS = (
    Refusal(
        ("mapping values are not allowed",),
        "found a `:` where no key can be; wanted one `key: value` a line, evenly indented",
        'put a value that holds ": " in quotes, and line the keys up',
    ),
    Refusal(
        ("unexpected end of stream", "while scanning a quoted scalar"),
        "found no end of the quoted text that begins here",
        "close the quote",
        at_start=True,
    ),
    Refusal(
        ("',' or ']'",),
        "found no end of the list that begins here; wanted `,` or `]`",
        "close the bracket, and put commas between the items",
        at_start=True,
    ),
    Refusal(
        ("',' or '}'",),
        "found no end of the mapping that begins here; wanted `,` or `}`",
        "close the brace, and put commas between the entries",
        at_start=True,
    ),
    Refusal(
        ("escape character", "escape sequence"),
        "found an unknown escape in double quotes",
        "use single quotes, or write a backslash as two",
    ),
    Refusal(
        ("expected ':'",),
        "found a line that is neither `key: value` nor a list item",
        "is a colon missing, with a space after it?",
        at_start=True,
    ),
    Refusal(
        ("expected key", "'-' indicator", "<block end>"),
        "found something that does not fit the lines above; wanted the same indentation",
        "line the keys or the dashes of one block up, with spaces",
    ),
    Refusal(
        ("chomping or indentation", "comment or a line break"),
        "found something else where a block of text begins; wanted the end of the line",
        "begin the text on the next line; a comment needs a blank before its `#`",
    ),
    Refusal(
        ("tag",),
        "found a tag; wanted plain values",
        "drop the word that begins with `!`, or put the value in quotes",
    ),
    Refusal(
        ("directive", "incompatible YAML document"),
        "found a directive; wanted YAML 1.2",
        "drop the line that begins with `%`",
    ),
    Refusal(
        ("node content",),
        "found something else where a value was wanted",
        "is a bracket or brace left open, or a comma too many?",
    ),
    Refusal(
        ("alphabetic or numeric",),
        "found `*` or `&` without a name",
        "put a value that begins with it in quotes",
    ),
)
_TAB = Refusal((), "found a tab; YAML is indented with spaces", "replace it with spaces")


def explain_refusal(context: str, problem: str, letter: str) -> Refusal:
    """Return a sentence for the scanner's message.

    Args:
        context: What it was reading.
        problem: What it found or missed.
        letter: The character at that place.
    """
    if letter == "\t":
        return _TAB
    if "cannot start any token" in problem:
        message = f"found a value that begins with `{letter}`, which YAML reserves"
        return Refusal((), message, "put the value in quotes")
    said = f"{context} {problem}"
    known = (each for each in _REFUSALS if any(mark in said for mark in each.marks))
    return next(known, Refusal((), f"found no valid YAML: {problem}", ""))
