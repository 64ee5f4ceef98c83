"""The change vocabulary: everything that may be done to a guest, as data.

Two levels. A *file operation* is what every carrier can do blindly. A *guest
change* says what is wanted; :mod:`builder.carriers.lower` turns it into file
operations once a root can be read, and an installer is told it in its own words.
Features are open; this list is closed: a new member makes mypy point at every
carrier that must learn it.
"""

from typing import TypeAlias

from builder.changes.files import (
    ROOT,
    MakeDirectory,
    MakeSymlink,
    Owner,
    Remove,
    WriteFile,
)
from builder.changes.guest import (
    AddGroup,
    AddUser,
    EnsureLine,
    InstallPackages,
    ReplaceText,
    Require,
    RequireModule,
    SetFirmware,
    SetKernelArguments,
    SetPassword,
    SetUnitState,
    UnitState,
)

__all__ = [
    "ROOT",
    "STAGES",
    "AddGroup",
    "AddUser",
    "Change",
    "EnsureLine",
    "FileOp",
    "GuestChange",
    "InstallPackages",
    "MakeDirectory",
    "MakeSymlink",
    "Owner",
    "Remove",
    "ReplaceText",
    "Require",
    "RequireModule",
    "SetFirmware",
    "SetKernelArguments",
    "SetPassword",
    "SetUnitState",
    "UnitState",
    "WriteFile",
]

FileOp: TypeAlias = WriteFile | MakeDirectory | MakeSymlink | Remove
GuestChange: TypeAlias = (
    InstallPackages
    | AddGroup
    | AddUser
    | SetPassword
    | EnsureLine
    | ReplaceText
    | SetKernelArguments
    | SetFirmware
    | SetUnitState
    | Require
    | RequireModule
)
Change: TypeAlias = FileOp | GuestChange

STAGES: tuple[tuple[type[Change], ...], ...] = (
    (InstallPackages,),
    (Remove,),
    (AddGroup,),
    (AddUser,),
    (MakeDirectory, WriteFile, MakeSymlink),
    (ReplaceText,),
    (EnsureLine,),
    (SetPassword,),
    (SetKernelArguments, SetFirmware),
    (SetUnitState,),
    (Require, RequireModule),
)
"""When each kind applies; within a stage changes are independent and go by subject."""
