"""Ext filesystems of every shape that is edited, made by mke2fs, and what judges say of them."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from builder.blob import Blob
from builder.formats.disk import MIB, FileDisk
from builder.formats.ext4 import Ext4
from tests.support.judges import judge

TIMESTAMP = 1_700_000_000
_BASE = (
    "has_journal,ext_attr,resize_inode,dir_index,filetype,sparse_super,large_file,"
    "extent,flex_bg,huge_file,dir_nlink,extra_isize"
)
PHOTON = f"{_BASE},metadata_csum,64bit"

VARIANTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "photon": (PHOTON, ()),
    "modern": (f"{PHOTON},orphan_file,metadata_csum_seed", ()),
    "no 64bit": (f"{_BASE},metadata_csum", ()),
    "uninit_bg": (f"{_BASE},uninit_bg,64bit", ()),
    "uninit_bg, no 64bit": (f"{_BASE},uninit_bg", ()),
    "no checksums": (f"{_BASE}", ()),
    "1 KiB blocks": (PHOTON, ("-b", "1024")),
    "1 KiB blocks, no checksums": (_BASE, ("-b", "1024")),
    "2 KiB blocks": (PHOTON, ("-b", "2048")),
    "no flex_bg": (f"{PHOTON},^flex_bg", ("-b", "1024")),
    "512-byte inodes": (PHOTON, ("-I", "512")),
    "128-byte inodes": (f"{_BASE},^extra_isize,metadata_csum", ("-I", "128")),
    "no journal": (f"{PHOTON},^has_journal", ()),
    "no dir_index": (f"{PHOTON},^dir_index", ()),
    "eager tables": (PHOTON, ("-E", "lazy_itable_init=0")),
    "sparse_super2": (f"{PHOTON},sparse_super2,^resize_inode", ("-b", "1024")),
    "no sparse_super": (f"{PHOTON},^sparse_super,^resize_inode", ("-b", "1024")),
    "no filetype": (f"{PHOTON},^filetype", ()),
    "large_dir": (f"{PHOTON},large_dir", ()),
    "ext3": ("has_journal,ext_attr,resize_inode,dir_index,filetype,sparse_super,large_file", ()),
    "ext2": ("ext_attr,filetype,sparse_super,large_file", ("-b", "1024", "-I", "128")),
}


@dataclass(frozen=True, slots=True)
class Found:
    """A node as debugfs wrote it into a folder."""

    kind: str
    content: bytes | str
    mode: int
    uid: int
    gid: int


def make_image(
    path: Path, variant: str = "photon", *, tree: Path | None = None, size: int = 12 * MIB
) -> Path:
    """Make an image of one variant, holding ``tree``."""
    features, options = VARIANTS[variant]
    return make_custom(path, features, *options, tree=tree, size=size)


def make_custom(
    path: Path, features: str, *options: str, tree: Path | None = None, size: int = 12 * MIB
) -> Path:
    """Make an image with just these features."""
    with path.open("wb") as file:
        file.truncate(size)
    block = () if "-b" in options else ("-b", "4096")
    inode = () if "-I" in options else ("-I", "256")
    folder = () if tree is None else ("-d", str(tree))
    judge("mke2fs", "-q", "-F", *block, *inode, "-O", f"none,{features}", *options, *folder,
          path, env={"MKE2FS_CONFIG": os.devnull})  # fmt: skip
    return path


def write(fs: Ext4, path: str, content: bytes, mode: int = 0o644, uid: int = 0) -> None:
    """Write a file."""
    fs.write_file(path, Blob.of(content), mode=mode, uid=uid, gid=uid)


def read(fs: Ext4, path: str) -> bytes:
    """Return a file's content."""
    return b"".join(fs.chunks(path))


def open_disk(path: Path) -> FileDisk:
    """Open an image for editing."""
    return FileDisk(path, writable=True)


def open_fs(disk: FileDisk) -> Ext4:
    """Open the filesystem at the start of a disk."""
    return Ext4(disk, 0, timestamp=TIMESTAMP)


def debugfs(path: Path, command: str, *, edit: bool = False) -> str:
    """Run one command of debugfs."""
    return judge("debugfs", *(("-w",) if edit else ()), "-R", command, path).stdout


def check(path: Path) -> None:
    """Have e2fsck find nothing."""
    judge("e2fsck", "-fn", path)


def dump(path: Path, folder: Path) -> dict[str, Found]:
    """Return the whole tree, as debugfs reads it."""
    folder.mkdir()
    judge("debugfs", "-R", f'rdump / "{folder}"', path)
    found = {}
    for node in folder.rglob("*"):
        status = node.lstat()
        content: bytes | str = b""
        if stat.S_ISLNK(status.st_mode):
            kind, content = "symlink", str(node.readlink())
        elif stat.S_ISDIR(status.st_mode):
            kind = "directory"
        else:
            kind, content = "file", node.read_bytes()
        mode = stat.S_IMODE(status.st_mode)
        name = "/" + str(node.relative_to(folder))
        found[name] = Found(kind, content, mode, status.st_uid, status.st_gid)
    return found
