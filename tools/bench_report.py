"""What the benchmarks share: this project's command, limits that hold or do not, and tables."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from tests.support.bases import Base, Recipe, cache_folder, make_base
from tools.bench_measure import Rival, ratio

MB: Final = 1_000_000
PRODUCT: Final = [str(Path(sys.executable).with_name("photon-builder"))]


@dataclass(frozen=True, slots=True)
class Limit:
    """Something measured and what it may be."""

    text: str
    found: float
    limit: float
    unit: str = "x"
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Whether it is as wanted."""
        return self.found >= self.limit if self.at_least else self.found <= self.limit

    def line(self) -> str:
        """Return it as a line of the report."""
        relation = ">=" if self.at_least else "<="
        verdict = "ok  " if self.holds else "FAIL"
        wanted = f"{relation} {self.limit:g}{self.unit}"
        return f"{verdict} {self.text}: {self.found:.2f}{self.unit} (limit {wanted})"


@dataclass
class Bench:
    """What the benchmarks share.

    Attributes:
        folder: Scratch; on the file system that counts.
        rounds: Pairs of each measurement.
        plain_rounds: Pairs with the plain route, which takes long.
        limits: What was found so far.
    """

    folder: Path
    rounds: int
    plain_rounds: int
    limits: list[Limit] = field(default_factory=list)

    @cached_property
    def base(self) -> Base:
        """The OVA that is edited; made once, and kept in the tests' cache."""
        print("making the base (once; kept in the tests' cache) ...", flush=True)
        found = make_base(cache_folder(), Recipe(root="real"))
        print(f"base: {found.path.stat().st_size / MB:.0f} MB", flush=True)
        return found

    def product(self, name: str, *arguments: str, prepare: Callable[[], None]) -> Rival:
        """Return this project's command as a rival."""
        return Rival(name, [*PRODUCT, *arguments], prepare)


def show(rivals: list[Rival], reference: Rival) -> None:
    """Print a table of rivals; ratios are to the reference, pair by pair."""
    print(f"\n{'':<44}{'wall s':>9}{'cpu s':>9}{'peak MB':>9}{'ratio':>8}  runs")
    for rival in rivals:
        by = ratio(rival, reference)
        print(
            f"{rival.name:<44}{rival.seconds:>9.3f}{rival.cpu:>9.3f}{rival.peak / MB:>9.1f}"
            f"{by:>8.2f}  {len(rival.runs)}",
            flush=True,
        )
