"""Which of a spec's targets are meant: by name, by group, or by a file that was made for one."""

from pathlib import Path

from builder import targets
from builder.artifact import read_provenance
from builder.errors import UsageError
from builder.spec import Choice, Spec, choose
from builder.targets import Target


def choose_targets(spec: Spec, wanted: tuple[str, ...] = ()) -> Choice:
    """Return what is built of a spec, groups expanded, each once; nothing named means all of it.

    Raises:
        UsageError: there is no such target, or nothing of a group can be built.
    """
    known = targets.discover()
    for name in wanted:
        if name not in known:
            raise UsageError(f"there is no target {name!r}", hint="photon-builder targets")
    choice = choose(wanted, spec.base, known) if wanted else spec.choice
    if not choice.names:
        raise UsageError(
            f"nothing of {', '.join(wanted)} can be built from this base",
            hint="photon-builder catalog lists what was published; photon-builder targets, what "
            "can be built",
        )
    return choice


def targets_of(choice: Choice) -> list[Target]:
    """Return the targets of a choice."""
    known = targets.discover()
    found = (known[name] for name in choice.names)
    return [entry for entry in found if isinstance(entry, Target)]


def target_of(artifact: Path, spec: Spec, wanted: str | None = None) -> Target:
    """Return the target that a file was made for, of those that a spec builds.

    The provenance beside it says so; without one, its name does, by the longest suffix.

    Args:
        artifact: The file.
        spec: What it was made from.
        wanted: A target or a group that the caller names, which decides it.

    Raises:
        UsageError: the spec does not build what the file is, or several fit.
    """
    choice = choose_targets(spec, (wanted,) if wanted else ())
    chosen = {entry.name: entry for entry in targets_of(choice)}
    if wanted and len(chosen) == 1:
        return next(iter(chosen.values()))
    made = str(read_provenance(artifact).get("target") or "")
    if made in chosen:
        return chosen[made]
    if made:
        raise UsageError(
            f"{artifact}: it was made for {made}, and {spec.path} builds {', '.join(chosen)}",
            hint="name the spec that it was made from, or give --target",
        )
    ends = {entry.suffix_with(spec.output): entry for entry in chosen.values()}
    ends |= {entry.suffix: entry for entry in chosen.values()}
    fitting = [suffix for suffix in ends if artifact.name.endswith(suffix)]
    if fitting:
        return ends[max(fitting, key=len)]
    if len(chosen) > 1:
        raise UsageError(
            f"{artifact}: neither a provenance file nor its name tells for which target it was "
            f"made; {spec.path} builds {', '.join(chosen)}",
            hint=f"say it: --target {next(iter(chosen))}",
        )
    return next(iter(chosen.values()))
