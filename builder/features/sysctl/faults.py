"""What is wrong with names and values of kernel parameters."""

from collections.abc import Iterator

from builder.errors import Diagnostic, Severity
from builder.guest.sysctl_names import is_number, known_names, plain_name
from builder.suggest import nearest

_WORDS = {
    **dict.fromkeys(("yes", "true", "on", "enabled"), "1"),
    **dict.fromkeys(("no", "false", "off", "disabled"), "0"),
}
_CLOSE = 0.9


def iter_faults(key: str, value: str | int) -> Iterator[Diagnostic]:
    """Yield what the kernel would refuse, and a name that is like a known one."""
    name, known = plain_name(key), known_names()
    if known.get(name) and not is_number(value):
        meant = _WORDS.get(str(value).strip().lower())
        hint = f"write {meant}" if meant else "write a number"
        yield Diagnostic(
            f"{key} takes numbers, and the kernel refuses {value!r}", "CTL002", hint, (key,)
        )
    if name in known or "*" in key:
        return
    found = nearest(name, known, likeness=_CLOSE)
    if found:
        message = f"no kernel parameter that is known is called {key}"
        yield Diagnostic(message, "CTL001", f"did you mean {found}?", (key,), Severity.WARNING)
