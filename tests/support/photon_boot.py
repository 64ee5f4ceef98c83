"""What helps a Photon root to boot on an emulated processor."""

from typing import Final

from tests.support.tree import text

PATIENCE: Final = {
    "/etc/systemd/system.conf.d/emulated.conf": text("[Manager]\nDefaultDeviceTimeoutSec=15min\n")
}
"""For bases that boot: udev may find a disk later than systemd waits, on an emulated processor."""
