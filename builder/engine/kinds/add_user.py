"""A user account."""

from __future__ import annotations

import shlex
from typing import ClassVar, Container, Iterator, Tuple, Union

from .. import forms
from ..change import Change, Question
from ..edit import rewrite
from ..knowledge import Knowledge
from ..nodes import Owner
from ..ops import FileOp, MakeDirectory, numeric
from ..paths import GuestPath
from ..text import accounts
from ..tree import Tree, exists, read_text


class AddUser(Change):
    """Make a user account exist, with a locked password; an equal one is left alone.

    Attributes:
        name: Login name.
        uid: User id, chosen by the spec so that builds agree.
        gid: Primary group: an id, or the name of a group of the base.
        home: Home directory, made 0700 for the user when absent.
        shell: Login shell.
        comment: The GECOS field.
        groups: Supplementary groups of the base to join.
    """

    name: str
    uid: int
    gid: Union[int, str]
    home: GuestPath
    shell: str = "/bin/bash"
    comment: str = ""
    groups: Tuple[str, ...] = ()

    FORMS: ClassVar[forms.Forms] = {
        "name": forms.TEXT,
        "uid": forms.NUMBER,
        "gid": forms.ID,
        "home": forms.PATH,
        "shell": forms.TEXT,
        "comment": forms.TEXT,
        "groups": forms.WORDS,
    }

    @property
    def subject(self) -> str:
        """The user."""
        return f"user {self.name}"

    def lower(self, tree: Tree, known: Knowledge) -> Iterator[FileOp]:
        """Yield the account files and a home directory."""
        gid = int(numeric(tree, Owner(self.uid, self.gid)).gid)
        account = accounts.Account(self.name, self.uid, gid, self.home, self.shell, self.comment)
        before = accounts.Databases(
            *(read_text(tree, path) for path in (accounts.PASSWD, accounts.SHADOW, accounts.GROUP))
        )
        after = accounts.add_user(before, account, self.groups, day=known.day)
        yield from rewrite(tree, accounts.PASSWD, lambda _: after.passwd)
        yield from rewrite(tree, accounts.SHADOW, lambda _: after.shadow)
        yield from rewrite(tree, accounts.GROUP, lambda _: after.group)
        if not exists(tree, self.home):
            yield MakeDirectory(self.home, 0o700, Owner(self.uid, gid))

    def sentence(self) -> str:
        """Name the user, its id and its groups."""
        return f"user      {self.name}  (uid {self.uid}{''.join(f', {g}' for g in self.groups)})"

    def questions(self, edited: Container[str]) -> Iterator[Question]:
        """Ask for the record and the groups."""
        del edited
        name = shlex.quote(self.name)
        fields = f"getent passwd {name} | cut -d : -f 3,6,7"
        yield Question(f"{self.name} is a user", fields, f"{self.uid}:{self.home}:{self.shell}")
        if self.groups:
            wanted = " ".join(self.groups)
            yield Question(f"{self.name} is in its groups", f"id -nG {name}", wanted, "words")
