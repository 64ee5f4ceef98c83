"""The house rules that a machine can hold: who imports whom, sizes, docstrings."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "builder"
MODULES = sorted(PACKAGE.rglob("*.py"))

FLOOR = {
    "engine",
    "printable",
    "addresses",
    "errors",
    "guestpath",
    "blob",
    "progress",
    "reproducible",
    "host",
    "digests",
    "sums",
    "log",
    "image_names",
    "image_archive",
    "facts",
    "sizes",
}
MAY_IMPORT = {
    "reproducible": {"errors"},
    "host": {"addresses", "errors"},
    "digests": {"errors", "host"},
    "engine": set[str](),
    "errors": {"engine"},
    "blob": {"engine"},
    "formats": {"engine", "errors", "host", "image_names", "log", "progress", "reproducible"},
    "changes": {"engine"},
    "documents": {"errors"},
    "secret": {"errors"},
    "suggest": set[str](),
    "image_names": set[str](),
    "image_archive": {"image_names"},
    "schema": {"documents", "errors", "facts", "features", "suggest", "targets"},
    "guest": {"engine", "errors", "guestpath", "documents", "facts", "sizes"},
    "roots": {"changes", "formats", "guest"} | FLOOR,
    "features": {"changes", "documents", "guest", "secret", "suggest"} | FLOOR,
    "rules": {"documents", "features", "guest", "schema", "spec", "suggest"} | FLOOR,
    "spec": {"catalog", "documents", "features", "lock", "rules", "schema", "suggest", "targets"}
    | FLOOR,
    "facts": set[str](),
    "scaffold": {"base_facts", "catalog", "features", "suggest", "targets"} | FLOOR,
    "plain": {"changes"} | FLOOR,
    "plan": {"secret", "plain", "changes", "features", "spec", "documents"} | FLOOR,
    "plan_record": {"changes", "plain", "plan"},
    "display_names": {"errors", "progress"},
    "support": {"changes", "features", "plan", "spec", "targets"} | FLOOR,
    "job": {"formats", "plan", "progress"},
    "cache": FLOOR,
    "containers": {"cache", "fetch", "formats"} | FLOOR,
    "catalog": {"catalog_faults", "documents"} | FLOOR,
    "catalog_faults": {"documents"} | FLOOR,
    "fetch": {"cache", "catalog"} | FLOOR,
    "application": {"cache", "carriers", "changes", "features", "guest", "inputs", "plan"}
    | {"request", "support"}
    | FLOOR,
    "artifact": FLOOR,
    "guestpath": {"engine"},
    "request": {"lock", "spec", "targets"} | FLOOR,
    "images": {"formats", "guest", "packages", "roots"} | FLOOR,
    "compare": {"formats", "packages", "roots"} | FLOOR,
    "packages": {"cache", "catalog", "fetch", "formats"} | FLOOR,
    "carriers": {"changes", "formats", "guest", "job", "plan", "roots"} | FLOOR,
    "sample": {"changes", "formats", "guest", "roots", "documents"} | FLOOR,
    "targets": {"carriers", "changes", "formats", "job", "plan", "roots", "sample"} | FLOOR,
    "leaks": {"changes", "engine", "formats", "images", "job"} | FLOOR,
    "verify": {"leaks", "carriers", "changes", "formats", "images", "job", "plan", "roots"} | FLOOR,
    "burn": {"artifact", "cache", "carriers", "documents", "features", "fetch", "formats"}
    | {"plan", "roots", "samples", "schema", "spec", "verify"}
    | FLOOR,
    "package_files": {"digests"},
    "package_pins": {"base", "cache", "carriers", "changes", "formats", "guest", "images", "lock"}
    | {"package_files", "packages", "plan", "request"}
    | FLOOR,
    "lock": {"package_files", "artifact", "lock_faults"} | FLOOR,
    "lock_faults": {"documents", "package_files"} | FLOOR,
    "executors": {"build", "cache", "formats", "relay"} | FLOOR,
    "recognise": {"catalog", "features", "suggest"} | FLOOR,
    "relay": FLOOR,
    "samples": {"artifact", "base", "formats", "images", "roots", "sample"} | FLOOR,
    "trust": {"base", "cache", "catalog", "fetch", "lock", "spec", "targets"} | FLOOR,
    "imager": {"artifact", "formats", "targets"} | FLOOR,
    "nightly": {"artifact", "build", "executors", "formats", "plan_record"} | FLOOR,
    "inputs": {"cache", "changes", "containers", "fetch", "images", "plan"} | FLOOR,
    "pinning": {"fetch", "formats"} | FLOOR,
    "room": {"carriers", "formats", "guest", "images", "plan"} | FLOOR,
    "doctor": {"formats"} | FLOOR,
    "selection": {"artifact", "spec", "targets"} | FLOOR,
    "reading": {"base", "documents", "features", "lock", "plan", "rules", "selection", "spec"}
    | {"targets"}
    | FLOOR,
    "claims": {
        "images",
        "packages",
        "artifact",
        "build",
        "cache",
        "inputs",
        "job",
        "leaks",
        "plan",
        "plan_record",
    }
    | {"request", "verify"}
    | FLOOR,
    "api": {
        "artifact",
        "build",
        "burn",
        "cache",
        "claims",
        "images",
        "lock",
        "plan",
        "reading",
        "request",
    }
    | {"selection", "spec", "targets", "verify"}
    | FLOOR,
}
"""Package or module to what it may import; the floor imports the standard library only."""

DOORS = {
    "click": "cli",
    "cryptography": "burn/signature.py",
    "solv": "packages/closure.py",
    "msgspec": "structs",
    "yaml": "documents",
    "jsonschema": "schema",
    "referencing": "schema",
    "requests": "fetch",
    "urllib3": "fetch",
    "tqdm": "progress",
    "isal": "formats",
    "zlib_ng": "formats",
    "zstandard": "formats",
    "subprocess": "formats/foreign.py",
    "pycdlib": "formats/iso9660/second_reader.py",
}
"""Library to the one place that may import it."""


def here(path: Path) -> str:
    """Return the package or module right below ``builder`` that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """Yield the dotted names that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "builder":
            yield from (f"builder.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def functions(path: Path) -> Iterator[ast.FunctionDef]:
    """Yield every function of a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            yield node


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_what_its_layer_may(path: Path) -> None:
    layer = here(path)
    everything = layer in {"build", "base", "base_facts", "boot", "cli", "__main__"}
    for name in imported(path):
        if not name.startswith("builder."):
            continue
        there = name.split(".")[1]
        if there in {"__version__", "structs", layer}:
            continue
        assert everything or there in MAY_IMPORT.get(layer, set()), name
        assert there != "cli" or layer == "__main__", "nobody imports the command line"


def test_formats_know_no_guest() -> None:
    for path in (path for path in MODULES if here(path) == "formats"):
        found = {name for name in imported(path) if name.startswith("builder.engine")}
        assert found <= {"builder.engine.nodes"}, path


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_library_has_one_door(path: Path) -> None:
    for name in imported(path):
        door = DOORS.get(name.split(".")[0])
        own = {here(path), str(path.relative_to(PACKAGE))}
        assert door is None or door in own, f"{name} is imported by builder/{door} only"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_keeps_to_its_size(path: Path) -> None:
    lines = path.read_text().count("\n")
    folder = here(path)
    small = folder in {"features", "targets"} and path != PACKAGE / folder / "__init__.py"
    assert lines <= (100 if small else 400)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_function_keeps_to_its_size(path: Path) -> None:
    for function in functions(path):
        assert (function.end_lineno or 0) - function.lineno < 40, function.name


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_says_what_it_is_in_one_sentence(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    assert docstring.split("\n\n")[0].rstrip().endswith((".", ":", ":)")), docstring[:80]


def test_no_module_but_its_own_names_a_target() -> None:
    from builder.targets import discover

    own = {PACKAGE / "targets" / f"{name.replace('-', '_')}.py" for name in discover()}
    names = {repr(name) for name in discover()}
    for path in set(MODULES) - own:
        if here(path) in {"rules", "scaffold"}:  # they speak of targets to people
            continue
        constants = {
            repr(node.value)
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        words = {"'ova'", "'iso'", "'all'"}  # of other vocabularies, too: containers, config.txt
        assert not constants & (names - words), path


def test_suppressions_are_few_and_say_why() -> None:
    found = [
        (path.relative_to(ROOT), line.strip())
        for path in MODULES
        for line in path.read_text().splitlines()
        if "# noqa" in line or "# type: ignore" in line
    ]
    assert len(found) <= 12, found
    assert all(" - " in line.partition("# noqa")[2] for _, line in found if "# noqa" in line), found
