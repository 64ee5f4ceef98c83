"""The root of every error that is shown to a user, and those of a tree that a plan does not fit."""

from __future__ import annotations


class BuilderError(Exception):
    """Base of every error that is shown to a user without a traceback."""

    exit_code = 1
    usual_code = "BUG001"

    def __init__(self, message: str, *, hint: str = "", code: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        self.code = code or self.usual_code


class GuestError(BuilderError):
    """The base lacks something that the spec needs, or holds something in its way."""

    exit_code = 8
    usual_code = "GST001"


class GuestPathError(GuestError, ValueError):
    """A text that is not a path inside the image."""


class PlanError(BuilderError):
    """A plan document that this engine cannot read, or contents that are not its own."""

    exit_code = 7
    usual_code = "FMT002"
