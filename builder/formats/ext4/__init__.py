"""The ext4 filesystem, by on-disk structure; :class:`Ext4` is the entry point."""

from builder.formats.ext4.filesystem import Ext4, is_ext4

__all__ = ["Ext4", "is_ext4"]
