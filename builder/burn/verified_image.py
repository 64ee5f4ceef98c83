"""Opens the image of a burn, verified by its digest and by its signature."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from builder.burn.config import iter_configured, read_keys
from builder.burn.options import BurnOptions
from builder.burn.remote import is_address, open_address
from builder.burn.signature import MinisignKey, SignerInfo
from builder.burn.signed import check_signed, describe
from builder.burn.source import (
    BurnImage,
    check_published,
    check_unchanged,
    open_source,
    with_digest,
)
from builder.host import state_of
from builder.progress import Progress
from builder.structs import replace


@contextmanager
def open_image(image: str, options: BurnOptions, progress: Progress) -> Iterator[BurnImage]:
    """Open the image of a burn, verified as far as that is possible before it is read.

    Args:
        image: Path or address.
        options: Which image is accepted.
        progress: Where progress is shown.

    Raises:
        DigestMismatch: the digest or the signature is not valid.
        FormatError: it is not a disk image, or is damaged.
        HostError: it cannot be read.
    """
    if is_address(image):
        keys = _keys(options, progress)
        source = open_address(image, options.sha256, keys, progress)
        if source.signer:
            text = f"{source.name}: {describe(source.signer)}; the image is verified while read"
            progress.phase(text)
        yield source
        return
    path = Path(image)
    before = state_of(path)
    known, signer = check_signature(path, options, progress)
    with open_source(path, progress) as source:
        known = known or check_published(path, options.sha256)
        verified = f"sha256 {known} verified" if known else "no digest of it is known"
        progress.phase(f"{source.name}: {source.size} bytes unpacked; {verified}")
        watched = replace(source, signer=signer, check=partial(check_unchanged, path, before))
        with with_digest(watched, known) as ready:
            yield ready


def check_signature(
    path: Path, options: BurnOptions, progress: Progress
) -> tuple[str, SignerInfo | None]:
    """Verify the signature of a local image; return its SHA-256, empty if unknown, and signer.

    Raises:
        DigestMismatch: it is not signed, or is not the file that was signed.
    """
    keys = _keys(options, progress)
    if not keys:
        return "", None
    known, signer = check_signed(path, options.sha256, keys, progress)
    progress.phase(f"{path.name}: {describe(signer)}")
    return known, signer


def _keys(options: BurnOptions, progress: Progress) -> list[MinisignKey]:
    if not options.no_signature:
        return read_keys(options.key)
    if ignored := ", ".join(map(str, iter_configured())):
        progress.phase(f"the signature is not checked: --no-signature ignores {ignored}")
    return []
