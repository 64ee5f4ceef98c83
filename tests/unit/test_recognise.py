"""Which published file a file is that somebody brings along."""

import pytest

from builder.catalog import list_artifacts
from builder.errors import DigestMismatch, UsageError
from builder.features.compose import host as compose_host
from builder.recognise import Recognised, recognise

NONE = {"md5": "0" * 32, "sha1": "0" * 40, "sha256": "0" * 64, "sha512": "0" * 128}


def test_every_file_with_a_digest_is_known_by_it_under_any_name() -> None:
    for source in list_artifacts():
        for name, value in source.digests.items():
            found = recognise("x", {**NONE, name: value})
            assert source.filename in found.text
            assert found.known_as == ""
    plugin = recognise("x", {**NONE, "sha256": compose_host.DIGESTS["aarch64"]})
    assert compose_host.RELEASE in plugin.text


def test_every_other_file_is_known_by_its_name_or_path() -> None:
    for source in list_artifacts():
        if not source.digests:
            found = recognise("x", NONE, source.key)
            assert found.known_as == source.key
            assert f"Photon {source.release} {source.revision}" in found.text
        else:
            with pytest.raises((DigestMismatch, UsageError)):
                recognise(source.filename, NONE)


def test_an_address_of_a_spec_is_taken_as_it_is() -> None:
    assert recognise("x", NONE, "https://x/y") == Recognised("taken for https://x/y", "https://x/y")


def test_what_is_nothing_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="unknown file") as caught:
        recognise("photon-hw15-5.0-dde71ec57.ova", NONE)
    assert "--as photon-hw15-5.0-dde71ec57.x86_64.ova" in caught.value.hint
