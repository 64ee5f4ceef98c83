"""The main job: a spec becomes a customised OVA, judged by the tools that users have."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from builder.formats.disk import GIB, MIB
from tests.support.bases import Base, Recipe, make_base
from tests.support.judges import judge
from tests.support.opened import open_ova
from tests.support.program import PROJECT, Bench, files_below

SPEC = """\
version: 1
name: edge
target: {target}
base: {{file: {base}, sha256: {sha256}}}
overlay:
  hostname: edge-1
  timezone: Europe/Berlin
  users:
    root:
      password: {{env: ROOT_PASSWORD}}
      ssh_keys:
        - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDc0cGhvdG9uLWJ1aWxkZXItcXVpY2tzdGFydC1r a@example.org
    ada: {{uid: 1000, groups: [wheel]}}
  network:
    eth0: {{addresses: [192.168.1.5/24], gateway: 192.168.1.1, dns: [1.1.1.1]}}
  services: {{enable: [docker], mask: [systemd-timesyncd]}}
  sysctl: {{net.ipv4.ip_forward: 1}}
  files:
    - {{path: /opt/app/run, content: "#!/bin/sh\\n", mode: "0755"}}
    - {{path: /usr/lib/app.conf, content: "x\\n", owner: ada, group: wheel}}
"""
UNPINNED = """\
version: 1
name: edge
target: ova
base: {file: base.ova}
overlay: {hostname: edge-1}
"""
EPOCH = "1700000000"
DAY = int(EPOCH) // 86_400


def write_spec(bench: Bench, base: Base, target: str = "ova", text: str = SPEC) -> Path:
    filled = text.format(base=base.path, sha256=base.digests["sha256"], target=target)
    return bench.write("specs/edge.yaml", filled)


def build(bench: Bench, base: Base, target: str = "ova", *options: str) -> Path:
    spec = write_spec(bench, base, target)
    return bench.build(spec, *options, ROOT_PASSWORD="s3cret-edge-7", SOURCE_DATE_EPOCH=EPOCH)


BASES = {
    "5.0": Recipe(),
    "5.0 of another writer": Recipe(writer="vmware"),
    "4.0 with SHA1": Recipe(release="4.0"),
    "3.0": Recipe(release="3.0", writer="vmware"),
    "3.0 GA": Recipe(release="3.0 GA"),
    "UEFI": Recipe(kind="ova_uefi", release="4.0"),
    "SHA512": Recipe(manifest="SHA512"),
    "no manifest": Recipe(manifest="none"),
    "1 KiB blocks": Recipe(mke2fs=("-b", "1024")),
    "no checksums": Recipe(mke2fs=("-O", "^metadata_csum,^64bit")),
    "no 64bit": Recipe(mke2fs=("-O", "^64bit")),
    "128-byte inodes": Recipe(mke2fs=("-I", "128")),
    "512-byte inodes": Recipe(mke2fs=("-I", "512")),
}


RARE = (
    "4.0 with SHA1",
    "3.0",
    "SHA512",
    "no manifest",
    "no 64bit",
    "512-byte inodes",
    "no checksums",
)
CASES = [
    pytest.param(recipe, id=name, marks=[pytest.mark.slow] * (name in RARE))
    for name, recipe in BASES.items()
]


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(),
        Recipe(writer="vmware", release="3.0"),
        Recipe(release="3.0 GA"),
        Recipe(kind="ova_uefi", release="4.0"),
    ],
    ids=["5.0", "tables at the end", "3.0 GA", "UEFI"],
)
def test_the_disk_of_an_appliance_grows_with_its_root(
    recipe: Recipe, base_cache: Path, bench: Bench, tmp_path: Path
) -> None:
    base = make_base(base_cache, recipe)
    target = "ova_uefi" if recipe.kind == "ova_uefi" else "ova"
    spec = write_spec(bench, base, target, f"{SPEC}disk: {{{{size: 40GiB}}}}\n")
    ova = bench.build(spec, ROOT_PASSWORD="s3cret-edge-7", SOURCE_DATE_EPOCH=EPOCH)
    opened = open_ova(ova, base.root_offset, tmp_path / "opened")
    opened.check()
    assert opened.raw.stat().st_size == 40 * GIB
    assert "No problems found" in judge("sgdisk", "-v", opened.raw).stdout
    told = judge("dumpe2fs", "-h", opened.device).stdout
    facts = dict(re.findall(r"^(Block count|Block size): +([0-9]+)$", told, re.MULTILINE))
    assert int(facts["Block count"]) * int(facts["Block size"]) > 39.9 * GIB
    assert opened.text("/etc/hostname") == "edge-1\n"
    assert json.loads(bench.run("inspect", ova, "--json").out)["disk_size"] == 40 * GIB
    assert bench.run("verify", ova, spec, ROOT_PASSWORD="s3cret-edge-7").code == 0


@pytest.mark.parametrize("recipe", CASES)
def test_every_kind_of_base_becomes_what_the_spec_says(
    recipe: Recipe, base_cache: Path, bench: Bench, tmp_path: Path
) -> None:
    base = make_base(base_cache, recipe)
    target = "ova_uefi" if recipe.kind == "ova_uefi" else "ova"
    opened = open_ova(build(bench, base, target), base.root_offset, tmp_path / "opened")
    opened.check()
    assert opened.text("/etc/hostname") == "edge-1\n"
    assert "Address=192.168.1.5/24" in opened.text(
        "/etc/systemd/network/05-photon-builder-eth0.network"
    )
    shadow = opened.text("/etc/shadow").splitlines()
    assert re.fullmatch(rf"root:\$6\$[^:]+:{DAY}:0:99999:7:::", shadow[0])
    assert opened.stat("/opt/app/run")["mode"] == "0755"
    assert (
        opened.stat("/usr/lib/app.conf")["user"],
        opened.stat("/usr/lib/app.conf")["group"],
    ) == (
        "1000",
        "28",
    )
    assert opened.stat("/root/.ssh")["mode"] == "0700"
    assert opened.stat("/root/.ssh/authorized_keys")["mode"] == "0600"
    assert opened.stat("/etc/localtime")["target"] == "../usr/share/zoneinfo/Europe/Berlin"
    assert opened.stat("/etc/systemd/system/systemd-timesyncd.service")["target"] == "/dev/null"


def test_the_container_is_what_hypervisors_take(small_ova: Base, bench: Bench) -> None:
    artifact = build(bench, small_ova)
    listed = judge("tar", "--numeric-owner", "-tvf", artifact).stdout.splitlines()
    assert [line.split()[-1].rpartition(".")[2] for line in listed] == ["ovf", "vmdk", "mf"]
    assert {tuple(line.split()[:2]) for line in listed} == {("-rw-r--r--", "0/0")}
    with tarfile.open(artifact) as archive:
        contents = {m.name: archive.extractfile(m) for m in archive.getmembers()}
        read = {name: stream.read() for name, stream in contents.items() if stream}
    manifest = next(text for name, text in read.items() if name.endswith(".mf")).decode()
    found = dict(re.findall(r"^SHA256\((.+)\)= ([0-9a-f]{64})$", manifest, re.MULTILINE))
    wanted = {n: hashlib.sha256(d).hexdigest() for n, d in read.items() if not n.endswith(".mf")}
    assert found == wanted
    envelope = next(text for name, text in read.items() if name.endswith(".ovf")).decode()
    size = next(len(data) for name, data in read.items() if name.endswith(".vmdk"))
    assert f'ovf:size="{size}"' in envelope


HARDWARE = "output: {{firmware: efi, secure_boot: true, cpus: CPUS, memory: 3072, nic: E1000e}}\n"


def test_verify_looks_at_the_hardware(small_ova: Base, bench: Bench) -> None:
    two, four = (SPEC + HARDWARE.replace("CPUS", count) for count in ("2", "4"))
    secret = {"ROOT_PASSWORD": "s3cret-edge-7"}
    artifact = bench.build(write_spec(bench, small_ova, text=two), **secret)
    assert bench.run("verify", artifact, bench.directory / "specs/edge.yaml", **secret).code == 0
    asked = bench.run("verify", artifact, write_spec(bench, small_ova, text=four), **secret)
    assert asked.code == 11
    assert "cpus of the envelope is 2, not 4" in asked.err
    assert "firmware" not in asked.err


def test_the_license_of_the_spec_takes_the_place_of_photons(small_ova: Base, bench: Bench) -> None:
    secret = {"ROOT_PASSWORD": "s3cret-edge-7"}
    bench.write("specs/terms.txt", "Our <own> terms.\n")
    text = SPEC + "output: {{eula: {{file: terms.txt}}}}\n"
    artifact = bench.build(write_spec(bench, small_ova, text=text), **secret)
    with tarfile.open(artifact) as archive:
        (name,) = [name for name in archive.getnames() if name.endswith(".ovf")]
        stream = archive.extractfile(name)
        assert stream is not None
        written = stream.read().decode()
    assert "Our &lt;own&gt; terms.\n</License>" in written
    assert written.count("<EulaSection") == 1
    spec = bench.directory / "specs/edge.yaml"
    assert bench.run("verify", artifact, spec, **secret).code == 0
    bench.write("specs/terms.txt", "Other terms.\n")
    asked = bench.run("verify", artifact, spec, **secret)
    assert asked.code == 11
    assert "eula of the envelope is" in asked.err


def test_secure_boot_without_uefi_is_refused(small_ova: Base, bench: Bench) -> None:
    text = SPEC + "output: {{secure_boot: true}}\n"
    spec = write_spec(bench, small_ova, text=text)
    done = bench.run("build", spec, ROOT_PASSWORD="s3cret-edge-7")
    assert "OUT006" in done.err
    assert "add firmware: efi" in done.err
    assert not list(bench.directory.glob("output/*.ova"))


def test_nothing_but_what_the_spec_says_is_different(small_ova: Base, bench: Bench) -> None:
    artifact = build(bench, small_ova)
    done = bench.run("diff", small_ova.path, artifact, "--json")
    changed = {(row["sign"], row["path"]) for row in json.loads(done.out)["differences"]}
    assert done.code == 1
    assert ("+", "/opt/app/run") in changed
    assert ("~", "/etc/shadow") in changed
    allowed = ("/etc/", "/home", "/opt", "/root", "/usr/lib/app.conf", "/usr/lib/clock-epoch")
    assert [path for _, path in changed if not path.startswith(allowed)] == []


def test_the_same_inputs_give_the_same_bytes(small_ova: Base, bench: Bench) -> None:
    first = build(bench, small_ova, "ova", "--output", "one")
    second = build(bench, small_ova, "ova", "--output", "two")
    assert first.read_bytes() == second.read_bytes()
    assert files_below(first.parent).keys() == files_below(second.parent).keys()


def test_nothing_changed_is_nothing_done(small_ova: Base, bench: Bench) -> None:
    build(bench, small_ova)
    before = files_below(bench.directory)
    build(bench, small_ova)
    after = files_below(bench.directory)
    del before["specs/edge.yaml"], after["specs/edge.yaml"]
    assert after == before


@pytest.mark.parametrize("change", ["spec", "touched artifact", "removed artifact", "epoch"])
def test_something_changed_is_built_again(change: str, small_ova: Base, bench: Bench) -> None:
    artifact = build(bench, small_ova)
    spec, environment = (
        "specs/edge.yaml",
        {"ROOT_PASSWORD": "s3cret-edge-7", "SOURCE_DATE_EPOCH": EPOCH},
    )
    match change:
        case "spec":
            path = bench.directory / spec
            path.write_text(path.read_text().replace("edge-1", "edge-2"))
        case "touched artifact":
            with artifact.open("ab") as stream:
                stream.write(b"x")
        case "removed artifact":
            artifact.unlink()
        case _:
            environment["SOURCE_DATE_EPOCH"] = str(int(EPOCH) + 1)
    done = bench.run("build", spec, **environment)
    assert done.code == 0
    assert "nothing changed" not in done.err


def test_memory_does_not_follow_what_is_put_in(bench: Bench) -> None:
    (bench.directory / "payload").write_bytes(os.urandom(128 * MIB))
    bench.write(
        "spec.yaml",
        "version: 1\nname: large\ntarget: ova\nbase: {sample: true}\n"
        "overlay: {files: [{path: /opt/payload, source: payload}]}\n",
    )
    # A small launcher: Linux counts the memory of whoever starts a process into its peak.
    done = subprocess.run(
        [sys.executable, "-I", "-S", PROJECT / "tools/bench_run.py",
         *bench.command("build", "spec.yaml")],
        cwd=bench.directory, env=bench.environment(), stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    took = json.loads(done.stdout)
    assert took["status"] == 0
    assert (bench.output / "large.ova").stat().st_size > 128 * MIB
    assert took["peak"] < 128 * MIB


def test_the_content_of_a_base_counts_and_not_its_time_or_place(
    small_ova: Base, base_cache: Path, bench: Bench
) -> None:
    spec = bench.write("specs/edge.yaml", UNPINNED)
    base = bench.directory / "specs/base.ova"
    shutil.copy(small_ova.path, base)
    bench.build(spec)
    os.utime(base, (1, 1))
    assert "nothing changed" in bench.run("build", spec).err
    assert "nothing changed" in bench.run("build", spec, "--base", small_ova.path).err
    shutil.copy(make_base(base_cache, Recipe(release="4.0")).path, base)
    done = bench.run("build", spec)
    assert (done.code, "nothing changed" in done.err) == (0, False)


def test_a_secret_is_nowhere_but_in_the_image(small_ova: Base, bench: Bench) -> None:
    build(bench, small_ova)
    done = bench.run("plan", "specs/edge.yaml", ROOT_PASSWORD="s3cret-edge-7")
    told = done.out + done.err
    told += "".join(path.read_text() for path in bench.output.iterdir() if path.suffix != ".ova")
    assert done.code == 0
    assert "s3cret-edge-7" not in told
    assert "$6$" not in told


def test_provenance_and_sums_are_true(small_ova: Base, bench: Bench) -> None:
    artifact = build(bench, small_ova)
    record = json.loads((artifact.parent / f"{artifact.name}.provenance.json").read_text())
    assert record["base"]["digests"] == {"sha256": small_ova.digests["sha256"]}
    assert record["timestamp"] == int(EPOCH)
    judge("sh", "-c", f"cd '{artifact.parent}' && sha256sum --strict --check SHA256SUMS")
    assert record["artifact"]["sha256"] == hashlib.sha256(artifact.read_bytes()).hexdigest()


def test_verify_proves_the_file_and_finds_what_was_tampered_with(
    small_ova: Base, bench: Bench
) -> None:
    artifact = build(bench, small_ova)
    good = bench.run("verify", artifact, "specs/edge.yaml", ROOT_PASSWORD="s3cret-edge-7")
    assert (good.code, "all" in good.out) == (0, True), good.err
    path = bench.directory / "specs/edge.yaml"
    path.write_text(path.read_text().replace("edge-1", "edge-2"))
    other = bench.run("verify", artifact, "specs/edge.yaml", ROOT_PASSWORD="s3cret-edge-7")
    assert other.code == 11
    assert "/etc/hostname has other content" in other.err
    assert "edge.yaml was edited since the build: changed: /etc/hostname" in other.err
    assert "bug" not in other.err
    data = bytearray(artifact.read_bytes())
    data[len(data) // 2] ^= 1
    artifact.write_bytes(data)
    assert bench.run("verify", artifact).code == 11


def test_verify_says_what_was_edited_though_the_file_still_holds(
    small_ova: Base, bench: Bench
) -> None:
    artifact = build(bench, small_ova)
    path = bench.directory / "specs/edge.yaml"
    path.write_text(path.read_text().replace("  hostname: edge-1\n", ""))
    done = bench.run("verify", artifact, "specs/edge.yaml", ROOT_PASSWORD="s3cret-edge-7")
    assert done.code == 0, done.err
    assert "the spec changed since the build: no longer requested: /etc/" in done.out


def test_verify_tells_a_file_that_was_changed_from_a_spec_that_was_edited(
    small_ova: Base, bench: Bench
) -> None:
    artifact = build(bench, small_ova)
    path = bench.directory / "specs/edge.yaml"
    before = path.read_text()
    path.write_text(before.replace("edge-1", "edge-2"))
    other = bench.build("specs/edge.yaml", "-o", "other", ROOT_PASSWORD="s3cret-edge-7")
    path.write_text(before)
    artifact.write_bytes(other.read_bytes())
    done = bench.run("verify", artifact, "specs/edge.yaml", ROOT_PASSWORD="s3cret-edge-7")
    assert done.code == 11
    assert "the file was changed after it was built" in done.err
    bench.output.joinpath("edge.ova.provenance.json").unlink()
    done = bench.run("verify", artifact, "specs/edge.yaml", ROOT_PASSWORD="s3cret-edge-7")
    assert (done.code, "bug" in done.err) == (11, False)
    assert "was built from another spec, or specs/edge.yaml was edited since" in done.err
