"""The text of a script, given inline or as a file of this machine; no feature of its own."""

from collections.abc import Mapping
from typing import Any

from builder.errors import Diagnostic
from builder.features import Context
from builder.features.sources import read_text


def read_script(entry: Mapping[str, Any], index: int, context: Context) -> str | Diagnostic:
    """Return the script of an entry, or what is wrong with it."""
    given = [form for form in ("script", "source") if form in entry]
    if len(given) != 1:
        found = " and ".join(given) or "neither"
        return Diagnostic(f"found {found}; wanted script or source", "BOOT002", path=(index,))
    path = (index, given[0])
    text: str | Diagnostic = entry[given[0]]
    if given[0] == "source":
        text = read_text(entry["source"], context, code="BOOT003", path=path)
    if isinstance(text, str) and not text.startswith("#!"):
        hint = "begin with #!/bin/sh"
        return Diagnostic("the script's first line names no interpreter", "BOOT004", hint, path)
    if isinstance(text, str) and "\r\n" in text:
        hint = "save it with Unix line ends"
        return Diagnostic(
            "the script has Windows line ends: no kernel runs it", "BOOT005", hint, path
        )
    return text
