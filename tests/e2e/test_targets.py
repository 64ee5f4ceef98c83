"""Groups and lists of targets: what is built, what is left out, and which target a file is of."""

import json
from pathlib import Path

from tests.support.program import Bench

SPEC = """\
version: 1
name: lab
targets: [TARGETS]
base: BASE
MORE
overlay:
  hostname: lab-1
  users: {root: {password: {env: ROOT_PASSWORD}}}
"""
SECRET = {"ROOT_PASSWORD": "s3cret-edge-7"}
INSTALL = "install: {disk: /dev/sda}"


def spec(bench: Bench, targets: str, more: str = "", base: str = "{sample: true}") -> Path:
    text = SPEC.replace("TARGETS", targets).replace("MORE\n", f"{more}\n" * bool(more))
    return bench.write("specs/lab.yaml", text.replace("BASE", base))


def test_a_file_is_verified_as_the_target_that_made_it(bench: Bench) -> None:
    name = spec(bench, "iso, minimal-iso, ami, ova", INSTALL)
    done = bench.run("build", name, **SECRET)
    assert done.code == 0, done.err
    made = [bench.directory / line for line in done.out.splitlines()]
    for artifact in made:
        proved = bench.run("verify", artifact, name, **SECRET)
        assert proved.code == 0, proved.err
        assert "planned changes are present" in proved.out

    moved = made[1].rename(bench.directory / "other.minimal.iso")
    assert bench.run("verify", moved, name, **SECRET).code == 0, "the longest suffix tells"
    unnamed = made[2].rename(bench.directory / "disk.bin")
    done = bench.run("verify", unnamed, name, **SECRET)
    assert done.code == 2
    assert "the spec builds iso, minimal-iso, ami, ova" in done.err.replace(str(name), "the spec")
    assert bench.run("verify", unnamed, name, "--target", "ami", **SECRET).code == 0

    spec(bench, "gce")
    done = bench.run("verify", made[3], name, **SECRET)
    assert done.code == 2
    assert "it was made for ova" in done.err


def test_verify_takes_the_base_that_a_file_was_built_from(bench: Bench) -> None:
    name = spec(bench, "ova", base="{file: elsewhere.ova}")
    assert bench.run("check", name, **SECRET).code == 3
    for command in ("check", "plan", "build"):
        done = bench.run(command, name, "--base", "sample", **SECRET)
        assert done.code == 0, done.err
    assert bench.run("verify", "output/lab.ova", name, **SECRET).code == 3
    assert bench.run("verify", "output/lab.ova", name, "--base", "sample", **SECRET).code == 0


def test_a_group_says_what_it_leaves_out_and_builds_the_rest(bench: Bench) -> None:
    name = spec(bench, "all", INSTALL, '{release: "5.0"}')
    done = bench.run("check", name, **SECRET)
    assert done.code == 0, done.err
    said = [line for line in done.err.splitlines() if "leaves out" in line]
    assert [line.split(": ")[1].removeprefix("all leaves out ") for line in said] == [
        *("gce", "ova_uefi", "photon-docker-image", "k8s-docker-images", "src-iso")
    ]
    assert "container images are not layered yet" in done.err
    rows = json.loads(bench.run("plan", name, "--json", **SECRET).out)["plans"]
    assert [row["target"] for row in rows] == ["iso", "minimal-iso", "ami", "azure", "ova"]
    done = bench.run("build", name, "--base", "sample", **SECRET)
    assert done.code == 0, done.err
    assert [Path(line).name for line in done.out.splitlines()] == [
        *("lab.iso", "lab.minimal.iso", "lab.ami.tar.gz", "lab.gce.tar.gz"),
        *("lab.azure.vhd.tar.gz", "lab.ova", "lab.uefi.ova"),
    ]
    assert bench.run("check", spec(bench, "k8s-docker-images")).code == 3


def test_targets_says_what_is_in_a_group_and_what_is_not(bench: Bench) -> None:
    rows = {row["name"]: row for row in json.loads(bench.run("targets", "--json").out)["targets"]}
    assert rows["all-images"]["members"] == ["ami", "gce", "azure", "ova", "ova_uefi"]
    assert sorted(rows["all"]["left_out"]) == [
        "k8s-docker-images",
        "photon-docker-image",
        "src-iso",
    ]
    text = bench.run("targets").out
    assert "without k8s-docker-images: container images are not layered yet" in text
    for row in rows.values():
        assert all(member in rows for member in row["members"]), "every member can be built"


def test_what_a_target_does_not_take_has_the_form_of_every_problem(bench: Bench) -> None:
    name = spec(bench, "ova, rpi3")
    name.write_text(name.read_text() + "  clock: keep\n  serial_console: {port: ttyS0}\n")
    done = bench.run("check", "lab", **SECRET)
    assert done.code == 4
    for line, key in ((8, "clock"), (9, "serial_console")):
        assert f"specs/lab.yaml:{line}:3: error[OUT004]: ova takes no `{key}`" in done.err
    assert "specs/lab.yaml: 2 errors" in done.err
    spec(bench, "src-iso")
    built = bench.run("build", "lab", **SECRET)
    assert built.code == 4
    assert "error[OUT005]: src-iso cannot carry overlay.users" in built.err
    assert bench.run("explain", "OUT005").code == 0


def test_a_target_of_the_command_line_needs_its_section_too(bench: Bench) -> None:
    text = 'version: 1\nname: lab\ntargets: [ova]\nbase: {sample: "5.0"}\n'
    spec = bench.write("lab.yaml", text)
    for command in ("plan", "build"):
        done = bench.run(command, spec, "--target", "iso")
        assert done.code == 4, done.err
        assert "error[OUT003]: iso needs `install`" in done.err
        assert "add `install:" in done.err
