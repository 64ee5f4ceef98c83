"""The list for Raspberry Pi Imager: of its form, and true by what xz and sha256sum say."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.support.judges import judge
from tests.support.program import Bench

SPEC = """\
version: 1
name: {name}
target: rpi3
base: {{sample: true}}
output: {output}
overlay: {{hostname: edge}}
"""
DIGEST = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
SIZE = {"type": "integer", "minimum": 1}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["os_list"],
    "properties": {
        "os_list": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": [
                    *("name", "description", "icon", "url", "extract_size", "extract_sha256"),
                    *("image_download_size", "release_date"),
                ],
                "properties": {
                    "name": {"type": "string", "minLength": 1},
                    "description": {"type": "string", "minLength": 1},
                    "icon": {"type": "string"},
                    "url": {"type": "string", "pattern": "^(https?|file)://[^ ]+$"},
                    "extract_size": SIZE,
                    "extract_sha256": DIGEST,
                    "image_download_size": SIZE,
                    "image_download_sha256": DIGEST,
                    "release_date": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
                    "devices": {"type": "array", "items": {"enum": ["pi3-64bit", "pi4-64bit"]}},
                    "init_format": {"enum": ["none", "systemd", "cloudinit"]},
                    "bmap_url": {"type": "string"},
                },
                "additionalProperties": False,
            },
        }
    },
    "additionalProperties": False,
}
"""What Imager's own schema asks for, and the types that its code reads."""


def entries(text: str) -> list[dict[str, Any]]:
    """Return the images of a list of the right form."""
    found = json.loads(text)
    jsonschema.validate(found, SCHEMA)
    listed: list[dict[str, Any]] = found["os_list"]
    return listed


def check(entry: dict[str, Any], image: Path) -> None:
    """Compare an entry with the file, by foreign tools."""
    tool = {".xz": "xz -dc", ".zst": "zstd -dc", ".gz": "gzip -dc"}.get(image.suffix, "cat")
    inside = judge("sh", "-ec", f"{tool} '{image}' | tee '{image}.x' | sha256sum").stdout.split()
    assert entry["extract_sha256"] == inside[0]
    assert entry["extract_size"] == Path(f"{image}.x").stat().st_size
    assert entry["image_download_sha256"] == judge("sha256sum", image).stdout.split()[0]
    assert entry["image_download_size"] == image.stat().st_size
    Path(f"{image}.x").unlink()


@pytest.mark.parametrize(
    "output",
    ["{}", "{compression: zst}", "{compression: none}"],
    ids=["xz", "zst", "none"],
)
def test_an_image_is_listed_as_it_is(output: str, bench: Bench) -> None:
    image = bench.build(bench.write("specs/edge.yaml", SPEC.format(name="edge", output=output)))
    (entry,) = entries(bench.run("os-list", "--url", "https://example.org/images/").out)
    check(entry, image)
    assert entry["url"] == f"https://example.org/images/{image.name}"
    assert entry["bmap_url"] == f"{entry['url']}.bmap"
    assert entry["name"] == "edge: Photon OS 5.0"
    assert (entry["devices"], entry["init_format"]) == (["pi3-64bit", "pi4-64bit"], "none")
    when = datetime.fromtimestamp(image.stat().st_mtime, UTC).date()
    assert entry["release_date"] == when.isoformat()


def test_what_was_not_recorded_is_read_from_the_image(bench: Bench) -> None:
    image = bench.build(bench.write("specs/edge.yaml", SPEC.format(name="edge", output="{}")))
    record = image.with_name(f"{image.name}.provenance.json")
    told = json.loads(record.read_text())
    assert told["artifact"].pop("content")["size"] == 1 << 30
    record.write_text(json.dumps(told))
    check(entries(bench.run("os-list").out)[0], image)


def test_without_an_address_the_images_of_this_machine_are_offered(bench: Bench) -> None:
    image = bench.build(bench.write("specs/edge.yaml", SPEC.format(name="edge", output="{}")))
    (entry,) = entries(bench.run("os-list", bench.output).out)
    assert entry["url"] == image.resolve().as_uri()


def test_other_artifacts_and_images_in_a_tar_are_not_offered(bench: Bench) -> None:
    bench.build(bench.write("specs/a.yaml", SPEC.format(name="a", output="{archive: true}")))
    other = SPEC.format(name="b", output="{}").replace("rpi3", "gce").replace("output: {}\n", "")
    bench.build(bench.write("specs/b.yaml", other))
    done = bench.run("os-list")
    assert (done.code, done.out) == (2, "")
    assert "no Raspberry Pi image" in done.err


def test_a_nightly_build_has_its_list_with_addresses_that_do_not_move(bench: Bench) -> None:
    bench.write("specs/edge.yaml", SPEC.format(name="edge", output="{compression: zst}"))
    done = bench.run("nightly", "--url", "https://example.org/nightly")
    assert done.code == 0, done.err
    folder = (bench.output / "nightly/latest").resolve()
    (entry,) = entries((folder / "os_list.json").read_text())
    address = f"https://example.org/nightly/{folder.name}/edge.rpi3.raw.zst"
    assert (entry["url"], entry["bmap_url"]) == (address, f"{address}.bmap")
    assert entry["image_download_size"] == (folder / "edge.rpi3.raw.zst").stat().st_size
