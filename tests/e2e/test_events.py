"""Events for other programs, and the progress of a download in a log without a terminal."""

import hashlib
import json
import re
import signal
import subprocess
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.support.judges import judge
from tests.support.program import PROJECT, Bench
from tests.support.server import Behaviour, Served, serve

SPEC = """\
version: 1
name: NAME
targets: [TARGETS]
base: BASE
overlay:
  hostname: lab-1
  users: {root: {password: {env: ROOT_PASSWORD}}}
"""
SECRET = {"ROOT_PASSWORD": "s3cret-edge-7-and-l0ng"}
SCHEMA = json.loads((PROJECT / "docs" / "events.schema.json").read_text())
CONTENT = bytes(range(256)) * 8192
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def spec(bench: Bench, name: str, targets: str = "ova", base: str = "{sample: true}") -> Path:
    text = SPEC.replace("NAME", name).replace("TARGETS", targets).replace("BASE", base)
    return bench.write(f"specs/{name}.yaml", text)


def from_server(bench: Bench, server: Served) -> Path:
    """A spec whose base has to be fetched."""
    return spec(bench, "slow", "ova", f"{{url: '{server.url}', sha256: {SHA256}}}")


def told(path: Path) -> list[dict[str, Any]]:
    """Read events, each of which has to be valid, and jq has to read as many."""
    lines = path.read_text().splitlines()
    events = [json.loads(line) for line in lines]
    for event in events:
        jsonschema.validate(event, SCHEMA)
    assert judge("jq", "-c", ".event", path).stdout.split() == [
        json.dumps(event["event"]) for event in events
    ]
    times = judge("jq", "-r", '.time | sub("\\\\.[0-9]+Z$"; "Z") | fromdate', path).stdout.split()
    assert times == sorted(times)
    assert SECRET["ROOT_PASSWORD"] not in path.read_text()
    assert [event["event"] for event in events].count("begin") == 1
    assert (events[0]["event"], events[-1]["event"]) == ("begin", "end")
    return events


def kinds(events: list[dict[str, Any]]) -> set[str]:
    return {event["event"] for event in events}


def test_the_schema_of_events_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_a_build_tells_its_steps_and_its_artifact(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    done = bench.run("build", spec(bench, "lab"), "--events", path, **SECRET)
    assert (done.code, done.out) == (0, "output/lab.ova\n"), done.err
    events = told(path)
    assert {"step", "artifact", "end"} <= kinds(events)
    (artifact,) = [event for event in events if event["event"] == "artifact"]
    digest = judge("sha256sum", bench.output / "lab.ova").stdout.split()[0]
    assert (artifact["sha256"], artifact["built"]) == (digest, True)
    assert (artifact["spec"], artifact["target"]) == ("lab", "ova")
    assert events[-1]["exit_code"] == 0


def test_several_builds_say_which_of_them_each_line_is_about(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    good = spec(bench, "lab", "ova, ami")
    bad = spec(bench, "bad")
    bad.write_text(bad.read_text() + "  files: [{path: /run/x, content: x}]\n")
    done = bench.run("build", bad, good, "-k", "--json", "--events", path, **SECRET)
    assert done.code == 8, done.err
    assert json.loads(done.out)["schema"] == "photon-builder/build/v1"
    events = told(path)
    made = {(e["spec"], e["target"]) for e in events if e["event"] == "artifact"}
    assert made == {("lab", "ova"), ("lab", "ami")}
    (error,) = [event for event in events if event["event"] == "error"]
    assert (error["spec"], error["target"], error["exit_code"]) == ("bad", "ova", 8)
    assert bench.run("explain", error["problem"]["code"]).code == 0
    assert events[-1]["exit_code"] == 8
    assert all("spec" in e for e in events if e["event"] in {"step", "progress"})


def test_a_spec_that_is_wrong_is_told_problem_by_problem(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    bad = spec(bench, "bad")
    bad.write_text(bad.read_text().replace("hostname", "hostnaem") + "nmae: x\n")
    assert bench.run("build", bad, "--events", path, **SECRET).code == 3
    errors = [event for event in told(path) if event["event"] == "error"]
    assert [(e["problem"]["line"], e["problem"]["code"]) for e in errors] == [
        (6, "SCH002"),
        (8, "SCH002"),
    ]


def test_a_download_tells_bytes_and_total_and_not_too_often(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with serve(CONTENT, Behaviour(rate=len(CONTENT))) as server:
        done = bench.run("fetch", from_server(bench, server), "--events", path, **SECRET)
    assert done.code == 0, done.err
    counted = [event for event in told(path) if event["event"] == "progress"]
    assert counted[0]["done"] == 0
    assert counted[-1]["done"] == counted[-1]["total"] == len(CONTENT)
    assert 4 <= len(counted) <= 24
    for one, other in pairwise(counted[:-1]):
        assert other["done"] - one["done"] >= len(CONTENT) / 20


def test_a_night_tells_what_became_of_each_artifact(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    spec(bench, "lab")
    spec(bench, "none", "ova", '{release: "9.9"}')
    assert bench.run("nightly", "--events", path, **SECRET).code == 3
    events = told(path)
    assert {"artifact", "error"} <= kinds(events)
    assert bench.run("nightly", "specs/lab.yaml", "--events", path, **SECRET).code == 0
    (artifact,) = [event for event in told(path) if event["event"] == "artifact"]
    assert artifact["built"] is False


def test_events_go_to_a_descriptor_or_instead_of_the_answer(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    lab = spec(bench, "lab")
    done = bench.run("fetch", lab, "--events", "-", **SECRET)
    path.write_text(done.out)
    told(path)
    shell = subprocess.run(
        ["sh", "-c", f'"$@" --events fd:3 3>{path}', "sh", *bench.command("fetch", lab)],
        cwd=bench.directory,
        env=bench.environment(**SECRET),
        capture_output=True,
        text=True,
        check=True,
    )
    assert shell.stdout.count("\n") == 1
    told(path)


@pytest.mark.parametrize(
    ("where", "code"), [("fd:77", 2), ("fd:x", 2), ("nix/events.jsonl", 10), ("/dev/full", 0)]
)
def test_events_that_cannot_be_written_are_a_sentence(where: str, code: int, bench: Bench) -> None:
    done = bench.run("fetch", spec(bench, "lab"), "--events", where, **SECRET)
    assert (done.code, "Traceback" in done.err) == (code, False), done.err
    assert code == 0 or f"--events {where}" in done.err


def test_events_and_json_cannot_both_have_standard_output(bench: Bench) -> None:
    done = bench.run("fetch", spec(bench, "lab"), "--json", "--events", "-", **SECRET)
    assert (done.code, json.loads(done.out)["problems"][0]["code"]) == (2, "CMD001")


def test_a_log_has_lines_that_say_how_far_a_download_is(bench: Bench) -> None:
    with serve(CONTENT, Behaviour(rate=len(CONTENT) // 4)) as server:
        done = bench.run("fetch", from_server(bench, server), **SECRET)
    assert done.code == 0, done.err
    lines = re.findall(
        r"^photon\.ova: ([0-9.]+) of 2\.1 MB \((\d+) %\), ([0-9.]+) MB/s$", done.err, re.MULTILINE
    )
    parts = [int(part) for _, part, _ in lines]
    assert 4 <= len(parts) <= 10, done.err
    assert parts == sorted(parts)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", done.err)


def test_an_interrupted_download_says_what_is_kept_and_goes_on_there(
    bench: Bench, tmp_path: Path
) -> None:
    half = len(CONTENT) // 2
    with serve(CONTENT, Behaviour(stall_after=half)) as server:
        from_server(bench, server)
        process = subprocess.Popen(
            bench.command("fetch", "slow"),
            cwd=bench.directory,
            env=bench.environment(**SECRET),
            stderr=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + 30
        while server.sent < half and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        last = err.splitlines()[-1]
        assert process.returncode == 130
        kept = re.fullmatch(
            r"interrupted: kept ([0-9.]+) MB of photon\.ova for the next run to resume; "
            r"no other partial files were left",
            last,
        )
        assert kept, err
        assert 0 < float(kept[1]) <= 1.1
    path = tmp_path / "events.jsonl"
    with serve(CONTENT, Behaviour(rate=half)) as other:
        other_url = from_server(bench, other)
        done = bench.run("fetch", other_url, "--events", path, **SECRET)
    assert done.code == 0, done.err
    assert f"resumed at {kept[1]} MB" in done.err
    counted = [event for event in told(path) if event["event"] == "progress"]
    assert counted[0]["done"] > 0
    assert counted[-1]["bytes_per_second"] <= 1.6 * half, "old bytes count as speed"


def test_a_download_that_fails_says_what_is_kept(bench: Bench) -> None:
    with serve(CONTENT, Behaviour(break_after=200_000)) as server:
        from_server(bench, server)
        failed = bench.run("fetch", "slow", "--json", **SECRET)
    assert failed.code == 5
    (problem,) = json.loads(failed.out)["problems"]
    (note,) = problem["notes"]
    assert re.fullmatch(r"[0-9.]+ MB were kept, the next run resumes", note)
    assert "photon-builder cache add" in problem["hint"]
