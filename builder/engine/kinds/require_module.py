"""A module that the kernel has to have."""

from __future__ import annotations

from typing import ClassVar, FrozenSet, Iterator, List

from .. import forms
from ..change import Change
from ..errors import GuestError
from ..knowledge import Knowledge
from ..ops import FileOp
from ..paths import guest, join
from ..text.kernel_modules import LISTS, module_names
from ..tree import Tree, is_directory, read_text, resolve

_MODULES = guest("/lib/modules")


class RequireModule(Change):
    """State that a kernel of the finished root has a module, or has it built in.

    Nothing is changed. A root without lists of modules says nothing, and passes.
    """

    name: str

    FORMS: ClassVar[forms.Forms] = {"name": forms.TEXT}

    @property
    def subject(self) -> str:
        """The module."""
        return f"kernel module {self.name}"

    def lower(self, tree: Tree, known: Knowledge) -> Iterator[FileOp]:
        """Yield nothing; refuse a module that no kernel has."""
        del known
        none: FrozenSet[str] = frozenset()
        listed = none.union(*map(module_names, _lists(tree)))
        if listed and self.name.replace("-", "_") not in listed:
            raise GuestError(
                f"the kernel of the base has no module {self.name}, and none built in",
                code="MOD001",
                hint="drop it, or bring it with a package under `packages`",
            )
        return iter(())

    def sentence(self) -> str:
        """Name the module."""
        return f"needs     {self.subject}"


def _lists(tree: Tree) -> List[str]:
    """Return the lists of every kernel."""
    folder = resolve(tree, _MODULES)
    if not is_directory(tree, folder):
        return []
    kernels = [join(folder, kernel) for kernel in tree.names(folder)]
    return [
        read_text(tree, join(kernel, name), missing="")
        for kernel in kernels
        if is_directory(tree, kernel)
        for name in LISTS
    ]
