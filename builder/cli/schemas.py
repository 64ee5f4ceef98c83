"""The JSON that the program prints: which documents there are, and what the lines of events are."""

from collections.abc import Iterator, Mapping
from typing import Any

SCHEMAS: Mapping[str, str] = {
    "errors": "any command that fails: `exit_code`, `problems`",
    "boot": "`boot --test`: `artifact`, `passed`, `results`",
    "build": "`build`: `artifacts`; one that failed has `exit_code` and `problems`",
    "apply": "`apply`: `operations`, as sentences",
    "burn": "`burn`: a line each, `event` is phase, progress or result; with `--to-file`, one "
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
    "inspect": "`inspect`: what the artifact is",
    "init": "`init`: `spec`",
    "lock": "`lock`: `rows`: images and bases that were recorded",
    "ls": "`ls`: `files`",
    "nightly": "`nightly`, and its summary.json and status.json",
    "plans": "`plan`: `plans`, one for each target; each has the document of its `plan`",
    "targets": "`targets`: `targets`",
    "verify": "`verify`: `artifact`, `kind`, `steps`",
}
"""What each document is of, by the part of its schema's name between the slashes."""

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
            "description": "What `photon-builder explain` takes.",
        },
        "severity": {"enum": ["error", "warning"]},
        "message": {**_TEXT, "description": "What was found, and what is accepted."},
        "hint": {**_TEXT, "description": "What to type; empty when there is nothing."},
        "file": {"type": ["string", "null"], "description": "Where it is, when it is in a file."},
        "line": {**_COUNT, "description": "From one."},
        "column": {**_COUNT, "description": "From one."},
        "excerpt": {**_TEXT, "description": "The line there, secrets left out."},
        "notes": {"type": "array", "items": _TEXT, "description": "What led to it."},
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
    "spec": {**_TEXT, "description": "Which spec it is about, when it is one."},
    "target": {**_TEXT, "description": "Which target of it."},
}
_BYTES = {"type": "integer", "minimum": 0}
_CODE = {"type": "integer", "minimum": 0, "maximum": 130}
_EVENTS: Mapping[str, tuple[str, Mapping[str, Any], tuple[str, ...]]] = {
    "begin": (
        "The first line.",
        {"command": _TEXT, "version": _TEXT},
        ("command", "version"),
    ),
    "step": ("What begins now.", {**_ABOUT, "text": _TEXT}, ("text",)),
    "progress": (
        (
            "How far a counter of bytes is: when it begins and ends, and in between each second or "
            "each twentieth of the total. What a resumed download had is in `done` and not in the "
            "speed."
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
        (
            "A file that is there now: `built` tells whether it was made in this run. `fetch` has "
            "the base."
        ),
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
    "warning": ("What is wrong and stops nothing.", {**_ABOUT, "problem": PROBLEM}, ("problem",)),
    "error": (
        "What is wrong: a line each.",
        {**_ABOUT, "problem": PROBLEM, "exit_code": _CODE},
        ("problem",),
    ),
    "end": (
        "The last line, also of a run that fails or is interrupted.",
        {"exit_code": _CODE, "seconds": {"type": "number", "minimum": 0}},
        ("exit_code", "seconds"),
    ),
}
"""Event to what it is, its fields, and those that it always has."""


def events_schema() -> dict[str, Any]:
    """Return the JSON Schema of a line that ``--events`` writes."""
    return {
        "$schema": _DRAFT,
        "$id": "urn:photon-builder:events:1",
        "title": "photon-builder/events/v1",
        "description": "A line of what build, fetch and nightly write under --events.",
        "oneOf": [_event(name, *told) for name, told in _EVENTS.items()],
    }


def iter_events() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield each event with what it is and the names of its fields."""
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
                "description": "UTC, as RFC 3339 has it.",
            },
            "event": {"const": name},
            **fields,
        },
    }
