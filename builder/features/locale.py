"""The system's locale, locale.conf(5)."""

from collections.abc import Iterator, Mapping

from builder.blob import Blob
from builder.changes import WriteFile
from builder.errors import Diagnostic, Severity
from builder.features import Context, Feature, Requested, form
from builder.guestpath import guest

_NAME = r"^[A-Za-z0-9_.@-]+$"
_FORM = "a locale such as en_US.UTF-8"
SCHEMA = {
    "description": "LANG alone, or the variables of locale.conf(5) by name.",
    "anyOf": [
        {"type": "string", **form(_NAME, _FORM)},
        {
            "type": "object",
            "minProperties": 1,
            "propertyNames": form(r"^(LANG|LANGUAGE|LC_[A-Z]+)$", "LANG, LANGUAGE or one of LC_…"),
            "additionalProperties": {"type": "string", **form(_NAME, _FORM)},
        },
    ],
}
_PACKAGES = frozenset({"glibc-lang", "glibc-i18n"})


def changes(value: str | Mapping[str, str], context: Context) -> Iterator[Requested]:
    """Yield locale.conf, and a warning for what Photon's bases do not bring."""
    variables = {"LANG": value} if isinstance(value, str) else dict(sorted(value.items()))
    there = context.facts.locales
    for key, name in variables.items():
        if name not in there and _PACKAGES.isdisjoint(context.overlay.get("packages", ())):
            yield Diagnostic(
                f"the base has no locale {name}, only {', '.join(there)}; programs fall back to C",
                "LOC001",
                "add `packages: [glibc-i18n]` and make the locale with localedef",
                path=() if isinstance(value, str) else (key,),
                severity=Severity.WARNING,
            )
    text = "".join(f"{key}={name}\n" for key, name in variables.items())
    yield WriteFile(guest("/etc/locale.conf"), Blob.text(text))


FEATURE = Feature("locale", "Language and formats", SCHEMA, changes, "en_US.UTF-8")
