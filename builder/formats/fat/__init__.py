"""FAT12, FAT16 and FAT32 filesystems inside a disk image, edited in place.

Source: Microsoft Extensible Firmware Initiative FAT32 File System Specification, version 1.03,
and what Linux's vfat driver makes of it. One module for each structure on the disk: the boot
sector, the allocation table, directories and the names in them.

FAT holds no owners, modes or links. A guest shows everything as root's with the mode of its
mount (0755 unless fstab(5) says otherwise), and so does ``lstat``: other owners and links are
refused, and of modes only those that mean no more than *readable* or *executable* are taken.
It does not repair: before the first edit all directories are read, and a filesystem is refused in
which files share clusters, sizes or chains are wrong, names are there twice or ``.`` and ``..``
lead elsewhere. What fsck.fat(8) would change without harm to a file is left as found: lost
clusters, labels, the media byte, and the bit that says it was not unmounted.
"""

from builder.formats.fat.boot import is_fat
from builder.formats.fat.filesystem import MODES, Fat

__all__ = ["MODES", "Fat", "is_fat"]
