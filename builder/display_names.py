"""Messages name a cached file by its published name, not by its path in the cache."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from builder.errors import BuilderError
from builder.progress import Advance, Progress


class RenamedProgress:
    """Progress display that replaces a path in the cache by the file's published name."""

    def __init__(self, shown: Progress, path: Path, name: str) -> None:
        self._shown, self._path, self._name = shown, path, name

    def phase(self, text: str) -> None:
        """Start a phase."""
        self._shown.phase(_renamed(text, self._path, self._name))

    def count(
        self, text: str, total: int | None, *, done: int = 0
    ) -> AbstractContextManager[Advance]:
        """Show a counter."""
        return self._shown.count(_renamed(text, self._path, self._name), total, done=done)


@contextmanager
def display_name(path: Path, name: str) -> Iterator[None]:
    """Replace a path in the cache by the published name in errors that are raised inside.

    Args:
        path: The file; only its place in the cache is replaced.
        name: Its published name.
    """
    try:
        yield
    except BuilderError as error:
        error.args = tuple(
            _renamed(arg, path, name) if isinstance(arg, str) else arg for arg in error.args
        )
        error.hint = _renamed(error.hint, path, name)
        raise


def _renamed(text: str, path: Path, name: str) -> str:
    """Return a text with the path replaced by the name."""
    return text.replace(str(path), name).replace(path.name, name)
