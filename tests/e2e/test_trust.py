"""Bases that nobody published a digest of: seen once, said, recorded, and held to it after."""

import hashlib
import json
import re
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.judges import judge
from tests.support.program import Bench
from tests.support.server import Served, closed_port, serve

OVA = "photon-hw15-5.0-dde71ec57.x86_64.ova"
SPEC = """\
version: 1
name: lab
targets: [ova]
base: {release: "5.0"}
overlay:
  hostname: lab-1
  users: {root: {password: {env: ROOT_PASSWORD}}}
"""


@pytest.fixture(scope="module")
def appliance(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An appliance that the program can edit."""
    bench = Bench(tmp_path_factory.mktemp("made"))
    spec = bench.write("specs/lab.yaml", SPEC.replace('release: "5.0"', "sample: true"))
    bench.build(spec, ROOT_PASSWORD="correct-horse-7")
    (made,) = (bench.directory / "cache" / "sample").glob("ova-*")
    return made.read_bytes()


@pytest.fixture
def server(appliance: bytes) -> Iterator[Served]:
    with serve(appliance) as running:
        yield running


def lab(bench: Bench, server: Served) -> tuple[Path, dict[str, str]]:
    """Write the spec; return the path of its lock file and what the environment has."""
    bench.write("specs/lab.yaml", SPEC)
    mirror = server.url.removesuffix("photon.ova")
    environment = {"PHOTON_BUILDER_MIRRORS": mirror, "ROOT_PASSWORD": "correct-horse-7"}
    return bench.directory / "specs/photon-builder.lock", environment


def test_the_newest_release_is_checked_and_planned_without_a_digest(
    bench: Bench, server: Served
) -> None:
    _, mirror = lab(bench, server)
    done = bench.run("check", "lab", **mirror)
    assert (done.code, done.err) == (0, "specs/lab.yaml: no problems\n")
    done = bench.run("plan", "lab", **mirror)
    assert done.code == 0
    assert f"{OVA}  (no published digest: the first build trusts" in done.out
    assert bench.run("fetch", "--list", "lab", ROOT_PASSWORD="correct-horse-7").out == (
        f"https://packages.broadcom.com/photon/5.0/GA/ova/{OVA}\n"
    )
    assert not server.log


@pytest.mark.parametrize("command", ["build", "fetch", "nightly"])
def test_without_a_terminal_nothing_is_fetched_and_both_ways_are_named(
    command: str, bench: Bench, server: Served
) -> None:
    path, mirror = lab(bench, server)
    done = bench.run(command, "lab", **mirror)
    assert done.code == 2
    assert f"error[BASE011]: {OVA}: no published digest" in done.err
    assert "run this on a terminal or with --trust-first" in done.err
    assert not server.log
    assert not path.exists()
    assert bench.run("explain", "BASE011").code == 0


def test_what_is_trusted_is_said_once_recorded_and_held_to(bench: Bench, server: Served) -> None:
    path, mirror = lab(bench, server)
    sha256 = hashlib.sha256(server.content).hexdigest()
    done = bench.run("build", "lab", "--trust-first", **mirror)
    assert done.code == 0, done.err
    (said,) = [line for line in done.err.splitlines() if sha256 in line and "trusted" in line]
    assert said.startswith(f"{OVA}: no digest of it was published, so it is trusted as first seen")
    assert "without TLS" in said
    assert json.loads(path.read_text())["files"] == {OVA: {"sha256": sha256}}
    record = json.loads((bench.output / "lab.ova.provenance.json").read_text())
    assert record["base"]["published"] == {}
    assert record["base"]["recorded"] == {"sha256": sha256}
    assert record["base"]["digests"] == {"sha256": sha256}

    again = bench.run("build", "lab", **mirror)
    assert (again.code, again.err) == (0, "lab (ova): nothing changed\n")
    assert "trusted" not in again.err
    assert len(server.log) == 1

    bench.run("cache", "gc", "--all")
    server.content = server.content[:-1] + b"!"
    done = bench.run("build", "lab", "--trust-first", "--force", **mirror)
    assert done.code == 6
    assert sha256 in done.err
    assert f"remove the entry '{OVA}' from the lock file" in done.err
    assert json.loads(path.read_text())["files"] == {OVA: {"sha256": sha256}}


def test_on_a_terminal_it_is_recorded_by_itself(bench: Bench, server: Served) -> None:
    path, mirror = lab(bench, server)
    done = bench.run_on_terminal("build", "lab", **mirror)
    assert done.code == 0, done.out
    sha256 = hashlib.sha256(server.content).hexdigest()
    assert json.loads(path.read_text())["files"] == {OVA: {"sha256": sha256}}
    assert f"sha256 {sha256}, and specs/photon-builder.lock holds" in done.out


def test_the_host_that_was_believed_over_tls_is_named(bench: Bench, appliance: bytes) -> None:
    key, certificate = bench.directory / "key.pem", bench.directory / "cert.pem"
    judge(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
        *("-keyout", key, "-out", certificate, "-subj", "/CN=mirror"),
        *("-addext", "subjectAltName=IP:127.0.0.1"),
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with serve(appliance, tls=tls) as server:
        _, mirror = lab(bench, server)
        refused = bench.run("build", "lab", "--trust-first", **mirror)
        assert refused.code == 5
        done = bench.run(
            "build", "lab", "--trust-first", **mirror, REQUESTS_CA_BUNDLE=str(certificate)
        )
    assert done.code == 0, done.err
    host = server.url.split("/")[2]
    assert re.search(
        rf"trusted as first seen over TLS from {host}, sha256 [0-9a-f]{{64}}", done.err
    )


def test_another_folder_trusts_the_same_file_without_a_second_download(
    bench: Bench, server: Served
) -> None:
    _, mirror = lab(bench, server)
    assert bench.run("fetch", "lab", "--trust-first", **mirror).code == 0
    bench.write("other/lab.yaml", SPEC)
    done = bench.run("build", "other/lab.yaml", "--trust-first", "--offline", **mirror)
    assert done.code == 0, done.err
    assert (bench.directory / "other/photon-builder.lock").is_file()
    assert len(server.log) == 1


def test_a_folder_that_cannot_be_written_is_said_before_the_download(
    bench: Bench, server: Served
) -> None:
    _, mirror = lab(bench, server)
    (bench.directory / "specs/photon-builder.lock").mkdir()
    done = bench.run("build", "lab", "--trust-first", **mirror)
    assert done.code == 10
    assert not server.log


def test_lock_records_it_without_building(bench: Bench, server: Served) -> None:
    path, mirror = lab(bench, server)
    done = bench.run("lock", "lab", **mirror)
    assert done.code == 0, done.err
    assert "trusted as first seen" in done.out
    assert OVA in path.read_text()
    assert (
        bench.run("lock", "lab", **mirror).out
        == "nothing to lock: everything already has a digest\n"
    )
    assert bench.run("build", "lab", **mirror).code == 0
    path.unlink()
    assert bench.run("lock", "lab", "--base", "sample").out.startswith("nothing to lock")


def test_a_file_that_was_fetched_otherwise_is_known_by_its_name(
    bench: Bench, server: Served
) -> None:
    path, mirror = lab(bench, server)
    file = bench.directory / OVA
    file.write_bytes(server.content)
    done = bench.run("cache", "add", file)
    assert done.code == 0, done.err
    assert (
        f"{OVA} (Photon 5.0 GA, ova, x86_64), by its name: it has no published digest" in done.err
    )
    done = bench.run("build", "lab", "--trust-first", "--offline", **mirror)
    assert done.code == 0, done.err
    assert f"trusted as first seen in {file.as_uri()}, sha256" in done.err
    assert OVA in path.read_text()
    assert not server.log

    other = file.rename(bench.directory / "photon.ova")
    assert bench.run("cache", "add", other).code == 2
    assert bench.run("cache", "add", other, "--as", OVA).code == 0
    wrong = bench.write("photon-minimal-5.0-dde71ec57.x86_64.iso", "something else")
    done = bench.run("cache", "add", wrong)
    assert (done.code, "wanted 85cddaa8" in done.err) == (6, True)
    done = bench.run("cache", "add", bench.write("rpi.tar.xz", "x"))
    assert done.code == 2
    assert "--as 4.0/GA/rpi/rpi.tar.xz or --as 4.0/Rev2/rpi4/rpi.tar.xz" in done.err
    done = bench.run("cache", "add", "rpi.tar.xz", "--as", "4.0/Rev2/rpi4/rpi.tar.xz")
    assert done.code == 0, done.err
    assert len(json.loads(bench.run("cache", "ls", "--json").out)["files"]) == 2


def test_the_hint_of_a_failed_download_leads_to_a_build(bench: Bench, server: Served) -> None:
    _, mirror = lab(bench, server)
    digest = hashlib.sha256(server.content).hexdigest()
    address = f"http://127.0.0.1:{closed_port()}/my.ova"
    base = f"{{url: '{address}', sha256: {digest}}}"
    bench.write("specs/lab.yaml", SPEC.replace('{release: "5.0"}', base))
    done = bench.run("build", "lab", **mirror)
    assert done.code == 5
    (hint,) = re.findall(r"`photon-builder (cache add [^`]+)`", done.err)
    (bench.directory / "my.ova").write_bytes(server.content)
    assert bench.run(*hint.split()).code == 0
    assert bench.run("build", "lab", **mirror).code == 0
