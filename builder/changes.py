"""The change vocabulary, which is the engine's: everything that may be done to a guest, as data."""

from builder.engine.change import Change, replace
from builder.engine.kinds import (
    STAGES,
    AddGroup,
    AddUser,
    EnsureLine,
    InstallFiles,
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
from builder.engine.nodes import ROOT, Owner
from builder.engine.ops import FileOp, MakeDirectory, MakeSymlink, Remove, WriteFile

__all__ = [
    "ROOT",
    "STAGES",
    "AddGroup",
    "AddUser",
    "Change",
    "EnsureLine",
    "FileOp",
    "InstallFiles",
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
    "replace",
]
