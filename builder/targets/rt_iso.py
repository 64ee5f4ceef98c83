"""Installation media with the real-time kernel."""

from builder.targets.installer import make_installer

TARGET = make_installer(
    "rt-iso",
    "Unattended installer of the real-time kernel",
    ".rt.iso",
    {"package_list": "packages_rt.json", "linux_flavor": "linux-rt"},
    image="rt-iso",
)
