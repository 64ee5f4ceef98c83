"""Packages, installed once on the first boot with a network."""

from __future__ import annotations

from typing import ClassVar, Iterator, Tuple

from .. import forms
from ..blobs import Blob
from ..change import Change
from ..knowledge import Knowledge
from ..ops import FileOp
from ..tree import Tree


class InstallPackages(Change):
    """Install packages of the repositories, and RPM files, with dependencies.

    A disk that is only edited installs them once, on its first boot with a network; an installer
    is given them as they are.

    Attributes:
        names: Package names for tdnf.
        files: RPM file name and content.
        source: Whose packages a disk takes: ``release`` or ``updates``; empty for those of the
            repositories that the base has enabled.
        online: Whether the guest resolves and fetches them on its first boot; otherwise they are
            resolved when the image is built, and come with it.
        may_update: Whether packages that the guest cannot start without may be replaced.
    """

    names: Tuple[str, ...] = ()
    files: Tuple[Tuple[str, Blob], ...] = ()
    source: str = ""
    online: bool = True
    may_update: bool = False

    FORMS: ClassVar[forms.Forms] = {
        "names": forms.WORDS,
        "files": forms.FILES,
        "source": forms.TEXT,
        "online": forms.FLAG,
        "may_update": forms.FLAG,
    }

    @property
    def subject(self) -> str:
        """The packages."""
        return f"packages {self.names} {[name for name, _ in self.files]}"

    def lower(self, tree: Tree, known: Knowledge) -> Iterator[FileOp]:
        """Yield what installs them on the first boot: RPM files are read by those who can."""
        return known.stage(self, tree)

    def sentence(self) -> str:
        """Name them."""
        listed = " ".join((*self.names, *(name for name, _ in self.files)))
        kind = f", from the {self.source} repository" if self.source else ""
        if not self.online:
            return f"packages  {listed}  (come with the image, resolved by the first build{kind})"
        how = f"a disk on its first boot with a network{kind}; an ISO from its medium"
        return f"packages  {listed}  (installed once: {how})"
