"""Packages that come with the image: resolved, proved and locked by the build, installed by rpm."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.bases import Recipe, cache_folder, make_base
from tests.support.judges import judge
from tests.support.package_repositories import (
    ServedFolder,
    make_signed_repository,
    repo_text,
    serve_folder,
    with_own_packages,
)
from tests.support.program import Bench
from tests.support.rpm_databases import SQLITE_PLACE, install, query
from tests.support.rpms import Made, build_rpm
from tests.support.signing import make_signatory

UNIT = "[Service]\nExecStart=/usr/bin/served\n[Install]\nWantedBy=multi-user.target\n"
STAGED = "/var/lib/photon-builder/packages/repository"
INSTALLED = (Made("shadow", files={"/usr/sbin/useradd": "shadow"}), Made("glibc", "2.36"))
OFFERED = (
    Made("jq", "1.6", tags=("Requires: oniguruma",), files={"/usr/bin/jq": "x"}),
    Made("oniguruma", "6.9", files={"/usr/lib/libonig.so": "x"}),
    Made("served", files={"/usr/bin/served": "x", "/usr/lib/systemd/system/served.service": UNIT}),
    Made("newest", tags=("Requires: glibc >= 2.40",)),
    Made("glibc", "2.40"),
    Made("clash", files={"/usr/sbin/useradd": "clash"}),
    Made("broken", tags=("Requires: nowhere >= 3",)),
)
SPEC = """\
version: 1
name: edge
targets: [ova]
base: {{file: {base}}}
overlay:
  packages: [{packages}]
  services: {{enable: [{units}]}}
  repositories: {{install_from: enabled{more}}}
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A base, the repository that it names, and the root that it was made from."""

    base: Path
    root: Path
    served: ServedFolder
    mirror: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A base with a database of packages, whose one repository is served on loopback."""
    folder = tmp_path_factory.mktemp("place")
    signatory = make_signatory(folder / "gpg")
    make_signed_repository(folder / "mirror/photon", OFFERED, signatory)
    root = folder / "root"
    install(root, *(build_rpm(folder / "rpms", made) for made in INSTALLED))
    with serve_folder(folder / "mirror") as served:
        files = {
            f"/{SQLITE_PLACE}/rpmdb.sqlite": root / SQLITE_PLACE / "rpmdb.sqlite",
            "/etc/yum.repos.d/photon.repo": folder / "photon.repo",
            "/etc/pki/rpm-gpg/TEST-KEY": folder / "key",
        }
        (folder / "photon.repo").write_text(repo_text(f"{served.address}photon"))
        (folder / "key").write_bytes(signatory.public)
        plain = make_base(cache_folder(), Recipe())
        base = with_own_packages(Bench(folder / "bench"), plain, files)
        yield Place(base, root, served, folder / "mirror")


def write_spec(bench: Bench, place: Place, packages: str, units: str = "", more: str = "") -> Path:
    text = SPEC.format(base=place.base, packages=packages, units=units, more=more)
    return bench.write("edge.yaml", text)


def staged(bench: Bench) -> list[str]:
    run = bench.run("ls", "output/edge.ova", STAGED, "--json")
    return sorted(row["path"].rpartition("/")[2] for row in json.loads(run.out)["files"])


def test_packages_and_what_they_need_are_in_the_image(place: Place, bench: Bench) -> None:
    bench.build(write_spec(bench, place, "jq"))
    assert staged(bench) == ["jq-1.6-1.ph5.noarch.rpm", "oniguruma-6.9-1.ph5.noarch.rpm"]
    for name in staged(bench):
        path = f"{STAGED}/{name}"
        copy = bench.directory / name
        command = bench.command("cat", "output/edge.ova", path)
        copy.write_bytes(
            subprocess.run(
                command, cwd=bench.directory, env=bench.environment(), stdout=-1, check=True
            ).stdout
        )
        assert copy.read_bytes() == (place.mirror / "photon/noarch" / name).read_bytes()


def test_the_second_build_needs_no_network_and_gives_the_same_bytes(
    place: Place, bench: Bench
) -> None:
    spec = write_spec(bench, place, "jq")
    first = bench.build(spec, SOURCE_DATE_EPOCH="1700000000").read_bytes()
    place.served.asked.clear()
    again = bench.run("build", spec, "--offline", SOURCE_DATE_EPOCH="1700000000")
    assert (again.code, place.served.asked) == (0, [])
    assert "nothing changed" in again.out + again.err
    forced = bench.run("build", spec, "--offline", "--force", SOURCE_DATE_EPOCH="1700000000")
    assert (forced.code, place.served.asked) == (0, [])
    assert (bench.output / "edge.ova").read_bytes() == first
    assert bench.run("verify", "output/edge.ova", spec).code == 0


def test_the_lock_file_lists_every_file_with_its_digest(place: Place, bench: Bench) -> None:
    bench.build(write_spec(bench, place, "jq"))
    lock = json.loads((bench.directory / "photon-builder.lock").read_text())
    ((key, rows),) = lock["packages"].items()
    assert key == f"{place.base.name}: jq"
    for row in rows:
        path = place.mirror / "photon/noarch" / row["name"]
        assert judge("sha256sum", path).stdout.split()[0] == row["sha256"]
        assert row["size"] == path.stat().st_size


def test_the_script_installs_all_of_them_in_one_transaction_without_a_network(
    place: Place, bench: Bench, tmp_path: Path
) -> None:
    bench.build(write_spec(bench, place, "jq, served", units="served"))
    root = Path(shutil.copytree(place.root, tmp_path / "root", symlinks=True))
    for name in staged(bench):
        shutil.copy(place.mirror / "photon/noarch" / name, tmp_path)
    files = [tmp_path / name for name in staged(bench)]
    options = ("--root", root, "--dbpath", f"/{SQLITE_PLACE}", "--replacepkgs", "--nosignature")
    judge("rpm", *options, "--upgrade", *files)
    names = [line.split()[0] for line in query(root)]
    assert names == ["glibc", "jq", "oniguruma", "served", "shadow"]
    judge("rpm", *options, "--upgrade", *files)


def test_lock_resolves_packages_and_update_prints_what_moved(place: Place, bench: Bench) -> None:
    spec = write_spec(bench, place, "jq")
    first = bench.run("lock", spec)
    assert first.code == 0, first.err
    assert first.out.splitlines() == [
        f"{place.base.name}: jq: 2 RPM files, 0.0 MB",
        "  + jq-1.6-1.ph5.noarch.rpm",
        "  + oniguruma-6.9-1.ph5.noarch.rpm",
    ]
    assert bench.run("lock", spec).out == "nothing to lock: everything already has a digest\n"
    path = bench.directory / "photon-builder.lock"
    path.write_text(path.read_text().replace("jq-1.6-1", "jq-1.5-9"))
    update = bench.run("lock", spec, "--update").out.splitlines()
    assert update[1:] == ["  - jq-1.5-9.ph5.noarch.rpm", "  + jq-1.6-1.ph5.noarch.rpm"]
    assert bench.run("build", spec, "--offline").code == 0


def test_offline_without_a_lock_says_what_to_do(place: Place, bench: Bench) -> None:
    spec = write_spec(bench, place, "jq")
    run = bench.run("build", spec, "--offline")
    assert run.code == 5
    assert "photon-builder.lock has no files for the packages jq" in run.err
    assert "photon-builder lock" in run.err
    assert not (bench.output / "edge.ova").exists()


@pytest.mark.parametrize(
    ("packages", "code", "message"),
    [
        ("nosuch", "PKG018", "no repository has nosuch; searched: photon"),
        ("broken", "PKG019", "nothing provides nowhere >= 3 needed by broken-1-1.ph5.noarch"),
        ("clash", "PKG009", "clash and shadow have different files at /usr/sbin/useradd"),
        ("newest", "PKG015", "would replace glibc 2.36-1.ph5 → 2.40-1.ph5"),
    ],
)
def test_packages_that_do_not_fit_stop_the_build(
    place: Place, bench: Bench, packages: str, code: str, message: str
) -> None:
    run = bench.run("build", write_spec(bench, place, packages))
    assert run.code == 8
    assert f"[{code}]" in run.err
    assert message in run.err
    assert not bench.output.exists() or not list(bench.output.iterdir())
    assert not (bench.directory / "photon-builder.lock").exists()


def test_what_is_replaced_on_request_is_named(place: Place, bench: Bench) -> None:
    spec = write_spec(bench, place, "newest", more=", may_update: true")
    run = bench.run("build", spec)
    assert run.code == 0, run.err
    assert "packages of the base are replaced: glibc 2.36-1.ph5 → 2.40-1.ph5" in run.err
    assert staged(bench) == ["glibc-2.40-1.ph5.noarch.rpm", "newest-1-1.ph5.noarch.rpm"]


def test_online_leaves_it_to_the_first_boot(place: Place, bench: Bench) -> None:
    place.served.asked.clear()
    bench.build(write_spec(bench, place, "jq", more=", install: online"))
    assert place.served.asked == []
    listed = bench.run("cat", "output/edge.ova", "/var/lib/photon-builder/packages/wanted")
    assert listed.out == "jq\n"
