"""Installer images made by the programs that make them elsewhere, and what foreign readers see.

``make_iso`` returns an image of a kind from the cache, or makes it there; it is read-only and
shared by all tests. ``list_tree`` says what libarchive finds in an image.
"""

import fcntl
import hashlib
import os
import random
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from builder.formats.iso9660 import Edit, IsoLayout, open_iso, plan_append
from builder.formats.stream import write_segments
from tests.support.judges import judge, require

TIMESTAMP: Final = 1700000000
VOLUME_ID: Final = "PHOTON_20230425"
_BOOT: Final = (
    *("-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat", "-no-emul-boot"),
    *("-boot-load-size", "4", "-boot-info-table"),
    *("-eltorito-alt-boot", "-e", "boot/grub2/efiboot.img", "-no-emul-boot"),
)
_PHOTON: Final = ("-R", "-l", "-L", "-D", *_BOOT, "-V", VOLUME_ID)
_MTIME: Final = 1682380800
_LONGEST_LINK: Final = 150
_MBR_CODE: Final = "/usr/lib/ISOLINUX/isohdpfx.bin"


def make_iso(cache: Path, kind: str) -> Path:
    """Return an image; ``KINDS`` names what there is."""
    source = Path(__file__).read_bytes()
    path = cache / f"iso-{kind}-{hashlib.sha256(source).hexdigest()[:12]}.iso"
    with _locked(cache / f"iso-{kind}.lock"):
        if not path.exists():
            with tempfile.TemporaryDirectory(dir=cache, prefix=".making-") as scratch:
                made = Path(scratch) / "made.iso"
                KINDS[kind](Path(scratch), made)
                made.chmod(0o444)
                for old in cache.glob(f"iso-{kind}-*.iso"):
                    old.unlink()
                made.rename(path)
    return path


def change(base: Path, out: Path, *edits: Edit, volume_id: str | None = None) -> IsoLayout:
    """Write what ``edits`` make of ``base``."""
    with open_iso(base) as iso, out.open("w+b") as stream:
        layout = plan_append(iso, edits, timestamp=TIMESTAMP, volume_id=volume_id)
        assert write_segments(stream.fileno(), layout.segments()) == layout.size
    return layout


def list_tree(path: Path) -> dict[str, dict[str, str]]:
    """Return what libarchive finds: path to its type, mode, owner, time, size, link and digest."""
    found: dict[str, dict[str, str]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch) / "tree.tar"
        judge("bsdtar", "-cf", archive, "--format=pax", f"@{path}")
        with tarfile.open(archive, errors="surrogateescape") as tar:
            for member in tar:
                found[f"/{member.name}" if member.name != "." else "/"] = _listed(tar, member)
    return found


def _listed(tar: tarfile.TarFile, member: tarfile.TarInfo) -> dict[str, str]:
    """Describe one node."""
    node = {
        "type": "dir" if member.isdir() else "link" if member.issym() else "file",
        "mode": f"{member.mode:o}",
        "uid": str(member.uid),
        "gid": str(member.gid),
        "time": f"{member.mtime:.0f}",
    }
    # libarchive forgets the slash between two entries of a long link.
    if member.issym() and len(member.linkname) <= _LONGEST_LINK:
        node["link"] = member.linkname
    stream = tar.extractfile(member) if member.isfile() or member.islnk() else None
    if stream is not None:
        digest = hashlib.sha256()
        size = 0
        while piece := stream.read(1 << 20):
            digest.update(piece)
            size += len(piece)
        node |= {"size": str(size), "sha256digest": digest.hexdigest()}
    return node


def extract(path: Path, into: Path) -> dict[str, str]:
    """Return what xorriso takes out of an image: digests of files, targets of links as paths."""
    judge("xorriso", "-osirrox", "on", "-indev", path, "-extract", "/", into)
    found = {}
    for one in sorted(into.rglob("*")):
        name = f"/{os.fsencode(one.relative_to(into)).decode('utf-8', 'surrogateescape')}"
        if one.is_symlink():
            found[name] = f"-> {one.readlink()}"
        elif one.is_file():
            found[name] = hashlib.sha256(one.read_bytes()).hexdigest()
    return found


def contents(tree: dict[str, dict[str, str]]) -> dict[str, str]:
    """Return what :func:`extract` gives for a listed tree."""
    files = {name: one["sha256digest"] for name, one in tree.items() if "sha256digest" in one}
    return files | {name: f"-> {Path(one['link'])}" for name, one in tree.items() if "link" in one}


def boot_report(path: Path) -> list[str]:
    """Return what xorriso says of the boot catalog."""
    run = judge("xorriso", "-indev", path, "-report_el_torito", "plain")
    return [line for line in run.stdout.splitlines() if line.startswith("El Torito")]


def system_report(path: Path) -> list[str]:
    """Return what xorriso says of partition tables."""
    run = judge("xorriso", "-indev", path, "-report_system_area", "plain")
    return [line for line in run.stdout.splitlines() if line.startswith(("MBR", "GPT", "System"))]


def approve(path: Path, *, level4: bool = False) -> None:
    """Have several programs read an image and complain; isovfy knows no ISO 9660:1999."""
    media = judge("xorriso", "-indev", path, "-check_media", "use=indev", "--")
    assert "FAILURE" not in media.stdout + media.stderr
    assert "SORRY" not in media.stdout + media.stderr
    assert level4 or "No errors found" in judge("isovfy", path).stdout
    assert "Everything is Ok" in judge("7z", "t", path).stdout
    judge("isoinfo", "-R", "-l", "-i", path)
    import pycdlib

    iso = pycdlib.PyCdlib()
    iso.open(str(path))
    assert list(iso.walk(rr_path="/") if iso.has_rock_ridge() else iso.walk(iso_path="/"))
    iso.close()


def make_tree(root: Path, packages: int = 25, size: int = 3000) -> Path:
    """Make the folder that Photon's scripts would master, with other content of the same kind."""
    numbers = random.Random(5)
    texts = {
        "PHOTON_VMWARE_CD": "",
        "open_source_license.txt": "the licences\n" * 50,
        "isolinux/isolinux.cfg": "include menu.cfg\ndefault vesamenu.c32\nprompt 0\ntimeout 0\n",
        "isolinux/menu.cfg": "label install\n\tkernel vmlinuz\n\tappend initrd=initrd.img\n",
        "isolinux/sample_ks.cfg": '{"hostname": "photon-machine"}\n',
        "boot/grub2/grub.cfg": "set default=0\nset timeout=3\n",
        "RPMS/repodata/repomd.xml": "<repomd/>\n",
        "RPMS/repodata/0123-primary.xml.gz": "not really\n",
        "RPMS/x86_64/linux-6.1.10-11.ph5.x86_64.rpm": "a kernel\n",
    }
    for name, text in texts.items():
        _write(root / name, text.encode())
    for name, length in {"isolinux.bin": 24576, "vmlinuz": 150_001, "initrd.img": 250_000}.items():
        _write(root / "isolinux" / name, numbers.randbytes(length))
    for at in range(packages):
        # genisoimage tells many long names apart slowly.
        first = f"{at:05d}-" if packages > 1000 else ""
        name = f"{first}a-package-with-quite-a-long-name-{at:05d}-1.2.3.ph5.x86_64.rpm"
        _write(root / "RPMS/x86_64" / name, numbers.randbytes(size + at % 500))
    (root / "RPMS/repodata/primary.xml.gz").symlink_to("0123-primary.xml.gz")
    _make_esp(root / "boot/grub2/efiboot.img")
    (root / "isolinux/menu.cfg").chmod(0o600)
    os.chown(root / "isolinux/menu.cfg", 12, 34)
    for one in (root, *root.rglob("*")):
        os.utime(one, (_MTIME, _MTIME), follow_symlinks=False)
    return root


def _write(path: Path, content: bytes) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _make_esp(path: Path) -> None:
    """Make the 3 MiB FAT image that holds Photon's EFI boot loader."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(3 << 20))
    judge("mkfs.fat", "-i", "5EEDCAFE", path)
    judge("mmd", "-i", path, "::EFI", "::EFI/BOOT")
    loader = path.with_name("loader.efi")
    loader.write_bytes(b"MZ" + random.Random(6).randbytes(100_000))
    judge("mcopy", "-i", path, loader, "::EFI/BOOT/bootx64.efi")
    loader.unlink()


def _mkisofs(tree: Path, made: Path, *options: str) -> None:
    """Run genisoimage."""
    judge("genisoimage", "-quiet", *options, "-o", made, tree)


def _xorrisofs(tree: Path, made: Path, *options: str) -> None:
    """Run xorriso as mkisofs."""
    judge("xorriso", "-as", "mkisofs", "-quiet", *options, "-o", made, tree)


def _photon(scratch: Path, made: Path) -> None:
    _mkisofs(make_tree(scratch / "tree"), made, *_PHOTON)


def _photon_sized(packages: int, size: int) -> Callable[[Path, Path], None]:
    def make(scratch: Path, made: Path) -> None:
        _mkisofs(make_tree(scratch / "tree", packages, size), made, *_PHOTON)

    return make


def _summed(scratch: Path, made: Path) -> None:
    _photon(scratch, made)
    judge("implantisomd5", made)


def _xorriso(*options: str) -> Callable[[Path, Path], None]:
    def make(scratch: Path, made: Path) -> None:
        _xorrisofs(make_tree(scratch / "tree"), made, *options, "-V", VOLUME_ID)

    return make


def _genisoimage(*options: str) -> Callable[[Path, Path], None]:
    def make(scratch: Path, made: Path) -> None:
        _mkisofs(make_tree(scratch / "tree"), made, *options, "-V", VOLUME_ID)

    return make


def _hybrid(*options: str) -> Callable[[Path, Path], None]:
    def make(scratch: Path, made: Path) -> None:
        require("isohybrid" if not Path(_MBR_CODE).exists() else "xorriso")
        tree = make_tree(scratch / "tree")
        isolinux = Path("/usr/lib/ISOLINUX/isolinux.bin")
        shutil.copyfile(isolinux, tree / "isolinux/isolinux.bin")
        options_all = ("-isohybrid-mbr", _MBR_CODE, *_BOOT, *options)
        _xorrisofs(tree, made, "-R", *options_all, "-V", VOLUME_ID)

    return make


def _grub(scratch: Path, made: Path) -> None:
    tree = make_tree(scratch / "tree")
    shutil.rmtree(tree / "boot")
    judge("grub-mkrescue", "--modules=", "--fonts=", "--locales=", "-o", made, tree)


def _deep(scratch: Path, made: Path) -> None:
    tree = make_tree(scratch / "tree")
    _write(tree / "a/b/c/d/e/f/g/h/i/deep.txt", b"deep\n")
    _mkisofs(tree, made, "-R", "-V", VOLUME_ID)


def _long_links(scratch: Path, made: Path) -> None:
    tree = make_tree(scratch / "tree")
    (tree / "long").mkdir()
    (tree / "long" / ("n" * 250)).write_text("long name")
    (tree / "long" / "link").symlink_to("/".join(["..", "x" * 200, ".", "y" * 180, "z"]))
    (tree / "long" / "absolute").symlink_to("/etc/passwd")
    # genisoimage records a link that needs two entries with a wrong length.
    _xorrisofs(tree, made, "-R", *_BOOT, "-V", VOLUME_ID)


def _sessions(scratch: Path, made: Path) -> None:
    tree = make_tree(scratch / "tree")
    judge("xorriso", "-outdev", made, "-map", tree, "/", "-commit", "-map", tree, "/again")


def _udf(scratch: Path, made: Path) -> None:
    _mkisofs(make_tree(scratch / "tree"), made, "-R", "-udf", "-V", VOLUME_ID)


KINDS: Final[dict[str, Callable[[Path, Path], None]]] = {
    "photon": _photon,
    "photon-300mb": _photon_sized(1500, 200_000),
    "photon-20000": _photon_sized(20_000, 15_000),
    "photon-1000": _photon_sized(1000, 500),
    "summed": _summed,
    "xorriso": _xorriso("-R", *_BOOT),
    "plain": _genisoimage("-l"),
    "joliet": _genisoimage("-R", "-J", *_BOOT),
    "joliet-only": _genisoimage("-J"),
    "enhanced": _genisoimage("-R", "-iso-level", "4"),
    "hybrid-mbr": _hybrid(),
    "hybrid-gpt": _hybrid("-isohybrid-gpt-basdat"),
    "appended": _hybrid("-append_partition", "3", "0x83", "/usr/lib/ISOLINUX/isolinux.bin"),
    "grub": _grub,
    "deep": _deep,
    "long": _long_links,
    "sessions": _sessions,
    "udf": _udf,
}


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time make what ``path`` stands for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
