"""All problems of a spec are reported in one run, without those that only follow from others."""

import json
from contextlib import redirect_stdout
from io import StringIO
from itertools import combinations
from pathlib import Path

import pytest

from builder.cli import run
from tests.support.program import Bench

GOOD = """\
version: 1
name: demo
targets: [ova]
base: {sample: true}
overlay:
  hostname: lab-1
  timezone: Europe/Berlin
  groups: {app: 4000, ops: 4001}
  users:
    bob: {uid: 1001, groups: [app, ops]}
    alice: {uid: 1002, comment: Alice}
  network:
    eth0: {match: {name: eth0}, addresses: [10.0.0.1/24], gateway: 10.0.0.2}
    eth1: {match: {name: eth1}, dhcp: true}
  files:
    - {path: /etc/app.conf, content: a, mode: "0644"}
    - {path: /etc/motd, content: b}
  units: {app.service: {content: "[Service]\\nExecStart=/usr/bin/true\\n"}}
  sysctl: {net.ipv4.ip_forward: 1}
  mounts:
    - {source: "nas:/v", path: /mnt/v, type: nfs4}
"""

SLIPS = {
    "an unknown key at the top": ("name: demo", "nmae: demo"),
    "an unknown key of an overlay": ("timezone: Europe/Berlin", "timezoen: Europe/Berlin"),
    "a value of another kind": ("hostname: lab-1", "hostname: [lab-1]"),
    "a name of the wrong form": ("hostname: lab-1", "hostname: lab_1"),
    "an unknown time zone": ("Europe/Berlin", "CEST"),
    "a group whose number is text": ("app: 4000", "app: x"),
    "an unknown key of a user": ("bob: {uid: 1001", "bob: {uidd: 1, uid: 1001"),
    "another key of a user": ("alice: {uid", "alice: {passwrd: a, uid"),
    "a gateway elsewhere": ("gateway: 10.0.0.2", "gateway: 10.9.0.2"),
    "an address of another kind": ("[10.0.0.1/24]", "5"),
    "an unknown key of an interface": ("dhcp: true", "dhcpp: true"),
    "a mode that is none": ('mode: "0644"', 'mode: "999"'),
    "a path that is relative": ("path: /etc/motd", "path: etc/motd"),
    "an unknown target": ("targets: [ova]", "targets: [ova, ovaa]"),
    "no target that is known": ("targets: [ova]", "targets: [ovaa]"),
    "no base": ("base: {sample: true}", "base: {}"),
    "a base of another kind": ("base: {sample: true}", "base: 5"),
    "a release that nobody published": ("base: {sample: true}", 'base: {release: "9.0"}'),
    "a key that is there twice": ("hostname: lab-1", "timezone: Europe/Berlin"),
    "a section that is there twice": ("sysctl: {", "users: {ann: {uid: 1003}} #"),
    "a mount of another kind": ("path: /mnt/v", "path: [/mnt/v]"),
    "a unit of another kind": ("units: {app.service: {", "units: {app.service: 5} #"),
}
"""What is replaced in a spec, and with what; never the number of lines."""


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def errors(*slips: str) -> set[tuple[str, str]]:
    """Return code and message of every error of a spec with slips."""
    text = GOOD
    for slip in slips:
        before, after = SLIPS[slip]
        assert text.count(before) == 1, slip
        text = text.replace(before, after)
    Path("lab.yaml").write_text(text)
    with redirect_stdout(StringIO()) as out:
        run(["check", "lab.yaml", "--json"])
    problems = json.loads(out.getvalue())["problems"]
    return {(p["code"], p["message"]) for p in problems if p["severity"] == "error"}


def overlap(one: str, other: str) -> bool:
    """Return whether two mistakes are in one place, or one changes the meaning of the other."""
    (before, after), (its_before, its_after) = SLIPS[one], SLIPS[other]
    lines = [GOOD[: GOOD.index(text)].count("\n") for text in (before, its_before)]
    about_base = all(text.startswith(("base:", "targets:")) for text in (before, its_before))
    is_twice = "key that is there twice" in one + other and "timezone" in before + its_before
    return (
        lines[0] == lines[1] or is_twice or about_base or after in its_before or its_after in before
    )


def test_the_spec_is_good_without_a_slip() -> None:
    assert errors() == set()


@pytest.mark.parametrize("slip", SLIPS)
def test_each_slip_is_one_error_and_has_no_followers(slip: str) -> None:
    assert len(errors(slip)) == 1, errors(slip)


def test_two_slips_are_told_as_each_of_them_is() -> None:
    alone = {slip: errors(slip) for slip in SLIPS}
    wrong = {}
    for one, other in list(combinations(SLIPS, 2))[::2]:
        if not overlap(one, other) and (found := errors(one, other)) != alone[one] | alone[other]:
            wrong[one, other] = found ^ (alone[one] | alone[other])
    assert not wrong, "\n".join(f"{pair}: {what}" for pair, what in wrong.items())


def test_ten_slips_are_ten_lines_of_one_run(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    chosen = (
        *("an unknown key at the top", "an unknown time zone", "a group whose number is text"),
        *("an unknown key of a user", "another key of a user", "a gateway elsewhere"),
        *("an unknown key of an interface", "a mode that is none", "a path that is relative"),
        "an unknown target",
    )
    text = GOOD
    for slip in chosen:
        text = text.replace(*SLIPS[slip])
    bench.write("lab.yaml", text)
    done = bench.run("check", "lab.yaml", "--json")
    problems = json.loads(done.out)["problems"]
    assert (done.code, len(problems)) == (3, 10), done.out
    assert all(problem["excerpt"] for problem in problems)
    for command in ("plan", "build", "fetch"):
        again = bench.run(command, "lab.yaml", "--json")
        assert json.loads(again.out)["problems"] == problems


def test_no_secret_of_a_wrong_part_is_shown_with_its_neighbour(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    slip = ("gateway: 10.0.0.2", "psk: hunter2hunter2, gateway: 10.9.0.2")
    bench.write("lab.yaml", GOOD.replace(*slip))
    done = bench.run("check", "lab.yaml")
    assert (done.code, done.err.count("eth0: {match: {name: eth0}")) == (3, 2), done.err
    assert "hunter" not in done.err + done.out
