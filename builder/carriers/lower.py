"""Lower a guest change to file operations, reading the root that it will apply to."""

import fnmatch
from collections.abc import Callable, Iterator
from functools import partial

from builder.blob import Blob
from builder.carriers.kernel_modules import check_module
from builder.carriers.staged_packages import stage_packages
from builder.carriers.staged_units import lower_state
from builder.changes import (
    ROOT,
    AddGroup,
    AddUser,
    Change,
    EnsureLine,
    FileOp,
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
from builder.errors import GuestError
from builder.formats.filesystem import Kind
from builder.guest import accounts, config_txt, grub, lines
from builder.guestpath import GuestPath, join, name, parent
from builder.roots import Root
from builder.roots.resolve import exists, read_text, resolve
from builder.structs import replace

_DAY_SECONDS = 86400


def lower(change: Change, root: Root, timestamp: int) -> Iterator[FileOp]:
    """Yield the file operations that make ``change`` true of ``root``.

    Raises:
        GuestError: the base does not have what the change needs.
    """
    match change:
        case WriteFile(unless=str() as path) | MakeSymlink(unless=str() as path) if exists(
            root, path
        ):
            return
        case MakeSymlink() | Remove():
            yield change
        case WriteFile() | MakeDirectory():
            yield replace(change, owner=_numeric(root, change.owner))
        case InstallPackages():
            yield from stage_packages(change, root, timestamp)
        case SetUnitState():
            yield from lower_state(change, root)
        case SetKernelArguments():
            yield from _set_kernel_arguments(change, root)
        case SetFirmware():
            yield from _set_firmware(change, root)
        case _:
            yield from _edited(change, root, timestamp)


def rewrite(
    root: Root,
    path: GuestPath,
    edited: Callable[[str], str],
    *,
    mode: int = 0,
    owner: Owner = ROOT,
) -> Iterator[FileOp]:
    """Yield the write that turns a text file into what ``edited`` makes of it.

    Mode and owner stay as they are; a file that is absent is an error unless ``mode`` says
    how to make it.
    """
    real = resolve(root, path)
    node = root.lstat(real)
    if node is not None:
        mode, owner = node.mode, Owner(node.uid, node.gid)
    before = read_text(root, real, missing="" if mode else None)
    after = edited(before)
    if after != before or node is None:
        yield WriteFile(real, Blob.of(after.encode(errors="surrogateescape")), mode, owner)


def _edited(change: Change, root: Root, timestamp: int) -> Iterator[FileOp]:
    """Lower the changes that edit text files."""
    match change:
        case AddGroup(name=group, gid=gid):
            edited = partial(accounts.add_group, name=group, gid=gid)
            yield from rewrite(root, accounts.GROUP, edited)
        case AddUser():
            yield from _add_user(change, root, timestamp // _DAY_SECONDS)
        case SetPassword():
            yield from _set_password(change, root, timestamp // _DAY_SECONDS)
        case EnsureLine(path, line, before, replaces, mode, owner):
            yield from rewrite(
                root,
                path,
                lambda text: lines.ensure_line(text, line, before=before, replaces=replaces),
                mode=mode,
                owner=_numeric(root, owner),
            )
        case ReplaceText():
            yield from _replace_text(change, root)
        case Require() | RequireModule():
            _check_need(change, root)
        case _:
            raise TypeError(type(change))


def _check_need(change: Require | RequireModule, root: Root) -> None:
    """Refuse a root that does not have what is needed."""
    match change:
        case RequireModule(name=module):
            check_module(root, module)
        case Require(path, message, code, hint):
            if not exists(root, path):
                raise GuestError(message, code=code, hint=hint)


def _numeric(root: Root, owner: Owner) -> Owner:
    """Return ``owner`` with names looked up in the guest's own passwd and group."""
    uid, gid = owner.uid, owner.gid
    if isinstance(uid, str):
        uid = accounts.resolve_user(read_text(root, accounts.PASSWD), uid)
    if isinstance(gid, str):
        gid = accounts.resolve_group(read_text(root, accounts.GROUP), gid)
    return Owner(uid, gid)


def _add_user(change: AddUser, root: Root, day: int) -> Iterator[FileOp]:
    """Lower an account: the account files and a home directory."""
    gid = _numeric(root, Owner(change.uid, change.gid)).gid
    account = accounts.Account(
        change.name, change.uid, int(gid), change.home, change.shell, change.comment
    )
    before = accounts.Databases(
        *(read_text(root, path) for path in (accounts.PASSWD, accounts.SHADOW, accounts.GROUP))
    )
    after = accounts.add_user(before, account, change.groups, day=day)
    yield from rewrite(root, accounts.PASSWD, lambda _: after.passwd)
    yield from rewrite(root, accounts.SHADOW, lambda _: after.shadow)
    yield from rewrite(root, accounts.GROUP, lambda _: after.group)
    if not exists(root, change.home):
        yield MakeDirectory(change.home, 0o700, Owner(change.uid, gid))


def _set_password(change: SetPassword, root: Root, day: int) -> Iterator[FileOp]:
    """Lower a password: shadow(5), and the ``x`` in passwd(5) that points there."""
    yield from rewrite(
        root,
        accounts.SHADOW,
        lambda text: accounts.set_password(
            text,
            change.user,
            change.hash,
            day=day,
            max_days=change.max_days,
            must_change=change.must_change,
        ),
    )
    yield from rewrite(root, accounts.PASSWD, lambda text: accounts.set_passwd_x(text, change.user))


def _replace_text(change: ReplaceText, root: Root) -> Iterator[FileOp]:
    """Lower a literal replacement in the files that a glob names."""
    directory = resolve(root, parent(change.pattern))
    node = root.lstat(directory)
    if node is None or node.kind is not Kind.DIRECTORY:
        return
    for entry in fnmatch.filter(root.names(directory), name(change.pattern)):
        path = join(directory, entry)
        found = root.lstat(path)
        if found is not None and found.kind is Kind.FILE:
            yield from rewrite(root, path, lambda text: text.replace(change.old, change.new))


def _set_kernel_arguments(change: SetKernelArguments, root: Root) -> Iterator[FileOp]:
    """Lower kernel arguments to the files that the base's boot loader reads them from.

    ``systemd.cfg`` survives upgrades of the kernel's package, so arguments go there where
    grub.cfg reads it; cloud images have them as a literal in grub.cfg. What is removed is
    removed wherever it stands.
    """
    menu = read_text(root, grub.GRUB_CFG, missing="")
    indirect = "$systemd_cmdline" in menu and exists(root, grub.SYSTEMD_CFG)
    home = grub.SYSTEMD_CFG if indirect else grub.GRUB_CFG
    if not grub.has_arguments(read_text(root, home, missing="")):
        raise GuestError(
            f"the base has no kernel command line that can be edited: looked into {home}",
            code="KRN001",
            hint="drop `kernel` from the spec, or use a base that boots with GRUB",
        )
    keys = tuple(grub.key_of(word) for word in change.add if "=" in word)
    for path in (grub.SYSTEMD_CFG, grub.PHOTON_CFG, grub.GRUB_CFG):
        add, gone = (change.add, change.remove) if path == home else ((), (*change.remove, *keys))
        if exists(root, path):
            yield from rewrite(root, path, partial(grub.set_arguments, add=add, remove=gone))


def _set_firmware(change: SetFirmware, root: Root) -> Iterator[FileOp]:
    """Lower a setting of the firmware to the config.txt that the base has."""
    found = next((path for path in config_txt.PATHS if exists(root, path)), None)
    if found is None:
        raise GuestError(
            f"the base has no config.txt: looked for {', '.join(config_txt.PATHS)}",
            code="CFG001",
            hint="use an image for a Raspberry Pi, or drop the key",
        )
    edited = partial(config_txt.edit, section=change.section, line=change.line, drops=change.drops)
    yield from rewrite(root, found, edited)
