"""The command ``lock``: records digests of bases, container images and packages."""

from typing import Any

import click

from builder.addresses import shown
from builder.base import find_base
from builder.cli.answers import write_result
from builder.cli.lock_images import lock_images
from builder.cli.lock_packages import lock_packages
from builder.cli.options import (
    base_of,
    base_option,
    chosen_targets,
    find_spec,
    json_option,
    reporter,
)
from builder.errors import SpecError, UsageError
from builder.lock import amend_lock, read_lock
from builder.spec import Spec, load_spec
from builder.structs import replace


@click.command()
@click.argument("spec")
@click.argument("images", nargs=-1, metavar="[IMAGE]…")
@click.option("--update", "-u", is_flag=True, help="Resolve everything again, or only IMAGE….")
@base_option
@json_option
def lock(
    spec: str, images: tuple[str, ...], base: str | None, *, update: bool, as_json: bool
) -> None:
    """Record digests of container images, bases and packages in photon-builder.lock.

    Resolves image tags at their registries, downloads bases without a published digest, and
    resolves, downloads and checks packages that come with an image. Later builds use exactly
    these. The file lies beside the spec. Existing entries stay; --update replaces those of
    images and packages, and prints the changes.
    """
    if images and not update:
        raise UsageError("IMAGE needs --update", hint=f"photon-builder lock {spec} --update …")
    from builder.cache import Cache
    from builder.trust import find_untrusted, trust

    directory, progress = find_spec(spec).parent, reporter()
    read = _read_unlocked(spec, base)
    pins = lock_images(read, _archs(read), progress, images, update=update)
    trusted = trust(find_untrusted(read, chosen_targets(read, ())), directory, Cache(), progress)
    rows: list[dict[str, Any]] = [*pins.rows(), *(each.row() for each in trusted)]
    text = pins.text() + "".join(f"{each}\n" for each in trusted)
    if pins.is_new:
        text += f"recorded in {amend_lock(directory, images=pins.found)}\n"
    resolved = lock_packages(read, Cache(), progress, update=update and not images)
    rows += [each.row() for each in resolved]
    text += "".join(each.text() for each in resolved)
    write_result(
        "lock",
        {"rows": rows},
        as_json=as_json,
        text=text or "nothing to lock: everything already has a digest\n",
    )


def _read_unlocked(name: str, instead: str | None) -> Spec:
    """Read a spec whose base may still lack a digest."""
    from builder import rules, targets
    from builder.documents import load_document

    path = find_spec(name)
    value: Any = load_document(path).value
    base = value.get("base") if isinstance(value, dict) else None
    url = base.get("url") if isinstance(base, dict) else None
    known = read_lock(path.parent)
    unknown: dict[str, dict[str, str]] = {shown(str(url)): {}} if url else {}
    lock = replace(known, files={**unknown, **known.files})
    spec = load_spec(
        path,
        targets=targets.discover(),
        locked=lock,
        base=base_of(instead),
    )
    if spec.lacks:
        raise SpecError(tuple(p for p in rules.check_rules(spec) if p.code.startswith("BASE")))
    return spec


def _archs(spec: Spec) -> dict[str, str]:
    """Return the architectures that a spec is built for, each with a target of it."""
    found: dict[str, str] = {}
    for target in chosen_targets(spec, ()):
        found.setdefault(find_base(spec.base, target).arch, target.name)
    return found
