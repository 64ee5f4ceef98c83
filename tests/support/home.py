"""One overlay that uses much of what a spec can say, for guests that are booted and asked."""

from pathlib import Path
from typing import Final

from tests.support.bases import Base
from tests.support.program import Bench

OVERLAY: Final = """\
overlay:
  hostname: home-1
  timezone: Europe/Amsterdam
  users:
    root:
      password: {{env: ROOT_PASSWORD}}
      ssh_keys: ["file:{key}.pub"]
    ada: {{uid: 1000, groups: [wheel], password: {{env: ADA_PASSWORD}}}}
  network:
    eth0: {{addresses: [10.0.2.15/24], gateway: 10.0.2.2, dns: [10.0.2.3]}}
  services: {{enable: [systemd-networkd], disable: [vmtoolsd], mask: [systemd-timesyncd]}}
  sysctl: {{net.ipv4.ip_forward: 1, vm.swappiness: 10}}
  firewall: {{open: [8080/tcp], ping: true}}
  files:
    - {{path: /opt/app/run, content: "#!/bin/sh\\n", mode: "0755"}}
    - {{path: /usr/lib/app.conf, content: "x\\n", owner: ada, group: wheel}}
  first_boot:
    - {{name: hello, script: "#!/bin/sh\\necho hello\\n"}}
  mounts:
    - {{source: tmpfs, path: /mnt/scratch, type: tmpfs}}
    - {{source: "10.0.2.99:/nfs", path: /mnt/nfs, type: nfs}}{mounts}
  kernel: {{add: [audit=0]}}
"""
SHARE: Final = """
    - source: "10.0.2.2:/nfs"
      path: /mnt/share
      type: nfs
      options: [nofail, _netdev, x-systemd.automount, "port={port}"]"""
SECRETS: Final = {"ROOT_PASSWORD": "tr0ub4dor-homelab", "ADA_PASSWORD": "correct-horse-7"}
TOLD: Final = frozenset(
    {
        "ada logs in with the password",
        "root logs in with the password",
        "root logs in by ssh with a key",
        "the boot comes to its end",
        "the host has its name",
        "the time zone is set",
        "eth0 has its addresses",
        "eth0 has the router 10.0.2.2",
        "eth0 has its name servers",
        "net.ipv4.ip_forward is set",
        "/mnt/scratch is mounted",
        "/mnt/nfs is mounted",
        "systemd-timesyncd.service does not run",
        "systemd-timesyncd.service is masked",
        "sshd.service runs",
        "vmtoolsd.service is disabled",
        "the firewall is closed",
        "the packet filter has '-A INPUT -p tcp -m tcp --dport 8080 -j ACCEPT'",
        "ada is a user",
        "ada is in its groups",
        "/opt/app/run has the planned content",
        "/usr/lib/app.conf has mode 0644 and its owner",
        "the kernel has its arguments",
        "no unit has failed",
    }
)
"""What must have been asked of a guest with that overlay, on every boot."""
ONLY: Final = {
    "first boot": "the script hello has run",
    "second boot": "the script hello stays quiet",
}


def write_spec(bench: Bench, base: Base | Path, head: str, key: Path, nfs_port: int = 0) -> Path:
    """Write a spec with that overlay.

    Args:
        bench: Where it is written.
        base: What is customised.
        head: What is made of it: the target, and what that wants besides.
        key: A private key; root is let in with its public half.
        nfs_port: Where a file server of this machine listens, besides the one that is missing.
    """
    path = base.path if isinstance(base, Base) else base
    mounts = SHARE.format(port=nfs_port) if nfs_port else ""
    head = f"version: 1\nname: home\nbase: {{file: {path}}}\n{head}\n"
    return bench.write("specs/home.yaml", head + OVERLAY.format(key=key, mounts=mounts))
