"""Scripts that run once, on the first boot that lets them succeed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from builder.blob import Blob
from builder.changes import SetUnitState, UnitState, WriteFile
from builder.engine.text.systemd import ETC
from builder.errors import Diagnostic
from builder.features import Context, Feature, Requested, form
from builder.features.references import text_or_reference
from builder.features.scripts import read_script
from builder.features.secret_files import variables_file
from builder.features.sources import at
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
            "env": {
                "type": "object",
                "description": "Variables for the script: texts, or `env: NAME` and `file: path` "
                "for secrets. They lie in a file that only root can read.",
                "propertyNames": form("^[A-Za-z_][A-Za-z0-9_]*$", "letters, digits and `_`"),
                "additionalProperties": text_or_reference("A variable."),
            },
            "network": {"type": "boolean", "description": "Wait until the network is up."},
        },
    },
}


def changes(value: Sequence[Mapping[str, Any]], context: Context) -> Iterator[Requested]:
    """Yield a script and a unit for each entry."""
    before = ""
    for index, entry in enumerate(value):
        name = entry["name"]
        if any(name == other["name"] for other in value[:index]):
            yield Diagnostic(f"two scripts are named {name}", "BOOT001", path=(index, "name"))
            continue
        text = read_script(entry, index, context)
        if isinstance(text, Diagnostic):
            yield text
            continue
        unit, variables = first_boot.unit_name(name), ""
        if entry.get("env"):
            variables = join(first_boot.DIRECTORY, f"{name}.env")
            given = variables_file(entry["env"], variables, context)
            yield at(given, index, "env") if isinstance(given, Diagnostic) else given
        yield WriteFile(join(first_boot.DIRECTORY, name), Blob.text(text), 0o700)
        made = first_boot.format_unit(
            name,
            network=entry.get("network", False),
            after=before,
            packages=bool(context.overlay.get("packages")),
            variables=variables,
        )
        yield WriteFile(join(ETC, unit), Blob.text(made))
        yield SetUnitState(unit, UnitState.ENABLED)
        before = unit


FEATURE = Feature(
    "first_boot",
    "Scripts run once",
    SCHEMA,
    changes,
    '[{name: hello, script: "#!/bin/sh\\necho hello\\n", network: true}]',
)
