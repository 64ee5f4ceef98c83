"""What the documents show is true: specs are valid, commands exist, links lead somewhere."""

import re
from pathlib import Path

import pytest

from builder import features, targets
from builder.cli import COMMANDS
from builder.plan import make_plan
from builder.rules import check_rules
from builder.rules import discover as discover_rules
from builder.spec import CatalogBase, load_spec
from tests.support.judges import judge

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
DISKS = (ROOT / "docs/clouds-and-boards.md").read_text()
NIGHTLY = (ROOT / "docs/nightly.md").read_text()
SPECS = sorted((ROOT / "specs").glob("*.yaml"))
BLOCKS = [
    block for block in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL) if "version:" in block
]


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the environment what the example specs refer to."""
    for name in ("ROOT_PASSWORD", "PIHOLE_PASSWORD", "WIFI_PASSWORD"):
        monkeypatch.setenv(name, "correct horse battery staple")


def planned(path: Path) -> int:
    """Return how many changes a spec makes; anything wrong with it is an error."""
    spec = load_spec(path, targets=targets.discover())
    assert check_rules(spec) == (), "an example has no problems, not even warnings"
    return len(make_plan(spec, features.discover()).steps)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.name)
def test_every_example_spec_is_planned_without_a_warning(path: Path) -> None:
    assert planned(path) > 0


_SAMPLES = {"quickstart", "photon-image"}
"""The first look; and the base of containers, which has no address with a digest."""


def test_every_example_but_the_first_look_stands_on_a_published_base() -> None:
    for path in SPECS:
        base = load_spec(path, targets=targets.discover()).base
        assert isinstance(base, CatalogBase) == (path.stem not in _SAMPLES), path.name


def test_make_install_puts_the_program_on_the_path(tmp_path: Path) -> None:
    program = ROOT / ".venv/bin/photon-builder"
    if not program.exists():
        pytest.skip("there is no virtual environment here, and making one needs a network")
    done = judge("make", "--silent", "-C", ROOT, "-o", program, "install", f"PREFIX={tmp_path}")
    link = tmp_path / "bin/photon-builder"
    assert done.stdout == f"{link}\n"
    assert "hint: that folder is not on the PATH yet" in done.stderr
    assert judge(str(link), "--version").stdout.startswith("photon-builder ")


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_every_spec_in_the_readme_is_planned_without_a_warning(block: str, tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "overlays").symlink_to(ROOT / "overlays")
    path = tmp_path / "specs" / "readme.yaml"
    path.write_text(block)
    assert planned(path) > 0


def test_the_commands_that_the_documents_type_exist() -> None:
    typed = set(re.findall(r"photon-builder ([a-z]+)\b", README + DISKS))
    assert typed <= {*COMMANDS, "is"}, typed - set(COMMANDS)


def test_the_make_targets_that_the_readme_types_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for name in set(re.findall(r"^\$? ?make ([a-z-]+)", README, re.MULTILINE)):
        assert re.search(rf"^{name}:", makefile, re.MULTILINE), name


def test_the_page_on_disks_speaks_of_rules_and_files_that_there_are() -> None:
    codes = {rule.code for rule in discover_rules()}
    assert set(re.findall(r"\b[A-Z]{3}\d{3}\b", DISKS)) <= codes
    single = [each for each in targets.discover().values() if isinstance(each, targets.Target)]
    suffixes = {each.suffix_for({}) if each.suffix_for else each.suffix for each in single}
    named = set(re.findall(r"`NAME(\.[\w.]+)`", DISKS)) - {".raw", ".vhd"}
    assert len(named) == 4
    assert named <= suffixes


def test_links_between_documents_lead_somewhere() -> None:
    for document in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for name in re.findall(
            r"`((?:docs|builder|tests|tools|specs)/[\w./-]+)`", document.read_text()
        ):
            assert (ROOT / name).exists(), f"{document.name}: {name}"


def test_the_timer_and_the_service_of_the_nightly_page_are_sound(tmp_path: Path) -> None:
    found = re.findall(r"# (/etc/systemd/system/([\w.-]+))\n(.*?)```", NIGHTLY, re.DOTALL)
    assert [name for _, name, _ in found] == ["photon-nightly.service", "photon-nightly.timer"]
    program = tmp_path / "photon-builder"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for _, name, text in found:
        local = re.sub(r"ExecStart=\S+", f"ExecStart={program}", text)
        (tmp_path / name).write_text(local.replace("User=photon", "User=root"))
    units = [tmp_path / name for _, name, _ in found]
    told = judge("systemd-analyze", "verify", "--man=no", *units)
    assert (told.stdout, told.stderr) == ("", "")
    (calendar,) = re.findall(r"^OnCalendar=(.*)$", NIGHTLY, re.MULTILINE)
    assert "Next elapse" in judge("systemd-analyze", "calendar", calendar).stdout


def test_the_line_for_cron_has_its_five_fields_and_runs_a_command_that_exists() -> None:
    (line,) = re.findall(r"# /etc/cron\.d/photon-nightly\n(.*?)```", NIGHTLY, re.DOTALL)
    minute, hour, *days, user = line.split()[:6]
    assert (int(minute) < 60, int(hour) < 24, days, user) == (True, True, ["*"] * 3, "photon")
    assert re.search(r"photon-builder nightly --keep \d+", line)


def test_the_reference_names_every_variable_that_the_program_reads() -> None:
    """Judged by the sources: each name that is given to the environment there."""
    text = (ROOT / "docs/reference.md").read_text()
    named = set()
    for path in (ROOT / "builder").rglob("*.py"):
        source = path.read_text()
        found = re.findall(r"os\.environ(?:\.get\(|\[)\"([A-Z_]+)\"", source)
        if "os.environ.get(VARIABLE" in source:
            found += re.findall(r"^VARIABLE = \"([A-Z_]+)\"", source, re.MULTILINE)
        named |= set(found)
    assert {"PHOTON_BUILDER_CACHE", "PHOTON_BUILDER_OUTPUT", "NO_COLOR"} <= named
    assert not {name for name in named if f"`{name}`" not in text}


def test_the_reference_has_every_key_of_base_and_every_exit_code() -> None:
    text = (ROOT / "docs/reference.md").read_text()
    base = text.partition("## `base`")[2].partition("\n## ")[0]
    for key in ("release", "revision", "arch", "url", "file", "sample", "sha256", "sha512", "md5"):
        assert f"\n| `{key}` |" in base
    codes = text.partition("## Exit codes")[2].partition("\n## ")[0]
    told = [int(code) for code in re.findall(r"^\| (\d+) \|", codes, re.MULTILINE)]
    assert told == [*range(13), 130]


def test_the_codes_that_the_reference_explains_exist() -> None:
    known = {rule.code for rule in discover_rules()}
    text = (ROOT / "docs/reference.md").read_text().partition("## Keys of an overlay")[0]
    assert set(re.findall(r"\b[A-Z]{3}\d{3}\b", text)) <= known
