"""Texts of the configuration files that a Photon root holds, by release.

Own words with the effect of Photon's files; facts such as defaults, modes and numbers are theirs.
"""

from collections.abc import Iterator
from typing import Final

from tests.support.photon_boot import boot_files, fstab
from tests.support.photon_releases import Placement, Release
from tests.support.tree import File, Tree, text


def configuration(release: Release, placement: Placement) -> Tree:
    """Return the files below ``/etc`` and ``/boot`` that are text and belong to no unit."""
    return {
        **dict(_identity(release)),
        **dict(_accounts(release)),
        **dict(_network(release)),
        **dict(_firewall(release)),
        **dict(boot_files(release, placement)),
        **dict(_repositories(release)),
        "/etc/fstab": text(fstab(release, placement)),
        "/etc/ssh/sshd_config": text(_sshd_config(release), 0o600),
    }


def _identity(release: Release) -> Iterator[tuple[str, File]]:
    """Yield the files that say what this system is."""
    number = release.number
    yield (
        "/etc/os-release",
        text(
            f'NAME="VMware Photon OS"\nVERSION="{number}"\nID=photon\nVERSION_ID={number}\n'
            f'PRETTY_NAME="VMware Photon OS/Linux"\nANSI_COLOR="1;34"\n'
            f'HOME_URL="https://vmware.github.io/photon/"\n'
            f'BUG_REPORT_URL="https://github.com/vmware/photon/issues"\n'
        ),
    )
    yield (
        "/etc/photon-release",
        text(f"VMware Photon OS {number}\nPHOTON_BUILD_NUMBER={release.build}\n"),
    )
    yield "/etc/hostname", text("photon-machine\n")
    yield (
        "/etc/hosts",
        text("::1         ipv6-localhost ipv6-loopback\n127.0.0.1   localhost.localdomain\n"
             "127.0.0.1   localhost\n127.0.0.1   photon-machine\n"),
    )  # fmt: skip
    yield "/etc/machine-id", text("", 0o444)
    yield "/etc/locale.conf", text("LANG=en_US.UTF-8\n")
    yield "/etc/profile", text("export PATH=/bin:/usr/bin:/sbin:/usr/sbin\numask 027\n")
    yield "/etc/shells", text("/bin/sh\n/bin/bash\n/usr/bin/sh\n/usr/bin/bash\n")
    yield "/etc/issue", text("Welcome to Photon (\\m) - Kernel \\r (\\l)\n")
    yield "/etc/motd", text("")
    yield "/etc/nsswitch.conf", text("passwd: files\ngroup: files\nhosts: files resolve dns\n")


_ACCOUNTS: Final = """\
root:x:0:0:root:/root:/bin/bash
bin:x:1:1:bin:/dev/null:/bin/false
daemon:x:6:6:Daemon User:/dev/null:/bin/false
messagebus:x:18:18:D-Bus Message Daemon User:/var/run/dbus:/bin/false
sshd:x:50:50:sshd PrivSep:/var/lib/sshd:/bin/false
systemd-network:x:76:76:systemd Network Management:/:/usr/bin/false
systemd-resolve:x:77:77:systemd Resolver:/:/usr/bin/false
systemd-timesync:x:78:78:systemd Time Synchronization:/:/usr/bin/false
nobody:x:65534:65533:Unprivileged User:/dev/null:/bin/false
"""
_GROUPS: Final = (
    ("root", 0), ("bin", 1), ("sys", 2), ("kmem", 3), ("tape", 4), ("tty", 5), ("daemon", 6),
    ("disk", 8), ("lp", 9), ("dialout", 10), ("audio", 11), ("video", 12), ("utmp", 13),
    ("cdrom", 15), ("adm", 16), ("messagebus", 18), ("input", 24), ("mail", 34), ("sudo", 27),
    ("wheel", 28), ("sshd", 50), ("systemd-network", 76), ("systemd-resolve", 77),
    ("systemd-timesync", 78), ("users", 100), ("nogroup", 65533), ("docker", 999),
)  # fmt: skip


def _accounts(release: Release) -> Iterator[tuple[str, File]]:
    """Yield the account files: root's password is ``changeme`` and must be changed at once."""
    names = [line.split(":")[0] for line in _ACCOUNTS.splitlines()]
    changeme = "$6$photonphoton$" + "Zq1pJ6d3sT" * 8 + "abcdef"
    shadow = f"root:{changeme}:0:0:90:7:::\n"
    shadow += "".join(f"{name}:*:19000:0:90:7:::\n" for name in names[1:])
    yield "/etc/passwd", text(_ACCOUNTS)
    yield "/etc/group", text("".join(f"{name}:x:{number}:\n" for name, number in _GROUPS))
    yield "/etc/shadow", text(shadow, 0o600)
    yield "/etc/gshadow", text("".join(f"{name}:*::\n" for name, _ in _GROUPS), 0o600)
    encrypt = "" if release.number == "5.0" else "#"
    yield (
        "/etc/login.defs",
        text(
            "# Defaults of useradd, passwd and login.\nMAIL_DIR /var/mail\nPASS_MAX_DAYS\t90\n"
            "PASS_MIN_DAYS\t0\nPASS_WARN_AGE\t7\nUID_MIN\t1000\nUID_MAX\t60000\nGID_MIN\t1000\n"
            f"GID_MAX\t60000\nUMASK\t077\nUSERGROUPS_ENAB no\n{encrypt}ENCRYPT_METHOD SHA512\n"
        ),
    )
    yield (
        "/etc/default/useradd",
        text("GROUP=100\nHOME=/home\nINACTIVE=-1\nEXPIRE=\nSHELL=/bin/bash\nSKEL=/etc/skel\n"),
    )
    # An installer that was given no key still writes the file, with one empty line.
    yield "/root/.ssh/authorized_keys", text("\n", 0o600)


def _network(release: Release) -> Iterator[tuple[str, File]]:
    """Yield what networkd, resolved, timesyncd and the kernel are told about the network."""
    dhcp = "[Match]\nName=e*\n\n[Network]\nDHCP=yes\nIPv6AcceptRA=no\n"
    if release.number == "5.0":
        dhcp += "\n[DHCPv4]\nSendRelease=no\n"
    yield "/etc/systemd/network/99-dhcp-en.network", text(dhcp)
    yield (
        "/etc/systemd/resolved.conf",
        text("[Resolve]\n#DNS=\n#Domains=\nLLMNR=no\nDNSSEC=no\nDNSOverTLS=no\n"),
    )
    yield "/etc/systemd/timesyncd.conf", text("[Time]\n#NTP=\n#FallbackNTP=time.google.com\n")
    yield (
        "/etc/sysctl.d/50-security-hardening.conf",
        text(
            "net.ipv4.ip_forward = 0\nnet.ipv6.conf.all.forwarding = 0\nkernel.kptr_restrict = 2\n"
            "kernel.dmesg_restrict = 1\nkernel.sysrq = 0\nkernel.randomize_va_space = 2\n"
            "fs.suid_dumpable = 0\n"
        ),
    )


_FILTER: Final = """\
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT DROP [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
{more}-A OUTPUT -j ACCEPT
COMMIT
"""
_IPV6: Final = """\
-A INPUT -p ipv6-icmp -j ACCEPT
-A INPUT -p udp -m udp --sport 547 --dport 546 -j ACCEPT
"""
_FIREWALL_UP: Final = """\
#!/bin/sh
# Closes everything, forgets old rules, then loads the saved ones.
for tool in iptables ip6tables; do
  for chain in INPUT FORWARD OUTPUT; do
    $tool -P $chain DROP
  done
  for table in filter nat mangle; do
    $tool -t $table -F
    $tool -t $table -X
  done
done
iptables-restore < /etc/systemd/scripts/ip4save
ip6tables-restore < /etc/systemd/scripts/ip6save
"""
_FIREWALL_DOWN: Final = """\
#!/bin/sh
for tool in iptables ip6tables; do
  $tool -F
  for chain in INPUT FORWARD OUTPUT; do
    $tool -P $chain ACCEPT
  done
done
"""


def _firewall(release: Release) -> Iterator[tuple[str, File]]:
    """Yield the packet filter: only ssh comes in, in early revisions not even ICMPv6."""
    more = "" if release.ga or release.number == "4.0" else _IPV6
    yield "/etc/systemd/scripts/iptables", text(_FIREWALL_UP, 0o755)
    yield "/etc/systemd/scripts/iptables.stop", text(_FIREWALL_DOWN, 0o755)
    yield "/etc/systemd/scripts/ip4save", text(_FILTER.format(more=""))
    yield "/etc/systemd/scripts/ip6save", text(_FILTER.format(more=more))


def _sshd_config(release: Release) -> str:
    """Return sshd's configuration as an OVA has it: root may log in with a password."""
    upstream = (
        "#Port 22\n#AddressFamily any\n#ListenAddress 0.0.0.0\n#ListenAddress ::\n\n"
        "#PermitRootLogin prohibit-password\n#StrictModes yes\n#MaxAuthTries 6\n"
        "AuthorizedKeysFile\t.ssh/authorized_keys\n#PasswordAuthentication yes\n"
        "#UsePAM no\n#AllowAgentForwarding yes\n#AllowTcpForwarding yes\n"
        "Subsystem\tsftp\t/usr/libexec/sftp-server\n"
    )
    tries = {"3.0": "MaxAuthTries 2\n", "5.0": "MaxAuthTries 4\n"}
    return (
        f"{upstream}AllowAgentForwarding no\nAllowTcpForwarding no\nClientAliveCountMax 2\n"
        f"Compression no\n{tries.get(release.number, '')}TCPKeepAlive no\nPermitRootLogin yes\n"
        "UsePAM yes\n"
    )


def _repositories(release: Release) -> Iterator[tuple[str, File]]:
    """Yield the package sources; which are on differs by release."""
    plain = "photon_release" if release.number == "3.0" else "photon"
    on = {
        "3.0": {"photon", "photon-updates", "photon-extras"},
        "4.0": {"photon-release", "photon-updates", "photon-extras"},
        "5.0": {"photon-updates"},
    }[release.number]
    stems = {"photon": plain, "photon-updates": "photon_updates", "photon-extras": "photon_extras",
             "photon-debuginfo": "photon_debuginfo"}  # fmt: skip
    if release.number != "3.0":
        stems["photon-release"] = "photon_release"
    if release.number == "5.0":
        stems["photon-srpms"] = "photon_srpms"
    host = "https://packages.vmware.com/photon/$releasever"
    if release.ga:
        host = "https://dl.bintray.com/vmware"
    bases = {name: f"{host}/{stem}_$releasever_$basearch" for name, stem in stems.items()}
    bases["photon-iso"] = "file:///mnt/cdrom/RPMS"
    for name, base in bases.items():
        yield (
            f"/etc/yum.repos.d/{name}.repo",
            text(
                f"[{name}]\nname=VMware Photon Linux {name}\nbaseurl={base}\n"
                "gpgkey=file:///etc/pki/rpm-gpg/VMWARE-RPM-GPG-KEY\ngpgcheck=1\n"
                f"enabled={int(name in on)}\nskip_if_unavailable=1\n"
            ),
        )
    yield (
        "/etc/tdnf/tdnf.conf",
        text(
            "[main]\ngpgcheck=1\ninstallonly_limit=3\nclean_requirements_on_remove=0\n"
            "repodir=/etc/yum.repos.d\ncachedir=/var/cache/tdnf\n"
        ),
    )
