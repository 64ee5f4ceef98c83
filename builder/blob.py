"""File content known by its digest, which is the engine's."""

from builder.engine.blobs import Blob, Download

__all__ = ["Blob", "Download"]
