"""OVF envelopes and manifests: what a virtual appliance says of its disks and hardware.

Source: DMTF DSP0243 1.1, Open Virtualization Format Specification; the elements of the ``vmw``
namespace as ovftool and open-vmdk's ova-compose write them. One module for each: the XML text
(``xml``) and its names (``names``), what it says (``envelope``, and ``quantities`` for processors
and memory), changes in it (``edit``, by means of ``work``), a new one (``make``), and the
digests beside it (``manifest``).

Does not read OVF 2 or message bundles. Of deployment options, the default one is read; what
they set apart is not changed.
"""

from builder.formats.ovf.edit import Edits, edit_envelope
from builder.formats.ovf.envelope import (
    DiskReference,
    Envelope,
    FileReference,
    Product,
    Property,
    parse_envelope,
)
from builder.formats.ovf.make import Machine, make_envelope
from builder.formats.ovf.manifest import Manifest, ManifestLine, format_manifest, parse_manifest

__all__ = [
    "DiskReference",
    "Edits",
    "Envelope",
    "FileReference",
    "Machine",
    "Manifest",
    "ManifestLine",
    "Product",
    "Property",
    "edit_envelope",
    "format_manifest",
    "make_envelope",
    "parse_envelope",
    "parse_manifest",
]
