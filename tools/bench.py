"""Measures this project beside its rivals on this machine: ``make bench``.

Everything runs as whole processes, in turn, with a warm page cache; times are medians, ratios are
medians of pairs. The exit status is 1 when a limit does not hold.

    python -m tools.bench [--rounds N] [--plain-rounds N] [--only NAME]... [--folder DIR]
"""

import argparse
import compileall
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tools.bench_burn import bench_burn
from tools.bench_disks import bench_disks
from tools.bench_files import bench_files
from tools.bench_grains import new_bytes
from tools.bench_iso import bench_iso, bench_iso_large, bench_iso_reflink
from tools.bench_measure import Rival, emptied, interleave, ratio, settled
from tools.bench_packages import bench_packages
from tools.bench_report import MB, PRODUCT, Bench, Limit, show
from tools.bench_routes import at_once, plain_route, write_spec

_ROOT: Final = Path(__file__).resolve().parent.parent
_GIGABIT: Final = 125_000_000
"""Bytes a second of the network that most people have at best."""
_DIGESTS: Final = 3
"""Of the base, of the disk in the artifact for its manifest, and of the artifact."""
_SERVER: Final = """\
import functools, http.server, sys, time
rate = int(sys.argv[2])
class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_): pass
    def copyfile(self, source, target):
        begun, sent = time.monotonic(), 0
        while piece := source.read(1 << 18):
            target.write(piece)
            sent += len(piece)
            if rate:
                time.sleep(max(0, begun + sent / rate - time.monotonic()))
handler = functools.partial(Quiet, directory=sys.argv[1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


def bench_build(bench: Bench) -> None:
    """Measure a build beside copying, and beside the plain route."""
    spec, output = bench.folder / "bench.yaml", bench.folder / "built"
    write_spec(spec, {"file": str(bench.base.path), "sha256": bench.base.digests["sha256"]})
    build = ["build", str(spec), "--output", str(output)]
    ours = bench.product("photon-builder build", *build, prepare=emptied(output))
    copy, base = _copy(bench), bench.base.path
    out = bench.folder / "copied" / "out"
    least = at_once(["cp", str(base), str(out)], [base] * _DIGESTS, copy.prepare)
    interleave([ours, copy, least], bench.rounds)
    show([ours, copy, least], ours)
    built = next(output.glob("**/*.ova"))
    extra = new_bytes(bench.base.path, built)
    bench.limits += [
        Limit(f"build by {least.name}", ratio(ours, least), 1.6),
        Limit("peak memory of a build", ours.peak / MB, 64, " MB"),
        Limit("bytes of the artifact that are not the base's grains", extra / MB, 3, " MB"),
    ]
    if (written := max(run.written for run in ours.runs)) >= 0:
        beside = (written - built.stat().st_size) / MB
        bench.limits.append(Limit("bytes written beside the artifact", beside, 3, " MB"))
    again = bench.product("photon-builder build, nothing changed", *build, prepare=lambda: None)
    interleave([again], bench.rounds)
    show([again], again)
    bench.limits.append(Limit("nothing changed", again.seconds, 0.2, " s"))


def bench_plain(bench: Bench) -> None:
    """Measure a build beside the plain route."""
    spec, output = bench.folder / "plain.yaml", bench.folder / "plain-built"
    write_spec(spec, {"file": str(bench.base.path), "sha256": bench.base.digests["sha256"]})
    ours = bench.product(
        "photon-builder build", "build", str(spec), "--output", str(output), prepare=emptied(output)
    )
    plain = _plain(bench)
    # Gigabytes that the plain route leaves unwritten must not slow the next run.
    ours.prepare, plain.prepare = settled(ours.prepare), settled(plain.prepare)
    interleave([ours], 0)
    interleave([ours, plain], bench.plain_rounds, warm=False)
    show([ours, plain], ours)
    bench.limits.append(Limit("plain route by build", ratio(plain, ours), 50, at_least=True))


def bench_start(bench: Bench) -> None:
    """Measure the start-up beside an empty Python."""
    ours = bench.product("photon-builder --version", "--version", prepare=lambda: None)
    bare = Rival("python -c pass", [sys.executable, "-c", "pass"])
    interleave([ours, bare], max(bench.rounds, 15))
    show([ours, bare], ours)
    bench.limits.append(Limit("--version by python -c pass", ratio(ours, bare), 3))
    spec = str(_ROOT / "specs" / "homelab.yaml")
    check = bench.product("photon-builder check homelab", "check", spec, prepare=lambda: None)
    interleave([check], max(bench.rounds, 15))
    show([check], check)
    bench.limits.append(Limit("check of homelab", check.seconds, 0.2, " s"))


def bench_fetch(bench: Bench) -> None:
    """Measure a checked download beside one without a digest."""
    cache = bench.folder / "cache"
    with _served(bench.base.path.parent) as address:
        url = f"{address}/{bench.base.path.name}"
        spec = bench.folder / "fetch.yaml"
        write_spec(spec, {"url": url, "sha256": bench.base.digests["sha256"]})
        ours = bench.product("photon-builder fetch", "fetch", str(spec), prepare=emptied(cache))
        got = bench.folder / "got"
        curl = ["curl", "-sSfo", str(got), url]
        plain = Rival("curl, no digest", curl, lambda: got.unlink(missing_ok=True))
        script = 'got=$1; shift; "$@" && openssl dgst -sha256 "$got"'
        command = ["sh", "-ec", script, "sh", str(got), *curl]
        after = Rival("curl, then openssl dgst", command, plain.prepare)
        interleave([ours, plain, after], bench.rounds)
        show([ours, plain, after], ours)
    for name, rate in (("loopback", 0), ("1 Gbit/s", _GIGABIT)):
        with _served(bench.base.path.parent, rate) as address:
            _bench_transfer(bench, f"{address}/{bench.base.path.name}", name)


def _bench_transfer(bench: Bench, url: str, name: str) -> None:
    """Measure what the digest adds to a download that ends on the disk."""
    got = bench.folder / "got"
    with_digest, without = (
        Rival(
            f"{name}: transfer, {algorithm or 'no digest'}",
            _transfer(url, got, algorithm),
            settled(lambda: got.unlink(missing_ok=True)),
        )
        for algorithm in ("sha256", "")
    )
    interleave([with_digest, without], bench.rounds)
    show([with_digest, without], with_digest)
    text = f"{name}: download with its digest by the same without"
    bench.limits.append(Limit(text, ratio(with_digest, without), 1.05))


def _transfer(url: str, target: Path, algorithm: str) -> list[str]:
    """Return the command that downloads as the program does."""
    command = [sys.executable, "-m", "tools.bench_transfer", url, str(target)]
    return [*command, algorithm] if algorithm else command


def bench_rivals(bench: Bench) -> None:
    """Measure the rivals alone: says whether the machine and its tools are fit."""
    copy = _copy(bench)
    plain = _plain(bench)
    interleave([copy], bench.rounds)
    interleave([plain], 1, warm=False)
    show([copy, plain], copy)


_BENCHES: Final[dict[str, Callable[[Bench], None]]] = {
    "start": bench_start,
    "build": bench_build,
    "fetch": bench_fetch,
    "plain": bench_plain,
    "iso": bench_iso,
    "iso-large": bench_iso_large,
    "iso-reflink": bench_iso_reflink,
    "files": bench_files,
    "disks": bench_disks,
    "packages": bench_packages,
    "burn": bench_burn,
    "rivals": bench_rivals,
}


def main() -> int:
    """Run the benchmarks that the arguments name."""
    options = _arguments()
    compileall.compile_dir(_ROOT / "builder", quiet=1)  # as an installation does
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="bench-") as scratch:
        os.environ["PHOTON_BUILDER_CACHE"] = str(Path(scratch) / "cache")
        bench = Bench(Path(scratch), options.rounds, options.plain_rounds)
        print(f"{os.cpu_count()} processors")
        for name in options.only or [name for name in _BENCHES if name != "rivals"]:
            _BENCHES[name](bench)
    print()
    for limit in bench.limits:
        print(limit.line())
    return int(not all(limit.holds for limit in bench.limits))


def _arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="pairs of each measurement")
    parser.add_argument("--plain-rounds", type=int, default=5, help="pairs with the plain route")
    parser.add_argument("--only", action="append", choices=list(_BENCHES), help="run just this")
    parser.add_argument("--folder", type=Path, default=_ROOT / "output", help="where to work")
    return parser.parse_args()


def _plain(bench: Bench) -> Rival:
    """Return the plain route as a rival."""
    output = bench.folder / "plain"
    command = plain_route(bench.base, bench.folder / "plain-route", output)
    return Rival("tar, qemu-img, debugfs, qemu-img, tar", command, emptied(output))


def _copy(bench: Bench) -> Rival:
    """Return the yardstick: copy the base, then digest it."""
    copies = bench.folder / "copied"
    script = 'cp "$1" "$2" && openssl dgst -sha256 "$1"'
    command = ["sh", "-ec", script, "sh", str(bench.base.path), str(copies / "out")]
    return Rival("cp + openssl dgst", command, emptied(copies))


@contextmanager
def _served(folder: Path, rate: int = 0) -> Iterator[str]:
    """Serve a folder on the loopback interface, at ``rate`` bytes a second; yield its address."""
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER, str(folder), str(rate)], stdout=subprocess.PIPE, text=True
    )
    try:
        port = server.stdout.readline().strip() if server.stdout else ""
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    if not shutil.which(PRODUCT[0]):
        PRODUCT[:] = [sys.executable, "-m", "builder"]
    sys.exit(main())
