"""What is wrong with the settings that a spec gives the container engine; no feature itself."""

from collections.abc import Iterator, Mapping
from typing import Any

from builder.changes import Require
from builder.errors import Diagnostic, Severity
from builder.facts import Facts
from builder.features import Context, Requested
from builder.features.sources import guest_path
from builder.guest import engine

_FILES = (engine.PROFILE_KEY, "tlscacert", "tlscert", "tlskey")
"""Keys whose value is a file, without which dockerd does not start."""

_WORDS = frozenset({"builtin", "unconfined"})
_FIRST_WITH_WORDS = 23
_LOOPBACK = ("127.", "localhost", "[::1]")
_ACTIVATED = "fd://"
_BUILDKIT = ("features", "buildkit")


def check_daemon(given: Mapping[str, Any], context: Context) -> Iterator[Requested]:
    """Yield what is wrong with settings of daemon.json, and the files that they need."""
    facts = context.facts
    if given.get("log-driver") == "local" and facts.release:
        yield from _check_driver(facts)
    for key in _FILES:
        if given.get(key):
            yield from _check_file(key, str(given[key]), facts)
    if "hosts" in given:
        yield from _check_hosts(given, context)
    if engine.profile_of(facts) is not None and given.get(engine.PROFILE_KEY) is None:
        yield from _check_other_engines(given, context)


def _check_driver(facts: Facts) -> Iterator[Diagnostic]:
    """Yield the fault of a log driver that the engine does not have."""
    if not facts.docker.has_local_log_driver:
        message = f"docker {facts.docker.version} of {facts.text} has no log driver `local`"
        hint = "write `log-driver: json-file`, or drop the key"
        yield Diagnostic(message, "DKR001", hint, ("daemon", "log-driver"))


def _check_file(key: str, value: str, facts: Facts) -> Iterator[Requested]:
    """Yield the need for a file that a key names."""
    where = ("daemon", key)
    if key == engine.PROFILE_KEY and value in _WORDS:
        if facts.release and int(facts.docker.version.split(".")[0]) < _FIRST_WITH_WORDS:
            message = f"docker {facts.docker.version} takes `{value}` for the name of a file"
            hint = f'`{key}: ""` is the engine\'s own profile; security_opt is for one service'
            yield Diagnostic(message, "DKR002", hint, where)
        return
    path = guest_path(value, *where)
    if isinstance(path, Diagnostic):
        yield path
        return
    message = f"`docker.daemon.{key}` names {path}, which the base does not have and no key writes"
    yield Require(path, message, "DKR002", f"add it under `files`, or drop `{key}`")


def _check_hosts(given: Mapping[str, Any], context: Context) -> Iterator[Diagnostic]:
    """Yield what is wrong with the places where dockerd is to listen."""
    facts, hosts = context.facts, given["hosts"]
    if not isinstance(hosts, list) or not all(isinstance(host, str) for host in hosts):
        message = f"`hosts` is {hosts!r}; wanted a list such as [unix://{engine.SOCKET}]"
        yield Diagnostic(message, "DKR003", "write a list", ("daemon", "hosts"))
        return
    for index, host in enumerate(hosts):
        where = ("daemon", "hosts", index)
        if host.startswith(_ACTIVATED) and facts.release and _lacks_socket(facts):
            message = f"{facts.text} has no docker.socket, so dockerd gets no socket for `{host}`"
            yield Diagnostic(message, "DKR003", f"write unix://{engine.SOCKET}", where)
        open_to_all = host.startswith("tcp://") and given.get("tlsverify") is not True
        if open_to_all and not host.removeprefix("tcp://").startswith(_LOOPBACK):
            message = f"who reaches {host} is root of the machine: no client is verified"
            hint = "set tlsverify, tlscacert, tlscert and tlskey, or use `docker -H ssh://HOST`"
            yield Diagnostic(message, "DKR004", hint, where, Severity.WARNING)
    local = (_ACTIVATED, f"unix://{engine.SOCKET}", "unix:///run/docker.sock")
    if not any(host.startswith(local) for host in hosts):
        message = (
            f"`hosts` lacks unix://{engine.SOCKET}: `docker` on the machine would not reach it"
        )
        severity = Severity.ERROR if context.overlay.get("compose") else Severity.WARNING
        hint = f"add unix://{engine.SOCKET}"
        yield Diagnostic(message, "DKR003", hint, ("daemon", "hosts"), severity)


def _lacks_socket(facts: Facts) -> bool:
    """Return whether the base's engine is not started by a socket."""
    return "docker.socket" not in facts.docker.units


def _check_other_engines(given: Mapping[str, Any], context: Context) -> Iterator[Diagnostic]:
    """Yield a warning for each way to run containers that the profile does not reach."""
    features = given.get(_BUILDKIT[0])
    if isinstance(features, Mapping) and features.get(_BUILDKIT[1]):
        message = f"BuildKit of docker {context.facts.docker.version} has a profile of its own"
        hint = "drop `features.buildkit`: the classic builder uses the profile of the daemon"
        yield Diagnostic(message, "DKR005", hint, ("daemon", *_BUILDKIT), Severity.WARNING)
