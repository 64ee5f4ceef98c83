"""Carry a plan into a virtual appliance: edit the disk where it lies, and pack it anew.

Nothing is unpacked: the disk is read through its grain tables, changed grains are kept apart in
memory (beyond 8 MiB, deflated, in a file without a name), and all others are copied as they are.
Cost follows the number of changes and the length of the file, not the size of the disk.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from builder.carriers.edit import edit, in_disk_of
from builder.carriers.grow import fit_disk
from builder.carriers.packing import disk_size
from builder.errors import GuestError
from builder.formats.disk import MIB
from builder.formats.ova import Appliance, Ova, open_ova, write_ova
from builder.formats.ovf import (
    DiskReference,
    Edits,
    Envelope,
    Product,
    Property,
    edit_envelope,
    parse_envelope,
)
from builder.formats.spool import Spool
from builder.formats.stream import Span
from builder.formats.vmdk import GrainOverlay, StreamOptimized, splice
from builder.job import Job, Made
from builder.roots.disk import open_root
from builder.sizes import mib_of

DEFAULT_MANIFEST = "SHA256"
_PARTS = (
    *("name", "hardware_version", "firmware", "secure_boot", "cpus", "memory_mib", "networks"),
    *("nic_types", "product", "properties", "transport", "annotation", "eula"),
)
"""Of an envelope, what a spec may ask for."""


def build_appliance(job: Job) -> Made:
    """Make an OVA from an OVA: its disk edited by the plan, its envelope by the options.

    Raises:
        FormatError: the base is damaged, or holds no disk that can be edited.
        GuestError: the plan does not fit the base.
    """
    with open_ova(job.base) as ova, Spool(job.directory) as spool:
        member, reference = ova.disk
        name = f"{ova.name}: {member.name}"
        vmdk = StreamOptimized(ova.fd, member.offset, member.size, name=name)
        if not job.is_pinned:
            ova.check_digests()
            if not ova.vouches_for(member):  # nobody else would read what is copied as it is
                vmdk.check(full=True)
        disk = GrainOverlay(vmdk, spool)
        with in_disk_of(job.base):
            if wanted := disk_size(job.sections):
                fit_disk(disk, wanted, MIB, job)
            root = open_root(disk, timestamp=job.timestamp)
            done = edit(root, job.plan.steps, job.timestamp)
            root.flush()
        return _write(job, ova, disk, (reference, member.name, len(done)))


def edits_of(options: Mapping[str, Any], **known: Any) -> Edits:  # noqa: ANN401 - fields of Edits
    """Return the edits of an envelope that the ``output`` section of a spec asks for."""
    version, memory = options.get("hardware_version"), options.get("memory")
    return Edits(
        **known,
        hardware_version=None if version is None else f"vmx-{version}",
        firmware=options.get("firmware"),
        secure_boot=options.get("secure_boot"),
        network=options.get("network"),
        nic_type=options.get("nic"),
        cpus=options.get("cpus"),
        memory_mib=None if memory is None else mib_of(memory, "M"),
        annotation=options.get("annotation"),
        eula=options.get("eula"),
        product=Product(**options.get("product", {})),
        properties=tuple(
            _property(key, value) for key, value in options.get("properties", {}).items()
        ),
    )


def differences(envelope: Envelope, options: Mapping[str, Any], name: str) -> Iterator[str]:
    """Yield what an envelope says otherwise than the ``output`` section and the spec's name."""
    edits = edits_of(options, name=name)
    wanted = parse_envelope(edit_envelope(envelope, edits), name=envelope.where)
    for part in _PARTS:
        found, should = getattr(envelope, part), getattr(wanted, part)
        if found != should:
            yield f"{part.replace('_', ' ')} of the envelope is {found!r}, not {should!r}"


def check_secure_boot(envelope: Envelope, edits: Edits) -> None:
    """Refuse secure boot of a machine with a BIOS, which has none.

    Raises:
        GuestError: the envelope would ask for both.
    """
    if edits.secure_boot and (edits.firmware or envelope.firmware) != "efi":
        raise GuestError(
            "output.secure_boot needs UEFI firmware, and the base has a BIOS",
            code="OUT006",
            hint="add firmware: efi",
        )


def _property(key: str, value: Mapping[str, Any]) -> Property:
    """Return one OVF property."""
    return Property(
        key,
        value.get("value", ""),
        value.get("type", "string"),
        value.get("user_configurable", False),
        value.get("label", ""),
        value.get("description", ""),
    )


def _write(job: Job, ova: Ova, disk: GrainOverlay, what: tuple[DiskReference, str, int]) -> Made:
    """Write the new appliance."""
    reference, disk_name, operations = what
    spliced = splice(disk)
    capacity = disk.size if disk.size != disk.vmdk.capacity else None
    known = {"disk": reference, "disk_size": spliced.size, "capacity": capacity}
    edits = edits_of(job.options, **known, name=job.name)
    check_secure_boot(ova.envelope, edits)
    segments = list(spliced.segments())
    copied = sum(part.length for part in segments if isinstance(part, Span))
    appliance = Appliance(
        ova.envelope_name,
        edit_envelope(ova.envelope, edits),
        disk_name,
        spliced.size,
        segments,
        ova.manifest.algorithm if ova.manifest else DEFAULT_MANIFEST,
        job.timestamp,
        ova.others,
    )
    with job.progress.count("copying", spliced.size) as advance:
        written = write_ova(job.fd, appliance, advance)
    return Made(written.sha256, written.size, operations, written.size - copied)
