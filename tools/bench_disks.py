"""Disks for clouds and boards beside tar, cp, xz, zstd and pigz: ``make bench``.

The disk is the one of the OVA that :mod:`tools.bench` edits: 16 GiB, some 700 MB of them used.
What is packed alone is the same root on a disk of 1 GiB, since rivals read every zero.
"""

import os
import shlex
import sys
from pathlib import Path
from typing import Final

from builder.formats.disk import GIB, MIB
from builder.formats.sparse import iter_data
from tests.support.bases import Base, Recipe, cache_folder, make_base
from tests.support.recipes import Kind
from tools.bench_measure import Rival, emptied, interleave, ratio, settled
from tools.bench_report import MB, Bench, Limit, show
from tools.bench_routes import at_once, write_edit, write_spec

_MEMBERS: Final = ("ami", "gce", "azure", "ova", "ova_uefi")
_PAYLOAD: Final = 300 * MIB


def bench_disks(bench: Bench) -> None:
    """Measure everything about disks."""
    _bench_archive(bench)
    _bench_plain(bench)
    _bench_packers(bench)
    _bench_group(bench)


def _base(kind: Kind, size: int = 16 * GIB) -> Base:
    """Return a base with the real root, made once."""
    print(f"making the base {kind}, {size >> 30} GiB (once; kept in the tests' cache)", flush=True)
    return make_base(cache_folder(), Recipe(kind=kind, root="real", size=size))


def _build(bench: Bench, target: str, base: Base, output: dict[str, object] | None = None) -> Rival:
    """Return the build of a target, into an empty folder."""
    spec, folder = bench.folder / f"{target}.yaml", bench.folder / f"built-{target}"
    pinned = {"file": str(base.path)} | ({} if output else {"sha256": base.digests["sha256"]})
    write_spec(spec, pinned, target, output=output)
    command = ["build", str(spec), "--output", str(folder)]
    return bench.product(f"photon-builder build ({target})", *command, prepare=emptied(folder))


def _payload(bench: Bench) -> Path:
    """Return a file of real data that makes the members of a group take a while."""
    path, source = bench.folder / "large", _base("raw", GIB).path
    with source.open("rb") as stream, path.open("wb") as out:
        stream.seek(source.stat().st_size // 4)
        for _ in range(_PAYLOAD // MIB):
            out.write(stream.read(MIB))
    return path


def _bench_archive(bench: Bench) -> None:
    """Measure a tar.gz for a cloud beside unpacking, editing and packing it by hand."""
    base = _base("gce")
    ours = _build(bench, "gce", base)
    work = bench.folder / "by-hand"
    disk = f"disk.raw?offset={base.root_offset}"
    lines = [
        "set -e",
        f"cd {shlex.quote(str(work))}",
        f"tar xzf {shlex.quote(str(base.path))}",
        f"debugfs -w -f {shlex.quote(str(write_edit(bench.folder / 'edit')))} '{disk}' 2>&1",
        "tar czf out.tar.gz disk.raw",
        "rm disk.raw",
    ]
    hand = Rival("tar xzf, debugfs, tar czf", ["sh", "-c", "\n".join(lines)], emptied(work))
    ours.prepare, hand.prepare = settled(ours.prepare), settled(hand.prepare)
    interleave([ours, hand], max(1, bench.plain_rounds // 3), warm=False)
    show([ours, hand], ours)
    bench.limits += [
        Limit("gce, 16 GiB: by hand by ours", ratio(hand, ours), 20, at_least=True),
        Limit("gce, 16 GiB: peak memory", ours.peak / MB, 100, " MB"),
    ]


def _bench_plain(bench: Bench) -> None:
    """Measure disks that are not packed beside a copy."""
    base = _base("raw")
    copies = bench.folder / "copies"
    command = ["cp", "--sparse=always", str(base.path), str(copies / "out")]
    least = at_once(command, _mapped(base.path, bench.folder / "mapped"), emptied(copies))
    for target, text in (("ami", "raw"), ("azure", "VHD")):
        ours = _build(bench, target, base, {"compression": "none", "archive": False})
        copy = Rival("cp --sparse=always", command, emptied(copies))
        interleave([ours, copy, least], bench.rounds)
        show([ours, copy, least], ours)
        print(f"{least.name} by cp --sparse=always: {ratio(least, copy):.2f}x")
        least.runs.clear()
        bench.limits.append(Limit(f"{text} by cp --sparse=always", ratio(ours, copy), 1.2))


def _mapped(disk: Path, folder: Path) -> list[Path]:
    """Write what is no hole of a disk into two files of the same size: one for each processor."""
    folder.mkdir()
    with disk.open("rb") as stream:
        runs = list(iter_data(stream.fileno(), 0, disk.stat().st_size))
        half, parts = sum(length for _, length in runs) // 2, [folder / "first", folder / "second"]
        with parts[0].open("wb") as first, parts[1].open("wb") as second:
            for start, length in runs:
                for at in range(start, start + length, MIB):
                    data = os.pread(stream.fileno(), min(MIB, start + length - at), at)
                    (first if first.tell() < half else second).write(data)
    return parts


_PACKERS: Final = {
    "gz": (2, ["pigz", "-c"]),
    "xz": (1, ["xz", "-c", "-T0"]),
    "zst": (3, ["zstd", "-c", "-q", "-T0"]),
}
"""Compression to our default level and the rival, which gets the same level."""


def _bench_packers(bench: Bench) -> None:
    """Measure compression alone beside the usual tools at the same level."""
    disk = _base("raw", GIB).path
    rounds = max(1, bench.rounds // 2)
    for kind, (level, command) in _PACKERS.items():
        mine, theirs = bench.folder / f"mine.{kind}", bench.folder / f"theirs.{kind}"
        arguments = [str(disk), str(mine), kind, str(level)]
        ours = Rival(
            f"ours, {kind} -{level}", [sys.executable, "-m", "tools.bench_pack", *arguments]
        )
        line = f"{shlex.join([*command, f'-{level}', str(disk)])} > {shlex.quote(str(theirs))}"
        rival = Rival(shlex.join([*command, f"-{level}"]), ["sh", "-c", line])
        interleave([ours, rival], rounds, warm=False)
        show([ours, rival], ours)
        size = mine.stat().st_size / theirs.stat().st_size
        bench.limits += [
            Limit(f"{kind} -{level} by {command[0]}", ratio(ours, rival), 1),
            Limit(f"size of {kind} -{level} by {command[0]}", size, 1.06 if kind == "xz" else 1.2),
        ]


def _bench_group(bench: Bench) -> None:
    """Measure a group beside its members, one after the other."""
    spec, output = bench.folder / "group.yaml", bench.folder / "group"
    write_spec(spec, {"sample": True}, "all-images", large=_payload(bench))
    build = ["build", str(spec), "--output", str(output)]
    together = bench.product("all-images", *build, prepare=emptied(output))
    together.run()
    if (found := len(list(output.rglob("*.provenance.json")))) != len(_MEMBERS):
        raise SystemExit(f"all-images: {found} artifacts, wanted {len(_MEMBERS)}")
    together.runs.clear()
    alone = [bench.product(n, *build, "--target", n, prepare=emptied(output)) for n in _MEMBERS]
    rounds = max(1, bench.rounds // 2)
    interleave([together, *alone], rounds)
    show([together, *alone], together)
    slowest = max(alone, key=lambda rival: rival.seconds)
    others = sum(rival.cpu for rival in alone if rival is not slowest)
    allowed = 1.3 * slowest.seconds + others / 2
    text = "all-images by 1.3 of its slowest and half of the others' processor time"
    bench.limits.append(Limit(text, together.seconds / allowed, 1))
