"""What is installed in an artifact: listed, and compared between two, by rpm's database inside."""

import json
from pathlib import Path

import pytest

from tests.support.program import Bench
from tests.support.rpm_databases import SQLITE_PLACE, as_berkeley, install, query
from tests.support.rpms import make_rpm

SPEC = """\
version: 1
name: {name}
targets: [ova]
base: {{sample: "{release}"}}
overlay:
  files:
    - {{path: {path}, source: {source}}}
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Two appliances: the second has one package more, one newer and one less."""
    bench = Bench(tmp_path_factory.mktemp("built"))
    rpms = {
        f"{name}-{version}": make_rpm(bench.directory / f"rpms/{name}-{version}", name, version)
        for name, version in (("hello", "1.9"), ("hello", "1.10"), ("world", "2"), ("zlib", "1"))
    }
    _system(bench, "old", "3.0", [rpms["hello-1.9"], rpms["world-2"]])
    _system(bench, "new", "5.0", [rpms["hello-1.10"], rpms["zlib-1"]])
    return bench


def _system(bench: Bench, name: str, release: str, rpms: list[Path]) -> None:
    root = bench.directory / name
    install(root, *rpms)
    (bench.directory / f"{name}.list").write_text("".join(f"{row}\n" for row in query(root)))
    path = f"{SQLITE_PLACE}/rpmdb.sqlite"
    if release == "3.0":
        as_berkeley(root)
        path = "var/lib/rpm/Packages"
    text = SPEC.format(name=name, release=release, path=f"/{path}", source=f"{name}/{path}")
    bench.build(bench.write(f"{name}.yaml", text))


@pytest.mark.parametrize("name", ["old", "new"])
def test_inspect_lists_what_rpm_lists(built: Bench, name: str) -> None:
    wanted = (built.directory / f"{name}.list").read_text().splitlines()
    lines = built.run("inspect", f"output/{name}.ova", "--packages").out.splitlines()
    assert "  packages: 2 installed" in lines
    shown = lines[lines.index("  packages: 2 installed") + 1 :]
    told = [row.split() for row in wanted]
    assert [row.split() for row in shown] == [[row[0], row[2], row[1]] for row in told]


def test_diff_says_in_words_which_packages_changed(built: Bench) -> None:
    run = built.run("diff", "output/old.ova", "output/new.ova", "--packages")
    assert run.code == 1
    assert run.out.splitlines() == [
        "upgraded package hello.noarch 2:1.9-1.ph5 → 2:1.10-1.ph5",
        "removed package world.noarch 2:2-1.ph5",
        "added package zlib.noarch 2:1-1.ph5",
    ]
    back = built.run("diff", "output/new.ova", "output/old.ova", "--packages", "--json")
    assert [row["change"] for row in json.loads(back.out)["packages"]] == [
        "downgraded",
        "added",
        "removed",
    ]


def test_an_image_has_the_packages_of_its_copy(built: Bench) -> None:
    run = built.run("diff", "output/new.ova", "output/new.ova", "--packages")
    assert (run.code, run.out) == (0, "")


@pytest.mark.parametrize("query", ["hello", "hello-1.10", "hello-1.10-1.ph5"])
def test_verify_proves_that_a_package_is_installed(built: Bench, query: str) -> None:
    assert built.run("verify", "output/new.ova", "--package", query).code == 0


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("hello-1.9", "; installed are hello-2:1.10-1.ph5.noarch"),
        ("world", ""),
    ],
)
def test_verify_names_a_package_that_is_not_installed(built: Bench, query: str, found: str) -> None:
    run = built.run("verify", "output/new.ova", "--package", query)
    assert run.code == 11
    assert f"output/new.ova: the package {query} is not installed{found}\n" in run.err
