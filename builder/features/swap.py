"""Swap space: a file on any disk, compressed memory, or what a board has of its own."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from builder.blob import Blob
from builder.changes import EnsureLine, SetUnitState, UnitState, WriteFile
from builder.errors import Diagnostic
from builder.facts.alternatives import base_with, has_option
from builder.features import Context, Feature, Reasoned, Requested
from builder.guest import card, fstab
from builder.guest import swap as guest_swap
from builder.sizes import mib_of, size_schema

_BOOT_LOADER = "u-boot"
"""What starts a board, and no other image holds."""

Value: TypeAlias = Mapping[str, Any] | str | int

_SIZE = size_schema("Size of the file, or of zram: half of the memory unless given.")
SCHEMA = {
    "anyOf": [
        {**size_schema("Size of a swap file."), "examples": ["2GiB"]},
        {
            "type": "object",
            "additionalProperties": False,
            "minProperties": 1,
            "properties": {
                "kind": {
                    "enum": ["file", "zram", "partition", "none"],
                    "description": "`file`, the default where a size is given: made on the first "
                    "boot, without holes. `zram` is compressed memory, which wears no card, where "
                    "the kernel has it. `partition`, on a board alone: of a tenth of the card, "
                    "as Photon does without this key; with the others the root takes the whole "
                    "card.",
                },
                "size": {**_SIZE, "examples": ["512MiB"]},
            },
        },
    ],
    "description": "Swap space: the size of a swap file, or more. An installation medium makes a "
    "partition instead with `filesystem: swap` under `install.partitions`.",
}


def changes(value: Value, context: Context) -> Iterator[Requested]:
    """Yield what turns swap on, and who grows the root of a board on its first boot."""
    given: Mapping[str, Any] = value if isinstance(value, Mapping) else {"size": value}
    kind, size = given.get("kind", "file"), given.get("size")
    is_board = context.facts.has_package(_BOOT_LOADER) is True
    yield from _faults(kind, size, is_board, context)
    if is_board:
        yield from _board_changes(kind)
    if kind in {"file", "zram"}:
        mib = mib_of(size) if size else None
        yield WriteFile(guest_swap.SCRIPT, Blob.text(guest_swap.SCRIPT_TEXT), 0o755)
        yield WriteFile(guest_swap.UNIT_PATH, Blob.text(guest_swap.format_unit(kind, mib)))
        yield SetUnitState(guest_swap.UNIT, UnitState.ENABLED)


def _faults(
    kind: str, size: str | int | None, is_board: bool, context: Context
) -> Iterator[Diagnostic]:
    """Yield what is wrong with the kind for the base, and with the size for the kind."""
    base = context.facts
    kernels = base.flavours if base.is_known else ()
    if kind == "zram" and kernels and all(base.kernel_option("ZRAM", k) == "n" for k in kernels):
        message = f"the kernel of {base.text} has no zram: the machine would have no swap at all"
        able = base_with(base, has_option("ZRAM"))
        hint = "write kind: file, size: 512M" + (f"; {able} has zram" if able else "")
        yield Diagnostic(message, "SWAP002", hint, ("kind",))
    if kind == "partition" and not is_board:
        message = "only the image for boards makes a swap partition on its first boot"
        hint = "write `swap: 2GiB`, or for an installation medium a partition with filesystem: swap"
        yield Diagnostic(message, "SWAP003", hint, ("kind",))
    if size and kind in {"partition", "none"}:
        yield Diagnostic(f"{kind} takes no size", "SWAP001", "drop `size`", ("size",))
    if not size and kind == "file":
        yield Diagnostic("a swap file needs a size", "SWAP001", "add size: 512M")


def _board_changes(kind: str) -> Iterator[Requested]:
    """Yield who gets the rest of the card on the first boot: the root, or a swap partition."""
    enabled = SetUnitState(card.UNIT, UnitState.ENABLED)
    if kind == "partition":
        yield Reasoned(enabled, "it makes the swap partition on the first boot")
        return
    reason = "the root takes the whole card, and no swap partition is made"
    yield Reasoned(WriteFile(card.GROW, Blob.text(card.GROW_TEXT), 0o755), reason)
    yield Reasoned(WriteFile(card.UNIT_PATH, Blob.text(card.UNIT_TEXT)), reason)
    yield Reasoned(enabled, reason)
    line = f"# no swap partition: swap is {kind}"
    yield Reasoned(EnsureLine(fstab.FSTAB, line, replaces=card.SWAP_LINES), reason)


FEATURE = Feature("swap", "Swap space", SCHEMA, changes, "2GiB")
