"""What makes a plan real: editing a root, filling an appliance, driving an installer."""

from builder.changes import (
    AddGroup,
    AddUser,
    Change,
    EnsureLine,
    InstallPackages,
    MakeDirectory,
    MakeSymlink,
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

EDITABLE: frozenset[type[Change]] = frozenset(
    {
        WriteFile,
        MakeDirectory,
        MakeSymlink,
        Remove,
        InstallPackages,
        AddGroup,
        AddUser,
        SetPassword,
        EnsureLine,
        ReplaceText,
        SetKernelArguments,
        SetUnitState,
        Require,
        RequireModule,
    }
)
"""Changes that can be lowered to file operations on the root of a disk that boots."""

BOARD: frozenset[type[Change]] = EDITABLE | {SetFirmware}
"""The same for the card of a board whose firmware reads a config.txt."""
