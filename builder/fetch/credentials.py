"""Credentials for container registries, as Docker, Podman and CI systems keep them.

Source: containers-auth.json(5), and `docker login`. The first of these that has an entry counts:
``$DOCKER_AUTH_CONFIG``, which is the JSON itself, and the files ``$REGISTRY_AUTH_FILE``,
``$XDG_RUNTIME_DIR/containers/auth.json``, ``$DOCKER_CONFIG/config.json`` and
``~/.docker/config.json``. Credential helpers are not run.
"""

import binascii
import json
import os
from base64 import b64decode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from builder.errors import UsageError
from builder.host import refusal
from builder.image_names import HUB, ImageName

TEXT = "DOCKER_AUTH_CONFIG"
FILE = "REGISTRY_AUTH_FILE"
FOLDER = "DOCKER_CONFIG"
_HUB_KEYS = ("index.docker.io", "registry-1.docker.io")
_HINT = 'wanted {"auths": {"HOST": {"auth": "…"}}}, as `docker login` writes it'


def find_login(name: ImageName) -> str:
    """Return ``user:password`` in Base64 for the registry of an image, empty when there is none.

    Raises:
        UsageError: what the environment names is not a valid file of credentials.
        HostError: it cannot be read.
    """
    for source, text in _texts():
        entries = _parse(source, text)
        for key in _keys(name):
            if key in entries:
                return entries[key]
    return ""


def _texts() -> Iterator[tuple[str, str]]:
    """Yield where credentials are kept, and what is there."""
    if text := os.environ.get(TEXT):
        yield TEXT, text
    if named := os.environ.get(FILE):
        yield named, _read(Path(named))
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        yield from _of_file(Path(runtime, "containers", "auth.json"))
    folder = os.environ.get(FOLDER)
    usual = Path(folder).expanduser() if folder else Path.home() / ".docker"
    yield from _of_file(usual / "config.json")


def _of_file(path: Path) -> Iterator[tuple[str, str]]:
    """Yield a file that need not be there."""
    if path.is_file():
        yield str(path), _read(path)


def _read(path: Path) -> str:
    try:
        return path.expanduser().read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise refusal(error, path, hint=f"check {FILE} and {FOLDER}") from error


def _parse(source: str, text: str) -> dict[str, str]:
    """Return the entries of a configuration, by registry or path below it."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise UsageError(f"{source}: is not valid JSON with credentials", hint=_HINT)
    entries = told.get("auths")
    pairs = entries.items() if isinstance(entries, dict) else ()
    found = {_key(key): _login(value) for key, value in pairs if isinstance(value, dict)}
    return {key: login for key, login in found.items() if login}


def _login(entry: Mapping[str, Any]) -> str:
    """Return the Base64 text of one entry; empty when it has no valid one."""
    text = entry.get("auth")
    try:
        plain = b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        return ""
    return str(text) if b":" in plain else ""


def _key(text: str) -> str:
    """Return a key of ``auths`` without scheme and the version of the API."""
    plain = text.partition("://")[2] or text
    plain = plain.rstrip("/").removesuffix("/v1").removesuffix("/v2")
    return HUB if plain in _HUB_KEYS else plain


def _keys(name: ImageName) -> Iterator[str]:
    """Yield the keys that an image may have, the closest first."""
    parts = name.path.split("/")
    for count in range(len(parts), 0, -1):
        yield "/".join(parts[:count])
