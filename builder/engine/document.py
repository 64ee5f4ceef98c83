"""A plan as a document: JSON that says what to do; contents and secrets lie apart from it.

The same plan gives the same text: keys are sorted, and a secret is a number, for a digest of a
short one could be guessed back.
"""

from __future__ import annotations

import json
from typing import Any, Dict, List, NamedTuple, Optional, Tuple, Union

from .blobs import Blob, Download
from .change import Change
from .errors import PlanError
from .forms import CONTENT, Json, Store
from .kinds import KINDS

SCHEMA = "photon-builder/plan/v2"
"""Changes when an engine would not understand a document of another."""

_TOLD = ("place", "reason")


_LATEST = (1 << 34) - 1
"""Seconds of a timestamp that every filesystem keeps."""


class Entry(NamedTuple):
    """One change of a document, and what asked for it.

    Attributes:
        change: The change.
        origin: Key of the spec.
        place: Position of that key; empty for a default, and where nobody cares.
        reason: Why, when the key alone does not say it.
    """

    change: Change
    origin: str
    place: str = ""
    reason: str = ""


class Document(NamedTuple):
    """What is to be done, in canonical order.

    Attributes:
        entries: The changes, in the order of ``kinds.STAGES``.
        timestamp: Time of the plan, seconds since the epoch; ``None`` is when it is applied.
    """

    entries: Tuple[Entry, ...]
    timestamp: Optional[int] = None


def to_plain(document: Document, store: Store) -> Dict[str, Any]:
    """Return a document as plain data; what it refers to is put into ``store``."""
    steps = [_row(entry, store) for entry in document.entries]
    return {"schema": SCHEMA, "timestamp": document.timestamp, "steps": steps}


def dump(document: Document, store: Store) -> str:
    """Return the text of a document."""
    return json.dumps(to_plain(document, store), indent=1, sort_keys=True) + "\n"


def load(text: Union[str, bytes], store: Store) -> Document:
    """Return the document that a text is.

    Raises:
        PlanError: it is none, or one that this engine does not understand.
    """
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PlanError(f"the plan is not valid JSON: {error}") from None
    if not isinstance(plain, dict) or plain.get("schema") != SCHEMA:
        found = plain.get("schema") if isinstance(plain, dict) else plain
        raise PlanError(f"the plan has the schema {found!r}; wanted {SCHEMA}")
    time, steps = plain.get("timestamp"), plain.get("steps")
    is_time = time is None or (type(time) is int and 0 <= time <= _LATEST)
    if not is_time or not isinstance(steps, list):
        raise PlanError("the plan lacks a valid timestamp, or its steps")
    return Document(tuple(_numbered(number, row, store) for number, row in enumerate(steps)), time)


def schema() -> Dict[str, Any]:
    """Return the JSON Schema of a document, made of what each kind says of its fields."""
    steps = {"type": "array", "items": {"oneOf": [_kind_schema(name) for name in KINDS]}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA,
        "title": "What photon-builder does to a root filesystem",
        "description": "Bytes that are not UTF-8 are written as lone surrogates, U+DC80 to U+DCFF.",
        "type": "object",
        "properties": {
            "schema": {"const": SCHEMA},
            "timestamp": {"type": ["integer", "null"]},
            "steps": steps,
        },
        "required": ["schema", "timestamp", "steps"],
        "additionalProperties": False,
    }


def _kind_schema(name: str) -> Dict[str, Any]:
    forms = KINDS[name].FORMS
    text = {"type": "string"}
    return {
        "type": "object",
        "properties": {
            "do": {"const": name},
            "from": text,
            **dict.fromkeys(_TOLD, text),
            **{field: dict(form.schema) for field, form in forms.items()},
        },
        "required": ["do", "from", *forms],
        "additionalProperties": False,
    }


def _row(entry: Entry, store: Store) -> Dict[str, Any]:
    """Return an entry as plain data."""
    change = entry.change
    hidden = change.secrets
    row: Dict[str, Any] = {"do": type(change).__name__, "from": entry.origin}
    row.update({told: getattr(entry, told) for told in _TOLD if getattr(entry, told)})
    for name, form in change.FORMS.items():
        value = getattr(change, name)
        is_hidden = form is CONTENT and name in hidden
        row[name] = store.hide(value) if is_hidden else form.encode(value, store)
    return row


def _numbered(number: int, row: Json, store: Store) -> Entry:
    """Return an entry; an error says which one."""
    try:
        return _entry(row, store)
    except PlanError as error:
        raise PlanError(f"step {number + 1}: {error}") from None


def _entry(row: Json, store: Store) -> Entry:
    """Return the entry that an object of a document is."""
    word = row.get("do") if isinstance(row, dict) else row
    kind = KINDS.get(word) if isinstance(word, str) else None
    if kind is None:
        raise PlanError(f"found {word!r}; wanted one of {', '.join(KINDS)}")
    wanted = ["do", "from", *kind.FORMS]
    wrong: List[str] = sorted({*wanted} - {*row}) + sorted({*row} - {*wanted, *_TOLD})
    if wrong:
        raise PlanError(f"{kind.__name__} lacks or does not have: {', '.join(wrong)}")
    told = [row.get(name, "") for name in ("from", *_TOLD)]
    if not all(isinstance(text, str) for text in told):
        raise PlanError(f"{kind.__name__}: what asked for it is not a text")
    values = {name: form.decode(row[name], store) for name, form in kind.FORMS.items()}
    return Entry(kind(**values), *told)


class Unstored(Store):
    """A store for those who only look: contents are not kept, and secrets are counted."""

    def __init__(self) -> None:
        self._hidden = 0

    def put(self, blob: Blob) -> Json:
        """Return what stands for content: its digest."""
        return word_of(blob)

    def hide(self, blob: Blob) -> Json:
        """Return what stands for a secret: its number."""
        del blob
        self._hidden += 1
        return {"secret": self._hidden - 1}

    def get(self, word: Json) -> Blob:
        """Refuse."""
        raise PlanError(f"the contents of the plan are not here: {word!r}")

    def reveal(self, word: Json) -> Blob:
        """Refuse."""
        return self.get(word)


def word_of(blob: Blob) -> Json:
    """Return what stands for content in a document."""
    if isinstance(blob.source, Download):
        name, url = blob.source.filename, blob.source.url
        return {"sha256": blob.sha256, "size": blob.size, "name": name, "url": url}
    return {"sha256": blob.sha256, "size": blob.size}
