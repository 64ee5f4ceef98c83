"""Signatures of minisign: what it made fits, and nothing that was changed does."""

import hashlib
import pwd
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.burn.config import iter_configured, read_keys
from builder.burn.remote import open_address
from builder.burn.signature import MinisignKey, parse_key
from builder.burn.signed import SUFFIX, check_signed, read_signed_digest
from builder.errors import DigestMismatch, FormatError, HostError
from builder.formats.bmap import make_bmap
from builder.formats.disk import MIB
from builder.formats.sparse import Window
from builder.progress import Silent
from tests.support.judges import judge
from tests.support.program import PROJECT
from tests.support.server import serve
from tests.support.signers import Signer, in_base64, make_signer, with_line

CONTENT = b"an image" * 999
LINE = "untrusted comment:"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Signer, bytes]:
    """A pair of keys, and what it wrote of the image."""
    folder = tmp_path_factory.mktemp("signer")
    (folder / "pi.img").write_bytes(CONTENT)
    signer = make_signer(folder)
    return signer, signer.sign(folder / "pi.img").read_bytes()


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "pi.img"
    path.write_bytes(CONTENT)
    return path


def key_of(signer: Signer) -> MinisignKey:
    return parse_key(signer.public.read_bytes(), "burn.pub")


def prove(signature: bytes, key: MinisignKey, content: bytes = CONTENT) -> str:
    """Check an image against the bytes of a signature, and return the trusted comment."""
    signed = read_signed_digest("pi.img", {f"pi.img{SUFFIX}": signature}.get, [key])
    digests = {"sha256": "", "blake2b": hashlib.blake2b(content).hexdigest()}
    signed.check(digests, "pi.img")
    return signed.signer.comment


def proved(path: Path, *signers: Signer, sha256: str = "") -> str:
    """Check an image with what lies beside it, and return what was signed."""
    _, signed = check_signed(path, sha256, [key_of(each) for each in signers], Silent())
    return signed.file


def refused(path: Path, *signers: Signer, sha256: str = "") -> str:
    """Return the sentence that an image is refused with."""
    with pytest.raises(DigestMismatch) as caught:
        proved(path, *signers, sha256=sha256)
    assert caught.value.exit_code == 6
    assert caught.value.hint
    return str(caught.value)


def test_what_minisign_signed_is_signed_and_the_key_has_its_name(
    made: tuple[Signer, bytes],
) -> None:
    signer, signature = made
    assert key_of(signer).name == signer.name
    assert prove(signature, key_of(signer)).endswith("file:pi.img hashed")


def test_lines_may_end_as_those_of_dos_do(made: tuple[Signer, bytes]) -> None:
    signer, signature = made
    key = parse_key(signer.public.read_bytes().replace(b"\n", b"\r\n"), "burn.pub")
    assert prove(signature.replace(b"\n", b"\r\n"), key)
    assert prove(signature.rstrip(b"\n"), key)


def test_a_name_that_begins_with_zeros_is_shown_as_minisign_does(
    made: tuple[Signer, bytes], tmp_path: Path
) -> None:
    signer, _ = made
    public = tmp_path / "short.pub"
    public.write_bytes(signer.public.read_bytes())
    found = in_base64(public, 2)
    with_line(public, 2, found[:2] + b"\x41\x54\x1e\0\0\0\0\0" + found[10:])
    assert parse_key(public.read_bytes(), "it").name == "1E5441"


def test_no_bit_of_a_signature_can_be_changed(made: tuple[Signer, bytes]) -> None:
    signer, signature = made
    key = key_of(signer)
    end = signature.index(b"\n")
    for place in range(len(signature)):
        if len(LINE) <= place < end:  # nothing proves this comment
            continue
        for mask in (1, 2, 32, 128):
            changed = bytearray(signature)
            changed[place] ^= mask
            with pytest.raises(DigestMismatch):
                prove(bytes(changed), key)


def test_no_part_of_a_signature_can_be_missing(made: tuple[Signer, bytes]) -> None:
    signer, signature = made
    key = key_of(signer)
    for size in range(len(signature) - 1):
        with pytest.raises(DigestMismatch):
            prove(signature[:size], key)


def test_nothing_can_be_added_to_a_signature_or_exchanged(made: tuple[Signer, bytes]) -> None:
    signer, signature = made
    key, chance = key_of(signer), random.Random(15)
    start = signature.index(b"\n") + 1
    for _ in range(500):
        place = chance.randrange(start, len(signature) - 1)
        added = chance.randbytes(chance.randrange(1, 99))
        for end in (place, place + chance.randrange(1, 99)):
            changed = signature[:place] + added + signature[end:]
            with pytest.raises(DigestMismatch):
                prove(changed, key)
    for junk in (b"", b"\n", b"\n" * 9, bytes(99), chance.randbytes(9999), CONTENT):
        with pytest.raises(DigestMismatch, match="is not a valid minisign signature: line 1"):
            prove(junk, key)


def test_no_bit_of_a_key_can_be_changed(made: tuple[Signer, bytes]) -> None:
    signer, signature = made
    content = signer.public.read_bytes()
    for place in range(content.index(b"\n"), len(content)):
        for mask in (1, 2, 32, 128):
            changed = bytearray(content)
            changed[place] ^= mask
            with pytest.raises((DigestMismatch, FormatError)):
                prove(signature, parse_key(bytes(changed), "burn.pub"))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda lines: ["comment", *lines[1:]], "line 1 is not `untrusted comment:`"),
        (lambda lines: lines[:1], "line 2 is not 74 bytes in base64"),
        (lambda lines: [lines[0], lines[3], *lines[2:]], "line 2 is not 74 bytes in base64"),
        (lambda lines: [lines[0], f" {lines[1]}", *lines[2:]], "line 2 is not 74 bytes in base64"),
        (lambda lines: lines[:2], "line 3 is not `trusted comment: `"),
        (lambda lines: [*lines[:2], "", *lines[3:]], "line 3 is not `trusted comment: `"),
        (lambda lines: lines[:3], "line 4 is not 64 bytes in base64"),
        (lambda lines: [*lines[:3], lines[1]], "line 4 is not 64 bytes in base64"),
        (lambda lines: [*lines[:3], lines[3][:-2]], "line 4 is not 64 bytes in base64"),
        (lambda lines: [*lines, *lines], "line 5 is not the end"),
    ],
)
def test_damage_is_found_in_its_line(
    change: Callable[[list[str]], list[str]], sentence: str, made: tuple[Signer, bytes]
) -> None:
    signer, signature = made
    changed = "\n".join(change(signature.decode().splitlines())) + "\n"
    with pytest.raises(DigestMismatch) as caught:
        prove(changed.encode(), key_of(signer))
    assert str(caught.value) == f"pi.img.minisig: is not a valid minisign signature: {sentence}"


def test_a_comment_cannot_upset_a_terminal(image: Path, made: tuple[Signer, bytes]) -> None:
    signer, _ = made
    signature = signer.sign(image, "-t", "of \x1b[2Jtoday\t\u202egmi.ip \u2028x").read_bytes()
    assert prove(signature, key_of(signer)) == "of [2Jtoday gmi.ip x"
    assert prove(signer.sign(image, "-t", "\udcff").read_bytes(), key_of(signer)) == "\ufffd"


def test_each_signature_that_is_not_valid_has_its_message(
    image: Path, tmp_path: Path, made: tuple[Signer, bytes]
) -> None:
    signer, _ = made
    other = make_signer(tmp_path, "other")
    assert refused(image, signer) == (
        "pi.img: is not signed: neither pi.img.minisig nor SHA256SUMS.minisig is beside it; "
        f"wanted a signature by the key {signer.name}, of burn.pub"
    )
    signature = other.sign(image)
    assert refused(image, signer) == (
        f"pi.img.minisig: was made with the key {other.name}; wanted {signer.name}, of burn.pub"
    )
    signer.sign(image, "-l")
    assert refused(image, signer) == (
        "pi.img.minisig: is a legacy signature (Ed), over the file itself; wanted one over its "
        "digest (ED)"
    )
    signer.sign(image, "-t", "of today")
    assert proved(image, signer) == "pi.img"
    good = signature.read_bytes()
    signature.write_bytes(good.replace(b"of today", b"of monday"))
    assert "its trusted comment or the signature itself was changed" in refused(image, signer)
    signature.write_bytes(good)
    image.write_bytes(CONTENT + b"\0")
    assert refused(image, signer) == (
        f"pi.img: is not what the key {signer.name} signed: pi.img.minisig does not match it"
    )
    with_line(signature, 2, b"EX" + in_base64(signature, 2)[2:])
    assert "has the unknown algorithm 4558; wanted Ed25519 (ED)" in refused(image, signer)


def test_the_name_of_a_key_proves_nothing(
    image: Path, tmp_path: Path, made: tuple[Signer, bytes]
) -> None:
    signer, _ = made
    forger = make_signer(tmp_path, "forger")
    signature = forger.sign(image)
    name = in_base64(signer.public, 2)[2:10]
    with_line(signature, 2, b"ED" + name + in_base64(signature, 2)[10:])
    assert "its trusted comment or the signature itself was changed" in refused(image, signer)
    forged = in_base64(forger.public, 2)
    with_line(forger.public, 2, forged[:2] + name + forged[10:])
    assert proved(image, signer, forger) == "pi.img", "two keys of one name: either may fit"


def test_either_of_two_keys_may_have_signed(
    image: Path, tmp_path: Path, made: tuple[Signer, bytes]
) -> None:
    signer, _ = made
    other, third = make_signer(tmp_path, "other"), make_signer(tmp_path, "third")
    for each in (signer, other):
        each.sign(image)
        assert proved(image, signer, other) == "pi.img"
    third.sign(image)
    wanted = f"wanted {signer.name}, of burn.pub or {other.name}, of burn.pub"
    assert refused(image, signer, other).endswith(wanted)


def test_an_image_may_be_signed_by_its_list(image: Path, made: tuple[Signer, bytes]) -> None:
    signer, _ = made
    sums = image.with_name("SHA256SUMS")
    listed = judge("sh", "-ec", f"cd '{image.parent}' && sha256sum pi.img").stdout
    sums.write_text(listed.upper().replace("PI.IMG", "other.img") + listed)
    signature = signer.sign(sums)
    assert proved(image, signer) == "SHA256SUMS"
    assert proved(image, signer, sha256=listed[:64].upper()) == "SHA256SUMS"
    assert "; wanted 0000" in refused(image, signer, sha256="0" * 64)
    sums.write_text(listed.replace("pi.img", "pi_img"))
    assert refused(image, signer) == (
        f"SHA256SUMS: is not what the key {signer.name} signed: SHA256SUMS.minisig does not "
        "match it"
    )
    signer.sign(sums)
    assert refused(image, signer) == "pi.img: is not signed: SHA256SUMS is, but does not list it"
    sums.write_text(listed[:64].upper() + listed[64:])
    signer.sign(sums)
    assert proved(image, signer) == "SHA256SUMS"
    image.write_bytes(CONTENT[1:])
    assert f"its sha256 is {hashlib.sha256(CONTENT[1:]).hexdigest()}; wanted {listed[:64]}" in (
        refused(image, signer)
    )
    sums.unlink()
    assert refused(image, signer) == (
        "pi.img: is not signed: SHA256SUMS.minisig is beside it, but no SHA256SUMS"
    )
    signature.write_bytes(b"")
    assert refused(image, signer).startswith("SHA256SUMS.minisig: is not a valid")


def test_a_signature_that_does_not_fit_is_not_passed_over_for_another(
    image: Path, made: tuple[Signer, bytes]
) -> None:
    signer, _ = made
    listed = judge("sh", "-ec", f"cd '{image.parent}' && sha256sum pi.img").stdout
    image.with_name("SHA256SUMS").write_text(listed)
    signer.sign(image.with_name("SHA256SUMS"))
    image.with_name("pi.img.minisig").write_bytes(b"")
    assert "pi.img.minisig: is not a valid" in refused(image, signer)


def test_digests_count_beside_a_signature(image: Path, made: tuple[Signer, bytes]) -> None:
    signer, _ = made
    signer.sign(image)
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert check_signed(image, digest, [key_of(signer)], Silent())[0] == digest
    assert f"wanted {'1' * 64}" in refused(image, signer, sha256="1" * 64)
    image.with_name("SHA256SUMS").write_text(f"{'2' * 64}  pi.img\n")
    assert f"wanted {'2' * 64}" in refused(image, signer)


@pytest.fixture
def mapped(image: Path) -> Path:
    """A disk that is not packed, mostly a hole, and its map."""
    with image.open("r+b") as stream:
        stream.truncate(20 * MIB)
        text = make_bmap(Window(stream.fileno(), 0, 20 * MIB), [(8 * MIB, MIB)])
    image.with_name("pi.img.bmap").write_text(text)
    return image


def test_a_raw_disk_may_be_signed_by_its_block_map(
    mapped: Path, made: tuple[Signer, bytes]
) -> None:
    signer, _ = made
    listed = judge("sh", "-ec", f"cd '{mapped.parent}' && sha256sum pi.img.bmap").stdout
    mapped.with_name("SHA256SUMS").write_text(listed)
    signer.sign(mapped.with_name("SHA256SUMS"))
    assert proved(mapped, signer) == "SHA256SUMS"
    good = mapped.read_bytes()
    for place in (0, 8 * MIB, 9 * MIB, 19 * MIB, 20 * MIB - 1):
        with mapped.open("r+b") as stream:
            stream.seek(place)
            stream.write(b"\1")
        assert refused(mapped, signer) == (
            f"pi.img: is not what the key {signer.name} signed: its content differs from "
            "pi.img.bmap, which SHA256SUMS lists"
        )
        mapped.write_bytes(good)
    mapped.write_bytes(good + b"\0")
    assert "is not what the key" in refused(mapped, signer)
    mapped.write_bytes(good)
    bmap = mapped.with_name("pi.img.bmap")
    bmap.write_text(bmap.read_text().replace("sha256 ", "sha256  "))
    assert refused(mapped, signer).startswith("pi.img.bmap: its sha256 is ")
    bmap.unlink()
    assert refused(mapped, signer) == "pi.img: is not signed: SHA256SUMS is, but does not list it"


def test_what_lies_beside_an_address_has_its_query(made: tuple[Signer, bytes]) -> None:
    signer, _ = made
    with serve(bytes(510) + b"\x55\xaa") as server:
        with pytest.raises(DigestMismatch, match=r"^photon\.ova\.minisig: is not a valid"):
            open_address(f"{server.url}?day=1", "", [key_of(signer)], Silent())
        assert [each.path for each in server.log] == [
            "/photon.ova?day=1",
            "/photon.ova.minisig?day=1",
        ]


def test_what_is_no_file_is_not_read_to_its_end(tmp_path: Path, made: tuple[Signer, bytes]) -> None:
    signer, _ = made
    for path in (tmp_path, Path("/dev/zero"), Path(), Path("/")):
        with pytest.raises(HostError, match="is not a regular file; wanted one"):
            proved(path, signer)
    with pytest.raises(HostError, match="no such file"):
        proved(tmp_path / "missing.img", signer)


def test_what_is_no_public_key_is_called_what_it_is(
    tmp_path: Path, made: tuple[Signer, bytes]
) -> None:
    signer, signature = made
    with pytest.raises(FormatError, match="is a secret key; wanted the public one"):
        read_keys(signer.secret)
    good = signer.public.read_text()
    bad = ["", "\n\n", good.splitlines()[1], good + good, signature.decode(), good[:-3], "RW\n" * 2]
    for text in bad:
        (tmp_path / "bad.pub").write_text(text)
        with pytest.raises(FormatError, match="bad.pub: is not a valid public key; wanted the two"):
            read_keys(tmp_path / "bad.pub")
    with pytest.raises(HostError, match=r"missing.pub: no such file"):
        read_keys(tmp_path / "missing.pub")
    with pytest.raises(HostError, match=r"it is a folder"):
        read_keys(tmp_path)


def test_a_key_is_configured_where_the_list_of_disks_is(
    tmp_path: Path, made: tuple[Signer, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    signer, _ = made
    for variable in ("XDG_CONFIG_HOME", "SUDO_USER"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "root"))
    assert read_keys(None) == []
    places = [tmp_path / part / "photon-builder/burn.pub" for part in ("root/.config", "xdg")]
    for place in places:
        place.parent.mkdir(parents=True)
        place.write_bytes(signer.public.read_bytes())
    assert [key.origin for key in read_keys(None)] == [str(places[0])]
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    assert [key.origin for key in read_keys(None)] == [str(places[1])]
    assert [key.origin for key in read_keys(signer.public)] == [str(signer.public)]
    theirs = tmp_path / "ann/.config/photon-builder/burn.pub"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(signer.public.read_bytes())
    ann = pwd.struct_passwd(("ann", "x", 1000, 1000, "", str(tmp_path / "ann"), "/bin/sh"))
    monkeypatch.setattr("pwd.getpwnam", {"ann": ann}.__getitem__)
    monkeypatch.setenv("SUDO_USER", "ann")
    assert [key.origin for key in read_keys(None)] == [str(places[1]), str(theirs)]
    assert list(iter_configured()) == [places[1], theirs]


def test_a_key_that_cannot_be_read_is_no_missing_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    place = tmp_path / "photon-builder/burn.pub"
    place.parent.mkdir()
    place.symlink_to("/run/media/gone/burn.pub")
    with pytest.raises(HostError, match="no such file"):
        read_keys(None)
    place.unlink()
    place.touch()
    with pytest.raises(FormatError, match="is not a valid public key"):
        read_keys(None)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(place))
    assert read_keys(None) == []


def test_the_library_is_loaded_when_a_signature_is_checked() -> None:
    code = (
        "import sys, builder.cli.burn, builder.burn.remote, builder.burn.config; "
        "sys.exit(any(name.startswith('cryptography') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=False).returncode == 0
