"""What a rule is: a code with its explanation and, when a spec alone can break it, a check."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from builder.documents import Document
from builder.errors import Diagnostic, KeyPath, Severity
from builder.facts import Facts
from builder.spec import CatalogBase, Overlay, SampleBase, Spec
from builder.structs import Struct, field

CLOUDS = ("ami", "gce", "azure")
"""Targets whose network and first login are the fabric's affair."""

_WITHOUT_LOGIN = ("photon-docker-image", "k8s-docker-images", "src-iso", *CLOUDS)


class Subject(Struct, frozen=True):
    """A valid spec, as rules look at it.

    Attributes:
        spec: The spec.
        bases: What is known of the base of each of its targets, by the target's name; a target
            whose base is not known is not among them.
        known: What one rule found out and others want as well, by a name for it.
    """

    spec: Spec
    bases: Mapping[str, Facts] = field(default_factory=dict)
    known: dict[str, Any] = field(default_factory=dict)

    @property
    def is_sample(self) -> bool:
        """Return whether the base is the sample, which never boots."""
        return isinstance(self.spec.base, SampleBase)

    @property
    def is_published(self) -> bool:
        """Return whether the base is one of those that Photon published."""
        return isinstance(self.spec.base, CatalogBase)

    @property
    def cloud_targets(self) -> list[str]:
        """The targets of the spec that run in a public cloud, those of groups among them."""
        return [name for name in self.spec.choice.names if name in CLOUDS]

    @property
    def has_console(self) -> bool:
        """Return whether somebody has to log in with what the image itself brings."""
        return any(name not in _WITHOUT_LOGIN for name in self.spec.choice.names)

    @property
    def passwords_of_root(self) -> set[bool | None]:
        """Whether root has a password on each base with a console; ``None``: it is not known."""
        return {
            facts.has_root_password
            for name, facts in self.bases.items()
            if name not in _WITHOUT_LOGIN
        } or {None}

    def sections(self, key: str) -> Iterator[tuple[Overlay, Any]]:
        """Yield each overlay that has ``key``, with its value."""
        for overlay in self.spec.overlays:
            if overlay.values.get(key) is not None:
                yield overlay, overlay.values[key]

    def listed(self, key: str, *below: str) -> Iterator[tuple[Overlay, KeyPath, Any]]:
        """Yield overlay, path and value of each entry of a list, from every overlay."""
        for overlay, section in self.sections(key):
            value = section
            for step in below:
                value = value.get(step, ()) if isinstance(value, dict) else ()
            for index, entry in enumerate(value):
                yield overlay, (key, *below, index), entry

    def packages(self) -> set[str]:
        """Return the packages that any overlay asks for."""
        return {str(name) for _, _, name in self.listed("packages")}


class Rule(Struct, frozen=True):
    """A diagnostic.

    Attributes:
        code: Its name, such as ``NET003``.
        severity: Whether it stops a build.
        summary: One line.
        explanation: Why it matters, and what to do.
        check: Finds where a spec breaks it; ``None`` when others raise it.
    """

    code: str
    severity: Severity
    summary: str
    explanation: str
    check: Callable[[Subject], Iterable[Diagnostic]] | None = None


def finding(
    message: str, document: Document, path: KeyPath, hint: str = "", *, at_key: bool = False
) -> Diagnostic:
    """Return a breach at a path from the top of a file; its rule adds code and severity."""
    return document.locate(Diagnostic(message, "", hint, path, at_key=at_key))


def find(overlay: Overlay, path: KeyPath, message: str, hint: str = "") -> Diagnostic:
    """Return a breach at a path below an overlay's values."""
    return finding(message, overlay.document, (*overlay.prefix, *path), hint)


def error(
    code: str,
    summary: str,
    explanation: str,
    check: Callable[[Subject], Iterable[Diagnostic]] | None = None,
) -> Rule:
    """Return a rule that stops a build."""
    return Rule(code, Severity.ERROR, summary, explanation, check)


def warning(
    code: str,
    summary: str,
    explanation: str,
    check: Callable[[Subject], Iterable[Diagnostic]] | None = None,
) -> Rule:
    """Return a rule whose breach is said and does not stop a build."""
    return Rule(code, Severity.WARNING, summary, explanation, check)
