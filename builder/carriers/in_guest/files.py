"""Files of the system that runs this: read, replaced, unpacked."""

from __future__ import annotations  # runs with Python 3.7, where list[str] is no expression

import os
import shutil
import stat
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

VOLATILE = tuple(f"/{name}" for name in ("run", "tmp", "proc", "sys", "dev"))
UNLESS = "PHOTON-BUILDER.unless"
_PIECE = 1 << 20


class RefusedError(Exception):
    """What is wanted does not fit the system."""


def read_text(path: str, missing: str | None = None) -> str:
    """Return a text file; bytes that are not UTF-8 survive."""
    file = Path(path)
    if missing is not None and not is_there(file):
        return missing
    if not file.is_file():
        raise RefusedError(f"there is no file {path}")
    return file.read_bytes().decode("utf-8", "surrogateescape")


def is_there(path: Path) -> bool:
    """Tell whether a path is anything, a link that leads nowhere included."""
    return path.is_symlink() or path.exists()


def rewrite(path: str, edited: Callable[[str], str], mode: int = 0, owner: str = "0:0") -> None:
    """Replace a text file by what ``edited`` makes of it.

    Mode and owner stay; a file that is absent is refused unless ``mode`` says how to make it.
    """
    real = Path(path).resolve()
    ids = ids_of(owner)
    is_new = not is_there(real)
    if not is_new:
        known = real.stat()
        mode, ids = stat.S_IMODE(known.st_mode), (known.st_uid, known.st_gid)
    before = read_text(str(real), missing="" if mode else None)
    after = edited(before)
    if after != before or is_new:
        make_parents(real)
        data = after.encode("utf-8", "surrogateescape")
        put(real, iter([data]), mode, ids)


def put(path: Path, pieces: Iterator[bytes], mode: int, ids: tuple[int, int]) -> None:
    """Make ``path`` a file, in one step; a link of that name is replaced, not followed."""
    part = path.with_name(f"{path.name}.photon-builder")
    part.touch(0o600)
    with part.open("wb") as out:
        for piece in pieces:
            out.write(piece)
    os.chown(part, *ids)
    part.chmod(mode)
    part.replace(path)


def make_parents(path: Path) -> None:
    """Make the directories on the way that are missing, root's and 0755."""
    above = path.parent
    if is_there(above):
        if not above.is_dir():
            raise RefusedError(f"{above} is no directory, and one is wanted there")
        return
    make_parents(above)
    above.mkdir()
    above.chmod(0o755)


def make_directory(path: Path, mode: int, ids: tuple[int, int]) -> None:
    """Make a directory, or give the existing one this mode and owner; links are followed."""
    real = path.resolve()
    if not real.is_dir():
        if is_there(real):
            raise RefusedError(f"{path} is a file, and the spec wants a directory there")
        make_parents(real)
        real.mkdir()
    os.chown(real, *ids)
    real.chmod(mode)


def remove(*paths: str) -> None:
    """Remove paths and what is below them; absent already is fine."""
    for path in map(Path, paths):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif is_there(path):
            path.unlink()


def unpack(payload: str, prefix: str) -> None:
    """Unpack the entries of a tar whose names begin with ``prefix``, with owners and times."""
    refused = []
    with tarfile.open(payload) as tar:
        for entry in tar:
            if entry.name.startswith(prefix) and not _is_superfluous(entry):
                try:
                    _unpack(tar, entry, Path("/" + entry.name[len(prefix) :]))
                except (RefusedError, OSError) as error:
                    refused.append(str(error))
    if refused:
        raise RefusedError("; ".join(refused))


def _is_superfluous(entry: tarfile.TarInfo) -> bool:
    """Tell whether the system has what an entry would only stand in for."""
    other = entry.pax_headers.get(UNLESS)
    return other is not None and Path(other).exists()


def _unpack(tar: tarfile.TarFile, entry: tarfile.TarInfo, path: Path) -> None:
    """Unpack one entry."""
    place = path.parent.resolve() / path.name
    if str(place).startswith(tuple(f"{hidden}/" for hidden in VOLATILE)):
        raise RefusedError(f"{path} would never be seen: it is on a filesystem made at boot")
    ids = (find_user(entry.uname, entry.uid), find_group(entry.gname, entry.gid))
    if entry.isdir():
        make_directory(place, entry.mode, ids)
        return
    if place.is_dir() and not place.is_symlink():
        raise RefusedError(f"{path} is a directory, and the spec wants a file or a link there")
    make_parents(place)
    if entry.issym():
        remove(str(place))
        place.symlink_to(entry.linkname)
    else:
        put(place, _pieces(tar, entry), entry.mode, ids)
    os.utime(place, (entry.mtime, entry.mtime), follow_symlinks=False)


def _pieces(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> Iterator[bytes]:
    """Yield the content of a file in a tar."""
    stream = tar.extractfile(entry)
    while stream is not None:
        piece = stream.read(_PIECE)
        if not piece:
            return
        yield piece


def ids_of(owner: str) -> tuple[int, int]:
    """Return the ids that ``user:group`` means, each a number or a name."""
    user, _, group = owner.partition(":")
    return find_user(
        "" if user.isdigit() else user, int(user) if user.isdigit() else 0
    ), find_group("" if group.isdigit() else group, int(group) if group.isdigit() else 0)


def find_user(name: str, number: int) -> int:
    """Return the id of a user, ``number`` when there is no name."""
    return _find("/etc/passwd", name) if name else number


def find_group(name: str, number: int) -> int:
    """Return the id of a group, ``number`` when there is no name."""
    return _find("/etc/group", name) if name else number


def _find(database: str, name: str) -> int:
    """Return the third field of the record of ``name``."""
    for line in read_text(database).split("\n"):
        found, _, number, *_ = [*line.split(":"), "", "", ""]
        if found == name and number.isdigit():
            return int(number)
    raise RefusedError(f"{database} has no {name}")
