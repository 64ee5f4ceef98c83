"""Arguments of the kernel's command line."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, Container, Iterator, Tuple

from .. import forms
from ..change import Change, Question
from ..edit import rewrite
from ..errors import GuestError
from ..knowledge import Knowledge
from ..ops import FileOp
from ..text import grub
from ..tree import Tree, exists, read_text


class SetKernelArguments(Change):
    """Add and remove arguments of the kernel command line, where the base's boot loader has it.

    An argument ``key=value`` that is added takes the place of others with the same key.
    """

    add: Tuple[str, ...] = ()
    remove: Tuple[str, ...] = ()

    FORMS: ClassVar[forms.Forms] = {"add": forms.WORDS, "remove": forms.WORDS}

    @property
    def subject(self) -> str:
        """The arguments."""
        return f"kernel arguments {self.add} {self.remove}"

    def lower(self, tree: Tree, known: Knowledge) -> Iterator[FileOp]:
        """Yield the files that the base's boot loader reads them from.

        ``systemd.cfg`` survives upgrades of the kernel's package, so arguments go there where
        grub.cfg reads it; cloud images have them as a literal in grub.cfg. What is removed is
        removed wherever it stands.
        """
        del known
        menu = read_text(tree, grub.GRUB_CFG, missing="")
        indirect = "$systemd_cmdline" in menu and exists(tree, grub.SYSTEMD_CFG)
        home = grub.SYSTEMD_CFG if indirect else grub.GRUB_CFG
        if not grub.has_arguments(read_text(tree, home, missing="")):
            raise GuestError(
                f"the base has no kernel command line that can be edited: looked into {home}",
                code="KRN001",
                hint="drop `kernel` from the spec, or use a base that boots with GRUB",
            )
        keys = tuple(grub.key_of(word) for word in self.add if "=" in word)
        for path in (grub.SYSTEMD_CFG, grub.PHOTON_CFG, grub.GRUB_CFG):
            add, gone = (self.add, self.remove) if path == home else ((), (*self.remove, *keys))
            if exists(tree, path):
                yield from rewrite(tree, path, partial(grub.set_arguments, add=add, remove=gone))

    def sentence(self) -> str:
        """Name what comes and what goes."""
        words = [f"+{word}" for word in self.add] + [f"-{word}" for word in self.remove]
        return f"kernel    {' '.join(words)}"

    def questions(self, edited: Container[str]) -> Iterator[Question]:
        """Ask the kernel."""
        del edited
        if self.add:
            wanted = " ".join(self.add)
            yield Question("the kernel has its arguments", "cat /proc/cmdline", wanted, "words")
