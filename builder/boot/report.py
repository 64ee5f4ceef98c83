"""The results of a boot test as text, as JSON and as JUnit XML.

The XML has the JUnit form of Apache Ant, one suite for each boot, with the console in
``system-out``. XML 1.0 cannot hold most control characters, so they are removed.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import groupby
from typing import Any

from builder.boot.checks import CheckResult

_UNWRITABLE = re.compile(r"[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SHOWN = 300


def format_result(result: CheckResult) -> str:
    """Return a result as a line; a failed one with the expected and the found output."""
    sign = "ok  " if result.passed else "FAIL"
    line = f"{sign} {result.boot}: {result.name} ({result.seconds:.1f} s)\n"
    if not result.passed:
        line += f"       wanted: {_short(result.wanted)}\n" * bool(result.wanted)
        line += f"       found:  {_short(result.found)}\n"
    return line


def format_summary(results: Sequence[CheckResult]) -> str:
    """Return how many checks passed and failed."""
    failed = sum(not result.passed for result in results)
    return f"{len(results) - failed} of {len(results)} checks passed"


def plain_results(results: Iterable[CheckResult]) -> list[dict[str, Any]]:
    """Return results as plain data."""
    return [
        {
            "boot": result.boot,
            "name": result.name,
            "passed": result.passed,
            "wanted": result.wanted,
            "found": result.found,
            "seconds": round(result.seconds, 3),
        }
        for result in results
    ]


def format_junit(name: str, results: Sequence[CheckResult], console: str) -> str:
    """Return results as JUnit XML, with the console's text."""
    failed = sum(not result.passed for result in results)
    total = sum(result.seconds for result in results)
    head = f'<testsuites tests="{len(results)}" failures="{failed}" time="{total:.3f}">'
    suites = "".join(_suites(name, results))
    output = f"<system-out>{_text(console)}</system-out>"
    last = suites.rfind("</testsuite>")
    body = suites[:last] + output + suites[last:] if last >= 0 else ""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}\n{body}</testsuites>\n'


def _suites(name: str, results: Sequence[CheckResult]) -> Iterator[str]:
    """Yield a suite for each boot."""
    for boot, group in groupby(results, key=lambda result: result.boot):
        cases = list(group)
        failed = sum(not result.passed for result in cases)
        seconds = sum(result.seconds for result in cases)
        yield (
            f'<testsuite name="{_text(f"{name}: {boot}")}" tests="{len(cases)}" '
            f'failures="{failed}" errors="0" skipped="0" time="{seconds:.3f}">\n'
        )
        yield from (_case(f"{name}.{boot}", result) for result in cases)
        yield "</testsuite>\n"


def _case(suite: str, result: CheckResult) -> str:
    """Return one case."""
    head = f'<testcase classname="{_text(suite)}" name="{_text(result.name)}"'
    head += f' time="{result.seconds:.3f}"'
    if result.passed:
        return f"{head}/>\n"
    detail = f"wanted: {result.wanted}\nfound: {result.found}"
    message = _text(_short(result.found))
    return f'{head}><failure message="{message}">{_text(detail)}</failure></testcase>\n'


def _text(text: str) -> str:
    """Return a text escaped for XML."""
    return escape(_UNWRITABLE.sub("", text))


def _short(text: str) -> str:
    """Shorten a text for a report."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} …"
