"""Makes ext filesystems inside a disk image with e2fsprogs: no mount, no privilege.

Feature defaults are those of e2fsprogs 1.43 to 1.46, which Photon 3.0 to 5.0 carry, whatever
this machine's mke2fs.conf says.
"""

import stat
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from tests.support.judges import judge
from tests.support.tree import TreeFolder

MKE2FS_CONF: Final = """\
[defaults]
\tbase_features = sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr
\tdefault_mntopts = acl,user_xattr
\tenable_periodic_fsck = 0
\tblocksize = 4096
\tinode_size = 256
\tinode_ratio = 16384
[fs_types]
\text3 = {
\t\tfeatures = has_journal
\t}
\text4 = {
\t\tfeatures = has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize
\t}
"""


@dataclass(frozen=True, slots=True)
class Region:
    """Part of a raw disk image that holds a filesystem; offset and size in bytes."""

    disk: Path
    offset: int
    size: int

    @property
    def device(self) -> str:
        """The region as e2fsprogs' tools name it."""
        return f"{self.disk}?offset={self.offset}"


def make_ext4(region: Region, tree: TreeFolder, *, uuid: str, options: Sequence[str] = ()) -> None:
    """Make an ext4 filesystem that holds ``tree``.

    Args:
        region: Where; the image is already as large as it must be.
        tree: What the filesystem holds.
        uuid: Its UUID; the directory hash seed is the same.
        options: More arguments for mke2fs, such as ``-O ^64bit``.
    """
    # One -E only: mke2fs keeps the last.
    extended = f"offset={region.offset},nodiscard,root_owner=0:0,hash_seed={uuid}"
    if extra := [after for flag, after in pairwise(options) if flag == "-E"]:
        extended = ",".join([extended, *extra])
        options = [each for each in options if each != "-E" and each not in extra]
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as conf:
        conf.write(MKE2FS_CONF)
        conf.flush()
        judge(
            "mke2fs", "-F", "-q", "-t", "ext4", "-m", "1", "-U", uuid, "-E", extended,
            *options, "-d", tree.folder, region.disk, f"{region.size // 1024}k",
            env={"MKE2FS_CONFIG": conf.name},
        )  # fmt: skip
    _set_attributes(region.device, tree)


def index_directories(region: Region) -> None:
    """Give large directories their hash index, as a kernel that filled them would have."""
    run = judge("e2fsck", "-fyD", region.device, check=False)
    if run.returncode not in (0, 1):
        raise AssertionError(f"e2fsck -fyD: {run.stdout}{run.stderr}")


def _set_attributes(device: str, tree: TreeFolder) -> None:
    """Write owners and modes that the folder could not hold."""
    commands = "\n".join(_corrections(tree))
    if commands:
        with tempfile.NamedTemporaryFile("w", suffix=".debugfs") as script:
            script.write(commands + "\n")
            script.flush()
            run = judge("debugfs", "-w", "-f", script.name, device)
        wrong = [line for line in run.stderr.splitlines() if not line.startswith("debugfs 1.")]
        if wrong:
            raise AssertionError(f"debugfs: {wrong[:5]}")


def _corrections(tree: TreeFolder) -> Iterator[str]:
    """Yield debugfs commands for each field that differs from the folder's."""
    for path, wanted in tree.attributes.items():
        found = (tree.folder / path.lstrip("/")).lstat()
        fields = {
            "mode": (found.st_mode, stat.S_IFMT(found.st_mode) | wanted.mode),
            "uid": (found.st_uid, wanted.uid),
            "gid": (found.st_gid, wanted.gid),
        }
        for name, (have, want) in fields.items():
            if have != want:
                number = f"0{want:o}" if name == "mode" else str(want)
                yield f'set_inode_field "{path}" {name} {number}'
