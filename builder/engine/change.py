"""What every kind of change can tell of itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Container, Iterator, NamedTuple, Tuple, TypeVar

if TYPE_CHECKING:
    from typing import dataclass_transform  # novermin: mypy reads it, nobody runs it

    from .forms import Forms
    from .knowledge import Knowledge
    from .ops import FileOp
    from .tree import Tree
else:

    def dataclass_transform(**_):
        return lambda cls: cls


class Question(NamedTuple):
    """A question to a booted guest.

    Attributes:
        name: What is asked, as a sentence.
        command: Shell command that asks.
        wanted: The answer.
        match: How the two are compared: ``same``, ``words``, ``line`` or ``success``.
        patience: Seconds in which the answer may become right.
    """

    name: str
    command: str
    wanted: str = ""
    match: str = "same"
    patience: float = 0.0


@dataclass_transform(frozen_default=True)
class Change(ABC):
    """One thing that is wanted of a guest: data, and the answers that depend on its kind.

    A kind is written like a frozen dataclass and is none: defining a dozen of those takes twenty
    times as long, in every start (ADR 19).

    Attributes:
        FORMS: How each field is written in a plan document; in the order of the fields.
    """

    FORMS: ClassVar[Forms] = {}

    if not TYPE_CHECKING:

        def __init_subclass__(cls) -> None:
            super().__init_subclass__()
            cls.__match_args__ = tuple(cls.FORMS)

        def __init__(self, *values, **named) -> None:
            forms, kind, own = self.FORMS, type(self), self.__dict__
            if len(values) > len(forms):
                raise TypeError(f"{kind.__name__} has {len(forms)} fields, not {len(values)}")
            own.update(zip(forms, values))
            for name, value in named.items():
                if name not in forms or name in own:
                    raise TypeError(f"{kind.__name__} has no {name}, or was given two")
                own[name] = value
            for name in forms:
                if name not in own:
                    try:
                        own[name] = getattr(kind, name)
                    except AttributeError:
                        raise TypeError(f"{kind.__name__} wants {name}") from None

        def __setattr__(self, name, value) -> None:
            raise AttributeError(f"{type(self).__name__} cannot be changed")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), *(self.__dict__[name] for name in self.FORMS)))

    def __repr__(self) -> str:
        hidden = self.secrets
        shown = (f"{n}={self.__dict__[n]!r}" for n in self.FORMS if n not in hidden)
        return f"{type(self).__name__}({', '.join(shown)}{', …' * bool(hidden)})"

    @property
    @abstractmethod
    def subject(self) -> str:
        """What this change alone decides: two changes of one subject must agree."""

    @property
    def secrets(self) -> Tuple[str, ...]:
        """Fields that are never shown, and lie apart from a plan's document."""
        return ()

    @abstractmethod
    def lower(self, tree: Tree, known: Knowledge) -> Iterator[FileOp]:
        """Yield the file operations that make it true of a tree.

        Args:
            tree: Read, not changed; it is as the steps before left it.
            known: What the tree does not tell.

        Raises:
            GuestError: the tree does not have what the change needs.
        """

    @abstractmethod
    def sentence(self) -> str:
        """Say in one line what it makes true; secrets are not shown."""

    def questions(self, edited: Container[str]) -> Iterator[Question]:
        """Yield what to ask a booted guest.

        Args:
            edited: Paths of files that other changes of the plan edit.
        """
        del edited
        return iter(())


C = TypeVar("C", bound=Change)


def replace(change: C, **values: Any) -> C:
    """Return a change with other values for some fields."""
    return type(change)(**{**change.__dict__, **values})
