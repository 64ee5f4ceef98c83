"""Names and schemas of the JSON documents and events that the program prints."""

from collections.abc import Iterator, Mapping
from typing import Any

SCHEMAS: Mapping[str, str] = {
    "errors": "any command that fails: `exit_code`, `problems`",
    "boot": "`boot --test`: `artifact`, `passed`, `results`",
    "build": "`build`: `artifacts`; one that failed has `exit_code` and `problems`",
    "apply": "`apply`: `operations`, as text",
    "burn": "`burn`: JSON lines, `event` is phase, progress or result; with `--to-file`, one "
    "document",
    "cache-add": "`cache add`: `sha256`, `size`, `path`, `is`",
    "cache-gc": "`cache gc`: `removed`, `freed`",
    "cache-ls": "`cache ls`: `directory`, `files`",
    "cache-verify": "`cache verify`: `files`, each with what was `found`",
    "catalog": "`catalog`: `files`",
    "check": "`check`: `exit_code`, `problems`",
    "devices": "`devices`: `devices`",
    "diff": "`diff`: `differences`",
    "doctor": "`doctor`: `rows`",
    "explain": "`explain`: `code`, `severity`, `summary`, `explanation`",
    "facts": "`facts`: `bases`",
    "fetch": "`fetch`: `files`",
    "fetch-list": "`fetch --list`: `files`, each with `urls` and `digests`",
    "inspect": "`inspect`: properties of the artifact",
    "init": "`init`: `spec`",
    "lock": "`lock`: `rows`: images and bases that were recorded",
    "ls": "`ls`: `files`",
    "nightly": "`nightly`, and its summary.json and status.json",
    "plans": "`plan`: `plans`, one for each target; each has the document of its `plan`",
    "targets": "`targets`: `targets`",
    "verify": "`verify`: `artifact`, `kind`, `steps`",
}
"""Name of a schema, without its prefix and version, to the commands that print it."""

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_TEXT = {"type": "string"}
_COUNT = {"type": ["integer", "null"], "minimum": 1}
PROBLEM: Mapping[str, Any] = {
    "type": "object",
    "required": [
        *("code", "severity", "message", "hint"),
        *("file", "line", "column", "excerpt", "notes"),
    ],
    "additionalProperties": False,
    "properties": {
        "code": {
            "type": "string",
            "pattern": "^[A-Z]{3,5}[0-9]{3}$",
            "description": "Code, for `photon-builder explain`.",
        },
        "severity": {"enum": ["error", "warning"]},
        "message": {**_TEXT, "description": "What is wrong, and what is accepted."},
        "hint": {**_TEXT, "description": "What to do; may be empty."},
        "file": {"type": ["string", "null"], "description": "File, when the problem is in one."},
        "line": {**_COUNT, "description": "From one."},
        "column": {**_COUNT, "description": "From one."},
        "excerpt": {**_TEXT, "description": "The line of the file, secrets masked."},
        "notes": {"type": "array", "items": _TEXT, "description": "Cause."},
    },
}
"""The JSON Schema of a problem."""


def errors_schema() -> dict[str, Any]:
    """Return the JSON Schema of the document of a command that fails."""
    return {
        "$schema": _DRAFT,
        "$id": "urn:photon-builder:errors:1",
        "title": "photon-builder/errors/v1",
        "description": "Printed to standard output by a command that fails under --json.",
        "type": "object",
        "required": ["schema", "exit_code", "problems"],
        "additionalProperties": False,
        "properties": {
            "schema": {"const": "photon-builder/errors/v1"},
            "exit_code": {"type": "integer", "minimum": 1, "maximum": 130},
            "problems": {"type": "array", "minItems": 1, "items": PROBLEM},
        },
    }


_ABOUT: Mapping[str, Any] = {
    "spec": {**_TEXT, "description": "Spec, when the problem is about one."},
    "target": {**_TEXT, "description": "Target of the spec."},
}
_BYTES = {"type": "integer", "minimum": 0}
_CODE = {"type": "integer", "minimum": 0, "maximum": 130}
_EVENTS: Mapping[str, tuple[str, Mapping[str, Any], tuple[str, ...]]] = {
    "begin": (
        "The first line.",
        {"command": _TEXT, "version": _TEXT},
        ("command", "version"),
    ),
    "step": ("A phase begins.", {**_ABOUT, "text": _TEXT}, ("text",)),
    "progress": (
        (
            "State of a counter of bytes: at its begin and end, and in between each second or each "
            "twentieth of the total. Bytes of an earlier, resumed download count in `done`, but "
            "not in the speed."
        ),
        {
            **_ABOUT,
            "text": _TEXT,
            "done": _BYTES,
            "total": {"type": ["integer", "null"], "minimum": 0},
            "bytes_per_second": _BYTES,
        },
        ("text", "done", "total", "bytes_per_second"),
    ),
    "artifact": (
        ("A finished file; `built` is false when it was up to date. `fetch` reports the base."),
        {
            **_ABOUT,
            "artifact": _TEXT,
            "sha256": _TEXT,
            "size": _BYTES,
            "built": {"type": "boolean"},
            "seconds": {"type": "number", "minimum": 0},
        },
        ("spec", "target", "artifact", "size", "built"),
    ),
    "warning": (
        "A problem that does not stop the command.",
        {**_ABOUT, "problem": PROBLEM},
        ("problem",),
    ),
    "error": (
        "An error; one event for each.",
        {**_ABOUT, "problem": PROBLEM, "exit_code": _CODE},
        ("problem",),
    ),
    "end": (
        "The last line, also of a run that fails or is interrupted.",
        {"exit_code": _CODE, "seconds": {"type": "number", "minimum": 0}},
        ("exit_code", "seconds"),
    ),
}
"""Event to its description, fields and required fields."""


def events_schema() -> dict[str, Any]:
    """Return the JSON Schema of a line that ``--events`` writes."""
    return {
        "$schema": _DRAFT,
        "$id": "urn:photon-builder:events:1",
        "title": "photon-builder/events/v1",
        "description": "A line that build, fetch and nightly write with --events.",
        "oneOf": [_event(name, *told) for name, told in _EVENTS.items()],
    }


def iter_events() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield each event with its description and the names of its fields."""
    for name, (text, fields, _) in _EVENTS.items():
        yield name, text, tuple(fields)


def _event(
    name: str, text: str, fields: Mapping[str, Any], wanted: tuple[str, ...]
) -> dict[str, Any]:
    """Return the JSON Schema of one event."""
    return {
        "type": "object",
        "description": text,
        "required": ["schema", "time", "event", *wanted],
        "additionalProperties": False,
        "properties": {
            "schema": {"const": "photon-builder/events/v1"},
            "time": {
                "type": "string",
                "pattern": "^[0-9-]{10}T[0-9:]{8}\\.[0-9]{3}Z$",
                "description": "UTC, RFC 3339.",
            },
            "event": {"const": name},
            **fields,
        },
    }
