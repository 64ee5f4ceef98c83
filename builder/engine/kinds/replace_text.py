"""A literal text replaced in many files."""

from __future__ import annotations

import fnmatch
from typing import ClassVar, Iterator

from .. import forms
from ..change import Change
from ..edit import rewrite
from ..knowledge import Knowledge
from ..nodes import Kind
from ..ops import FileOp
from ..paths import GuestPath, join, name, parent
from ..tree import Tree, is_directory, resolve


class ReplaceText(Change):
    """Replace one literal text by another in every regular file that a glob matches.

    ``pattern`` is a guest path whose last component may hold ``*``; no match is fine.
    """

    pattern: GuestPath
    old: str
    new: str

    FORMS: ClassVar[forms.Forms] = {
        "pattern": forms.PATH,
        "old": forms.TEXT,
        "new": forms.TEXT,
    }

    @property
    def subject(self) -> str:
        """The text and where."""
        return f"the text {self.old!r} in {self.pattern}"

    def lower(self, tree: Tree, known: Knowledge) -> Iterator[FileOp]:
        """Yield every file that has the text."""
        del known
        directory = resolve(tree, parent(self.pattern))
        if not is_directory(tree, directory):
            return
        wanted = name(self.pattern)
        for entry in tree.names(directory):
            path = join(directory, entry)
            found = tree.lstat(path) if fnmatch.fnmatchcase(entry, wanted) else None
            if found is not None and found.kind is Kind.FILE:
                yield from rewrite(tree, path, lambda text: text.replace(self.old, self.new))

    def sentence(self) -> str:
        """Name files and texts."""
        return f"replace   {self.pattern}: {self.old.strip()} -> {self.new.strip() or 'nothing'}"
