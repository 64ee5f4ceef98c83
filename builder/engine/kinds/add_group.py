"""A group."""

from __future__ import annotations

import shlex
from functools import partial
from typing import ClassVar, Container, Iterator

from .. import forms
from ..change import Change, Question
from ..edit import rewrite
from ..knowledge import Knowledge
from ..ops import FileOp
from ..text import accounts
from ..tree import Tree


class AddGroup(Change):
    """Make a group exist; an equal one is left alone, with its members.

    Attributes:
        name: Its name.
        gid: Its id, chosen by the spec so that builds agree.
    """

    name: str
    gid: int

    FORMS: ClassVar[forms.Forms] = {"name": forms.TEXT, "gid": forms.NUMBER}

    @property
    def subject(self) -> str:
        """The group."""
        return f"group {self.name}"

    def lower(self, tree: Tree, known: Knowledge) -> Iterator[FileOp]:
        """Yield group(5) with the group in it."""
        del known
        edited = partial(accounts.add_group, name=self.name, gid=self.gid)
        yield from rewrite(tree, accounts.GROUP, edited)

    def sentence(self) -> str:
        """Name the group and its id."""
        return f"group     {self.name}  (gid {self.gid})"

    def questions(self, edited: Container[str]) -> Iterator[Question]:
        """Ask for its id."""
        del edited
        asked = f"getent group {shlex.quote(self.name)} | cut -d : -f 3"
        yield Question(f"{self.name} is a group", asked, str(self.gid))
