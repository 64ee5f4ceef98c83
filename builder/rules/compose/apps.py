"""Rules of what runs in containers: settings and secrets that images read from variables.

Source: Pi-hole's guide for the move from version 5 to version 6.
"""

import re
from collections.abc import Iterator
from typing import Any

from builder.errors import Diagnostic, KeyPath
from builder.rules.compose.env_files import is_secret_name, secrets_in_files
from builder.rules.compose.projects import Project, environment, iter_services
from builder.rules.model import Rule, Subject, error, warning
from builder.rules.zones import is_zone, zone_hint

_OLD_PIHOLE = re.compile(r"20(?:1\d|2[0-4])[.].*|v?[1-5](?:[.].*)?")
_PIHOLE = {
    "WEBPASSWORD": "FTLCONF_webserver_api_password",
    "DNSMASQ_LISTENING": "FTLCONF_dns_listeningMode",
    "PIHOLE_DNS_": "FTLCONF_dns_upstreams",
    "DNS1": "FTLCONF_dns_upstreams",
    "DNS2": "FTLCONF_dns_upstreams",
    "DNSSEC": "FTLCONF_dns_dnssec",
    "DNS_BOGUS_PRIV": "FTLCONF_dns_bogusPriv",
    "DNS_FQDN_REQUIRED": "FTLCONF_dns_domainNeeded",
    "REV_SERVER": "FTLCONF_dns_revServers",
    "VIRTUAL_HOST": "FTLCONF_webserver_domain",
    "WEB_PORT": "FTLCONF_webserver_port",
    "WEBTHEME": "FTLCONF_webserver_interface_theme",
    "DHCP_ACTIVE": "FTLCONF_dhcp_active",
    "DHCP_START": "FTLCONF_dhcp_start",
    "DHCP_END": "FTLCONF_dhcp_end",
    "DHCP_ROUTER": "FTLCONF_dhcp_router",
    "DHCP_LEASETIME": "FTLCONF_dhcp_leaseTime",
    "FTLCONF_LOCAL_IPV4": "FTLCONF_dns_reply_host_IPv4",
    "ServerIP": "FTLCONF_dns_reply_host_IPv4",
}


def _pihole(subject: Subject) -> Iterator[Diagnostic]:
    """Find variables that Pi-hole 6 no longer reads."""
    for project, path, service in iter_services(subject):
        name, _, tag = str(service.get("image", "")).rpartition("/")[2].partition(":")
        if name != "pihole" or _OLD_PIHOLE.fullmatch(tag):
            continue
        for step, variable, _ in environment(service):
            if variable in _PIHOLE:
                message = f"{variable} is of Pi-hole 5; version 6 does not read it"
                hint = f"write {_PIHOLE[variable]}"
                yield project.find((*path, "environment", step), message, hint)


def _zones(subject: Subject) -> Iterator[Diagnostic]:
    """Find time zones that do not exist, in the variable that images read."""
    for project, path, service in iter_services(subject):
        for step, variable, value in environment(service):
            if variable == "TZ" and value and not value.startswith(":") and not is_zone(value):
                message = f"there is no time zone {value!r}"
                yield project.find((*path, "environment", step), message, zone_hint(value))


def _secrets(subject: Subject) -> Iterator[Diagnostic]:
    """Find secrets that are written into a compose file, or into its files of variables."""
    yield from secrets_in_files(subject)
    for project, path, service in iter_services(subject):
        for step, variable, value in environment(service):
            at = (*path, "environment", step)
            if is_secret_name(variable) and value and "$" not in _original(project, at):
                message = f"{variable} is written into the compose file in plain text"
                hint = f"write ${{{variable}}}, and `env: {{{variable}: {{env: …}}}}` in the spec"
                yield project.find(at, message, hint)


def _original(project: Project, path: KeyPath) -> str:
    """Return what the file says before variables are put in."""
    value: Any = project.document.value
    for step in path:
        value = value[step]
    return str(value)


RULES: tuple[Rule, ...] = (
    warning(
        "CMP016",
        "a variable of Pi-hole 5",
        "Pi-hole 6 reads FTLCONF_… variables only and ignores the old names without a word: the "
        "password, for one, is then drawn at random. Images since 2025.02 are version 6.",
        _pihole,
    ),
    error(
        "CMP017",
        "a container's time zone does not exist",
        "An image that does not know the zone in TZ falls back to UTC in silence. Zones are named "
        "Area/City, as in the IANA database.",
        _zones,
    ),
    warning(
        "SEC005",
        "a secret in a compose file, or in its variables",
        "The compose file and the files of `env_file` are copied into the image and lie in your "
        "repository. Write ${NAME} in them and give NAME by reference under `env` of the project: "
        "it goes into a .env that only root can read. A .env with secrets that is kept out of the "
        "repository is as good; `allow: [SEC005]` says so.",
        _secrets,
    ),
)
