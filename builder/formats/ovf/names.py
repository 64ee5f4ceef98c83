"""The names that OVF envelopes use, by namespace."""

from typing import Final

from builder.formats.ovf.xml import Name

OVF: Final = "http://schemas.dmtf.org/ovf/envelope/1"
_CIM = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2"
_VMW = "http://www.vmware.com/schema/ovf"


def ovf(local: str) -> Name:
    """Return a name of the envelope's namespace."""
    return Name(OVF, local)


def rasd(local: str) -> Name:
    """Return a name of a hardware item's part."""
    return Name(f"{_CIM}/CIM_ResourceAllocationSettingData", local)


def vssd(local: str) -> Name:
    """Return a name of a virtual system's setting."""
    return Name(f"{_CIM}/CIM_VirtualSystemSettingData", local)


def vmw(local: str) -> Name:
    """Return a name of VMware's extensions."""
    return Name(_VMW, local)
