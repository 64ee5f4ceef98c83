"""Disks and media as trees: several filesystems as one, each partition where fstab(5) says."""
