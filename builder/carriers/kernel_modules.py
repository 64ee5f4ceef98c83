"""What the kernels in a root can load, read from the lists beside their modules."""

from builder.errors import GuestError
from builder.formats.filesystem import Kind
from builder.guest.kernel_modules import LISTS, module_names
from builder.guestpath import guest, join
from builder.roots import Root
from builder.roots.resolve import read_text, resolve

_MODULES = guest("/lib/modules")


def check_module(root: Root, name: str) -> None:
    """Refuse a module that no kernel of the root has; a root without lists says nothing.

    Raises:
        GuestError: names the module.
    """
    known = frozenset[str]().union(*map(module_names, _lists(root)))
    if known and name.replace("-", "_") not in known:
        raise GuestError(
            f"the kernel of the base has no module {name}, and none built in",
            code="MOD001",
            hint="drop it, or bring it with a package under `packages`",
        )


def _lists(root: Root) -> list[str]:
    """Return the lists of every kernel."""
    folder = resolve(root, _MODULES)
    node = root.lstat(folder)
    if node is None or node.kind is not Kind.DIRECTORY:
        return []
    kernels = [join(folder, kernel) for kernel in root.names(folder)]
    return [
        read_text(root, join(kernel, name), missing="")
        for kernel in kernels
        if (node := root.lstat(kernel)) is not None and node.kind is Kind.DIRECTORY
        for name in LISTS
    ]
