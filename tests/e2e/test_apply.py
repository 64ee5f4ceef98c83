"""A spec made true of a folder, as root: what it lacks, what it becomes, and nothing twice."""

import json
import os
from pathlib import Path

import pytest

from tests.support.chroot import lay_out, rows_of
from tests.support.judges import judge
from tests.support.photon_releases import RELEASES
from tests.support.photon_root import PLACEMENT, small_tree
from tests.support.program import Bench

SPEC = """\
version: 1
name: edge
target: ova
base: {release: "5.0"}
overlay:
  hostname: edge-1
  users:
    ada: {uid: 1000, groups: [wheel]}
  services: {enable: [docker]}
  files: [{path: /opt/app/run, content: "#!/bin/sh\\n", mode: "0755", owner: ada}]
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    lay_out(small_tree(RELEASES["5.0"], PLACEMENT), tmp_path / "root")
    return tmp_path / "root"


def test_a_folder_becomes_what_the_spec_says(root: Path, bench: Bench) -> None:
    spec = bench.write("edge.yaml", SPEC)
    before = rows_of(root)
    told = bench.run("apply", spec, "--root", root, "--check")
    assert told.code == 1, told.err
    assert "write     /opt/app/run  (10 bytes, 0755, 1000:0)\n" in told.out
    assert rows_of(root) == before

    done = bench.run("apply", spec, "--root", root)
    assert (done.code, done.out) == (0, told.out), done.err
    assert judge("systemctl", f"--root={root}", "is-enabled", "docker").stdout == "enabled\n"
    assert "ada:x:1000" in (root / "etc/passwd").read_text()
    found = (root / "opt/app/run").stat()
    assert (found.st_uid, found.st_mode & 0o7777) == (1000, 0o755)

    again = bench.run("apply", spec, "--root", root, "--check", "--json")
    assert (again.code, json.loads(again.out)["operations"]) == (0, []), again.out


def test_nothing_is_touched_when_something_does_not_fit(root: Path, bench: Bench) -> None:
    spec = bench.write("edge.yaml", SPEC.replace("[docker]", "[nothing-of-the-kind]"))
    before = rows_of(root)
    done = bench.run("apply", spec, "--root", root)
    assert (done.code, "has no unit nothing-of-the-kind.service" in done.err) == (8, True), done.err
    assert "edge.yaml:" in done.err
    assert rows_of(root) == before


@pytest.mark.parametrize(
    ("folder", "code", "words"),
    [
        ("/", 2, "is the system that runs"),
        ("empty", 8, "is no root filesystem of Photon OS"),
        ("none", 10, "no such file or folder"),
    ],
)
def test_a_folder_that_is_no_root_is_refused(
    folder: str, code: int, words: str, bench: Bench
) -> None:
    (bench.directory / "empty").mkdir()
    done = bench.run("apply", bench.write("edge.yaml", SPEC), "--root", folder)
    assert (done.code, words in done.err) == (code, True), done.err
    assert "Traceback" not in done.err


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")
def test_what_is_mounted_is_not_removed(root: Path, bench: Bench) -> None:
    (root / "opt/data").mkdir(parents=True)
    (root / "opt/data/kept").write_text("x")
    text = SPEC.partition("overlay:")[0] + "overlay:\n  files: [{path: /opt, absent: true}]\n"
    bench.write("edge.yaml", text)
    script = 'mount --bind "$1/var" "$1/opt/data" && shift && exec "$@"'
    command = bench.command("apply", bench.directory / "edge.yaml", "--root", root)
    environment = bench.environment()
    done = judge(
        "unshare", "-m", "sh", "-c", script, "sh", root, *command, check=False, env=environment
    )
    assert "a filesystem is mounted" in done.stderr
    assert (root / "opt/data/kept").exists()
