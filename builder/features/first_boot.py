"""Scripts that run once, on the first boot that lets them succeed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from builder.blob import Blob
from builder.changes import SetUnitState, UnitState, WriteFile
from builder.engine.text.systemd import ETC
from builder.errors import Fault
from builder.features import Context, Feature, Wish, form
from builder.features.sources import read_text
from builder.guest import first_boot
from builder.guestpath import join

SCHEMA = {
    "type": "array",
    "description": "Scripts, each run until it has succeeded once, in this order.",
    "items": {
        "type": "object",
        "additionalProperties": False,
        "required": ["name"],
        "properties": {
            "name": {
                "type": "string",
                **form(
                    "^[a-z0-9][a-z0-9_-]{0,40}$",
                    "small letters, digits, `_` and `-`, as for a unit's name",
                ),
                "description": "Names the script and its unit.",
            },
            "script": {"type": "string", "description": "The script; begins with `#!`."},
            "source": {"type": "string", "description": "A file on this machine that holds it."},
            "network": {"type": "boolean", "description": "Wait until the network is up."},
        },
    },
}


def changes(value: Sequence[Mapping[str, Any]], context: Context) -> Iterator[Wish]:
    """Yield a script and a unit for each entry."""
    before = ""
    for index, entry in enumerate(value):
        name = entry["name"]
        if any(name == other["name"] for other in value[:index]):
            yield Fault(f"two scripts are named {name}", "BOOT001", path=(index, "name"))
            continue
        text = _text(entry, index, context)
        if isinstance(text, Fault):
            yield text
            continue
        unit = first_boot.unit_name(name)
        yield WriteFile(join(first_boot.DIRECTORY, name), Blob.text(text), 0o700)
        made = first_boot.format_unit(
            name,
            network=entry.get("network", False),
            after=before,
            packages=bool(context.overlay.get("packages")),
        )
        yield WriteFile(join(ETC, unit), Blob.text(made))
        yield SetUnitState(unit, UnitState.ENABLED)
        before = unit


def _text(entry: Mapping[str, Any], index: int, context: Context) -> str | Fault:
    """Return the script of an entry, or what is wrong with it."""
    given = [form for form in ("script", "source") if form in entry]
    if len(given) != 1:
        found = " and ".join(given) or "neither"
        return Fault(f"found {found}; wanted script or source", "BOOT002", path=(index,))
    path = (index, given[0])
    text: str | Fault = entry[given[0]]
    if given[0] == "source":
        text = read_text(entry["source"], context, code="BOOT003", path=path)
    if isinstance(text, str) and not text.startswith("#!"):
        hint = "begin with #!/bin/sh"
        return Fault("the script's first line names no interpreter", "BOOT004", hint, path)
    if isinstance(text, str) and "\r\n" in text:
        hint = "save it with Unix line ends"
        return Fault("the script has Windows line ends: no kernel runs it", "BOOT005", hint, path)
    return text


FEATURE = Feature(
    "first_boot",
    "Scripts run once",
    SCHEMA,
    changes,
    '[{name: hello, script: "#!/bin/sh\\necho hello\\n", network: true}]',
)
