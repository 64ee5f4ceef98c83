"""The first boot with packages, on a machine: who waits for whom, and what the second boot does."""

import json
from pathlib import Path

import pytest

from tests.support.bases import Base
from tests.support.judges import require
from tests.support.program import Bench

pytestmark = pytest.mark.slow

SPEC = """\
version: 1
name: brought
target: ova
base: {{file: {base}}}
output: {{firmware: bios}}
overlay:
  hostname: brought
  users: {{root: {{password: {{random: true}}, ssh_keys: ["file:{key}.pub"]}}}}
  packages: [nfs-utils, chrony]
  repositories: {{install: online}}
  services: {{enable: [nfs-server], disable: [chronyd]}}
  units:
    app:
      content: |
        [Unit]
        Requires=nfs-server.service
        After=nfs-server.service photon-builder-packages.service
        [Service]
        Type=oneshot
        RemainAfterExit=yes
        ExecStart=/bin/sh -c 'echo app >>/root/order'
        [Install]
        WantedBy=multi-user.target
      enable: true
  first_boot:
    - name: join
      script: |
        #!/bin/sh
        test -e /usr/lib/systemd/system/nfs-server.service && echo join >>/root/order
  files:
    - {{path: /usr/bin/rpm, mode: "0755", content: "#!/bin/sh\\nexit 0\\n"}}
    - path: /usr/bin/tdnf
      mode: "0755"
      content: |
        #!/bin/sh
        case "$*" in *install*) ;; *) exit 0 ;; esac
        if ! [ -e /root/tried ]; then
          touch /root/tried
          echo "Disabling Repo: 'Updates'"
          echo 'Error(1011) : No matching packages' >&2
          exit 243
        fi
        sleep 3
        for name in nfs-server chronyd; do
          {{
            printf '[Unit]\\nDescription=%s\\n' $name
            printf '[Service]\\nType=oneshot\\nRemainAfterExit=yes\\n'
            printf 'ExecStart=/bin/sh -c "echo %s >>/root/order"\\n' $name
            printf '[Install]\\nWantedBy=multi-user.target\\n'
          }} >/usr/lib/systemd/system/$name.service
          systemctl preset $name.service
        done
        echo tdnf >>/root/order
"""
CHECK = """\
set -e
systemctl is-active nfs-server app >&2
! systemctl is-active --quiet chronyd
! systemctl is-failed --quiet photon-builder-packages
test -e /var/lib/photon-builder/packages/installed
count() { grep -cx "$1" /root/order; }
[ "$(head -n 1 /root/order) $(count tdnf) $(count join)" = 'tdnf 1 1' ]
[ "$(count nfs-server)" = "$(count app)" ]
[ "$(grep -xe nfs-server -e app /root/order | head -n 1)" = nfs-server ]
"""
"""True after the first boot, and after the second one too."""


def test_what_packages_bring_is_started_in_order_and_again_on_the_second_boot(
    bootable: Base, bench: Bench, identity: Path
) -> None:
    require("qemu-system-x86_64")
    spec = bench.write("brought.yaml", SPEC.format(base=bootable.path, key=identity))
    artifact = bench.build(spec)
    script = bench.write("order", CHECK)
    done = bench.run(
        "boot", artifact, "--test", spec, "--accel", "tcg", "--json", "--timeout", "600",
        "--identity", identity, "--run", script, "--report", "report",
    )  # fmt: skip
    assert done.code == 0, done.err
    rows = json.loads(done.out)["results"]
    assert {row["boot"] for row in rows if row["name"] == "order succeeds"} == {
        "first boot",
        "second boot",
    }
