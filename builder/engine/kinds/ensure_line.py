"""A line that a text file has to have."""

from __future__ import annotations

import shlex
from typing import ClassVar, Container, Iterator, Optional

from .. import forms
from ..change import Change, Question
from ..edit import rewrite
from ..knowledge import Knowledge
from ..nodes import ROOT, Owner
from ..ops import FileOp, numeric
from ..paths import GuestPath
from ..text import lines
from ..tree import Tree

_FILTERS = {"/etc/systemd/scripts/ip4save": "iptables", "/etc/systemd/scripts/ip6save": "ip6tables"}
"""Files of the packet filter to the program that knows which rules are in force."""
_APPEND = "-A "
_PATIENCE = 30.0


class EnsureLine(Change):
    """Make ``line`` a line of the text file ``path``; the file is made when it is absent.

    Attributes:
        path: The file, followed when it is a symbolic link.
        line: The line, without its newline.
        before: A line to insert before (its first occurrence, white space at the ends
            ignored); ``""`` is the top of the file, ``None`` the end. When the named
            line is missing, the line goes to the end.
        replaces: A POSIX extended regular expression; lines that match it are dropped first.
        mode: Mode of the file if it has to be made; 0 refuses to.
        owner: Its owner then.
    """

    path: GuestPath
    line: str
    before: Optional[str] = None
    replaces: str = ""
    mode: int = 0o644
    owner: Owner = ROOT

    FORMS: ClassVar[forms.Forms] = {
        "path": forms.PATH,
        "line": forms.TEXT,
        "before": forms.optional(forms.TEXT),
        "replaces": forms.TEXT,
        "mode": forms.MODE,
        "owner": forms.OWNER,
    }

    @property
    def subject(self) -> str:
        """The line, or those that it replaces."""
        return f"the line {self.replaces or self.line!r} of {self.path}"

    def lower(self, tree: Tree, known: Knowledge) -> Iterator[FileOp]:
        """Yield the file with the line in it."""
        del known
        yield from rewrite(
            tree,
            self.path,
            lambda text: lines.ensure_line(
                text, self.line, before=self.before, replaces=self.replaces
            ),
            mode=self.mode,
            owner=numeric(tree, self.owner),
        )

    def sentence(self) -> str:
        """Name file and line."""
        return f"line      {self.path}: {self.line.expandtabs(1)}"

    def questions(self, edited: Container[str]) -> Iterator[Question]:
        """Ask for the line; of a packet filter for the rule that it makes, too."""
        del edited
        asked = f"grep -Fxq -- {shlex.quote(self.line)} {shlex.quote(self.path)}"
        yield Question(f"{self.path} has the line {self.line!r}", asked, match="success")
        if self.path in _FILTERS and self.line.startswith(_APPEND):
            rule = f"{_FILTERS[self.path]} -C {self.line[len(_APPEND) :]}"
            name = f"the packet filter has {self.line!r}"
            yield Question(name, rule, match="success", patience=_PATIENCE)
