"""Lower the state of a systemd unit to links and a preset line, as ``systemctl --root`` would.

Links decide on a machine that has booted; presets decide on a first boot, when
``/etc/machine-id`` says so, and after an upgrade of the unit's package. Both are written.
"""

from __future__ import annotations

from typing import Iterator, Optional, Set

from .blobs import Blob
from .errors import GuestError
from .nodes import Kind
from .ops import FileOp, MakeSymlink, Remove, WriteFile
from .paths import GuestPath, guest, join, name
from .text import systemd
from .tree import Tree, read_text, resolve


def enable(unit: str, tree: Tree) -> Iterator[FileOp]:
    """Yield what enables a unit that is there: no mask, and its links."""
    yield from take_mask(unit, tree)
    yield from _enable(unit, tree)


def disable(unit: str, tree: Tree) -> Iterator[FileOp]:
    """Yield what disables a unit that is there, and those that go along with it."""
    yield from take_mask(unit, tree)
    for each in sorted(_with_also(unit, tree, set())):
        yield from _disable(each, tree)


def no_unit(unit: str, package: str = "") -> GuestError:
    """Return the error for a unit that is not there; ``package`` is what would bring it."""
    if package:
        message = f"the base has no {unit}: the package {package} brings it"
        return GuestError(message, code="SVC001", hint=f"add `packages: [{package}]`")
    return GuestError(
        f"the base has no unit {unit}",
        code="SVC001",
        hint="check its name; is its package installed in the base, or given under `units`?",
    )


def find_unit(unit: str, tree: Tree) -> Optional[GuestPath]:
    """Return the unit file that systemd would load, a template for an instance of it.

    A mask in /etc does not hide the file of the vendor here.
    """
    template = systemd.template_of(unit)
    for candidate in (unit, template) if template else (unit,):
        for directory in systemd.SEARCH_PATH:
            path = join(directory, candidate)
            node = tree.lstat(resolve_directory(tree, path))
            if node is not None and not _is_mask(node.kind, node.target):
                return path
    return None


def own_name(unit: str, file: GuestPath, tree: Tree) -> str:
    """Return the name of the unit that ``unit`` is another name for: the vendor's alias links."""
    node = tree.lstat(resolve_directory(tree, file))
    if node is None or node.kind is not Kind.SYMLINK or name(file) != unit:
        return unit
    target = node.target.rpartition("/")[2]
    return target if target and find_unit(target, tree) else unit


def resolve_directory(tree: Tree, path: GuestPath) -> GuestPath:
    """Return ``path`` with the links of its directory followed."""
    return join(resolve(tree, guest(path.rpartition("/")[0])), name(path))


def _is_mask(kind: Kind, target: str) -> bool:
    """Return whether a node is a link to /dev/null."""
    return kind is Kind.SYMLINK and target == systemd.MASK


def _with_also(unit: str, tree: Tree, seen: Set[str]) -> Set[str]:
    """Return a unit and those that ``Also=`` names, of each of them in turn."""
    file = find_unit(unit, tree)
    if file is None or unit in seen:
        return seen
    seen.add(unit)
    for other in systemd.also(unit, read_text(tree, file)):
        _with_also(other, tree, seen)
    return seen


def _enable(unit: str, tree: Tree) -> Iterator[FileOp]:
    """Yield the links of ``[Install]``, and those of the units that ``Also=`` names."""
    together = sorted(_with_also(unit, tree, set()))
    made = False
    for each in together:
        file = find_unit(each, tree)
        if file is not None:
            for link, target in systemd.enable_links(each, read_text(tree, file), str(file)):
                made = True
                yield MakeSymlink(link, target)
    if not made and len(together) == 1:
        raise GuestError(
            f"{unit} has no [Install] section: it cannot be enabled, other units start it",
            code="SVC002",
            hint="drop it from `services.enable`",
        )


def _disable(unit: str, tree: Tree) -> Iterator[FileOp]:
    """Yield the removal of every link that pulls ``unit`` in, the vendor's too."""
    for directory in systemd.SEARCH_PATH:
        real = resolve(tree, directory)
        node = tree.lstat(real)
        if node is None or node.kind is not Kind.DIRECTORY:
            continue
        for entry in tree.names(real):
            if entry.endswith((".wants", ".requires", ".upholds")):
                yield from _links_in(unit, join(real, entry), tree)
        if directory == systemd.ETC:
            yield from _aliases(unit, real, tree)


def _links_in(unit: str, directory: GuestPath, tree: Tree) -> Iterator[FileOp]:
    """Yield the removal of the links to ``unit``, or to instances of it, in one directory."""
    node = tree.lstat(directory)
    if node is None or node.kind is not Kind.DIRECTORY:
        return
    for entry in tree.names(directory):
        if unit in {entry, systemd.template_of(entry)}:
            yield Remove(join(directory, entry))


def _aliases(unit: str, directory: GuestPath, tree: Tree) -> Iterator[FileOp]:
    """Yield the removal of other names that are links to ``unit``."""
    for entry in tree.names(directory):
        node = tree.lstat(join(directory, entry))
        if node is None or node.kind is not Kind.SYMLINK or entry == unit:
            continue
        if node.target.rpartition("/")[2] == unit:
            yield Remove(join(directory, entry))


def take_mask(unit: str, tree: Tree) -> Iterator[FileOp]:
    """Yield the removal of a mask."""
    path = join(systemd.ETC, unit)
    node = tree.lstat(path)
    if node is not None and _is_mask(node.kind, node.target):
        yield Remove(path)


def set_mask(unit: str, tree: Tree) -> Iterator[FileOp]:
    """Yield the link that masks a unit."""
    path = join(systemd.ETC, unit)
    node = tree.lstat(path)
    if node is not None and node.kind is not Kind.SYMLINK:
        raise GuestError(
            f"{unit} cannot be masked: {path} is a file, and a mask is a link in its place",
            code="SVC003",
            hint="disable it instead",
        )
    yield MakeSymlink(path, systemd.MASK)


def add_preset(unit: str, tree: Tree, *, enable: bool) -> Iterator[FileOp]:
    """Yield the preset file with the line for ``unit``."""
    text = systemd.set_preset(read_text(tree, systemd.PRESET, missing=""), unit, enable=enable)
    yield WriteFile(systemd.PRESET, Blob.text(text))
