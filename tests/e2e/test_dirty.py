"""Bases that are not as new: journals, full disks, large directories, links, more partitions."""

from collections.abc import Callable
from pathlib import Path

import pytest

from builder.formats.disk import MIB
from tests.support.altered import debugfs, free_blocks, indexed, make_altered
from tests.support.disks import LAYOUTS
from tests.support.ext4_image import Region
from tests.support.judges import judge
from tests.support.opened import Opened, open_ova
from tests.support.program import Bench
from tests.support.recipes import Recipe
from tests.support.tree import Directory, Entry, File, Link, TreeFolder, text

SMALL = Recipe(size=192 * MIB)
SPEC = """\
version: 1
name: edge
target: ova
base: {{file: {base}}}
overlay:
  hostname: edge-1
  users: {{root: {{password: {{locked: true}}}}}}
{more}"""


def write_spec(bench: Bench, base: Path, more: str = "") -> Path:
    return bench.write("specs/edge.yaml", SPEC.format(base=base, more=more))


def build(bench: Bench, base: Path, recipe: Recipe, more: str = "") -> Opened:
    """Build from an altered base and return the result, found sound by e2fsck and sgdisk."""
    artifact = bench.build(write_spec(bench, base, more))
    opened = open_ova(artifact, recipe.root_extent[0], bench.directory / "opened")
    opened.check()
    assert bench.run("verify", artifact, "specs/edge.yaml").code == 0
    return opened


def trees(**entries: Entry) -> Callable[[TreeFolder], None]:
    """Return what adds entries to a tree."""
    return lambda folder: folder.add_tree(dict(entries))


def test_a_journal_is_replayed_before_anything_is_changed(bench: Bench, tmp_path: Path) -> None:
    content = tmp_path / "block"
    content.write_bytes(b"journal\n" * 512)

    def leave(region: Region) -> None:
        block = int(debugfs(region, "blocks /opt/late").split("blocks /opt/late")[1].split()[0])
        said = judge(
            "debugfs", "-w", "-f", "-", region.device, text=f"jo\njw -b {block} {content}\njc\n"
        )
        assert "rror" not in said.stderr
        assert "needs_recovery" in judge("dumpe2fs", "-h", region.device).stdout

    tree = trees(**{"/opt/late": text("too old\n" * 512)})
    base = make_altered(tmp_path / "base", SMALL, tree=tree, disk=leave)
    opened = build(bench, base, SMALL)
    assert opened.text("/opt/late") == "journal\n" * 512
    assert opened.text("/etc/hostname") == "edge-1\n"
    assert "needs_recovery" not in judge("dumpe2fs", "-h", opened.device).stdout


def test_a_full_disk_is_said_with_the_size_that_is_missing(bench: Bench, tmp_path: Path) -> None:
    def fill(region: Region) -> None:
        free, size = free_blocks(region)
        filler = tmp_path / "filler"
        filler.write_bytes(b"\1" * ((free - 50) * size))
        debugfs(region, f"write {filler} filler")
        assert free_blocks(region)[0] <= 50

    base = make_altered(tmp_path / "base", SMALL, disk=fill)
    (bench.directory / "specs").mkdir()
    (bench.directory / "specs/large").write_bytes(b"\2" * 3 * MIB)
    spec = write_spec(bench, base, "  files: [{path: /opt/large, source: large}]\n")
    done = bench.run("build", spec)
    assert (done.code, "Traceback" in done.err) == (8, False), done.err
    assert "3.0 MiB" in done.err or "MiB" in done.err
    assert not (bench.output / "edge.ova").exists()


@pytest.mark.slow
def test_a_disk_without_inodes_is_said(bench: Bench, tmp_path: Path) -> None:
    recipe = Recipe(size=192 * MIB, mke2fs=("-N", "500"))
    base = make_altered(tmp_path / "base", recipe)
    for number in range(600):
        bench.write(f"specs/many/{number}", "x")
    done = bench.run(
        "build", write_spec(bench, base, "  files: [{path: /opt/many, source: many}]\n")
    )
    assert (done.code, "inode" in done.err) == (8, True), done.err


@pytest.mark.parametrize("count", [1500, pytest.param(9_000, marks=pytest.mark.slow)])
def test_a_large_directory_keeps_its_index(count: int, bench: Bench, tmp_path: Path) -> None:
    def grow(folder: TreeFolder) -> None:
        for number in range(count):
            folder.add(f"/opt/many/a-long-name-of-a-file-{number:06}", Link("x"))

    base = make_altered(tmp_path / "base", SMALL, tree=grow, disk=indexed)
    more = "".join(f'    - {{path: /opt/many/new-{n:03}, content: "{n}\\n"}}\n' for n in range(100))
    opened = build(bench, base, SMALL, f"  files:\n{more}    - {{path: /opt/many/a-long-name-of-"
                   "a-file-000007, absent: true}\n")  # fmt: skip
    assert int(opened.stat("/opt/many")["flags"], 16) & 0x1000
    assert opened.text("/opt/many/new-042") == "42\n"
    listed = opened.debugfs("ls -p /opt/many").split()
    assert len(listed) == count + 100 - 1 + 2


LINKS: dict[str, Entry] = {
    "/absolute": Link("/data/a"),
    "/data/a": Directory(),
    "/relative": Link("data/r"),
    "/data/r": Directory(),
    "/dangling": Link("/not/there"),
    "/twice": Link("once"),
    "/once": Link("/data/../data/t"),
    "/data/t": Directory(),
}
LED = {
    "/absolute/app/run": "/data/a/app/run",
    "/relative/app/run": "/data/r/app/run",
    "/dangling/app/run": "/not/there/app/run",
    "/twice/app/run": "/data/t/app/run",
    "/lib/app/run": "/usr/lib/app/run",
}


def test_a_file_goes_where_links_lead(bench: Bench, tmp_path: Path) -> None:
    base = make_altered(tmp_path / "base", SMALL, tree=trees(**LINKS))
    files = "".join(f'    - {{path: {path}, content: "{path}\\n"}}\n' for path in LED)
    opened = build(bench, base, SMALL, f"  files:\n{files}")
    for path, place in LED.items():
        assert opened.text(place) == f"{path}\n"
        assert opened.stat(f"/{path.split('/')[1]}")["type"] == "symlink"


IN_THE_WAY: dict[str, Entry] = {
    "/out": Link("../../../tmp"),
    "/one": Link("two"),
    "/two": Link("one"),
    "/file": File(b"x"),
    "/taken/run": Directory(),
    "/volatile": Link("/run/opt"),
}


@pytest.fixture(scope="module")
def obstructed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base with something in the way of many a path."""
    return make_altered(
        tmp_path_factory.mktemp("obstructed") / "base", SMALL, tree=trees(**IN_THE_WAY)
    )


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/out/run", "climbs above the root"),
        ("/one/run", "circle"),
        ("/file/run", "directory is wanted"),
        ("/taken/run", "is a directory in the base"),
        ("/volatile/run", "would never be seen"),
    ],
)
def test_what_is_in_the_way_is_said(path: str, words: str, obstructed: Path, bench: Bench) -> None:
    spec = write_spec(bench, obstructed, f'  files: [{{path: {path}, content: "x"}}]\n')
    done = bench.run("build", spec)
    assert (done.code, words in done.err, "edge.yaml:8" in done.err) == (8, True, True), done.err


TEXTS: dict[str, dict[str, Entry]] = {
    "no newline at the end": {"/etc/fstab": File(b"# nothing\ntmpfs /tmp tmpfs defaults 0 0")},
    "bytes that are not UTF-8": {"/etc/fstab": File(b"# M\xfcller\n")},
    "an empty file": {"/etc/fstab": File(b"")},
}


@pytest.mark.parametrize(
    "case", [pytest.param(c, marks=pytest.mark.slow) if "bytes" not in c else c for c in TEXTS]
)
def test_odd_text_files_gain_a_line_and_keep_the_rest(
    case: str, bench: Bench, tmp_path: Path
) -> None:
    entry = TEXTS[case]["/etc/fstab"]
    base = make_altered(tmp_path / "base", SMALL, tree=trees(**TEXTS[case]))
    more = "  mounts: [{source: LABEL=data, path: /mnt/data, type: ext4}]\n"
    opened = build(bench, base, SMALL, more)
    opened.debugfs(f"dump /etc/fstab {tmp_path / 'fstab'}")
    found = (tmp_path / "fstab").read_bytes()
    before = entry.content if isinstance(entry, File) else b""
    assert found.startswith(before)
    assert found[len(before) :].lstrip(b"\n").startswith(b"LABEL=data\t/mnt/data\text4\t")
    assert found.endswith(b"\n")


def test_a_removed_directory_that_is_filled_again_is_proved(bench: Bench, tmp_path: Path) -> None:
    base = make_altered(
        tmp_path / "base",
        SMALL,
        tree=trees(**{"/opt/old/one": File(b"1"), "/opt/old/sub/two": File(b"2")}),
    )
    more = '  files: [{path: /opt/old, absent: true}, {path: /opt/old/sub/new, content: "n"}]\n'
    opened = build(bench, base, SMALL, more)
    assert opened.text("/opt/old/sub/new") == "n"
    assert "two" not in opened.debugfs("ls /opt/old/sub")
    assert "one" not in opened.debugfs("ls /opt/old")


PARTITIONS = {
    "/boot": ("separate_boot", 3, "/boot/extra/file", "/extra/file"),
    "/root": ("separate_root_home", 3, "/root/.ssh/config", "/.ssh/config"),
    "ESP": ("ova", 2, "/boot/efi/EFI/extra.txt", ""),
}


@pytest.mark.parametrize("case", PARTITIONS)
def test_a_file_lands_on_the_partition_that_will_be_mounted_there(
    case: str, bench: Bench, tmp_path: Path
) -> None:
    layout, number, path, inner = PARTITIONS[case]
    recipe = Recipe(size=192 * MIB, layout=layout)
    base = make_altered(tmp_path / "base", recipe)
    opened = build(bench, base, recipe, f'  files: [{{path: {path}, content: "x\\n"}}]\n')
    offset = LAYOUTS[layout].extents(recipe.size)[number - 1][0]
    if inner:
        part = Opened(opened.ova, opened.raw, offset)
        judge("e2fsck", "-fn", part.device)
        assert part.text(inner) == "x\n"
    else:
        assert judge("mtype", "-i", f"{opened.raw}@@{offset}", "::/EFI/extra.txt").stdout == "x\n"
    assert "File not found" in judge("debugfs", "-R", f"stat {path}", opened.device).stderr


def test_kernel_arguments_reach_a_boot_partition_of_its_own(bench: Bench, tmp_path: Path) -> None:
    recipe = Recipe(size=192 * MIB, layout="separate_boot")
    base = make_altered(tmp_path / "base", recipe)
    opened = build(bench, base, recipe, "  kernel: {add: [mitigations=off]}\n")
    offset = LAYOUTS["separate_boot"].extents(recipe.size)[2][0]
    boot = Opened(opened.ova, opened.raw, offset)
    everything = boot.text("/systemd.cfg") + boot.text("/grub2/grub.cfg")
    assert everything.count("mitigations=off") == 1
    boot.check()
