"""Burning what is signed onto loop devices: proved, or a sentence and a card untouched or blank."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from builder.formats.disk import MIB
from tests.support.bases import Recipe, make_base
from tests.support.judges import judge
from tests.support.loop_cards import LoopCard, burn, card, full_after, require_loops, same
from tests.support.packed import pack, served
from tests.support.program import Bench, Run
from tests.support.signers import Signer, make_signer

ROOM = 48 * MIB
SPEC = """\
version: 1
name: edge
target: rpi3
base: {{sample: true}}
output: {{compression: {kind}}}
overlay: {{hostname: edge}}
"""
Change = Callable[[Path, Signer], object]


@pytest.fixture(autouse=True)
def _loops() -> None:
    require_loops()


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A disk that is full of noise."""
    path = tmp_path / "noisy.raw"
    path.write_bytes(os.urandom(24 * MIB))
    judge("sgdisk", "-o", "-n", "1:2048:0", path)
    return path


@pytest.fixture
def stick(tmp_path: Path) -> Iterator[LoopCard]:
    with card(tmp_path, ROOM) as found:
        yield found


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return make_signer(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where images are published."""
    path = tmp_path / "published"
    path.mkdir()
    return path


@dataclass(frozen=True)
class Desk:
    """Everything that a signed burn takes."""

    disk: Path
    stick: LoopCard
    signer: Signer
    bench: Bench
    folder: Path

    def publish(self, name: str, kind: str = "dense") -> Path:
        """Put the disk, packed, where images are published."""
        image = self.folder / name
        shutil.copy(pack(self.disk, kind, self.bench.directory), image)
        return image

    def burn(self, image: Path | str, *more: str) -> Run:
        """Burn an image that has to be signed by our key."""
        return burn(self.bench, image, self.stick, more=(*by(self.signer), *more))


@pytest.fixture
def desk(disk: Path, stick: LoopCard, signer: Signer, bench: Bench, folder: Path) -> Desk:
    return Desk(disk, stick, signer, bench, folder)


def configure(bench: Bench, signer: Signer) -> Path:
    """Make a key the one that counts for every burn."""
    path = bench.directory / "config/photon-builder/burn.pub"
    path.parent.mkdir(parents=True)
    shutil.copy(signer.public, path)
    return path


def by(signer: Signer) -> tuple[str, ...]:
    return ("--key", str(signer.public))


def listed(image: Path) -> Path:
    """List an image in ``SHA256SUMS``, as sha256sum does."""
    judge("sh", "-ec", f"cd '{image.parent}' && sha256sum {image.name} >> SHA256SUMS")
    return image.with_name("SHA256SUMS")


def changed(path: Path) -> None:
    """Change one bit in the middle of a file."""
    with path.open("r+b") as stream:
        stream.seek(path.stat().st_size // 2)
        byte = stream.read(1)[0]
        stream.seek(-1, os.SEEK_CUR)
        stream.write(bytes([byte ^ 1]))


def result_of(out: str) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(out.splitlines()[-1])
    return row


@pytest.mark.parametrize("kind", ["dense", "gz", "xz", "zst", "tar.gz"])
def test_a_signed_image_is_burned_and_who_signed_it_is_told(kind: str, desk: Desk) -> None:
    image = desk.publish(f"pi.{kind}", kind)
    desk.signer.sign(image, "-t", "pi of \x1b[2Jmonday\t\u202e")
    done = desk.burn(image)
    assert done.code == 0, done.err
    assert same(desk.disk, desk.stick)
    said = f"signed by the key {desk.signer.name} in pi.{kind}.minisig: pi of [2Jmonday\n"
    assert f"  {said}" in done.out
    assert f"pi.{kind}: {said}" in done.err
    assert judge("sha256sum", image).stdout.split()[0] in done.out


def test_programs_are_told_who_signed_it(
    disk: Path, stick: LoopCard, signer: Signer, bench: Bench
) -> None:
    signer.sign(disk, "-t", "of monday")
    signed = {"file": "noisy.raw", "key": signer.name, "comment": "of monday"}
    done = burn(bench, disk, stick, more=(*by(signer), "--json"))
    assert result_of(done.out)["signature"] == signed
    with served(disk.parent) as address:
        done = burn(bench, f"{address}/noisy.raw", stick, more=(*by(signer), "--json"))
    assert result_of(done.out)["signature"] == signed
    assert result_of(burn(bench, disk, stick, more=("--json",)).out)["signature"] is None


def test_of_a_card_that_failed_nothing_is_said_to_be_signed(desk: Desk, tmp_path: Path) -> None:
    desk.signer.sign(desk.disk)
    with full_after(tmp_path, 8 * MIB, ROOM) as failing:
        done = burn(desk.bench, desk.disk, failing, more=(*by(desk.signer), "--json"))
        assert done.code == 10
        assert result_of(done.out)["signature"] is None
        assert failing.is_blank


def test_without_a_key_signatures_mean_nothing(
    disk: Path, stick: LoopCard, signer: Signer, bench: Bench
) -> None:
    signer.sign(disk)
    changed(disk)
    done = burn(bench, disk, stick)
    assert done.code == 0, done.err
    assert "sign" not in done.out + done.err
    done = burn(bench, disk, stick, more=("--no-signature",))
    assert done.code == 0, done.err
    assert "sign" not in done.out + done.err


def test_a_key_that_is_configured_counts_unless_it_is_passed_over(
    disk: Path, stick: LoopCard, signer: Signer, bench: Bench, tmp_path: Path
) -> None:
    path, before = configure(bench, signer), stick.whole
    done = burn(bench, disk, stick)
    assert done.code == 6
    assert f"wanted a signature by the key {signer.name}, of {path}" in done.err
    assert stick.whole == before
    done = burn(bench, disk, stick, more=("--no-signature",))
    assert done.code == 0, done.err
    assert f"the signature is not checked: --no-signature ignores {path}\n" in done.err
    assert "signed by" not in done.out
    other = make_signer(tmp_path, "other")
    other.sign(disk)
    assert burn(bench, disk, stick).code == 6
    assert burn(bench, disk, stick, more=by(other)).code == 0, "the key that is named counts"
    signer.sign(disk)
    done = burn(bench, disk, stick)
    assert done.code == 0, done.err
    assert f"signed by the key {signer.name}" in done.out
    assert same(disk, stick)


def other_key(image: Path, _: Signer) -> None:
    make_signer(image.parent, "other").sign(image)


def cut(image: Path, signer: Signer) -> None:
    signature = signer.sign(image)
    signature.write_bytes(signature.read_bytes()[:-9])


def other_comment(image: Path, signer: Signer) -> None:
    signature = signer.sign(image, "-t", "of monday")
    signature.write_bytes(signature.read_bytes().replace(b"monday", b"sunday"))


def other_image(image: Path, signer: Signer) -> None:
    signer.sign(image)
    changed(image)


def no_list(image: Path, signer: Signer) -> None:
    signer.sign(listed(image))
    image.with_name("SHA256SUMS").unlink()


def other_list(image: Path, signer: Signer) -> None:
    signer.sign(listed(image))
    with image.with_name("SHA256SUMS").open("a") as stream:
        stream.write(f"{'0' * 64}  other.img\n")


def not_listed(image: Path, signer: Signer) -> None:
    shutil.copy(image, image.with_name("other.img"))
    signer.sign(listed(image.with_name("other.img")))


def other_than_listed(image: Path, signer: Signer) -> None:
    signer.sign(listed(image))
    changed(image)


REFUSALS: list[tuple[Change, str]] = [
    (lambda *_: None, "pi.img: is not signed: neither pi.img.minisig nor SHA256SUMS.minisig is"),
    (lambda image, _: listed(image), "pi.img: is not signed: neither"),
    (other_key, "pi.img.minisig: was made with the key "),
    (cut, "pi.img.minisig: is not a valid minisign signature: line 4 is not 64 bytes"),
    (lambda image, signer: signer.sign(image, "-l"), "pi.img.minisig: is a legacy signature (Ed)"),
    (other_comment, "pi.img.minisig: its trusted comment or the signature itself was changed"),
    (no_list, "pi.img: is not signed: SHA256SUMS.minisig is beside it, but no SHA256SUMS"),
    (other_list, "SHA256SUMS: is not what the key "),
    (not_listed, "pi.img: is not signed: SHA256SUMS is, but does not list it"),
]
"""What is done to an image, and what is said of it."""

CHANGED: list[tuple[Change, str]] = [
    (other_image, ": is not what the key {key} signed: pi.img.minisig does not match it"),
    (other_than_listed, ": is not what the key {key} signed: its sha256 is "),
]


@pytest.mark.parametrize(("change", "sentence"), [*REFUSALS, *CHANGED])
def test_a_file_that_is_not_signed_as_it_must_be_never_comes_near_the_card(
    change: Change, sentence: str, desk: Desk
) -> None:
    image = desk.publish("pi.img")
    change(image, desk.signer)
    before = desk.stick.whole
    done = desk.burn(image)
    assert done.code == 6, done.err
    assert sentence.format(key=desk.signer.name) in done.err
    assert "will be erased" not in done.err
    assert desk.stick.whole == before


@pytest.mark.parametrize("kind", ["dense", "zst", "tar.gz"])
@pytest.mark.parametrize("how", ["image", "list"])
def test_a_signed_address_is_burned(how: str, kind: str, desk: Desk) -> None:
    image = desk.publish(f"pi 1+{kind}", kind)
    judge("bmaptool", "create", "-o", f"{image}.bmap", desk.disk)
    signed = desk.signer.sign(image if how == "image" else named(image), "-t", "ours")
    with served(desk.folder) as address:
        done = desk.burn(f"{address}/pi%201+{kind}?day=1")
    assert done.code == 0, done.err
    assert same(desk.disk, desk.stick)
    said = f"signed by the key {desk.signer.name} in {signed.name}: ours"
    assert f"{said}; the image is verified while read" in done.err
    assert f"  {said}\n" in done.out


def named(image: Path) -> Path:
    """List an image whose name has a space in it."""
    digest = judge("sha256sum", image).stdout.split()[0]
    sums = image.with_name("SHA256SUMS")
    sums.write_text(f"{digest} *{image.name}\n")
    return sums


@pytest.mark.parametrize(("change", "sentence"), REFUSALS)
def test_an_address_that_is_not_signed_as_it_must_be_never_comes_near_the_card(
    change: Change, sentence: str, desk: Desk
) -> None:
    change(desk.publish("pi.img"), desk.signer)
    before = desk.stick.whole
    with served(desk.folder) as address:
        done = desk.burn(f"{address}/pi.img")
    assert done.code == 6, done.err
    assert sentence.format(key=desk.signer.name) in done.err
    assert "will be erased" not in done.err
    assert desk.stick.whole == before


@pytest.mark.parametrize(("change", "sentence"), CHANGED)
def test_an_address_with_another_image_than_the_signed_one_leaves_the_card_blank(
    change: Change, sentence: str, desk: Desk
) -> None:
    change(desk.publish("pi.img"), desk.signer)
    with served(desk.folder) as address:
        done = desk.burn(f"{address}/pi.img")
        assert done.code == 6, done.err
        assert f"{address}/pi.img{sentence.format(key=desk.signer.name)}" in done.err
        assert "left blank" in done.err
        assert desk.stick.is_blank
        assert "signed by" not in done.out
        done = desk.burn(f"{address}/pi.img", "--no-verify", "--json")
    assert done.code == 6, done.err
    assert desk.stick.is_blank
    assert '"result"' not in done.out


def test_what_follows_the_disk_in_a_tar_is_signed_too(desk: Desk) -> None:
    judge("tar", "-cf", desk.folder / "pi.tar", "-C", desk.disk.parent, desk.disk.name)
    desk.signer.sign(desk.folder / "pi.tar")
    with (desk.folder / "pi.tar").open("ab") as stream:
        stream.write(bytes(512))
    with served(desk.folder) as address:
        done = desk.burn(f"{address}/pi.tar")
    assert done.code == 6, done.err
    assert desk.stick.is_blank


def test_a_digest_counts_beside_a_signature(
    disk: Path, stick: LoopCard, signer: Signer, bench: Bench
) -> None:
    signer.sign(disk)
    before = stick.whole
    done = burn(bench, disk, stick, more=(*by(signer), "--sha256", "0" * 64))
    assert done.code == 6
    assert f"wanted {'0' * 64}" in done.err
    assert stick.whole == before
    with served(disk.parent) as address:
        more = (*by(signer), "--sha256", "0" * 64)
        done = burn(bench, f"{address}/noisy.raw", stick, more=more)
        assert done.code == 6
        assert stick.is_blank
        right = judge("sha256sum", disk).stdout.split()[0]
        more = (*by(signer), "--sha256", right)
        assert burn(bench, f"{address}/noisy.raw", stick, more=more).code == 0
    assert same(disk, stick)


def test_a_card_with_settings_of_its_own_is_not_touched_by_what_was_changed(
    base_cache: Path, signer: Signer, bench: Bench, folder: Path, tmp_path: Path
) -> None:
    image = folder / "pi.img"
    judge("cp", make_base(base_cache, Recipe(kind="raw", size=512 * MIB)).path, image)
    image.chmod(0o644)
    signer.sign(image)
    with card(tmp_path, 600 * MIB, "large") as large, served(folder) as address:
        more = (*by(signer), "--set", "hostname=pi-1")
        before = large.whole
        with image.open("r+b") as stream:
            stream.seek(-1, os.SEEK_END)
            stream.write(b"\1")
        done = burn(bench, f"{address}/pi.img", large, more=more)
        assert done.code == 6, done.err
        assert large.whole == before
        signer.sign(image)
        done = burn(bench, f"{address}/pi.img", large, more=more)
        assert done.code == 0, done.err
        assert f"signed by the key {signer.name}" in done.out


@pytest.mark.parametrize("suffix", [".zst", ""])
def test_a_night_is_signed_by_its_list(
    suffix: str, signer: Signer, bench: Bench, tmp_path: Path
) -> None:
    bench.write("specs/edge.yaml", SPEC.format(kind=suffix.lstrip(".") or "none"))
    done = bench.run("nightly")
    assert done.code == 0, done.err
    night = (bench.output / "nightly/latest").resolve()
    signer.sign(night / "SHA256SUMS", "-t", night.name)
    image = night / f"edge.rpi3.raw{suffix}"
    with card(tmp_path, 1100 * MIB, "large") as large:
        done = burn(bench, image, large, more=(*by(signer), "--json"))
        assert done.code == 0, done.err
        signed = {"file": "SHA256SUMS", "key": signer.name, "comment": night.name}
        assert result_of(done.out)["signature"] == signed
        before = large.whole
        image.chmod(0o644)
        changed(image)
        assert burn(bench, image, large, more=by(signer)).code == 6
        assert large.whole == before
        if not suffix:
            with served(night) as address:
                done = burn(bench, f"{address}/{image.name}", large, more=by(signer))
            assert done.code == 6
            assert "lists only its block map" in done.err
            assert large.whole == before


@pytest.mark.parametrize(
    ("more", "code", "sentence"),
    [
        (("--key", "key.pub", "--no-signature"), 2, "--key and --no-signature exclude each other"),
        (("--key", "missing.pub"), 10, "missing.pub: no such file or folder"),
        (("--key", "."), 10, "it is a folder; wanted a file"),
        (("--key", "key.key"), 7, "key.key: is a secret key; wanted the public one"),
        (("--key", "noisy.raw.minisig"), 7, "noisy.raw.minisig: is not a valid public key"),
    ],
)
def test_an_invalid_key_is_refused(
    more: tuple[str, ...], code: int, sentence: str, desk: Desk
) -> None:
    desk.signer.sign(desk.disk)
    before = desk.stick.whole
    done = burn(desk.bench, desk.disk, desk.stick, more=more)
    assert done.code == code, done.err
    assert sentence in done.err
    assert desk.stick.whole == before


def test_a_file_is_written_when_what_it_is_written_from_is_checked(
    disk: Path, signer: Signer, bench: Bench, tmp_path: Path
) -> None:
    judge("gzip", "-1", "-k", disk)
    packed, out = tmp_path / "noisy.raw.gz", tmp_path / "out.raw"
    asked = ("burn", packed, "--to-file", out)
    refused = bench.run(*asked, *by(signer))
    assert refused.code == 6
    assert "noisy.raw.gz: is not signed" in refused.err
    refused = bench.run(*asked, "--sha256", "0" * 64)
    assert refused.code == 6
    signer.sign(packed, "-t", "of monday")
    refused = bench.run(*asked, *by(signer), "--sha256", "0" * 64)
    assert refused.code == 6
    assert not out.exists()
    done = bench.run(*asked, *by(signer), "--json")
    assert done.code == 0, done.err
    signed = {"file": "noisy.raw.gz", "key": signer.name, "comment": "of monday"}
    assert json.loads(done.out)["signature"] == signed
    assert judge("cmp", disk, out).returncode == 0
