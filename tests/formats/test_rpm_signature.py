"""Signatures of packages: good and bad as rpmkeys has it."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from builder.errors import BuilderError, DigestMismatch, FormatError
from builder.formats.openpgp import Key, read_keys, read_signature
from builder.formats.rpm_signature import Signer, check_package
from tests.support.judges import judge
from tests.support.rpms import make_rpm
from tests.support.signing import Signatory, is_good_for_rpm, make_signatory

PHOTON_KEYS = Path(__file__).parents[2] / "builder/data"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_rpm(tmp_path_factory.mktemp("rpm"))


@pytest.fixture(scope="module")
def signatory(tmp_path_factory: pytest.TempPathFactory) -> Signatory:
    return make_signatory(tmp_path_factory.mktemp("gpg") / "home")


def check(path: Path, *keys: bytes) -> Signer:
    known = {id_: key for text in keys for id_, key in read_keys(text, "keys").items()}
    with path.open("rb") as stream:
        return check_package(stream, path.name, known)


def flip(path: Path, place: Callable[[bytes], int]) -> None:
    data = bytearray(path.read_bytes())
    data[place(bytes(data))] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_package_that_a_known_key_signed_is_taken(
    package: Path, signatory: Signatory, tmp_path: Path, algorithm: str
) -> None:
    signed = signatory.copy_of(package, tmp_path / "signed", digest=algorithm)
    signer = check(signed, signatory.public)
    assert (signer.algorithm, signer.is_weak) == (algorithm, False)
    assert is_good_for_rpm(signed, tmp_path / "db", signatory.public)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (lambda data: len(data) - 20, "the payload is not the one that was signed"),
        (lambda data: data.index(b"MIT\0"), "the package was changed"),
    ],
    ids=["payload", "header"],
)
def test_a_package_that_was_changed_is_refused(
    package: Path,
    signatory: Signatory,
    tmp_path: Path,
    place: Callable[[bytes], int],
    message: str,
) -> None:
    signed = signatory.copy_of(package, tmp_path / "signed")
    flip(signed, place)
    with pytest.raises(DigestMismatch, match=message) as refusal:
        check(signed, signatory.public)
    assert refusal.value.code == "PKG008"
    assert not is_good_for_rpm(signed, tmp_path / "db", signatory.public)


def test_a_package_without_a_signature_is_refused(
    package: Path, signatory: Signatory, tmp_path: Path
) -> None:
    with pytest.raises(DigestMismatch, match="the package is not signed"):
        check(package, signatory.public)
    assert not is_good_for_rpm(package, tmp_path / "db", signatory.public)


def test_a_package_that_somebody_else_signed_is_refused(
    package: Path, signatory: Signatory, tmp_path: Path
) -> None:
    other = make_signatory(tmp_path / "other", "Other")
    signed = other.copy_of(package, tmp_path / "signed")
    with pytest.raises(DigestMismatch, match="is signed by the key [0-9A-F]{16}; known keys are"):
        check(signed, signatory.public)
    assert check(signed, signatory.public, other.public).algorithm == "sha256"


def test_any_changed_byte_of_a_signed_package_is_refused_without_a_crash(
    package: Path, signatory: Signatory, tmp_path: Path
) -> None:
    signed = signatory.copy_of(package, tmp_path / "signed")
    data = signed.read_bytes()
    header_start = data.index(b"\x8e\xad\xe8", 200)
    for at in range(96, len(data), 37):
        damaged = bytearray(data)
        damaged[at] ^= 0x41
        signed.write_bytes(damaged)
        if at < header_start:  # the signature header holds sums that are not used
            try:
                check(signed, signatory.public)
            except BuilderError:
                continue
        else:
            with pytest.raises((DigestMismatch, FormatError)):
                check(signed, signatory.public)


@pytest.mark.parametrize(
    ("file", "bits"), [("VMWARE-RPM-GPG-KEY", 1024), ("VMWARE-RPM-GPG-KEY-4096", 4096)]
)
def test_photon_keys_have_the_fingerprints_that_gpg_prints(file: str, bits: int) -> None:
    path = PHOTON_KEYS / file
    rows = judge("gpg", "--show-keys", "--with-colons", path).stdout.splitlines()
    wanted = next(row.split(":")[9] for row in rows if row.startswith("fpr"))
    keys = read_keys(path.read_bytes(), file)
    assert [(key.fingerprint, key.bits) for key in keys.values()] == [(wanted, bits)]


@pytest.mark.parametrize(("bits", "is_weak"), [(1024, True), (2048, True)])
def test_a_signature_of_version_3_with_sha1_is_taken_as_weak(bits: int, is_weak: bool) -> None:
    private = rsa.generate_private_key(65537, bits)
    numbers = private.public_key().public_numbers()
    document, trailer = b"a header", b"\0\x12\x34\x56\x78"
    made = private.sign(document + trailer, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303 - as old packages are
    key = Key(hashlib.sha1(made).hexdigest().upper(), numbers.n, numbers.e)
    number = len(made) * 8
    body = (
        b"\3\5" + trailer + bytes.fromhex(key.id) + b"\1\2\0\0" + number.to_bytes(2, "big") + made
    )
    packet = b"\x89" + len(body).to_bytes(2, "big") + body
    signature = read_signature(packet, "a.rpm")
    assert signature.key_id == key.id
    assert signature.is_made_by(key, document)
    assert not signature.is_made_by(key, document + b"!")
    assert Signer(key, signature.algorithm).is_weak is is_weak


def test_a_text_that_holds_no_key_is_refused() -> None:
    with pytest.raises(FormatError, match="is not an armored public key"):
        read_keys(b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n", "some.key")
