"""Rules of the container engine: what its settings mean to the engine that the base has.

Source: dockerd(8); moby's daemon/logger, daemon/config and profiles/seccomp at the versions of the
facts.
"""

from collections.abc import Iterator

from builder.errors import Diagnostic
from builder.guest.engine import profile_of
from builder.rules.model import Rule, Subject, error, find, warning

_OTHER = "podman"
_COMPOSE = "docker-compose"


def _other_engine(subject: Subject) -> Iterator[Diagnostic]:
    """Find packages that run containers without the profile that the base's docker needs."""
    old = [facts for facts in subject.bases.values() if profile_of(facts) is not None]
    for overlay, path, name in subject.listed("packages") if old else ():
        if name == _OTHER:
            message = f"{name} has a seccomp profile of its own, of the age of {old[0].text}"
            hint = "images of today may fail there: use docker, or a newer base"
            yield find(overlay, path, message, hint)


def _without_compose(subject: Subject) -> Iterator[Diagnostic]:
    """Find projects that are left to a `docker compose` which the published base does not have."""
    if not subject.is_published or _COMPOSE in subject.packages() or not _projects(subject):
        return
    bases = [facts for facts in subject.bases.values() if facts.has_package(_COMPOSE) is False]
    given = any(str(entry["path"]).endswith(_COMPOSE) for _, _, entry in subject.listed("files"))
    for overlay, section in subject.sections("docker") if bases and not given else ():
        if section.get("compose_plugin") == "base":
            message = f"{bases[0].text} has no `docker compose`"
            hint = "drop the key: a pinned one is shipped; or add `packages: [docker-compose]`"
            yield find(overlay, ("docker", "compose_plugin"), message, hint)


def _projects(subject: Subject) -> bool:
    """Return whether the spec has compose projects."""
    return any(section for _, section in subject.sections("compose"))


RULES: tuple[Rule, ...] = (
    error(
        "DKR001",
        "a log driver that the engine does not have",
        "dockerd stops at a driver that it does not know. `local` exists since docker 18.09; "
        "Photon 3.0 GA and Rev2 have 18.06. Without the key the driver is `local` where the "
        "engine has it and `json-file` elsewhere, with a limit of three files of 10 MB for each "
        "container either way.",
    ),
    error(
        "DKR002",
        "a file that the engine needs and does not find",
        "seccomp-profile, tlscacert, tlscert and tlskey name files; dockerd does not start when "
        "one is missing. The words `builtin` and `unconfined` mean something from docker 23 on; "
        "before, they are names of files, too. "
        "\n\nWithout the key a profile is written where the engine needs one: docker 18.06 and "
        "19.03 of Photon 3.0 GA to Rev2 Update3 and of 4.0 GA answer EPERM to system calls that "
        "they do not know. Libraries take that for a refusal instead of falling back to an older "
        "call: programs with glibc 2.34 or newer cannot start threads, shells of Alpine 3.14 or "
        "newer find no file executable, Pi-hole refuses to start. The profile allows what the "
        "engine's own allows, refuses what that refuses, and answers ENOSYS to the rest. "
        'seccomp-profile: "" keeps the engine\'s own.',
    ),
    error(
        "DKR003",
        "the engine would listen where nobody finds it",
        "`hosts` takes the place of the `-H` of docker's unit, for which a drop-in is written. "
        "It is a list such as [unix:///var/run/docker.sock, tcp://127.0.0.1:2375]. Without the "
        "local socket `docker` and `docker compose` on the machine do not reach it, so projects "
        "never come up; where there are none, that is a warning. fd:// means "
        "the socket of docker.socket, which Photon has since docker 19.03.",
    ),
    warning(
        "DKR004",
        "the engine serves everybody who reaches it",
        "Who may talk to dockerd is root of the machine. Over tcp:// it checks nobody unless "
        "tlsverify is set, with tlscacert, tlscert and tlskey. `docker -H ssh://root@HOST` needs "
        "no open port but that of ssh.",
    ),
    warning(
        "DKR005",
        "containers that the seccomp profile does not reach",
        "The profile that is written for old engines (DKR002) is docker's. BuildKit inside docker "
        "19.03 and podman have their own: there, images of today fail as before.",
        _other_engine,
    ),
    warning(
        "DKR006",
        "the base has no `docker compose`",
        "No published image of Photon has docker-compose, so with compose_plugin: base nothing "
        "starts the projects unless `packages` or `files` bring it. Without the key a pinned "
        "release is shipped.",
        _without_compose,
    ),
    error(
        "DKR007",
        "a key of daemon.json that the engine does not know",
        "dockerd does not start when daemon.json has a key that it does not know. Keys are those "
        "of `dockerd --help`, some of them in the plural (`hosts`, `labels`, `log-opts`). Newer "
        "engines know more: `features` is of 19.03, `ip6tables` of 20.10, `proxies` of 23.0.",
    ),
)
