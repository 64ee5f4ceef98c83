"""Where Photon keeps its repositories and the keys that sign packages.

Source: vmware/photon SPECS/photon-repos at the commits of the published bases; tdnf 2.1.1,
client/rpmtrans.c and client/gpgcheck.c: an empty keyring, one key a repository, and rpm's own
check, which knows what was imported. tdnf 3.0.0 takes several keys, and imports them itself.
"""

from builder.guestpath import guest

FILES = guest("/etc/yum.repos.d/*.repo")
OLD_KEY = guest("/etc/pki/rpm-gpg/VMWARE-RPM-GPG-KEY")
KEY = guest("/etc/pki/rpm-gpg/VMWARE-RPM-GPG-KEY-4096")
"""Signs packages since 2024; its fingerprint is 0FBE7030274CF4B5A71A9A0775C009EA8A6A826D."""

UNIT = "photon-builder-package-key.service"
UNIT_PATH = guest(f"/etc/systemd/system/{UNIT}")
_STAMP = guest("/var/lib/photon-builder/package-key.done")

UNIT_TEXT = f"""\
[Unit]
Description=Let rpm know the key that signs packages
After=local-fs.target resizefs.service
ConditionPathExists=!{_STAMP}
ConditionFileIsExecutable=/usr/bin/rpm

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/rpm --import {OLD_KEY} {KEY}
ExecStartPost=/usr/bin/mkdir -p {_STAMP.rpartition("/")[0]}
ExecStartPost=/usr/bin/touch {_STAMP}

[Install]
WantedBy=multi-user.target
"""


def key_line(*keys: str) -> str:
    """Return the line of a .repo file that names keys, with its newline."""
    return f"gpgkey={' '.join(f'file://{key}' for key in keys)}\n"
