"""One step in the installed system: ``python3 -m in_guest STEP ARGUMENT…``.

What is refused is said on standard error, and by the exit status.
"""

from __future__ import annotations  # runs with Python 3.7, where list[str] is no expression

import os
import sys
from collections.abc import Callable

from . import accounts, files, texts, units

STEPS: dict[str, Callable[..., int | None]] = {
    "remove": files.remove,
    "unpack": files.unpack,
    "ensure-line": texts.ensure_line,
    "replace-text": texts.replace_text,
    "kernel-arguments": texts.kernel_arguments,
    "add-group": accounts.add_group,
    "add-user": accounts.add_user,
    "set-password": accounts.set_password,
    "own-name": units.own_name,
    "drop-links": units.drop_links,
    "set-preset": units.set_preset,
    "require": units.require,
    "require-module": units.require_module,
}


def main(step: str, *arguments: str) -> int:
    """Take one step; the exit status tells whether it was taken."""
    os.umask(0o022)
    try:
        return STEPS[step](*arguments) or 0
    except (files.RefusedError, OSError) as error:
        sys.stderr.write(f"{step}: {error}\n")
        return 1


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
