"""Packages that came with the image, on a machine: rpm installs them, before docker and mounts."""

import json
from pathlib import Path

import pytest

from tests.support.bases import Base
from tests.support.judges import require
from tests.support.package_repositories import (
    make_signed_repository,
    repo_text,
    serve_folder,
    with_own_packages,
)
from tests.support.program import Bench
from tests.support.rpm_databases import SQLITE_PLACE, install
from tests.support.rpms import Made, build_rpm
from tests.support.signing import make_signatory

pytestmark = pytest.mark.slow

UNIT = """\
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'echo {name} >>/root/order'
[Install]
WantedBy=multi-user.target
"""
INSTALLED = (Made("bash", tags=("Provides: /bin/sh",), files={"/usr/bin/bash": "x"}),)
OFFERED = (
    Made(
        "served",
        tags=("Requires: libserved >= 2",),
        files={"/usr/lib/systemd/system/served.service": UNIT.format(name="served")},
    ),
    Made("libserved", "2.1", files={"/usr/lib/libserved.so": "so"}),
    Made(
        "by-itself",
        files={"/usr/lib/systemd/system/by-itself.service": UNIT.format(name="by-itself")},
        scripts="%post\nsystemctl enable by-itself.service",
    ),
)
SPEC = """\
version: 1
name: brought
target: ova
base: {{file: {base}}}
output: {{firmware: bios}}
overlay:
  users: {{root: {{password: {{random: true}}, ssh_keys: ["file:{key}.pub"]}}}}
  packages: [served, by-itself]
  services: {{enable: [served]}}
  repositories: {{install_from: enabled}}
  files:
    - {{path: /etc/rpm/macros, content: "%_dbpath /{place}\\n"}}
  first_boot:
    - name: join
      script: |
        #!/bin/sh
        rpm -q served && echo join >>/root/order
"""
CHECK = """\
set -e
rpm -q served libserved by-itself
systemctl is-active served by-itself >&2
! systemctl is-failed --quiet photon-builder-packages
! systemctl show --property=After photon-builder-packages | grep network
cd /var/lib/photon-builder/packages
test -e installed && ! test -e repository && ! test -e brought
for name in served by-itself join; do
  grep -qx $name /root/order
done
[ "$(grep -cx join /root/order)" = 1 ]
"""
"""True after the first boot, and after the second one too."""


def test_packages_of_the_image_are_installed_and_run_after_the_first_and_the_second_boot(
    bootable: Base, bench: Bench, identity: Path, tmp_path: Path
) -> None:
    require("qemu-system-x86_64")
    signatory = make_signatory(tmp_path / "gpg")
    make_signed_repository(tmp_path / "mirror/photon", OFFERED, signatory)
    root = tmp_path / "root"
    install(root, *(build_rpm(tmp_path / "rpms", made) for made in INSTALLED))
    files = {
        f"/{SQLITE_PLACE}/rpmdb.sqlite": root / SQLITE_PLACE / "rpmdb.sqlite",
        "/etc/yum.repos.d/photon.repo": tmp_path / "photon.repo",
        "/etc/pki/rpm-gpg/TEST-KEY": tmp_path / "key",
    }
    (tmp_path / "key").write_bytes(signatory.public)
    with serve_folder(tmp_path / "mirror") as served:
        (tmp_path / "photon.repo").write_text(repo_text(f"{served.address}photon"))
        base = with_own_packages(Bench(tmp_path / "base"), bootable, files)
        text = SPEC.format(base=base, key=identity, place=SQLITE_PLACE)
        spec = bench.write("brought.yaml", text)
        artifact = bench.build(spec)
    script = bench.write("installed", CHECK)
    done = bench.run(
        "boot", artifact, "--test", spec, "--accel", "tcg", "--json", "--timeout", "600",
        "--identity", identity, "--run", script, "--report", "report",
    )  # fmt: skip
    assert done.code == 0, done.err
    rows = json.loads(done.out)["results"]
    assert {row["boot"] for row in rows if row["name"] == "installed succeeds"} == {
        "first boot",
        "second boot",
    }
