"""Lower the state of a systemd unit to links and a preset line, as ``systemctl --root`` would.

Links decide on a machine that has booted; presets decide on a first boot, when
``/etc/machine-id`` says so, and after an upgrade of the unit's package. Both are written.
"""

from collections.abc import Iterator

from builder.blob import Blob
from builder.changes import FileOp, MakeSymlink, Remove, SetUnitState, UnitState, WriteFile
from builder.errors import GuestError
from builder.formats.filesystem import Kind
from builder.guest import systemd
from builder.guestpath import GuestPath, guest, join, name
from builder.roots import Root
from builder.roots.resolve import read_text, resolve


def lower_unit_state(change: SetUnitState, root: Root) -> Iterator[FileOp]:
    """Yield the links and the preset line that put a unit into a state.

    Raises:
        GuestError: the base has no such unit, or it cannot be enabled.
    """
    file = find_unit(change.unit, root)
    if file is None and change.if_present:
        return
    if file is None:
        raise no_unit(change.unit)
    unit = _own_name(change.unit, file, root)
    match change.state:
        case UnitState.ENABLED:
            yield from take_mask(unit, root)
            yield from _enable(unit, root)
        case UnitState.DISABLED:
            yield from take_mask(unit, root)
            for each in sorted(_with_also(unit, root, set())):
                yield from _disable(each, root)
        case UnitState.MASKED:
            # By the name that was given: a mask of ctrl-alt-del.target leaves reboot.target alone.
            unit = change.unit
            yield from set_mask(unit, root)
    yield from add_preset(unit, root, enable=change.state is UnitState.ENABLED)


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


def find_unit(unit: str, root: Root) -> GuestPath | None:
    """Return the unit file that systemd would load, a template for an instance of it.

    A mask in /etc does not hide the file of the vendor here.
    """
    template = systemd.template_of(unit)
    for candidate in (unit, template) if template else (unit,):
        for directory in systemd.SEARCH_PATH:
            path = join(directory, candidate)
            node = root.lstat(resolve_directory(root, path))
            if node is not None and not _is_mask(node.kind, node.target):
                return path
    return None


def _own_name(unit: str, file: GuestPath, root: Root) -> str:
    """Return the name of the unit that ``unit`` is another name for: the vendor's alias links."""
    node = root.lstat(resolve_directory(root, file))
    if node is None or node.kind is not Kind.SYMLINK or name(file) != unit:
        return unit
    target = node.target.rpartition("/")[2]
    return target if target and find_unit(target, root) else unit


def resolve_directory(root: Root, path: GuestPath) -> GuestPath:
    """Return ``path`` with the links of its directory followed."""
    return join(resolve(root, guest(path.rpartition("/")[0])), name(path))


def _is_mask(kind: Kind, target: str) -> bool:
    """Tell whether a node is a link to /dev/null."""
    return kind is Kind.SYMLINK and target == systemd.MASK


def _with_also(unit: str, root: Root, seen: set[str]) -> set[str]:
    """Return a unit and those that ``Also=`` names, of each of them in turn."""
    file = find_unit(unit, root)
    if file is None or unit in seen:
        return seen
    seen.add(unit)
    for other in systemd.also(unit, read_text(root, file)):
        _with_also(other, root, seen)
    return seen


def _enable(unit: str, root: Root) -> Iterator[FileOp]:
    """Yield the links of ``[Install]``, and those of the units that ``Also=`` names."""
    together = sorted(_with_also(unit, root, set()))
    made = False
    for each in together:
        file = find_unit(each, root)
        if file is not None:
            for link, target in systemd.enable_links(each, read_text(root, file), str(file)):
                made = True
                yield MakeSymlink(link, target)
    if not made and len(together) == 1:
        raise GuestError(
            f"{unit} has no [Install] section: it cannot be enabled, other units start it",
            code="SVC002",
            hint="drop it from `services.enable`",
        )


def _disable(unit: str, root: Root) -> Iterator[FileOp]:
    """Yield the removal of every link that pulls ``unit`` in, the vendor's too."""
    for directory in systemd.SEARCH_PATH:
        real = resolve(root, directory)
        node = root.lstat(real)
        if node is None or node.kind is not Kind.DIRECTORY:
            continue
        for entry in root.names(real):
            if entry.endswith((".wants", ".requires", ".upholds")):
                yield from _links_in(unit, join(real, entry), root)
        if directory == systemd.ETC:
            yield from _aliases(unit, real, root)


def _links_in(unit: str, directory: GuestPath, root: Root) -> Iterator[FileOp]:
    """Yield the removal of the links to ``unit``, or to instances of it, in one directory."""
    node = root.lstat(directory)
    if node is None or node.kind is not Kind.DIRECTORY:
        return
    for entry in root.names(directory):
        if unit in {entry, systemd.template_of(entry)}:
            yield Remove(join(directory, entry))


def _aliases(unit: str, directory: GuestPath, root: Root) -> Iterator[FileOp]:
    """Yield the removal of other names that are links to ``unit``."""
    for entry in root.names(directory):
        node = root.lstat(join(directory, entry))
        if node is None or node.kind is not Kind.SYMLINK or entry == unit:
            continue
        if node.target.rpartition("/")[2] == unit:
            yield Remove(join(directory, entry))


def take_mask(unit: str, root: Root) -> Iterator[FileOp]:
    """Yield the removal of a mask."""
    path = join(systemd.ETC, unit)
    node = root.lstat(path)
    if node is not None and _is_mask(node.kind, node.target):
        yield Remove(path)


def set_mask(unit: str, root: Root) -> Iterator[FileOp]:
    """Yield the link that masks a unit."""
    path = join(systemd.ETC, unit)
    node = root.lstat(path)
    if node is not None and node.kind is not Kind.SYMLINK:
        raise GuestError(
            f"{unit} cannot be masked: {path} is a file, and a mask is a link in its place",
            code="SVC003",
            hint="disable it instead",
        )
    yield MakeSymlink(path, systemd.MASK)


def add_preset(unit: str, root: Root, *, enable: bool) -> Iterator[FileOp]:
    """Yield the preset file with the line for ``unit``."""
    text = systemd.set_preset(read_text(root, systemd.PRESET, missing=""), unit, enable=enable)
    yield WriteFile(systemd.PRESET, Blob.text(text))
