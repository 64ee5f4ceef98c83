"""Installation media with all packages that Photon publishes for a release."""

from builder.targets.installer import make_installer

TARGET = make_installer("iso", "Unattended installer with the full repository", ".iso")
