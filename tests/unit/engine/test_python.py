"""The engine runs where a plan is applied: with Python 3.7 and its standard library alone."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.engine.kinds import KINDS
from tests.support.pythons import python37

ROOT = Path(__file__).resolve().parents[3]
ENGINE = ROOT / "builder/engine"
MODULES = sorted(ENGINE.rglob("*.py"))
OLDEST = (3, 7)


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ENGINE)))
def test_the_grammar_is_that_of_the_oldest_python(path: Path) -> None:
    ast.parse(path.read_text(), feature_version=OLDEST)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ENGINE)))
def test_only_the_standard_library_is_imported(path: Path) -> None:
    for name in imports(path):
        assert name.split(".")[0] in sys.stdlib_module_names, name


def test_vermin_finds_nothing_newer() -> None:
    words = ["-t=3.7-", "--no-tips", "--violations", str(ENGINE)]
    vermin = Path(sys.executable).with_name("vermin")
    if not vermin.exists():
        assert os.environ.get("CI") != "true", "vermin is a developers' tool: make setup"
        pytest.skip("vermin is not installed")
    done = subprocess.run([vermin, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("python", ["3.7", "this one"])
def test_it_is_imported_alone_and_under_another_name(python: str) -> None:
    interpreter = python37() if python == "3.7" else sys.executable
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import engine.kinds, engine.apply; "
        "print(len(engine.kinds.KINDS), 'builder' in sys.modules)"
    )
    words = [interpreter, "-I", "-S", "-c", code, str(ENGINE.parent)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout == f"{len(KINDS)} False\n"


def test_trees_keep_their_promises_under_the_oldest_python() -> None:
    code = (
        "from tests.support import random_trees as trees\n"
        "for seed in range(200): trees.check_overlay(seed); trees.check_removals(seed)\n"
        "if not __import__('os').geteuid(): [trees.check_folder(seed) for seed in range(200)]\n"
        "print('held')"
    )
    words = [python37(), "-S", "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stdout == "held\n", done.stderr


def test_every_kind_writes_all_of_its_fields() -> None:
    for kind in KINDS.values():
        own = {
            name: of
            for each in kind.__mro__
            for name, of in vars(each).get("__annotations__", {}).items()
        }
        assert set(kind.FORMS) == {n for n, of in own.items() if not of.startswith("ClassVar")}
