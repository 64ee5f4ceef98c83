"""Changes in the text of an OVF envelope; everything else stays as it was written.

Source: DSP0243 1.1; order of elements as in its schema dsp8023. Items keep the order of the
tool that wrote them (ovftool sorts, ova-compose does not).
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from builder.errors import GuestError
from builder.formats.disk import MIB
from builder.formats.ovf.envelope import (
    TEXTS,
    DiskReference,
    Envelope,
    Product,
    Property,
    configs,
    find_hardware,
    find_section,
    find_system,
)
from builder.formats.ovf.names import ovf, rasd, vmw, vssd
from builder.formats.ovf.quantities import (
    CPU,
    MEMORY,
    NIC,
    configurations_of,
    items,
    parse_units,
    values,
)
from builder.formats.ovf.work import Work, add_section, set_child, text_element
from builder.formats.ovf.xml import Editor, Element, escape, quote
from builder.structs import Struct, fields

GUEST_INFO = "com.vmware.guestInfo"
"""Transport that open-vm-tools can read properties from."""

NO_PRODUCT = Product()
_ADDRESS = {"Address", "AddressOnParent"}
"""The parts of an item that come before its units."""
_SECURE_BOOT = "bootOptions.efiSecureBootEnabled"
_PRODUCT = ("Product", "Vendor", "Version", "FullVersion", "ProductUrl")


class Edits(Struct, frozen=True):
    """What to change; ``None`` leaves a thing as it is.

    Attributes:
        disk: The disk whose file changed.
        disk_size: New length of its file.
        capacity: New length of the disk in the guest, in bytes.
        populated_size: How much of the disk holds data, where the envelope says it.
        hardware_version: Such as ``vmx-14``.
        firmware: ``bios`` or ``efi``.
        secure_boot: Whether only signed boot loaders are started; wants ``efi``.
        network: Name of the only network, in every adapter that is connected to it.
        nic_type: Such as ``VmxNet3``, for every network adapter.
        cpus: Number of virtual processors.
        memory_mib: Memory.
        name: Name of the virtual system.
        annotation: Free text.
        eula: The license.
        product: Its parts that are not empty are set.
        properties: Set by key; others stay. They turn on the transport by guestInfo.
    """

    disk: DiskReference | None = None
    disk_size: int | None = None
    capacity: int | None = None
    populated_size: int | None = None
    hardware_version: str | None = None
    firmware: str | None = None
    secure_boot: bool | None = None
    network: str | None = None
    nic_type: str | None = None
    cpus: int | None = None
    memory_mib: int | None = None
    name: str | None = None
    annotation: str | None = None
    eula: str | None = None
    product: Product = NO_PRODUCT
    properties: tuple[Property, ...] = ()


def edit_envelope(envelope: Envelope, edits: Edits) -> bytes:
    """Return the envelope's text with ``edits`` made.

    Raises:
        GuestError: the envelope lacks what is to be changed.
    """
    editor = Editor(envelope.data)
    work = Work(
        editor=editor,
        envelope=envelope,
        system=find_system(envelope.root, where=envelope.where),
        hardware=find_hardware(envelope.root, where=envelope.where),
    )
    _edit_disk(work, edits)
    for name, edit in _EDITS.items():
        value = getattr(edits, name)
        if value is not None:
            edit(work, value)
    _edit_product(work, edits.product, edits.properties)
    return editor.result()


def _edit_disk(work: Work, edits: Edits) -> None:
    """Set the sizes of the disk and its file."""
    disk = edits.disk
    if disk is None or disk.file is None:
        return
    for element in work.envelope.root.walk():
        said = element.attributes
        if element.name == ovf("File") and said.get(ovf("id")) == disk.file.file_id:
            if edits.disk_size is not None:
                work.editor.set_attribute(element, ovf("size"), str(edits.disk_size))
        elif element.name == ovf("Disk") and said.get(ovf("diskId")) == disk.disk_id:
            if edits.populated_size is not None and ovf("populatedSize") in said:
                work.editor.set_attribute(element, ovf("populatedSize"), str(edits.populated_size))
            if edits.capacity is not None:
                _edit_capacity(work, element, edits.capacity)


def _edit_capacity(work: Work, element: Element, capacity: int) -> None:
    """Set a disk's length, in the units that the envelope has, or in bytes if it is no multiple."""
    said = element.attributes.get(ovf("capacityAllocationUnits"), "byte")
    unit = parse_units(said, where=work.envelope.where)
    if capacity % unit:
        work.editor.set_attribute(element, ovf("capacityAllocationUnits"), "byte")
        unit = 1
    work.editor.set_attribute(element, ovf("capacity"), str(capacity // unit))


def _edit_hardware_version(work: Work, version: str) -> None:
    setting = work.hardware.find(ovf("System"))
    element = setting.find(vssd("VirtualSystemType")) if setting else None
    if element is None:
        raise work.missing("hardware version")
    work.editor.set_text(element, version)


def _edit_firmware(work: Work, firmware: str) -> None:
    if firmware != work.envelope.firmware:
        _set_config(work, "firmware", firmware)


def _edit_secure_boot(work: Work, secure: bool) -> None:
    """Turn secure boot on or off, in both of VMware's notations."""
    extra = configs(work.hardware, "uefi.secureBoot.enabled", "ExtraConfig")
    for element in extra:
        work.editor.set_attribute(element, vmw("value"), "TRUE" if secure else "FALSE")
    if secure or configs(work.hardware, _SECURE_BOOT):
        _set_config(work, _SECURE_BOOT, "true" if secure else "false")


def _set_config(work: Work, key: str, value: str) -> None:
    """Set one of VMware's settings."""
    found = configs(work.hardware, key)
    for element in found:
        work.editor.set_attribute(element, vmw("value"), value)
    if found:
        return
    tag = work.hardware.qualify(vmw("Config"))
    required = work.hardware.qualify(ovf("required"), is_attribute=True)
    # One declaration serves the element and its attributes, which share a prefix.
    prefix = tag[0].rpartition(":")[0]
    text = (
        f"<{tag[0]}{tag[1]}{required[1] if required[1] != tag[1] else ''} "
        f'{required[0]}="false" {prefix}:key={quote(key)} {prefix}:value={quote(value)}/>'
    )
    places = [e for e in work.hardware.children if e.name in {vmw("Config"), ovf("Item")}]
    if not places:
        raise work.missing("hardware item")
    work.editor.insert_after(places[-1], text)


def _edit_network(work: Work, name: str) -> None:
    """Rename the only network."""
    if len(work.envelope.networks) != 1:
        raise GuestError(
            f"{work.envelope.where}: {len(work.envelope.networks)} networks; "
            "only the name of a single one can be changed"
        )
    old = work.envelope.networks[0]
    for element in work.envelope.root.walk():
        if element.name == ovf("Network"):
            work.editor.set_attribute(element, ovf("name"), name)
        elif element.name == rasd("Connection") and element.text.strip() == old:
            work.editor.set_text(element, name)


def _edit_nic_type(work: Work, kind: str) -> None:
    """Set the type of every network adapter."""
    adapters = items(work.hardware, NIC)
    if not adapters:
        raise work.missing("network adapter")
    for item in adapters:
        _set_part(work, item, "ResourceSubType", kind, before="ResourceType")


def _edit_cpus(work: Work, count: int) -> None:
    """Set the number of processors, and their number in a socket when it no longer divides."""
    for item in _items(work, CPU, "processors", "cpus"):
        _set_part(work, item, "VirtualQuantity", str(count))
        cores = next((e for e in item.walk() if e.name == vmw("CoresPerSocket")), None)
        if cores is not None:
            text = cores.text.strip()
            if not re.fullmatch("[1-9][0-9]{0,4}", text) or count % int(text):
                work.editor.set_text(cores, "1")
        _set_shown(work, item, r"\d+( virtual CPU.*)", rf"{count}\g<1>")


def _edit_memory(work: Work, memory_mib: int) -> None:
    """Set the memory, in the unit that the envelope has, or in MiB."""
    size = memory_mib * MIB
    for item in _items(work, MEMORY, "memory", "memory"):
        units = item.text_of(rasd("AllocationUnits")).strip()
        unit = parse_units(units, where=work.envelope.where) if units else MIB
        if not units or size % unit:
            unit = MIB
            first = next((e.name.local for e in item.children if e.name.local not in _ADDRESS), "")
            _set_part(work, item, "AllocationUnits", "byte * 2^20", before=first)
        _set_part(work, item, "VirtualQuantity", str(size // unit))
        _set_shown(work, item, r"\d+( ?MB of memory.*)", rf"{memory_mib}\g<1>")


def _items(work: Work, resource_type: str, what: str, key: str) -> list[Element]:
    """Return the hardware items that state how much there is of a resource."""
    found = values(work.hardware, resource_type)
    if not found:
        raise work.missing(what)
    names = sorted({name for item in found for name in configurations_of(item)})
    if names:
        raise GuestError(
            f"{work.envelope.where}: the envelope has configurations, each with its own {what}: "
            f"{', '.join(names)}",
            hint=f"leave out output.{key}; choose a configuration when the appliance is deployed",
        )
    return found


def _set_part(work: Work, item: Element, local: str, text: str, *, before: str = "") -> None:
    """Set a part of a hardware item, adding it ``before`` another when it is missing."""
    part = item.find(rasd(local))
    if part is not None:
        work.editor.set_text(part, text)
        return
    tag, declaration = item.qualify(rasd(local))
    new = f"<{tag}{declaration}>{escape(text)}</{tag}>"
    sibling = item.find(rasd(before))
    if sibling is None:
        work.editor.append(item, new)
    else:
        work.editor.insert_before(sibling, new)


def _set_shown(work: Work, item: Element, pattern: str, shown: str) -> None:
    """Rewrite the caption of an item, when it is one that ovftool makes."""
    caption = item.find(rasd("ElementName"))
    if caption is not None and re.fullmatch(pattern, caption.text):
        work.editor.set_text(caption, re.sub(pattern, shown, caption.text))


def _edit_name(work: Work, name: str) -> None:
    """Set the name of the virtual system."""
    set_child(work, work.system, "Name", name, after=("Info",))
    setting = work.hardware.find(ovf("System"))
    identifier = setting.find(vssd("VirtualSystemIdentifier")) if setting else None
    if identifier is not None:
        work.editor.set_text(identifier, name)


def _edit_section(work: Work, text: str, *, local: str, info: str) -> None:
    """Set the text of a section that holds one, such as the annotation."""
    section = find_section(work.system, local)
    child = TEXTS[local]
    if section is not None:
        set_child(work, section, child, text, after=("Info",))
        return
    lines = [text_element(work.system, "Info", info), text_element(work.system, child, text)]
    add_section(work, local, lines)


_EDITS: Final[dict[str, Callable[[Work, Any], None]]] = {
    "hardware_version": _edit_hardware_version,
    "firmware": _edit_firmware,
    "secure_boot": _edit_secure_boot,
    "network": _edit_network,
    "nic_type": _edit_nic_type,
    "cpus": _edit_cpus,
    "memory_mib": _edit_memory,
    "name": _edit_name,
    "annotation": partial(
        _edit_section, local="AnnotationSection", info="A human-readable annotation"
    ),
    "eula": partial(_edit_section, local="EulaSection", info="An end-user license agreement"),
}
"""What to do for each field of ``Edits`` that is set."""


def _edit_product(work: Work, product: Product, properties: tuple[Property, ...]) -> None:
    """Set the product section, and properties for the guest."""
    if product == NO_PRODUCT and not properties:
        return
    values = [getattr(product, part.name) for part in fields(product)]
    parts = [(local, value) for local, value in zip(_PRODUCT, values, strict=True) if value]
    if properties:
        transport = dict.fromkeys([*work.envelope.transport, GUEST_INFO])
        work.editor.set_attribute(work.hardware, ovf("transport"), " ".join(transport))
    section = find_section(work.system, "ProductSection")
    if section is None:
        info = text_element(work.system, "Info", "Information about the installed software")
        told = [text_element(work.system, local, value) for local, value in parts]
        written = [_property(work.system, new) for new in properties]
        add_section(work, "ProductSection", [info, *told, *written])
        return
    for local, value in parts:
        set_child(work, section, local, value, after=("Info", *_before(local)))
    for new in properties:
        _set_property(work, section, new)


def _before(local: str) -> tuple[str, ...]:
    """Return the parts of a product that come before one."""
    return _PRODUCT[: _PRODUCT.index(local)]


def _set_property(work: Work, section: Element, new: Property) -> None:
    for old in section.find_all(ovf("Property")):
        if old.attributes.get(ovf("key")) == new.key:
            work.editor.set_attribute(old, ovf("type"), new.type)
            work.editor.set_attribute(old, ovf("value"), new.value)
            configurable = "true" if new.is_user_configurable else "false"
            if new.is_user_configurable or ovf("userConfigurable") in old.attributes:
                work.editor.set_attribute(old, ovf("userConfigurable"), configurable)
            return
    work.editor.append(section, _property(section, new))


def _property(parent: Element, new: Property) -> str:
    tag, declaration = parent.qualify(ovf("Property"))
    said = {"key": new.key, "type": new.type, "value": new.value}
    if new.is_user_configurable:
        said["userConfigurable"] = "true"
    names = {local: parent.qualify(ovf(local), is_attribute=True) for local in said}
    written = "".join(f" {names[local][0]}={quote(text)}" for local, text in said.items())
    declaration = declaration or names["key"][1]
    told = (("Label", new.label), ("Description", new.description))
    inner = "".join(text_element(parent, local, text) for local, text in told if text)
    return (
        f"<{tag}{declaration}{written}>{inner}</{tag}>"
        if inner
        else f"<{tag}{declaration}{written}/>"
    )
