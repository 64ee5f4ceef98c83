"""Container image: a layer on the root filesystem that Photon publishes for containers."""

from builder.changes import (
    AddGroup,
    AddUser,
    Change,
    EnsureLine,
    MakeDirectory,
    MakeSymlink,
    Remove,
    ReplaceText,
    Require,
    SetPassword,
    WriteFile,
)
from builder.facts import Facts
from builder.job import Job, Made
from builder.targets import Target

_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
_WORDS = {"type": "array", "items": {"type": "string", "minLength": 1}}
_IMAGE = {
    "type": "object",
    "description": "What the image is called, and what a container of it runs.",
    "additionalProperties": False,
    "properties": {
        "name": {
            "type": "string",
            "minLength": 1,
            "description": "Name with its tag, such as `registry.example.org/photon:5.0`. "
            "Default: the spec's name, and `latest`.",
        },
        "cmd": {**_WORDS, "description": "Command. Default: `[/bin/bash]`."},
        "entrypoint": {**_WORDS, "description": "Program that the command is given to."},
        "env": {**_TEXTS, "description": "Variables of the environment."},
        "labels": {**_TEXTS, "description": "Labels, added to name, vendor and build-date."},
        "user": {"type": ["string", "integer"], "description": "Account that it runs as."},
        "workdir": {"type": "string", "pattern": "^/", "description": "Folder that it starts in."},
        "expose": {
            "type": "array",
            "items": {
                "type": ["integer", "string"],
                "pattern": r"^\d{1,5}(/(tcp|udp))?$",
                "x-form": "a port, and its protocol unless it is tcp: `53/udp`",
            },
            "description": "Ports, such as `80` or `53/udp`.",
        },
    },
}


def _recipe(job: Job) -> Made:
    """Put a layer on the published one; the codecs are imported when they are wanted."""
    from builder.carriers.container_image import build_container_image

    return build_container_image(job)


def _sample(fd: int, timestamp: int, facts: Facts) -> None:
    """Make a root filesystem of texts and folders."""
    from builder.sample.root_archive import make_root_archive

    make_root_archive(fd, timestamp, facts)


_SUPPORTED: tuple[type[Change], ...] = (
    *(AddGroup, AddUser, EnsureLine, MakeDirectory, MakeSymlink),
    *(Remove, ReplaceText, Require, SetPassword, WriteFile),
)
"""What a container can honour: nothing that systemd, a kernel or an installer does."""

_TAKEN = frozenset(
    {"ca_certificates", "files", "groups", "locale", "proxy", "repositories", "timezone", "users"}
)

TARGET = Target(
    "photon-docker-image",
    "Container image for Docker, containerd and podman",
    ".image.tar",
    supports=frozenset(_SUPPORTED),
    recipe=_recipe,
    sample=_sample,
    sections={"image": _IMAGE},
    takes=_TAKEN,
    has_defaults=False,
    image="container",
)
