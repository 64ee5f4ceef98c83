"""What makes a plan real: editing a root, filling an appliance, driving an installer."""

from builder.changes import Change
from builder.engine.kinds import BOARDS, KINDS

BOARD: frozenset[type[Change]] = frozenset(KINDS.values())
"""Changes that the card of a board can take: all."""

EDITABLE: frozenset[type[Change]] = BOARD - BOARDS
"""Changes that the root of a disk that boots, or of an installed system, can take."""
