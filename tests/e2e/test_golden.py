"""Artifacts of the example specs hold the kickstarts and the envelopes of tests/golden."""

import tarfile
from pathlib import Path

import pytest

from builder.carriers.medium import KICKSTART
from builder.images import open_image
from tests.support.program import Bench
from tools import golden
from tools.golden import Variant


@pytest.fixture(autouse=True)
def _examples(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in golden.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def made(bench: Bench, spec: str, variant: Variant) -> Path:
    return bench.build(
        golden.PROJECT / f"specs/{spec}.yaml", "--target", variant.target,
        "--base", f"sample:{variant.release}", "--output", bench.output,
    )  # fmt: skip


@pytest.mark.parametrize("release", golden.RELEASES)
@pytest.mark.parametrize("target", ["ova", "ova_uefi"])
def test_an_appliance_has_the_envelope_of_the_example(
    target: str, release: str, bench: Bench
) -> None:
    variant = Variant(target, release)
    with tarfile.open(made(bench, "quickstart", variant)) as tar:
        stream = tar.extractfile(tar.getmembers()[0])
        assert stream is not None
        text = golden.stable_envelope(stream.read().decode())
    assert text == golden.text_of((golden.FOLDER / "quickstart.envelope").read_text(), variant)


@pytest.mark.parametrize("release", golden.RELEASES)
def test_a_medium_has_the_kickstart_of_the_example(release: str, bench: Bench) -> None:
    variant = Variant("iso", release)
    with open_image(made(bench, "edge-iso", variant)) as image:
        text = b"".join(image.root().chunks(KICKSTART)).decode()
    wanted = golden.text_of((golden.FOLDER / "edge-iso.kickstart").read_text(), variant)
    assert golden.stable_kickstart(text) == wanted
