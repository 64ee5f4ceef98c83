"""Measures installation media: the codec, and whole builds, beside cp, pycdlib and xorriso.

The codec is held to the limits, as a process with Python's start in it: it does what the rivals
do. A build does more: it reads the base's digest and the artifact's, each once over everything,
works the plan out and proves it; it is shown beside copying with as many digests.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from builder.formats.disk import GIB
from tests.support.judges import require
from tests.support.loops import mounted
from tests.support.media import RELEASES, Media, digest_of, make_medium
from tools import bench_iso_routes
from tools.bench_iso_routes import edits, write_edits, xorriso
from tools.bench_measure import Rival, emptied, interleave, ratio, settled
from tools.bench_report import MB, Bench, Limit, show

_MEDIA: Final = {"300 MB, 1,500 files": (1500, 200_000), "430 MB, 20,000 files": (20_000, 20_000)}
_LARGE_NAME: Final = "5 GB, 3,000 files"
_MOST: Final = {**dict(zip(_MEDIA, (1.6, 2.0), strict=True)), _LARGE_NAME: 1.6}
"""What a build may take, by copying and two digests side by side."""

_INITRD: Final = 60_000_000
"""What an initial RAM disk unpacks to, about a third of Photon's."""

_LARGE: Final = (3000, 1_700_000)
_LARGE_ROOM: Final = 17 * GIB
_SHARED_ROOM: Final = 8 * GIB
_SHARED_SECONDS: Final = 0.1
_START: Final = "import builder.formats.iso9660, builder.formats.stream, builder.blob"


def bench_iso(bench: Bench) -> None:
    """Measure small media: many bytes, and many files."""
    for name, bulk in _MEDIA.items():
        with _medium(bench, bulk) as base:
            _compare(bench, name, base, bench.rounds)


def bench_iso_large(bench: Bench) -> None:
    """Measure a medium of 5 GB; what a run leaves unwritten must not slow the next."""
    if shutil.disk_usage(bench.folder).free < _LARGE_ROOM:
        print(f"\n5 GB medium: left out, it takes {_LARGE_ROOM / GIB:.0f} GiB of room")
        return
    with _medium(bench, _LARGE) as base:
        _compare(bench, _LARGE_NAME, base, bench.plain_rounds, settle=True)


def bench_iso_reflink(bench: Bench) -> None:
    """Measure where files can share their blocks; only root may mount such a file system."""
    if os.geteuid() or shutil.disk_usage(bench.folder).free < _LARGE_ROOM:
        print("\nreflinks: left out, they take root and 17 GiB of room")
        return
    with _medium(bench, _LARGE) as base:
        for kind in ("xfs", "btrfs"):
            with mounted(kind, bench.folder, _SHARED_ROOM) as folder:
                _compare_reflink(bench, kind, Path(shutil.copy(base, folder)))


def _compare(bench: Bench, name: str, base: Path, rounds: int, *, settle: bool = False) -> None:
    """Measure the codec and a build beside the others."""
    print(f"\n== {name}: {base.stat().st_size / MB:.0f} MB")
    out = bench.folder / "iso-out"
    codec, rewrite = _route("codec", base, out), _route("pycdlib", base, out)
    grown = Rival("xorriso -indev -outdev", _xorriso(bench, base, out), emptied(out))
    copy = Rival("cp", ["cp", str(base), str(out / "out.iso")], emptied(out))
    build, digests = _build(bench, base, out), _copy_and_digests(base, out)
    start = Rival("python and the codec's imports", _python("-c", _START), emptied(out))
    for each in (codec, rewrite, grown):
        _check(each, out)
    rivals = [codec, copy, start, rewrite, grown, build, digests]
    if settle:
        for each in rivals:
            each.prepare = settled(each.prepare)
    interleave(rivals, rounds, warm=not settle)
    show(rivals, copy)
    print(f"pycdlib by cp: {ratio(rewrite, copy):.2f}x")
    beyond = (codec.seconds - start.seconds) / copy.seconds
    bench.limits += [
        Limit(f"{name}: codec by cp", ratio(codec, copy), 1.1),
        Limit(f"{name}: codec beyond Python's start by cp", beyond, 1.1),
        Limit(f"{name}: pycdlib by codec", ratio(rewrite, codec), 2.5, at_least=True),
        Limit(f"{name}: xorriso by codec", ratio(grown, codec), 3, at_least=True),
        Limit(f"{name}: build by {digests.name}", ratio(build, digests), _MOST[name]),
        Limit(f"{name}: peak memory of a build", build.peak / MB, 64, " MB"),
    ]
    emptied(out)()


def _compare_reflink(bench: Bench, kind: str, base: Path) -> None:
    """Measure the codec beyond its start, and a build, whose digests take most of it."""
    out = base.parent / "out"
    codec, build = _route("codec", base, out), _build(bench, base, out)
    start = Rival("python and the codec's imports", _python("-c", _START), emptied(out))
    copy = ["cp", "--reflink=always", str(base), str(out / "out.iso")]
    shared = Rival("cp --reflink=always", copy, emptied(out))
    _check(codec, out)
    interleave([codec, start, shared], bench.rounds)
    interleave([build], 2, warm=False)
    print(f"\n== reflinks on {kind}: {base.stat().st_size / MB:.0f} MB")
    show([codec, start, shared], start)
    show([build], build)
    beyond = codec.seconds - start.seconds
    bench.limits.append(Limit(f"{kind}: codec beyond its start", beyond, _SHARED_SECONDS, " s"))


@contextmanager
def _medium(bench: Bench, bulk: tuple[int, int]) -> Iterator[Path]:
    """Yield a medium with that many packages of that size, and remove it."""
    folder, known = bench.folder / "medium", RELEASES["5.0"]
    made = make_medium(folder, Media(known.release, known.keys, bulk=bulk, noise=_INITRD))
    shutil.rmtree(folder / "tree")
    os.sync()
    yield made
    shutil.rmtree(folder)


def _python(*arguments: str) -> list[str]:
    """Return a command of this Python."""
    return [sys.executable, *arguments]


def _route(name: str, base: Path, out: Path) -> Rival:
    """Return a route of Python's."""
    command = _python(bench_iso_routes.__file__, name, str(base), str(out / "out.iso"))
    return Rival(f"{name}, as a process", command, emptied(out))


def _xorriso(bench: Bench, base: Path, out: Path) -> list[str]:
    """Return xorriso's route; the workload is laid out for it."""
    folder = bench.folder / "workload"
    write_edits(folder)
    return xorriso(base, out / "out.iso", folder)


def _build(bench: Bench, base: Path, out: Path) -> Rival:
    """Return a build of unattended media, the base's digest in the spec."""
    spec = bench.folder / "iso.yaml"
    source = {"file": str(base), "sha256": digest_of(base)}
    files = [{"path": path, "content": data.hex()} for path, data in edits().items()]
    overlay = {"hostname": "bench", "files": files, "packages": ["nfs-utils"]}
    wanted = {"install": {"disk": "/dev/sda"}, "base": source, "overlay": overlay}
    spec.write_text(json.dumps({"version": 1, "name": "bench", "target": "iso", **wanted}))
    command = ["build", str(spec), "--output", str(out)]
    return bench.product("photon-builder build", *command, prepare=emptied(out))


def _copy_and_digests(base: Path, out: Path) -> Rival:
    """Return copying with the digests that a build takes, side by side as it takes them."""
    script = 'openssl dgst -sha256 "$1" & cp "$1" "$2" && openssl dgst -sha256 "$2" && wait'
    command = ["sh", "-ec", script, "sh", str(base), str(out / "out.iso")]
    return Rival("cp, and two digests", command, emptied(out))


def _check(rival: Rival, out: Path) -> None:
    """Run a rival once and have another program read the workload out of its image."""
    rival.run()
    rival.runs.clear()
    for path, data in edits().items():
        found = subprocess.run(
            [require("isoinfo"), "-R", "-i", out / "out.iso", "-x", path],
            stdout=subprocess.PIPE,
            check=True,
        )
        if found.stdout != data:
            raise SystemExit(f"{rival.name}: {path} is not as wanted")
