"""`verify` has an ISO read by a second, foreign reader, and says where the two disagree."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.blob import Blob
from builder.formats.iso9660 import AddDirectory, AddFile, AddSymlink, Edit, open_iso
from builder.images import open_image
from tests.support.bases import cache_folder
from tests.support.isos import change, make_iso
from tests.support.judges import judge
from tests.support.program import PROJECT, Bench

BLOCK = 2048
KINDS = ["photon", "xorriso", "joliet", "joliet-only", "plain", "enhanced", "hybrid-mbr"]
KINDS += ["hybrid-gpt", "appended", "grub", "deep", "long", "sessions", "udf", "summed"]
CHANGED = ["photon", "joliet", "plain", "hybrid-gpt", "grub", "deep", "summed"]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_sound_images_of_every_maker_are_read_alike(kind: str) -> None:
    with open_image(make_iso(cache_folder(), kind)) as image:
        image.check(True)


@pytest.mark.parametrize("kind", CHANGED)
def test_images_that_were_added_to_are_read_alike(kind: str, tmp_path: Path) -> None:
    out = tmp_path / "out.iso"
    long = 0 if kind == "plain" else 50
    edits: list[Edit] = [
        *(AddFile(f"/new/{'n' * long}{at}.txt", Blob.text("x" * at)) for at in range(60)),
        AddDirectory("/new/below"),
        AddFile("/isolinux/ks.cfg", Blob.text("{}")),
    ]
    if kind != "plain":
        edits.append(AddSymlink("/new/link", "../isolinux"))
    change(make_iso(cache_folder(), kind), out, *edits)
    with open_image(out) as image:
        image.check(True)


def test_compressed_files_are_no_difference(bench: Bench) -> None:
    (bench.directory / "tree").mkdir()
    (bench.directory / "tree/zeros").write_bytes(bytes(100_000))
    (bench.directory / "tree/text").write_text("text")
    image = bench.directory / "packed.iso"
    added = ("-map", bench.directory / "tree", "/", "-set_filter_r", "--zisofs", "/", "--")
    judge("xorriso", "-outdev", image, *added, "-commit")
    assert b"ZF\x10\x01pz" in image.read_bytes()
    run = bench.run("verify", image)
    assert run.code == 0, run.err


def same_name(image: bytearray) -> None:
    """Give two files of a directory one name."""
    at = image.index(b"NM\x0c\x01\x00" + b"two.txt")
    image[at + 5 : at + 12] = b"one.txt"


def smaller_root(image: bytearray) -> None:
    """Have the descriptor say that the root is one block, while the root says that it is more."""
    start = 16 * BLOCK + 156 + 10
    assert image[start : start + 4] == (2 * BLOCK).to_bytes(4, "little")
    image[start : start + 8] = BLOCK.to_bytes(4, "little") + BLOCK.to_bytes(4, "big")


def smaller_folder(image: bytearray) -> None:
    """Have the root say that a directory is one block, while the directory says that it is two."""
    at = image.index(b"\x03BIG")
    start = at - 32 + 10
    assert image[start : start + 4] == (2 * BLOCK).to_bytes(4, "little")
    image[start : start + 8] = BLOCK.to_bytes(4, "little") + BLOCK.to_bytes(4, "big")


def hidden_boot_entry(image: bytearray) -> None:
    """Add an entry behind the last section of the boot catalog."""
    start = int.from_bytes(image[17 * BLOCK + 0x47 : 17 * BLOCK + 0x4B], "little") * BLOCK
    assert image[start + 64] == 0x91
    assert not any(image[start + 128 : start + 192])
    image[start + 64] = 0x90
    image[start + 128 : start + 160] = image[start + 32 : start + 64]


def unreadable_catalog(image: bytearray) -> None:
    """Give the validation entry of the boot catalog another header."""
    start = int.from_bytes(image[17 * BLOCK + 0x47 : 17 * BLOCK + 0x4B], "little") * BLOCK
    assert image[start + 64] == 0x91
    image[start + 64 + 64 : start + 64 + 96] = image[start + 64 : start + 96]


WRONG: dict[str, tuple[Callable[[bytearray], None], str]] = {
    "a name twice": (same_name, "/one.txt is a file, 4 bytes at block "),
    "root": (smaller_root, " here, nothing there; and "),
    "folder": (smaller_folder, "/big/file-number-10 is a file, 3 bytes at block "),
    "boot entry": (hidden_boot_entry, "El Torito: BIOS boots 4 sectors at block "),
    "catalog": (unreadable_catalog, "cannot read it: "),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_medium_that_readers_see_differently_is_no_sound_one(wrong: str, bench: Bench) -> None:
    tree, image = bench.directory / "tree", bench.directory / "medium.iso"
    (tree / "big").mkdir(parents=True)
    (tree / "one.txt").write_text("one\n")
    (tree / "two.txt").write_text("two\n")
    for at in range(20):
        (tree / f"file-number-{at}").write_text(f"{at}\n")
        (tree / f"big/file-number-{at}").write_text(f"{at}\n")
    (tree / "boot.bin").write_bytes(bytes(2048))
    (tree / "efi.img").write_bytes(bytes(range(256)) * 8)
    boots = ("-b", "boot.bin", "-c", "boot.cat", "-no-emul-boot", "-boot-load-size", "4")
    efi = ("-eltorito-alt-boot", "-e", "efi.img", "-no-emul-boot")
    judge("genisoimage", "-quiet", "-R", *boots, *efi, "-o", image, tree)
    assert bench.run("verify", image).code == 0
    spoil, words = WRONG[wrong]
    content = bytearray(image.read_bytes())
    spoil(content)
    image.write_bytes(content)
    with open_iso(image) as iso:
        iso.check(full=True)  # nothing is wrong with any structure alone
    run = bench.run("verify", image)
    assert run.code == 11, run.err
    assert "medium.iso: ISO 9660: pycdlib, a second reader, " in run.err
    assert words in run.err
    assert f"xorriso -indev {image} -check_media" in run.err
    assert bench.run("inspect", image).code == 0
    assert bench.run("ls", "-R", image).code == 0


def test_what_is_built_is_checked_without_the_second_reader() -> None:
    image = make_iso(cache_folder(), "photon")
    script = (
        "import sys; from pathlib import Path; from builder.images import open_image\n"
        f"with open_image(Path({str(image)!r})) as image: image.check(False)\n"
        "print('pycdlib' in sys.modules)\n"
        f"with open_image(Path({str(image)!r})) as image: image.check(True)\n"
        "print('pycdlib' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "True"]
