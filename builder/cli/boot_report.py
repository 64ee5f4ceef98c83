"""The report of ``boot --test``: printed as results come, and written to files."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from builder.boot import report
from builder.cli.answers import write_result
from builder.errors import VerifyError

if TYPE_CHECKING:
    from builder.boot.checks import CheckResult
    from builder.boot.session import RunningMachine

Part = Literal["screenshot", "junit", "console_log", "results", "text"]
_NAMES: Mapping[Part, str] = MappingProxyType(
    {
        "screenshot": "screen.png",
        "junit": "junit.xml",
        "console_log": "console.log",
        "results": "results.json",
        "text": "report.txt",
    }
)
"""File names in the folder of a report."""


class BootReport:
    """The results of a test.

    Attributes:
        console: Everything that the guest wrote to its console.
    """

    def __init__(self, artifact: Path, folder: Path | None, *, as_json: bool) -> None:
        self.console = ""
        self._artifact = artifact
        self._as_json = as_json
        self._results: list[CheckResult] = []
        self._places: dict[Part, list[Path]] = {part: [] for part in _NAMES}
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            self._places = {part: [folder / name] for part, name in _NAMES.items()}

    def keep(self, part: Part, path: Path | None) -> None:
        """Write a part of the report to a file, if one is given."""
        if path:
            self._places[part].append(path)

    def add(self, result: "CheckResult", console: str = "") -> None:
        """Add a result, and the console of a machine that has ended."""
        self._results.append(result)
        self.console += console
        sys.stderr.write(report.format_result(result))

    def take_screen(self, session: "RunningMachine") -> None:
        """Write the screenshot, if wanted."""
        for path in self._places["screenshot"]:
            session.take_screenshot(path)

    def finish(self) -> None:
        """Write the files of the report, and fail when a check failed.

        Raises:
            VerifyError: a check failed.
        """
        name, summary = self._artifact.name, report.format_summary(self._results)
        rows = report.plain_results(self._results)
        lines = "".join(map(report.format_result, self._results))
        self._write("text", f"{lines}{name}: {summary}\n")
        self._write("results", json.dumps(rows, indent=2) + "\n")
        self._write("console_log", self.console)
        self._write("junit", report.format_junit(name, self._results, self.console))
        passed = all(result.passed for result in self._results)
        value = {"artifact": str(self._artifact), "passed": passed, "results": rows}
        if self._as_json:
            value["exit_code"] = 0 if passed else VerifyError.exit_code
        write_result("boot", value, as_json=self._as_json, text=f"{self._artifact}: {summary}\n")
        if not passed:
            hint = "see the lines marked FAIL"
            raise VerifyError(f"{self._artifact}: {summary}", hint=hint)

    def _write(self, part: Part, text: str) -> None:
        """Write a part of the report to where it is kept."""
        for path in self._places[part]:
            path.write_text(text)
