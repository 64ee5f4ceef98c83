"""The keys that an image has to be signed with: the one that is named, else what is configured.

Configured is ``burn.pub``, a public key of minisign, in the folder of :mod:`builder.burn.config`.
Under sudo(8) the key of the user who called it counts as well as root's: either may have signed.
A key that is there and cannot be read is an error: an image would pass unchecked.
"""

from collections.abc import Iterator
from pathlib import Path

from builder.burn.config import iter_config_paths
from builder.burn.signature import LARGEST, Key, parse_key
from builder.host import host_errors

_NAME = "burn.pub"


def read_keys(named: Path | None) -> list[Key]:
    """Return the keys that count; none: nothing has to be signed.

    Args:
        named: The file of the only one that does.

    Raises:
        FormatError: a file holds no public key.
        HostError: it cannot be read.
    """
    return [_read(path) for path in ([named] if named else iter_configured())]


def iter_configured() -> Iterator[Path]:
    """Yield the files of the keys that are configured."""
    for path in iter_config_paths(_NAME):
        if _is_there(path):
            yield path


def _is_there(path: Path) -> bool:
    """Tell whether there is a key, or what leads to one."""
    with host_errors(path, hint="check the permissions of that folder"):
        try:
            path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return False
    return True


def _read(path: Path) -> Key:
    """Return the key in a file."""
    hint = "wanted the file of a public key, as minisign -G makes it"
    with host_errors(path, hint=hint), path.open("rb") as stream:
        content = stream.read(LARGEST)
    return parse_key(content, str(path))
