"""The ssh server: who may log in, and how."""

from collections.abc import Iterator, Mapping
from typing import Any

from builder.blob import Blob
from builder.changes import EnsureLine, SetUnitState, UnitState, WriteFile
from builder.features import Context, Feature, Reasoned, Requested
from builder.features.openings import opening_changes
from builder.features.unit_states import SSHD, state_changes
from builder.guest import firewall, patterns
from builder.guestpath import guest

SCHEMA = {
    "type": "object",
    "description": "The ssh server; settings that are not named stay those of the base.",
    "additionalProperties": False,
    "properties": {
        "permit_root": {
            "enum": ["no", "keys", "yes", True, False],
            "x-aliases": {"prohibit-password": "keys", "without-password": "keys"},
            "description": "Whether root may log in; `keys` when `users` gives root some.",
        },
        "password": {"type": "boolean", "description": "Whether a password may do."},
        "tcp_forwarding": {"type": "boolean", "description": "Tunnels, as remote editors use."},
        "port": {"type": "integer", "minimum": 1, "maximum": 65535, "description": "TCP port."},
        "sftp": {
            "type": "boolean",
            "description": "Whether sftp, and scp of today, may copy files. Photon's images for "
            "clouds come without.",
        },
    },
}
CONFIG = guest("/etc/ssh/sshd_config")
DROPIN = guest("/etc/ssh/sshd_config.d/10-photon-builder.conf")
KEYS_DROPIN = guest("/etc/ssh/sshd_config.d/50-photon-builder-root-keys.conf")
INCLUDE = "Include /etc/ssh/sshd_config.d/*.conf"
WITHOUT_INCLUDE = frozenset({"3.0", ""})
"""OpenSSH knows Include since 8.2; 3.0 has 7.8, and the unknown release might be it."""
_PERMIT = {"no": "no", False: "no", "keys": "prohibit-password", "yes": "yes", True: "yes"}
_STANDARD_PORT = 22
_SFTP = f"^{patterns.BLANK}*[Ss]ubsystem{patterns.BLANK}+sftp{patterns.BLANK}"
"""sshd refuses to start with two of these lines, so ours takes the place of the base's."""
_SFTP_LINES = {True: "Subsystem sftp internal-sftp", False: "# no sftp: the spec has it off"}


def changes(value: Mapping[str, Any], context: Context) -> Iterator[Requested]:
    """Yield the server's settings, its units, and the firewall rule of another port."""
    settings = dict(_settings(value, context))
    if settings and context.release in WITHOUT_INCLUDE:
        for key, setting in settings.items():
            old = patterns.first_word(key)
            yield EnsureLine(CONFIG, f"{key} {setting}", before="", replaces=old, mode=0o600)
    elif settings:
        text = "".join(f"{key} {setting}\n" for key, setting in settings.items())
        yield WriteFile(DROPIN, Blob.text(text), 0o600)
        yield EnsureLine(CONFIG, INCLUDE, before="", mode=0o600)
    if "sftp" in value:
        sftp = _SFTP_LINES[value["sftp"]]
        yield EnsureLine(CONFIG, sftp, before="", replaces=_SFTP, mode=0o600)
    yield from server_changes("ssh is configured, so it shall run", context)
    port = value.get("port", _STANDARD_PORT)
    if port != _STANDARD_PORT:
        reason = f"sshd listens on {port}; Photon's firewall opens 22 only"
        yield from opening_changes(firewall.Opening(port, port), context, reason, ("port",))


def _settings(value: Mapping[str, Any], context: Context) -> Iterator[tuple[str, str]]:
    """Yield the keywords of sshd_config(5) that are decided, in the order of that file."""
    if "port" in value:
        yield "Port", str(value["port"])
    keys = bool(context.overlay.get("users", {}).get("root", {}).get("ssh_keys"))
    permit = _PERMIT.get(value.get("permit_root", "keys" if keys else None))
    if permit:
        yield "PermitRootLogin", permit
    password = value.get("password", True if permit == "yes" else None)
    if password is not None:
        yield "PasswordAuthentication", "yes" if password else "no"
    if "tcp_forwarding" in value:
        yield "AllowTcpForwarding", "yes" if value["tcp_forwarding"] else "no"


def server_changes(reason: str, context: Context) -> Iterator[Requested]:
    """Yield the units of the server; newer installers mask it."""
    yield from state_changes(SSHD, UnitState.ENABLED, context, reason)
    keygen = SetUnitState("sshd-keygen.service", UnitState.ENABLED, if_present=True)
    yield Reasoned(keygen, "it makes the host keys on the first boot")


FEATURE = Feature("ssh", "The ssh server", SCHEMA, changes, "{permit_root: keys, password: false}")
