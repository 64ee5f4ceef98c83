"""A plan as people read it: what is downloaded, what becomes of each path, and why."""

from collections.abc import Iterator, Mapping
from itertools import groupby

from builder.base import Origin
from builder.blob import Blob, Download
from builder.build import Request
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
from builder.plan import Plan, Step
from builder.rules.images import image_uses
from builder.spec import Spec

_UNPUBLISHED = "no digest was published: the first build trusts it and records it"
_NEVER_DAYS = 99999


def format_plan(request: Request, plan: Plan, origin: Origin) -> str:
    """Return a plan for people, its changes grouped by the key that asked for them."""
    lines = [f"{request.artifact}  ({request.target.name}, from {origin.shown})"]
    lines += [f"  download  {line}" for line in _downloads(plan, origin)]
    lines += [f"  image     {_image_line(row)}" for row in image_rows(request.spec)]
    for origin_of_step, steps in groupby(sorted(plan.steps, key=_by_place), key=str):
        lines += ["", f"  {origin_of_step}"]
        lines += [f"    {line}" for step in steps for line in _step_lines(step)]
    lines += ["", *(f"  ! {text}" for text in request.target.warn(request.spec.sections))]
    lines += ["", f"  {len(plan.steps)} changes; the rest of the base is copied as it is"]
    return "\n".join(lines) + "\n"


def describe(change: Change) -> str:
    """Say in one line what a change makes true; secrets are not shown."""
    match change:
        case WriteFile(path, content, mode, owner, secret):
            size = "secret" if secret else _size(content)
            return f"write     {path}  ({size}, {mode:04o}{_owned(owner)})"
        case MakeDirectory(path, mode, owner):
            return f"directory {path}  ({mode:04o}{_owned(owner)})"
        case MakeSymlink(path, target):
            return f"link      {path} -> {target}"
        case Remove(path):
            return f"remove    {path}"
        case EnsureLine(path=path, line=line):
            return f"line      {path}: {line.expandtabs(1)}"
        case ReplaceText(pattern, old, new):
            return f"replace   {pattern}: {old.strip()} -> {new.strip()}"
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


def image_rows(spec: Spec) -> list[dict[str, str]]:
    """Return the container images that the guest pulls, and what the lock file has of each."""
    rows = []
    for use in image_uses(spec):
        pin = use.pin(spec)
        digest = pin.digest if pin else use.name.digest if use.name else ""
        image = "" if use.is_open else use.used.text
        service = f"{use.project.name}/{use.used.service}"
        rows.append({"service": service, "image": image, "digest": digest})
    return rows


def _image_line(row: Mapping[str, str]) -> str:
    """Return an image for people: its name, the digest that holds it, and who runs it."""
    name, _, _ = row["image"].partition("@")
    digest = row["digest"] or "not locked: what the tag means on the first boot"
    return f"{name or 'given by reference'}  ({row['service']}, {digest})"


def _downloads(plan: Plan, origin: Origin) -> Iterator[str]:
    """Yield what has to come from the network, its size and whether it is here already."""
    if origin.source is not None:
        size = f"{origin.source.size / 1e6:.0f} MB, " if origin.source.size else ""
        state = _cached(origin.digests) if origin.digests else _UNPUBLISHED
        yield f"{origin.source.filename}  ({size}{state})"
    for change, download in plan.downloads():
        state = _cached({"sha256": change.content.sha256})
        unless = f", unless the base has {change.unless}" if change.unless else ""
        yield f"{download.filename}  ({state}{unless})"


def _cached(digests: Mapping[str, str]) -> str:
    """Say whether a file is in the cache."""
    from builder.cache import Cache

    return "in the cache" if Cache().find(digests) else "not in the cache yet"


def _step_lines(step: Step) -> Iterator[str]:
    """Yield a step, and its reason if it has one."""
    yield describe(step.change)
    if step.reason:
        yield f"          ← {step.reason}"


def _by_place(step: Step) -> tuple[str, str, int]:
    """Return what steps are grouped by: defaults last, the others as they stand in their file."""
    place = step.place
    return ("~", step.origin, 0) if place is None else (str(place.file), "", place.line)


def _size(content: Blob) -> str:
    """Return a file's length."""
    return "downloaded" if isinstance(content.source, Download) else f"{content.size} bytes"


def _owned(owner: Owner) -> str:
    """Return an owner that is not root."""
    return "" if owner == Owner() else f", {owner.uid}:{owner.gid}"
