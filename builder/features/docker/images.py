"""Container images that `docker` ships, whoever runs them; no feature of its own."""

from collections.abc import Iterator, Sequence

from builder.errors import Diagnostic
from builder.features import Context, Reasoned, Requested
from builder.features.docker.shipped_files import wish_archives
from builder.features.docker.shipping import find_image
from builder.guest.compose.images import Used
from builder.image_archive import Image
from builder.structs import replace


def wish_images(texts: Sequence[str], context: Context) -> Iterator[Requested]:
    """Yield the archives of images, and the diagnostics of those that have none."""
    found: list[Image] = []
    for number, text in enumerate(texts):
        image = find_image(Used("", text, ()), context)
        if isinstance(image, Diagnostic):
            yield replace(image, path=("images", number))
        else:
            found.append(image)
    for wish in wish_archives(found, context, "docker.images names it"):
        yield (
            Reasoned(wish.change, wish.reason, ("images",)) if isinstance(wish, Reasoned) else wish
        )
