"""Messages name a cached file by its published name, not by its digest."""

import hashlib
import lzma
import re
from pathlib import Path

import pytest

from tests.support.program import Bench

SPEC = """\
version: 1
name: edge
targets: [{target}]
base: {{url: "https://example.org/{name}", sha256: {sha256}}}
overlay: {{hostname: edge-1}}
"""


def _cached(bench: Bench, path: Path, target: str) -> str:
    """Put a file into the cache, build from it, and return all that is said."""
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    bench.write("edge.yaml", SPEC.format(target=target, name=path.name, sha256=sha256))
    assert bench.run("cache", "add", path, "--as", f"https://example.org/{path.name}").code == 0
    done = bench.run("build", "edge.yaml", "--offline")
    assert done.code == 7, done.err
    told = [line for line in done.err.splitlines() if not line.lstrip().startswith("4 |")]
    return "\n".join(told)


@pytest.mark.parametrize(
    ("name", "target", "content"),
    [
        ("photon.ova", "ova", b"no archive" * 1000),
        ("photon.raw.xz", "rpi3", lzma.compress(b"no disk" * 1000)),
        ("photon.tar.gz", "gce", b"no gzip" * 1000),
    ],
)
def test_a_base_that_is_none_is_called_by_its_name(
    name: str, target: str, content: bytes, bench: Bench, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    told = _cached(bench, path, target)
    assert re.search(rf"^error\[\w+\]: {re.escape(name)}", told, re.MULTILINE)
    assert not re.search(r"[0-9a-f]{64}", told)


def test_the_progress_names_the_file_too(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "photon.raw.xz"
    path.write_bytes(lzma.compress(b"no disk" * 1000))
    assert "unpacking photon.raw.xz" in _cached(bench, path, "rpi3")


def test_a_cut_off_appliance_is_called_by_its_name(bench: Bench, tmp_path: Path) -> None:
    bench.write("edge.yaml", "version: 1\ntargets: [ova]\nbase: {sample: true}\noverlay: {}\n")
    whole = bench.build("edge.yaml").read_bytes()
    path = tmp_path / "photon.ova"
    path.write_bytes(whole[: len(whole) // 3])
    told = _cached(bench, path, "ova")
    assert "]: photon.ova: photon-sample-disk1.vmdk ends at byte" in told
    assert not re.search(r"[0-9a-f]{64}", told)
