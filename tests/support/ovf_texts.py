"""OVF descriptors in the two dialects that Photon's OVAs are published in.

Source: OVF 1.1 (DSP0243). The first dialect is that of ovftool, with the blank lines that the
image builder left between lines; the second is that of open-vmdk's ova-compose. Own words: the
elements and attributes are those that the tools write, sentences are not.
"""

from dataclasses import dataclass
from typing import Final

_CIM: Final = "http://schemas.dmtf.org/wbem/wscim/1"
_NAMESPACES: Final = " ".join(
    f'{name}="{address}"'
    for name, address in {
        "xmlns": "http://schemas.dmtf.org/ovf/envelope/1",
        "xmlns:cim": f"{_CIM}/common",
        "xmlns:ovf": "http://schemas.dmtf.org/ovf/envelope/1",
        "xmlns:rasd": f"{_CIM}/cim-schema/2/CIM_ResourceAllocationSettingData",
        "xmlns:vmw": "http://www.vmware.com/schema/ovf",
        "xmlns:vssd": f"{_CIM}/cim-schema/2/CIM_VirtualSystemSettingData",
        "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
    }.items()
)
_FORMAT: Final = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"


@dataclass(frozen=True, slots=True)
class Appliance:
    """What an OVF says of its machine and its disk.

    Attributes:
        name: Name of the machine.
        disk: File name of the disk.
        disk_size: Length of that file.
        capacity: Capacity of the disk in bytes.
        populated: Allocated bytes of the disk.
        hardware: Virtual hardware version.
        efi: Whether the firmware is EFI.
        secure_boot: Whether that EFI checks signatures.
        version: Photon release.
    """

    name: str
    disk: str
    disk_size: int
    capacity: int
    populated: int
    hardware: int = 11
    efi: bool = False
    secure_boot: bool = False
    version: str = "3.0"


def ovftool_text(appliance: Appliance) -> str:
    """Return the descriptor as ovftool writes it, with a blank line after each line."""
    photon = appliance.hardware >= 13
    os_type = "vmwarePhoton64Guest" if photon else "other3xLinux64Guest"
    keys = [("Config", "firmware", "efi")] if appliance.efi else []
    if appliance.secure_boot:
        keys.append(("ExtraConfig", "uefi.secureBoot.enabled", "TRUE"))
    keys.append(("Config", "cpuHotAddEnabled", "false"))
    plain = f"""\
<?xml version="1.0" encoding="UTF-8"?>
<Envelope vmw:buildId="build-0000000" {_NAMESPACES}>
  <References>
    <File ovf:href="{appliance.disk}" ovf:id="file1" ovf:size="{appliance.disk_size}"/>
  </References>
  <DiskSection>
    <Info>Virtual disk information</Info>
    <Disk ovf:capacity="{appliance.capacity >> 20}" \
ovf:capacityAllocationUnits="byte * 2^20" ovf:diskId="vmdisk1" \
ovf:fileRef="file1" ovf:format="{_FORMAT}" ovf:populatedSize="{appliance.populated}"/>
  </DiskSection>
  <NetworkSection>
    <Info>The list of logical networks</Info>
    <Network ovf:name="None">
      <Description>The None network</Description>
    </Network>
  </NetworkSection>
  <VirtualSystem ovf:id="{appliance.name}">
    <Info>A virtual machine</Info>
    <Name>{appliance.name}</Name>
    <OperatingSystemSection ovf:id="101" vmw:osType="{os_type}">
      <Info>The kind of installed guest operating system</Info>
    </OperatingSystemSection>
    <VirtualHardwareSection>
      <Info>Virtual hardware requirements</Info>
      <System>
        <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>
        <vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemIdentifier>{appliance.name}</vssd:VirtualSystemIdentifier>
        <vssd:VirtualSystemType>vmx-{appliance.hardware}</vssd:VirtualSystemType>
      </System>
{_items("      ", cpus=1, network="None", controller="IDE", first_disk="vmdisk1")}\
{_settings(keys, "/>")}\
    </VirtualHardwareSection>
    <ProductSection>
      <Info>Information about the installed software</Info>
      <Product>Photon OS</Product>
      <Vendor>VMware Inc.</Vendor>
      <Version>{appliance.version}</Version>
      <FullVersion>{appliance.version}</FullVersion>
    </ProductSection>
    <EulaSection>
      <Info>An end-user license agreement</Info>
      <License msgid="eula">Terms of a test file: none.</License>
    </EulaSection>
    <AnnotationSection ovf:required="false">
      <Info>A human-readable annotation</Info>
      <Annotation>A Photon-shaped machine for tests.</Annotation>
    </AnnotationSection>
  </VirtualSystem>
</Envelope>
"""
    return plain.replace("\n", "\n\n")


def compose_text(appliance: Appliance) -> str:
    """Return the descriptor as ova-compose writes it."""
    keys = [
        ("Config", "firmware", "efi" if appliance.efi else "bios"),
        ("Config", "bootOptions.efiSecureBootEnabled", str(appliance.secure_boot).lower()),
    ]
    return f"""\
<?xml version='1.0' encoding='utf-8'?>
<Envelope {_NAMESPACES}>
  <References>
    <File ovf:href="{appliance.disk}" ovf:id="file0" ovf:size="{appliance.disk_size}" />
  </References>
  <DiskSection>
    <Info>Virtual disk information</Info>
    <Disk ovf:capacity="{appliance.capacity}" \
ovf:capacityAllocationUnits="byte" ovf:diskId="vmdisk0" \
ovf:fileRef="file0" ovf:format="{_FORMAT}" ovf:populatedSize="{appliance.populated}" />
  </DiskSection>
  <NetworkSection>
    <Info>Virtual Networks</Info>
    <Network ovf:name="VM Network">
      <Description>The VM Network network</Description>
    </Network>
  </NetworkSection>
  <VirtualSystem ovf:id="vm">
    <Info>A virtual machine</Info>
    <Name>{appliance.name}</Name>
    <OperatingSystemSection ovf:id="100" vmw:osType="vmwarePhoton64Guest">
      <Info>The operating system installed</Info>
    </OperatingSystemSection>
    <VirtualHardwareSection>
      <Info>Virtual Hardware</Info>
      <System>
        <vssd:ElementName>Virtual System Type</vssd:ElementName>
        <vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemIdentifier>{appliance.name}</vssd:VirtualSystemIdentifier>
        <vssd:VirtualSystemType>vmx-{appliance.hardware}</vssd:VirtualSystemType>
      </System>
{_items("      ", cpus=2, network="VM Network", controller="SATA", first_disk="vmdisk0")}\
{_settings(keys, " />")}\
    </VirtualHardwareSection>
    <ProductSection ovf:required="false">
      <Info>Information about the installed software</Info>
      <Product>Photon OS</Product>
      <Vendor>VMware Inc.</Vendor>
      <Version>{appliance.version}</Version>
      <FullVersion>{appliance.version}</FullVersion>
    </ProductSection>
  </VirtualSystem>
</Envelope>
"""


def _settings(keys: list[tuple[str, str, str]], end: str) -> str:
    """Return VMware's settings: element, key and value."""
    return "".join(
        f'      <vmw:{element} ovf:required="false" vmw:key="{key}" vmw:value="{value}"{end}\n'
        for element, key, value in keys
    )


def _items(indent: str, *, cpus: int, network: str, controller: str, first_disk: str) -> str:
    """Return the hardware items: processor, memory, controllers, disk, drive and network."""
    drive_bus = {"IDE": ("IDE", 5), "SATA": ("AHCI SATA", 20)}[controller]
    items: list[dict[str, str | int]] = [
        {"AllocationUnits": "hertz * 10^6", "ElementName": f"{cpus} virtual CPU(s)",
         "InstanceID": 1, "ResourceType": 3, "VirtualQuantity": cpus},
        {"AllocationUnits": "byte * 2^20", "ElementName": "2048MB of memory", "InstanceID": 2,
         "ResourceType": 4, "VirtualQuantity": 2048},
        {"Address": 0, "ElementName": "SCSI Controller 0", "InstanceID": 3,
         "ResourceSubType": "VirtualSCSI", "ResourceType": 6},
        {"Address": 1, "ElementName": f"{drive_bus[0]} Controller", "InstanceID": 4,
         "ResourceType": drive_bus[1]},
        {"AddressOnParent": 0, "AutomaticAllocation": "false", "ElementName": "CD-ROM 1",
         "InstanceID": 5, "Parent": 4, "ResourceType": 15},
        {"AddressOnParent": 0, "ElementName": "Hard Disk 1",
         "HostResource": f"ovf:/disk/{first_disk}", "InstanceID": 6, "Parent": 3,
         "ResourceType": 17},
        {"AddressOnParent": 7, "AutomaticAllocation": "true", "Connection": network,
         "ElementName": "Network adapter 1", "InstanceID": 7, "ResourceSubType": "VmxNet3",
         "ResourceType": 10},
    ]  # fmt: skip
    written = []
    for item in items:
        optional = ' ovf:required="false"' if item["InstanceID"] == 5 else ""
        lines = [f"{indent}  <rasd:{key}>{value}</rasd:{key}>\n" for key, value in item.items()]
        written.append(f"{indent}<Item{optional}>\n{''.join(lines)}{indent}</Item>\n")
    return "".join(written)
