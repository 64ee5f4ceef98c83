"""A script that runs until it has succeeded once: its unit and its stamp.

Source: systemd.unit(5) ConditionPathExists, systemd.exec(5) StateDirectory; both are
older than Photon 3.0's systemd 239.
"""

import re

from builder.engine.text.packages import UNIT
from builder.guestpath import guest

DIRECTORY = guest("/usr/libexec/photon-builder/first-boot")
_STATE = "photon-builder/first-boot"
_NETWORK = "network-online.target time-sync.target"


def unit_name(name: str) -> str:
    """Return the unit that runs the script ``name``."""
    return f"photon-builder-first-boot-{name}.service"


def format_unit(
    name: str,
    *,
    network: bool = False,
    after: str = "",
    packages: bool = False,
    variables: str = "",
) -> str:
    """Return the unit that runs the script ``name`` once.

    Args:
        name: The script's name in :data:`DIRECTORY`.
        network: Whether it waits for the network and a set clock.
        after: Unit that comes first; empty for none.
        packages: Whether packages are installed before it runs.
        variables: File of the variables that it gets; empty for none.
    """
    needs = " ".join(filter(None, (_NETWORK if network else "", UNIT if packages else "")))
    wants = f"Wants={needs}\n" if needs else ""
    order = " ".join(filter(None, ("resizefs.service", needs, after)))
    environment = f"EnvironmentFile={variables}\n" if variables else ""
    stamp = f"/var/lib/{_STATE}/{name}.done"
    return f"""\
[Unit]
Description=First boot: {name}
{wants}After={order}
ConditionPathExists=!{stamp}

[Service]
Type=oneshot
RemainAfterExit=yes
StateDirectory={_STATE}
TimeoutStartSec=30min
{environment}ExecStart={DIRECTORY}/{name}
ExecStartPost=/usr/bin/touch {stamp}

[Install]
WantedBy=multi-user.target
"""


def format_variable(name: str, value: str) -> str:
    """Return a line of an EnvironmentFile, systemd.exec(5), that means exactly ``value``."""
    escaped = re.sub(r'([\\"`$])', r"\\\1", value)
    return f'{name}="{escaped}"\n'
