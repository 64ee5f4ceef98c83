"""The JSON Schema of a spec, made from the features and targets, and the check against it.

Source: JSON Schema 2020-12. The schema serves editors too. What it cannot say well is said by
``builder.spec``: keywords beside an ``x-own-check`` are for editors only, and ``x-form`` is what a
``pattern`` means, in words. This package is the only door to jsonschema, and imports it late,
because it takes a fifth of the time of a run.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from builder.documents import Document, parse_document
from builder.errors import Diagnostic, in_order
from builder.facts import releases
from builder.features import Feature, discover, features_of
from builder.schema.patterns import compile_pattern
from builder.schema.quick import fits
from builder.schema.words import FILE_NAME
from builder.structs import replace

if TYPE_CHECKING:
    from jsonschema import ValidationError

ID = "urn:photon-builder:spec:1"
DIGESTS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
"""Algorithm to length in hex digits."""

OWN_CHECK = "x-own-check"
_NAME = {
    "type": "string",
    "pattern": FILE_NAME,
    "x-form": "letters, digits, `.`, `_` and `-`, beginning with a letter or digit",
}
_WORD = {"type": "string", "minLength": 1}
_ARCH = {
    "enum": ["x86_64", "aarch64"],
    "x-aliases": {"amd64": "x86_64", "x64": "x86_64", "arm64": "aarch64"},
}
_OVERLAYS = {
    "type": ["array", "null"],
    "items": _NAME,
    "uniqueItems": True,
    "description": "Folders of overlays/, each with an overlay.yaml, in any order.",
}
_ALLOW = {
    "type": "array",
    "items": {"type": "string", "pattern": "^[A-Z]+[0-9]{3}$", "x-form": "a code such as NET005"},
    "uniqueItems": True,
    "description": "Codes of warnings that are meant: they are neither shown nor counted.",
}
_SHAPES = {"SCH001", "SCH003"}
"""Another kind of value, a key that is missing: what an example answers best."""
_LONGEST_EXAMPLE = 180
_DRAFT = "https://json-schema.org/draft/2020-12/schema"


class Entry(Protocol):
    """What a target or a group of targets tells about itself."""

    @property
    def name(self) -> str:
        """What the user types."""

    @property
    def summary(self) -> str:
        """One line."""


def options_of(entry: Entry) -> Mapping[str, Any]:
    """Return the schema of each key that a target takes from ``output``; a group takes none."""
    options: Mapping[str, Any] = getattr(entry, "options", {})
    return options


def sections_of(entry: Entry) -> Mapping[str, Any]:
    """Return the schema of each section that a target takes from the top of a spec."""
    sections: Mapping[str, Any] = getattr(entry, "sections", {})
    return sections


def members_of(entry: Entry) -> tuple[str, ...]:
    """Return the names of a group's targets, or of the target itself."""
    members: tuple[str, ...] = getattr(entry, "members", (entry.name,))
    return members


def left_out(entry: Entry) -> Mapping[str, str]:
    """Return what a group never builds though Photon's of that name does, with the reason."""
    reasons: Mapping[str, str] = getattr(entry, "left_out", {})
    return reasons


def spec_schema(
    features: Iterable[Feature], targets: Mapping[str, Entry], *, examples: bool = True
) -> dict[str, Any]:
    """Return the JSON Schema of a whole spec.

    Args:
        features: What an overlay may hold.
        targets: What can be built, by name.
        examples: Whether the features' examples are included; editors show them.
    """
    return {
        "$schema": _DRAFT,
        "$id": ID,
        "title": "photon-builder spec",
        "description": "One YAML file describes one or more customised Photon OS artifacts.",
        "type": "object",
        "required": ["version", "base"],
        "additionalProperties": False,
        "properties": {
            "version": {"const": 1, "description": "Version of this format."},
            "name": {**_NAME, "description": "Names the artifacts; the file's stem by default."},
            **_targets_schema(sorted(targets)),
            "base": _base_schema(),
            "allow": _ALLOW,
            "overlays": _OVERLAYS,
            "overlay": overlay_schema(features, examples=examples),
            "output": _output_schema(targets),
            **_sections_schema(targets),
        },
    }


def schema_for(value: object, targets: Mapping[str, Entry]) -> dict[str, Any]:
    """Return the schema that a spec is judged by: of features, it has what the spec needs.

    When a key at the top has no meaning there, it has all, as one of them may be meant.
    """
    spec = value if isinstance(value, dict) else {}
    overlay = spec.get("overlay")
    every = () if overlay is None else ("",)  # no feature has that name
    features = features_of(overlay if isinstance(overlay, dict) else every)
    schema = spec_schema(features, targets, examples=False)
    if spec.keys() <= schema["properties"].keys():
        return schema
    return spec_schema(discover(), targets, examples=False)


def overlay_schema(features: Iterable[Feature], *, examples: bool = True) -> dict[str, Any]:
    """Return the JSON Schema of an overlay: inline, or the whole of an overlay.yaml."""
    return {
        "type": ["object", "null"],
        "additionalProperties": False,
        "description": "What is changed in the base.",
        "properties": {feature.key: _feature_schema(feature, examples) for feature in features},
    }


def _feature_schema(feature: Feature, examples: bool) -> dict[str, Any]:
    """Return a feature's schema with what editors show beside it."""
    schema: dict[str, Any] = {"title": feature.summary, **feature.schema}
    if examples:
        schema["examples"] = [parse_document(feature.example, Path(feature.key)).value]
    else:
        schema["x-example"] = f"{feature.key}: {feature.example}"
    return schema


def _targets_schema(names: list[str]) -> dict[str, Any]:
    """Return the schemas of ``target`` and ``targets``."""
    name = {"type": "string", "enum": names, OWN_CHECK: ["enum"]}
    many = {
        "type": "array",
        "items": name,
        "minItems": 1,
        "uniqueItems": True,
        "description": "What to build: names of Photon's targetList.",
    }
    return {"target": {**name, "description": "The one thing to build."}, "targets": many}


def _digest_schemas() -> dict[str, Any]:
    """Return the schema of each digest of a base."""
    return {
        name: {
            "type": "string",
            "pattern": f"^[0-9A-Fa-f]{{{digits}}}$",
            OWN_CHECK: ["pattern"],
            "description": f"Its {name} as published, {digits} hex digits.",
        }
        for name, digits in DIGESTS.items()
    }


def _base_schema() -> dict[str, Any]:
    """Return the schema of ``base``: one of four forms."""
    selector = {
        "release": {
            "type": ["string", "number"],
            "x-means": r"^\d+(\.\d+)?$",
            "description": 'Photon release, such as "5.0"; of those published.',
        },
        "revision": {"type": "string", "description": "Revision; the newest by default."},
        "arch": {**_ARCH, "description": "The target's usual by default."},
    }
    files = {
        "url": {
            "type": "string",
            "minLength": 1,
            "x-means": "^https?://",
            "description": "Address; needs a digest.",
        },
        "file": {
            "type": "string",
            "minLength": 1,
            "x-means": r"[./]",
            "description": "A file of this machine.",
        },
        "sample": {
            "enum": [True, *releases(), *map(float, releases())],
            "description": "A small base that is made here, in the shape of a release (`true`: the "
            "newest); boots nothing.",
        },
    }
    return {
        "type": "object",
        "description": "The published artifact to start from: release, url, file or sample.",
        "additionalProperties": False,
        "properties": {**selector, **files, **_digest_schemas()},
        "oneOf": [{"required": [form]} for form in ("release", *files)],
        OWN_CHECK: ["oneOf"],
    }


def _output_schema(targets: Mapping[str, Entry]) -> dict[str, Any]:
    """Return the schema of ``output``: each key that some target takes."""
    found: dict[str, list[Any]] = {}
    for _, entry in sorted(targets.items()):
        for key, schema in options_of(entry).items():
            known = found.setdefault(key, [])
            known.extend([] if schema in known else [schema])
    options = {
        key: one[0] if len(one) == 1 else {"anyOf": one} for key, one in sorted(found.items())
    }
    return {
        "type": ["object", "null"],
        "additionalProperties": False,
        "description": "What the target leaves to choose.",
        "properties": options,
    }


def _sections_schema(targets: Mapping[str, Entry]) -> dict[str, Any]:
    """Return the schemas of the sections that some target takes."""
    entries = (entry for _, entry in sorted(targets.items()))
    return {key: schema for entry in entries for key, schema in sections_of(entry).items()}


def check_schema(document: Document, schema: Mapping[str, Any]) -> tuple[Diagnostic, ...]:
    """Return everything in a document that does not fit a schema, in the order of the lines."""
    return in_order(map(document.locate, find_misfits(document.value, schema)))


def find_misfits(value: object, schema: Mapping[str, Any]) -> list[Diagnostic]:
    """Return everything in a value that does not fit a schema, each with its path."""
    if fits(value, schema):
        return []
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    from builder.schema.sentences import iter_misfits

    validator: type[Draft202012Validator] = extend(
        Draft202012Validator, {"pattern": _iter_mismatches}
    )  # type: ignore[no-untyped-call]
    errors = validator(schema).iter_errors(value)
    return [_with_example(each, schema) for each in iter_misfits(errors)]


def _iter_mismatches(
    _: object, pattern: str, instance: object, __: Mapping[str, Any]
) -> Iterator["ValidationError"]:
    """Yield an error for text that a pattern does not match."""
    from jsonschema import ValidationError

    if isinstance(instance, str) and not compile_pattern(pattern).search(instance):
        yield ValidationError("does not match")


def _with_example(found: Diagnostic, schema: Mapping[str, Any]) -> Diagnostic:
    """Return a diagnostic of the shape of a feature with the feature's example."""
    depth, example = 0, schema.get("x-example", "")
    while depth < len(found.path) and not example:
        schema = schema.get("properties", {}).get(found.path[depth], {})
        depth, example = depth + 1, schema.get("x-example", "")
    is_far = len(found.path) > depth + 1 or found.code not in _SHAPES
    if not example or len(example) > _LONGEST_EXAMPLE or is_far:
        return found
    hint = f"{found.hint}; for example" if found.hint else "for example"
    return replace(found, hint=f"{hint}: {example}")
