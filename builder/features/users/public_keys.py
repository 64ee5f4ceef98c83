"""Changes for a list of ssh keys, and the settings of sshd for them; no feature of its own."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from builder.blob import Blob
from builder.changes import EnsureLine, MakeDirectory, Owner, WriteFile
from builder.errors import Diagnostic
from builder.features import Context, Reasoned, Requested
from builder.features.sources import read_text
from builder.features.ssh import CONFIG, INCLUDE, KEYS_DROPIN, WITHOUT_INCLUDE, server_changes
from builder.guest.authorized_keys import find_fault, key_lines
from builder.guestpath import GuestPath, join

_FILE = "file:"
_FEW_ATTEMPTS = "MaxAuthTries 2"
_BASE_PERMIT = "^PermitRootLogin[ \t]+(no|yes)"


def key_changes(
    user: str, settings: Mapping[str, Any], home: GuestPath, context: Context
) -> Iterator[Requested]:
    """Yield a line a key, in a directory that sshd trusts."""
    owner = Owner(settings.get("uid", 0), settings.get("gid", 0 if user == "root" else "users"))
    keys = list(_iter_keys(settings.get("ssh_keys", ()), user, context))
    if keys:
        yield MakeDirectory(join(home, ".ssh"), 0o700, owner)
        yield from _attempts_changes(context)
    path = join(home, ".ssh", "authorized_keys")
    for key in keys:
        yield key if isinstance(key, Diagnostic) else EnsureLine(path, key, mode=0o600, owner=owner)


def _attempts_changes(context: Context) -> Iterator[Reasoned]:
    """Yield OpenSSH's own limit where Photon's is so low that agents run into it."""
    if _FEW_ATTEMPTS in context.facts.sshd_lines:
        yield Reasoned(
            EnsureLine(CONFIG, "MaxAuthTries 6", replaces=f"^{_FEW_ATTEMPTS}[ \t]*$", mode=0o600),
            "Photon 3.0 allows two attempts, and an agent may offer two other keys first",
        )


def root_key_changes(context: Context) -> Iterator[Requested]:
    """Yield what root's keys need of the server; what an ``ssh`` key says comes first."""
    if "ssh" in context.overlay:
        return
    reason = "root has ssh keys, Photon's sshd lets root in by no means, and ssh is not given"
    others = context.overlay.get("users", {}).items()
    lines = ["PermitRootLogin prohibit-password"]
    if not any("password" in user for name, user in others if name != "root"):
        lines.append("PasswordAuthentication no")
    if context.release in WITHOUT_INCLUDE:
        # An explicit `ssh` of another overlay applies after these and at the top, so it wins.
        permit, *more = lines
        yield Reasoned(EnsureLine(CONFIG, permit, before="", replaces=_BASE_PERMIT), reason)
        yield from (Reasoned(EnsureLine(CONFIG, line), reason) for line in more)
    else:
        text = "".join(f"{line}\n" for line in lines)
        yield Reasoned(WriteFile(KEYS_DROPIN, Blob.text(text), 0o600), reason)
        yield Reasoned(EnsureLine(CONFIG, INCLUDE, before="", mode=0o600), reason)
    yield from server_changes(reason, context)


def _iter_keys(given: Sequence[str], user: str, context: Context) -> Iterator[str | Diagnostic]:
    """Yield the lines for ``authorized_keys``, each once, and what is wrong with others."""
    seen: set[str] = set()
    for index, text in enumerate(given):
        path = (user, "ssh_keys", index)
        lines: str | Diagnostic = text
        if text.startswith(_FILE):
            lines = read_text(text.removeprefix(_FILE).strip(), context, code="USR010", path=path)
        if isinstance(lines, Diagnostic):
            yield lines
            continue
        found = key_lines(lines)
        if not found:
            yield Diagnostic("the file holds no key", "USR011", "is it the right one?", path)
        for line in found:
            if message := find_fault(line):
                yield Diagnostic(
                    message, "USR011", "the line of ~/.ssh/id_ed25519.pub is one", path
                )
                break
            if line not in seen:
                seen.add(line)
                yield line
