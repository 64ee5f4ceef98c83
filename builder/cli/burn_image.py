"""The image that ``burn`` is given: checked and opened, or unpacked to a file."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from builder.cli.answers import write_result
from builder.cli.options import reporter
from builder.errors import DeviceError
from builder.progress import Progress
from builder.structs import Struct, asdict, replace

if TYPE_CHECKING:
    from builder.burn.signature import Key
    from builder.burn.source import Image


class Given(Struct, frozen=True, kw_only=True):
    """What the command line says of an image.

    Attributes:
        image: Its path or address.
        sha256: What its digest must be; empty: nothing is said.
        key: The file of the key that must have signed it.
        passes_over: Whether a key that is configured does not count.
    """

    image: str
    sha256: str
    key: Path | None
    passes_over: bool


@contextmanager
def opened(given: Given, progress: Progress) -> Iterator["Image"]:
    """Open the image, and check it as far as that can be done before it is read."""
    from builder.burn.beside import check_same
    from builder.burn.remote import is_address, open_address
    from builder.burn.signed import check_signed, describe
    from builder.burn.source import check_published, digested, open_source
    from builder.host import state_of

    keys = _keys(given, progress)
    if is_address(given.image):
        source = open_address(given.image, given.sha256, keys, progress)
        if source.signed:
            progress.phase(f"{source.name}: {describe(source.signed)}; to be proved by reading it")
        yield source
        return
    path, known, signed = Path(given.image), "", None
    before = state_of(path)
    if keys:
        known, signed = check_signed(path, given.sha256, keys, progress)
        progress.phase(f"{path.name}: {describe(signed)}")
    with open_source(path, progress) as source:
        checked = known or check_published(source, given.sha256)
        said = f"sha256 {checked} holds" if checked else "no digest of it is known"
        progress.phase(f"{source.name}: {source.size} bytes unpacked; {said}")
        watched = replace(source, signed=signed, prove=partial(check_same, path, before))
        with digested(watched, checked) as ready:
            yield ready


def unpack(given: Given, target: Path, *, replaces: bool, as_json: bool) -> int:
    """Write the disk in an image to a file, once the image is checked."""
    from builder.artifact import stage
    from builder.burn.beside import check_same
    from builder.burn.signed import check_signed, describe
    from builder.burn.source import read_published
    from builder.digests import verify_file
    from builder.formats.disk_file import unpack_disk
    from builder.host import state_of

    path, known, signed, progress = Path(given.image), "", None, reporter()
    _check_target(path, target, replaces=replaces)
    before = state_of(path)
    if keys := _keys(given, progress):
        known, signed = check_signed(path, given.sha256, keys, progress)
        progress.phase(f"{path.name}: {describe(signed)}")
    wanted = given.sha256 or read_published(path)
    if wanted and not known:
        verify_file(path, {"sha256": wanted})
    with stage(target.absolute().parent) as staging:
        disk, packed = unpack_disk(path, staging.fd)
        check_same(path, before)
        staging.publish(target.absolute())
    row = {
        "file": str(target),
        "size": disk.size,
        "kind": packed.name,
        "signature": asdict(signed) if signed else None,
    }
    write_result("burn", row, as_json=as_json, text=f"{target}\n")
    return 0


def _check_target(image: Path, target: Path, *, replaces: bool) -> None:
    """Refuse to write over the image itself, or unasked over another file.

    Raises:
        DeviceError: it is not to be written, or not without more being said.
    """
    if not target.exists():
        return
    if not target.is_file():
        raise DeviceError(f"{target}: is not a regular file", hint="give it as DEVICE instead")
    if image.exists() and image.samefile(target):
        raise DeviceError(f"{target}: is the image itself", hint="choose another name for the disk")
    if not replaces:
        raise DeviceError(f"{target}: exists already", hint="--yes, to replace it")


def _keys(given: Given, progress: Progress) -> list["Key"]:
    """Return the keys that count; says which do not, when that was asked for."""
    from builder.burn.keys import iter_configured, read_keys

    if not given.passes_over:
        return read_keys(given.key)
    if passed := ", ".join(map(str, iter_configured())):
        progress.phase(f"the signature is not checked: --no-signature passes over {passed}")
    return []
