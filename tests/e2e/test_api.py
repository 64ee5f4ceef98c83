"""The front door for programs does what the commands do."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from builder import api
from builder.errors import DeviceError, UsageError, VerifyError
from builder.formats.disk import MIB
from tests.support.judges import judge
from tests.support.loop_cards import card, require_loops, same
from tests.support.program import PROJECT, Bench

SPEC = """\
version: 1
name: box
targets: [ova, gce]
base: {sample: true}
overlay: {hostname: box}
"""
PROGRAM = """\
from builder import api

loaded: api.Loaded = api.load("box.yaml")
assert loaded.spec is not None
request = api.make_request(loaded.spec, "ova", "output", force=True)
outcome: api.Outcome = api.build(request)
kind: str = api.verify(outcome.artifact, request).kind
"""


def test_a_spec_is_built_and_proved_as_the_commands_do(bench: Bench) -> None:
    spec = bench.write("specs/box.yaml", SPEC)
    loaded = api.load(spec)
    assert loaded.spec is not None
    assert [target.name for target in api.targets_in(loaded.spec)] == ["ova", "gce"]
    request = api.make_request(loaded.spec, "ova", bench.directory / "by-program")
    assert "/etc/hostname" in [getattr(c, "path", "") for c in api.plan(request).changes]
    outcome = api.build(request)
    assert outcome.built
    assert not api.build(request).built
    verdict = api.verify(outcome.artifact, request)
    assert (verdict.kind, verdict.is_compared, verdict.edited) == ("ova", True, "")
    assert bench.run("verify", outcome.artifact, spec).code == 0
    shown = json.loads(bench.run("inspect", outcome.artifact, "--json").out)
    assert api.inspect(outcome.artifact)["release"] == shown["release"]


def test_everything_wrong_with_a_spec_comes_with_its_place(bench: Bench) -> None:
    spec = bench.write("specs/bad.yaml", SPEC.replace("hostname: box", "hostname: 7_, tmezone: x"))
    loaded = api.load(spec)
    assert loaded.spec is None
    assert {problem.code for problem in loaded.problems} >= {"SCH002"}
    assert all(problem.place and problem.place.line == 5 for problem in loaded.problems)


def test_warnings_come_with_a_spec_that_is_valid(bench: Bench) -> None:
    users = "users: {root: {password: {locked: true}}}"
    loaded = api.load(bench.write("specs/box.yaml", SPEC.replace("hostname: box", users)))
    assert loaded.spec is not None
    assert [problem.code for problem in loaded.problems] == ["ACC002"]


def test_another_base_is_taken_when_it_is_given(bench: Bench) -> None:
    text = SPEC.replace("{sample: true}", "{file: absent.ova}")
    loaded = api.load(bench.write("specs/box.yaml", text), base=api.SampleBase("4.0"))
    assert loaded.spec is not None
    assert loaded.spec.base == api.SampleBase("4.0")


def test_a_changed_artifact_and_an_unknown_target_are_errors(bench: Bench) -> None:
    loaded = api.load(bench.write("specs/box.yaml", SPEC))
    assert loaded.spec is not None
    with pytest.raises(UsageError, match="there is no target 'nope'"):
        api.make_request(loaded.spec, "nope")
    outcome = api.build(api.make_request(loaded.spec, "ova", bench.output))
    content = bytearray(outcome.artifact.read_bytes())
    content[len(content) // 2] ^= 255
    outcome.artifact.write_bytes(content)
    with pytest.raises(VerifyError):
        api.verify(outcome.artifact)


def test_the_types_are_there_for_other_programs(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache")]
    done = subprocess.run(
        [*command, str(tmp_path / "program.py")],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_a_program_burns_an_image_as_the_command_does(tmp_path: Path) -> None:
    require_loops()
    image = tmp_path / "disk.raw"
    image.write_bytes(os.urandom(24 * MIB))
    judge("sgdisk", "-o", "-n", "1:2048:0", image)
    with card(tmp_path, 40 * MIB) as stick:
        before = stick.whole
        options = api.BurnOptions(allow_loop=True)
        shown: list[str] = []
        with pytest.raises(DeviceError, match="there is no terminal to ask on"):
            api.burn(image, [stick.device], options, notify=shown.append)
        with pytest.raises(DeviceError, match="not confirmed: 'y'"):
            api.burn(image, [stick.device], options, ask=lambda _: "y")
        assert stick.whole == before
        assert shown[-1].startswith(f"will be erased: {stick.device} ")
        report = api.burn(str(image), [str(stick.device)], options, ask=lambda token: token)
        [result] = report.cards
        assert result.error is None
        assert (report.image, result.stats.verified) == ("disk.raw", "direct")
        assert report.sha256 == judge("sha256sum", image).stdout.split()[0]
        assert same(image, stick)


def test_a_program_finds_the_error_of_a_card_in_its_result(tmp_path: Path) -> None:
    require_loops()
    image = tmp_path / "disk.raw"
    image.write_bytes(os.urandom(8 * MIB))
    judge("sgdisk", "-o", "-n", "1:2048:0", image)
    with card(tmp_path, 40 * MIB, "good") as good, card(tmp_path, 40 * MIB, "used") as used:
        options = api.BurnOptions(allow_loop=True, confirm=(good.token, used.token))
        fd = os.open(used.device, os.O_RDWR | os.O_EXCL)
        try:
            report = api.burn(image, [used.device, good.device], options)
        finally:
            os.close(fd)
        failed, done = report.cards
        assert "is in use by another program" in str(failed.error)
        assert done.error is None
        assert same(image, good)
