"""Files of the user's machine that a value of the spec names; no feature of its own."""

import posixpath
from pathlib import Path

from builder.blob import Blob
from builder.errors import Diagnostic, KeyPath
from builder.features import Context
from builder.guestpath import GuestPath, guest
from builder.structs import replace
from builder.suggest import near

RELATIVE = "relative paths start at the folder of the file that names them"
"""Hint at a path that leads nowhere."""


def local_path(text: str, context: Context) -> Path:
    """Return the path on this machine that ``text`` means."""
    return context.directory / Path(text).expanduser()


def read_blob(text: str, context: Context, *, code: str, path: KeyPath) -> Blob | Diagnostic:
    """Return a file of this machine as content, or what is wrong with it."""
    file = local_path(text, context)
    if not file.is_file():
        lack = f"{file} is a folder; wanted a file" if file.is_dir() else f"there is no file {file}"
        return Diagnostic(lack, code, near(file) or RELATIVE, path)
    try:
        return Blob.file(file)
    except OSError as error:
        return Diagnostic(f"{file}: {error.strerror}", code, RELATIVE, path)


def read_text(text: str, context: Context, *, code: str, path: KeyPath) -> str | Diagnostic:
    """Return a text file of this machine, or what is wrong with it."""
    blob = read_blob(text, context, code=code, path=path)
    if isinstance(blob, Diagnostic):
        return blob
    try:
        with blob.open() as stream:
            return stream.read().decode()
    except UnicodeDecodeError:
        file = local_path(text, context)
        return Diagnostic(f"{file}: is not UTF-8 text", code, path=path)


def at(fault: Diagnostic, *path: str | int) -> Diagnostic:
    """Return ``fault`` with its position below ``path``."""
    return replace(fault, path=(*path, *fault.path))


def guest_path(text: str, *path: str | int) -> GuestPath | Diagnostic:
    """Return a path inside the image, or what is wrong with it."""
    if any(letter < " " or letter == "\x7f" for letter in text):
        message = f"{text!r} is not a valid path: it holds a line break or control character"
        return Diagnostic(message, "FILE001", "write it on one line, in quotes", path)
    try:
        return guest(text)
    except ValueError:
        message = f"{text!r} is not a path inside the image; wanted an absolute one without `..`"
        meant = posixpath.normpath(f"/{text.strip().lstrip('/')}")
        return Diagnostic(message, "FILE001", f"write {meant}", path)
