"""Rules of sizes: out of range, or read in two ways."""

from collections.abc import Iterator

from builder.errors import Diagnostic
from builder.rules.model import Rule, Subject, error, finding, warning
from builder.sizes import GIB, MIB, has_unit, is_binary, parse_size

_LEAST_MEMORY, _MOST_MEMORY = 256, 1048576
_SMALL_PARTITION = 64
"""MiB below which nothing but an EFI partition is of use."""

_MUCH_SWAP = 64
"""GiB of swap that nobody asks for by a number alone."""


def _out_of_range(subject: Subject) -> Iterator[Diagnostic]:
    """Find memory that no appliance has; a number alone is judged by the schema."""
    size = subject.spec.output.get("memory", _LEAST_MEMORY)
    if not _LEAST_MEMORY <= parse_size(size, "M") / MIB <= _MOST_MEMORY:
        message = f"found {size}; wanted from {_LEAST_MEMORY}MiB to 1TiB"
        hint = "" if has_unit(size) else f"write {size}G; a number alone counts MiB"
        yield finding(message, subject.spec.document, ("output", "memory"), hint)


def _doubtful(subject: Subject) -> Iterator[Diagnostic]:
    """Find sizes that were probably meant in another unit."""
    yield from _doubtful_partitions(subject)
    yield from _doubtful_swap(subject)
    yield from _doubtful_cards(subject)


def _doubtful_partitions(subject: Subject) -> Iterator[Diagnostic]:
    """Find partitions of a few MiB."""
    entries = subject.spec.sections.get("install", {}).get("partitions", ())
    for at, entry in enumerate(entries):
        size = entry.get("size", 0)
        is_esp = entry.get("mountpoint") == "/boot/efi"
        if not has_unit(size) and 0 < parse_size(size, "M") < _SMALL_PARTITION * MIB and not is_esp:
            message = f"a number alone counts MiB: {size} is {size} MiB"
            path = ("install", "partitions", at, "size")
            yield finding(message, subject.spec.document, path, f"write {size}G, or {size}MiB")


def _doubtful_swap(subject: Subject) -> Iterator[Diagnostic]:
    """Find swap space of hundreds of GiB."""
    for overlay, value in subject.sections("swap"):
        size = value.get("size", 0) if isinstance(value, dict) else value
        if not has_unit(size) and parse_size(size) > _MUCH_SWAP * GIB:
            path = ("swap", "size") if isinstance(value, dict) else ("swap",)
            message = f"a number alone counts GiB: {size} is {size} GiB"
            hint = f"write {size}M, or {size}GiB"
            place = (*overlay.prefix, *path)
            yield finding(message, overlay.document, place, hint)


def _doubtful_cards(subject: Subject) -> Iterator[Diagnostic]:
    """Find the disk of a board in a unit by which cards are sold, which counts less."""
    size = subject.spec.sections.get("disk", {}).get("size", "1GiB")
    is_board = any(facts.image == "rpi" for facts in subject.bases.values())
    wanted = parse_size(size)
    if is_board and not is_binary(size) and wanted % GIB == 0:
        count = wanted // GIB
        message = (
            f"{size} is {count} GiB, {wanted / 1e9:.1f} billion bytes: "
            f"more than a card that is sold as {count} GB holds"
        )
        fits = count * 10**9 // GIB
        hint = f"write {fits}GiB for such a card, or {count}GiB" if fits else f"write {count}GiB"
        yield finding(message, subject.spec.document, ("disk", "size"), hint)


RULES: tuple[Rule, ...] = (
    error(
        "SIZ001",
        "a size out of range",
        "The memory of an appliance is from 256 MiB to 1 TiB. A number "
        "without a unit counts MiB there, as on vSphere's screens.",
        _out_of_range,
    ),
    warning(
        "SIZ002",
        "a size that reads in two ways",
        "K, M, G and T are powers of 1024, with or without B or iB behind them. A number alone "
        "counts GiB for `disk` and `swap`, and MiB for memory, partitions and the journal, as "
        "vSphere and Photon's installer have it. Cards are sold in billions of bytes: one of 16 GB "
        "holds 14.9 GiB. A size with its unit, such as 16GiB, is never asked about.",
        _doubtful,
    ),
)
