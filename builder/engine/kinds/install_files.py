"""RPM files that are all that an installation needs, installed on the first boot."""

from __future__ import annotations

from typing import ClassVar, Iterator, Tuple

from .. import forms, unit_links
from ..blobs import Blob
from ..change import Change
from ..knowledge import Knowledge
from ..ops import FileOp, WriteFile
from ..paths import join
from ..text import package_scripts, packages
from ..tree import Tree, read_text


class InstallFiles(Change):
    """Install RPM files in one transaction on the first boot, before anything that needs them.

    No network takes part, and nothing is resolved: the files need nothing but the base.

    Attributes:
        names: What was asked for.
        files: RPM file name and content, all that ``names`` need.
    """

    names: Tuple[str, ...]
    files: Tuple[Tuple[str, Blob], ...]

    FORMS: ClassVar[forms.Forms] = {"names": forms.WORDS, "files": forms.FILES}

    @property
    def subject(self) -> str:
        """All packages: there is one transaction."""
        return "packages from the image"

    def lower(self, tree: Tree, known: Knowledge) -> Iterator[FileOp]:
        """Yield the files, the script that installs them and its unit."""
        del known
        yield WriteFile(packages.UNIT_PATH, Blob.text(packages.TRANSACTION_UNIT_TEXT))
        yield WriteFile(packages.SCRIPT, Blob.text(package_scripts.TRANSACTION_TEXT), 0o755)
        for name, content in self.files:
            yield WriteFile(join(packages.REPOSITORY, name), content)
        listed = {*read_text(tree, packages.WANTED, missing="").split(), *self.names}
        yield WriteFile(packages.WANTED, Blob.text("".join(f"{name}\n" for name in sorted(listed))))
        yield from unit_links.enable(packages.UNIT, tree)
        yield from unit_links.add_preset(packages.UNIT, tree, enable=True)

    def sentence(self) -> str:
        """Name what was asked for, and how much comes with it."""
        size = sum(blob.size for _, blob in self.files) / 1e6
        return (
            f"packages  {' '.join(self.names)}  (installed on the first boot, without a network: "
            f"{len(self.files)} RPM files, {size:.1f} MB)"
        )
