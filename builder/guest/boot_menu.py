"""The boot menus of Photon's installation media: an entry that installs unattended, put first.

Sources: the SYSLINUX manual, "Config file syntax" (label, append, default, timeout in tenths of
a second, ``menu default``); the GRUB manual, "Configuration file". The new entry is made from the
stock one, so whatever a medium passes to its kernel is passed on, and the stock entry stays, for
whoever wants to answer the installer's questions. Editing an edited menu gives the same text.
"""

import re
from collections.abc import Iterator

from builder.structs import Struct

LABEL = "photon-builder"
_MARK_BEGIN = "# photon-builder: begin"
_MARK_END = "# photon-builder: end"
_OURS = re.compile(rf"^{_MARK_BEGIN}\n.*?^{_MARK_END}\n", re.MULTILINE | re.DOTALL)
_OLD = "# photon-builder: was "


class MenuEntry(Struct, frozen=True):
    """The entry that installs unattended.

    Attributes:
        title: What the menu shows.
        arguments: Words added to the kernel's command line.
        seconds: How long the menu waits before it starts.
    """

    title: str
    arguments: tuple[str, ...]
    seconds: int


def edit_isolinux_cfg(text: str, entry: MenuEntry) -> str:
    """Return ``isolinux.cfg`` with a time-out; the stock one waits for ever."""
    return _with_directives(text, {"timeout": str(max(1, entry.seconds * 10))})


def edit_menu_cfg(text: str, entry: MenuEntry) -> str:
    """Return ``menu.cfg`` with the entry in front and as default.

    A text without an entry that boots a kernel is returned as it is.
    """
    stock = _restored(_OURS.sub("", text))
    block = _first_label(stock)
    if block is None:
        return text
    copied = [line for line in block[1:] if not _is_directive(line, "menu", "text", "endtext")]
    ours = [
        f"label {LABEL}",
        f"  menu label ^{entry.title}",
        "  menu default",
        *(_appended(line, entry.arguments) for line in copied),
    ]
    lines = [
        f"{_OLD}{line}" if _is_menu_default(line) or _is_directive(line, "default") else line
        for line in stock.splitlines()
    ]
    at = lines.index(block[0])
    made = [_MARK_BEGIN, f"default {LABEL}", *ours, _MARK_END]
    return _joined([*lines[:at], *made, *lines[at:]])


def edit_grub_cfg(text: str, entry: MenuEntry) -> str:
    """Return ``grub.cfg`` with the entry in front, as default and with a time-out.

    A text without a menu entry that boots a kernel is returned as it is.
    """
    stock = _restored(_OURS.sub("", text))
    block = _first_menuentry(stock)
    if block is None:
        return text
    head = f"menuentry {_grub_quoted(entry.title)} {{"
    ours = [head, *(_linux_line(line, entry.arguments) for line in block[1:])]
    lines = [
        f"{_OLD}{line}" if re.match(r"\s*(set\s+)?(default|timeout)=", line) else line
        for line in stock.splitlines()
    ]
    at = lines.index(block[0])
    settings = ["set default=0", f"set timeout={entry.seconds}"]
    return _joined([*lines[:at], _MARK_BEGIN, *settings, *ours, _MARK_END, *lines[at:]])


def _with_directives(text: str, values: dict[str, str]) -> str:
    """Return SYSLINUX text in which each directive stands once, with its value."""
    lines, missing = [], dict(values)
    for line in text.splitlines():
        word = line.strip().partition(" ")[0].lower()
        if word in values:
            if word in missing:
                lines.append(f"{word} {missing.pop(word)}")
            continue
        lines.append(line)
    return _joined([*lines, *(f"{word} {value}" for word, value in missing.items())])


def _first_label(text: str) -> list[str] | None:
    """Return the lines of the first label that boots a kernel with ``append``."""
    found: list[str] = []
    for line in [*text.splitlines(), "label"]:
        if _is_directive(line, "label", "default", "include", "timeout"):
            if any(_is_directive(each, "append") for each in found):
                return _trimmed(found)
            found = [line] if _is_directive(line, "label") else []
        elif found:
            found.append(line)
    return None


def _first_menuentry(text: str) -> list[str] | None:
    """Return the lines of the first menu entry that has a ``linux`` command."""
    found: list[str] = []
    for line in text.splitlines():
        if line.lstrip().startswith("menuentry "):
            found = [line]
        elif found:
            found.append(line)
            if line.strip() == "}":
                if any(_is_directive(each, "linux", "linuxefi", "linux16") for each in found):
                    return found
                found = []
    return None


def _linux_line(line: str, arguments: tuple[str, ...]) -> str:
    """Return a line of a menu entry, arguments added when it names the kernel."""
    if not _is_directive(line, "linux", "linuxefi", "linux16"):
        return line
    return _with_words(line, arguments)


def _appended(line: str, arguments: tuple[str, ...]) -> str:
    """Return a line of a label, arguments added when it is ``append``."""
    return _with_words(line, arguments) if _is_directive(line, "append") else line


def _with_words(line: str, arguments: tuple[str, ...]) -> str:
    """Return a line with words at its end; ``key=value`` takes the place of others of its key.

    The installer starts on the console that is active, and compares the whole list of them; and
    what it does with two kickstarts depends on its age.
    """
    decided = {key for key, equals, _ in (word.partition("=") for word in arguments) if equals}
    indent = line[: len(line) - len(line.lstrip())]
    kept = [word for word in line.split() if word.partition("=")[0] not in decided]
    return indent + " ".join([*kept, *(word for word in arguments if word not in kept)])


def _is_directive(line: str, *words: str) -> bool:
    """Return whether a line begins with one of these words."""
    return bool(line.split()) and line.split(maxsplit=1)[0].lower() in words


def _is_menu_default(line: str) -> bool:
    """Tell the line that makes its label the default."""
    return line.lower().split() == ["menu", "default"]


def _restored(text: str) -> str:
    """Return text with the lines that were set aside in their place again."""
    return "".join(_iter_restored(text))


def _iter_restored(text: str) -> Iterator[str]:
    """Yield lines, those that were set aside as they were."""
    for line in text.splitlines(keepends=True):
        yield line.removeprefix(_OLD)


def _trimmed(lines: list[str]) -> list[str]:
    """Return lines without blank ones and comments at the end."""
    while lines and (not lines[-1].strip() or lines[-1].lstrip().startswith("#")):
        lines = lines[:-1]
    return lines


def _grub_quoted(text: str) -> str:
    """Return text as one word of GRUB's language."""
    return "'" + text.replace("'", "") + "'"


def _joined(lines: list[str]) -> str:
    """Return lines as text that ends with a newline."""
    return "".join(f"{line}\n" for line in lines)
