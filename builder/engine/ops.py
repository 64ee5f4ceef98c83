"""File operations: what every tree can do without knowing the guest. They are changes, too."""

from __future__ import annotations

import shlex
from typing import ClassVar, Container, Iterator, Optional, Tuple, Union

from . import forms
from .blobs import Blob, Download
from .change import Change, Question, replace
from .knowledge import Knowledge
from .nodes import ROOT, Kind, Node, Owner
from .paths import GuestPath
from .text import accounts
from .tree import Tree, exists, ids, read_text, sha256_of

_USUAL_FILE, _USUAL_DIRECTORY = 0o644, 0o755
_CHANGING = frozenset({"/etc/machine-id", "/etc/hostname", "/usr/lib/clock-epoch"})
"""Files that a running system changes, or whose effect is asked for instead."""

_LEAVING = "/var/lib/photon-builder/preload/"
"""Container images lie there until the first boot has loaded them."""


class _OnPath(Change):
    """A change that decides what one path is."""

    path: GuestPath

    @property
    def subject(self) -> str:
        """The path."""
        return f"path {self.path}"


class WriteFile(_OnPath):
    """Make ``path`` a regular file with exactly this content, mode and owner.

    ``secret`` hides even the content's digest from plans and logs. Nothing is done where the
    base has ``unless``, links followed.
    """

    path: GuestPath
    content: Blob
    mode: int = 0o644
    owner: Owner = ROOT
    secret: bool = False
    unless: Optional[GuestPath] = None

    FORMS: ClassVar[forms.Forms] = {
        "path": forms.PATH,
        "content": forms.CONTENT,
        "mode": forms.MODE,
        "owner": forms.OWNER,
        "secret": forms.FLAG,
        "unless": forms.optional(forms.PATH),
    }

    def lower(self, tree: Tree, known: Knowledge) -> Iterator[FileOp]:
        """Yield itself, its owner in numbers."""
        del known
        if self.unless is None or not exists(tree, self.unless):
            yield replace(self, owner=numeric(tree, self.owner))

    def sentence(self) -> str:
        """Name path and size; the usual mode and owner go without saying."""
        is_coming = isinstance(self.content.source, Download)
        size = "downloaded" if is_coming else f"{self.content.size} bytes"
        mode = "" if self.mode == _USUAL_FILE else f", {self.mode:04o}"
        told = f"{'secret' if self.secret else size}{mode}{_owned(self.owner)}"
        return f"write     {self.path}  ({told})"

    def questions(self, edited: Container[str]) -> Iterator[Question]:
        """Ask for content, mode and owner; a file with lines added is not just its content."""
        if self.path in _CHANGING or self.unless is not None or self.path.startswith(_LEAVING):
            return
        path = shlex.quote(self.path)
        if not self.secret and self.path not in edited:
            asked = f"sha256sum < {path} | cut -d ' ' -f 1"
            yield Question(f"{self.path} has the planned content", asked, self.content.sha256)
        uid, gid = self.owner
        letters = ("%u" if isinstance(uid, int) else "%U") + (
            ":%g" if isinstance(gid, int) else ":%G"
        )
        # stat(1) calls a file without content an empty one.
        asked = f"stat -c '%a {letters} %F' {path} | sed 's/regular empty file/regular file/'"
        wanted = f"{self.mode:o} {uid}:{gid} regular file"
        yield Question(f"{self.path} has mode {self.mode:04o} and its owner", asked, wanted)

    @property
    def secrets(self) -> Tuple[str, ...]:
        """The content, when it is a secret."""
        return ("content",) if self.secret else ()


class MakeDirectory(_OnPath):
    """Make ``path`` a directory with this mode and owner; missing parents are root's, 0755."""

    path: GuestPath
    mode: int = 0o755
    owner: Owner = ROOT

    FORMS: ClassVar[forms.Forms] = {
        "path": forms.PATH,
        "mode": forms.MODE,
        "owner": forms.OWNER,
    }

    def lower(self, tree: Tree, known: Knowledge) -> Iterator[FileOp]:
        """Yield itself, its owner in numbers."""
        del known
        yield replace(self, owner=numeric(tree, self.owner))

    def sentence(self) -> str:
        """Name the path; the usual mode and owner go without saying."""
        is_usual = self.mode == _USUAL_DIRECTORY and self.owner == ROOT
        told = "" if is_usual else f"  ({self.mode:04o}{_owned(self.owner)})"
        return f"directory {self.path}{told}"

    def questions(self, edited: Container[str]) -> Iterator[Question]:
        """Ask whether it is one; a mount point is asked for as what is mounted on it."""
        del edited
        yield Question(
            f"{self.path} is a directory", f"test -d {shlex.quote(self.path)}", match="success"
        )


class MakeSymlink(_OnPath):
    """Make ``path`` a symbolic link; ``target`` is stored as written; ``unless`` as above."""

    path: GuestPath
    target: str
    unless: Optional[GuestPath] = None

    FORMS: ClassVar[forms.Forms] = {
        "path": forms.PATH,
        "target": forms.TEXT,
        "unless": forms.optional(forms.PATH),
    }

    def lower(self, tree: Tree, known: Knowledge) -> Iterator[FileOp]:
        """Yield itself."""
        del known
        if self.unless is None or not exists(tree, self.unless):
            yield self

    def sentence(self) -> str:
        """Name path and target."""
        return f"link      {self.path} -> {self.target}"

    def questions(self, edited: Container[str]) -> Iterator[Question]:
        """Ask where it leads."""
        del edited
        if self.unless is None:
            yield Question(
                f"{self.path} is a link", f"readlink {shlex.quote(self.path)}", self.target
            )


class Remove(_OnPath):
    """Make ``path`` and everything below it absent; absent already is fine."""

    path: GuestPath

    FORMS: ClassVar[forms.Forms] = {"path": forms.PATH}

    def lower(self, tree: Tree, known: Knowledge) -> Iterator[FileOp]:
        """Yield itself."""
        del tree, known
        yield self

    def sentence(self) -> str:
        """Name the path."""
        return f"remove    {self.path}"

    def questions(self, edited: Container[str]) -> Iterator[Question]:
        """Ask whether it is gone."""
        del edited
        path = shlex.quote(self.path)
        yield Question(
            f"{self.path} is not there", f"test '!' -e {path} -a '!' -L {path}", match="success"
        )


FileOp = Union[WriteFile, MakeDirectory, MakeSymlink, Remove]


def numeric(tree: Tree, owner: Owner) -> Owner:
    """Return ``owner`` with names looked up in the tree's own passwd and group."""
    uid, gid = owner
    if isinstance(uid, str):
        uid = accounts.resolve_user(read_text(tree, accounts.PASSWD), uid)
    if isinstance(gid, str):
        gid = accounts.resolve_group(read_text(tree, accounts.GROUP), gid)
    return Owner(uid, gid)


def is_true(tree: Tree, op: FileOp) -> bool:
    """Return whether ``tree`` already is as ``op`` says."""
    node = tree.lstat(op.path)
    if isinstance(op, Remove) or node is None:
        return node is None and isinstance(op, Remove)
    if isinstance(op, MakeSymlink):
        return node.kind is Kind.SYMLINK and node.target == op.target
    if isinstance(op, MakeDirectory):
        return _has_attributes(tree, op, node, Kind.DIRECTORY)
    if not _has_attributes(tree, op, node, Kind.FILE) or node.size != op.content.size:
        return False
    return sha256_of(tree, op.path) == op.content.sha256


def _has_attributes(
    tree: Tree, op: Union[WriteFile, MakeDirectory], node: Node, kind: Kind
) -> bool:
    """Return whether a node is of a kind, and has the owner and mode that ``op`` wants."""
    if not tree.holds_modes(op.path):
        return node.kind is kind
    return (node.kind, node.mode, node.uid, node.gid) == (kind, op.mode, *ids(op.owner))


def _owned(owner: Owner) -> str:
    """Return an owner that is not root."""
    return "" if owner == ROOT else f", {owner.uid}:{owner.gid}"
