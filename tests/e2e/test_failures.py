"""Bad input, full disks and kills: a sentence, the right exit code, and nothing left behind."""

import os
import random
import re
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from builder.artifact import digest_of
from tests.support.altered import repacked
from tests.support.bases import Base, Recipe, make_base
from tests.support.judges import judge
from tests.support.program import Bench, files_below

MINIMAL = """\
version: 1
name: edge
target: ova
base: {{file: {base}}}
overlay: {{hostname: edge-1}}
"""


def spec_for(bench: Bench, base: Path, extra: str = "") -> Path:
    return bench.write("specs/edge.yaml", MINIMAL.format(base=base) + extra)


def edit_text(suffix: str, old: str, new: str) -> Callable[[Path], None]:
    def change(inside: Path) -> None:
        path = next(inside.glob(f"*{suffix}"))
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return change


def cut(share: float) -> Callable[[Path], None]:
    def change(inside: Path) -> None:
        path = next(inside.glob("*.vmdk"))
        os.truncate(path, int(path.stat().st_size * share) // 512 * 512)

    return change


def second_disk(inside: Path) -> None:
    disk = next(inside.glob("*.vmdk"))
    shutil.copy(disk, inside / "second.vmdk")
    ovf = next(inside.glob("*.ovf"))
    text = ovf.read_text()
    for element in ("File ", "Disk "):
        line = next(part for part in text.split("<") if part.startswith(element))
        copy = re.sub(r'((ovf:)?(id|diskId|fileRef)=")', r"\1other-", line)
        copy = copy.replace(disk.name, "second.vmdk")
        text = text.replace(f"<{line}", f"<{line}<{copy}", 1)
    ovf.write_text(text)
    next(inside.glob("*.mf")).unlink()


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
BAD_OVAS: dict[str, tuple[Callable[[Path], None], str]] = {
    "entities": (edit_text(".ovf", "<Envelope", f"{BOMB}<Envelope"), "entit|DOCTYPE|document type"),
    "not XML": (edit_text(".ovf", "<Envelope", "<<Envelope"), "ovf: line 2, column 2"),
    "cut disk": (cut(0.5), "vmdk has [0-9]+ bytes; the envelope says"),
    "two disks": (second_disk, "(two|2) disks"),
    "manifest lies": (edit_text(".mf", ")= ", ")= 00"), "manifest|digest"),
    "no descriptor": (lambda inside: next(inside.glob("*.ovf")).unlink(), "ovf|descriptor"),
    "no disk": (lambda inside: next(inside.glob("*.vmdk")).unlink(), "vmdk|disk|member"),
}


@pytest.mark.parametrize("name", BAD_OVAS)
def test_a_bad_appliance_is_a_sentence(
    name: str, small_ova: Base, bench: Bench, tmp_path: Path
) -> None:
    change, words = BAD_OVAS[name]
    bad = repacked(small_ova.path, tmp_path / "bad", change)
    done = bench.run("build", spec_for(bench, bad))
    assert done.code == 7, done.err
    assert "Traceback" not in done.err
    assert judge("grep", "-Eiq", words, text=done.err, check=False).returncode == 0, done.err
    assert files_below(bench.output) == {} if bench.output.exists() else True


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x"])
def test_a_member_that_would_leave_the_folder_is_refused(
    name: str, small_ova: Base, bench: Bench
) -> None:
    bad = bench.directory / "bad.ova"
    with tarfile.open(small_ova.path) as source, tarfile.open(bad, "w") as target:
        for member in source.getmembers():
            target.addfile(member, source.extractfile(member))
        target.addfile(tarfile.TarInfo(name))
    done = bench.run("build", spec_for(bench, bad))
    assert (done.code, name in done.err) == (7, True), done.err


FOREIGN = {
    "empty": b"",
    "text": b"this is no image\n" * 100,
    "zeros": bytes(100_000),
    "zip": b"PK\x03\x04" + bytes(1000),
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_a_file_that_is_no_appliance_is_said(content: bytes, bench: Bench) -> None:
    (bench.directory / "bad.ova").write_bytes(content)
    done = bench.run("build", spec_for(bench, bench.directory / "bad.ova"))
    assert (done.code, "Traceback" in done.err) == (7, False), done.err


@pytest.mark.parametrize("share", [0.0001, 0.9999])
def test_an_appliance_cut_anywhere_is_refused(share: float, small_ova: Base, bench: Bench) -> None:
    whole = small_ova.path.read_bytes()
    (bench.directory / "cut.ova").write_bytes(whole[: int((len(whole) - 10240) * share)])
    done = bench.run("build", spec_for(bench, bench.directory / "cut.ova"))
    assert (done.code, "Traceback" in done.err) == (7, False), done.err


def test_a_wrong_digest_is_told_apart(small_ova: Base, bench: Bench) -> None:
    spec = bench.write(
        "specs/edge.yaml",
        MINIMAL.format(base=small_ova.path).replace("}\nover", f", md5: '{'0' * 32}'}}\nover"),
    )
    done = bench.run("build", spec)
    assert done.code == 6
    assert small_ova.digests["md5"] in done.err
    assert files_below(bench.output) == {}


@pytest.mark.parametrize(
    ("layout", "words"),
    [("xfs", "XFS"), ("btrfs", "Btrfs"), ("lvm", "LVM")],
)
def test_a_root_that_cannot_be_edited_is_named(
    layout: str, words: str, base_cache: Path, bench: Bench
) -> None:
    base = make_base(base_cache, Recipe(layout=layout))
    done = bench.run("build", spec_for(bench, base.path))
    assert (done.code, words in done.err) == (7, True), done.err


BAD_SPECS = {
    "empty": (b"", 3),
    "binary": (bytes(range(256)), 3),
    "huge": (b"a: b\n" * 1_000_000, 3),
    "bomb": (b"a: &a [x,x,x,x,x,x,x,x,x,x]\n" + b"".join(
        b"k%d: &k%d [%s]\n" % (i, i, b",".join([b"*k%d" % (i - 1) if i else b"*a"] * 10))
        for i in range(9)
    ), 3),
    "list": (b"- 1\n", 3),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_SPECS)
def test_a_bad_spec_is_a_sentence(name: str, bench: Bench) -> None:
    content, code = BAD_SPECS[name]
    path = bench.directory / "bad.yaml"
    path.write_bytes(content)
    begun = time.monotonic()
    done = bench.run("build", path)
    assert (done.code, "Traceback" in done.err, "bad.yaml" in done.err) == (code, False, True)
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize("path", ["no-such-spec.yaml", "."])
def test_a_spec_that_is_not_there_is_said(path: str, bench: Bench) -> None:
    done = bench.run("build", path)
    assert done.code == 3
    assert "Traceback" not in done.err


@pytest.fixture
def small_filesystem(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 1 MiB."""
    point = tmp_path / "small"
    point.mkdir()
    mounted = judge("mount", "-t", "tmpfs", "-o", "size=1m", "none", point, check=False)
    if mounted.returncode:
        pytest.skip("mounting a small filesystem needs root")
    yield point
    judge("umount", point)


def test_no_space_on_this_machine_is_said(
    small_filesystem: Path, small_ova: Base, bench: Bench
) -> None:
    done = bench.run("build", spec_for(bench, small_ova.path), "--output", small_filesystem)
    assert (done.code, "Traceback" in done.err) == (10, False), done.err
    assert files_below(small_filesystem) == {}


def test_no_space_inside_the_image_is_said(base_cache: Path, bench: Bench) -> None:
    base = make_base(base_cache, Recipe(size=64 << 20))
    (bench.directory / "specs").mkdir()
    with (bench.directory / "specs/large").open("wb") as large:
        large.truncate(200 << 20)
    entry = "\n  files: [{path: /opt/large, source: large}]\n"
    text = MINIMAL.format(base=base.path).replace("{hostname: edge-1}", entry)
    done = bench.run("build", bench.write("specs/edge.yaml", text))
    assert (done.code, "MiB" in done.err) == (8, True), done.err
    assert files_below(bench.output) == {}


def published(bench: Bench) -> dict[str, str]:
    """Return the digest of everything in the output folder."""
    return {path.name: digest_of(path) for path in bench.output.iterdir()}


def told(bench: Bench, *arguments: str | Path, after: float, number: int) -> tuple[int, str]:
    """Start a build, send it a signal after so many seconds; exit code and messages."""
    process = subprocess.Popen(
        bench.command("build", *arguments),
        cwd=bench.directory,
        env=bench.environment(SOURCE_DATE_EPOCH="1700000000"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(after)
    process.send_signal(number)
    messages = process.communicate(timeout=30)[1]
    return process.returncode, messages


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("rounds", [2, pytest.param(60, marks=pytest.mark.slow)])
def test_a_build_can_be_stopped_at_any_moment(
    number: signal.Signals, rounds: int, small_ova: Base, bench: Bench
) -> None:
    """The artifact is the old one or the new one, whole; nothing lies beside it.

    SIGKILL between a file's temporary name and its own leaves the former; the next build takes it.
    """
    spec = spec_for(bench, small_ova.path)
    epoch = {"SOURCE_DATE_EPOCH": "1700000000"}
    wanted = digest_of(bench.build(spec, **epoch))
    beside = set(published(bench))
    (bench.output / "edge.ova").write_text("the last good one")
    old = digest_of(bench.output / "edge.ova")
    chance = random.Random(int(number))
    for _ in range(rounds):
        code, messages = told(bench, spec, "--force", after=chance.uniform(0.1, 0.6), number=number)
        assert code in {0, 130, -number, -signal.SIGINT}, messages
        assert "this is a bug" not in messages
        found = published(bench)
        left = set(found) - beside
        assert set(found) - left == beside
        assert not left or number == signal.SIGKILL
        assert all(name.startswith(".photon-builder-") for name in left)
        assert found["edge.ova"] in {old, wanted}
    bench.build(spec, **epoch)
    assert set(published(bench)) == beside
    assert published(bench)["edge.ova"] == wanted
    judge("sh", "-c", f"cd '{bench.output}' && sha256sum --strict --check SHA256SUMS")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_says_so(
    number: signal.Signals, small_ova: Base, bench: Bench
) -> None:
    spec = spec_for(bench, small_ova.path)
    code, messages = -number, ""
    for seconds in (0.2, 0.6, 1.8):
        code, messages = told(bench, spec, "--force", after=seconds, number=number)
        if code in {0, 130}:  # otherwise a busy machine was still starting Python
            break
    assert "Traceback" not in messages
    assert code == 0 or "interrupted: no partial files were left" in messages


def without_rights(bench: Bench, *arguments: str | Path, **extra: str) -> tuple[int, str, str]:
    """Run the program as a user who may nothing more than any other; root gives up its powers."""
    prefix = [] if os.geteuid() else ["setpriv", "--bounding-set=-all"]
    done = judge(
        "env", "-C", bench.directory, *prefix, *bench.command(*arguments),
        env=bench.environment(**extra), check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_no_privilege_is_needed(small_ova: Base, bench: Bench) -> None:
    spec = spec_for(bench, small_ova.path)
    epoch = {"SOURCE_DATE_EPOCH": "1700000000"}
    code, out, err = without_rights(bench, "build", spec, **epoch)
    assert code == 0, err
    mine = bench.build(spec, "--output", "mine", **epoch)
    assert digest_of(bench.directory / out.strip()) == digest_of(mine)


@pytest.mark.parametrize(
    ("name", "code"),
    [("output", 10), ("cache", 10), ("specs/edge.yaml", 3), ("base.ova", 10), ("overlays/a", 10)],
)
def test_a_path_without_permission_is_named(
    name: str, code: int, small_ova: Base, bench: Bench
) -> None:
    shutil.copy(small_ova.path, bench.directory / "base.ova")
    spec = spec_for(bench, bench.directory / "base.ova", "overlays: [a]\n")
    bench.write("overlays/a/overlay.yaml", "timezone: UTC\n")
    base = "sample" if name == "cache" else bench.directory / "base.ova"
    locked = bench.directory / name
    if not locked.exists():
        locked.mkdir()
    locked.chmod(0o000)
    found, _, err = without_rights(bench, "build", spec, "--base", base)
    locked.chmod(0o700)
    assert (found, "Traceback" in err) == (code, False), err
    assert locked.name in err


def test_no_space_for_the_sample_is_said(small_filesystem: Path, bench: Bench) -> None:
    filler = small_filesystem / "filler"
    filler.write_bytes(bytes(1000 * 1024))
    spec = bench.write(
        "specs/edge.yaml",
        "version: 1\nname: edge\ntarget: ova\nbase: {sample: true}\noverlay: {hostname: e}\n",
    )
    done = bench.run("build", spec, PHOTON_BUILDER_CACHE=str(small_filesystem / "cache"))
    assert (done.code, "Traceback" in done.err) == (10, False), done.err
    assert not [name for name in files_below(small_filesystem) if name.startswith("cache/sample")]


def test_a_failed_build_leaves_the_last_good_artifact(small_ova: Base, bench: Bench) -> None:
    spec = spec_for(bench, small_ova.path)
    bench.build(spec)
    before = files_below(bench.output)
    spec.write_text(spec.read_text().replace("hostname: edge-1", "services: {enable: [nope]}"))
    done = bench.run("build", spec)
    assert (done.code, "nope" in done.err) == (8, True)
    assert files_below(bench.output) == before


@pytest.mark.slow
def test_a_damaged_byte_anywhere_is_refused_or_harmless(base_cache: Path, bench: Bench) -> None:
    """Without a manifest nothing but the structures themselves can tell."""
    base = make_base(base_cache, Recipe(manifest="none", size=256 << 20))
    whole = base.path.read_bytes()
    chance = random.Random(7)
    for _ in range(60):
        data = bytearray(whole)
        place = chance.randrange(len(data)) if chance.random() < 0.5 else chance.randrange(60_000)
        data[place : place + 64] = chance.randbytes(min(64, len(data) - place))
        (bench.directory / "bad.ova").write_bytes(data)
        done = bench.run("build", spec_for(bench, bench.directory / "bad.ova"), "--force")
        assert (done.code in {0, 7, 8}, "Traceback" in done.err) == (True, False), (place, done.err)
