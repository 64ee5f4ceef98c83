"""The workload of the ISO benchmarks, and the routes to it: this project's codec and its rivals.

    python -m tools.bench_iso_routes codec|pycdlib BASE OUT

A folder of 17 files, one more configuration file, and three replaced: what an unattended
installer needs, without what this project adds of its own.
"""

import hashlib
import io
import sys
import time
from pathlib import Path, PurePosixPath

FOLDER = "/custom"
_REPLACED = ("/isolinux/isolinux.cfg", "/isolinux/menu.cfg", "/boot/grub2/grub.cfg")


def edits() -> dict[str, bytes]:
    """Return the files of the workload."""
    small = {
        f"{FOLDER}/file-{at:02}": hashlib.shake_128(bytes([at])).digest(6000) for at in range(17)
    }
    menus = dict.fromkeys(_REPLACED, b"# edited\nlabel install\n" * 20)
    return {**small, "/isolinux/custom.cfg": b"# custom\n", **menus}


def write_edits(folder: Path) -> None:
    """Write the workload below ``folder``."""
    for path, data in edits().items():
        place = folder / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)


def run_codec(base: Path, out: Path) -> None:
    """Go this project's way, without digests and proof; the copy begins before the rest is read."""
    from builder.formats.early_copy import copy_early

    with (
        base.open("rb", buffering=0) as old,
        out.open("w+b", buffering=0) as new,
        copy_early(old.fileno(), new.fileno(), base.stat().st_size) as early,
    ):
        from builder.blob import Blob
        from builder.formats.iso9660 import AddFile, open_iso, plan_append
        from builder.formats.stream import write_segments

        changes = [AddFile(path, Blob.of(data)) for path, data in edits().items()]
        with open_iso(base) as iso:
            layout = plan_append(iso, changes, timestamp=int(time.time()))
            write_segments(new.fileno(), layout.segments(), early=early)


def run_pycdlib(base: Path, out: Path) -> None:
    """Go the way that pycdlib's documentation shows: open, add, write anew."""
    import pycdlib

    iso = pycdlib.PyCdlib()
    iso.open(str(base))
    iso.add_directory("/CUSTOM", rr_name="custom")
    for path, data in edits().items():
        name = PurePosixPath(path).name
        folder = iso.full_path_from_dirrecord(
            iso.get_record(rr_path=str(PurePosixPath(path).parent))
        )
        if path in _REPLACED:
            old = iso.full_path_from_dirrecord(iso.get_record(rr_path=path))
            iso.rm_hard_link(iso_path=old)
        short = name.replace("-", "_").upper() + ("" if "." in name else ".")
        iso.add_fp(io.BytesIO(data), len(data), f"{folder}/{short};1", rr_name=name)
    iso.write(str(out))
    iso.close()


def xorriso(base: Path, out: Path, folder: Path) -> list[str]:
    """Return the command that goes xorriso's way; ``folder`` holds the workload."""
    command = ["xorriso", "-indev", str(base), "-outdev", str(out)]
    return [*command, "-boot_image", "any", "replay", "-map", str(folder), "/"]


def main() -> None:
    """Go the way that the arguments name."""
    route, base, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    {"codec": run_codec, "pycdlib": run_pycdlib}[route](base, out)


if __name__ == "__main__":
    main()
