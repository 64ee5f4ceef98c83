"""What the kernels of a revision can do: options, modules, flavours."""

import functools

from builder.facts.data import covers, row_for, table, value_for

_ORDER = "nmy"
"""From the least able to the most."""


def flavours_of(image: str, revision: str) -> tuple[str, ...]:
    """Return the kernels that an image boots; a medium has several to choose from."""
    by_image = table("kernel")["by_image"].get(image, {})
    return tuple(str(value_for(by_image, revision) or "").split())


def flavours_with(option: str, revision: str, arch: str) -> tuple[str, ...]:
    """Return every kernel of a revision that has an option, built in or as a module."""
    return tuple(
        flavour
        for flavour in _flavours(revision, arch)
        if option_of(option, flavour, revision, arch) in {"y", "m"}
    )


@functools.cache
def option_of(option: str, flavour: str, revision: str, arch: str) -> str | None:
    """Return ``y``, ``m`` or ``n``; ``None`` when the table does not have option or kernel."""
    kernels = table("kernel")
    row = kernels["rows"].get(f"{revision}/{flavour}/{arch}")
    options = kernels["options"].split()
    return row["values"][options.index(option)] if row and option in options else None


def least(values: list[str | None]) -> str | None:
    """Return the least able of several answers, ``None`` when one of them is not known."""
    known = [value for value in values if value is not None]
    return min(known, key=_ORDER.index) if known and len(known) == len(values) else None


def option_for_module(module: str) -> str:
    """Return the option that builds a module, empty when the table does not have it."""
    plain = module.replace("-", "_")
    named = table("kernel")["modules"].items()
    return next((str(option) for name, option in named if name.replace("-", "_") == plain), "")


def has_kernel_names(image: str, revision: str) -> bool:
    """Return whether the interfaces of an image keep the kernel's names, such as eth0."""
    network = table("system")["network"]
    words = str(row_for(network["cmdline"], revision)["words"]).split()
    literal = network["cloud_edits"]["literal_cmdline_in_grub_cfg"].get(image, "")
    return "net.ifnames=0" in words and not covers(literal, revision)


def known_modules() -> tuple[str, ...]:
    """Return the names of the modules that the table has."""
    return tuple(table("kernel")["modules"])


def _flavours(revision: str, arch: str) -> list[str]:
    """Return every kernel of a revision for an architecture."""
    split = (key.split("/") for key in table("kernel")["rows"])
    return [flavour for row, flavour, own in split if (row, own) == (revision, arch)]
