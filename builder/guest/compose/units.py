"""Units by which compose projects run on the guest, one instance a project.

Source: systemd.service(5), systemd.unit(5). ``Restart=`` is refused for oneshot units before
systemd 244, so Photon 3.0 and an unknown release get none; a second unit tries again there, and
wherever what a project needs fails before the project is started.
"""

from builder.engine.text.packages import UNIT
from builder.engine.text.systemd import ETC
from builder.guestpath import GuestPath, guest, join

OLD_RELEASES = frozenset({"3.0", ""})
NAME = "photon-builder-compose@"
PATH = join(ETC, f"{NAME}.service")
RETRY_PATH = join(ETC, "photon-builder-compose-retry@.service")
PLUGIN = "/usr/local/lib/docker/cli-plugins/docker-compose"
"""Where Docker's command line looks for plugins first; the file also runs by itself."""

PACKAGED_PLUGIN = guest("/usr/libexec/docker/cli-plugins/docker-compose")
"""Where Photon's own package has it, since October 2024."""

_EITHER = (
    "/bin/sh -c 'if /usr/bin/docker compose version >/dev/null 2>&1; "
    'then exec /usr/bin/docker compose "$$@"; '
    'else exec /usr/bin/docker-compose "$$@"; fi\' sh'
)
"""What Photon's package brings: the command alone before October 2024, the plugin too since."""

_AGAIN_SECONDS = 20
_ONLINE = "network-online.target time-sync.target"
NETWORK = f"[Unit]\nWants={_ONLINE}\nAfter={_ONLINE}\n"
"""The drop-in of a project that pulls its images."""


def unit_of(project: str) -> str:
    """Return the unit that runs a project."""
    return f"{NAME}{project}.service"


def network_path(project: str) -> GuestPath:
    """Return the drop-in by which one project waits for the network."""
    return join(ETC, f"{unit_of(project)}.d", "10-photon-builder-network.conf")


def format_unit(
    *, release: str, standalone: bool, packages: bool = False, online: bool = True
) -> str:
    """Return the template unit.

    Args:
        release: Photon release; empty when it is not known.
        standalone: Run our plugin, by itself where Docker may know none: before 19.03.
        packages: Whether packages are installed first, of which the engine may be one.
        online: Whether every project waits for the network; else a drop-in says so.
    """
    network = f" {_ONLINE}" if online else ""
    first = f" {UNIT}" if packages else ""
    old = release in OLD_RELEASES
    compose = _EITHER if not standalone else PLUGIN if old else "/usr/bin/docker compose"
    again = "" if old else f"Restart=on-failure\nRestartSec={_AGAIN_SECONDS}\n"
    return f"""\
[Unit]
Description=Compose application %i
Requires=docker.service
Wants={network.lstrip()}{" " * online}photon-builder-preload.service{first}
After=docker.service{network} photon-builder-preload.service{first} \
iptables.service resizefs.service
ConditionPathExists=/opt/compose/%i/compose.yaml
StartLimitIntervalSec=0
OnFailure=photon-builder-compose-retry@%i.service

[Service]
Type=oneshot
RemainAfterExit=yes
WorkingDirectory=/opt/compose/%i
ExecStart={compose} --project-name %i up --detach --remove-orphans
ExecReload={compose} --project-name %i up --detach --remove-orphans
ExecStop={compose} --project-name %i stop
TimeoutStartSec=30min
{again}
[Install]
WantedBy=multi-user.target
"""


def format_retry_unit() -> str:
    """Return the template unit that starts a failed project again after a while."""
    return f"""\
[Unit]
Description=Start compose application %i again

[Service]
Type=oneshot
ExecStart=/usr/bin/sleep {_AGAIN_SECONDS}
ExecStart=/usr/bin/systemctl --no-block start {NAME}%i.service
"""
