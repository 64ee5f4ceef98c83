"""A password's hash and ageing."""

from __future__ import annotations

from typing import ClassVar, Iterator, Tuple

from .. import forms
from ..change import Change
from ..edit import rewrite
from ..knowledge import Knowledge
from ..ops import FileOp
from ..text import accounts
from ..tree import Tree


class SetPassword(Change):
    """Set a user's crypt(5) hash and its ageing; the plain text never enters a plan.

    Attributes:
        user: An account of the base or of this plan.
        hash: As shadow(5) holds it; ``!`` alone locks the password.
        max_days: Days until it expires; 99999 is never.
        must_change: Whether the first login asks for a new one.
        drawn: Whether it was drawn for this build; such plans are equal whatever they drew.
    """

    user: str
    hash: str
    max_days: int = accounts.NEVER_DAYS
    must_change: bool = False
    drawn: bool = False

    FORMS: ClassVar[forms.Forms] = {
        "user": forms.TEXT,
        "hash": forms.SECRET,
        "max_days": forms.NUMBER,
        "must_change": forms.FLAG,
        "drawn": forms.FLAG,
    }

    @property
    def subject(self) -> str:
        """Whose password."""
        return f"the password of {self.user}"

    @property
    def secrets(self) -> Tuple[str, ...]:
        """The hash."""
        return ("hash",)

    def lower(self, tree: Tree, known: Knowledge) -> Iterator[FileOp]:
        """Yield shadow(5), and the ``x`` in passwd(5) that points there."""
        ageing = accounts.Ageing(known.day, self.max_days, self.must_change, known.is_fresh)
        yield from rewrite(
            tree,
            accounts.SHADOW,
            lambda text: accounts.set_password(text, self.user, self.hash, ageing),
        )
        yield from rewrite(
            tree, accounts.PASSWD, lambda text: accounts.set_passwd_x(text, self.user)
        )

    def sentence(self) -> str:
        """Say when it expires."""
        never = self.max_days == accounts.NEVER_DAYS
        expiry = "never expires" if never else f"expires after {self.max_days} days"
        change = ", to be changed at the first login" if self.must_change else ""
        return f"password  {self.user}  ({expiry}{change})"
