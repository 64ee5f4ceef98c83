"""A bundle: the engine, a plan and its contents as one file that python3 runs.

A zip with a ``__main__.py``, stored, the same bytes for the same plan: see ``engine/archive.py``.
"""

import io
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from builder import engine
from builder.blob import Blob
from builder.changes import WriteFile
from builder.engine.archive import ChangedError, Packing, write_archive
from builder.engine.document import Document, Entry, dump
from builder.errors import GuestError, HostError
from builder.formats.scratch import make_scratch
from builder.plan import Step

_ENGINE = Path(engine.__path__[0])
_MAIN = b"from engine.__main__ import main\nraise SystemExit(main())\n"
_LARGEST_IN_MEMORY = 64 << 20
_MOST_MEMBERS = 65_000
_LARGEST = (1 << 32) - (64 << 20)
"""Python before 3.13 runs no zip that is larger, or has more members: zipimport knows no zip64."""


def make_bundle(steps: Iterable[Step], timestamp: int) -> Blob:
    """Return the bundle of a plan's steps, in memory unless it is large.

    Raises:
        GuestError: it would be too large to run.
        HostError: a file is not what it was when the plan was made.
    """
    store = Packing()
    entries = tuple(Entry(step.change, step.origin) for step in steps)
    text = dump(Document(entries, timestamp), store)
    more = {**_engine(), "plan.json": Blob.text(text)}
    size = sum(blob.size for blob in store.contents.values())
    if size > _LARGEST or len(store.contents) + len(store.secrets) > _MOST_MEMBERS:
        raise GuestError(
            f"{len(store.contents)} files of {size} bytes are too much for an installation",
            code="INS006",
            hint="bring them as a few archives, or by packages",
        )
    try:
        return _written(store, more, size)
    except ChangedError as error:
        raise _changed(entries, error.digest) from error


def _written(store: Packing, more: Mapping[str, Blob], size: int) -> Blob:
    """Return the bundle's bytes."""
    if size < _LARGEST_IN_MEMORY:
        out = io.BytesIO()
        write_archive(out, store, more)
        return Blob.of(out.getvalue())
    path = make_scratch()
    write_archive(path.file, store, more)
    path.file.flush()
    return Blob.file(path)


def _changed(entries: Iterable[Entry], digest: str) -> HostError:
    """Return the error for a file that changed since the plan was made."""
    place, source = next(
        (
            (entry.change.path, entry.change.content.source)
            for entry in entries
            if isinstance(entry.change, WriteFile) and entry.change.content.sha256 == digest
        ),
        ("a package", None),
    )
    where = f"{source}: " if isinstance(source, Path) else ""
    return HostError(
        f"{where}the content of {place} is not what it was when the build began",
        hint="did the file change while it was read? run the build again",
    )


@cache
def _engine() -> Mapping[str, Blob]:
    """Return the engine's modules by their names in a bundle."""
    paths = sorted(_ENGINE.rglob("*.py"))
    modules = {f"engine/{path.relative_to(_ENGINE)}": Blob.of(path.read_bytes()) for path in paths}
    return {"__main__.py": Blob.of(_MAIN), **modules}
