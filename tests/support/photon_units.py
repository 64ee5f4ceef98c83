"""systemd units of a Photon root, and which of them are enabled."""

from typing import Final

from tests.support.photon_releases import Release
from tests.support.tree import Directory, Link, Tree, text

_UNITS: Final = "/usr/lib/systemd/system"
_ETC: Final = "/etc/systemd/system"


def _service(
    description: str, start: str, install: str = "WantedBy=multi-user.target", more: str = ""
) -> str:
    """Write a plain service; ``more`` is lines of its [Unit] section."""
    section = f"\n[Install]\n{install}\n" if install else ""
    return f"[Unit]\nDescription={description}\n{more}\n[Service]\nExecStart={start}\n{section}"


_NETWORKD_INSTALL: Final = (
    "WantedBy=multi-user.target\nAlso=systemd-networkd.socket\n"
    "Alias=dbus-org.freedesktop.network1.service\n"
    "Also=systemd-networkd-wait-online.service"
)

SERVICES: Final = {
    "systemd-networkd.service": _service(
        "Network Configuration", "/usr/lib/systemd/systemd-networkd", _NETWORKD_INSTALL
    ),
    "systemd-networkd-wait-online.service": _service(
        "Wait for Network to be Configured",
        "/usr/lib/systemd/systemd-networkd-wait-online",
        "WantedBy=network-online.target",
    ),
    "systemd-resolved.service": _service(
        "Network Name Resolution",
        "/usr/lib/systemd/systemd-resolved",
        "WantedBy=multi-user.target\nAlias=dbus-org.freedesktop.resolve1.service",
    ),
    "systemd-timesyncd.service": _service(
        "Network Time Synchronization",
        "/usr/lib/systemd/systemd-timesyncd",
        "WantedBy=sysinit.target\nAlias=dbus-org.freedesktop.timesync1.service",
    ),
    "systemd-networkd.socket": (
        "[Unit]\nDescription=Network Service Netlink Socket\n\n[Socket]\n"
        "ListenNetlink=route 1361\n\n[Install]\nWantedBy=sockets.target\n"
    ),
    "remote-fs.target": (
        "[Unit]\nDescription=Remote File Systems\n\n[Install]\nWantedBy=multi-user.target\n"
    ),
    "getty@.service": (
        "[Unit]\nDescription=Getty on %I\n\n[Service]\n"
        "ExecStart=-/sbin/agetty --noclear - $TERM\nTTYPath=/dev/%I\n\n"
        "[Install]\nWantedBy=getty.target\nDefaultInstance=tty1\n"
    ),
    "multi-user.target": "[Unit]\nDescription=Multi-User System\nAllowIsolate=yes\n",
    "graphical.target": "[Unit]\nDescription=Graphical Interface\nAllowIsolate=yes\n",
    "network.target": "[Unit]\nDescription=Network\n",
    "network-online.target": "[Unit]\nDescription=Network is Online\n",
    "sockets.target": "[Unit]\nDescription=Socket Units\n",
    "sysinit.target": "[Unit]\nDescription=System Initialization\n",
    "timers.target": "[Unit]\nDescription=Timer Units\n",
    "tmp.mount": (
        "[Unit]\nDescription=Temporary Directory /tmp\n\n[Mount]\nWhat=tmpfs\nWhere=/tmp\n"
        "Type=tmpfs\nOptions=mode=1777,strictatime,nosuid,nodev\n"
    ),
}
"""Units that a systemd package brings; a root with a real systemd keeps its own."""

PHOTON_SERVICES: Final = {
    "docker.service": _service(
        "Docker Application Container Engine",
        "/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock",
        more="Wants=network-online.target\nRequires=docker.socket containerd.service\n"
        "After=network-online.target docker.socket containerd.service\n",
    ),
    "docker.socket": (
        "[Unit]\nDescription=Docker Socket for the API\n\n[Socket]\n"
        "ListenStream=/run/docker.sock\nSocketMode=0660\nSocketUser=root\nSocketGroup=docker\n\n"
        "[Install]\nWantedBy=sockets.target\n"
    ),
    "containerd.service": _service(
        "containerd container runtime", "/usr/bin/containerd", more="After=network.target\n"
    ),
    "iptables.service": (
        "[Unit]\nDescription=Packet filter\nAfter=network.target\n\n[Service]\nType=forking\n"
        "ExecStart=/etc/systemd/scripts/iptables\nExecStop=/etc/systemd/scripts/iptables.stop\n"
        "RemainAfterExit=yes\n\n[Install]\nWantedBy=multi-user.target\n"
    ),
    "sshd.service": _service(
        "OpenSSH Daemon", "/usr/sbin/sshd -D", more="After=network.target sshd-keygen.service\n"
    ).replace("ExecStart", "RuntimeDirectory=sshd\nExecStart"),
    "sshd-keygen.service": (
        "[Unit]\nDescription=Generate sshd host keys\n"
        "ConditionPathExists=|!/etc/ssh/ssh_host_rsa_key\n"
        "ConditionPathExists=|!/etc/ssh/ssh_host_ecdsa_key\n"
        "ConditionPathExists=|!/etc/ssh/ssh_host_ed25519_key\n\n[Service]\nType=oneshot\n"
        "ExecStart=/usr/bin/ssh-keygen -A\nRemainAfterExit=yes\n\n"
        "[Install]\nWantedBy=multi-user.target\n"
    ),
    "sshd.socket": (
        "[Unit]\nDescription=Port 22 for one server a connection\nConflicts=sshd.service\n\n"
        "[Socket]\nListenStream=22\nAccept=yes\n\n[Install]\nWantedBy=sockets.target\n"
    ),
    "sshd@.service": (
        "[Unit]\nDescription=OpenSSH Daemon, one connection\n\n[Service]\n"
        "ExecStart=-/usr/sbin/sshd -i\nStandardInput=socket\n"
    ),
    "vmtoolsd.service": _service("VMware guest tools", "/usr/bin/vmtoolsd"),
    "vgauthd.service": _service("VMware guest authentication", "/usr/bin/VGAuthService -s"),
    "cloud-init.target": (
        "[Unit]\nDescription=Cloud-init target\n\n[Install]\nWantedBy=multi-user.target\n"
    ),
    "cloud-init-local.service": _service(
        "Initial cloud-init job (pre-networking)",
        "/usr/bin/cloud-init init --local",
        "WantedBy=cloud-init.target",
    ),
    "cloud-init.service": _service(
        "Initial cloud-init job",
        "/usr/bin/cloud-init init",
        "WantedBy=cloud-init.target",
        more="Wants=sshd-keygen.service\nWants=sshd.service\n"
        "Before=sshd-keygen.service\nBefore=sshd.service\n",
    ),
    "cloud-config.service": _service(
        "Apply cloud-config", "/usr/bin/cloud-init modules", "WantedBy=cloud-init.target"
    ),
    "cloud-final.service": _service(
        "Execute cloud user scripts", "/usr/bin/cloud-init final", "WantedBy=cloud-init.target"
    ),
    "rpcbind.service": _service("RPC bind", "/usr/bin/rpcbind -w"),
}
"""Units whose Photon form matters to what a spec may ask for."""

_ENABLED: Final = {
    "multi-user.target.wants": (
        "sshd.service", "sshd-keygen.service", "iptables.service", "vmtoolsd.service",
        "vgauthd.service", "cloud-init.target", "systemd-networkd.service",
        "systemd-resolved.service", "remote-fs.target",
    ),
    "network-online.target.wants": ("systemd-networkd-wait-online.service",),
    "sockets.target.wants": ("systemd-networkd.socket",),
    "sysinit.target.wants": ("systemd-timesyncd.service",),
    "cloud-init.target.wants": (
        "cloud-init-local.service", "cloud-init.service", "cloud-config.service",
        "cloud-final.service",
    ),
}  # fmt: skip
_ALIASES: Final = {
    "dbus-org.freedesktop.network1.service": "systemd-networkd.service",
    "dbus-org.freedesktop.resolve1.service": "systemd-resolved.service",
    "dbus-org.freedesktop.timesync1.service": "systemd-timesyncd.service",
}
_PRESETS: Final = """\
enable remote-fs.target
enable remote-cryptsetup.target
enable machines.target
enable getty@1.service
enable systemd-timesyncd.service
enable systemd-networkd.service
enable systemd-networkd-wait-online.service
enable systemd-resolved.service
"""


def enablement(release: Release) -> Tree:
    """Return the links and presets that say which units start."""
    tree: Tree = {
        f"{_ETC}/{wants}/{unit}": Link(f"{_UNITS}/{unit}")
        for wants, units in _ENABLED.items()
        for unit in units
    }
    tree[f"{_ETC}/getty.target.wants/getty@tty1.service"] = Link(f"{_UNITS}/getty@.service")
    tree |= {f"{_ETC}/{alias}": Link(f"{_UNITS}/{unit}") for alias, unit in _ALIASES.items()}
    presets = "/usr/lib/systemd/system-preset"
    tree[f"{presets}/50-docker.preset"] = text("disable docker.service\n")
    tree[f"{presets}/50-containerd.preset"] = text("disable containerd.service\n")
    tree[f"{presets}/50-rpcbind.preset"] = text("disable rpcbind.service\n")
    if release.number != "3.0":
        tree[f"{presets}/10-defaults.preset"] = text(_PRESETS)
    if release.number == "5.0":
        tree[f"{_ETC}/sockets.target.wants/sshd.socket"] = Link(f"{_UNITS}/sshd.socket")
    tree[f"{_UNITS}/default.target"] = Link("multi-user.target")
    tree["/etc/systemd/system-preset"] = Directory()
    return tree


def units(named: dict[str, str]) -> Tree:
    """Return unit files as a tree."""
    return {f"{_UNITS}/{name}": text(content) for name, content in named.items()}
