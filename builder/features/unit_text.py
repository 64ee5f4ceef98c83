"""Lines of a unit file that systemd would ignore."""

from collections.abc import Iterator

from builder.engine.text.systemd import malformed_lines
from builder.errors import Diagnostic, KeyPath, Severity
from builder.features import Context
from builder.guest.unit_keys import iter_unknown, known_keys
from builder.suggest import nearest


def iter_faults(text: str, unit: str, context: Context, path: KeyPath) -> Iterator[Diagnostic]:
    """Yield a warning for each line that the base's systemd ignores.

    Args:
        text: A unit file or a drop-in.
        unit: The unit's name, with its suffix.
        context: Tells the base.
        path: Where the text is in the spec.
    """
    for number, line in malformed_lines(text):
        message = f"line {number} of the unit is {line!r}; wanted [Section], Key=value or # comment"
        yield Diagnostic(message, "UNIT005", path=path, severity=Severity.WARNING)
    said = context.facts.version_of("systemd") if context.facts.is_known else ""
    version = int(said.partition("-")[0].partition(".")[0] or 0)
    for number, section, key, since in iter_unknown(text, unit, version):
        if not key:
            hint = f"write [{unit.rpartition('.')[2].capitalize()}], or [X-{section}] to keep it"
            message = f"line {number} of the unit begins [{section}], which {unit} does not have"
            yield Diagnostic(message, "UNIT006", hint, path, Severity.WARNING)
        elif since:
            message = f"line {number}: {key}= needs systemd {since}, and the base has {version}"
            yield Diagnostic(message, "UNIT008", "", path, Severity.WARNING)
        else:
            meant = nearest(key, known_keys(section))
            hint = f"did you mean {meant}=?" if meant else "see systemd.directives(7)"
            message = f"line {number}: systemd knows no {key}= in [{section}], and ignores it"
            yield Diagnostic(message, "UNIT007", hint, path, Severity.WARNING)
