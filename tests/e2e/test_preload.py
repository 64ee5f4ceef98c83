"""`preload`: images inside of artifacts, from the lock file to the files of the guest."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.documents import parse_document
from builder.guest import preload
from tests.support.images import LOWER, UPPER, Layout, member, tar_of
from tests.support.judges import judge
from tests.support.opened import Opened, open_ova
from tests.support.program import Bench
from tests.support.registry import Registry, serve_registry

NOISE = hashlib.shake_256(b"noise").digest(300_000)
BASE = (tar_of([*LOWER, member("noise", NOISE)]), tar_of(UPPER))
SPEC = """\
version: 1
name: lab
target: TARGET
base: {sample: true}
overlay:
  users: {root: {password: {env: ROOT_PASSWORD}}}
  docker: {compose_plugin: base}
  compose: {app: {file: compose.yaml, preload: true}}
"""
COMPOSE = """\
services:
  app: {image: "HOST/lab/app:1.0", restart: always}
  web: {image: "HOST/lab/web:2.0", restart: always, pull_policy: always}
"""
SECRETS = {"ROOT_PASSWORD": "correct-horse-7"}
ARCHIVES = (f"{preload.FOLDER}/10-app.tar", f"{preload.FOLDER}/11-web.tar")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry with two images, the second upon the layers of the first."""
    with serve_registry(tmp_path_factory.mktemp("registry")) as running:
        for name, layers in (("app:1.0", BASE), ("web:2.0", (*BASE, tar_of([member("web")])))):
            layout = Layout(tmp_path_factory.mktemp("layout"))
            layout.add(layers)
            layout.add([tar_of([member("of-arm")])], arch="arm64")
            target = f"docker://{running.host}/lab/{name}"
            folder = layout.finish(layout.index())
            judge("skopeo", "copy", "--all", "--dest-tls-verify=false", f"oci:{folder}:it", target)
        yield running


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def lab(bench: Bench, host: str, *, spec: str = SPEC, target: str = "ova") -> None:
    bench.write("specs/compose.yaml", COMPOSE.replace("HOST", host))
    bench.write("specs/lab.yaml", spec.replace("TARGET", target).replace("HOST", host))


def opened(bench: Bench, artifact: Path, scratch: Path) -> Opened:
    told = json.loads(bench.run("inspect", artifact, "--json").out)
    (root,) = (each for each in told["partitions"] if each["mounted"] == ["/"])
    return open_ova(artifact, root["offset"], scratch)


def taken(disk: Opened, path: str, scratch: Path) -> Path:
    """Return a file of the root as debugfs reads it."""
    made = scratch / path.rpartition("/")[2]
    disk.debugfs(f"dump {path} {made}")
    return made


def test_images_lie_in_the_artifact_as_the_registry_has_them(
    registry: Registry, bench: Bench, tmp_path: Path
) -> None:
    lab(bench, registry.host)
    refused = bench.run("plan", "lab", **SECRETS)
    assert "CMP020" in refused.err
    assert "run `photon-builder lock SPEC`" in refused.err
    assert bench.run("lock", "lab").code == 0
    artifact = bench.build("lab", **SECRETS)
    disk = opened(bench, artifact, tmp_path / "disk")
    disk.check()
    for path in ARCHIVES:
        assert disk.stat(path)["mode"] == "0600"
    made = taken(disk, ARCHIVES[0], tmp_path)
    for kind in ("docker-archive", "oci-archive"):
        there = json.loads(judge("skopeo", "inspect", "--config", f"{kind}:{made}").stdout)
        assert len(there["rootfs"]["diff_ids"]) == len(BASE)
    rows = [line.split() for line in disk.text(preload.LIST).splitlines()]
    assert [row[:2] for row in rows] == [
        ["10-app.tar", f"{registry.host}/lab/app:1.0"],
        ["11-web.tar", f"{registry.host}/lab/web:2.0"],
    ]
    assert [row[3] for row in rows] == [
        registry.digest("lab/app:1.0"),
        registry.digest("lab/web:2.0"),
    ]
    record = json.loads(artifact.with_name(f"{artifact.name}.provenance.json").read_text())
    (told,) = (each for each in record["inputs"] if each["path"] == ARCHIVES[0])
    assert told["sha256"] == hashlib.sha256(made.read_bytes()).hexdigest()
    assert bench.run("verify", artifact, "lab", **SECRETS).code == 0
    assert "the plan did not change" in bench.run("plan", "lab", **SECRETS).out


def test_what_an_earlier_archive_has_is_not_shipped_twice(
    registry: Registry, bench: Bench, tmp_path: Path
) -> None:
    lab(bench, registry.host)
    assert bench.run("lock", "lab").code == 0
    disk = opened(bench, bench.build("lab", **SECRETS), tmp_path / "disk")
    first, second = (taken(disk, path, tmp_path) for path in ARCHIVES)
    assert second.stat().st_size < len(NOISE) < first.stat().st_size


def test_compose_runs_what_was_loaded_and_pulls_nothing(
    registry: Registry, bench: Bench, tmp_path: Path
) -> None:
    lab(bench, registry.host)
    assert bench.run("lock", "lab").code == 0
    disk = opened(bench, bench.build("lab", **SECRETS), tmp_path / "disk")
    override = parse_document(disk.text("/opt/compose/app/compose.override.yaml"), Path("x")).value
    assert override == {
        "services": {
            name: {"image": f"{registry.host}/lab/{tag}", "pull_policy": "never"}
            for name, tag in (("app", "app:1.0"), ("web", "web:2.0"))
        }
    }
    unit = disk.text("/etc/systemd/system/photon-builder-compose@.service")
    assert "network-online.target" not in unit
    assert "After=docker.service photon-builder-preload.service" in unit


def test_a_second_build_needs_no_network_and_gives_the_same_bytes(
    registry: Registry, bench: Bench
) -> None:
    lab(bench, registry.host)
    assert bench.run("lock", "lab").code == 0
    pinned = {**SECRETS, "SOURCE_DATE_EPOCH": "1700000000"}
    first = bench.build("lab", **pinned).read_bytes()
    again = bench.run("build", "lab", "--force", "--offline", **pinned)
    assert again.code == 0, again.err
    assert (bench.output / "lab.ova").read_bytes() == first


def test_a_registry_that_is_gone_leaves_no_artifact(registry: Registry, bench: Bench) -> None:
    lab(bench, registry.host)
    assert bench.run("lock", "lab").code == 0
    done = bench.run("build", "lab", "--offline", **SECRETS)
    assert done.code == 5
    assert "it is not in the cache, and the network must not be used" in done.err
    assert not list(bench.output.glob("*")) if bench.output.exists() else True


def test_a_disk_grows_as_far_as_the_images_need(registry: Registry, bench: Bench) -> None:
    lab(bench, registry.host)
    assert bench.run("lock", "lab").code == 0
    lock = bench.directory / "specs/photon-builder.lock"
    record = json.loads(lock.read_text())
    for image in record["images"].values():
        image["blobs"]["linux/amd64"]["unpacked"] = 12 << 30
    lock.write_text(json.dumps(record))
    done = bench.run("build", "lab", **SECRETS)
    assert done.code == 0, done.err
    assert "the disk grows from" in done.err
    told = json.loads(bench.run("inspect", bench.output / "lab.ova", "--json").out)
    assert told["disk_size"] > 26 << 30
    bench.write("specs/lab.yaml", f"{SPEC.replace('TARGET', 'ova')}disk: {{size: 20GiB}}\n")
    refused = bench.run("build", "lab", **SECRETS)
    assert refused.code == 8
    assert "error[DSK003]: the images need" in refused.err
    assert "write disk: {size:" in refused.err


def test_images_are_files_of_a_medium_and_no_part_of_its_bundle(
    registry: Registry, bench: Bench, tmp_path: Path
) -> None:
    lab(bench, registry.host, spec=f"{SPEC}install: {{disk: /dev/sda}}\n", target="iso")
    assert bench.run("lock", "lab").code == 0
    iso = bench.build("lab", **SECRETS)
    out = tmp_path / "out"
    judge("xorriso", "-osirrox", "on", "-indev", iso, "-extract", "/photon-builder", out)
    assert {path.name for path in (out / "preload").iterdir()} == {"10-app.tar", "11-web.tar"}
    told = judge("skopeo", "inspect", f"docker-archive:{out / 'preload/10-app.tar'}").stdout
    assert len(json.loads(told)["Layers"]) == len(BASE)
    assert (out / "bundle.pyz").stat().st_size < len(NOISE)
    files = json.loads((out / "ks.json").read_text())["additional_files"]
    assert {"/mnt/media/photon-builder/preload": preload.FOLDER} in files
    assert bench.run("verify", iso, "lab", **SECRETS).code == 0


def test_a_plan_says_what_is_shipped_and_what_it_needs(registry: Registry, bench: Bench) -> None:
    lab(bench, registry.host)
    assert bench.run("lock", "lab").code == 0
    told = bench.run("plan", "lab", **SECRETS).out
    digest = registry.digest("lab/app:1.0")
    name = f"{registry.host}/lab/app:1.0"
    assert f"image     {name}  (app/app, {digest}, shipped inside)" in told
    assert "preload   2 images, 5 layers, 2 of them shared: 0.3 MB in the artifact" in told
    assert "preload   the first boot needs up to 2" in told
    assert f"download  the image {name}  (0.3 MB in 2 layers, 0.3 MB unpacked, " in told
    assert "0.3 MB of it not in the cache yet)" in told
    bench.build("lab", **SECRETS)
    assert "unpacked, in the cache)" in bench.run("plan", "lab", **SECRETS).out


def test_images_that_no_project_runs_are_shipped_too(
    registry: Registry, bench: Bench, tmp_path: Path
) -> None:
    head = SPEC[: SPEC.index("  compose:")]
    spec = head.replace("compose_plugin: base", "images: [HOST/lab/web:2.0, HOST/lab/app@DIGEST]")
    digest = registry.digest("lab/app:1.0")
    lab(bench, registry.host, spec=spec.replace("DIGEST", digest))
    assert "CMP020" in bench.run("build", "lab", **SECRETS).err
    assert bench.run("lock", "lab").code == 0
    disk = opened(bench, bench.build("lab", **SECRETS), tmp_path / "disk")
    rows = [line.split()[:2] for line in disk.text(preload.LIST).splitlines()]
    assert rows == [
        ["10-app.tar", f"{registry.host}/lab/app:sha256-{digest[7:19]}"],
        ["11-web.tar", f"{registry.host}/lab/web:2.0"],
    ]
    assert "docker.images" in bench.run("plan", "lab", **SECRETS).out
    lab(bench, registry.host, spec=spec.replace("HOST/lab/app@DIGEST", "Not/A:Name"))
    assert "CMP019" in bench.run("lock", "lab").err


def test_one_tag_for_two_images_is_refused(registry: Registry, bench: Bench) -> None:
    spec = SPEC.replace("compose_plugin: base", "compose_plugin: base, images: [HOST/lab/app:1.0]")
    lab(bench, registry.host, spec=spec)
    assert bench.run("lock", "lab").code == 0
    assert bench.run("build", "lab", **SECRETS).code == 0  # the same image twice is one
    arm = COMPOSE.replace("restart: always", "restart: always, platform: linux/arm64", 1)
    bench.write("specs/compose.yaml", arm.replace("HOST", registry.host))
    assert bench.run("lock", "lab").code == 0
    assert "CMP050" in bench.run("build", "lab", **SECRETS).err


def test_a_boot_without_a_network_is_waited_for_briefly(
    registry: Registry, bench: Bench, tmp_path: Path
) -> None:
    lab(bench, registry.host)
    assert bench.run("lock", "lab").code == 0
    wait = "systemd-networkd-wait-online"
    dropin = f"/etc/systemd/system/{wait}.service.d/10-photon-builder.conf"
    disk = opened(bench, bench.build("lab", **SECRETS), tmp_path / "disk")
    assert f"ExecStart=/usr/lib/systemd/{wait} --timeout=20\n" in disk.text(dropin)
    pulled = SPEC.replace("preload: true}", "preload: true}, b: {file: other.yaml}")
    lab(bench, registry.host, spec=pulled)
    bench.write("specs/other.yaml", "services: {b: {image: 'nginx:1.27.1', restart: always}}\n")
    disk = opened(bench, bench.build("lab", **SECRETS), tmp_path / "other")
    assert disk.text(dropin) == ""
    network = "photon-builder-compose@b.service.d/10-photon-builder-network.conf"
    assert "After=network-online.target" in disk.text(f"/etc/systemd/system/{network}")


def test_a_spec_that_is_not_valid_is_not_said_to_lack_a_lock(
    registry: Registry, bench: Bench
) -> None:
    lab(bench, registry.host)
    assert bench.run("lock", "lab").code == 0
    lab(bench, registry.host, spec=f"{SPEC}  hostnaem: x\n")
    told = bench.run("check", "lab", **SECRETS)
    assert "hostnaem" in told.err
    assert "CMP020" not in told.err
