"""Something that has to be there."""

from __future__ import annotations

from typing import ClassVar, Iterator

from .. import forms
from ..change import Change
from ..errors import GuestError
from ..knowledge import Knowledge
from ..ops import FileOp
from ..paths import GuestPath
from ..tree import Tree, exists


class Require(Change):
    """State that the finished root must have ``path``, links followed; nothing is changed.

    Attributes:
        path: What must be there.
        message: The sentence when it is not.
        code: Name of the diagnostic.
        hint: What to type then.
    """

    path: GuestPath
    message: str
    code: str
    hint: str = ""

    FORMS: ClassVar[forms.Forms] = {
        "path": forms.PATH,
        "message": forms.TEXT,
        "code": forms.TEXT,
        "hint": forms.TEXT,
    }

    @property
    def subject(self) -> str:
        """The path, and who asks."""
        return f"{self.code} {self.path}"

    def lower(self, tree: Tree, known: Knowledge) -> Iterator[FileOp]:
        """Yield nothing."""
        del known
        if not exists(tree, self.path):
            raise GuestError(self.message, code=self.code, hint=self.hint)
        return iter(())

    def sentence(self) -> str:
        """Name the path."""
        return f"needs     {self.path}"
