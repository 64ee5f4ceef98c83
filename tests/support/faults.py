"""System calls that fail, give less than was asked, or end the program: see tools/faults.c."""

import errno
from dataclasses import dataclass
from pathlib import Path

from tests.support.judges import judge, require
from tests.support.program import PROJECT, Bench, Run


@dataclass(frozen=True, slots=True)
class Faults:
    """A library that disturbs what happens in the folder of a bench."""

    library: Path

    def run(
        self, bench: Bench, *arguments: str | Path, calls: str, what: str, at: int = 1,
        sticky: bool = True, **more: str,
    ) -> Run:  # fmt: skip
        """Run the program, from the ``at``-th of some calls on with a fault.

        Args:
            bench: Where.
            *arguments: Of the program.
            calls: Kinds of calls, as tools/faults.c names them.
            what: Name of an errno, ``short``, or a signal such as ``SIG15``.
            at: Number of the first call that is disturbed.
            sticky: Whether all later ones are, too.
            **more: Variables that the program sees.
        """
        extra = {"FAULT_STICKY": "1"} if sticky else {}
        temporary = bench.directory / "tmp"
        temporary.mkdir(exist_ok=True)
        return bench.run(
            *arguments,
            LD_PRELOAD=str(self.library),
            TMPDIR=str(temporary),
            SOURCE_DATE_EPOCH="1700000000",
            FAULT_BELOW=str(bench.directory),
            FAULT_CALLS=calls,
            FAULT_AT=str(at),
            FAULT_DO=str(getattr(errno, what, what)),
            **extra,
            **more,
        )


def make_faults(folder: Path) -> Faults:
    """Compile the library; skips where there is no compiler."""
    require("cc")
    library = folder / "faults.so"
    judge("cc", "-w", "-shared", "-fPIC", "-o", library, PROJECT / "tools/faults.c")
    return Faults(library)
