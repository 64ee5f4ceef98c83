"""The text of ``photon-builder init``: a commented spec that is valid as it is.

Knows what differs between the kinds of targets for a reader: where an address comes from, and
who logs in. The rest is the same for all.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from builder.errors import UsageError
from builder.suggest import did_you_mean

if TYPE_CHECKING:
    from builder.targets import Group, Target

_LONGEST = 60

_CLOUDS = frozenset({"ami", "gce", "azure"})
_WITH_CLOUDS = frozenset({"all", "all-images"})
"""Groups of which some members get their network from a cloud, and all need a login."""

_CONTAINERS = frozenset({"photon-docker-image", "k8s-docker-images", "src-iso"})
_BASES = {
    "iso": ("5.0", "GA"),
    "minimal-iso": ("5.0", "GA"),
    "rt-iso": ("3.0", "Rev2 Update3"),
    "ova": ("3.0", "Rev2 Update3"),
    "ova_uefi": ("3.0", "Rev2 Update3"),
    "ami": ("3.0", "Rev2"),
    "gce": ("3.0", "Rev2"),
    "azure": ("3.0", "Rev2"),
    "rpi3": ("3.0", "Rev2"),
    "photon-docker-image": ("5.0", ""),
}
"""The newest base of each target that was published with a digest."""

_HEAD = """\
# yaml-language-server: $schema=../docs/spec.schema.json
#
#   photon-builder check {name}      every problem, without building
#   photon-builder plan {name}       what would be done, and why
#   make image SPEC={name}.yaml
version: 1
name: {value}
targets: [{target}]

# What to start from. A published artifact is downloaded once and checked against the digest that
# was published with it; `photon-builder catalog` lists them. `sample: true` is a small base that
# is made here in a second, for a first look: it shows everything, and does not boot.
base:
{base}

{sections}overlay:
"""
_MACHINE = """\
  hostname: {host}
  timezone: UTC                      # Area/City, such as Europe/Amsterdam
"""
_LOGIN = """
  users:
    root:
      # Drawn at the build and shown once. For one of your own:
      #   password: {env: ROOT_PASSWORD}
      password: {random: true}
      expire: never                  # or first-login, or a number of days
      # ssh_keys: ["file:~/.ssh/id_ed25519.pub"]
"""
_CLOUD_LOGIN = """
  # The cloud brings the first ssh key and the address; more accounts go here.
  # users:
  #   ada: {uid: 1000, sudo: nopasswd, ssh_keys: ["file:~/.ssh/id_ed25519.pub"]}
"""
_NETWORK = """
  network:
    eth0:
      dhcp: ipv4
      # A fixed address instead:
      #   addresses: [192.168.1.53/24]
      #   gateway: 192.168.1.1
      #   dns: [1.1.1.1, 9.9.9.9]
"""
_SERVICES = """
  services:
    enable: [docker]

  # Installed once, on the first boot with a network:
  # packages: [nfs-utils]
  # mounts:
  #   - {source: "192.168.1.10:/share", path: /mnt/share, type: nfs}

  # Container apps; the file is relative to this one:
  # compose:
  #   web: {file: web/compose.yaml}
"""
_FILES = """
  files:
    - path: /etc/motd
      content: |
        Built by photon-builder
"""


def make_spec_text(name: str, target: str) -> str:
    """Return a commented spec that is valid and plans without a complaint.

    Args:
        name: Names the artifacts; letters that no file name should have become hyphens.
        target: What it should build.

    Raises:
        UsageError: there is no such target.
    """
    from builder.targets import discover

    known = discover()
    if target not in known:
        hint = did_you_mean(target, sorted(known))
        raise UsageError(f"there is no target {target!r}", hint=hint)
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:_LONGEST] or "my-photon"
    head = _HEAD.format(
        name=safe,
        value=_value(safe),
        target=target,
        base=_base(target),
        sections=_sections(target, known),
    )
    if target in _CONTAINERS:
        return head + _FILES.lstrip("\n")
    machine = _MACHINE.format(host=_value(_host(safe)))
    access = _CLOUD_LOGIN if target in _CLOUDS else _LOGIN
    if target not in _CLOUDS | _WITH_CLOUDS:
        access += _NETWORK
    return head + machine + access + _SERVICES + _FILES


def _sections(target: str, known: Mapping[str, "Target | Group"]) -> str:
    """Return the sections that a target, or a member of a group, has to be given."""
    names = getattr(known[target], "members", (target,))
    found: dict[str, Any] = {}
    for entry in (known[name] for name in names if name in known):
        found |= getattr(entry, "sections", {})
    return "".join(
        f"# {schema['description'][:1].upper()}{schema['description'][1:]}.\n"
        f"{key}: {schema['examples'][0]}\n\n"
        for key, schema in found.items()
        if schema.get("required")
    )


def _base(target: str) -> str:
    """Return the lines of the base."""
    release, revision = _BASES.get(target, ("", ""))
    if not release:
        return "  sample: true"
    chosen = f"\n  revision: {revision}" if revision else ""
    return f'  release: "{release}"{chosen}'


def _host(name: str) -> str:
    """Return a host name made of the spec's name."""
    return re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")[:_LONGEST].strip("-") or "photon"


def _value(text: str) -> str:
    """Return a name as a YAML value, in quotes where it would not be text."""
    plain = text[0].isalpha() and text.lower() not in {"true", "false", "null"}
    return text if plain else f'"{text}"'
