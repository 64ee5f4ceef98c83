"""What is known of a base as plain data, for a person or a program to read."""

from typing import Any

from builder.facts import Facts

_TOLD = ("systemd", "tdnf", "openssh", "cloud-init", "glibc", "rpm", "iptables")
"""Packages whose version tells what a spec may ask for."""

_WANTED = ("sudo", "tar", "curl", "nfs-utils", "cifs-utils", "docker-compose", "rsyslog", "cronie")
"""Packages that specs lean on and that images often lack."""

_OPTIONS = {
    "zram": "ZRAM",
    "WireGuard": "WIREGUARD",
    "bonding": "BONDING",
    "nftables": "NF_TABLES",
    "virtio disks": "VIRTIO_BLK",
    "Hyper-V": "HYPERV",
    "XFS": "XFS_FS",
    "Btrfs": "BTRFS_FS",
    "NFS 4.1": "NFS_V4_1",
}


def summary(facts: Facts) -> dict[str, Any]:
    """Return what is known of a base; a value of ``None`` is one that the tables do not have."""
    versions = {name: facts.version_of(name) for name in _TOLD if facts.has_package(name)}
    return {
        "revision": facts.revision,
        "image": facts.image,
        "arch": facts.arch,
        "versions": versions,
        "lacks": [name for name in _WANTED if facts.has_package(name) is False],
        "kernels": {flavour: _kernel(facts, flavour) for flavour in facts.flavours},
        "docker": _docker(facts),
        "packages": {
            "repositories": {each.name: each.address for each in _enabled(facts)},
            "knows the key of 2024": facts.has_key_4096,
            "database": facts.rpm_database,
        },
        "firewall": {"lets IPv6 work": facts.firewall.has_icmpv6},
        "cloud-init": list(facts.cloud_init.datasources) if facts.cloud_init else None,
        "installer": {
            "kind": facts.installer.kind,
            "filesystems": list(facts.installer.mkfs),
            "mount": facts.installer.mount,
        },
    }


def _kernel(facts: Facts, flavour: str) -> dict[str, Any]:
    """Return what a kernel can do."""
    can = [name for name, option in _OPTIONS.items() if facts.kernel_option(option, flavour) != "n"]
    return {
        "version": facts.version_of(flavour),
        "has": can,
        "lacks": [name for name in _OPTIONS if name not in can],
    }


def _docker(facts: Facts) -> dict[str, Any] | None:
    """Return what the engine can do, ``None`` where the image has none."""
    if not facts.has_docker:
        return None
    docker = facts.docker
    return {
        "version": docker.version,
        "runc": docker.runc,
        "starts at boot": facts.is_enabled("docker.service"),
        "finds compose as a plugin": docker.has_cli_plugins,
        "log driver local": docker.has_local_log_driver,
        "runs images of today": not docker.seccomp_profile or "with the seccomp profile only",
    }


def _enabled(facts: Facts) -> list[Any]:
    """Return the repositories that tdnf uses."""
    return [each for each in facts.repositories if each.is_enabled]
