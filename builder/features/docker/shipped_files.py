"""What a guest gets of the images that are shipped: archives, and what loads them; no feature."""

from collections.abc import Iterable, Iterator

from builder.blob import Blob, Download
from builder.changes import MakeDirectory, SetUnitState, UnitState, WriteFile
from builder.errors import Diagnostic
from builder.features import Context, Reasoned, Requested
from builder.features.docker.engine import engine_changes
from builder.features.docker.shipping import shipped
from builder.guest import preload
from builder.guestpath import join
from builder.image_archive import Archive, Image

_MODE = 0o600
_REPACKED = "its layers in zstd are packed anew with gzip: the base's docker reads no zstd"


def wish_archives(images: Iterable[Image], context: Context, reason: str) -> Iterator[Requested]:
    """Yield the archives of some images, and what loads those of the whole spec.

    Equal wishes of several projects become one.
    """
    wanted = {image.name.short: image for image in images}
    archives = shipped(context)
    names = [f"{number}-{_file(each)}" for number, each in enumerate(archives, 10)]
    for name, archive in zip(names, archives, strict=True):
        if image := wanted.get(archive.image.name.short):
            if image.top != archive.image.top or image.variant != archive.image.variant:
                yield _two_images(image, archive.image)
            why = f"{reason}; {_REPACKED}" if archive.is_repacked else reason
            yield Reasoned(_write(name, archive), why)
    if wanted:
        yield from _wish_loading(names, archives, context)
        yield from engine_changes(context, reason)


def _wish_loading(
    names: list[str], archives: tuple[Archive, ...], context: Context
) -> Iterator[Requested]:
    """Yield the unit that loads the archives, and what it reads."""
    rows = (
        preload.Row(
            name,
            each.image.name.short,
            (each.image.variant.config.digest, each.image.top.digest),
        )
        for name, each in zip(names, archives, strict=True)
    )
    unit = preload.format_unit(packages=bool(context.overlay.get("packages")))
    texts = (
        (preload.LIST, preload.format_list(rows), 0o644),
        (preload.SCRIPT_PATH, preload.SCRIPT, 0o755),
        (preload.UNIT_PATH, unit, 0o644),
        (preload.RETRY_PATH, preload.RETRY_UNIT, 0o644),
    )
    yield Reasoned(MakeDirectory(preload.FOLDER, 0o700), "images may be private")
    reason = "it loads the images that lie inside, and removes their archives"
    for path, text, mode in texts:
        yield Reasoned(WriteFile(path, Blob.text(text), mode), reason)
    yield Reasoned(SetUnitState(preload.UNIT, UnitState.ENABLED), reason)


def _write(name: str, archive: Archive) -> WriteFile:
    """Return the change that writes an archive, which is fetched when a build needs it."""
    image = archive.image
    url = f"docker://{image.name.path}@{image.top.digest}"
    source = Download(url, f"the image {image.name.text}", archive)
    blob = Blob(archive.recipe, archive.size, source)
    return WriteFile(join(preload.FOLDER, name), blob, _MODE)


def _file(archive: Archive) -> str:
    """Return the name of an archive: the last part of the image's."""
    return f"{archive.image.name.repository.rpartition('/')[2]}.tar"


def _two_images(one: Image, other: Image) -> Diagnostic:
    """Return the fault of a tag that would have to mean two images."""
    message = (
        f"{one.name.short} is to be shipped as two images: {one.variant.manifest.digest} and "
        f"{other.variant.manifest.digest}"
    )
    return Diagnostic(message, "CMP050", "give one of them another tag, or run the same in both")
