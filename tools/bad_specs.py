"""Specs as people get them wrong, and what `check` prints of each: `make golden` writes it anew.

A file of tests/data/bad-specs is a folder in one text: `-- NAME --` begins each of its files,
`-- check, exit code N --` what is printed, and `-- follow NAME --` what a user changes in a file
who does what the hints say: lines with `-` become those with `+`.
"""

import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
FOLDER = PROJECT / "tests/data/bad-specs"
SPEC = "spec.yaml"
_HEADING = re.compile(r"^-- (.+) --\n", re.MULTILINE)
_FOLLOW, _CHECK = "follow ", "check, exit code "


@dataclass(frozen=True, slots=True)
class Case:
    """A bad spec.

    Attributes:
        files: Its files by name.
        code: Exit code of `check`.
        shown: What `check` prints.
        changes: File name to the edits that follow the hints: a text and its replacement.
    """

    files: Mapping[str, str]
    code: int
    shown: str
    changes: Mapping[str, tuple[tuple[str, str], ...]]

    def followed(self) -> dict[str, str]:
        """Return the files after the hints were followed.

        Raises:
            ValueError: a file does not hold the text that is to be replaced.
        """
        files = dict(self.files)
        for name, edits in self.changes.items():
            for before, after in edits:
                start, end = files[name].split(before, 1)
                files[name] = f"{start}{after}{end}"
        return files


def read_case(path: Path) -> Case:
    """Return the case that a file holds."""
    files, changes, code, shown = {}, {}, 0, ""
    for name, text in _sections(path.read_text(encoding="utf-8")):
        if name.startswith(_FOLLOW):
            changes[name.removeprefix(_FOLLOW)] = tuple(_edits(text))
        elif name.startswith(_CHECK):
            code, shown = int(name.removeprefix(_CHECK)), text
        else:
            files[name] = text
    return Case(files, code, shown, changes)


def run(files: Mapping[str, str | bytes], folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Run the program in a folder of its own; returns exit code, output and messages."""
    from builder.cli import run as program

    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    out, err = io.StringIO(), io.StringIO()
    with chdir(folder), redirect_stdout(out), redirect_stderr(err):
        code = program(list(arguments))
    return code, out.getvalue(), err.getvalue().replace(str(PROJECT), "PROJECT")


def _sections(text: str) -> Iterator[tuple[str, str]]:
    """Yield heading and text of each section."""
    _, *parts = _HEADING.split(text)
    yield from zip(parts[::2], parts[1::2], strict=True)


def _edits(text: str) -> Iterator[tuple[str, str]]:
    """Yield what is replaced, and with what."""
    for found in re.finditer(r"((?:^-.*\n)+)((?:^\+.*\n)+)", text, re.MULTILINE):
        before, after = (
            "\n".join(line[1:] for line in part.splitlines()) for part in found.groups()
        )
        yield before, after


def _write(path: Path) -> None:
    """Write anew what `check` prints of a case."""
    with tempfile.TemporaryDirectory() as folder:
        code, _, shown = run(read_case(path).files, Path(folder), "check", SPEC)
    kept = [(name, text) for name, text in _sections(path.read_text()) if _CHECK not in name]
    sections = [*kept, (f"{_CHECK}{code}", shown)]
    sections.sort(key=lambda section: section[0].startswith(_FOLLOW))
    path.write_text("".join(f"-- {name} --\n{text}" for name, text in sections), encoding="utf-8")


if __name__ == "__main__":
    os.environ["NO_COLOR"] = "1"
    for each in sorted(FOLDER.glob("*.txt")):
        _write(each)
    sys.stdout.write(f"{FOLDER}\n")
