"""What the host owes every compose project: engine, unit, plugin, clock; no feature itself."""

from collections.abc import Iterator

from builder.blob import Blob, Download
from builder.changes import MakeSymlink, SetUnitState, UnitState, WriteFile
from builder.engine.text.systemd import ETC
from builder.features import Context, Reasoned, Requested
from builder.features.clock import epoch_changes
from builder.features.compose.needs import need_changes
from builder.features.compose.preload import ships_any
from builder.features.docker.engine import engine_changes
from builder.features.projects import Project
from builder.guest.compose import units as compose_units
from builder.guestpath import guest, join

RELEASE = "v2.33.1"
"""The release of Photon 5.0's own package."""

DIGESTS = {
    "x86_64": "3efda1ad6caed49dedd5644cadbf7e0c9cc3d74d8844ca5237b6a43ac1ef1a46",
    "aarch64": "fa0e077510c852237b0da426d0daf6853446e7760145ce7665ec401892a4d0de",
}
_URL = "https://github.com/docker/compose/releases/download"
_STATIC = "static"
_WAIT = "systemd-time-wait-sync.service"
_WAIT_TEXT = "[Service]\nTimeoutStartSec=90\n"


def host_changes(project: Project, context: Context) -> Iterator[Requested]:
    """Yield the host's side of a project."""
    name = project.name
    reason = f"compose.{name} needs docker"
    yield from engine_changes(context, reason)
    yield from _unit_changes(name, context)
    yield from _clock_changes(context)
    if _plugin(context) == _STATIC:
        yield from _plugin_changes(name, context)
    yield from need_changes(project, context)


def _plugin(context: Context) -> str:
    """Return where `docker compose` comes from: ``static`` or ``base``."""
    return str(context.overlay.get("docker", {}).get("compose_plugin", _STATIC))


def _unit_changes(name: str, context: Context) -> Iterator[Requested]:
    """Yield the template unit and the instance that runs the project."""
    standalone = _plugin(context) == _STATIC
    text = compose_units.format_unit(
        release=context.release,
        standalone=standalone,
        packages=bool(context.overlay.get("packages")),
        online=not ships_any(context),
    )
    reason = f"it runs compose.{name}"
    yield Reasoned(WriteFile(compose_units.PATH, Blob.text(text)), "it runs every compose project")
    retry = WriteFile(compose_units.RETRY_PATH, Blob.text(compose_units.format_retry_unit()))
    yield Reasoned(retry, "it tries again when a project, docker or a mount fails")
    yield Reasoned(SetUnitState(compose_units.unit_of(name), UnitState.ENABLED), reason)


def _clock_changes(context: Context) -> Iterator[Requested]:
    """Yield what gives a machine without a clock a time at which certificates are valid."""
    reason = "images are pulled over TLS, which needs the time"
    yield from epoch_changes(context, reason)
    dropin = join(ETC, f"{_WAIT}.d", "10-photon-builder.conf")
    yield Reasoned(WriteFile(dropin, Blob.text(_WAIT_TEXT)), "an offline network must not block")
    for unit in ("systemd-timesyncd.service", _WAIT):
        yield Reasoned(SetUnitState(unit, UnitState.ENABLED, if_present=True), reason)


def _plugin_changes(name: str, context: Context) -> Iterator[Requested]:
    """Yield the pinned static plugin, and a command of its own name."""
    reason = f"compose.{name} needs `docker compose`; docker.compose_plugin: base keeps the base's"
    filename = f"docker-compose-linux-{context.arch}"
    download = Download(f"{_URL}/{RELEASE}/{filename}", f"{filename}-{RELEASE}")
    blob = Blob(DIGESTS[context.arch], 0, download)
    old = context.release in compose_units.OLD_RELEASES
    unless = None if old else compose_units.PACKAGED_PLUGIN
    plugin = WriteFile(guest(compose_units.PLUGIN), blob, 0o755, unless=unless)
    yield Reasoned(plugin, reason)
    link = MakeSymlink(guest("/usr/local/bin/docker-compose"), compose_units.PLUGIN, unless)
    yield Reasoned(link, reason)
