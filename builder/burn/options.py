"""What a burn is asked to do: one record for the command line and for programs."""

from pathlib import Path

from builder.structs import Struct


class BurnOptions(Struct, frozen=True, kw_only=True):
    """Which disk is meant, which image is accepted, and how it is written.

    Attributes:
        serial: Serial number that the device must have; empty for any.
        size: Size in bytes that the device must have, within 2 %; zero for any.
        allow_fixed_disk: Allow a disk that is not removable; ``serial`` has to name it.
        allow_loop: Allow a loop device.
        unmount: Unmount the filesystems of the device.
        yes: Ask nothing when the device is pinned by a by-id path, ``serial`` or ``size``.
        confirm: Confirmation tokens, such as ``sdb 31.9G``, instead of a prompt.
        settings: Settings of single cards, ``[DEVICE:]KEY=VALUE``, as in an overlay.
        sha256: Digest that the image file must have; empty for any.
        key: File of the minisign key that must have signed the image, instead of the
            configured one.
        no_signature: Ignore the configured key.
        delta: Read first, and write only what differs.
        probe: Check cards from 8 GB on for a false capacity.
        verify: Read everything back.
        blank: Zero what the image leaves empty.
        eject: Eject the card when finished.
    """

    serial: str = ""
    size: int = 0
    allow_fixed_disk: bool = False
    allow_loop: bool = False
    unmount: bool = False
    yes: bool = False
    confirm: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    sha256: str = ""
    key: Path | None = None
    no_signature: bool = False
    delta: bool = False
    probe: bool = True
    verify: bool = True
    blank: bool = True
    eject: bool = True
