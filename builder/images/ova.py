"""A virtual appliance: a tar with an OVF descriptor in front."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from builder.formats.magic import TAR
from builder.images import Container, Image

if TYPE_CHECKING:
    from builder.formats.ova import Ova

_NAME = slice(0, 100)


def _sniff(head: bytes) -> bool:
    """Return whether a file is a tar with an OVF descriptor first, or any other tar."""
    first = head[_NAME].rstrip(b"\0")
    return TAR.matches(head) or first.endswith(b".ovf")


@contextmanager
def _open(path: Path) -> Iterator[Image]:
    """Open an OVA and the disk in it; the codecs are imported when there is one."""
    from builder.formats.ova import open_ova
    from builder.formats.vmdk import GrainOverlay, StreamOptimized

    with open_ova(path) as ova:
        member, reference = ova.disk
        vmdk = StreamOptimized(ova.fd, member.offset, member.size, name=member.name)

        def check(full: bool) -> None:
            vmdk.check(full=full)
            if full:
                ova.check_digests()

        facts = _facts(ova, reference.capacity)
        yield Image("ova", GrainOverlay(vmdk), facts, check, envelope=ova.envelope)


def _facts(ova: "Ova", capacity: int) -> dict[str, object]:
    """Return the properties of the envelope."""
    envelope = ova.envelope
    return {
        "name": envelope.name,
        "members": [f"{member.name} ({member.size} bytes)" for member in ova.members],
        "hardware_version": envelope.hardware_version,
        "firmware": envelope.firmware,
        "secure_boot": envelope.secure_boot,
        "configurations": list(envelope.configurations),
        "cpus": envelope.cpus,
        "memory_mib": envelope.memory_mib,
        "networks": list(envelope.networks),
        "adapters": list(envelope.nic_types),
        "annotation": envelope.annotation,
        "capacity": capacity,
        "manifest": ova.manifest.algorithm if ova.manifest else "none",
    }


CONTAINER = Container("ova", _sniff, _open, is_direct=True)
