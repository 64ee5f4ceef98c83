"""Settings of a sample that differ by release and image: identity, network, ssh, repositories.

Source: the files of ``SPECS/photon-release``, ``SPECS/systemd``, ``SPECS/openssh`` and
``SPECS/photon-repos`` at each revision.
"""

from builder.facts import Facts
from builder.facts.data import covers, row_for, table

_KEYS = "/etc/pki/rpm-gpg"
_DHCP = "[Match]\nName=e*\n\n[Network]\nDHCP=yes\nIPv6AcceptRA=no\n"
_UPSTREAM = {
    "Port": "22",
    "PermitRootLogin": "prohibit-password",
    "StrictModes": "yes",
    "MaxAuthTries": "6",
    "PasswordAuthentication": "yes",
    "UsePAM": "no",
    "AllowAgentForwarding": "yes",
    "AllowTcpForwarding": "yes",
    "TCPKeepAlive": "yes",
    "Compression": "delayed",
    "ClientAliveCountMax": "3",
}
"""Defaults that the file of OpenSSH has as comments."""

_IN_PLACE = "3.0-Rev3-U1 5.0"
"""Revisions whose package edits those comments; others append lines."""

_SUBSYSTEM = "Subsystem\tsftp\t/usr/libexec/sftp-server\n"
_MEDIUM = "file:///mnt/cdrom/RPMS"
_PUBLISHED = "photon-updates"


def system_files(facts: Facts) -> dict[str, str]:
    """Return the settings by path."""
    return {
        **_identity(facts),
        **_network(facts),
        **_repositories(facts),
        "/etc/ssh/sshd_config": _sshd_config(facts),
    }


def _identity(facts: Facts) -> dict[str, str]:
    """Return the files that say what this system is."""
    number = facts.release
    return {
        "/usr/lib/os-release": (
            f'NAME="VMware Photon OS"\nVERSION="{number}"\nID=photon\nVERSION_ID={number}\n'
            'PRETTY_NAME="VMware Photon OS/Linux"\nANSI_COLOR="1;34"\n'
            'HOME_URL="https://vmware.github.io/photon/"\n'
            'BUG_REPORT_URL="https://github.com/vmware/photon/issues"\n'
        ),
        "/etc/photon-release": f"VMware Photon OS {number}\nPHOTON_BUILD_NUMBER={facts.build}\n",
    }


def _network(facts: Facts) -> dict[str, str]:
    """Return the network settings of networkd, resolved and the kernel."""
    tables = table("system")
    release = "\n[DHCPv4]\nSendRelease=no\n" if facts.release == "5.0" else ""
    resolved = row_for(tables["network"]["resolved"], facts.revision)["lines"]
    return {
        "/etc/systemd/network/99-dhcp-en.network": (f"{_DHCP}{release}"),
        "/etc/systemd/resolved.conf": ("".join(f"{line}\n" for line in ("[Resolve]", *resolved))),
        tables["sysctl"]["path"]: "".join(
            f"{key} = {value}\n" for key, value in tables["sysctl"]["keys"].items()
        ),
    }


def _sshd_config(facts: Facts) -> str:
    """Return sshd's configuration as the package has it, with what the installer does to it."""
    edited = table("system")["sshd"]["images"].get(facts.image, "").split()
    lines = dict(line.split() for line in facts.sshd_lines)
    if edited:
        lines[edited[0]] = edited[1]
    in_place = covers(_IN_PLACE, facts.revision)
    text = ""
    for key, value in _UPSTREAM.items():
        text += f"{key} {lines.pop(key)}\n" if in_place and key in lines else f"#{key} {value}\n"
    text += f"AuthorizedKeysFile\t.ssh/authorized_keys\n{_SUBSYSTEM}"
    return text + "".join(f"{key} {value}\n" for key, value in lines.items())


def _repositories(facts: Facts) -> dict[str, str]:
    """Return the package sources and the keys that packages are checked with."""
    known = {each.name: (each.is_enabled, each.address) for each in facts.repositories}
    updates = known[_PUBLISHED][1]
    known["photon-debuginfo"] = (False, updates.replace("_updates_", "_debuginfo_"))
    known["photon-iso"] = (False, _MEDIUM)
    if facts.release == "5.0":
        known["photon-srpms"] = (False, updates.replace("_updates_", "_srpms_"))
    keys = [
        f"{_KEYS}/{row['name']}"
        for row in table("system")["repositories"]["key_files"]
        if covers(row["on"], facts.revision)
    ]
    named = " ".join(f"file://{key}" for key in keys)
    files = {key: f"This stands for {key.rpartition('/')[2]}.\n" for key in keys}
    for name, (is_enabled, address) in known.items():
        files[f"/etc/yum.repos.d/{name}.repo"] = (
            f"[{name}]\nname=VMware Photon Linux $releasever ($basearch), {name}\n"
            f"baseurl={address}\ngpgkey={named}\ngpgcheck=1\nenabled={int(is_enabled)}\n"
            "skip_if_unavailable=1\n"
        )
    return files
