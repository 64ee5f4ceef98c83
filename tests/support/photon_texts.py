"""Texts of a Photon root by revision and image: those of the sample base, and a few more.

Own words with the effect of Photon's files; facts such as defaults, modes and numbers are theirs.
"""

from typing import Final

from builder.facts.data import table
from builder.sample.files import package_files, photon_files
from tests.support.photon_releases import Placement, Release
from tests.support.tree import File, Tree, text

BROUGHT_BY_ANY_SYSTEM: Final = ("systemd", "dbus", "util-linux")
"""Packages whose units a root with real programs has already."""

_MODES: Final = {
    "/etc/shadow": 0o600,
    "/etc/gshadow": 0o600,
    "/etc/ssh/sshd_config": 0o600,
    "/etc/sudoers": 0o440,
    "/boot/grub2/grub.cfg": 0o600,
    "/etc/systemd/scripts/iptables": 0o755,
    "/etc/systemd/scripts/iptables.stop": 0o755,
    "/usr/lib/systemd/system-generators/cloud-init-generator": 0o755,
    "/usr/local/bin/resizefs.sh": 0o755,
}


def texts(release: Release, placement: Placement) -> dict[str, str]:
    """Return every text by its path, also those of :data:`BROUGHT_BY_ANY_SYSTEM`."""
    return photon_files(release.facts, placement.in_sample)


def configuration(release: Release, placement: Placement) -> Tree:
    """Return the texts that make a root with real programs Photon's."""
    brought = units_of_system(release)
    found = {
        path: _file(path, content)
        for path, content in texts(release, placement).items()
        if path not in brought
    }
    found["/etc/hostname"] = text("photon-machine\n")
    found["/etc/machine-id"] = text("", 0o444)
    found["/etc/issue"] = text("Welcome to Photon (\\m) - Kernel \\r (\\l)\n")
    found["/etc/motd"] = text("")
    if release.image not in table("system")["cloud_init"]["images"]:
        # An installer that was given no key still writes the file, with one empty line.
        found["/root/.ssh/authorized_keys"] = text("\n", 0o600)
    return dict(found)


def units_of_system(release: Release) -> Tree:
    """Return what a root with real programs has already."""
    packages = package_files(release.facts)
    return {
        path: _file(path, content)
        for name in BROUGHT_BY_ANY_SYSTEM
        for path, content in packages.get(name, {}).items()
        if path.startswith("/usr/")
    }


def _file(path: str, content: str) -> File:
    """Return a text with the mode that it has in Photon."""
    return text(content, _MODES.get(path, 0o644))
