"""Write what the example specs mean for every target and release: plans, kickstarts, envelopes.

``make golden`` writes tests/golden anew, to be reviewed in the diff; tests/unit/test_golden.py
compares. There is one file for each spec and kind of text: what all variants share stands there
once, and what only some have follows a line ``@@ targets: releases``. Secrets have fixed values;
what is drawn or signed with salt is left out.
"""

import functools
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import NamedTuple

from builder.base import find_base
from builder.build import prepare, wanted_of
from builder.carriers.appliance import edits_of
from builder.carriers.medium import KICKSTART
from builder.carriers.packing import disk_size
from builder.changes import WriteFile
from builder.cli.options import question
from builder.cli.reading import read_spec
from builder.errors import SpecError, UnsupportedError
from builder.formats.iso9660 import open_iso
from builder.formats.ova import open_ova
from builder.formats.ovf import edit_envelope
from builder.plan import Plan
from builder.request import Request
from builder.roots.medium import open_medium
from builder.spec import SampleBase, Spec
from builder.targets import Target, discover

PROJECT = Path(__file__).resolve().parents[1]
FOLDER = PROJECT / "tests/golden"
RELEASES = ("3.0", "4.0", "5.0")
ENVIRONMENT = {
    "ROOT_PASSWORD": "root-of-the-Examples-7",
    "PIHOLE_PASSWORD": "pi-of-the-Examples-7",
    "WIFI_PASSWORD": "air-of-the-Examples-7",
    "SOURCE_DATE_EPOCH": "1700000000",
}
_TIME = int(ENVIRONMENT["SOURCE_DATE_EPOCH"])
_HASH = re.compile(r"\$6\$[^\"]+")
_SIZE = re.compile(r'ovf:size="\d+"')
_KINDS = ("plan", "kickstart", "envelope")
_MARK = "@@ "
_ALL = "all"


class Variant(NamedTuple):
    """One of the artifacts that follow from a spec."""

    target: str
    release: str


Texts = Mapping[Variant, Sequence[str]]
"""What each variant says, in pieces that are compared whole."""


def files_of(spec: Path, plans: list[str]) -> dict[str, str]:
    """Return name and text of each golden file of a spec.

    Args:
        spec: Path of the spec, from the project's folder.
        plans: Filled with every plan, as JSON.
    """
    found: dict[str, dict[Variant, list[str]]] = {kind: {} for kind in _KINDS}
    for release in RELEASES:
        read = read_spec(str(spec), quiet=True, base=f"sample:{release}")
        for target in _targets(read):
            variant = Variant(target.name, release)
            request = question(read, target)
            try:
                plan = prepare(request)[0]
            except UnsupportedError:  # no such target can be built of this spec
                continue
            except SpecError as error:  # an example may want what a base has not
                found["plan"][variant] = [f"{p.code} {p.message}\n" for p in error.problems]
                continue
            found["plan"][variant] = _steps(plan)
            plans.append(json.dumps(plan.plain(), ensure_ascii=False))
            for kind, text in _made(request, plan, release):
                found[kind][variant] = text.splitlines(keepends=True)
    return {f"{spec.stem}.{kind}": merge(texts) for kind, texts in found.items() if texts}


def _all_targets() -> list[Target]:
    """Return the targets, without groups of them."""
    return [each for each in discover().values() if isinstance(each, Target)]


def _targets(spec: Spec) -> list[Target]:
    """Return the targets whose sections a spec has."""
    return [
        target
        for target in _all_targets()
        if all(
            name in spec.sections
            for name, schema in target.sections.items()
            if schema.get("required")
        )
    ]


def _steps(plan: Plan) -> list[str]:
    """Return a plan step by step, without the lines of the spec."""
    plain = plan.plain()
    steps = [{**step, "place": None} for step in plain.pop("steps")]
    return [
        json.dumps(
            {key: value for key, value in each.items() if value is not None},
            indent=1,
            sort_keys=True,
            ensure_ascii=False,
        )
        + "\n"
        for each in (plain, *steps)
    ]


def _made(request: Request, plan: Plan, release: str) -> Iterator[tuple[str, str]]:
    """Yield the texts that the artifact has for the installer or for a hypervisor."""
    target, spec = request.target, request.spec
    if target.image in ("ova", "ova_uefi"):
        with open_ova(_sample(target.name, release)) as ova:
            capacity = disk_size(spec.sections) or None
            edits = edits_of(spec.output, name=spec.name, capacity=capacity)
            text = edit_envelope(ova.envelope, edits).decode()
        yield "envelope", stable_envelope(text)
    elif target.work_out is not None and "install" in target.sections:
        with open_iso(_sample(target.name, release)) as medium:
            ops = target.work_out(open_medium(medium), wanted_of(request, plan, _TIME))
        content = next(
            op.content for op in ops if isinstance(op, WriteFile) and op.path == KICKSTART
        )
        with content.open() as stream:
            yield "kickstart", stable_kickstart(stream.read().decode())


def stable_envelope(text: str) -> str:
    """Return an envelope without the size of the disk's file."""
    return _SIZE.sub('ovf:size="…"', text)


def stable_kickstart(text: str) -> str:
    """Return a kickstart without salt, a value a line."""
    return json.dumps(json.loads(_HASH.sub("$6$…", text)), indent=1, ensure_ascii=False) + "\n"


@functools.cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    """Return a folder for samples, which goes with the process."""
    return tempfile.TemporaryDirectory()


@functools.cache
def _sample(name: str, release: str) -> Path:
    """Make the sample of a target and a release."""
    target = next(each for each in _all_targets() if each.name == name)
    path = Path(_scratch().name, f"{name}-{release}")
    with path.open("w+b") as stream:
        facts = find_base(SampleBase(release), target, None).facts
        target.sample(stream.fileno(), _TIME, facts)
    return path


def merge(texts: Texts) -> str:
    """Return the texts of all variants as one, in which each says what is its own."""
    everyone = frozenset(texts)
    same: dict[tuple[str, ...], frozenset[Variant]] = {}
    for variant, pieces in texts.items():
        same[tuple(pieces)] = same.get(tuple(pieces), frozenset()) | {variant}
    merged: list[tuple[str, frozenset[Variant]]] = []
    for text, owners in same.items():
        merged = list(_merged(merged, text, owners))
    lines, last = [f"{_MARK}{_ALL}\n"], everyone
    for piece, owners in merged:
        if owners != last:
            lines.append(f"{_MARK}{_ALL if owners == everyone else _words(owners)}\n")
            last = owners
        lines.append(piece)
    return "".join(lines)


def _merged(
    old: list[tuple[str, frozenset[Variant]]], new: Sequence[str], owners: frozenset[Variant]
) -> Iterator[tuple[str, frozenset[Variant]]]:
    """Yield pieces with who has them, one more text among them."""
    matcher = SequenceMatcher(None, [piece for piece, _ in old], new, autojunk=False)
    for word, start, end, new_start, new_end in matcher.get_opcodes():
        if word == "equal":
            yield from ((piece, others | owners) for piece, others in old[start:end])
        else:
            yield from old[start:end]
            yield from ((piece, owners) for piece in new[new_start:new_end])


def _words(owners: frozenset[Variant]) -> str:
    """Name variants: targets, and their releases."""
    releases: dict[str, str] = {}
    for target, release in sorted(owners):
        releases[target] = f"{releases.get(target, '')} {release}"
    groups: dict[str, list[str]] = {}
    for target, text in releases.items():
        groups.setdefault(text, []).append(target)
    return "; ".join(f"{' '.join(names)}:{text}" for text, names in groups.items())


def text_of(merged: str, variant: Variant) -> str:
    """Return what one variant says, out of what :func:`merge` made."""
    kept, has = [], True
    for line in merged.splitlines(keepends=True):
        if line.startswith(_MARK):
            groups = [each.partition(":") for each in line[len(_MARK) :].strip().split("; ")]
            has = any(
                names == _ALL or (variant.target in names.split() and variant.release in some)
                for names, _, some in groups
            )
        elif has:
            kept.append(line)
    return "".join(kept)


def main() -> int:
    """Write everything anew."""
    os.chdir(PROJECT)
    os.environ.update(ENVIRONMENT)
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    count = 0
    for spec in sorted(Path("specs").glob("*.yaml")):
        for name, text in files_of(spec, []).items():
            (FOLDER / name).write_text(text)
            count += 1
    print(f"{count} files in {FOLDER.relative_to(PROJECT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
