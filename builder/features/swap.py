"""Swap space of a board, and with it who gets the rest of its card."""

from collections.abc import Iterator, Mapping
from typing import Any

from builder.blob import Blob
from builder.changes import EnsureLine, SetUnitState, UnitState, WriteFile
from builder.errors import Fault
from builder.facts.alternatives import base_with, has_option
from builder.features import Because, Context, Feature, Wish, form
from builder.guest import card, fstab

SCHEMA = {
    "type": "object",
    "description": "Swap space. Without this key the base does as Photon does: `partition`.",
    "additionalProperties": False,
    "required": ["kind"],
    "properties": {
        "kind": {
            "enum": ["partition", "none", "zram", "file"],
            "description": "`partition`: made on the first boot, of a tenth of the card. With the "
            "others the root takes the whole card; `zram` is compressed memory, which wears no "
            "card, `file` a file on it.",
        },
        "size": {
            "type": "string",
            **form("^[1-9][0-9]{0,4}(MiB|GiB)$", "a size such as 512MiB or 2GiB"),
            "examples": ["512MiB"],
            "description": "Size of the file, or of zram: half of the memory unless given.",
        },
    },
}
_MIB = {"MiB": 1, "GiB": 1024}


def changes(value: Mapping[str, Any], context: Context) -> Iterator[Wish]:
    """Yield who grows the root on the first boot, and what turns swap on."""
    kind, size, base = value["kind"], value.get("size"), context.facts
    if kind == "zram" and base.is_known and base.kernel_option("ZRAM") == "n":
        message = f"the kernel of {base.text} has no zram: the board would have no swap at all"
        able = base_with(base, has_option("ZRAM"))
        hint = f"write kind: file, size: 512MiB; {able} has zram"
        yield Fault(message, "SWAP002", hint, ("kind",))
    if size and kind in {"partition", "none"}:
        yield Fault(f"{kind} takes no size", "SWAP001", "drop `size`", ("size",))
    if not size and kind == "file":
        yield Fault("a swap file needs a size", "SWAP001", "add size: 512MiB")
    enabled = SetUnitState(card.UNIT, UnitState.ENABLED)
    if kind == "partition":
        yield Because(enabled, "it makes the swap partition on the first boot")
        return
    reason = "the root takes the whole card, and no swap partition is made"
    yield Because(WriteFile(card.GROW, Blob.text(card.GROW_TEXT), 0o755), reason)
    yield Because(WriteFile(card.UNIT_PATH, Blob.text(card.UNIT_TEXT)), reason)
    yield Because(enabled, reason)
    line = f"# no swap partition: swap is {kind}"
    yield Because(EnsureLine(fstab.FSTAB, line, replaces=card.SWAP_LINES), reason)
    if kind != "none":
        mib = int(size[:-3]) * _MIB[size[-3:]] if size else None
        yield WriteFile(card.SWAP, Blob.text(card.SWAP_TEXT), 0o755)
        yield WriteFile(card.SWAP_UNIT_PATH, Blob.text(card.format_swap_unit(kind, mib)))
        yield SetUnitState(card.SWAP_UNIT, UnitState.ENABLED)


FEATURE = Feature("swap", "Swap space of a board", SCHEMA, changes, "{kind: zram}", for_boards=True)
