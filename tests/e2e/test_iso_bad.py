"""Bases that are damaged, foreign or odd, through the command line; nothing is ever lost."""

import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.isos import approve, boot_report, make_iso
from tests.support.judges import judge
from tests.support.media import GRUB, MENU, Media, make_medium
from tests.support.program import Bench, files_below

BLOCK = 2048
SPEC = """\
version: 1
name: edge
target: iso
base: {{file: {base}}}
install: {{disk: /dev/sda}}
overlay:
  hostname: {hostname}
  users: {{root: {{password: {{env: ROOT_PASSWORD}}}}}}
  network: {{eth0: {{dhcp: "yes"}}}}
"""
ENVIRONMENT = {"ROOT_PASSWORD": "correct horse", "SOURCE_DATE_EPOCH": "1700000000"}


def write_spec(bench: Bench, base: Path, hostname: str = "edge-1") -> Path:
    return bench.write("specs/edge.yaml", SPEC.format(base=base, hostname=hostname))


def at(offset: int, data: bytes) -> Callable[[bytearray], None]:
    """Return an edit that puts bytes at an offset, counted from the end when it is negative."""

    def edit(image: bytearray) -> None:
        start = offset % len(image)
        image[start : start + len(data)] = data

    return edit


def keep(size: int) -> Callable[[bytearray], None]:
    """Return an edit that cuts an image."""

    def edit(image: bytearray) -> None:
        del image[size:]

    return edit


def many_entries(count: int) -> Callable[[bytearray], None]:
    """Return an edit that makes the last section of the boot catalog claim ``count`` entries."""

    def edit(image: bytearray) -> None:
        (block,) = struct.unpack_from("<I", image, 17 * BLOCK + 0x47)
        start = block * BLOCK
        entry = bytes(image[start + 96 : start + 128])
        image[start + 66 : start + 68] = count.to_bytes(2, "little")
        rest = entry * (BLOCK // 32 - 3)
        image[start + 96 : start + 96 + len(rest)] = rest

    return edit


def two_owners(image: bytearray) -> None:
    """Make the owner of the root's parent another for readers of the other byte order."""
    entry = image.index(b"PX\x24\x01", image.index(b"PX\x24\x01") + 1)
    image[entry + 20] ^= 0xFF


def nothing(image: bytearray) -> None:
    """Leave an image as it is."""
    del image


REFUSED: dict[str, tuple[str, Callable[[bytearray], None], int, str]] = {
    "a text": ("photon", keep(100), 7, "this is not an ISO image"),
    "another image": ("photon", at(16 * BLOCK, bytes(BLOCK)), 7, "this is not an ISO image"),
    "cut in its descriptors": ("photon", keep(17 * BLOCK), 7, "cut short: 34816 bytes"),
    "cut in the middle": ("photon", keep(2_000_000), 7, "its volume 4071424"),
    "cut by a byte": ("photon", keep(-1), 7, "truncated: delete it"),
    "UDF only": ("photon", at(16 * BLOCK + 1, b"BEA01"), 7, "a UDF volume without an ISO 9660"),
    "UDF too": ("udf", nothing, 4, "it is a UDF volume too"),
    "Joliet without Rock Ridge": ("joliet-only", nothing, 4, "Joliet names but no Rock Ridge"),
    "no Rock Ridge": ("plain", nothing, 8, "the image has no Rock Ridge names"),
    "several sessions": ("sessions", nothing, 4, "more than one session"),
    "a partition behind the volume": ("appended", nothing, 4, "behind the volume"),
    "a GPT with a wrong sum": ("hybrid-gpt", at(552, b"\xff"), 7, "checksum of the header"),
    "a GPT without its copy": ("hybrid-gpt", at(-512, b"XXX"), 7, "there is no header"),
    "a wild MBR": ("hybrid-mbr", at(458, b"\xff\xff\xff\x7f"), 7, "ends at sector"),
    "an owner in two byte orders": ("photon", two_owners, 7, "a second reader, cannot read it"),
    "no room in the boot catalog": ("photon", many_entries(62), 7, "do not fit a block"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_base_that_cannot_be_is_named_and_nothing_is_left(
    name: str, bench: Bench, base_cache: Path
) -> None:
    kind, edit, code, sentence = REFUSED[name]
    image = bytearray(make_iso(base_cache, kind).read_bytes())
    edit(image)
    base = bench.directory / "some-base.iso"
    base.write_bytes(image)
    spec = write_spec(bench, base)
    bench.output.mkdir()
    (bench.output / "edge.iso").write_text("what stood there before")
    before = files_below(bench.output)
    done = bench.run("build", spec, **ENVIRONMENT)
    assert done.code == code, done.err
    assert sentence in done.err
    assert "Traceback" not in done.err
    assert files_below(bench.output) == before
    if code == 7:
        assert "some-base.iso" in done.err


def test_a_boot_catalog_that_is_full_stays_as_it_is(
    bench: Bench, base_cache: Path, tmp_path: Path
) -> None:
    image = bytearray(make_iso(base_cache, "photon").read_bytes())
    many_entries(61)(image)
    base = tmp_path / "full.iso"
    base.write_bytes(image)
    iso = bench.build(write_spec(bench, base), **ENVIRONMENT)
    assert boot_report(iso) == boot_report(base)
    assert len(boot_report(base)) > 60


def test_a_medium_of_ours_is_customised_again_and_does_not_grow(
    bench: Bench, tmp_path: Path
) -> None:
    base = make_medium(tmp_path / "base")
    sizes = []
    for hostname in ("first", "second", "third"):
        built = bench.build(write_spec(bench, base, hostname), **ENVIRONMENT)
        sizes.append(built.stat().st_size)
        base = built.rename(tmp_path / f"{hostname}.iso")
    assert len(set(sizes)) == 1
    menu = bench.run("cat", base, "/isolinux/menu.cfg").out
    grub = bench.run("cat", base, "/boot/grub2/grub.cfg").out
    assert menu.count("label photon-builder") == menu.count("label install") == 1
    assert grub.count("menuentry ") == 2
    kickstart = json.loads(bench.run("cat", base, "/photon-builder/ks.json").out)
    assert kickstart["hostname"] == "third"
    whole = base.read_bytes()
    assert whole.count(b'"hostname": "third"') == 1
    assert b'"hostname": "first"' not in whole


def test_a_kickstart_that_is_there_already_gives_way_and_others_stay(
    bench: Bench, tmp_path: Path
) -> None:
    other = "ks=cdrom:/isolinux/other.cfg"
    extra = {
        "photon-builder/ks.json": b'{"hostname": "somebody"}',
        "isolinux/other.cfg": b'{"hostname": "else"}',
        "isolinux/menu.cfg": MENU.replace("loglevel=3", f"loglevel=3 {other}").encode(),
        "boot/grub2/grub.cfg": GRUB.replace("loglevel=3", f"loglevel=3 {other}").encode(),
    }
    base = make_medium(tmp_path / "base", Media("5.0", ("linux_flavor",), extra=extra))
    iso = bench.build(write_spec(bench, base), **ENVIRONMENT)
    kickstart = json.loads(bench.run("cat", iso, "/photon-builder/ks.json").out)
    assert kickstart["hostname"] == "edge-1"
    assert bench.run("cat", iso, "/isolinux/other.cfg").out == '{"hostname": "else"}'
    for path in ("/isolinux/menu.cfg", "/boot/grub2/grub.cfg"):
        lines = [line for line in bench.run("cat", iso, path).out.splitlines() if "ks=" in line]
        assert [line.count("ks=") for line in lines] == [1, 1]
        assert "ks=cdrom:/photon-builder/ks.json" in lines[0]
        assert other in lines[1]


@pytest.mark.parametrize(
    "kind", ["joliet", "hybrid-mbr", "hybrid-gpt", "grub", "long", "deep", "enhanced", "summed"]
)
def test_rare_layouts_are_added_to_and_stay_what_they_are(
    kind: str, bench: Bench, base_cache: Path
) -> None:
    base = make_iso(base_cache, kind)
    spec = write_spec(bench, base)
    iso = bench.build(spec, **ENVIRONMENT)
    assert bench.run("verify", iso, spec, **ENVIRONMENT).code == 0
    approve(iso, level4=kind == "enhanced")
    assert boot_report(iso) == boot_report(base)
    if kind == "summed":
        judge("checkisomd5", iso)


@pytest.mark.parametrize(
    ("path", "refusal"),
    [
        ("grub-rescue/grub-rescue-cdrom.iso", ""),
        ("ipxe/ipxe.iso", ""),
        ("memtest86+/memtest86+x64.iso", "lies behind the volume"),
    ],
)
def test_foreign_media_take_files_or_say_why_not(path: str, refusal: str, bench: Bench) -> None:
    base = Path("/usr/lib") / path
    if not base.exists():
        pytest.skip(f"{base} is not installed; `make judges` installs it on Debian and Ubuntu")
    spec = bench.write("specs/s.yaml", FILES.format(base=base))
    done = bench.run("build", spec, **ENVIRONMENT)
    if refusal:
        assert (done.code, refusal in done.err) == (4, True), done.err
        return
    assert done.code == 0, done.err
    iso = bench.directory / done.out.splitlines()[-1]
    assert boot_report(iso) == boot_report(base)
    assert "/docs/README" in judge("isoinfo", "-R", "-f", "-i", iso).stdout.splitlines()
    installing = bench.run("build", write_spec(bench, base), **ENVIRONMENT)
    assert installing.code == 7
    assert "it installs nothing" in installing.err


FILES = """\
version: 1
name: s
target: src-iso
base: {{file: {base}}}
overlay:
  files:
    - {{path: /docs/readme, content: small}}
    - {{path: /docs/README, content: large}}
"""


def test_names_that_differ_in_case_are_two_where_names_are_long(
    bench: Bench, base_cache: Path
) -> None:
    base = make_iso(base_cache, "photon")
    iso = bench.build(bench.write("specs/s.yaml", FILES.format(base=base)), **ENVIRONMENT)
    listed = judge("isoinfo", "-R", "-f", "-i", iso).stdout.splitlines()
    assert {"/docs/readme", "/docs/README"} <= set(listed)
    recorded = judge("isoinfo", "-f", "-i", iso).stdout.splitlines()
    assert len({line.upper() for line in recorded}) == len(recorded)
    assert bench.run("cat", iso, "/docs/readme").out == "small"
    assert bench.run("cat", iso, "/docs/README").out == "large"


def test_names_that_differ_in_case_are_refused_where_names_are_short(
    bench: Bench, base_cache: Path
) -> None:
    base = make_iso(base_cache, "plain")
    spec = bench.write("specs/s.yaml", FILES.format(base=base))
    done = bench.run("build", spec, **ENVIRONMENT)
    assert done.code == 8
    assert "differs from it in case only" in done.err
    assert not list(bench.output.glob("*.iso"))
