"""``SHA256SUMS``: digests of the files of a folder, as sha256sum(1) writes and reads them."""

import re
from collections.abc import Mapping

SUMS = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](.+)")


def parse_sums(text: str) -> dict[str, str]:
    """Return file name to SHA-256, in lower case; of two lines for a name the first counts."""
    found: dict[str, str] = {}
    for line in text.split("\n"):
        if parts := _LINE.fullmatch(line.removesuffix("\r")):
            found.setdefault(parts[2], parts[1].lower())
    return found


def merge_sums(text: str, sums: Mapping[str, str]) -> str:
    """Return the text with other digests of some files; an empty one removes the line.

    Lines in another form stay where they are, ahead of the others.
    """
    ours = {name: f"{digest}  {name}" for name, digest in sums.items() if digest}
    others = []
    for line in text.removesuffix("\n").split("\n") if text else ():
        found = _LINE.fullmatch(line.removesuffix("\r"))
        if not found:
            others.append(line)
        elif found[2] not in sums:
            ours.setdefault(found[2], line)
    lines = [*others, *(line for _, line in sorted(ours.items()))]
    return "".join(f"{line}\n" for line in lines)
