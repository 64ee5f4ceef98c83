"""Hints, followed to the letter: what they say to write is valid, and changes what was wrong."""

import re
from pathlib import Path

import pytest

from builder import features, rules, targets
from builder.errors import Diagnostic, SpecError
from builder.facts import facts_of
from builder.lock import read_lock
from builder.plan import make_plan
from builder.spec import load_spec

HEAD = "version: 1\ntarget: {target}\nbase: {{sample: true}}\n"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDc0cGhvdG9uLWJ1aWxkZXItcXVpY2tzdGFydC1r a"
LOGIN = f'users: {{root: {{password: {{locked: true}}, ssh_keys: ["{KEY}"]}}}}'


def problems_of(folder: Path, body: str, target: str = "ova") -> tuple[Diagnostic, ...]:
    """Return what is wrong with a spec."""
    path = folder / "lab.yaml"
    path.write_text(HEAD.format(target=target) + body)
    try:
        spec = load_spec(
            path,
            targets=targets.discover(),
            locked=read_lock(folder),
        )
        plan = make_plan(spec, features.discover(), facts=facts_of("5.0"))
        return (*rules.check_rules(spec), *plan.warnings)
    except SpecError as error:
        return error.problems


def written(hint: str) -> str:
    """Return what a hint says to write."""
    quoted = re.search(r"did you mean `([^`]+)`\?|^write (\{.*?\}|\[.*?\]|\"[^\"]*\"|[^,;]+)", hint)
    assert quoted, f"nothing to write in: {hint}"
    return quoted[1] or quoted[2]


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ("overlay: {sysctl: {net.ipv4.ip_forward: @}}", "true"),
        ("disk: {size: @}\noverlay: {}", "20480"),
        ("disk: {size: @}\noverlay: {}", "20 gigabytes"),
        ("disk: {size: @}\noverlay: {}", "1.5"),
        ("disk: {size: @}\noverlay: {}", "'1,5T'"),
        ("output: {memory: @}\noverlay: {}", "4"),
        ("overlay: {users: {root: {password: @}}}", "{random: false}"),
        ("overlay: {users: {root: {password: @}}}", "{locked: false}"),
        ("overlay: {users: {root: {password: @}}}", "{env: $HOME}"),
        ("overlay: {users: {root: {password: @}}}", "{env: '${HOME}'}"),
        ("overlay: {users: {ada: {uid: @}}}", '"1000"'),
        ("overlay: {ssh: {permit_root: @}}", "prohibit-password"),
        ("overlay: {ssh: {password: @}}", "no"),
        ("overlay: {ssh: {tcp_forwarding: @}}", "on"),
        ("overlay: {docker: {enable: @}}", '"yes"'),
        ("overlay: {hostname: @}", "My_Host"),
        ("overlay: {hostname: @}", "' edge'"),
        ("overlay: {hostname: @}", "5"),
        ("overlay: {packages: @}", "nfs-utils"),
        ("overlay: {wifi: {country: @, networks: {attic: {psk: {file: psk}}}}}", "de"),
    ],
)
def test_what_a_hint_says_to_write_is_valid(body: str, wrong: str, tmp_path: Path) -> None:
    (tmp_path / "psk").write_text("correct horse")
    target = "rpi3" if "wifi" in body else "ova"
    found = problems_of(tmp_path, body.replace("@", wrong), target)
    hints = [p.hint for p in found if p.severity == "error"]
    assert len(hints) == 1, found
    left = problems_of(tmp_path, body.replace("@", written(hints[0])), target)
    assert [p for p in left if p.severity == "error"] == []


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("network: {addresses: [10.0.0.2/24]}", "network: {eth0: {addresses: [10.0.0.2/24]}}"),
        ("services: [docker]", "services: {enable: [docker]}"),
        ("runcmd: [ls]", 'first_boot: [{name: a, script: "#!/bin/sh\\nls\\n"}]'),
        ("write_files: [{path: /opt/x, content: a}]", "files: [{path: /opt/x, content: a}]"),
        ("files: {path: /opt/x, content: a}", "files: [{path: /opt/x, content: a}]"),
        ("timezone: CEST", "timezone: Europe/Amsterdam"),
    ],
)
def test_a_hint_names_the_form_that_is_valid(wrong: str, right: str, tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, f"overlay: {{{wrong}}}\n")
    named = set(re.findall(r"[a-z_]+|Europe/Amsterdam", problem.hint))
    assert named & set(re.findall(r"[a-z_]+|Europe/Amsterdam", right)) or "dash" in named
    left = problems_of(tmp_path, f"overlay: {{{LOGIN}, {right}}}\n")
    assert [p for p in left if p.severity == "error"] == []


def test_no_hint_says_to_quote_what_is_invalid_in_quotes(tmp_path: Path) -> None:
    for section in ("disk: {size: 20}", "overlay: {hostname: true}", "overlay: {timezone: 5}"):
        found = problems_of(
            tmp_path, section if "overlay" in section else f"{section}\noverlay: {{}}"
        )
        for problem in found:
            if "in quotes" in problem.hint:
                quoted = written(problem.hint)
                again = problems_of(tmp_path, re.sub(r": (\w+)\}", f": {quoted}}}", section))
                assert not [p for p in again if p.code.startswith("SCH")]


@pytest.mark.parametrize(
    ("overlay", "example"),
    [
        ("groups: {staff: {gid: 1600}}", "for example: groups: {media: 2000}"),
        ("compose: [app]", "without dashes and brackets; for example: compose: {pihole: {file: "),
        ("compose: {app: {source: app}}", "add `file: …`; for example: compose: {pihole: {file: "),
    ],
)
def test_a_key_of_another_shape_is_answered_with_an_example(
    overlay: str, example: str, tmp_path: Path
) -> None:
    first, *_ = problems_of(tmp_path, f"overlay: {{{overlay}}}\n")
    assert example in first.hint
