"""The words of docs/style.md: phrases that a reader has to translate do not return."""

import functools
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PHRASES = {
    r"\bis no valid\b": "is not a valid",
    r"\bheed(s|ed)?\b": "respect, read",
    r"\ball the same\b": "anyway, nevertheless",
    r"\bif need be\b": "if needed",
    r"\blet (it |them )?go\b": "eject, release",
    r"\bways? out\b": "fallback, workaround",
    r"\bborne with\b": "tolerated",
    r"\buprooted\b": "moved root",
    r"\bpass(es|ed)? over\b": "skip",
    r"\b(to|can) be had\b": "available",
    r"\bfor people\b": "as text, readable",
    r"\b(a|is|are) sound\b": "valid, intact",
    r"\b(tell|say) whether\b": "return whether",
    r"\b(is|are|be) told\b": "receives, is called with",
}
ANY = re.compile("|".join(PHRASES), re.IGNORECASE)
SKIPPED = (
    "builder/data/",
    "builder/sample/packages/",  # files as Photon has them
    "docs/reference.md",  # generated from code that is checked itself
    "docs/style.md",  # lists the phrases
    "tests/golden/",
    "tests/unit/test_words.py",
)
SUFFIXES = {".md", ".py", ".sh", ".yaml"}


def words_of(path: Path) -> str:
    """Return a text on one line, without what begins its lines: comments and quotes."""
    return re.sub(r"\s*\n[\s#\"f*-]*", " ", path.read_text(encoding="utf-8"))


@functools.cache
def phrases_in(path: Path) -> list[str]:
    """Return the phrases that stand in a file, each with what to write instead."""
    text = words_of(path)
    if not ANY.search(text):
        return []
    return [
        f"`{found[0]}`: write {instead}"
        for phrase, instead in PHRASES.items()
        if (found := re.search(phrase, text, re.IGNORECASE))
    ]


def tracked() -> list[str]:
    """Return the files whose words count."""
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return [
        name
        for name in listed
        if (Path(name).suffix in SUFFIXES or name == "Makefile")
        and not name.startswith(SKIPPED)
        and (ROOT / name).exists()
    ]


def test_no_file_has_a_phrase_that_a_reader_must_translate() -> None:
    found = {name: phrases for name in tracked() if (phrases := phrases_in(ROOT / name))}
    assert found == {}, "see docs/style.md"


def test_the_style_page_lists_each_refused_phrase() -> None:
    table = (ROOT / "docs/style.md").read_text().partition("## Phrases that a test refuses")[2]
    examples = re.findall(r"`([^`]+)`", table)
    for phrase in PHRASES:
        assert any(re.search(phrase, example, re.IGNORECASE) for example in examples), phrase
