"""The lock file: what it keeps, how it reads, and what is no lock file."""

import json
from pathlib import Path

import pytest

from builder.errors import UsageError
from builder.image_names import Pin
from builder.lock import NAME, Lock, read_lock, write_lock

ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
LOCK = Lock(
    {"https://x/y.ova": {"sha256": "a" * 64}},
    {
        "docker.io/z/z:1": Pin(ONE, {"linux/arm64": TWO, "linux/amd64": ONE}),
        "docker.io/a/a:1": Pin(TWO, {}),
    },
)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    assert write_lock(tmp_path, LOCK) == tmp_path / NAME
    assert read_lock(tmp_path) == LOCK


def test_nothing_is_locked_where_there_is_no_file(tmp_path: Path) -> None:
    assert read_lock(tmp_path) == Lock({}, {})


def test_the_file_of_an_earlier_version_has_no_images(tmp_path: Path) -> None:
    record = {"schema": "photon-builder/lock/v1", "files": {"f": {"sha256": "A" * 64}}}
    (tmp_path / NAME).write_text(json.dumps(record))
    assert read_lock(tmp_path) == Lock({"f": {"sha256": "a" * 64}}, {})


def test_a_changed_digest_changes_its_own_line_only(tmp_path: Path) -> None:
    before = write_lock(tmp_path, LOCK).read_text().splitlines()
    shuffled = dict(reversed(list(LOCK.images.items())))
    assert write_lock(tmp_path, Lock(LOCK.files, shuffled)).read_text().splitlines() == before
    newer = {**LOCK.images, "docker.io/a/a:1": Pin(ONE, {})}
    after = write_lock(tmp_path, Lock(LOCK.files, newer)).read_text().splitlines()
    (changed,) = [(one, two) for one, two in zip(before, after, strict=True) if one != two]
    assert ONE in changed[1]


@pytest.mark.parametrize(
    "images",
    [
        [],
        {"docker.io/a/a:1": ONE},
        {"docker.io/a/a:1": {"digest": ONE}},
        {"docker.io/a/a:1": {"digest": "sha256:1", "platforms": {}}},
        {"docker.io/a/a:1": {"digest": ONE, "platforms": {"linux/amd64": "x"}}},
        {"docker.io/a/a:1": {"digest": ONE, "platforms": []}},
        {"NOT A NAME": {"digest": ONE, "platforms": {}}},
    ],
)
def test_a_damaged_file_is_refused_by_name(images: object, tmp_path: Path) -> None:
    record = {"schema": "photon-builder/lock/v1", "files": {}, "images": images}
    (tmp_path / NAME).write_text(json.dumps(record))
    with pytest.raises(UsageError, match=NAME):
        read_lock(tmp_path)


def test_a_file_of_a_later_version_says_its_schema(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text('{"schema": "photon-builder/lock/v9", "files": {}}')
    with pytest.raises(UsageError, match="v9"):
        read_lock(tmp_path)


def test_an_address_of_an_earlier_version_is_read_without_its_secrets(tmp_path: Path) -> None:
    whole = "https://me:SECRETPW@x/y.ova?X-Amz-Signature=SECRETSIG"
    record = {"schema": "photon-builder/lock/v1", "files": {whole: {"sha256": "A" * 64}}}
    (tmp_path / NAME).write_text(json.dumps(record))
    found = read_lock(tmp_path)
    assert found.files == {"https://x/y.ova?X-Amz-Signature=…": {"sha256": "a" * 64}}
    assert "SECRET" not in write_lock(tmp_path, found).read_text()
