"""Secrets by reference: an environment variable or a file, never the spec itself.

What is read stays in memory. Messages name the reference, never the secret.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from builder.errors import Diagnostic, SpecError

_NAME = re.compile(r"[A-Z_][A-Z0-9_]*")
_LONGEST = 64 * 1024
_HINT = "write {env: NAME} or {file: path}, and keep the secret out of the spec"


_CRYPT = re.compile(r"\$[0-9a-z]+\$")
"""How the hash of a password begins, which is no secret of its own: it stands in shadow(5)."""

_collected: ContextVar[set[str] | None] = ContextVar("collected", default=None)


class Secrets(frozenset[str]):
    """Secrets that were read; none of them is shown by a traceback or a log."""

    def __repr__(self) -> str:
        return f"<{len(self)} secrets>"


@contextmanager
def collecting() -> Iterator[set[str]]:
    """Collect what :func:`read_secret` returns until the end of the block."""
    found: set[str] = set()
    token = _collected.set(found)
    try:
        yield found
    finally:
        _collected.reset(token)


def read_secret(reference: Mapping[str, Any] | str, directory: Path) -> str:
    """Return the secret that ``{env: NAME}`` or ``{file: path}`` refers to.

    The line breaks at the end of a file are not part of its secret.

    Args:
        reference: The value as the spec has it.
        directory: Where relative paths start.

    Raises:
        SpecError: SEC001 no reference, SEC002 no such variable, SEC003 no such file, or an
            empty one.
    """
    text = _read(reference, directory)
    collected = _collected.get()
    if collected is not None and not _CRYPT.match(text):
        collected.add(text)
    return text


def _read(reference: Mapping[str, Any] | str, directory: Path) -> str:
    """Return the secret that a reference means."""
    match reference:
        case {"env": str(name)}:
            return _from_environment(name)
        case {"file": str(path)}:
            return _from_file(directory / Path(path).expanduser())
        case Mapping():
            keys = ", ".join(map(str, reference)) or "nothing"
            raise SpecError((Diagnostic(f"found {keys}; wanted env or file", "SEC001", _HINT),))
        case _:
            raise SpecError(
                (Diagnostic("found a plain secret; wanted a reference", "SEC001", _HINT),)
            )


def _from_environment(name: str) -> str:
    """Return the value of a variable that must be set and not empty."""
    plain = name.removeprefix("$").strip("{}")
    if plain != name and _NAME.fullmatch(plain):
        message = f"{name!r} is a reference of the shell; wanted the name alone"
        raise SpecError((Diagnostic(message, "SEC001", f"write {{env: {plain}}}"),))
    value = os.environ.get(name, "")
    if not value:
        state = "is empty" if name in os.environ else "is not set"
        if not _NAME.fullmatch(name):  # perhaps the secret itself
            what, hint = "that `env` names", "write the name of a variable: {env: ADA_PASSWORD}"
        else:
            what, hint = name, f"export {name}=…"
        raise SpecError((Diagnostic(f"the environment variable {what} {state}", "SEC002", hint),))
    return value


def _from_file(path: Path) -> str:
    """Return the text of a file that must not be empty."""
    try:
        with path.open("rb") as stream:
            content = stream.read(_LONGEST + 1)
        text = "" if len(content) > _LONGEST else content.decode().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SpecError((Diagnostic(f"{path}: {reason}", "SEC003", "check the path"),)) from error
    if len(content) > _LONGEST:
        message = f"{path}: has more than {_LONGEST} bytes; wanted a secret"
        raise SpecError((Diagnostic(message, "SEC003", "is it the right file?"),))
    if not text:
        raise SpecError((Diagnostic(f"{path}: the file is empty; wanted a secret", "SEC003"),))
    return text
