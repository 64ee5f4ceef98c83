"""The container target: the published layer as it is, one of ours on top, for every consumer."""

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from tests.support.engine import HEAD, engine_tree, run_engine
from tests.support.judges import judge
from tests.support.program import Bench

__all__ = ["engine_tree"]

SPEC = """\
version: 1
name: edge
targets: [photon-docker-image]
base: {base}
image:
  name: registry.example.org/lab/photon:5.0-mine
  cmd: [/bin/bash, -l]
  entrypoint: [/usr/bin/env]
  env: {{LANG: C.UTF-8}}
  labels: {{org.example.team: lab}}
  user: 1000
  workdir: /srv
  expose: [80, 53/udp]
overlay:
  users: {{ada: {{uid: 1000, password: {{locked: true}}}}}}
  files:
    - {{path: /opt/app/run, mode: "0755", content: "#!/bin/sh\\n"}}
    - {{path: /etc/motd, absent: true}}
    - {{path: /srv/link, symlink: ../opt/app/run}}
{more}"""
SAMPLE = '{sample: "5.0"}'
RELEASE = "VMware Photon OS 5.0\nPHOTON_BUILD_NUMBER=dde71ec57\n"
NAME = "registry.example.org/lab/photon:5.0-mine"


def build(bench: Bench, base: str = SAMPLE, more: str = "") -> Path:
    return bench.build(bench.write("edge.yaml", SPEC.format(base=base, more=more)))


def root_archive(path: Path) -> Path:
    """Write a root filesystem as Photon packs it: names begin with ``./``, a hard link, modes."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name, content, mode in (
            ("./etc/os-release", 'NAME="VMware Photon OS"\nID=photon\nVERSION_ID=5.0\n', 0o644),
            (
                "./etc/photon-release",
                "VMware Photon OS 5.0\nPHOTON_BUILD_NUMBER=dde71ec57\n",
                0o644,
            ),
            ("./etc/passwd", "root:x:0:0:root:/root:/bin/bash\n", 0o644),
            ("./etc/group", "root:x:0:\nusers:x:100:\n", 0o644),
            ("./etc/shadow", "root:*:1::::::\n", 0o600),
            ("./etc/motd", "hello\n", 0o644),
            ("./usr/bin/tool", "x" * 5000, 0o4755),
        ):
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = len(content), mode, 1_600_000_000
            tar.addfile(member, io.BytesIO(content.encode()))
        link = tarfile.TarInfo("./usr/bin/other")
        link.type, link.linkname = tarfile.LNKTYPE, "./usr/bin/tool"
        tar.addfile(link)
    path.write_bytes(gzip.compress(plain.getvalue(), 9))
    return path


def layout(artifact: Path, folder: Path) -> dict[str, bytes]:
    with tarfile.open(artifact) as tar:
        tar.extractall(folder, filter="data")
    return {path.name: path.read_bytes() for path in (folder / "blobs/sha256").iterdir()}


def test_the_published_layer_is_in_the_image_byte_for_byte(bench: Bench, tmp_path: Path) -> None:
    base = root_archive(tmp_path / "photon-rootfs-5.0-dde71ec57.x86_64.tar.gz")
    artifact = build(bench, f"{{file: {base}}}")
    blobs = layout(artifact, tmp_path / "layout")
    for name, content in blobs.items():
        assert hashlib.sha256(content).hexdigest() == name
    shown = json.loads(judge("skopeo", "inspect", f"oci-archive:{artifact}").stdout)
    assert shown["Layers"][0] == f"sha256:{hashlib.sha256(base.read_bytes()).hexdigest()}"
    assert len(shown["Layers"]) == 2


@pytest.mark.parametrize("transport", ["docker-archive", "oci-archive"])
def test_skopeo_reads_what_the_spec_says(bench: Bench, transport: str) -> None:
    artifact = build(bench)
    config = json.loads(judge("skopeo", "inspect", "--config", f"{transport}:{artifact}").stdout)
    run = config["config"]
    assert run["Cmd"] == ["/bin/bash", "-l"]
    assert run["Entrypoint"] == ["/usr/bin/env"]
    assert run["WorkingDir"] == "/srv"
    assert run["User"] == "1000"
    assert set(run["ExposedPorts"]) == {"80/tcp", "53/udp"}
    assert "LANG=C.UTF-8" in run["Env"]
    assert run["Labels"]["org.example.team"] == "lab"
    assert run["Labels"]["vendor"] == "VMware"
    assert (config["os"], config["architecture"]) == ("linux", "amd64")
    assert len(config["rootfs"]["diff_ids"]) == 2


def test_umoci_unpacks_the_overlay_over_the_base(bench: Bench, tmp_path: Path) -> None:
    base = root_archive(tmp_path / "photon-rootfs-5.0-dde71ec57.x86_64.tar.gz")
    artifact = build(bench, f"{{file: {base}}}")
    place = tmp_path / "layout:mine"
    judge("skopeo", "copy", "--quiet", f"oci-archive:{artifact}", f"oci:{place}")
    judge("umoci", "unpack", "--image", place, tmp_path / "bundle")
    root = tmp_path / "bundle/rootfs"
    assert (root / "opt/app/run").stat().st_mode & 0o7777 == 0o755
    assert not (root / "etc/motd").exists()
    assert (root / "srv/link").readlink() == Path("../opt/app/run")
    assert "ada:x:1000:" in (root / "etc/passwd").read_text()
    tool, other = (root / "usr/bin/tool").stat(), (root / "usr/bin/other").stat()
    assert tool.st_ino == other.st_ino
    assert tool.st_mode & 0o7777 == 0o4755


@pytest.mark.slow
def test_docker_loads_it_and_sees_the_overlay(
    bench: Bench, engine_tree: Path, tmp_path: Path
) -> None:
    artifact = build(bench)
    script = f"""\
docker load --input /image.tar
docker image inspect --format '{{{{.Config.Cmd}}}} {{{{.Config.User}}}}' {NAME}
docker export "$(docker create {NAME} /none)" | tar -tv | grep -E 'opt/app/run|etc/motd|srv/link'
"""
    told = run_engine(
        engine_tree, tmp_path / "run", {"/image.tar": artifact.read_bytes()}, f"{HEAD}{script}"
    ).splitlines()
    assert told[0] == f"Loaded image: {NAME}"
    assert told[1] == "[/bin/bash -l] 1000"
    assert [line.split()[0] for line in told[2:]] == ["-rwxr-xr-x", "lrwxrwxrwx"]


def test_the_same_spec_gives_the_same_bytes(bench: Bench) -> None:
    spec = bench.write("edge.yaml", SPEC.format(base=SAMPLE, more=""))
    first = bench.build(spec, SOURCE_DATE_EPOCH="1700000000").read_bytes()
    forced = bench.run("build", spec, "--force", SOURCE_DATE_EPOCH="1700000000")
    assert forced.code == 0, forced.err
    assert (bench.output / "edge.image.tar").read_bytes() == first
    assert "nothing changed" in bench.run("build", spec, SOURCE_DATE_EPOCH="1700000000").err


def test_the_artifact_can_be_looked_into_and_proved(bench: Bench) -> None:
    artifact = build(bench)
    told = bench.run("inspect", artifact).out
    assert "a container image" in told
    assert "  name      registry.example.org/lab/photon:5.0-mine" in told
    assert bench.run("cat", artifact, "/opt/app/run").out == "#!/bin/sh\n"
    assert bench.run("ls", artifact, "/etc/motd").code == 8
    assert bench.run("verify", artifact, "edge.yaml").code == 0


@pytest.mark.parametrize("place", [0.02, 0.3, 0.6, 0.9, 0.97])
def test_a_damaged_image_is_not_called_valid(bench: Bench, place: float) -> None:
    artifact = build(bench)
    data = bytearray(artifact.read_bytes())
    at = int(len(data) * place)
    while not data[at]:
        at -= 1
    data[at] ^= 1
    artifact.write_bytes(data)
    run = bench.run("verify", artifact)
    assert run.code in (7, 11), run.err
    assert "Traceback" not in run.err


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("hostname: edge", "photon-docker-image takes no `hostname`; it takes"),
        ("network: {eth0: {dhcp: true}}", "photon-docker-image takes no `network`"),
        ("services: {enable: [sshd]}", "photon-docker-image takes no `services`"),
        ("packages: [jq]", "photon-docker-image takes no `packages`"),
        ("compose: {a: {file: c.yaml}}", "photon-docker-image takes no `compose`"),
    ],
)
def test_what_a_container_cannot_honour_is_refused_by_name(
    bench: Bench, key: str, message: str
) -> None:
    bench.write("c.yaml", "services: {a: {image: nginx:1.27, restart: always}}\n")
    spec = bench.write("edge.yaml", SPEC.format(base=SAMPLE, more=f"  {key}\n"))
    run = bench.run("build", spec)
    assert run.code == 4, run.err
    assert message in run.err


@pytest.mark.parametrize("path", ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"])
def test_a_file_that_the_runtime_replaces_is_refused(bench: Bench, path: str) -> None:
    more = f'    - {{path: {path}, content: "x\\n"}}\n'
    run = bench.run("build", bench.write("edge.yaml", SPEC.format(base=SAMPLE, more=more)))
    assert run.code == 8
    assert f"error[IMG001]: {path}: the runtime of a container writes its own over it" in run.err
    assert not (bench.output / "edge.image.tar").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html></html>", "is a web page"),
        (gzip.compress(b"no archive" * 100, mtime=0), "invalid tar header"),
        (b"", "empty file"),
    ],
    ids=["html", "gzip", "empty"],
)
def test_a_base_that_is_no_root_filesystem_is_refused(
    bench: Bench, tmp_path: Path, content: bytes, message: str
) -> None:
    base = tmp_path / "photon-rootfs-5.0-dde71ec57.x86_64.tar.gz"
    base.write_bytes(content)
    run = bench.run(
        "build", bench.write("edge.yaml", SPEC.format(base=f"{{file: {base}}}", more=""))
    )
    assert run.code in (7, 8), run.err
    assert message in run.err
    assert "Traceback" not in run.err
