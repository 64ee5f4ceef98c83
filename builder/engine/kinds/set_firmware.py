"""A setting of a board's firmware."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, Iterator

from .. import forms
from ..change import Change
from ..edit import rewrite
from ..errors import GuestError
from ..knowledge import Knowledge
from ..ops import FileOp
from ..text import config_txt
from ..tree import Tree, exists


class SetFirmware(Change):
    """Set, add or remove one setting in the config.txt that a board's firmware reads.

    Attributes:
        section: Filter that it is under, without brackets: ``all``, ``pi4``.
        line: The setting as the file has it; empty for none.
        drops: Key, or whole setting, of which every other one goes; empty for none.
    """

    section: str
    line: str
    drops: str = ""

    FORMS: ClassVar[forms.Forms] = {
        "section": forms.TEXT,
        "line": forms.TEXT,
        "drops": forms.TEXT,
    }

    @property
    def subject(self) -> str:
        """The setting and its section."""
        return f"{self.drops or self.line} under [{self.section}] of config.txt"

    def lower(self, tree: Tree, known: Knowledge) -> Iterator[FileOp]:
        """Yield the config.txt that the base has."""
        del known
        found = next((path for path in config_txt.PATHS if exists(tree, path)), None)
        if found is None:
            raise GuestError(
                f"the base has no config.txt: looked for {', '.join(config_txt.PATHS)}",
                code="CFG001",
                hint="use an image for a Raspberry Pi, or drop the key",
            )
        edited = partial(config_txt.edit, section=self.section, line=self.line, drops=self.drops)
        yield from rewrite(tree, found, edited)

    def sentence(self) -> str:
        """Name section and setting."""
        return f"firmware  [{self.section}] {self.line or f'-{self.drops}'}"
