"""Files that change while they are read, and what stands in the way of publishing."""

import fcntl
import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from builder import targets
from builder.build import Outcome, Request, build
from builder.cache import Cache
from builder.errors import BuilderError, HostError
from builder.progress import Silent
from builder.spec import load_spec
from tests.support.bases import Base
from tests.support.judges import judge
from tests.support.program import Bench, files_below
from tests.support.server import until

SPEC = "version: 1\nname: edge\ntarget: {target}\nbase: {base}\noverlay: {{{overlay}}}\n"
INSTALL = "install: {disk: /dev/sda}\n"


class AtStart(Silent):
    """Does something when the plan is made, the base chosen, and nothing is written yet."""

    def __init__(self, do: Callable[[], object]) -> None:
        self._do = do

    def phase(self, text: str) -> None:
        if text.startswith("building "):
            self._do()


def build_while(bench: Bench, do: Callable[[], object], spec: str) -> Outcome:
    """Build in this process, and do something when it begins."""
    path = bench.write("specs/edge.yaml", spec)
    read = load_spec(path, targets=targets.discover())
    (name,) = read.targets
    target = targets.discover()[name]
    assert isinstance(target, targets.Target)
    request = Request(read, target, bench.output)
    return build(request, Cache(bench.directory / "cache"), AtStart(do))


@pytest.mark.parametrize("target", ["iso", "ova", "gce"])
@pytest.mark.parametrize(
    "after", [b"B" * 5000, b"A" * 5001, b"A" * 4999, b""], ids=["other", "longer", "shorter", "no"]
)
def test_a_file_that_changes_while_it_is_built_in_is_never_called_verified(
    target: str, after: bytes, bench: Bench
) -> None:
    source = bench.write("specs/data", "A" * 5000)
    spec = SPEC.format(
        target=target, base="{sample: true}", overlay="files: [{source: data, path: /opt/data}]"
    )
    spec += INSTALL if target == "iso" else ""
    with pytest.raises(
        BuilderError, match="is not what it was|as announced|other content"
    ) as caught:
        build_while(bench, lambda: source.write_bytes(after), spec)
    assert caught.value.exit_code in {10, 11}
    assert "run" in caught.value.hint or "build it again" in caught.value.hint
    assert files_below(bench.output) == {}


@pytest.mark.parametrize("given", ["digest", "none"])
@pytest.mark.parametrize("way", ["replaced", "written"])
def test_a_base_that_is_replaced_while_it_is_read_is_not_called_the_one_that_was_checked(
    given: str, way: str, small_ova: Base, bench: Bench, tmp_path: Path
) -> None:
    base = bench.directory / "base.ova"
    shutil.copy(small_ova.path, base)
    base.chmod(0o644)
    evil = tmp_path / "evil.ova"
    evil.write_bytes(small_ova.path.read_bytes()[:-10240] + bytes(10240))
    digest = judge("sha256sum", base).stdout.split()[0]
    said = f"{{file: {base}, sha256: {digest}}}" if given == "digest" else f"{{file: {base}}}"

    def swap() -> None:
        if way == "replaced":
            evil.rename(base)
            return
        status = base.stat()
        base.write_bytes(evil.read_bytes())
        os.utime(base, ns=(status.st_atime_ns, status.st_mtime_ns))

    with pytest.raises(HostError, match="was changed or replaced while it was read"):
        build_while(bench, swap, SPEC.format(target="ova", base=said, overlay="hostname: a"))
    assert files_below(bench.output) == {}


def test_a_cached_base_that_was_rewritten_is_not_used(small_ova: Base, bench: Bench) -> None:
    cache = Cache(bench.directory / "cache")
    added = cache.add_file(small_ova.path)
    status = added.path.stat()
    content = bytearray(added.path.read_bytes())
    content[-1] ^= 1
    added.path.chmod(0o644)
    added.path.write_bytes(content)
    os.utime(added.path, ns=(status.st_atime_ns, status.st_mtime_ns))
    base = f"{{url: 'http://127.0.0.1:9/base.ova', sha256: {added.sha256}}}"
    bench.write("specs/edge.yaml", SPEC.format(target="ova", base=base, overlay="hostname: a"))
    done = bench.run("build", "edge", "--offline")
    assert done.code == 5, done.err
    assert "not cached" in done.err
    assert not bench.output.exists()


@pytest.mark.parametrize("what", ["mode", "owner", "index"])
def test_a_cache_that_others_may_write_is_refused(what: str, bench: Bench) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    cache = bench.directory / "cache"
    spec = SPEC.format(target="ova", base="{sample: true}", overlay="hostname: a")
    bench.write("specs/edge.yaml", spec)
    bench.build("edge")
    changed = cache / "index" if what == "index" else cache
    if what == "owner":
        os.chown(changed, 12345, -1)
    else:
        changed.chmod(0o777)
    done = bench.run("build", "edge", "--force")
    assert done.code == 10
    assert "may write it, so the cache cannot be trusted" in done.err
    hint = done.err.partition("hint: run ")[2].partition("; or")[0]
    subprocess.run(["sh", "-c", hint], check=True)
    assert bench.run("build", "edge", "--force").code == 0, "the hint works"


def test_a_cache_is_private_whatever_the_umask(bench: Bench) -> None:
    spec = SPEC.format(target="ova", base="{sample: true}", overlay="hostname: a")
    bench.write("specs/edge.yaml", spec)
    command = ["sh", "-c", 'umask 0; exec "$@"', "x"]
    for more in ([], ["--force"]):
        arguments = [*command, *bench.command("build", "edge", *more)]
        done = subprocess.run(
            arguments,
            cwd=bench.directory,
            env=bench.environment(),
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize(("umask", "mode"), [("077", 0o600), ("022", 0o644), ("027", 0o640)])
def test_who_may_read_an_artifact_is_as_the_umask_says(umask: str, mode: int, bench: Bench) -> None:
    spec = SPEC.format(target="ova", base="{sample: true}", overlay="hostname: a")
    bench.write("specs/edge.yaml", spec)
    command = ["sh", "-c", f'umask {umask}; exec "$@"', "x", *bench.command("build", "edge")]
    subprocess.run(command, cwd=bench.directory, env=bench.environment(), check=True)
    assert {stat.S_IMODE(path.stat().st_mode) for path in bench.output.iterdir()} == {mode}


def test_a_large_payload_is_not_left_behind(bench: Bench, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with (bench.directory / "big").open("wb") as stream:
        stream.truncate(70 << 20)
    overlay = "files: [{source: ../big, path: /opt/big}]"
    spec = SPEC.format(target="iso", base="{sample: true}", overlay=overlay)
    bench.write("specs/edge.yaml", spec + INSTALL)
    bench.build("edge", TMPDIR=str(scratch))
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("name", ["SHA256SUMS", "edge.ova.provenance.json"])
def test_what_lies_in_the_way_is_said_before_anything_is_published(name: str, bench: Bench) -> None:
    spec = SPEC.format(target="ova", base="{sample: true}", overlay="hostname: a")
    bench.write("specs/edge.yaml", spec)
    (bench.output / name).mkdir(parents=True)
    done = bench.run("build", "edge")
    assert done.code == 10
    assert f"{name}" in done.err
    assert [path.name for path in bench.output.iterdir()] == [name]


@pytest.mark.parametrize(
    "line",
    [
        "# a comment",
        f"\\{'a' * 64}  we\\\\nird",
        f"{'b' * 64} *binary",
        "\udcff\udcfe not UTF-8",
        f"SHA256 (x.iso) = {'c' * 64}",
    ],
)
def test_lines_of_others_in_the_sums_stay_as_they_are(line: str, bench: Bench) -> None:
    spec = SPEC.format(target="ova", base="{sample: true}", overlay="hostname: a")
    bench.write("specs/edge.yaml", spec)
    bench.output.mkdir()
    sums = bench.output / "SHA256SUMS"
    sums.write_bytes(f"{line}\n".encode(errors="surrogateescape"))
    bench.build("edge")
    bench.build("edge", "--force")
    lines = sums.read_bytes().decode(errors="surrogateescape").splitlines()
    assert line in lines
    assert len(lines) == 2
    checked = judge(
        "sh", "-c", f"cd {bench.output} && sha256sum --ignore-missing --check SHA256SUMS"
    )
    assert "edge.ova: OK" in checked.stdout


def test_whoever_holds_the_output_folder_is_waited_for_with_a_word(bench: Bench) -> None:
    spec = SPEC.format(target="ova", base="{sample: true}", overlay="hostname: a")
    bench.write("specs/edge.yaml", spec)
    bench.output.mkdir()
    held = os.open(bench.output, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    log = bench.directory / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            bench.command("build", "edge"), cwd=bench.directory, env=bench.environment(),
            stderr=stream, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        until(lambda: b"another process holds that folder" in log.read_bytes(), 30)
        assert list(bench.output.iterdir()) == []
        os.close(held)
        assert process.wait(30) == 0
    assert (bench.output / "edge.ova").is_file()


DEEP = "[" * 100_000


@pytest.mark.parametrize("text", [DEEP, '{"artifact": []}', '{"artifact": {"beside": 5}}', "\xff"])
def test_a_record_that_makes_no_sense_is_as_good_as_none(text: str, bench: Bench) -> None:
    spec = SPEC.format(target="rpi3", base="{sample: true}", overlay="hostname: a")
    bench.write("specs/edge.yaml", spec)
    artifact = bench.build("edge")
    record = artifact.with_name(f"{artifact.name}.provenance.json")
    record.write_text(text, encoding="latin-1")
    for words in (
        ("verify", artifact),
        ("os-list", bench.output, "--url", "http://x"),
        ("build", "edge"),
    ):
        done = bench.run(*words)
        assert "this is a bug" not in done.err, done.err
