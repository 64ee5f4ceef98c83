"""What a plan says of the container images that it ships."""

from collections.abc import Iterator, Sequence

from builder.image_archive import Archive, peak

SHIPPED = ", shipped inside"
_MB = 1_000_000


def archive_state(archive: Archive) -> str:
    """Return the size of an image, and how much of it is in the cache."""
    from builder.cache import Cache

    cache, variant = Cache(), archive.image.variant
    count = len(variant.layers)
    lacking = sum(
        blob.size
        for blob in archive.image.blobs
        if not cache.find({"sha256": blob.digest.removeprefix("sha256:")})
    )
    size = sum(blob.size for blob in archive.image.blobs)
    state = f"{_shown(lacking)} of it not in the cache yet" if lacking else "in the cache"
    return (
        f"{_shown(size)} in {count} layer{'s' * (count != 1)}, {_shown(variant.unpacked)} "
        f"unpacked, {state}"
    )


def preload_lines(archives: Sequence[Archive]) -> Iterator[str]:
    """Yield what all images need together."""
    if not archives:
        return
    layers = sum(len(archive.image.variant.layers) for archive in archives)
    shared = sum(len(archive.there) for archive in archives)
    size = sum(archive.size for archive in archives)
    yield (
        f"{len(archives)} image{'s' * (len(archives) != 1)}, {layers} layers, {shared} of them "
        f"shared: {_shown(size)} in the artifact"
    )
    yield (
        f"the first boot needs up to {_shown(peak(archives))} of the root; the archives are "
        "removed when they are loaded"
    )


def _shown(size: int) -> str:
    return f"{size / _MB:.0f} MB" if size >= 10 * _MB else f"{size / _MB:.1f} MB"
