"""How the values of a change are written in a plan document, and what a document may hold."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Callable, Generic, Mapping, Optional, Tuple, TypeVar, Union

from .blobs import Blob
from .errors import PlanError
from .nodes import Owner
from .paths import GuestPath, guest

T = TypeVar("T")
Json = Any


class Store(ABC):
    """Where contents lie beside a document."""

    @abstractmethod
    def put(self, blob: Blob) -> Json:
        """Keep content; returns what stands for it."""

    @abstractmethod
    def get(self, word: Json) -> Blob:
        """Return the content that a word stands for."""

    @abstractmethod
    def hide(self, blob: Blob) -> Json:
        """Keep a secret; what stands for it tells nothing of it."""

    @abstractmethod
    def reveal(self, word: Json) -> Blob:
        """Return the secret that a word stands for."""


class Form(Generic[T]):
    """How one field is written, read, and described to others (JSON Schema)."""

    def __init__(
        self,
        encode: Callable[[T, Store], Json],
        decode: Callable[[Json, Store], T],
        schema: Mapping[str, Any],
    ) -> None:
        self.encode = encode
        self.decode = decode
        self.schema = schema


Forms = Mapping[str, Form[Any]]
"""How each field of a kind is written, in the order of the fields."""


def unfit(value: Json, wanted: str) -> PlanError:
    """Return the error of a value that is not what its field holds."""
    return PlanError(f"the plan has {value!r} where {wanted} is wanted")


def optional(form: Form[T]) -> Form[Optional[T]]:
    """Return the form of a value that may be ``null``."""
    return Form(
        lambda value, store: None if value is None else form.encode(value, store),
        lambda value, store: None if value is None else form.decode(value, store),
        {"anyOf": [{"type": "null"}, dict(form.schema)]},
    )


def _plain(kind: type, word: str) -> Form[Any]:
    """Return the form of a value that JSON has a word for."""

    def decode(value: Json, store: Store) -> Any:
        del store
        if type(value) is not kind:  # True is an int to isinstance
            raise unfit(value, f"a value of type {word}")
        return value

    return Form(lambda value, _: value, decode, {"type": word})


def _path(value: Json) -> GuestPath:
    """Return a path; refuse what is none, or would lead out."""
    try:
        return guest(value)
    except (ValueError, AttributeError, TypeError):
        raise unfit(value, "an absolute path without `..`") from None


def _mode(value: Json) -> int:
    """Return a mode from its four octal digits."""
    if not isinstance(value, str) or len(value) != len("0644") or set(value) - set("01234567"):
        raise unfit(value, "a mode of four octal digits")
    return int(value, 8)


def _id(value: Json) -> Union[int, str]:
    if (type(value) is int and value >= 0) or (isinstance(value, str) and value):
        found: Union[int, str] = value
        return found
    raise unfit(value, "an id or a name")


def _owner(value: Json) -> Owner:
    if not isinstance(value, list) or len(value) != len(Owner()):
        raise unfit(value, "a user and a group")
    return Owner(*map(_id, value))


def _words(value: Json) -> Tuple[str, ...]:
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return tuple(value)
    raise unfit(value, "a list of texts")


def _files(value: Json, store: Store) -> Tuple[Tuple[str, Blob], ...]:
    """Return names with contents."""
    if not isinstance(value, list) or not all(
        isinstance(row, dict) and isinstance(row.get("name"), str) for row in value
    ):
        raise unfit(value, "a list of names with contents")
    return tuple((row["name"], store.get(row.get("content"))) for row in value)


def _secret(value: Json, store: Store) -> str:
    return b"".join(store.reveal(value).chunks()).decode("utf-8", "surrogateescape")


_ID: Mapping[str, Any] = {"type": ["integer", "string"]}
_CONTENT: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "size": {"type": "integer"},
        "name": {"type": "string"},
        "url": {"type": "string"},
        "secret": {"type": "integer"},
    },
    "additionalProperties": False,
}
_FILES: Mapping[str, Any] = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "content": _CONTENT},
        "required": ["name", "content"],
        "additionalProperties": False,
    },
}

TEXT: Form[str] = _plain(str, "string")
NUMBER: Form[int] = _plain(int, "integer")
FLAG: Form[bool] = _plain(bool, "boolean")
PATH: Form[GuestPath] = Form(
    lambda v, _: v, lambda v, _: _path(v), {"type": "string", "pattern": "^/"}
)
MODE: Form[int] = Form(
    lambda v, _: f"{v:04o}", lambda v, _: _mode(v), {"type": "string", "pattern": "^[0-7]{4}$"}
)
ID: Form[Union[int, str]] = Form(lambda v, _: v, lambda v, _: _id(v), _ID)
OWNER: Form[Owner] = Form(
    lambda v, _: list(v),
    lambda v, _: _owner(v),
    {"type": "array", "items": _ID, "minItems": 2, "maxItems": 2},
)
WORDS: Form[Tuple[str, ...]] = Form(
    lambda v, _: list(v), lambda v, _: _words(v), {"type": "array", "items": {"type": "string"}}
)
CONTENT: Form[Blob] = Form(lambda v, store: store.put(v), lambda v, store: store.get(v), _CONTENT)
SECRET: Form[str] = Form(
    lambda v, store: store.hide(Blob.text(v)),
    _secret,
    {"type": "object", "properties": {"secret": {"type": "integer"}}, "required": ["secret"]},
)
FILES: Form[Tuple[Tuple[str, Blob], ...]] = Form(
    lambda v, store: [{"name": name, "content": store.put(blob)} for name, blob in v],
    _files,
    _FILES,
)
