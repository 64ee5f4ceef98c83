"""Whether guests really run under KVM here: one is started, and must say so in time.

The device may exist and be open to us while no guest gets anywhere: inside another virtual
machine, for instance. So a boot sector of three instructions is run; it ends QEMU through the
``isa-debug-exit`` device, whose status is twice the written value plus one.
"""

import os
import platform
import tempfile
from pathlib import Path

from builder.boot.machine import Accelerator, Architecture
from builder.errors import ToolError
from builder.formats.foreign import find_tool, run_tool

_DEVICE = Path("/dev/kvm")
_PORT = 0xF4
_WORD = 0x21
_SECONDS = 4.0
# mov al, _WORD; out _PORT, al; hlt
_SECTOR = bytes((0xB0, _WORD, 0xE6, _PORT, 0xF4)).ljust(510, b"\0") + b"\x55\xaa"


def choose_accelerator(architecture: Architecture = "x86_64") -> Accelerator:
    """Return KVM when a guest runs under it, the slow but sure emulation otherwise.

    Only tried for x86_64: the tiny guest is written for it.
    """
    is_own = architecture == platform.machine() == "x86_64"
    if not is_own or not os.access(_DEVICE, os.R_OK | os.W_OK):
        return "tcg"
    return "kvm" if runs_guests("kvm") else "tcg"


def runs_guests(accelerator: Accelerator, *, seconds: float = _SECONDS) -> bool:
    """Tell whether a tiny guest runs to its end within that time."""
    with tempfile.NamedTemporaryFile(suffix=".raw") as disk:
        disk.write(_SECTOR)
        disk.flush()
        argv = [
            find_tool("qemu-system-x86_64"),
            *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
            *("-machine", "pc", "-accel", accelerator, "-m", "16"),
            *("-drive", f"file={disk.name},format=raw,if=ide,snapshot=on"),
            *("-device", f"isa-debug-exit,iobase={_PORT:#x},iosize=1"),
        ]
        try:
            run_tool(argv, seconds=seconds, accept=(2 * _WORD + 1,))
        except ToolError:
            return False
    return True
