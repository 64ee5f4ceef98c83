"""The state of a systemd unit."""

from __future__ import annotations

import shlex
from enum import Enum
from typing import ClassVar, Container, Iterator

from .. import forms, unit_links
from ..blobs import Blob
from ..change import Change, Question
from ..knowledge import Knowledge
from ..ops import FileOp, WriteFile
from ..text import packages
from ..tree import Tree, exists, read_text

_PATIENCE = 30.0
_STARTED = "started"
"""The state of a unit that is enabled already, and may have missed its start."""

_MISSES_A_DEVICE = (
    r"""printf '%s\n' "$said" | sed -En 's/^(BindsTo|Requires)=//p' | tr ' ' '\n' | """
    r"""grep '\.device$' | while read -r each; do systemctl -q is-active "$each" || """
    """echo "there is no $each"; done | grep ."""
)
"""Names the hardware, such as a radio, that a unit is bound to and that this machine lacks."""


class UnitState(str, Enum):
    """What systemd should do with a unit at boot."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    MASKED = "masked"

    def __str__(self) -> str:
        return str(self.value)


def _state(value: forms.Json) -> UnitState:
    try:
        return UnitState(value)
    except ValueError:
        raise forms.unfit(value, "a unit's state") from None


_STATE: forms.Form[UnitState] = forms.Form(
    lambda value, _: str(value),
    lambda value, _: _state(value),
    {"enum": [str(state) for state in UnitState]},
)


class SetUnitState(Change):
    """Enable, disable or mask a systemd unit, as ``systemctl --root`` would, with a preset line.

    Attributes:
        unit: Its name.
        state: What systemd should do with it.
        if_present: Whether a unit that the base does not have is nothing to do, and no error.
        preset: Whether a preset line says so, too; without one, an update of the package decides.
    """

    unit: str
    state: UnitState
    if_present: bool = False
    preset: bool = True

    FORMS: ClassVar[forms.Forms] = {
        "unit": forms.TEXT,
        "state": _STATE,
        "if_present": forms.FLAG,
        "preset": forms.FLAG,
    }

    @property
    def subject(self) -> str:
        """The unit."""
        return f"unit {self.unit}"

    def lower(self, tree: Tree, known: Knowledge) -> Iterator[FileOp]:
        """Yield links and a preset line.

        A unit that packages will bring on the first boot has neither file nor links yet: what is
        settled now is its mask and preset, the script that installs does the rest.
        """
        file = unit_links.find_unit(self.unit, tree)
        if file is not None:
            unit = unit_links.own_name(self.unit, file, tree)
            yield from self._settled(unit, tree)
            if self.state is UnitState.ENABLED and exists(tree, packages.WANTED):
                yield self._noted(_STARTED, tree)
        elif self._is_coming(tree, known):
            if self.state is UnitState.MASKED:
                yield from unit_links.set_mask(self.unit, tree)
            else:
                yield from unit_links.take_mask(self.unit, tree)
            yield from unit_links.add_preset(self.unit, tree, enable=self._enables())
            yield self._noted(str(self.state), tree)
        elif not self.if_present:
            raise unit_links.no_unit(self.unit, known.package_for(self.unit, tree))

    def sentence(self) -> str:
        """Name unit and state."""
        return f"unit      {self.unit} {self.state}{', if the base has it' * self.if_present}"

    def questions(self, edited: Container[str]) -> Iterator[Question]:
        """Ask for the state and, of a service, whether it runs; a template is not asked for."""
        del edited
        if self.if_present:
            return
        unit = shlex.quote(self.unit)
        asked = f"systemctl is-enabled {unit} 2>/dev/null"
        yield Question(f"{self.unit} is {self.state}", asked, str(self.state))
        if self._enables() and self.unit.endswith(".service") and "@." not in self.unit:
            yield Question(f"{self.unit} runs", _runs(unit), match="success", patience=_PATIENCE)

    def _enables(self) -> bool:
        """Return whether the unit is to be enabled."""
        return self.state is UnitState.ENABLED

    def _settled(self, unit: str, tree: Tree) -> Iterator[FileOp]:
        """Yield what puts a unit that is there into its state."""
        if self.state is UnitState.ENABLED:
            yield from unit_links.enable(unit, tree)
        elif self.state is UnitState.DISABLED:
            yield from unit_links.disable(unit, tree)
        else:
            # By the name that was given: a mask of ctrl-alt-del.target leaves reboot.target alone.
            unit = self.unit
            yield from unit_links.set_mask(unit, tree)
        if self.preset:
            yield from unit_links.add_preset(unit, tree, enable=self._enables())

    def _is_coming(self, tree: Tree, known: Knowledge) -> bool:
        """Return whether packages that wait for the first boot bring the unit, or may do so."""
        names = read_text(tree, packages.WANTED, missing="").split()
        if not names:
            return False
        brings = known.brings(names, self.unit, tree)
        if brings is False and exists(tree, packages.REPOSITORY):
            brings = None
        return brings is True or (brings is None and not self.if_present)

    def _noted(self, state: str, tree: Tree) -> FileOp:
        """Return the list of units for the first boot, with a line for this one."""
        lines = {*read_text(tree, packages.STATES, missing="").splitlines()}
        lines.add(f"{state} {self.unit}")
        return WriteFile(packages.STATES, Blob.text("".join(f"{line}\n" for line in sorted(lines))))


def _runs(unit: str) -> str:
    """Return the shell command that succeeds when a unit runs, or rightly does not.

    A unit whose condition is not met stays inactive without having failed; one that was never
    started has no met condition either, but no time at which it was looked at.
    """
    names = "ActiveState,ConditionResult,ConditionTimestampMonotonic,BindsTo,Requires"
    # The order in which units are required is another on each boot.
    shown = """echo "$said" | grep -vE '^(BindsTo|Requires)='"""
    said = f"said=$(systemctl show -p {names} {unit}); {shown}"
    quiet = "^ConditionResult=no$", "^ConditionTimestampMonotonic=[1-9]"
    passed_over = " && ".join(f'echo "$said" | grep -q "{each}"' for each in quiet)
    active = 'echo "$said" | grep -q "^ActiveState=active$"'
    return f"{said}; {active} || {{ {passed_over}; }} || {{ {_MISSES_A_DEVICE}; }}"
