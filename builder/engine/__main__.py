"""``python3 bundle.pyz apply DIRECTORY``: carry out the plan that lies in the bundle itself."""

from __future__ import annotations

import os
import sys
import zipfile
from typing import List, Optional, Sequence

from .apply import apply_all, apply_most, operations
from .archive import Unpacking
from .directory import DirectoryTree
from .document import Document, load
from .errors import BuilderError
from .knowledge import Knowledge

_USAGE = "usage: bundle.pyz apply|check DIRECTORY [--record FILE]\n"
_PLAIN, _RECORDED = 2, 4
_DIFFERS = 1
_FAILED = 2


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Apply the plan; ``check`` says what would be done, and whether anything would."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    record = "".join(words[3:]) if words[2:3] == ["--record"] else ""
    if words[:1] not in (["apply"], ["check"]) or len(words) != (_RECORDED if record else _PLAIN):
        _say(_USAGE)
        return _FAILED
    os.umask(0o022)
    try:
        return _carry_out(words[0], words[1], record)
    except (BuilderError, OSError, zipfile.BadZipFile, NotImplementedError) as error:
        _say(f"photon-builder: {error}\n")
        return _FAILED


def _carry_out(verb: str, directory: str, record: str) -> int:
    """Do what was asked with the plan of the bundle that runs."""
    with zipfile.ZipFile(os.path.abspath(sys.argv[0])) as bundle:
        store = Unpacking(bundle)
        document = load(store.read("plan.json"), store)
        if record:
            return _record(document, directory, record)
        tree, known = DirectoryTree(directory), Knowledge(_time_of(document))
        if verb == "apply":
            apply_all(document.entries, tree, known)
            return 0
        found = operations(document.entries, tree, known)
    _say("".join(f"{op.sentence()}\n" for op in found))
    return _DIFFERS if found else 0


def _record(document: Document, directory: str, record: str) -> int:
    """Apply what fits; note what came of each step, as the first boot's report wants it."""
    time = _time_of(document)
    tree = DirectoryTree(directory, mtime=time)
    results = apply_most(document.entries, tree, Knowledge(time, is_fresh=True))
    failed = sum(bool(result.error) for result in results)
    lines: List[str] = [
        f"FAILED {result.entry.change.subject} ({result.error})"
        if result.error
        else f"ok {result.entry.change.subject}"
        for result in results
    ]
    lines.append(f"finished: {len(document.entries)} steps, {failed} failed")
    with open(record, "ab") as stream:
        stream.write("".join(f"{_line(text)}\n" for text in lines).encode("utf-8", "replace"))
    return _DIFFERS if failed else 0


def _line(text: str) -> str:
    return " ".join(text.splitlines())


def _time_of(document: Document) -> int:
    """Return the time of a plan; now, when it has none."""
    from time import time

    return int(time()) if document.timestamp is None else document.timestamp


def _say(text: str) -> None:
    """Write to standard error whatever the locale."""
    sys.stderr.buffer.write(text.encode("utf-8", "backslashreplace"))


if __name__ == "__main__":
    raise SystemExit(main())
