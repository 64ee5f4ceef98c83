"""Carry a plan into a virtual appliance: edit the disk where it lies, and pack it anew.

Nothing is unpacked: the disk is read through its grain tables, changed grains are kept apart in
memory (beyond 8 MiB, deflated, in a file without a name), and all others are copied as they are.
Cost follows the number of changes and the length of the file, not the size of the disk.
"""

from collections.abc import Mapping
from typing import Any

from builder.carriers.edit import edit, in_disk_of
from builder.carriers.grow import fit_disk
from builder.carriers.packing import disk_size
from builder.formats.disk import MIB
from builder.formats.ova import Appliance, Ova, open_ova, write_ova
from builder.formats.ovf import DiskReference, Edits, Product, Property, edit_envelope
from builder.formats.spill import Spill
from builder.formats.stream import Span
from builder.formats.vmdk import GrainOverlay, StreamOptimized, splice
from builder.job import Job, Made
from builder.roots.disk import open_root

DEFAULT_MANIFEST = "SHA256"


def build_appliance(job: Job) -> Made:
    """Make an OVA from an OVA: its disk edited by the plan, its envelope by the options.

    Raises:
        FormatError: the base is damaged, or holds no disk that can be edited.
        GuestError: the plan does not fit the base.
    """
    with open_ova(job.base) as ova, Spill(job.directory) as spill:
        member, reference = ova.disk
        name = f"{ova.name}: {member.name}"
        vmdk = StreamOptimized(ova.fd, member.offset, member.size, name=name)
        if not job.is_pinned:
            ova.check_digests()
            if not ova.vouches_for(member):  # nobody else would read what is copied as it is
                vmdk.check(full=True)
        disk = GrainOverlay(vmdk, spill)
        with in_disk_of(job.base):
            if wanted := disk_size(job.sections):
                fit_disk(disk, wanted, MIB, job)
            root = open_root(disk, timestamp=job.timestamp)
            done = edit(root, job.plan.steps, job.timestamp)
            root.flush()
        return _write(job, ova, disk, (reference, member.name, len(done)))


def edits_of(options: Mapping[str, Any], **known: Any) -> Edits:  # noqa: ANN401 - fields of Edits
    """Return the edits of an envelope that the ``output`` section of a spec asks for."""
    version = options.get("hardware_version")
    return Edits(
        **known,
        hardware_version=None if version is None else f"vmx-{version}",
        firmware=options.get("firmware"),
        secure_boot=options.get("secure_boot"),
        network=options.get("network"),
        nic_type=options.get("nic"),
        cpus=options.get("cpus"),
        memory_mib=options.get("memory"),
        annotation=options.get("annotation"),
        product=Product(**options.get("product", {})),
        properties=tuple(
            _property(key, value) for key, value in options.get("properties", {}).items()
        ),
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
