"""The proxy by which programs reach the web: those that systemd starts, and shells of users."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from builder.blob import Blob
from builder.changes import WriteFile
from builder.errors import Diagnostic
from builder.features import Context, Feature, Reasoned, Requested
from builder.guestpath import guest

_URL = {"type": "string", "description": "Address such as `http://proxy.home.arpa:3128`."}
SCHEMA = {
    "type": "object",
    "description": "Proxy of services (tdnf, dockerd and what first boots fetch) and of login "
    "shells. Containers get none by it.",
    "additionalProperties": False,
    "minProperties": 1,
    "properties": {
        "http": _URL,
        "https": {**_URL, "description": "The same for https; `http` by default."},
        "no": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Hosts, domains and networks that are reached without it, besides "
            "this machine and the metadata of clouds.",
        },
    },
}
MANAGER = guest("/etc/systemd/system.conf.d/10-photon-builder-proxy.conf")
PROFILE = guest("/etc/profile.d/photon-builder-proxy.sh")
_FORM = re.compile(r"https?://(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?/?")
_HOST = re.compile(r"[A-Za-z0-9.:_*/-]+")
_OWN = ("localhost", "127.0.0.1", "::1")
_CLOUD = ("169.254.169.254", "metadata.google.internal", "168.63.129.16")
"""Where clouds tell a machine of itself; no proxy reaches that for it."""


def changes(value: Mapping[str, Any], _: Context) -> Iterator[Requested]:
    """Yield the variables for the manager of services and for shells."""
    for key in ("http", "https"):
        text = value.get(key, "")
        if "@" in text:
            message = "the address of the proxy holds a user or a password, which all could read"
            yield Diagnostic(message, "PRX001", "let the proxy know this machine otherwise", (key,))
        elif text and not _FORM.fullmatch(text):
            message = f"{text!r} is not a valid address of a proxy"
            yield Diagnostic(
                message, "PRX001", "write http://proxy.home.arpa:3128, with the scheme", (key,)
            )
    for index, host in enumerate(value.get("no", ())):
        if not _HOST.fullmatch(host):
            message = f"{host!r} is not a valid host, domain or network"
            yield Diagnostic(
                message, "PRX002", "write one such as .home.arpa or 10.0.0.0/8", ("no", index)
            )
    names = _variables(value)
    words = " ".join(f'"{name}={text}"' for name, text in names.items())
    yield Reasoned(
        WriteFile(MANAGER, Blob.text(f"[Manager]\nDefaultEnvironment={words}\n")),
        "every service gets it: dockerd, tdnf, first-boot scripts",
    )
    exports = "".join(f'export {name}="{text}"\n' for name, text in names.items())
    yield Reasoned(WriteFile(PROFILE, Blob.text(exports)), "login shells get it")


def _variables(value: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables, in small letters and capitals: programs read either."""
    http = value.get("http", "")
    https = value.get("https", http)
    no = ",".join((*_OWN, *_CLOUD, *value.get("no", ())))
    small = {"http_proxy": http, "https_proxy": https, "no_proxy": no}
    given = {name: text for name, text in small.items() if text}
    return given | {name.upper(): text for name, text in given.items()}


FEATURE = Feature(
    "proxy",
    "Proxy for the web",
    SCHEMA,
    changes,
    "{http: 'http://proxy.home.arpa:3128', no: [.home.arpa, 192.168.0.0/16]}",
)
