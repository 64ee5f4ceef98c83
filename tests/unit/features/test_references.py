"""Secrets by reference, wherever a text may stand: they are in the image and nowhere else."""

import json
import subprocess
from pathlib import Path

import pytest

from builder import features, rules, targets
from builder.errors import Diagnostic, SpecError
from builder.features import compose, files, first_boot
from builder.guest.first_boot import DIRECTORY, format_variable
from builder.plan import make_plan
from builder.spec import load_spec
from tests.support.judges import judge
from tests.support.wishes import wish

TOKEN = "t0k\"en$HOME`id`\\x 'y'"
COMPOSE = """\
services:
  db:
    image: postgres:16.4
    restart: unless-stopped
    secrets: [db]
    env_file: [db.env]
secrets: {db: {file: ./secrets/db}}
"""
OVERLAY = """\
overlay:
  files: [{path: /etc/app/token, content: {env: TOKEN}}]
  first_boot: [{name: join, script: "#!/bin/sh", env: {JOIN: {env: TOKEN}, MODE: fast}}]
  docker: {compose_plugin: base}
  compose: {app: {file: compose.yaml, secrets: {db: {env: TOKEN}}}}
"""


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the secret."""
    monkeypatch.setenv("TOKEN", TOKEN)


def test_the_text_of_a_file_may_be_a_secret(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("line 1\nline 2\n\n")
    value = [
        {"path": "/etc/app/token", "content": {"env": "TOKEN"}},
        {"path": "/etc/app/key", "content": {"file": "key"}, "mode": "0640", "group": "app"},
    ]
    found = wish(files.FEATURE, value, tmp_path)
    token, key = found.file("/etc/app/token"), found.file("/etc/app/key")
    assert (token.mode, token.secret, found.text(token.path)) == (0o600, True, TOKEN)
    assert (key.mode, key.owner.gid, found.text(key.path)) == (0o640, "app", "line 1\nline 2\n")


@pytest.mark.parametrize(
    ("reference", "code"),
    [({"env": "GONE_AWAY"}, "SEC002"), ({"file": "gone"}, "SEC003"), ({"env": "$TOKEN"}, "SEC001")],
)
def test_a_reference_that_leads_nowhere_is_told_at_its_place(
    reference: dict[str, str], code: str, tmp_path: Path
) -> None:
    (fault,) = wish(files.FEATURE, [{"path": "/x", "content": reference}], tmp_path).faults
    assert (fault.code, fault.path[:2]) == (code, (0, "content"))
    entry = {"name": "a", "script": "#!/bin/sh", "env": {"A": reference}}
    (fault,) = wish(first_boot.FEATURE, [entry], tmp_path).faults
    assert (fault.code, fault.path[:3]) == (code, (0, "env", "A"))


def test_a_script_gets_its_tokens_from_a_file_of_roots_own() -> None:
    entry = {"name": "join", "script": "#!/bin/sh", "env": {"JOIN": {"env": "TOKEN"}, "B": "c"}}
    found = wish(first_boot.FEATURE, [entry])
    file = found.file(f"{DIRECTORY}/join.env")
    assert (file.mode, file.secret) == (0o600, True)
    unit = found.text("/etc/systemd/system/photon-builder-first-boot-join.service")
    assert f"EnvironmentFile={file.path}\n" in unit
    assert TOKEN not in found.text(f"{DIRECTORY}/join")


@pytest.mark.parametrize("value", [TOKEN, "", " a ", "two\nlines", "#x", "é", "\\", '"', "$$"])
def test_a_shell_reads_the_value_that_was_meant(value: str) -> None:
    # systemd.exec(5): EnvironmentFile= follows the shell's quoting.
    script = f'{format_variable("A", value)}printf %s "$A"'
    assert judge("sh", "-c", script).stdout == value


def test_a_plain_secret_in_the_variables_of_a_script_is_refused() -> None:
    entry = {"name": "a", "script": "#!/bin/sh", "env": {"API_TOKEN": "abc"}}
    (fault,) = wish(first_boot.FEATURE, [entry]).faults
    assert (fault.code, fault.hint.partition(",")[0]) == (
        "SEC001",
        "write API_TOKEN: {env: API_TOKEN}",
    )


def project(folder: Path, env_file: str = "A=1\n") -> Path:
    """Write a compose project and a spec."""
    (folder / "compose.yaml").write_text(COMPOSE)
    (folder / "db.env").write_text(env_file)
    path = folder / "lab.yaml"
    path.write_text(f"version: 1\ntarget: ova\nbase: {{sample: true}}\n{OVERLAY}")
    return path


def problems_of(path: Path) -> list[Diagnostic]:
    """Return what is wrong with a spec."""
    spec = load_spec(path, targets=targets.discover())
    return list(rules.check_rules(spec))


def test_a_secret_of_a_compose_project_is_filled_in(tmp_path: Path) -> None:
    path = project(tmp_path)
    assert [p.code for p in problems_of(path) if p.severity == "error"] == []
    value = {"app": {"file": "compose.yaml", "secrets": {"db": {"env": "TOKEN"}}}}
    found = wish(compose.FEATURE, value, tmp_path)
    file = found.file("/opt/compose/app/secrets/db")
    assert (file.secret, file.mode, found.text(file.path)) == (True, 0o644, TOKEN)
    folder = next(c for c in found.changes if getattr(c, "path", "") == "/opt/compose/app")
    assert getattr(folder, "mode", 0) == 0o700


@pytest.mark.parametrize(
    ("name", "file", "hint"),
    [("dbb", "./secrets/db", "did you mean db?"), ("db", "../db", "./secrets"), ("db", "here", "")],
)
def test_a_secret_that_fills_no_file_is_refused(
    name: str, file: str, hint: str, tmp_path: Path
) -> None:
    project(tmp_path)
    (tmp_path / "here").write_text("x")
    (tmp_path / "compose.yaml").write_text(COMPOSE.replace("./secrets/db", file))
    value = {"app": {"file": "compose.yaml", "secrets": {name: {"env": "TOKEN"}}}}
    found = [f for f in wish(compose.FEATURE, value, tmp_path).faults if f.code == "CMP048"]
    assert [f.path for f in found] == [("app", "secrets", name)]
    assert hint in found[0].hint


def test_no_plan_shows_a_secret(tmp_path: Path) -> None:
    path = project(tmp_path)
    spec = load_spec(path, targets=targets.discover())
    plan = make_plan(spec, features.discover())
    shown = json.dumps(plan.rows() if hasattr(plan, "rows") else plan.digest)
    said = "".join(f"{step} {step.reason} {step.change.sentence()}" for step in plan.steps)
    for text in (shown, said):
        assert "t0k" not in text
    hidden = {getattr(s.change, "path", "") for s in plan.steps if s.change.secrets}
    assert {"/etc/app/token", "/opt/compose/app/secrets/db", f"{DIRECTORY}/join.env"} <= hidden


def test_secrets_in_files_of_variables_are_warned_of(tmp_path: Path) -> None:
    path = project(
        tmp_path, "# none\nA=1\nDB_PASSWORD='hunter22'\nB_TOKEN=${X:-}\nC_TOKEN_FILE=/x\n"
    )
    (tmp_path / ".env").write_text("ADMIN_SECRET=s3cret\n")
    found = [p for p in problems_of(path) if p.code == "SEC005"]
    places = [(p.place.file.name, p.place.line) for p in found if p.place]
    assert places == [(".env", 1), ("db.env", 3)]
    said = "".join(map(str, found))
    assert "hunter22" not in said
    assert "s3cret" not in said
    # The hints, followed.
    (tmp_path / "db.env").write_text("DB_PASSWORD=${DB_PASSWORD}\n")
    reference = "env: {ADMIN_SECRET: {env: TOKEN}, DB_PASSWORD: {env: TOKEN}}, secrets"
    path.write_text(path.read_text().replace("secrets", reference))
    assert [p.message for p in problems_of(path) if p.code in {"SEC005", "SCH002"}] == []


def test_a_reference_with_another_key_is_refused(tmp_path: Path) -> None:
    path = project(tmp_path)
    path.write_text(path.read_text().replace("content: {env: TOKEN}", "content: {vault: TOKEN}"))
    with pytest.raises(SpecError) as raised:
        problems_of(path)
    assert "vault" in "".join(p.message for p in raised.value.problems)


def test_systemd_accepts_the_unit_with_variables(tmp_path: Path) -> None:
    entry = {"name": "join", "script": "#!/bin/sh\n", "env": {"A": "b"}}
    found = wish(first_boot.FEATURE, [entry])
    name = "photon-builder-first-boot-join.service"
    folder = tmp_path / "etc/systemd/system"
    folder.mkdir(parents=True)
    (folder / name).write_text(found.text(f"/etc/systemd/system/{name}"))
    for path in (f"{DIRECTORY}/join", "/usr/bin/touch"):
        here = tmp_path / path.lstrip("/")
        here.parent.mkdir(parents=True, exist_ok=True)
        here.write_text("#!/bin/sh\n")
        here.chmod(0o755)
    for unit in ("multi-user", "sysinit", "basic", "shutdown"):
        (folder / f"{unit}.target").write_text("[Unit]\nDefaultDependencies=no\n")
    done: subprocess.CompletedProcess[str] = judge(
        "systemd-analyze", f"--root={tmp_path}", "verify", name, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
