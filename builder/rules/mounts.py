"""Rules of mounts and of what lies below them."""

from collections.abc import Iterator

from builder.errors import Diagnostic
from builder.rules.model import Rule, Subject, error, find, warning

_HELPERS = {"nfs": "nfs-utils", "nfs4": "nfs-utils", "cifs": "cifs-utils"}


def _without_helper(subject: Subject) -> Iterator[Diagnostic]:
    """Find shares that the published images cannot mount."""
    packages = subject.packages()
    for overlay, path, mount in subject.listed("mounts") if subject.is_published else ():
        package = _HELPERS.get(mount["type"])
        if package and package not in packages:
            message = f"a {mount['type']} share needs {package}, which no published image has"
            yield find(overlay, (*path, "type"), message, f"add `packages: [{package}]`")


def _covered(subject: Subject) -> Iterator[Diagnostic]:
    """Find files that a mount will hide."""
    points = [mount.get("path", "") for _, _, mount in subject.listed("mounts")]
    for overlay, path, entry in subject.listed("files"):
        place = str(entry["path"])
        point = next((p for p in points if p and place.startswith(f"{p.rstrip('/')}/")), "")
        if point:
            message = f"{place} lies below {point}, where something is mounted over it"
            yield find(overlay, (*path, "path"), message, "put it elsewhere")


RULES: tuple[Rule, ...] = (
    error(
        "MNT001",
        "the base cannot mount NFS",
        "The kernel mounts NFS only with the help of /usr/sbin/mount.nfs, which Photon has in "
        "nfs-utils, and minimal bases do not have that package. Add packages: [nfs-utils]. On a "
        "disk it is installed on the first boot with a network, and the automount works from then "
        "on.",
    ),
    error(
        "MNT002",
        "not a source of this kind",
        "NFS has host:/share, with an IPv6 address in brackets; CIFS has //host/share. Disks are "
        "named by /dev, UUID, LABEL, PARTUUID or PARTLABEL. bind takes an absolute folder.",
    ),
    error(
        "MNT003",
        "no place to mount something",
        "The base mounts /, /boot and the kernel's own folders itself. Something else there would "
        "keep the machine from booting. Every type but swap needs a path of its own.",
    ),
    error(
        "MNT004",
        "two mounts at one path",
        "The second would hide the first, and which is second depends on the order at boot. Drop "
        "one, or use another folder.",
    ),
    error(
        "MNT005",
        "the base cannot mount CIFS",
        "Windows shares are mounted with the help of /usr/sbin/mount.cifs from cifs-utils. Without "
        "it the mount fails for want of credentials handling. Add packages: [cifs-utils].",
    ),
    warning(
        "MNT010",
        "a share without the package that mounts it",
        "No published Photon image has nfs-utils or cifs-utils, so the build would stop when it "
        "looks into the base. Add the package; it is installed on the first boot with a network, "
        "and the share is mounted when it is first used.",
        _without_helper,
    ),
    warning(
        "MNT011",
        "a file below a mount point",
        "What is mounted hides what the image has at the same place. The file is only seen while "
        "the share is away.",
        _covered,
    ),
)
