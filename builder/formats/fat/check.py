"""Checks of a FAT filesystem before it is edited: damage that edits would spread.

Source: FAT32 File System Specification 1.03, and what fsck.fat(8) finds. What harms no file is not
looked at: lost clusters, labels, the media byte, dates.
"""

from collections.abc import Callable

from builder.errors import FormatError
from builder.formats.fat.boot import Geometry
from builder.formats.fat.directory import Directory, Entry
from builder.formats.fat.table import Table

_ROOT = 0
_DOTS = (b".".ljust(11), b"..".ljust(11))
_HINT = "repair the filesystem with fsck.fat first"


class TreeCheck:
    """One walk through all directories, which marks every cluster that it meets."""

    def __init__(
        self,
        table: Table,
        geometry: Geometry,
        open_directory: Callable[[int, str], Directory],
        *,
        name: str,
    ) -> None:
        self._table = table
        self._geometry = geometry
        self._open = open_directory
        self._name = name
        self._owners: dict[int, str] = {}

    def run(self) -> None:
        """Walk through the tree.

        Raises:
            FormatError: files share clusters, a size does not go with the clusters, a name is
                there twice, or a directory does not begin with entries for itself and its parent.
        """
        if self._geometry.root_cluster:
            self._claim(self._geometry.root_cluster, "/")
        pending = [("", _ROOT, _ROOT)]
        while pending:
            path, cluster, above = pending.pop()
            directory = self._open(cluster, path or "/")
            if cluster != _ROOT:
                self._check_dots(directory, path, (cluster, above))
            for entry in self._named(directory, path):
                place = f"{path}/{entry.name}"
                self._check_clusters(entry, place)
                if entry.is_directory:
                    pending.append((place, entry.cluster, cluster))

    def _damage(self, path: str, found: str) -> FormatError:
        """Return the error for a filesystem that is not to be edited."""
        return FormatError(f"{self._name}: {path}: {found}", hint=_HINT)

    def _named(self, directory: Directory, path: str) -> list[Entry]:
        """Return the files and directories of a directory, each of a name of its own."""
        found: dict[bytes, Entry] = {}
        for entry in directory.entries:
            if entry.is_label or (path and entry.is_dot):
                continue
            if entry.alias in found:
                raise self._damage(path or "/", f"the short name of {entry.name!r} occurs twice")
            if entry.is_dot:
                raise self._damage("/", f"has an entry {entry.name!r}")
            found[entry.alias] = entry
        return list(found.values())

    def _check_dots(self, directory: Directory, path: str, wanted: tuple[int, int]) -> None:
        """Refuse a directory that does not begin with itself and the one above."""
        dots = [entry for entry in directory.entries if entry.is_dot]
        if [entry.alias for entry in dots] != list(_DOTS) or [e.slot for e in dots] != [0, 1]:
            raise self._damage(path, "does not begin with the entries . and ..")
        own, above = (entry.cluster for entry in dots)
        roots = {_ROOT, self._geometry.root_cluster}
        if own != wanted[0] or not (above == wanted[1] or {above, wanted[1]} <= roots):
            raise self._damage(path, f"its entries . and .. name the clusters {own} and {above}")

    def _check_clusters(self, entry: Entry, path: str) -> None:
        """Refuse an entry whose clusters are another's, too, or do not go with its size."""
        if entry.is_directory and not entry.cluster:
            raise self._damage(path, "a directory without clusters")
        count = self._claim(entry.cluster, path) if entry.cluster else 0
        if not entry.is_directory and count != -(-entry.size // self._geometry.cluster_size):
            raise self._damage(path, f"{entry.size} bytes in {count} clusters")

    def _claim(self, first: int, path: str) -> int:
        """Mark the clusters of a chain, and return how many there are."""
        chain = self._table.chain(first, of=path)
        for cluster in chain:
            if cluster in self._owners:
                other = self._owners[cluster]
                raise self._damage(path, f"shares cluster {cluster} with {other}")
            self._owners[cluster] = path
        return len(chain)
