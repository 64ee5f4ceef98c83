"""os-release(5) and Photon's own release file: which release an opened base is.

Source: os-release(5); ``/etc/photon-release`` has the product and version in its
first line and ``PHOTON_BUILD_NUMBER=`` in its second.
"""

import re
import shlex

from builder.errors import GuestError
from builder.guestpath import guest
from builder.structs import Struct

OS_RELEASE = guest("/etc/os-release")
PHOTON_RELEASE = guest("/etc/photon-release")


class Release(Struct, frozen=True):
    """What a base says it is.

    Attributes:
        version: Photon release, such as ``3.0``.
        build: Build number, usually a commit; empty when not stated.
        variant: ``VARIANT_ID``; ``sample`` for the sample base, empty for Photon's own images.
    """

    version: str
    build: str = ""
    variant: str = ""


def parse_os_release(text: str) -> dict[str, str]:
    """Return the variables of an os-release file; lines that are no assignment are left out."""
    pairs = (line.partition("=") for line in map(str.strip, text.splitlines()))
    return {
        key: _unquote(value)
        for key, separator, value in pairs
        if separator and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key)
    }


def _unquote(value: str) -> str:
    """Return a shell word's meaning, or the word itself when its quotes do not match."""
    try:
        return "".join(shlex.split(value)[:1])
    except ValueError:
        return value


def parse_release(os_release: str, photon_release: str = "") -> Release:
    """Return the Photon release that the two files state.

    Raises:
        GuestError: neither file says that this is Photon OS.
    """
    variables = parse_os_release(os_release)
    build = parse_os_release(photon_release).get("PHOTON_BUILD_NUMBER", "")
    version = variables.get("VERSION_ID", "")
    if variables.get("ID") == "photon" and version:
        return Release(version, build, variables.get("VARIANT_ID", ""))
    titled = re.match(r"VMware Photon(?: OS| Linux)? v?(\d+\.\d+)", photon_release)
    if titled:
        return Release(titled[1], build)
    found = variables.get("PRETTY_NAME") or variables.get("ID") or "no name"
    raise GuestError(
        f"{OS_RELEASE}: the base says {found}; wanted ID=photon with a VERSION_ID",
        hint="this builder customises Photon OS only",
    )
