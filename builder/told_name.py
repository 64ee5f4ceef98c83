"""Messages name a file of the cache by what it was fetched as, not by its digest."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from builder.errors import BuilderError
from builder.progress import Advance, Progress


class Renaming:
    """Shows the progress of a task that knows a file by its path in the cache."""

    def __init__(self, shown: Progress, path: Path, name: str) -> None:
        self._shown, self._path, self._name = shown, path, name

    def phase(self, text: str) -> None:
        """Say what begins now."""
        self._shown.phase(_renamed(text, self._path, self._name))

    def count(
        self, text: str, total: int | None, *, done: int = 0
    ) -> AbstractContextManager[Advance]:
        """Show a counter."""
        return self._shown.count(_renamed(text, self._path, self._name), total, done=done)


@contextmanager
def naming(path: Path, name: str) -> Iterator[None]:
    """Have the errors that are raised inside name a file as people know it.

    Args:
        path: The file; only its place in the cache is replaced.
        name: What it was fetched as.
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
    """Return a text with a file's name in the place of its path."""
    return text.replace(str(path), name).replace(path.name, name)
