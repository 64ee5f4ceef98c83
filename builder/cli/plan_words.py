"""What a change of a plan makes true, in one line for people; secrets are not shown."""

from builder.blob import Blob, Download
from builder.changes import (
    AddGroup,
    AddUser,
    Change,
    EnsureLine,
    InstallPackages,
    MakeDirectory,
    MakeSymlink,
    Owner,
    Remove,
    ReplaceText,
    Require,
    RequireModule,
    SetFirmware,
    SetKernelArguments,
    SetPassword,
    SetUnitState,
    WriteFile,
)

_NEVER_DAYS = 99999
_USUAL_FILE, _USUAL_DIRECTORY = 0o644, 0o755


def describe(change: Change) -> str:
    """Say in one line what a change makes true; the usual mode and owner go without saying."""
    match change:
        case WriteFile(path, content, mode, owner, secret):
            size = "secret" if secret else _size(content)
            told = "" if mode == _USUAL_FILE else f", {mode:04o}"
            return f"write     {path}  ({size}{told}{_owned(owner)})"
        case MakeDirectory(path, mode, owner):
            told = "" if mode == _USUAL_DIRECTORY and not _owned(owner) else f"  ({mode:04o}"
            return f"directory {path}{told}{_owned(owner)}{')' * bool(told)}"
        case MakeSymlink(path, target):
            return f"link      {path} -> {target}"
        case Remove(path):
            return f"remove    {path}"
        case EnsureLine(path=path, line=line):
            return f"line      {path}: {line.expandtabs(1)}"
        case ReplaceText(pattern, old, new):
            return f"replace   {pattern}: {old.strip()} -> {new.strip() or 'nothing'}"
        case _:
            return _describe_guest(change)


def _describe_guest(change: Change) -> str:
    """Say what a change of the guest's own state makes true."""
    match change:
        case InstallPackages(names, files, source):
            listed = " ".join((*names, *(name for name, _ in files)))
            kind = f", from the {source} repository" if source else ""
            how = f"a disk on its first boot with a network{kind}; an ISO from its medium"
            return f"packages  {listed}  (installed once: {how})"
        case AddGroup() | AddUser() | SetPassword():
            return _describe_account(change)
        case SetKernelArguments(add, remove):
            return f"kernel    {' '.join((*(f'+{a}' for a in add), *(f'-{r}' for r in remove)))}"
        case SetFirmware(section, line, drops):
            return f"firmware  [{section}] {line or f'-{drops}'}"
        case SetUnitState(unit, state, if_present):
            return f"unit      {unit} {state}{', if the base has it' * if_present}"
        case Require(path=need) | RequireModule(subject=need):
            return f"needs     {need}"
        case _:
            return type(change).__name__


def _describe_account(change: AddGroup | AddUser | SetPassword) -> str:
    """Say what a change of the account files makes true."""
    match change:
        case AddGroup(name, gid):
            return f"group     {name}  (gid {gid})"
        case AddUser(name=name, uid=uid, groups=groups):
            return f"user      {name}  (uid {uid}{''.join(f', {group}' for group in groups)})"
        case SetPassword(user=user, max_days=days, must_change=must):
            expiry = "never expires" if days == _NEVER_DAYS else f"expires after {days} days"
            return f"password  {user}  ({expiry}{', to be changed at the first login' * must})"


def _size(content: Blob) -> str:
    """Return a file's length."""
    return "downloaded" if isinstance(content.source, Download) else f"{content.size} bytes"


def _owned(owner: Owner) -> str:
    """Return an owner that is not root."""
    return "" if owner == Owner() else f", {owner.uid}:{owner.gid}"
