"""Manifests of container images: what skopeo makes is read, and damage is refused."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from builder.errors import FormatError
from builder.formats.oci import (
    INDEX_TYPES,
    MANIFEST_TYPES,
    Index,
    Manifest,
    parse_manifest,
    parse_platform,
)
from tests.support.judges import judge
from tests.support.registry import make_layout

ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
AMD64 = {"os": "linux", "architecture": "amd64"}


def index(*entries: object, **more: object) -> bytes:
    return json.dumps({"mediaType": INDEX_TYPES[0], "manifests": entries, **more}).encode()


def entry(digest: object, **platform: object) -> Mapping[str, object]:
    return {"digest": digest, "platform": platform}


@pytest.mark.parametrize("form", ["oci", "v2s2"])
def test_what_skopeo_makes_is_read(form: str, tmp_path: Path) -> None:
    layout = make_layout(tmp_path / "in", ("linux/amd64", "linux/arm64/v8", "linux/arm/v7"), "1")
    made = tmp_path / "out"
    judge("skopeo", "copy", "--all", "-f", form, f"oci:{layout}:it", f"dir:{made}")
    found = parse_manifest((made / "manifest.json").read_bytes(), "")
    assert isinstance(found, Index)
    assert list(found.platforms) == ["linux/amd64", "linux/arm64", "linux/arm/v7"]
    for platform, digest in found.platforms.items():
        manifest = (made / f"{digest.removeprefix('sha256:')}.manifest.json").read_bytes()
        single = parse_manifest(manifest, "")
        assert isinstance(single, Manifest)
        config = (made / single.config.removeprefix("sha256:")).read_bytes()
        assert parse_platform(config).startswith(platform.rpartition("/v7")[0] or platform)


def test_attestations_are_no_images() -> None:
    body = index(entry(ONE, **AMD64), entry(TWO, os="unknown", architecture="unknown"), {"x": 1})
    assert parse_manifest(body, "") == Index({"linux/amd64": ONE})


def test_of_two_for_one_platform_the_first_counts() -> None:
    body = index(entry(ONE, **AMD64), entry(TWO, **AMD64, variant="v1"))
    assert parse_manifest(body, "") == Index({"linux/amd64": ONE})


def test_a_body_that_does_not_say_what_it_is_is_what_the_registry_says() -> None:
    body = json.dumps({"config": {"digest": ONE}}).encode()
    assert parse_manifest(body, MANIFEST_TYPES[0]) == Manifest(ONE)
    with pytest.raises(FormatError, match="text/plain"):
        parse_manifest(body, "text/plain")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not valid JSON"),
        (b"\xff\xfe{}", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"9" * 5000, "not valid JSON"),
        (b"[]", "wanted a JSON object"),
        (b"{}", "wanted an OCI or Docker image"),
        (index(entry(ONE, **AMD64), config={}), "expected one of them"),
        (index(entry(ONE, **AMD64), layers=[]), "expected one of them"),
        (index(5), "wanted a JSON object"),
        (index(entry("md5:1", **AMD64)), "for a digest"),
        (index(entry(5, **AMD64)), "for a digest"),
        (index(entry(ONE, os="linux")), "wanted a platform"),
        (index(entry(ONE, os="linux", architecture="\x1b[31m")), "wanted a platform"),
        (index(entry(ONE, os="linux", architecture="a" * 99)), "wanted a platform"),
        (index(entry(ONE, os=["linux"], architecture="amd64")), "wanted a platform"),
        (json.dumps({"mediaType": MANIFEST_TYPES[1], "config": 5}).encode(), "JSON object"),
        (json.dumps({"mediaType": INDEX_TYPES[1], "manifests": {}}).encode(), "wanted an OCI"),
        (json.dumps({"mediaType": ["x"], "manifests": []}).encode(), "wanted an OCI"),
    ],
)
def test_anything_else_is_refused(body: bytes, said: str) -> None:
    with pytest.raises(FormatError, match=said):
        parse_manifest(body, "")


def test_what_is_cut_off_is_refused_at_every_length() -> None:
    body = index(entry(ONE, **AMD64))
    for length in range(len(body)):
        with pytest.raises(FormatError):
            parse_manifest(body[:length], "")
