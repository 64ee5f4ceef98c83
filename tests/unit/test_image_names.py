"""Names of container images: what Docker means by them."""

import pytest

from builder.image_names import Pin, parse_image_name

DIGEST = f"sha256:{'a1' * 32}"


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.27", "docker.io/library/nginx:1.27"),
        ("docker.io/nginx", "docker.io/library/nginx:latest"),
        ("index.docker.io/nginx", "docker.io/library/nginx:latest"),
        ("pihole/pihole:2026.04.0", "docker.io/pihole/pihole:2026.04.0"),
        ("docker.io/pihole/pihole", "docker.io/pihole/pihole:latest"),
        ("ghcr.io/a/b/c:v1", "ghcr.io/a/b/c:v1"),
        ("localhost/x", "localhost/x:latest"),
        ("localhost:5000/x", "localhost:5000/x:latest"),
        ("127.0.0.1:5000/a/x:1", "127.0.0.1:5000/a/x:1"),
        ("[::1]:5000/x", "[::1]:5000/x:latest"),
        ("host:5000/x", "host:5000/x:latest"),
        ("Host/x", "Host/x:latest"),
        ("a__b/c-d--e.f:_T", "docker.io/a__b/c-d--e.f:_T"),
        (f"nginx@{DIGEST}", f"docker.io/library/nginx@{DIGEST}"),
        (f"r.io/nginx:1@{DIGEST}", f"r.io/nginx:1@{DIGEST}"),
    ],
)
def test_a_short_name_means_what_docker_takes_it_for(text: str, full: str) -> None:
    name = parse_image_name(text)
    assert str(name) == full
    assert str(parse_image_name(str(name))) == full, "the full name means itself"
    assert name.is_pinned == ("@" in text)


@pytest.mark.parametrize(
    ("text", "pinned"),
    [
        ("nginx", f"nginx:latest@{DIGEST}"),
        ("nginx:1.27", f"nginx:1.27@{DIGEST}"),
        ("localhost:5000/x", f"localhost:5000/x:latest@{DIGEST}"),
    ],
)
def test_a_pinned_name_keeps_how_it_was_written(text: str, pinned: str) -> None:
    assert parse_image_name(text).pinned_to(DIGEST) == pinned
    assert parse_image_name(pinned).digest == DIGEST


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a valid image name"),
        ("NGINX", "lower case"),
        ("a//b", "not a valid image name"),
        ("/nginx", "not a valid image name"),
        ("nginx:", "not a valid tag"),
        ("nginx:a b", "not a valid tag"),
        (f"nginx:{'a' * 129}", "not a valid tag"),
        ("nginx@", "without a digest"),
        ("nginx@sha256:abc", "not a valid digest"),
        (f"nginx@sha512:{'a' * 64}", "not a valid digest"),
        ("-.io/nginx", "not a valid registry"),
        ("user:pass@r.io/x", "not a valid digest"),
        ("r.io:99999999/x", "not a valid registry"),
        ("a" * 300, "not a valid image name"),
        ("nginx\n", "not a valid image name"),
        ("nginx:1\n", "not a valid tag"),
        ("../../etc", "not a valid registry"),
        ("a/../b", "not a valid image name"),
    ],
)
def test_what_is_no_name_is_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_image_name(text)


def test_a_pin_says_which_platforms_it_has() -> None:
    pin = Pin(DIGEST, {"linux/amd64": DIGEST, "linux/386": DIGEST})
    assert pin.lack("linux/amd64") == ""
    assert (
        pin.lack("linux/arm64") == "has no variant for linux/arm64; it has linux/386, linux/amd64"
    )
