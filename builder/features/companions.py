"""What a file of the user's own needs beside it to have an effect; no feature of its own."""

from collections.abc import Iterable, Iterator

from builder.blob import Blob
from builder.changes import EnsureLine, MakeSymlink, WriteFile
from builder.errors import Diagnostic, Severity
from builder.features import Context, Reasoned, Requested
from builder.features.host_keys import is_host_key, kept_changes
from builder.guestpath import GuestPath, guest, parent

_SSHD = "/etc/ssh/sshd_config.d"
_SSH = "/etc/ssh/ssh_config.d"
_SSH_CONFIG = guest("/etc/ssh/ssh_config")
_SYSCTL = "/etc/sysctl.d"
_SUFFIX = ".conf"


def with_companions(wishes: Iterable[Requested], context: Context) -> Iterator[Requested]:
    """Yield wishes, each followed by what its file needs to be read, kept or applied."""
    for wish in wishes:
        yield wish
        change = wish.change if isinstance(wish, Reasoned) else wish
        match change:
            case WriteFile(path=path, content=content):
                yield from _of_path(path, context)
                yield from _of_text(path, content, context)
            case EnsureLine(path=path, line=line):
                yield from _of_path(path, context)
                yield from _of_text(path, Blob.text(line), context)
            case MakeSymlink(path=path):
                yield from _of_path(path, context)
            case _:
                pass


def _of_path(path: GuestPath, context: Context) -> Iterator[Requested]:
    """Yield what goes by the place of a file."""
    if is_host_key(path):
        yield from kept_changes(context)
    if parent(path) == _SSHD:
        yield _included(path, context)
    if parent(path) == _SSH and path.endswith(_SUFFIX):
        include = EnsureLine(_SSH_CONFIG, f"Include {_SSH}/*{_SUFFIX}", before="")
        yield Reasoned(include, f"Photon's ssh_config does not read {_SSH}")


def _included(path: GuestPath, context: Context) -> Requested:
    """Return the line by which sshd reads a file, or why it never would."""
    from builder.features.ssh import CONFIG, INCLUDE, WITHOUT_INCLUDE

    if not path.endswith(_SUFFIX):
        return Diagnostic(
            f"{path} is not read by sshd: its name does not end in {_SUFFIX}",
            "SSH002",
            f"name it {path}{_SUFFIX}",
        )
    if context.release in WITHOUT_INCLUDE:
        known = bool(context.release)
        return Diagnostic(
            f"{path} {'is' if known else 'may not be'} read by sshd: "
            "sshd_config.d needs OpenSSH 8.2, and Photon 3.0 has 7.8",
            "SSH002",
            f"use `ssh`, or give the whole {CONFIG} under `files`",
            severity=Severity.ERROR if known else Severity.WARNING,
        )
    include = EnsureLine(CONFIG, INCLUDE, before="", mode=0o600)
    return Reasoned(include, f"Photon's sshd_config does not read {_SSHD}")


def _of_text(path: GuestPath, content: Blob, context: Context) -> Iterator[Requested]:
    """Yield what goes by the text of a file."""
    if parent(path) != _SYSCTL or not path.endswith(_SUFFIX):
        return
    from builder.features.sysctl import last_changes

    with content.open() as stream:
        text = stream.read().decode(errors="replace")
    for line in text.splitlines():
        key, equals, setting = line.strip().partition("=")
        if equals and not key.startswith(("#", ";")):
            yield from last_changes(key.strip(), setting.strip(), context)
