"""What an OVF envelope says: files, disks, hardware, product and its properties.

Source: DSP0243 1.1, sections 7 (descriptor), 8 (virtual hardware) and 9 (metadata sections).
Only an envelope with one virtual system is read: an appliance of several has no root to edit.

    References      File: href, id, size, compression, chunkSize
    DiskSection     Disk: diskId, fileRef, capacity, capacityAllocationUnits, populatedSize
    NetworkSection  Network: name
    VirtualSystem   Name, VirtualHardwareSection (System, Item ..., vmw:Config ...),
                    ProductSection, AnnotationSection, ...
"""

from dataclasses import dataclass, field

from builder.errors import FormatError
from builder.formats.ovf.names import OVF, ovf, rasd, vmw, vssd
from builder.formats.ovf.quantities import (
    NIC,
    cpus_of,
    default_first,
    items,
    memory_mib_of,
    parse_number,
    parse_units,
)
from builder.formats.ovf.xml import Element, parse_document
from builder.structs import Struct

TEXTS = {"AnnotationSection": "Annotation", "EulaSection": "License"}
"""Section to the element that holds its text."""


class FileReference(Struct, frozen=True):
    """A file of the appliance.

    Attributes:
        href: Its name beside the envelope.
        file_id: As disks name it.
        size: Its length; ``None`` when it is not stated.
        compression: ``gzip`` or empty.
        is_chunked: Whether it is split into several files.
    """

    href: str
    file_id: str
    size: int | None
    compression: str
    is_chunked: bool


class DiskReference(Struct, frozen=True):
    """A disk and the file that holds it.

    Attributes:
        disk_id: As hardware items name it.
        file: The file; ``None`` for a disk that is made empty.
        capacity: Length of the disk in the guest.
        populated_size: How much of it holds data; ``None`` when it is not stated.
        format: URI of its format.
    """

    disk_id: str
    file: FileReference | None
    capacity: int
    populated_size: int | None
    format: str


class Property(Struct, frozen=True):
    """A value that is handed to the guest at deployment.

    Attributes:
        key: Its name in the guest.
        value: Its value, or the default when it can be changed.
        type: ``string``, ``boolean``, ``int`` and so on.
        is_user_configurable: Whether the one who deploys may change it.
        label: Prompt at deployment.
        description: Explanation at deployment.
    """

    key: str
    value: str = ""
    type: str = "string"
    is_user_configurable: bool = False
    label: str = ""
    description: str = ""


class Product(Struct, frozen=True):
    """What is installed; empty parts are not said."""

    name: str = ""
    vendor: str = ""
    version: str = ""
    full_version: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Envelope:
    """An OVF envelope.

    Attributes:
        data: The document.
        where: Its name, for messages.
        files: Files, in the order of the document.
        disks: Disks.
        networks: Names of networks.
        name: Name of the virtual system.
        hardware_version: Such as ``vmx-14``; empty when it is not stated.
        firmware: ``bios`` or ``efi``.
        secure_boot: Whether only signed boot loaders are started.
        configurations: Deployment options, the default one first.
        cpus: Number of virtual processors, by default; ``None`` when it is not stated.
        memory_mib: Memory, by default; ``None`` when it is not stated.
        nic_types: Such as ``VmxNet3``, one for each network adapter.
        product: What is installed.
        properties: Values for the guest.
        transport: How they reach it, such as ``com.vmware.guestInfo``.
        annotation: Free text.
        eula: The license that the importer asks to accept.
    """

    data: bytes = field(repr=False)
    where: str
    root: Element = field(repr=False, compare=False)
    files: tuple[FileReference, ...]
    disks: tuple[DiskReference, ...]
    networks: tuple[str, ...]
    name: str
    hardware_version: str
    firmware: str
    secure_boot: bool
    configurations: tuple[str, ...]
    cpus: int | None
    memory_mib: int | None
    nic_types: tuple[str, ...]
    product: Product
    properties: tuple[Property, ...]
    transport: tuple[str, ...]
    annotation: str
    eula: str


def parse_envelope(data: bytes, *, name: str) -> Envelope:
    """Parse an OVF envelope.

    Raises:
        FormatError: it is not well-formed XML, not an OVF 1 envelope, or contradicts itself.
    """
    root = _parse_root(data, name=name)
    files = tuple(_file(element, where=name) for element in _below(root, "References", "File"))
    system = find_system(root, where=name)
    hardware = find_hardware(root, where=name)
    configurations = default_first(root)
    product = find_section(system, "ProductSection")
    setting = hardware.find(ovf("System"))
    return Envelope(
        data=data,
        where=name,
        root=root,
        files=files,
        disks=tuple(_disk(e, files, where=name) for e in _below(root, "DiskSection", "Disk")),
        networks=tuple(
            e.attributes.get(ovf("name"), "") for e in _below(root, "NetworkSection", "Network")
        ),
        name=system.text_of(ovf("Name")) or system.attributes.get(ovf("id"), ""),
        hardware_version=setting.text_of(vssd("VirtualSystemType")) if setting else "",
        firmware=config_value(hardware, "firmware") or "bios",
        secure_boot=_is_secure(hardware),
        configurations=configurations,
        cpus=cpus_of(hardware, configurations[:1], where=name),
        memory_mib=memory_mib_of(hardware, configurations[:1], where=name),
        nic_types=tuple(i.text_of(rasd("ResourceSubType")) for i in items(hardware, NIC)),
        product=_product(product),
        properties=tuple(map(_property, product.find_all(ovf("Property")) if product else ())),
        transport=tuple(hardware.attributes.get(ovf("transport"), "").split()),
        annotation=_text(system, "AnnotationSection"),
        eula=_text(system, "EulaSection"),
    )


def _parse_root(data: bytes, *, name: str) -> Element:
    """Parse a document, and refuse one that is not an envelope."""
    root = parse_document(data, name=name)
    if root.name != ovf("Envelope"):
        raise FormatError(
            f"{name}: the document is a {root.name.local} of {root.name.namespace or 'nothing'}; "
            f"wanted an Envelope of {OVF}"
        )
    return root


def find_system(root: Element, *, where: str) -> Element:
    """Return the only virtual system of an envelope."""
    found = [e for e in root.walk() if e.name == ovf("VirtualSystem")]
    if len(found) != 1:
        raise FormatError(f"{where}: {len(found)} virtual systems; wanted one")
    return found[0]


def find_hardware(root: Element, *, where: str) -> Element:
    """Return the only hardware section of the only virtual system."""
    found = find_system(root, where=where).find_all(ovf("VirtualHardwareSection"))
    if len(found) != 1:
        raise FormatError(f"{where}: {len(found)} hardware sections; wanted one")
    return found[0]


def find_section(system: Element, local: str) -> Element | None:
    """Return the first section of that name anywhere in a virtual system."""
    return next((element for element in system.walk() if element.name == ovf(local)), None)


def _text(system: Element, local: str) -> str:
    """Return the text of a section that holds one; empty without it."""
    section = find_section(system, local)
    return section.text_of(ovf(TEXTS[local])) if section else ""


def configs(hardware: Element, key: str, local: str = "Config") -> list[Element]:
    """Return VMware's settings of that key."""
    found = hardware.find_all(vmw(local))
    return [e for e in found if e.attributes.get(vmw("key")) == key]


def config_value(hardware: Element, key: str) -> str:
    """Return the value of VMware's setting ``key``; empty when there is none."""
    found = configs(hardware, key)
    return found[0].attributes.get(vmw("value"), "") if found else ""


def _below(root: Element, section: str, local: str) -> list[Element]:
    return [e for part in root.find_all(ovf(section)) for e in part.find_all(ovf(local))]


def _required(element: Element, local: str, *, where: str) -> str:
    """Return an attribute that must be there."""
    value = element.attributes.get(ovf(local), "")
    if not value:
        raise FormatError(f"{where}: a {element.name.local} without ovf:{local}")
    return value


def _file(element: Element, *, where: str) -> FileReference:
    href = _required(element, "href", where=where)
    return FileReference(
        href=href,
        file_id=_required(element, "id", where=where),
        size=parse_number(element.attributes.get(ovf("size")), f"the size of {href}", where=where),
        compression=element.attributes.get(ovf("compression"), "").replace("identity", ""),
        is_chunked=ovf("chunkSize") in element.attributes,
    )


def _disk(element: Element, files: tuple[FileReference, ...], *, where: str) -> DiskReference:
    disk_id = _required(element, "diskId", where=where)
    about = f"{where}: disk {disk_id}"
    reference = element.attributes.get(ovf("fileRef"))
    found = [file for file in files if file.file_id == reference]
    if reference is not None and len(found) != 1:
        raise FormatError(f"{about}: {len(found)} files have the id {reference!r}; wanted one")
    units = element.attributes.get(ovf("capacityAllocationUnits"), "byte")
    quantity = parse_number(_required(element, "capacity", where=where), "capacity", where=about)
    populated = element.attributes.get(ovf("populatedSize"))
    return DiskReference(
        disk_id=disk_id,
        file=found[0] if found else None,
        capacity=(quantity or 0) * parse_units(units, where=about),
        populated_size=parse_number(populated, "populatedSize", where=about),
        format=element.attributes.get(ovf("format"), ""),
    )


def _is_secure(hardware: Element) -> bool:
    """Return whether secure boot is on, in either of VMware's ways to say it."""
    extra = configs(hardware, "uefi.secureBoot.enabled", "ExtraConfig")
    said = [e.attributes.get(vmw("value"), "") for e in extra]
    said.append(config_value(hardware, "bootOptions.efiSecureBootEnabled"))
    return "true" in {value.lower() for value in said}


def _product(section: Element | None) -> Product:
    if section is None:
        return Product()
    return Product(
        name=section.text_of(ovf("Product")),
        vendor=section.text_of(ovf("Vendor")),
        version=section.text_of(ovf("Version")),
        full_version=section.text_of(ovf("FullVersion")),
        url=section.text_of(ovf("ProductUrl")),
    )


def _property(element: Element) -> Property:
    said = element.attributes
    return Property(
        key=said.get(ovf("key"), ""),
        value=said.get(ovf("value"), ""),
        type=said.get(ovf("type"), "string"),
        is_user_configurable=said.get(ovf("userConfigurable"), "").lower() in {"true", "1"},
        label=element.text_of(ovf("Label")),
        description=element.text_of(ovf("Description")),
    )
