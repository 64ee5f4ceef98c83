"""What the tables say of the larger parts of a base, as records."""

from collections.abc import Mapping

from builder.structs import Struct, field


class Docker(Struct, frozen=True):
    """The container engine of a revision.

    Attributes:
        version: Such as ``19.03.10``.
        runc: Version of runc.
        units: Its units.
        has_cli_plugins: Whether ``docker compose`` finds a plugin.
        has_local_log_driver: Whether it knows the log driver ``local``; else, with log options
            set, dockerd does not start.
        seccomp_profile: Kernel that the profile is for without which images of today fail
            there, ``""`` where the engine's own does.
    """

    version: str
    runc: str
    units: tuple[str, ...]
    has_cli_plugins: bool
    has_local_log_driver: bool
    seccomp_profile: str


class Repository(Struct, frozen=True):
    """One section of the ``.repo`` files.

    Attributes:
        name: Its id, and the stem of its file.
        is_enabled: Whether tdnf uses it.
        address: ``baseurl``, with the variables of tdnf.
    """

    name: str
    is_enabled: bool
    address: str


class Installer(Struct, frozen=True):
    """The installer on a medium.

    Attributes:
        kind: What it is, in words.
        keys: Keys of a kickstart that it takes.
        refuses_other_keys: Whether another key ends the installation.
        mount: Where the medium is mounted.
        has_source: Whether its source can be read in the initrd.
        mkfs: Filesystems that the initrd can make.
        kernels: Kernels in its list of minimal packages.
    """

    kind: str
    keys: frozenset[str]
    refuses_other_keys: bool
    mount: str
    has_source: bool
    mkfs: tuple[str, ...]
    kernels: tuple[str, ...]


class CloudInit(Struct, frozen=True):
    """What an image's cloud.cfg says.

    Attributes:
        datasources: ``datasource_list``.
        users: ``root`` or ``default``: whom ``users`` names.
        disable_root: Whether root's ssh keys lead to a message only.
        reads_guestinfo: Whether its data source OVF reads properties from guestinfo, not from a
            CD-ROM alone.
    """

    datasources: tuple[str, ...]
    users: str
    disable_root: bool
    reads_guestinfo: bool = True


class Firewall(Struct, frozen=True):
    """Photon's packet filter.

    Attributes:
        has_icmpv6: Whether ``ip6save`` accepts ICMPv6, without which there is no IPv6.
        has_dhcpv6: Whether it accepts the answers of DHCPv6.
        sysctls: Kernel parameters that its script writes at each boot, with their values.
    """

    has_icmpv6: bool
    has_dhcpv6: bool
    sysctls: Mapping[str, int] = field(default_factory=dict)
