"""Advisory locks that end with the process that holds them, flock(2)."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from builder.host import host_errors


@contextmanager
def hold(path: Path, waiting: Callable[[], object]) -> Iterator[None]:
    """Hold the lock ``path``; calls ``waiting`` once before it waits for another holder."""
    descriptor = _locked(path, waiting)
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def hold_if_free(path: Path) -> Iterator[bool]:
    """Hold the lock ``path`` and yield ``True``, or yield ``False`` when another holds it."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError:
        yield False
        return
    try:
        yield _is_taken(descriptor)
    finally:
        os.close(descriptor)


def _locked(path: Path, waiting: Callable[[], object]) -> int:
    """Return a descriptor that holds the lock.

    Whoever held it may have removed the file meanwhile; a lock on a removed file protects
    nothing, so it is taken again on the new one.

    Raises:
        HostError: the filesystem cannot lock files.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            with host_errors(path):
                if not _is_taken(descriptor):
                    waiting()
                    fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_named(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_taken(descriptor: int) -> bool:
    """Try to take the lock; ``False`` when another holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_named(descriptor: int, path: Path) -> bool:
    """Return whether the open file is still the one that ``path`` names."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
