"""Where cloud-init looks for what a deployment says of the machine."""

from collections.abc import Iterator, Mapping, Sequence

from builder.blob import Blob
from builder.changes import WriteFile
from builder.errors import Diagnostic, Severity
from builder.features import Context, Feature, Requested, form
from builder.guestpath import guest

SCHEMA = {
    "type": "object",
    "description": "Settings of cloud-init; what is not named stays that of the base.",
    "additionalProperties": False,
    "properties": {
        "datasources": {
            "type": "array",
            "minItems": 1,
            "uniqueItems": True,
            "description": "Data sources in the order in which they are asked; `OVF` reads the "
            "properties of an appliance. `None` at the end lets it go on without any.",
            "items": {
                "type": "string",
                **form("^[A-Za-z0-9]+$", "the name of a data source such as NoCloud"),
            },
        },
    },
}
CLOUD = guest("/etc/cloud/cloud.cfg.d/99-photon-builder-datasources.cfg")


def changes(value: Mapping[str, Sequence[str]], context: Context) -> Iterator[Requested]:
    """Yield the list, on one line: ds-identify, a shell script, reads no other."""
    brought = "cloud-init" in context.overlay.get("packages", ())
    if context.facts.cloud_init is None and not brought:
        message = "the base has no cloud-init, which the settings are for"
        yield Diagnostic(message, "CLD001", "drop `cloud_init`", severity=Severity.WARNING)
    if "datasources" in value:
        text = f"datasource_list: [{', '.join(value['datasources'])}]\n"
        yield WriteFile(CLOUD, Blob.text(text))


FEATURE = Feature(
    "cloud_init",
    "Where cloud-init looks",
    SCHEMA,
    changes,
    "{datasources: [NoCloud, OVF, ConfigDrive, OpenStack, VMware, None]}",
)
