"""The text of ``photon-builder init``: a commented spec that is valid as it is.

What differs between the kinds of targets for a reader is asked of the catalog and of what is
known of the base: the newest release, where an address comes from, who logs in, what is there.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder.base_facts import facts_of_source, usual_arch
from builder.catalog import Source, find_source, list_artifacts
from builder.errors import UnsupportedError, UsageError
from builder.suggest import did_you_mean

if TYPE_CHECKING:
    from builder.targets import Group, Target

_LONGEST = 60
_SPECS = Path("specs")
_SCHEMA = Path("docs/spec.schema.json")
_CLOUDS = frozenset({"ami", "gce", "azure"})
"""Targets whose network and first login are the fabric's affair."""

_HEAD = """\
{modeline}#
#   photon-builder check {path}      every problem, without building
#   photon-builder plan {path}       what would be done, and why
#   photon-builder build {path}      make it
version: 1
name: {value}
targets: [{target}]

# What to start from. A published artifact is downloaded once and checked against its published
# digest; where none was published, the first build says what it trusts and records it.
# `photon-builder catalog` lists them. `sample: true` is a small base that is made here in a
# second, for a first look: it shows everything, and does not boot.
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
  #   ada: {uid: 1000, groups: [wheel], ssh_keys: ["file:~/.ssh/id_ed25519.pub"]}
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
_RADIO = """
  # A board with a radio; the password stays out of the spec:
  # wifi:
  #   country: NL
  #   networks:
  #     attic: {psk: {env: WIFI_PASSWORD}}
"""
_DOCKER = """
  services:
    enable: [docker]
"""
_MORE = """
  # Installed once, on the first boot with a network:
  # packages: [nfs-utils]
  # mounts:
  #   - {source: "192.168.1.10:/share", path: /mnt/share, type: nfs}
"""
_APPS = """
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


def make_spec_text(name: str, target: str, path: Path | None = None) -> str:
    """Return a commented spec that is valid and plans without a complaint.

    Args:
        name: Names the artifacts; letters that no file name should have become hyphens.
        target: What it should build.
        path: The file that it is for; one of that name in ``specs/`` by default.

    Raises:
        UsageError: there is no such target.
    """
    from builder.targets import discover

    known = discover()
    if target not in known:
        hint = did_you_mean(target, sorted(known))
        raise UsageError(f"there is no target {target!r}", hint=hint)
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:_LONGEST] or "my-photon"
    release, members = _start(known[target], known)
    head = _HEAD.format(
        modeline=_modeline(path or _SPECS / f"{safe}.yaml"),
        path=path or safe,
        value=_value(safe),
        target=target,
        base=f'  release: "{release}"' if release else "  sample: true",
        sections=_sections(members),
    )
    if not all(member.has_defaults for member in members):
        return head + _FILES.lstrip("\n")
    return head + _MACHINE.format(host=_value(_host(safe))) + _overlay(release, members)


def _start(
    entry: "Target | Group", known: "dict[str, Target | Group]"
) -> "tuple[str, list[Target]]":
    """Return the newest release that has a target, or most of a group, and what it has of it."""
    from builder.targets import Group, Target

    names = entry.members if isinstance(entry, Group) else (entry.name,)
    targets = [member for name in names if isinstance(member := known[name], Target)]
    found: dict[str, list[Target]] = {}
    for release in dict.fromkeys(source.release for source in list_artifacts()):
        found[release] = [member for member in targets if _source(release, member)]
    newest = max(found, key=lambda release: (bool(found[release]), release))
    return (newest, found[newest]) if found[newest] else ("", targets)


def _source(release: str, target: "Target") -> Source | None:
    """Return the newest file of a release for a target and its usual architecture."""
    try:
        return find_source(release, target.name, arch=usual_arch(target))
    except (UsageError, UnsupportedError):
        return None


def _overlay(release: str, members: "Sequence[Target]") -> str:
    """Return the sections of an overlay that mean something for all of the targets."""
    clouds = [member.name in _CLOUDS for member in members]
    has_docker = all(
        (source := _source(release, member)) and facts_of_source(source, member).has_docker
        for member in members
    )
    parts = [
        _CLOUD_LOGIN if all(clouds) else _LOGIN,
        "" if any(clouds) else _NETWORK,
        _RADIO if all(member.is_board for member in members) else "",
        _DOCKER if has_docker else "",
        _MORE,
        _APPS if has_docker else "",
        _FILES,
    ]
    return "".join(parts)


def _modeline(path: Path) -> str:
    """Return the line that tells editors where the schema is, when it is there."""
    for folder in path.absolute().parents:
        if (folder / _SCHEMA).is_file():
            schema = Path(os.path.relpath(folder / _SCHEMA, path.absolute().parent))
            return f"# yaml-language-server: $schema={schema.as_posix()}\n"
    return (
        "# Editors complete keys: run `photon-builder schema > spec.schema.json` here, and make\n"
        "# `yaml-language-server: $schema=spec.schema.json` the first line, behind a #.\n"
    )


def _sections(members: "Sequence[Target]") -> str:
    """Return the sections that one of the targets has to be given."""
    found: dict[str, Any] = {}
    for member in members:
        found |= member.sections
    return "".join(
        f"# {schema['description'][:1].upper()}{schema['description'][1:]}.\n"
        f"{key}: {schema['examples'][0]}\n\n"
        for key, schema in found.items()
        if schema.get("required")
    )


def _host(name: str) -> str:
    """Return a host name made of the spec's name."""
    return re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")[:_LONGEST].strip("-") or "photon"


def _value(text: str) -> str:
    """Return a name as a YAML value, in quotes where it would not be text."""
    plain = text[0].isalpha() and text.lower() not in {"true", "false", "null"}
    return text if plain else f'"{text}"'
