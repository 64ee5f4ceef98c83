"""Rules of secrets: they come by reference, and are printed nowhere."""

from collections.abc import Iterator

from builder.errors import Diagnostic
from builder.rules.model import Rule, Subject, error, find, warning

_KEY = "PRIVATE KEY-----"
_TEXTS = {
    "files": ("content",),
    "first_boot": ("script",),
}


def _private_keys(subject: Subject) -> Iterator[Diagnostic]:
    """Find private keys that are written into a spec."""
    for section, fields in _TEXTS.items():
        for overlay, path, entry in subject.listed(section):
            for field in fields:
                if _KEY in str(entry.get(field, "")):
                    message = "a private key is written into the spec"
                    hint = "keep it in a file outside the repository, and name that: source: …"
                    yield find(overlay, (*path, field), message, hint)


RULES: tuple[Rule, ...] = (
    error(
        "SEC001",
        "a secret in plain text",
        "Specs are shared, committed and shown in reports, so a secret in one is no secret. Write "
        "{env: NAME} to take it from the environment of the build, or {file: path} to take it from "
        "a file that is not committed. Plans, logs and reports then show nothing of it. Names such "
        "as PASSWORD, TOKEN or SECRET in compose variables count as secrets.",
    ),
    error(
        "SEC002",
        "the environment variable of a secret is not set",
        "The variable must be set and not empty where photon-builder runs. sudo, cron and most CI "
        "systems start with an environment of their own. export NAME=… sets it for the shell.",
    ),
    error(
        "SEC003",
        "the file of a secret cannot be read",
        "The path is relative to the folder of the file that names it. The file must be UTF-8 "
        "text; line breaks at its end are left out. An empty secret is refused because it is "
        "nearly always a mistake.",
    ),
    error(
        "SEC004",
        "a private key in a spec",
        "Whoever reads the spec has the key. Keep it in a file outside the repository and name "
        "that under `source`; sshd makes host keys of its own on the first boot.",
        _private_keys,
    ),
    warning(
        "SEC006",
        "a secret outside of its place",
        "A text that the spec has by reference also stands in a file that is not marked as secret, "
        "or in the appliance's envelope; or a file that everybody can read holds a private key. "
        "`build` looks into the files that it writes, `verify` wherever settings lie. Give each "
        "text that holds a secret by reference; secrets of less than 8 characters are not looked "
        "for. What is no secret needs no reference.",
    ),
)
