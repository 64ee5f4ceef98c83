"""Rules of the images that are made for containers."""

from builder.rules.model import Rule, error

RULES: tuple[Rule, ...] = (
    error(
        "IMG001",
        "the runtime of a container replaces the file",
        "docker, containerd and podman mount their own /etc/hostname, /etc/hosts and "
        "/etc/resolv.conf over those of an image, so a container would not see them. Give such "
        "settings to the container: `docker run --hostname`, `--add-host`, `--dns`.",
    ),
)
