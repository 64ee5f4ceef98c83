"""What every command prints under ``--json``: one document with a named schema, errors too."""

import json
import re
import signal
import subprocess
import time
from pathlib import Path

import jsonschema
import pytest
import yaml

from builder.cli import COMMANDS
from tests.support.judges import judge
from tests.support.program import PROJECT, Bench
from tests.support.server import Behaviour, serve

SPEC = """\
version: 1
name: lab
target: ova
base: {sample: true}
overlay:
  users: {root: {password: {env: ROOT_PASSWORD}}}
"""
SECRET = {"ROOT_PASSWORD": "s3cret-edge-7-and-l0ng"}
ERRORS = json.loads((PROJECT / "docs" / "errors.schema.json").read_text())

FAILING = {
    "build": ["build", "nix"],
    "build of two": ["build", "bad", "lab", "-k"],
    "fetch": ["fetch", "nix"],
    "check": ["check", "nix"],
    "plan": ["plan", "bad"],
    "lock": ["lock", "bad"],
    "catalog": ["catalog", "9.9"],
    "targets": ["targets", "--nix"],
    "facts": ["facts", "9.9"],
    "explain": ["explain", "XYZ999"],
    "init": ["init", "specs/lab.yaml"],
    "inspect": ["inspect", "nix.ova"],
    "inspect what is no image": ["inspect", "specs/lab.yaml"],
    "ls": ["ls", "nix.ova"],
    "diff": ["diff", "nix.ova", "nix.ova"],
    "verify": ["verify", "specs/lab.yaml", "lab"],
    "boot": ["boot", "nix.ova"],
    "nightly": ["nightly", "bad"],
    "burn": ["burn", "nix.ova", "/dev/null"],
    "cache add": ["cache", "add", "nix.ova"],
    "cache gc": ["cache", "gc", "--days", "NaN"],
    "cache verify": ["cache", "verify", "--nix"],
    "cache ls": ["cache", "ls", "more"],
    "doctor": ["doctor", "more"],
    "devices": ["devices", "more"],
    "apply": ["apply", "bad", "--root", "nix"],
    "unknown": ["nix"],
}


@pytest.fixture
def lab(bench: Bench) -> Bench:
    """A folder with a good spec and a bad one."""
    bench.write("specs/lab.yaml", SPEC)
    bench.write("specs/bad.yaml", SPEC.replace("name: lab", "nmae: bad"))
    return bench


@pytest.mark.parametrize("arguments", FAILING.values(), ids=FAILING)
def test_a_command_that_fails_under_json_says_so_in_one_document(
    arguments: list[str], lab: Bench
) -> None:
    done, plain = lab.run(*arguments, "--json", **SECRET), lab.run(*arguments, **SECRET)
    assert done.code == plain.code != 0, done.err
    told = json.loads(done.out)
    assert re.fullmatch(r"photon-builder/[a-z-]+/v1", told["schema"])
    if told["schema"] == "photon-builder/errors/v1":
        jsonschema.validate(told, ERRORS)
        assert told["exit_code"] == done.code
    rows = told.get("problems") or [p for row in told["artifacts"] for p in row.get("problems", ())]
    for row in rows:
        known = lab.run("explain", row["code"])
        assert known.code == 0, row
        assert f"error[{row['code']}]: {row['message'].splitlines()[0]}" in plain.err
        assert row["hint"] in plain.err
    assert rows
    assert SECRET["ROOT_PASSWORD"] not in done.out + done.err


def test_no_command_is_left_out() -> None:
    known = {arguments[0] for arguments in FAILING.values()}
    assert set(COMMANDS) - known == {"schema", "cat", "os-list"}, "they answer in another format"


def test_every_finished_command_answers_with_its_schema(lab: Bench) -> None:
    assert lab.run("build", "lab", **SECRET).code == 0
    asked: dict[str, list[str]] = {
        "build": ["build", "lab"],
        "fetch": ["fetch", "lab"],
        "fetch-list": ["fetch", "lab", "--list"],
        "lock": ["lock", "lab"],
        "init": ["init", "specs/new.yaml"],
        "nightly": ["nightly", "lab"],
        "devices": ["devices"],
        "facts": ["facts", "5.0"],
        "cache-ls": ["cache", "ls"],
        "explain": ["explain", "FET001"],
    }
    for schema, arguments in asked.items():
        done = lab.run(*arguments, "--json", **SECRET)
        assert done.code == 0, (arguments, done.err)
        assert json.loads(done.out)["schema"] == f"photon-builder/{schema}/v1"


def test_several_artifacts_are_one_document_that_jq_reads(lab: Bench, tmp_path: Path) -> None:
    path = lab.write("specs/two.yaml", SPEC.replace("target: ova", "targets: [ova, ami]"))
    for command, key in (("build", "artifacts"), ("plan", "plans")):
        done = lab.run(command, path, "--json", **SECRET)
        answer = tmp_path / "answer.json"
        answer.write_text(done.out)
        read = judge("jq", "-s", "-c", f"[length, (.[0].{key} | map(.target))]", answer).stdout
        assert json.loads(read) == [1, ["ova", "ami"]]


def test_a_run_that_is_interrupted_says_so_under_json(lab: Bench) -> None:
    with serve(b"x" * 1_000_000, Behaviour(stall_after=200_000)) as server:
        base = f"{{url: '{server.url}', sha256: {'a' * 64}}}"
        lab.write("specs/slow.yaml", SPEC.replace("{sample: true}", base))
        process = subprocess.Popen(
            lab.command("fetch", "slow", "--json"),
            cwd=lab.directory,
            env=lab.environment(**SECRET),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 30
        while server.sent < 200_000 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=20)
    told = json.loads(out)
    jsonschema.validate(told, ERRORS)
    assert (process.returncode, told["exit_code"]) == (130, 130)
    assert told["problems"][0]["code"] == "INT001"


def test_the_place_of_an_error_is_told_with_its_line(lab: Bench) -> None:
    (row,) = json.loads(lab.run("plan", "bad", "--json", **SECRET).out)["problems"]
    assert (row["code"], row["line"], row["column"]) == ("SCH002", 2, 1)
    assert row["excerpt"] == "nmae: bad"
    assert yaml.safe_load(row["excerpt"]) == {"nmae": "bad"}


def test_the_same_error_has_one_exit_code_in_every_command(lab: Bench) -> None:
    lab.write("specs/none.yaml", SPEC.replace("{sample: true}", '{release: "9.9"}'))
    codes = {
        name: lab.run(name, "none").code for name in ("check", "plan", "build", "fetch", "lock")
    }
    assert set(codes.values()) == {3}, codes


def test_what_the_machine_refuses_has_a_code_by_its_kind(lab: Bench) -> None:
    for arguments in (("inspect", "nix.ova"), ("cache", "add", "nix.ova"), ("ls", "nix.ova")):
        (problem,) = json.loads(lab.run(*arguments, "--json").out)["problems"]
        assert problem["code"] == "HOST004", arguments
