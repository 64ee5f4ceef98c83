"""Files that a compose project takes from the guest, and what is said when they are not there."""

from pathlib import Path

import pytest

from builder.errors import Severity
from tests.unit.rules.test_compose import APP, OTHER, found_in
from tests.unit.test_rules import LOGIN, check

SECRET = APP + "    secrets: [s]\nsecrets: {s: {file: ./s.txt}}"
CONFIG = APP + "    configs: [c]\nconfigs: {c: {file: conf/c.ini}}"
LONG = APP + "    volumes: [{type: bind, source: ./data, target: /data, bind: {selinux: z}}]"
ERROR, WARNING = Severity.ERROR, Severity.WARNING


def volumes(*mounts: str) -> str:
    """Return a compose file whose service has some mounts, one a line."""
    return APP + "    volumes:\n" + "".join(f"    - {mount}\n" for mount in mounts)


CASES = [
    (("CMP045", ERROR), APP + "    env_file: app.env", (5, 15), "required: false"),
    (("CMP045", ERROR), APP + "    env_file: [.env]", (5, 16), "put it there"),
    (("CMP045", ERROR), APP + "    env_file: [{path: app.env}]", (5, 16), "put it there"),
    (
        ("CMP045", ERROR),
        APP + "    env_file: ../up.env",
        (5, 15),
        "files: [{path: /opt/compose/up.env",
    ),
    (("CMP045", ERROR), APP + "    env_file: ~/app.env", (5, 15), "absolute path"),
    (("CMP045", ERROR), APP + "    label_file: [labels]", (5, 18), "put it there"),
    (("CMP045", ERROR), SECRET, (6, 21), "put it there"),
    (("CMP045", ERROR), CONFIG, (6, 21), "put it there"),
    (("CMP045", ERROR), LONG, (5, 15), "put it there"),
    (("CMP045", ERROR), APP + "    extends: {file: b.yaml, service: b}", (5, 14), "put it beside"),
    (("CMP046", ERROR), volumes("./nginx.conf:/etc/nginx/nginx.conf:ro"), (6, 7), "put nginx.conf"),
    (("CMP046", ERROR), volumes("./Caddyfile:/etc/caddy/Caddyfile"), (6, 7), "put Caddyfile"),
    (("CMP046", WARNING), volumes("./app.yaml:/config"), (6, 7), "put app.yaml"),
    (("CMP046", WARNING), volumes("./a.xyz:/etc/a.xyz"), (6, 7), "put a.xyz"),
    (("CMP046", ERROR), volumes("~/data:/data"), (6, 7), "absolute path"),
    (("CMP046", ERROR), volumes("../up:/data"), (6, 7), "files: [{path: /opt/compose/up"),
    (("CMP046", WARNING), volumes("/etc/timezone:/etc/timezone:ro"), (6, 7), "TZ"),
    (("CMP046", WARNING), volumes(".:/app"), (6, 7), "./app"),
    (("CMP047", ERROR), APP + "include: [other.yaml]", (5, 10), "docker compose config"),
]


@pytest.mark.parametrize(("said", "compose", "place", "hint"), CASES)
def test_what_is_not_there_is_said_at_its_place(
    tmp_path: Path, said: tuple[str, Severity], compose: str, place: tuple[int, int], hint: str
) -> None:
    (tmp_path / "specs/up").mkdir(parents=True)
    (problem,) = found_in(tmp_path, compose)
    assert (problem.code, problem.severity) == said
    assert problem.place is not None
    assert (problem.place.line, problem.place.column) == place
    assert hint in problem.hint


@pytest.mark.parametrize(
    "compose",
    [
        APP + "    env_file: [{path: app.env, required: false}]",
        APP + "    env_file: /etc/app.env",
        APP + "secrets: {s: {file: ./s.txt}}",
        APP + OTHER + "    profiles: [p]\n    env_file: app.env",
        volumes("./data:/data", "./conf.d:/etc/nginx/conf.d", "named:/x.conf")
        + "volumes: {named: }",
        volumes("/etc/localtime:/etc/localtime:ro", "/srv/a.conf:/a.conf", "./.cache:/cache"),
        volumes("../nothing:/data", "./v1.2:/v1"),
        APP + "    volumes: [{type: bind, source: ./data, target: /data}]",
        APP
        + "    volumes: [{type: bind, source: ./d, target: /d, bind: {create_host_path: true}}]",
    ],
)
def test_what_need_not_be_there_is_not_missed(tmp_path: Path, compose: str) -> None:
    assert found_in(tmp_path, compose) == ()


def test_what_lies_beside_the_compose_file_is_there(tmp_path: Path) -> None:
    compose = APP + "    env_file: [app.env, .env]\n    volumes: ['./nginx.conf:/nginx.conf']\n"
    compose += "    extends: {file: sub/base.yaml, service: b}\n"
    beside = {
        "app__env": "A=1\n",
        "nginx__conf": "",
        "sub/base__yaml": "services: {b: {env_file: b.env}}\n",
    }
    env = "{A: '1'}"
    (problem,) = found_in(tmp_path, compose, env=env, **beside)
    assert problem.message == "there is no sub/b.env beside the compose file"
    assert problem.place is not None
    assert problem.place.line == 7
    assert found_in(tmp_path, compose, env=env, **beside, **{"sub/b__env": "B=1\n"}) == ()


@pytest.mark.parametrize(
    ("compose", "given"),
    [
        (
            APP + "    env_file: app.env",
            "files: [{path: /opt/compose/app/app.env, content: 'A=1'}]",
        ),
        (APP + "    env_file: ../up.env", "files: [{path: /opt/compose/up.env, content: 'A=1'}]"),
        (volumes("/etc/timezone:/x"), "files: [{path: /etc/timezone, content: 'Etc/UTC'}]"),
        (volumes("../up:/up"), "files: [{path: /opt/compose/up, source: up}]"),
        (LONG, "mounts: [{path: /opt/compose/app/data, type: ext4, source: LABEL=d}]"),
    ],
)
def test_what_the_spec_writes_is_there(tmp_path: Path, compose: str, given: str) -> None:
    (tmp_path / "specs/up").mkdir(parents=True)
    overlay = LOGIN + f"compose: {{app: {{file: app/c.yaml}}}}\n{given}"
    found = check(tmp_path, overlay, files={"app/c.yaml": compose})
    assert [p for p in found if p.code.startswith("CMP")] == []


def test_a_script_of_the_first_boot_may_make_it(tmp_path: Path) -> None:
    overlay = LOGIN + "compose: {app: {file: c.yaml}}\nfirst_boot: [{name: x, script: '#!/bin/sh'}]"
    found = check(tmp_path, overlay, files={"c.yaml": APP + "    env_file: app.env"})
    assert [(p.code, p.severity) for p in found] == [("CMP045", WARNING)]


def test_an_env_file_that_compose_refuses_is_shown_with_its_line(tmp_path: Path) -> None:
    compose = APP + "    env_file: app.env\n"
    (problem,) = found_in(tmp_path, compose, app__env="A=1\nB='hunter2\n")
    assert (problem.code, problem.excerpt) == ("CMP028", "")
    assert problem.place is not None
    assert (problem.place.file.name, problem.place.line) == ("app.env", 2)
    assert "hunter2" not in f"{problem}"
    raw = APP + "    env_file: [{path: app.env, format: raw}]\n"
    assert found_in(tmp_path, raw, app__env="A=1\nB='hunter2\n") == ()
