"""Images whose engine is of their revision's age: what is in them beside daemon.json."""

import json
from pathlib import Path

import pytest

from tests.support.bases import Recipe, make_base
from tests.support.program import Bench

SPEC = """\
version: 1
name: lab
target: ova
base: {{file: {base}, sha256: {sha256}}}
overlay:
  docker: {docker}
{more}"""
DAEMON = "/etc/docker/daemon.json"


def build(bench: Bench, cache: Path, release: str, docker: str = "{}", more: str = "") -> Path:
    base = make_base(cache, Recipe(release=release))
    text = SPEC.format(base=base.path, sha256=base.digests["sha256"], docker=docker, more=more)
    return bench.build(bench.write("lab.yaml", text))


@pytest.mark.parametrize(
    ("release", "kernel"),
    [("3.0-Rev2-U3", "4.19"), ("4.0-GA", "5.10"), ("4.0-Rev1", ""), ("5.0-GA", "")],
)
def test_an_image_with_an_old_engine_has_the_profile_that_its_settings_name(
    release: str, kernel: str, base_cache: Path, bench: Bench
) -> None:
    image = build(bench, base_cache, release)
    settings = json.loads(bench.run("cat", image, DAEMON).out)
    assert ("seccomp-profile" in settings) is bool(kernel)
    listed = bench.run("ls", image, "/etc/docker").out
    assert ("seccomp" in listed) is bool(kernel)
    if kernel:
        shipped = Path(f"builder/data/seccomp-{kernel}.json").read_text()
        assert bench.run("cat", image, settings["seccomp-profile"]).out == shipped


def test_a_profile_that_is_not_there_stops_the_build(base_cache: Path, bench: Bench) -> None:
    base = make_base(base_cache, Recipe(release="3.0-Rev2-U3"))
    docker = "{daemon: {seccomp-profile: /etc/docker/mine.json}}"
    given = {"base": base.path, "sha256": base.digests["sha256"], "docker": docker}
    spec = bench.write("lab.yaml", SPEC.format(more="", **given))
    done = bench.run("build", spec)
    assert done.code == 8, done.err
    assert "DKR002" in done.err
    assert "/etc/docker/mine.json" in done.err
    bench.write("mine.json", '{"defaultAction": "SCMP_ACT_ALLOW"}\n')
    more = "  files: [{path: /etc/docker/mine.json, source: mine.json}]\n"
    bench.build(bench.write("lab.yaml", SPEC.format(more=more, **given)))
