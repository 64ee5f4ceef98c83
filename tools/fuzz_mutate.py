"""Changes to texts, trees of values, and bytes, as mistakes, accidents and attackers make them."""

import itertools
import random
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

ODD_WORDS: Final = (
    *("", "~", "null", "true", "no", "0", "-1", "1e400", ".nan", ".inf", "0x10", "0o17", "1_000"),
    *(
        "9" * 40,
        "9" * 5000,
        "-" + "9" * 30,
        "\u00b2",
        "\u0661",
        "a\nb",
        "a\n",
        "\n",
        "\0",
        "\x1b[2J",
    ),
    *("\u202e", "\ufeff", "\ud800", "é" * 300, "x" * 70_000, "../../etc/passwd", "/", "//", "."),
    *("..", "-x", "--help", "$", "${", "${X", "${X:-${Y}}", "$$", "%", "%s", "{", "}", "[", "]"),
    *("&a", "*a", "!!python/object:os.system", "<<", "|", ">", "#", ": ", "'", '"', "\\", "\\0"),
    *("file:/dev/zero", "file:/etc/shadow", "http://[::1", "https://a:b@c:99999/", "1.2.3.4/99"),
    *("2026-02-30", "12:60:61", "5.0", "3.0 GA", "a:b:c", "sha256:", "root", "0:0", "a,b", "*"),
)
_NUMBERS: Final = (0, 1, 2, 3, 7, 8, 127, 128, 255, 256, 511, 512, 2047, 2048, 4095, 4096, 65535)
_LARGE: Final = (65536, 2**24 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1)
_FIELDS: Final = ("<B", "<H", ">H", "<I", ">I", "<Q", ">Q")


def mutate_text(text: str, rng: random.Random) -> bytes:
    """Return a text with a few of its lines, words and letters changed."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        text = rng.choice(_TEXT_CHANGES)(text, rng)
    data = text.encode("utf-8", "surrogatepass" if rng.random() < 0.9 else "replace")
    if rng.random() < 0.05:
        at = rng.randrange(len(data) + 1)
        data = data[:at] + rng.choice((b"\xff", b"\xc3", b"\0", b"\xed\xa0\x80")) + data[at:]
    return data


def mutate_value(value: Any, rng: random.Random, others: Sequence[Any] = ()) -> Any:
    """Return a tree of mappings, lists and words with one place of it changed."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(list(value))
        changed = dict(value)
        match rng.randrange(12):
            case 0:
                changed.pop(key)
            case 1:
                changed[_odd_word(rng)] = changed.pop(key)
            case 2:
                changed[rng.choice(list(value))] = value[key]
            case _:
                changed[key] = mutate_value(value[key], rng, others)
        return changed
    if isinstance(value, list) and value and rng.random() < 0.8:
        at = rng.randrange(len(value))
        match rng.randrange(6):
            case 0:
                return value[:at] + value[at + 1 :]
            case 1:
                return value * rng.choice((2, 40))
            case _:
                return [*value[:at], mutate_value(value[at], rng, others), *value[at + 1 :]]
    return _other_value(value, rng, others)


def mutate_bytes(data: bytes, rng: random.Random, changes: int = 0) -> bytes:
    """Return bytes with fields, runs and the length changed."""
    out = bytearray(data)
    for _ in range(changes or rng.choice((1, 1, 2, 3, 8))):
        if not out:
            break
        at = rng.randrange(len(out))
        match rng.randrange(9):
            case 0:
                out[at] ^= 1 << rng.randrange(8)
            case 1:
                del out[at : at + rng.choice((1, 4, 512, 4096))]
            case 2:
                out[at:at] = out[at : at + rng.choice((1, 16, 512))]
            case 3:
                del out[at:]
            case 4:
                end = min(len(out), at + rng.choice((4, 64, 512)))
                out[at:end] = bytes([rng.choice((0, 255))]) * (end - at)
            case _:
                write_field(out, at - at % rng.choice((1, 2, 4)), rng)
    return bytes(out)


def write_field(out: bytearray, at: int, rng: random.Random) -> None:
    """Put an odd number where a number may be."""
    form = rng.choice(_FIELDS)
    size = struct.calcsize(form)
    if at + size > len(out):
        return
    (old,) = struct.unpack_from(form, out, at)
    near = (old + 1, old - 1, old * 2, old ^ 1 << rng.randrange(8 * size))
    number = rng.choice(_NUMBERS + near + (_LARGE if rng.random() < 0.5 else ()))
    struct.pack_into(form, out, at, number % (1 << 8 * size))


def repair_tar(data: bytes) -> bytes:
    """Make the checksums of a tar archive right again, as far as its chain of headers goes."""
    out, at = bytearray(data), 0
    while at + 512 <= len(out) and out[at]:
        out[at + 148 : at + 156] = b" " * 8
        out[at + 148 : at + 156] = b"%06o\0 " % sum(out[at : at + 512])
        try:
            size = int(bytes(out[at + 124 : at + 135]).strip(b"\0 ") or b"0", 8)
        except ValueError:
            break
        at += 512 + (size + 511) // 512 * 512
    return bytes(out)


def repair_gpt(disk: bytearray, sector: int = 512) -> None:
    """Make the checksums of the first partition table right again."""
    header = sector
    if disk[header : header + 8] != b"EFI PART":
        return
    at, count, size = struct.unpack_from("<QII", disk, header + 72)
    length = min(count * size, 1 << 20)
    table = bytes(disk[at * sector : at * sector + length])
    struct.pack_into("<I", disk, header + 88, zlib.crc32(table))
    struct.pack_into("<I", disk, header + 16, 0)
    claimed = struct.unpack_from("<I", disk, header + 12)[0]
    if claimed <= sector:
        struct.pack_into("<I", disk, header + 16, zlib.crc32(disk[header : header + claimed]))


def _odd_word(rng: random.Random) -> str:
    """Return a word that nobody expects."""
    return rng.choice(ODD_WORDS)


def _other_value(value: object, rng: random.Random, others: Sequence[Any]) -> Any:
    """Return another value in place of one."""
    nested: Any = "x"
    for _ in range(rng.choice((3, 30, 400))):
        nested = rng.choice(([nested], {"a": nested}))
    made: tuple[Callable[[], Any], ...] = (
        lambda: _odd_word(rng),
        lambda: _odd_word(rng),
        lambda: rng.choice((None, True, False, 0, -1, 1.5, float("nan"), float("inf"), 10**30)),
        lambda: rng.choice(([], {}, [[]], [None], {"": None}, [value], {"a": value})),
        lambda: nested,
        lambda: rng.choice(others) if others else value,
        lambda: f"{value}{_odd_word(rng)}",
        lambda: f"{_odd_word(rng)}{value}",
        lambda: -value if isinstance(value, int) else str(value).upper(),
    )
    return rng.choice(made)()


def _lines(text: str, rng: random.Random) -> str:
    """Double, drop, swap or blow up lines."""
    lines = text.splitlines(keepends=True) or [""]
    at = rng.randrange(len(lines))
    match rng.randrange(6):
        case 0:
            lines.insert(at, lines[rng.randrange(len(lines))])
        case 1:
            del lines[at]
        case 2:
            lines[at] = (lines[at].rstrip("\n") * rng.choice((2, 3000)))[: 1 << 20] + "\n"
        case 3:
            lines[at] = rng.choice((" ", "\t", "  ", "#", "- ")) + lines[at]
        case 4:
            lines[at] = lines[at].rstrip("\n")
        case _:
            lines.insert(at, _odd_word(rng) + "\n")
    return "".join(lines)


def _word(text: str, rng: random.Random) -> str:
    """Put an odd word in the place of a word."""
    words = [word for word in text.split() if len(word) < 200]
    if not words:
        return _odd_word(rng)
    old = rng.choice(words)
    start = text.find(old, rng.randrange(len(text)))
    start = text.find(old) if start < 0 else start
    return text[:start] + _odd_word(rng) + text[start + len(old) :]


def _letter(text: str, rng: random.Random) -> str:
    """Change, drop or put in a letter."""
    at = rng.randrange(len(text) + 1)
    new: str = rng.choice(_LETTERS)
    return text[:at] + new + text[at + rng.randrange(2) :]


_LETTERS: Final = (*":,\"'[]{}#&*!|>%@`\\\t\r\n =-.", "")
_TEXT_CHANGES: Final[tuple[Callable[[str, random.Random], str], ...]] = (
    _lines,
    _lines,
    _word,
    _word,
    _letter,
    lambda text, _: text.replace("\n", "\r\n"),
    lambda text, _: text.rstrip("\n"),
    lambda text, rng: text[: rng.randrange(len(text) + 1)],
    lambda text, rng: text[rng.randrange(len(text) + 1) :],
)

BOMBS: Final[Mapping[str, str]] = {
    "aliases": "a: &a [x, x]\n"
    + "".join(
        f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n"
        for old, new in itertools.pairwise("abcdefghij")
    ),
    "deep": "a: " + "[" * 20_000,
    "deep-mapping": "".join(" " * at + "a:\n" for at in range(900)),
    "merge": "a: &a {b: 1}\n" + "c: {<<: [" + "*a, " * 20_000 + "*a]}\n",
    "circle": "a: &a\n  b: *a\n",
    "keys": "".join(f"k{at}: 1\n" for at in range(40_000)),
    "wide": "a: '" + "x" * 900_000 + "'\n",
    "comment": "#" * 900_000 + "\nversion: 1\n",
    "indent": "version: 1\n" + " " * 500_000 + "name: a\n",
    "quotes": "a: " + '"' * 300_000,
    "brackets": "a: {" + "b: {" * 5_000 + "}" * 5_001,
}
"""Texts that are short to write and long to read."""
