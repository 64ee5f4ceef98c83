"""The table of kinds: what a plan may hold, and when each applies.

A new kind is one new file and one entry here. The base class makes mypy refuse a kind that lacks
an answer: an abstract class cannot be the value of an entry.
"""

from __future__ import annotations

from typing import FrozenSet, Mapping, Tuple, Type

from ..change import Change
from ..ops import MakeDirectory, MakeSymlink, Remove, WriteFile
from .add_group import AddGroup
from .add_user import AddUser
from .ensure_line import EnsureLine
from .install_files import InstallFiles
from .install_packages import InstallPackages
from .replace_text import ReplaceText
from .require import Require
from .require_module import RequireModule
from .set_firmware import SetFirmware
from .set_kernel_arguments import SetKernelArguments
from .set_password import SetPassword
from .set_unit_state import SetUnitState, UnitState

__all__ = [
    "BOARDS",
    "KINDS",
    "STAGES",
    "AddGroup",
    "AddUser",
    "Change",
    "EnsureLine",
    "InstallFiles",
    "InstallPackages",
    "MakeDirectory",
    "MakeSymlink",
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


def _stage(*kinds: Type[Change]) -> Tuple[Type[Change], ...]:
    """Return kinds that are independent of each other; mypy refuses one that lacks an answer."""
    return kinds


STAGES = (
    _stage(InstallPackages, InstallFiles),
    _stage(Remove),
    _stage(AddGroup),
    _stage(AddUser),
    _stage(MakeDirectory, WriteFile, MakeSymlink),
    _stage(ReplaceText),
    _stage(EnsureLine),
    _stage(SetPassword),
    _stage(SetKernelArguments, SetFirmware),
    _stage(SetUnitState),
    _stage(Require, RequireModule),
)
"""When each kind applies; within a stage changes are independent and go by subject."""

KINDS: Mapping[str, Type[Change]] = {kind.__name__: kind for stage in STAGES for kind in stage}
"""Every kind by its name in a plan document."""

BOARDS: FrozenSet[Type[Change]] = frozenset({SetFirmware})
"""Kinds that only the card of a board can take: its firmware reads a config.txt."""
