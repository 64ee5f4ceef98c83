"""The workload of the ISO benchmarks, and the routes to it: this project's codec and its rivals.

    python tools/bench_iso_routes.py codec|pycdlib BASE OUT

A folder of 17 files, one more configuration file, and three replaced: what an unattended
installer needs, without what this project adds of its own.
"""

import os
import sys

FOLDER = "/custom"
_REPLACED = ("/isolinux/isolinux.cfg", "/isolinux/menu.cfg", "/boot/grub2/grub.cfg")


def edits() -> dict[str, bytes]:
    """Return the files of the workload."""
    import hashlib

    small = {
        f"{FOLDER}/file-{at:02}": hashlib.shake_128(bytes([at])).digest(6000) for at in range(17)
    }
    menus = dict.fromkeys(_REPLACED, b"# edited\nlabel install\n" * 20)
    return {**small, "/isolinux/custom.cfg": b"# custom\n", **menus}


def write_edits(folder: os.PathLike[str]) -> None:
    """Write the workload below ``folder``."""
    from pathlib import Path

    for path, data in edits().items():
        place = Path(folder, path.lstrip("/"))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)


def run_codec(base: str, out: str) -> None:
    """Go this project's way, without digests and proof; the copy begins before the rest is read.

    The switch interval and the end without taking the interpreter apart are the program's own.
    """
    sys.setswitchinterval(0.0005)
    from builder.formats.early_copy import copy_early

    old, new = os.open(base, os.O_RDONLY), os.open(out, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    with copy_early(old, new, os.fstat(old).st_size) as early:
        import time
        from pathlib import Path

        from builder.blob import Blob
        from builder.formats.iso9660 import AddFile, open_iso, plan_append
        from builder.formats.stream import write_segments

        changes = [AddFile(path, Blob.of(data)) for path, data in edits().items()]
        with open_iso(Path(base)) as iso:
            layout = plan_append(iso, changes, timestamp=int(time.time()))
            write_segments(new, layout.segments(), early=early)
    os._exit(0)


def run_pycdlib(base: str, out: str) -> None:
    """Go the way that pycdlib's documentation shows: open, add, write anew."""
    import io
    from pathlib import PurePosixPath

    import pycdlib

    iso = pycdlib.PyCdlib()
    iso.open(base)
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
    iso.write(out)
    iso.close()


def xorriso(base: os.PathLike[str], out: os.PathLike[str], folder: os.PathLike[str]) -> list[str]:
    """Return the command that goes xorriso's way; ``folder`` holds the workload."""
    command = ["xorriso", "-indev", str(base), "-outdev", str(out)]
    return [*command, "-boot_image", "any", "replay", "-map", str(folder), "/"]


def main() -> None:
    """Go the way that the arguments name."""
    route, base, out = sys.argv[1:]
    {"codec": run_codec, "pycdlib": run_pycdlib}[route](base, out)


if __name__ == "__main__":
    main()
