"""The lock file: what it keeps, how it reads, and what is no lock file."""

import json
from pathlib import Path

import pytest

from builder.errors import SpecError
from builder.image_names import Descriptor, Pin, Variant
from builder.lock import NAME, Lock, read_lock, write_lock
from builder.structs import replace
from tests.support.program import Bench

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


def blob(digest: str, size: int, media_type: str = "application/x") -> Descriptor:
    return Descriptor(digest, size, media_type)


SHIPPED = Variant(blob(ONE, 3), blob(TWO, 4), blob(ONE, 5), (blob(TWO, 6), blob(ONE, 7)), 99)


def test_the_blobs_of_a_shipped_image_are_read_as_they_were_written(tmp_path: Path) -> None:
    single = replace(SHIPPED, index=None)
    pins = {
        "docker.io/a/a:1": Pin(TWO, {"linux/amd64": ONE}, {"linux/amd64": SHIPPED}),
        f"docker.io/a/a@{TWO}": Pin(TWO, {"linux/amd64": TWO}, {"linux/amd64": single}),
    }
    path = write_lock(tmp_path, Lock({}, pins))
    assert read_lock(tmp_path) == Lock({}, pins)
    assert path.read_text().count("application/x") == 9  # a blob a line, and each once
    assert sum("application/x" in line for line in path.read_text().splitlines()) == 9


def record_of(**changed: object) -> dict[str, object]:
    whole = {"manifest": f"{ONE} 1 x/y", "config": f"{ONE} 1 x/y", "layers": [f"{ONE} 1 x/y"]}
    return {**whole, "unpacked": 3, **changed}


@pytest.mark.parametrize(
    ("blobs", "said"),
    [
        ([], "found a list; wanted a mapping"),
        ({"linux/amd64": {}}, "has no 'unpacked'; wanted manifest"),
        ({"linux/amd64": record_of(unpacked=-1)}, "found -1 for `unpacked`"),
        ({"linux/amd64": record_of(layers=[])}, "found no layers"),
        ({"linux/amd64": record_of(config=f"{ONE} x/y")}, "wanted a digest, a size"),
        ({"linux/amd64": record_of(layers=["sha256:1 2 x/y"])}, "wanted a digest, a size"),
        ({"linux/amd64": record_of(manifest=3)}, "found 3; wanted a digest, a size"),
    ],
)
def test_damaged_blobs_are_refused_with_their_place(
    blobs: object, said: str, tmp_path: Path
) -> None:
    images = {"docker.io/a/a:1": {"digest": ONE, "platforms": {}, "blobs": blobs}}
    record = {"schema": "photon-builder/lock/v1", "files": {}, "images": images}
    (tmp_path / NAME).write_text(json.dumps(record))
    with pytest.raises(SpecError) as caught:
        read_lock(tmp_path)
    (problem,) = caught.value.problems
    assert said in problem.message
    assert problem.code == "LCK005"


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
    with pytest.raises(SpecError) as caught:
        read_lock(tmp_path)
    (problem,) = caught.value.problems
    assert problem.place
    assert problem.place.file.name == NAME


def test_a_file_of_a_later_version_says_its_schema(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text('{"schema": "photon-builder/lock/v9", "files": {}}')
    with pytest.raises(SpecError) as caught:
        read_lock(tmp_path)
    (problem,) = caught.value.problems
    assert (problem.code, "v9" in problem.message) == ("LCK003", True)


DAMAGED = """\
{
  "schema": "photon-builder/lock/v1",
  "files": {
    "a.ova": {"sha256": "12"},
    "b.ova": {"sha255": "SHA"},
    "c.ova": 5,
    "d.ova": {"md5": ["MD5"]},
    "https://me:hunter2@x/e.ova": {"sha1": "z"}
  },
  "images": {
    "docker.io/a/a:1": {"digest": "sha256:1", "platforms": {}},
    "NOT A NAME": {},
    "docker.io/a/b:1": {"digest": "SHA", "platforms": {"linux/amd64": 7}}
  }
}
""".replace("SHA", ONE)


def test_everything_wrong_with_a_file_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(DAMAGED)
    with pytest.raises(SpecError) as caught:
        read_lock(tmp_path)
    found = [(p.place.line, p.code) for p in caught.value.problems if p.place]
    assert found == [
        *((line, "LCK004") for line in (4, 5, 6, 7, 8)),
        *((line, "LCK005") for line in (11, 12, 13)),
    ]
    for problem in caught.value.problems:
        assert (
            problem.excerpt.strip() in DAMAGED.replace("me:hunter2@", "…@")
            or "…" in problem.excerpt
        )
        assert "hunter2" not in problem.excerpt + problem.message
        assert "photon-builder lock" in problem.hint


@pytest.mark.parametrize(
    ("text", "line", "code"),
    [
        ('{\n"schema": "photon-builder/lock/v1",\n<<<<<<< ours\n"files": {}}', 3, "LCK001"),
        ('{"schema": "photon-builder/lock/v1",\n"files": {},\n"files": {}}', 3, "YAML002"),
        ('{"schema": "photon-builder/lock/v1",\n"files": {}', 2, "LCK001"),
        ("[1]", 1, "LCK002"),
        ("", 1, "LCK001"),
    ],
)
def test_what_a_merge_leaves_is_told_with_its_line(
    text: str, line: int, code: str, tmp_path: Path
) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(SpecError) as caught:
        read_lock(tmp_path)
    problem = caught.value.problems[0]
    assert problem.place
    assert (problem.place.line, problem.code) == (line, code)


def test_a_lock_and_a_spec_that_are_wrong_are_told_in_one_run(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.write(NAME, DAMAGED)
    head = "version: 1\ntarget: ova\nbase: {url: 'https://x/y.ova'}\n"
    bench.write("lab.yaml", head + "overlay: {hostnaem: x}\n")
    for command in ("check", "plan", "build", "lock"):
        done = bench.run(command, "lab.yaml", "--json")
        codes = [problem["code"] for problem in json.loads(done.out)["problems"]]
        assert (done.code, codes.count("LCK004"), codes.count("LCK005")) == (3, 5, 3)
        assert codes.count("SCH002") == (command != "lock"), codes
        assert "BASE002" not in codes


def test_an_address_of_an_earlier_version_is_read_without_its_secrets(tmp_path: Path) -> None:
    whole = "https://me:SECRETPW@x/y.ova?X-Amz-Signature=SECRETSIG"
    record = {"schema": "photon-builder/lock/v1", "files": {whole: {"sha256": "A" * 64}}}
    (tmp_path / NAME).write_text(json.dumps(record))
    found = read_lock(tmp_path)
    assert found.files == {"https://x/y.ova?X-Amz-Signature=…": {"sha256": "a" * 64}}
    assert "SECRET" not in write_lock(tmp_path, found).read_text()
