"""Files, folders and links, given inline or as files of this machine."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from builder.errors import Diagnostic
from builder.features import Context, Feature, Requested
from builder.features.companions import with_companions
from builder.features.entries import entry_changes
from builder.features.references import text_or_reference
from builder.features.sources import at

_ID = {"type": ["string", "integer"]}
SCHEMA = {
    "type": "array",
    "description": "What lies where in the image; each entry has a path and one of content, "
    "source, symlink, directory, lines and absent.",
    "items": {
        "type": "object",
        "additionalProperties": False,
        "required": ["path"],
        "properties": {
            "path": {"type": "string", "description": "Absolute path inside the image."},
            "content": text_or_reference("The file's text."),
            "source": {"type": "string", "description": "A file or folder of this machine."},
            "symlink": {"type": "string", "minLength": 1, "description": "What a link says."},
            "directory": {"const": True, "description": "Make a folder."},
            "lines": {
                "type": "array",
                "minItems": 1,
                "items": {"type": "string"},
                "description": "Lines that the file shall have. Each is added at the end when it "
                "is not there, the rest stays; plans show them. Where the order matters, or the "
                "text is secret, give the whole file.",
            },
            "absent": {"const": True, "description": "Remove it, and all below it."},
            "mode": {
                "type": ["string", "integer"],
                "description": 'Octal digits in quotes, such as "0755"; else the path decides.',
            },
            "owner": {**_ID, "description": "User, by name or id; root by default."},
            "group": {**_ID, "description": "Group, by name or id; root's by default."},
        },
    },
}


def changes(value: Sequence[Mapping[str, Any]], context: Context) -> Iterator[Requested]:
    """Yield the changes of each entry."""
    for index, entry in enumerate(value):
        for wish in with_companions(entry_changes(entry, context), context):
            yield at(wish, index) if isinstance(wish, Diagnostic) else wish


FEATURE = Feature(
    "files",
    "Files, folders and links",
    SCHEMA,
    changes,
    '[{path: /etc/motd, content: "Welcome\\n"}, {path: /srv/data, directory: true, mode: "0750"}, '
    '{path: /etc/environment, lines: ["EDITOR=vim"]}]',
)
