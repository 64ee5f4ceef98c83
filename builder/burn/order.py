"""What is asked for when cards are written, and what comes of it."""

from pathlib import Path

from builder.burn.devices import Device
from builder.burn.next_step import NextStep
from builder.burn.personalise import Personal
from builder.burn.writer import Tally
from builder.errors import BuilderError
from builder.structs import Struct, field


class Order(Struct, frozen=True):
    """One card to be written.

    Attributes:
        device: As it was shown and confirmed.
        personal: What only this card has.
    """

    device: Device
    personal: Personal | None = None


class Choices(Struct, frozen=True):
    """How cards are written.

    Attributes:
        probes: Whether large cards are tried for a size that is not true.
        verifies: Whether everything is read back.
        compares: Whether what is there already is left alone.
        blanks: Whether what the image leaves empty is emptied.
        notes: Folder for the notes about cards that were interrupted.
    """

    probes: bool
    verifies: bool
    compares: bool
    blanks: bool
    notes: Path


class Verdict(Struct):
    """What came of one card.

    Attributes:
        device: The card.
        error: Why it failed; ``None``: it is written, and proved if that was asked for.
        tally: What was done to it.
        seconds: How long it took.
        remarks: What else a person should know.
        then: What to do with it; ``None`` when it failed.
    """

    device: Device
    error: BuilderError | None = None
    tally: Tally = field(default_factory=Tally)
    seconds: float = 0.0
    remarks: list[str] = field(default_factory=list)
    then: NextStep | None = None
