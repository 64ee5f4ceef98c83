"""What is made from the sample base says that it does not boot, wherever somebody could hope."""

import time
from pathlib import Path

import pytest

from builder.burn.api import warn_of_sample
from builder.burn.devices import Device
from builder.burn.source import open_source
from builder.errors import DeviceError
from builder.formats.disk import GIB
from builder.progress import Silent
from builder.samples import is_sample
from builder.structs import replace
from tests.support.bases import Recipe, make_base
from tests.support.judges import judge
from tests.support.loop_cards import attach
from tests.support.program import Bench

SPEC = """\
version: 1
name: lab
targets: [ova, minimal-iso, ami, rpi3]
base: {sample: true}
install: {disk: /dev/sda}
overlay:
  hostname: lab-1
  users: {root: {password: {env: ROOT_PASSWORD}}}
"""
SECRET = {"ROOT_PASSWORD": "s3cret-edge-7"}
MADE = ("lab.ova", "lab.minimal.iso", "lab.ami.tar.gz", "lab.rpi3.raw.xz")
SENTENCE = (
    "it was made from the sample base, which has no kernel and no boot loader: it does not boot"
)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    bench = Bench(tmp_path_factory.mktemp("sample"))
    done = bench.run("build", bench.write("specs/lab.yaml", SPEC), **SECRET)
    assert done.code == 0, done.err
    assert done.err.count("from the sample base, which does not boot") == len(MADE)
    return bench


def moved(bench: Bench, name: str, folder: Path) -> Path:
    """Return a copy without its provenance."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes((bench.output / name).read_bytes())
    return path


@pytest.mark.parametrize("name", MADE)
def test_a_boot_ends_at_once_with_that_sentence(name: str, bench: Bench, tmp_path: Path) -> None:
    for artifact in (bench.output / name, moved(bench, name, tmp_path)):
        for test in ((), ("--test", "lab")):
            begun = time.monotonic()
            done = bench.run("boot", artifact, *test, **SECRET)
            assert done.code == 11
            assert f"{name}: {SENTENCE}" in done.err
            assert 'base: {release: "5.0"}' in done.err
            assert time.monotonic() - begun < 20
    assert "does not boot" in bench.run("plan", "lab", **SECRET).out


def test_a_real_base_is_not_taken_for_the_sample(base_cache: Path) -> None:
    assert not is_sample(make_base(base_cache, Recipe("ova", "5.0")).path)


def test_burn_says_it_and_asks_or_refuses(bench: Bench, tmp_path: Path) -> None:
    card = Device(
        "sdb", "8:16", 8 * GIB, 512, "A stick", "1", "", "USB", "", is_removable=True,
        is_read_only=False, diskseq=1, partitions=(),
    )  # fmt: skip
    for path in (bench.output / MADE[3], moved(bench, MADE[3], tmp_path)):
        with open_source(path, Silent()) as source:
            with pytest.raises(DeviceError, match="does not boot") as caught:
                warn_of_sample(source, [card], print, can_ask=False)
            assert 'release: "5.0"' in caught.value.hint
            loop, shown = replace(card, transport="loop"), list[str]()
            assert not warn_of_sample(source, [loop], shown.append, can_ask=False)
            assert shown == [f"{source.name}: {SENTENCE}"]


def test_burning_a_loop_device_says_it_and_goes_on(bench: Bench, tmp_path: Path) -> None:
    backing = tmp_path / "card"
    judge("truncate", "--size=1200M", backing)
    with attach(backing) as card:
        done = bench.run(
            *("burn", bench.output / MADE[3], card.device, "--allow-loop", "--no-eject"),
            *("--confirm", card.token),
        )
    assert done.code == 0, done.err
    assert SENTENCE in done.err
