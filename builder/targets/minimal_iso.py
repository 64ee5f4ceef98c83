"""Installation media with the packages of a minimal system."""

from builder.targets.installer import make_installer

TARGET = make_installer(
    "minimal-iso", "Unattended installer with the minimal packages", ".minimal.iso"
)
