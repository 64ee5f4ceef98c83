"""Packages from the repositories, and RPM files of this machine."""

from collections.abc import Iterator, Sequence

from builder.blob import Blob
from builder.errors import Diagnostic
from builder.features import Context, Feature, Requested, form
from builder.features.package_source import wish_packages
from builder.features.sources import read_blob

SCHEMA = {
    "type": "array",
    "description": "Package names, and paths of RPM files ending in `.rpm`. They and all that they "
    "need are resolved when the image is built, and come with it: a disk installs them on its "
    "first boot, without a network. An ISO installs them from the ISO.",
    "uniqueItems": True,
    "items": {
        "type": "string",
        **form(
            r"^[A-Za-z0-9_./~+-][A-Za-z0-9 _./~+-]*$",
            "the name of a package, or the path of an .rpm file",
        ),
    },
}
_UNCHECKED = "signatures of RPM files are not checked: they come with the image"
_SUFFIX = ".rpm"
_LEAD = b"\xed\xab\xee\xdb"
"""The first bytes of every RPM, rpm(8) "Package file format"."""


def changes(value: Sequence[str], context: Context) -> Iterator[Requested]:
    """Yield one wish for all packages, as their dependencies are solved together."""
    files: list[tuple[str, Blob]] = []
    for index, text in enumerate(value):
        if not text.endswith(_SUFFIX):
            continue
        found = _read_rpm(text, index, context)
        if isinstance(found, Diagnostic):
            yield found
        else:
            files.append((text.rpartition("/")[2], found))
    names = sorted(text for text in value if not text.endswith(_SUFFIX))
    for index, text in enumerate(value):
        if not text.endswith(_SUFFIX) and ("/" in text or " " in text):
            yield Diagnostic(
                f"{text!r} is not a valid package name", "PKG004", "a file ends in .rpm", (index,)
            )
    if names or files:
        ordered = tuple(sorted(files, key=lambda file: file[0]))
        reason = _UNCHECKED if files else ""
        yield wish_packages(tuple(names), context, files=ordered, reason=reason)


def _read_rpm(text: str, index: int, context: Context) -> Blob | Diagnostic:
    """Return an RPM file of this machine, or what is wrong with it."""
    blob = read_blob(text, context, code="PKG001", path=(index,))
    if isinstance(blob, Diagnostic):
        return blob
    with blob.open() as stream:
        if stream.read(len(_LEAD)) != _LEAD:
            return Diagnostic(
                f"{text}: found no RPM lead; is it a package?", "PKG002", path=(index,)
            )
    arch = text.removesuffix(_SUFFIX).rpartition(".")[2]
    if arch in {"x86_64", "aarch64", "src"} and arch != context.arch:
        message = f"{text} is for {arch}, the base for {context.arch}"
        return Diagnostic(message, "PKG003", f"get the file for {context.arch}", (index,))
    return blob


FEATURE = Feature("packages", "Packages to install", SCHEMA, changes, "[nfs-utils, jq]")
