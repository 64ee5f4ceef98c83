"""Paths inside the image, which are the engine's."""

from builder.engine.errors import GuestPathError
from builder.engine.paths import GuestPath, guest, join, name, parent

__all__ = ["GuestPath", "GuestPathError", "guest", "join", "name", "parent"]
