"""``-v`` and ``--debug``: why something was skipped, what was asked of the network, what ran."""

import hashlib

import pytest

from builder import log
from builder.formats.foreign import run_tool
from tests.support.program import Bench
from tests.support.server import serve

SPEC = "version: 1\nname: box\ntarget: ova\nbase: {sample: true}\noverlay: {hostname: box}\n"


def test_why_an_artifact_is_built_or_skipped_is_said_when_asked(bench: Bench) -> None:
    spec = bench.write("specs/box.yaml", SPEC)
    assert "INFO building output/box.ova: it is not there" in bench.run("build", spec, "-v").err
    done = bench.run("build", spec, "--verbose")
    assert "INFO skipping output/box.ova: its inputs are those of the last build" in done.err
    assert "INFO" not in bench.run("build", spec).err
    bench.write("specs/box.yaml", SPEC.replace("hostname: box", "hostname: other"))
    done = bench.run("build", spec, PHOTON_BUILDER_LOG="info")
    assert "INFO building output/box.ova: its inputs are not those" in done.err
    with (bench.output / "box.ova").open("ab") as stream:
        stream.write(b"x")
    assert "it was changed after it was built" in bench.run("build", spec, "-v").err


def test_requests_are_said_without_what_is_secret_in_them(bench: Bench) -> None:
    content = b"not an appliance" * 99
    digest = hashlib.sha256(content).hexdigest()
    with serve(content) as server:
        url = server.url.replace("http://", "http://joe:hunter-2-x@") + "?token=hunter-3-y"
        base = f"base: {{url: {url!r}, sha256: {digest}}}"
        spec = bench.write("specs/box.yaml", SPEC.replace("base: {sample: true}", base))
        done = bench.run("fetch", spec, "--debug")
    assert done.code == 0, done.err
    assert "INFO photon.ova is not in the cache" in done.err
    assert "DEBUG GET http://127.0.0.1:" in done.err
    assert ": 200" in done.err
    assert "hunter" not in done.out + done.err
    done = bench.run("fetch", spec, "-v")
    assert f"INFO photon.ova is in the cache: {bench.directory}" in done.err


def test_foreign_programs_are_said_with_their_arguments(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level("INFO", logger=log.NAME):
        run_tool(["/bin/echo", "two words"])
    assert caplog.messages == ["running /bin/echo 'two words'"]


def test_the_results_stay_what_they_are(bench: Bench) -> None:
    bench.write("specs/box.yaml", SPEC)
    quiet, loud = (
        bench.run("check", "box", "--json"),
        bench.run("check", "box", "--json", "--debug"),
    )
    assert (quiet.code, quiet.out) == (loud.code, loud.out)
