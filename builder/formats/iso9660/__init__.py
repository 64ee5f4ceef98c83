"""ISO 9660 images: read, and changed by adding to their end.

One module for each structure: the volume descriptors, path tables, directories, Rock Ridge and
other names, the El Torito boot catalog, the partition tables of hybrid images and the checksum
that installers verify. ``append`` plans a changed image of which everything old stays where it
is; sources are cited in each module.

Does not write UDF, HFS+ or Apple partition maps, and makes no image from nothing.
"""

from builder.formats.iso9660.append import plan_append
from builder.formats.iso9660.edits import AddDirectory, AddFile, AddSymlink, Edit, Remove
from builder.formats.iso9660.image import Iso, open_iso
from builder.formats.iso9660.layout import IsoLayout

__all__ = [
    "AddDirectory",
    "AddFile",
    "AddSymlink",
    "Edit",
    "Iso",
    "IsoLayout",
    "Remove",
    "open_iso",
    "plan_append",
]
