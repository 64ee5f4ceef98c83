"""Rules of the files that a compose project takes from the guest, and that may not be there.

Source: Compose Specification, "services", "configs" and "secrets"; docker makes a folder in the
place of a missing source of a bind mount.
"""

import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from builder.errors import Diagnostic, Place, Severity
from builder.guest.compose import project_directory
from builder.guest.compose.dotenv import parse_env
from builder.guest.compose.files import ENV, Need, files_of, needs_of
from builder.guest.compose.layers import missing_bases
from builder.rules.compose.projects import Project, Service, active, iter_active, projects
from builder.rules.model import Rule, Subject, error, warning
from builder.structs import replace

_SUFFIXES = frozenset(
    {"cert", "cfg", "cnf", "conf", "crt", "css", "csr", "csv", "db", "env", "html"}
)
_SUFFIXES |= {"ini", "js", "json", "jsonc", "key", "kdl", "lua", "md", "pem", "php", "properties"}
_SUFFIXES |= {"py", "sh", "sql", "sqlite", "sqlite3", "toml", "txt", "xml", "yaml", "yml"}
"""Ends of names that files have, and folders do not."""

_NAMES = frozenset({"Caddyfile", "Corefile", "hosts", "htpasswd", ".htpasswd"})
_ABSENT = {"/etc/timezone": "set the variable TZ under `environment` instead"}
"""Files of other distributions that people mount, and what to do on Photon."""


class _Guest:
    """What a spec itself puts into the guest."""

    def __init__(self, subject: Subject) -> None:
        self._trees = [overlay.files for overlay in subject.spec.overlays if overlay.files]
        self._paths = {}
        for overlay, _, entry in subject.listed("files"):
            source = overlay.directory / Path(str(entry.get("source", ""))).expanduser()
            self._paths[str(entry.get("path"))] = "source" in entry and source.is_dir()
        mounts = (mount.get("path") for _, _, mount in subject.listed("mounts"))
        self._mounts = tuple(f"{str(path).rstrip('/')}/" for path in mounts)
        self.has_scripts = any(True for _ in subject.sections("first_boot"))

    def has(self, path: str) -> bool:
        """Return whether the spec writes ``path``, or mounts what it lies on."""
        if path in self._paths or f"{path}/".startswith(self._mounts):
            return True
        if any(is_tree and path.startswith(f"{at}/") for at, is_tree in self._paths.items()):
            return True
        return any((tree / path.lstrip("/")).exists() for tree in self._trees)


def _missing(subject: Subject) -> Iterator[Diagnostic]:
    """Find files without which compose or docker stops."""
    guest = _Guest(subject)
    for service, need in _needs(subject):
        if need.must_exist:
            found = _lack(service.project, need, guest)
            if found:
                yield _finding(service.project, need, *found, guest)
    for project in projects(subject):
        for service in active(project):
            for missing in missing_bases(project.value, service.name, project.read):
                if missing.is_file_missing:
                    message = f"{service.name} extends {missing.file}, which cannot be read"
                    hint = "put it beside the compose file; what it names is taken along"
                    yield project.find(missing.path, message, hint)


def _mounted(subject: Subject) -> Iterator[Diagnostic]:
    """Find bind mounts in whose place docker makes a folder where a file was meant."""
    guest = _Guest(subject)
    for service, need in _needs(subject):
        lack = None if need.must_exist else _mount_lack(service.project, need, guest)
        if lack and need.path not in service.project.unsettled:
            severity, message, hint = lack
            found = service.project.find(need.path, message, hint)
            yield replace(found, code="CMP046", severity=severity)


def _mount_lack(project: Project, need: Need, guest: _Guest) -> tuple[Severity, str, str] | None:
    """Return what is wrong with a mount whose source docker would make."""
    if need.key != "volumes" or guest.has(_in_guest(project, need)):
        return None
    if need.relative == "." and need.is_relative:
        message = "the project's folder is mounted, and holds what the compose file names, no more"
        return Severity.WARNING, message, "mount a folder of its own, which is taken along: ./app"
    if not need.is_relative or (_exists(project, need) and not need.is_inside):
        found = _outside(project, need)
        is_sure = need.is_relative or need.text.startswith("~")
        severity = Severity.ERROR if is_sure else Severity.WARNING
        return (severity, *found) if found else None
    source = posixpath.basename(need.relative)
    likeness = _likeness(source, posixpath.basename(need.target))
    if _exists(project, need) or not likeness:
        return None
    message = f"{need.text} is not there, so docker makes a folder of that name"
    return likeness, message, f"put {source} beside the compose file: it is taken along"


def _needs(subject: Subject) -> Iterator[tuple[Service, Need]]:
    """Yield what the services that start take from the machine."""
    for service in iter_active(subject):
        for layer in service.layers:
            for need in needs_of(layer):
                yield service, need
        for kind in ("configs", "secrets"):
            files = files_of(service.project.value, kind)
            for _, entry in service.listed(kind):
                name = str(entry.get("source") if isinstance(entry, dict) else entry)
                if name in files and not (kind == "secrets" and name in service.project.secrets):
                    yield service, files[name]


def _lack(project: Project, need: Need, guest: _Guest) -> tuple[str, str] | None:
    """Return why a path is not there on the guest, and what to do; ``None`` when it may be."""
    if need.path in project.unsettled or guest.has(_in_guest(project, need)):
        return None
    return _inside(project, need) if need.is_inside else _outside(project, need)


def _inside(project: Project, need: Need) -> tuple[str, str] | None:
    """Return what is wrong with a path in the project's folder."""
    local = project.document.path.parent / need.relative
    if need.relative == ENV and project.has_env:
        return None
    if need.key in {"env_file", "label_file"} and local.is_dir():
        return f"{need.relative} is a folder; wanted a file", "name the file in it"
    if local.exists():
        return None
    optional = ", or write `{path: …, required: false}`" if need.key == "env_file" else ""
    message = f"there is no {need.relative} beside the compose file"
    return message, f"put it there: it is taken along{optional}"


def _outside(project: Project, need: Need) -> tuple[str, str] | None:
    """Return what is wrong with a path that leaves the project's folder."""
    at = _in_guest(project, need)
    if need.text.startswith("~"):
        message = f"{need.text}: the unit that starts the project has no home"
        return message, "write an absolute path of the guest, or a path beside the compose file"
    if not need.is_relative:
        makes = "" if need.must_exist else ", so docker makes a folder of that name"
        message = f"Photon has no {at}{makes}"
        return (message, _ABSENT[at]) if at in _ABSENT else None
    if need.relative == ".":
        return None
    message = f"{need.text} lies outside of the project's folder and is not taken along"
    move = "move it beside the compose file, or write it"
    return message, f"{move}: files: [{{path: {at}, source: …}}]"


def _finding(project: Project, need: Need, message: str, hint: str, guest: _Guest) -> Diagnostic:
    """Return the breach of a missing file; scripts of the first boot may make it."""
    severity = Severity.WARNING if guest.has_scripts else Severity.ERROR
    return replace(project.find(need.path, message, hint), code="CMP045", severity=severity)


def _exists(project: Project, need: Need) -> bool:
    """Return whether a relative path leads to something on this machine."""
    return (project.document.path.parent / need.relative).exists()


def _in_guest(project: Project, need: Need) -> str:
    """Return the path on the guest."""
    if not need.is_relative:
        return posixpath.normpath(need.text)
    return posixpath.normpath(posixpath.join(project_directory(project.name), need.relative))


def _likeness(source: str, target: str) -> Severity | None:
    """Say how sure it is that a mount means a file: by suffix or name, on both sides."""
    suffix, other = source.rpartition(".")[2], target.rpartition(".")[2]
    is_name = source in _NAMES
    if not is_name and ("." not in source.lstrip(".") or suffix.lower() == "d"):
        return None
    if (suffix.lower() in _SUFFIXES and suffix == other) or (is_name and source == target):
        return Severity.ERROR
    known = suffix.lower() in _SUFFIXES or is_name
    return Severity.WARNING if known or suffix == other else None


def _env_files(subject: Subject) -> Iterator[Diagnostic]:
    """Find files of `env_file` that compose cannot read."""
    for service, need in _needs(subject):
        file = service.project.document.path.parent / need.relative
        if need.key != "env_file" or not need.is_inside or not file.is_file():
            continue
        if _is_raw(service, need):
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        if trouble := parse_env(text, service.project.variables).error:
            message = f"compose does not read this file: {trouble}"
            place = Place(file, trouble.line, 1)
            yield Diagnostic(message, "", trouble.hint, place=place)


def _is_raw(service: Service, need: Need) -> bool:
    """Return whether the file is in the form that compose takes as it is."""
    value: Any = service.project.value
    for step in need.path:
        value = value[step]
    return isinstance(value, dict) and value.get("format") == "raw"


def _includes(subject: Subject) -> Iterator[Diagnostic]:
    """Find compose files that include others."""
    for project in projects(subject):
        if isinstance(project.value, dict) and project.value.get("include"):
            message = "`include` is not supported: the files that it names are not taken along"
            hint = "write them into one: docker compose config --no-interpolate > compose.yaml"
            yield project.find(("include",), message, hint)


RULES: tuple[Rule, ...] = (
    error(
        "CMP028",
        "an env_file that compose refuses",
        "Compose reads the files of env_file as it reads .env (CMP026), and one line that it "
        "cannot read stops the project. `format: raw` takes lines as they are.",
        _env_files,
    ),
    error(
        "CMP045",
        "a file that the project needs and that is not there",
        "What the compose file names beside itself is copied to the guest with it; what is not "
        "there is not. Compose stops without an env_file (unless it has `required: false`), a "
        "label_file, the file of a config or secret that a service uses, or one that is extended, "
        "and docker without the source of a mount whose `bind` options do not say "
        "`create_host_path: true`. Files may come from `files` of the spec instead; with "
        "first_boot scripts, which may make them, this is a warning.",
        _missing,
    ),
    warning(
        "CMP046",
        "a mount of what is not there",
        "Docker makes an empty folder in the place of a missing source of a bind mount in short "
        "form. A container that wants a file there does not start, or finds nothing. It is an "
        "error when the name is a file's in the container, too, when the path leaves the project's "
        "folder, and for `~`: the unit has no home. Photon has no /etc/timezone.",
        _mounted,
    ),
    error(
        "CMP047",
        "a compose file that includes others",
        "Files under `include` are neither read here nor copied to the guest, and compose stops "
        "when they are not there. `docker compose config` writes all of them as one file; "
        "`extends` is followed.",
        _includes,
    ),
)
