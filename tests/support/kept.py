"""Files that tests share and that take long to make: made once, read-only, by one process."""

import fcntl
import hashlib
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path


def keep(cache: Path, name: str, make: Callable[[Path], Path]) -> Path:
    """Return the file ``name`` below ``cache``, making it when it is not there.

    Args:
        cache: Kept between runs.
        name: Changes when another file would be made, see :func:`key_of`.
        make: Makes it in the folder that it is given, and returns it.
    """
    path = cache / name
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            with tempfile.TemporaryDirectory(dir=cache, prefix=".making-") as scratch:
                made = make(Path(scratch))
                made.chmod(0o444)
                made.rename(path)
    return path


def key_of(*words: str, sources: Iterable[Path] = ()) -> str:
    """Return what changes with the words and with what the sources hold."""
    code = hashlib.sha256("\n".join(words).encode())
    for source in sources:
        code.update(source.read_bytes())
    return code.hexdigest()[:16]
