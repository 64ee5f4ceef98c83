"""What a base is, found out from its name or from what is in it, before anything is built."""

import shutil

from tests.support.bases import Recipe, cache_folder, make_base
from tests.support.program import Bench

SPEC = """\
version: 1
name: edge
target: {target}
base: {{file: {file}}}
overlay:
  hostname: edge-1
  users: {{root: {{password: {{locked: true}}, ssh_keys: ["{key}"]}}}}
"""
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDc0cGhvdG9uLWJ1aWxkZXItcXVpY2tzdGFydC1r ada"


def check(bench: Bench, file: str, target: str = "ova") -> str:
    """Return what ``check`` says of a spec that starts from a file."""
    bench.write("edge.yaml", SPEC.format(target=target, file=file, key=KEY))
    return bench.run("check", "edge.yaml").err


def test_an_appliance_under_a_name_of_ones_own_is_known_by_what_is_in_it(bench: Bench) -> None:
    base = make_base(cache_folder(), Recipe("ova", "4.0"))
    shutil.copy(base.path, bench.directory / "mine.ova")
    assert "BASE008" not in check(bench, "mine.ova")


def test_a_packed_disk_is_known_by_the_name_that_it_was_published_under(bench: Bench) -> None:
    base = make_base(cache_folder(), Recipe("gce", "4.0"))
    shutil.copy(base.path, bench.directory / "photon-gce-4.0-c001795b8.tar.gz")
    shutil.copy(base.path, bench.directory / "mine.tar.gz")
    assert "BASE008" not in check(bench, "photon-gce-4.0-c001795b8.tar.gz", "gce")
    unknown = check(bench, "mine.tar.gz", "gce")
    assert "warning[BASE008]" in unknown
    assert "an unknown release of Photon, taken for Photon 3.0 GA" in unknown
