"""An envelope that is being changed: elements are set where they are, or added in their place."""

from builder.errors import GuestError
from builder.formats.ovf.envelope import Envelope
from builder.formats.ovf.names import ovf
from builder.formats.ovf.xml import Editor, Element, escape
from builder.structs import Struct


class Work(Struct, frozen=True):
    """An envelope that is being changed."""

    editor: Editor
    envelope: Envelope
    system: Element
    hardware: Element

    def missing(self, what: str) -> GuestError:
        """Return the error for something that an envelope should have."""
        return GuestError(f"{self.envelope.where}: the envelope has no {what} to change")


def text_element(parent: Element, local: str, text: str) -> str:
    """Return an element of the envelope's namespace as XML."""
    name, declaration = parent.qualify(ovf(local))
    return f"<{name}{declaration}>{escape(text)}</{name}>"


def set_child(
    work: Work, parent: Element, local: str, text: str, *, after: tuple[str, ...]
) -> None:
    """Set the text of a child, adding it behind the last of ``after`` when it is missing."""
    child = parent.find(ovf(local))
    if child is not None:
        work.editor.set_text(child, text)
        return
    siblings = [e for e in parent.children if e.name in {ovf(name) for name in after}]
    if siblings:
        work.editor.insert_after(siblings[-1], text_element(parent, local, text))
    else:
        work.editor.append(parent, text_element(parent, local, text))


def add_section(work: Work, local: str, lines: list[str]) -> None:
    """Add a section to the virtual system."""
    name, declaration = work.system.qualify(ovf(local))
    indent = work.editor.indent_of(work.hardware)
    body = "".join(f"{indent}  {line}" for line in lines)
    work.editor.insert_after(work.hardware, f"<{name}{declaration}>{body}{indent}</{name}>")
