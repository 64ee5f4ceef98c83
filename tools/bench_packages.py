"""Measures how long it takes to work out what packages need: a whole process, beyond its start."""

import gzip
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from builder.formats import rpm_repo
from builder.formats.rpm import Header
from tools.bench_measure import Rival, interleave
from tools.bench_report import Bench, Limit, show

_PACKAGES: Final = 5000
_INSTALLED: Final = 150
_DEPTH: Final = 4
_SPREAD: Final = 2_654_435_761
_PROVIDES: Final = (1047, 1112, 1113)
_REQUIRES: Final = (1049, 1048, 1050)
_SOLVE: Final = """\
import sys
from collections.abc import Iterator
from pathlib import Path
from builder.engine.directory import DirectoryTree
from builder.formats import rpm_repo
from builder.formats.rpm import Header
from builder.packages.closure import Index, Metadata, solve
folder = Path(sys.argv[1])
base = [Header("base", 0, 0, eval(line), 0) for line in (folder / "base").open()]
index = Index(folder / "primary.xml.gz", "primary.xml.gz")
metadata = Metadata("photon", "http://127.0.0.1/", index)
found = solve([f"package-{n}" for n in range(4980, 5000)], base, [metadata], "x86_64")
assert len(found.choices) > 100, len(found.choices)
"""


def bench_packages(bench: Bench) -> None:
    """Measure a closure over a repository as large as Photon's."""
    folder = bench.folder / "packages"
    folder.mkdir()
    _write(folder)
    ours = Rival("closure over 5,000 packages", [sys.executable, "-c", _SOLVE, str(folder)])
    bare = Rival("python -c pass", [sys.executable, "-c", "pass"])
    interleave([ours, bare], bench.rounds)
    show([ours, bare], ours)
    limit = Limit("closure beyond the start", ours.seconds - bare.seconds, 0.3, " s")
    bench.limits.append(limit)


def _write(folder: Path) -> None:
    """Write the index of a repository, and the headers of a base."""
    headers = [_header(number) for number in range(_PACKAGES)]
    packages = [
        rpm_repo.Package(header, f"{number:064x}", 1000, f"{header.name}.rpm", 0)
        for number, header in enumerate(headers)
    ]
    index = rpm_repo.add_to_index(rpm_repo.empty_index("primary"), "primary", packages)
    (folder / "primary.xml.gz").write_bytes(gzip.compress(gzip.decompress(index), mtime=0))
    rows = (repr(header.tags) for header in headers[:_INSTALLED])
    (folder / "base").write_text("".join(f"{row}\n" for row in rows))


def _header(number: int) -> Header:
    """Return a package that needs some with smaller numbers."""
    name = f"package-{number}"
    needs = tuple(f"package-{place}" for place in _places(number))
    tags: dict[int, tuple[int | str, ...]] = {
        rpm_repo.NAME: (name,),
        rpm_repo.VERSION: ("1",),
        rpm_repo.RELEASE: ("1.ph5",),
        rpm_repo.ARCH: ("x86_64",),
        _PROVIDES[0]: (name,),
        _PROVIDES[1]: (8,),
        _PROVIDES[2]: ("1-1.ph5",),
        _REQUIRES[0]: needs,
        _REQUIRES[1]: (0,) * len(needs),
        _REQUIRES[2]: ("",) * len(needs),
    }
    return Header(name, 0, 0, tags, 0)


def _places(number: int) -> Iterator[int]:
    """Yield the numbers of the packages that one needs: smaller ones, spread out."""
    for step in range(_DEPTH * bool(number)):
        yield (number * _SPREAD >> 4 * step) % number
