"""Packages on a disk that is only edited: installed once, on the first boot with a network.

Writing a guest's RPM database from outside would need the same rpm with the same back end;
Photon changed both twice (Berkeley DB, then sqlite, then another path).
"""

from builder.guestpath import guest

DIRECTORY = guest("/var/lib/photon-builder/packages")
"""Holds the list of wanted packages and the RPM files that came with the image."""

WANTED = guest(f"{DIRECTORY}/wanted")
"""One package name a line; renamed to ``installed`` when that is done."""

SCRIPT = guest("/usr/libexec/photon-builder/packages")
UNIT = "photon-builder-packages.service"
UNIT_PATH = guest(f"/etc/systemd/system/{UNIT}")

SCRIPT_TEXT = f"""\
#!/bin/sh
# Installs what {WANTED} lists and the RPM files beside it, once.
set -eu
cd {DIRECTORY}
set -- $(cat wanted)
for file in ./*.rpm; do
  [ -e "$file" ] && set -- "$@" "$file"
done
until tdnf install --assumeyes "$@"; do
  echo "packages not installed yet, trying again in 20 seconds" >&2
  sleep 20
done
rm -f ./*.rpm
mv wanted installed
systemctl daemon-reload
"""

UNIT_TEXT = f"""\
[Unit]
Description=Install the packages chosen when this image was built
Wants=network-online.target
After=network-online.target resizefs.service
ConditionPathExists={WANTED}

[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutStartSec=30min
ExecStart={SCRIPT}

[Install]
WantedBy=multi-user.target
"""
