"""What one entry of a ``files`` value means; no feature of its own."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from builder.blob import Blob
from builder.changes import ROOT, EnsureLine, MakeDirectory, MakeSymlink, Owner, Remove
from builder.errors import Diagnostic
from builder.features import Context, Requested
from builder.features.secret_files import text_file
from builder.features.sources import at, guest_path, local_path
from builder.features.tree import Attributes, content_change, file_change, tree_changes
from builder.guest import modes
from builder.guest.vital import is_vital, is_vital_directory
from builder.guestpath import GuestPath

FORMS = ("content", "source", "symlink", "directory", "lines", "absent")
_NEVER = frozenset("\n\r\0")


def entry_changes(entry: Mapping[str, Any], context: Context) -> Iterator[Requested]:
    """Yield the changes of one entry, with faults below it."""
    path = guest_path(entry["path"], "path")
    mode = _mode(entry["mode"]) if "mode" in entry else None
    given = [form for form in FORMS if form in entry]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        message = f"found {found}; wanted exactly one of {', '.join(FORMS)}"
        yield Diagnostic(message, "FILE002", "keep one of them" if given else "add `content: …`")
    elif path == "/" and given != ["source"]:
        yield Diagnostic("/ is the image itself; wanted a path below it", "FILE001", path=("path",))
    elif isinstance(path, Diagnostic):
        yield path
    elif form := _breaks(given[0], path):
        yield Diagnostic(f"no machine runs without the base's {path}", "FILE008", form, (given[0],))
    elif isinstance(mode, Diagnostic):
        yield mode
    else:
        owner = Owner(entry.get("owner", 0), entry.get("group", 0))
        named = "owner" in entry or "group" in entry
        attributes = Attributes(mode, owner if named else None)
        yield from _form_changes(given[0], entry, path, attributes, context)


def _breaks(form: str, path: GuestPath) -> str:
    """Return a hint where an entry takes away what a machine cannot live without."""
    if form == "absent" and is_vital(path):
        return "name what is to go below it"
    is_taken = form in {"symlink", "content", "lines"} and is_vital_directory(path)
    return "name a path below it" if is_taken else ""


def _form_changes(
    form: str, entry: Mapping[str, Any], path: GuestPath, given: Attributes, context: Context
) -> Iterator[Requested]:
    match form:
        case "content":
            yield text_file(entry[form], path, given, context, form)
        case "source":
            file = local_path(entry[form], context)
            if file.is_dir():
                yield from tree_changes(file, path, given)
            else:
                made = file_change(file, path, given)
                yield at(made, form) if isinstance(made, Diagnostic) else made
        case "symlink":
            yield MakeSymlink(path, entry[form])
        case "directory":
            usual = modes.directory_mode(path)
            mode = usual if given.mode is None else given.mode
            yield MakeDirectory(path, mode, given.owner or ROOT)
        case "lines":
            yield from _line_changes(entry[form], path, given)
        case _:
            yield Remove(path)


def _line_changes(lines: list[str], path: GuestPath, given: Attributes) -> Iterator[Requested]:
    """Yield a change a line; mode and owner are for a file that the base does not have."""
    made = content_change(Blob.of(b""), path, given)
    if isinstance(made, Diagnostic):
        yield made
        return
    for index, line in enumerate(lines):
        if not line or _NEVER & set(line):
            message = f"found {line!r}; wanted one line of text"
            hint = "give each line an entry of its own"
            yield Diagnostic(message, "FILE007", hint, ("lines", index))
        else:
            yield EnsureLine(path, line, mode=made.mode, owner=made.owner)


def _mode(text: str | int) -> int | Diagnostic:
    """Return a mode written in octal digits; YAML reads 0755 without quotes as 755."""
    if isinstance(text, str) and re.fullmatch("[0-7]{3,4}", text):
        return int(text, 8)
    message = f"the mode is {text!r}; wanted three or four octal digits"
    return Diagnostic(message, "FILE006", 'write mode: "0644"', ("mode",))
