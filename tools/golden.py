"""Write what the example specs mean for every target and release: plans, kickstarts, envelopes.

``make golden`` writes tests/golden anew, to be reviewed in the diff; tests/e2e/test_golden.py
compares. Secrets have fixed values, and what is drawn or signed with salt is left out.
"""

import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
FOLDER = PROJECT / "tests/golden"
RELEASES = ("3.0", "4.0", "5.0")
ENVIRONMENT = {
    "ROOT_PASSWORD": "root-of-the-Examples-7",
    "PIHOLE_PASSWORD": "pi-of-the-Examples-7",
    "WIFI_PASSWORD": "air-of-the-Examples-7",
    "SOURCE_DATE_EPOCH": "1700000000",
}
_KICKSTART = "/photon-builder/ks.json"
_HASH = re.compile(r"\$6\$[^\"]+")
_SIZE = re.compile(r'ovf:size="\d+"')


def iter_golden(spec: Path) -> Iterator[tuple[str, str]]:
    """Yield name and text of everything that follows from a spec."""
    from builder.build import prepare
    from builder.cli.options import chosen_targets, question
    from builder.cli.reading import read_spec
    from builder.errors import SpecError

    os.environ.update(ENVIRONMENT)
    for release in RELEASES:
        name = f"{spec.stem}-{release}"
        try:
            read = read_spec(str(spec), quiet=True, base=f"sample:{release}")
            requests = [question(read, target) for target in chosen_targets(read, ())]
            plans = [(each.target, prepare(each)[0].plain()) for each in requests]
        except SpecError as error:  # an example may want what an old release has not
            yield f"{name}.refused", "".join(f"{p.code} {p.message}\n" for p in error.problems)
            continue
        for target, plan in plans:
            for step in plan["steps"]:
                step.pop("place", None)
            text = json.dumps(plan, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
            yield f"{name}-{target.name}.plan.json", text


def iter_made(spec: Path, release: str, target_name: str) -> Iterator[tuple[str, str]]:
    """Yield the kickstart or the envelope of the artifact of one target."""
    from builder.build import build
    from builder.cache import Cache
    from builder.cli.options import chosen_targets, question
    from builder.cli.reading import read_spec
    from builder.images import open_image
    from builder.structs import replace

    os.environ.update(ENVIRONMENT)
    read = read_spec(str(spec), quiet=True, base=f"sample:{release}")
    (target,) = chosen_targets(read, (target_name,))
    with tempfile.TemporaryDirectory() as folder:
        request = replace(question(read, target), output=Path(folder) / "output")
        made = build(request, Cache(Path(folder) / "cache")).artifact
        name = f"{spec.stem}-{release}-{target.name}"
        if made.suffix == ".ova":
            yield f"{name}.ovf", _SIZE.sub('ovf:size="…"', _envelope(made))
        else:
            from builder.guestpath import guest

            with open_image(made) as image:
                text = b"".join(image.root().chunks(guest(_KICKSTART))).decode()
            shown = json.dumps(json.loads(_HASH.sub("$6$…", text)), indent=1) + "\n"
            yield f"{name}.ks.json", shown


def _envelope(ova: Path) -> str:
    """Return the envelope of an appliance."""
    import tarfile

    with tarfile.open(ova) as tar:
        member = next(name for name in tar.getnames() if name.endswith(".ovf"))
        stream = tar.extractfile(member)
        return stream.read().decode() if stream else ""


MADE = (("quickstart", "ova"), ("quickstart", "ova_uefi"), ("edge-iso", "iso"))
"""Specs whose artifacts are made for every release, and the target."""


def main() -> int:
    """Write everything anew."""
    os.chdir(PROJECT)
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    found = [row for spec in sorted(Path("specs").glob("*.yaml")) for row in iter_golden(spec)]
    for name, target in MADE:
        for release in RELEASES:
            found += iter_made(Path(f"specs/{name}.yaml"), release, target)
    for name, text in found:
        (FOLDER / name).write_text(text)
    print(f"{len(found)} files in {FOLDER.relative_to(PROJECT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
