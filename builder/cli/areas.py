"""Areas of a machine (network, services, ...), by which a plan groups the keys of an overlay."""

AREAS: dict[str, tuple[str, ...]] = {
    "access": (*("users", "groups", "ssh", "ssh_client", "serial_console"),),
    "network": (
        *("hostname", "network", "wifi", "hosts", "firewall", "proxy", "ntp", "clock"),
        "ca_certificates",
    ),
    "services": ("services", "units", "first_boot", "journal", "cloud_init"),
    "apps": ("compose", "docker", "packages", "repositories"),
    "files": ("files",),
    "disk": ("mounts", "swap"),
}
"""Area to the keys of an overlay that belong to it, in the order in which a plan shows them."""

SYSTEM = "system"
"""The area of every other key."""


def area_of(origin: str) -> str:
    """Return the area of a key, as a step names it: ``overlay.users`` or ``default: identity``."""
    key = origin.removeprefix("default: ").removeprefix("overlay.").partition(".")[0]
    return next((area for area, keys in AREAS.items() if key in keys), SYSTEM)


def key_of(origin: str) -> str:
    """Return the key that requested a step, as a plan shows it."""
    return origin.removeprefix("overlay.")
