"""Packages on a disk that is only edited: installed once, on the first boot with a network.

Writing a guest's RPM database from outside would need the same rpm with the same back end;
Photon changed both twice (Berkeley DB, then sqlite, then another path).
"""

from __future__ import annotations

from ..paths import guest, join

DIRECTORY = guest("/var/lib/photon-builder/packages")
"""Holds what is wanted; empty but for ``installed`` when that is done."""

WANTED = join(DIRECTORY, "wanted")
"""One package a line, as tdnf takes it; renamed to ``installed`` when that is done."""

FROM = join(DIRECTORY, "from")
"""Ids of the repositories to install from, one a line; absent for those that are enabled."""

STATES = join(DIRECTORY, "units")
"""``enabled``, ``disabled`` or ``masked`` and a unit a line: what to do after the installation."""

REPOSITORY = join(DIRECTORY, "repository")
"""The RPM files that came with the image, with their metadata."""

LOCAL = "photon-builder"
REPOSITORY_FILE = guest(f"/etc/yum.repos.d/{LOCAL}.repo")
REPOSITORY_TEXT = f"""\
[{LOCAL}]
name=RPM files that came with the image
baseurl=file://{REPOSITORY}
gpgcheck=0
enabled=0
"""
"""Not checked: the files came with the image, and others than Photon may have signed them."""

SCRIPT = guest("/usr/libexec/photon-builder/packages")
UNIT = "photon-builder-packages.service"
UNIT_PATH = guest(f"/etc/systemd/system/{UNIT}")
TARGET = "photon-builder-packages.target"

UNIT_TEXT = f"""\
[Unit]
Description=Install the packages chosen when this image was built
Wants=network-online.target time-sync.target
After=network-online.target time-sync.target resizefs.service photon-builder-package-key.service
ConditionPathExists={WANTED}

[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutStartSec=1h
StandardError=journal+console
ExecStart={SCRIPT}

[Install]
WantedBy=multi-user.target
"""

TRANSACTION_UNIT_TEXT = f"""\
[Unit]
Description=Install the packages that came with this image
After=local-fs.target resizefs.service
Before=docker.service photon-builder-preload.service remote-fs-pre.target
Wants=remote-fs-pre.target
ConditionPathExists={WANTED}

[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutStartSec=30min
StandardError=journal+console
ExecStart={SCRIPT}

[Install]
WantedBy=multi-user.target
"""
"""Nothing waits for a network: the files are there, and mounts may need what they bring."""
