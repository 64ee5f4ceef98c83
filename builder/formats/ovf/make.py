"""A new OVF envelope for a machine with one disk, one network adapter and PVSCSI.

Source: DSP0243 1.1; values of resource types and subtypes as vSphere knows them. The same
machine gives the same text.
"""

from typing import Final

from builder.formats.ovf.xml import encode, escape, quote
from builder.structs import Struct

STREAM_OPTIMIZED = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"
_CIM = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2"


class Machine(Struct, frozen=True):
    """A virtual machine.

    Attributes:
        name: Name of the virtual system.
        disk_name: File of the disk.
        disk_size: Length of that file.
        capacity: Length of the disk in the guest.
        populated_size: How much of it holds data.
        hardware_version: Such as ``vmx-14``.
        firmware: ``bios`` or ``efi``.
        cpus: Number of virtual processors.
        memory_mib: Memory.
        network: Name of the network.
        product: Name of what is installed.
        version: Its version.
    """

    name: str
    disk_name: str
    disk_size: int
    capacity: int
    populated_size: int
    hardware_version: str = "vmx-14"
    firmware: str = "efi"
    cpus: int = 2
    memory_mib: int = 2048
    network: str = "VM Network"
    product: str = "Photon OS"
    version: str = ""


_DOCUMENT: Final = """\
<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" \
xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" \
xmlns:rasd="{cim}/CIM_ResourceAllocationSettingData" \
xmlns:vmw="http://www.vmware.com/schema/ovf" \
xmlns:vssd="{cim}/CIM_VirtualSystemSettingData">
  <References>
    <File ovf:href={disk_name} ovf:id="file0" ovf:size="{disk_size}"/>
  </References>
  <DiskSection>
    <Info>Virtual disks</Info>
    <Disk ovf:capacity="{capacity}" ovf:capacityAllocationUnits="byte" ovf:diskId="vmdisk0" \
ovf:fileRef="file0" ovf:format="{format}" ovf:populatedSize="{populated_size}"/>
  </DiskSection>
  <NetworkSection>
    <Info>Networks</Info>
    <Network ovf:name={network_attribute}>
      <Description>The network of the machine</Description>
    </Network>
  </NetworkSection>
  <VirtualSystem ovf:id="vm">
    <Info>A virtual machine</Info>
    <Name>{name}</Name>
    <OperatingSystemSection ovf:id="36" vmw:osType="vmwarePhoton64Guest">
      <Info>The operating system</Info>
    </OperatingSystemSection>
    <VirtualHardwareSection>
      <Info>Virtual hardware</Info>
      <System>
        <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>
        <vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemIdentifier>{name}</vssd:VirtualSystemIdentifier>
        <vssd:VirtualSystemType>{hardware_version}</vssd:VirtualSystemType>
      </System>
{items}\
      <vmw:Config ovf:required="false" vmw:key="firmware" vmw:value={firmware}/>
    </VirtualHardwareSection>
    <ProductSection>
      <Info>Information about the installed software</Info>
      <Product>{product}</Product>
      <Version>{version}</Version>
    </ProductSection>
  </VirtualSystem>
</Envelope>
"""


def make_envelope(machine: Machine) -> bytes:
    """Return an envelope for ``machine``.

    Raises:
        GuestError: a text of it cannot stand in XML.
    """
    text = _DOCUMENT.format(
        cim=_CIM,
        format=STREAM_OPTIMIZED,
        disk_name=quote(machine.disk_name),
        disk_size=machine.disk_size,
        capacity=machine.capacity,
        populated_size=machine.populated_size,
        network_attribute=quote(machine.network),
        name=escape(machine.name),
        hardware_version=escape(machine.hardware_version),
        firmware=quote(machine.firmware),
        product=escape(machine.product),
        version=escape(machine.version),
        items="".join(_item(number, **item) for number, item in enumerate(_items(machine), 1)),
    )
    return encode(text)


def _items(machine: Machine) -> tuple[dict[str, str | int], ...]:
    """Return the hardware; the controller is item 3."""
    return (
        {
            "AllocationUnits": "hertz * 10^6",
            "ElementName": f"{machine.cpus} virtual CPU(s)",
            "ResourceType": 3,
            "VirtualQuantity": machine.cpus,
        },
        {
            "AllocationUnits": "byte * 2^20",
            "ElementName": f"{machine.memory_mib}MB of memory",
            "ResourceType": 4,
            "VirtualQuantity": machine.memory_mib,
        },
        {
            "Address": 0,
            "ElementName": "SCSI controller 0",
            "ResourceSubType": "VirtualSCSI",
            "ResourceType": 6,
        },
        {
            "AddressOnParent": 0,
            "ElementName": "Hard disk 1",
            "HostResource": "ovf:/disk/vmdisk0",
            "Parent": 3,
            "ResourceType": 17,
        },
        {
            "AutomaticAllocation": "true",
            "Connection": machine.network,
            "ElementName": "Network adapter 1",
            "ResourceSubType": "VmxNet3",
            "ResourceType": 10,
        },
    )


def _item(number: int, **parts: str | int) -> str:
    """Return one hardware item; the schema wants its parts sorted by name."""
    lines = "".join(
        f"        <rasd:{name}>{escape(str(value))}</rasd:{name}>\n"
        for name, value in sorted({**parts, "InstanceID": number}.items())
    )
    return f"      <Item>\n{lines}      </Item>\n"
