"""An XML document as a tree that knows where in the text each part lies.

Source: W3C Extensible Markup Language 1.0 and Namespaces in XML 1.0; expat does the parsing.
What is changed is replaced in the text, so that everything else stays as it was written:
white space, comments, the order of attributes and the prefixes of names.

Takes UTF-8 only. Refuses document types and with them every entity that is not built in.
"""

import re
from collections.abc import Iterator
from xml.parsers import expat

from builder.errors import FormatError, GuestError
from builder.formats.disk import MIB
from builder.structs import Struct, field

SIZE_LIMIT = 4 * MIB
_DEPTH_LIMIT = 64
_ELEMENT_LIMIT = 20_000
_ENCODINGS = {"UTF-8", "US-ASCII"}
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_TAG = re.compile(rb"""<[^\s/>]+(?:[^"'>]|"[^"]*"|'[^']*')*>""")
_ATTRIBUTE = re.compile(rb"""\s([^\s=]+)\s*=\s*("[^"]*"|'[^']*')""")
_IN_CONTENT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_IN_VALUE = _IN_CONTENT | str.maketrans({'"': "&quot;", "\n": "&#10;", "\t": "&#9;"})


class Name(Struct, frozen=True):
    """A name and the namespace that its prefix stands for."""

    namespace: str
    local: str


class Element(Struct, eq=False):
    """An element; positions are bytes of the document.

    Attributes:
        name: Its name.
        attributes: Values by name.
        prefixes: Prefixes in scope, by namespace; the empty one is the default.
        start: Where its first tag begins.
        body: Behind its first tag.
        close: Where its last tag begins; as ``body`` when it has none.
        end: Behind it.
        text: Its text without that of the elements in it.
        children: Elements in it.
    """

    name: Name
    attributes: dict[Name, str]
    prefixes: dict[str, tuple[str, ...]]
    start: int
    body: int
    close: int = 0
    end: int = 0
    text: str = ""
    children: list["Element"] = field(default_factory=list)

    def find(self, name: Name) -> "Element | None":
        """Return the first child of that name."""
        return next((child for child in self.children if child.name == name), None)

    def find_all(self, name: Name) -> list["Element"]:
        """Return the children of that name."""
        return [child for child in self.children if child.name == name]

    def walk(self) -> Iterator["Element"]:
        """Yield the element and everything below it, in the order of the document."""
        waiting = [self]
        while waiting:
            element = waiting.pop()
            yield element
            waiting.extend(reversed(element.children))

    def text_of(self, name: Name) -> str:
        """Return the text of the first child of that name, stripped; empty when there is none."""
        child = self.find(name)
        return child.text.strip() if child else ""

    def qualify(self, name: Name, *, is_attribute: bool = False) -> tuple[str, str]:
        """Return a name as written inside this element, and a declaration that it needs."""
        for prefix in self.prefixes.get(name.namespace, ()):
            if prefix or not is_attribute:
                return (f"{prefix}:{name.local}" if prefix else name.local), ""
        return f"ns:{name.local}", f" xmlns:ns={quote(name.namespace)}"


def parse_document(data: bytes, *, name: str) -> Element:
    """Parse a document and return its outermost element.

    Raises:
        FormatError: it is not well-formed, too large, not UTF-8, or has a document type.
    """
    if len(data) > SIZE_LIMIT:
        raise FormatError(f"{name}: {len(data)} bytes; at most {SIZE_LIMIT} are read")
    reader = _Reader(data, name)
    try:
        reader.parser.Parse(data, True)
    except expat.ExpatError as error:
        raise FormatError(
            f"{name}: line {error.lineno}, column {error.offset + 1}: "
            f"{expat.ErrorString(error.code)}"
        ) from error
    except (LookupError, ValueError) as error:
        raise FormatError(f"{name}: its encoding cannot be read: {error}") from error
    if reader.root is None:
        raise FormatError(f"{name}: an XML document without elements")
    return reader.root


def encode(text: str) -> bytes:
    """Return text of a document as UTF-8.

    Raises:
        GuestError: a character in it cannot stand in XML.
    """
    found = _NOT_XML.search(text)
    if found is not None:
        raise GuestError(f"the character {found[0]!r} cannot stand in an OVF envelope")
    return text.encode()


def escape(text: str) -> str:
    """Return ``text`` as the content of an element."""
    return text.translate(_IN_CONTENT)


def quote(text: str) -> str:
    """Return ``text`` as the value of an attribute, with its quotes."""
    return f'"{text.translate(_IN_VALUE)}"'


class _Reader:
    """Builds the tree from what expat reports."""

    def __init__(self, data: bytes, name: str) -> None:
        self._data = data
        self._name = name
        self._open: list[Element] = []
        self._count = 0
        self._declared: list[tuple[str, str]] = []
        self.root: Element | None = None
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.XmlDeclHandler = self._check_encoding
        self.parser.StartDoctypeDeclHandler = self._refuse_doctype
        self.parser.StartNamespaceDeclHandler = self._declare
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        if data[:2] in {b"\xff\xfe", b"\xfe\xff"} or b"\0" in data[:4]:
            raise FormatError(f"{name}: not in UTF-8")

    def _check_encoding(self, version: str, encoding: str | None, standalone: int) -> None:
        """Refuse other encodings: positions are those of the bytes as they are."""
        del version, standalone
        if encoding is not None and encoding.upper() not in _ENCODINGS:
            raise FormatError(f"{self._name}: its encoding is {encoding}, wanted UTF-8")

    def _refuse_doctype(self, *_: object) -> None:
        """Refuse a document type: nothing that is read here has one."""
        raise FormatError(f"{self._name}: it has a document type (<!DOCTYPE>), which is refused")

    def _declare(self, prefix: str | None, uri: str) -> None:
        """Remember a namespace of the element that follows."""
        self._declared.append((prefix or "", uri or ""))

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        """Open an element."""
        self._count += 1
        if len(self._open) >= _DEPTH_LIMIT or self._count > _ELEMENT_LIMIT:
            raise FormatError(f"{self._name}: too many elements, or nested too deep")
        start = self.parser.CurrentByteIndex
        found = _TAG.match(self._data, start)
        if found is None:
            raise FormatError(f"{self._name}: byte {start}: a tag that cannot be read")
        element = Element(
            name=_split(tag),
            attributes={_split(key): value for key, value in attributes.items()},
            prefixes=self._scope(),
            start=start,
            body=found.end(),
        )
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def _end(self, tag: str) -> None:
        """Close an element."""
        del tag
        element = self._open.pop()
        if self._data[element.body - 2 : element.body] == b"/>":
            element.close = element.end = element.body
            return
        element.close = self.parser.CurrentByteIndex
        element.end = self._data.index(b">", element.close) + 1

    def _characters(self, text: str) -> None:
        """Add to the text of the open element."""
        self._open[-1].text += text

    def _scope(self) -> dict[str, tuple[str, ...]]:
        """Return the prefixes in scope of a new element."""
        outer = self._open[-1].prefixes if self._open else {}
        if not self._declared:
            return outer
        hidden = {prefix for prefix, _ in self._declared}
        scope = {uri: tuple(p for p in known if p not in hidden) for uri, known in outer.items()}
        for prefix, uri in self._declared:
            scope[uri] = (prefix, *scope.get(uri, ()))
        self._declared = []
        return {uri: tuple(sorted(known)) for uri, known in scope.items()}


def _split(name: str) -> Name:
    """Return expat's ``namespace local`` as a name."""
    namespace, _, local = name.rpartition(" ")
    return Name(namespace, local)


class Editor(Struct):
    """Replacements in the text of a document, made all at once."""

    data: bytes
    _cuts: list[tuple[int, int, bytes]] = field(default_factory=list)

    def set_text(self, element: Element, text: str) -> None:
        """Give an element this text; elements in it are dropped."""
        if element.text == text and not element.children:
            return
        self._open_up(element, escape(text))

    def set_attribute(self, element: Element, name: Name, value: str) -> None:
        """Give an element's attribute a value."""
        if element.attributes.get(name) == value:
            return
        quoted = quote(value)
        tag = self.data[element.start : element.body]
        for found in _ATTRIBUTE.finditer(tag):
            prefix, _, local = found[1].decode().rpartition(":")
            known = element.prefixes.get(name.namespace, ())
            if local == name.local and ((prefix and prefix in known) or not name.namespace):
                self._cut(element.start + found.start(2), element.start + found.end(2), quoted)
                return
        written, declaration = element.qualify(name, is_attribute=True)
        at = element.start + len(tag.rstrip(b">").rstrip(b"/").rstrip())
        self._cut(at, at, f"{declaration} {written}={quoted}")

    def insert_after(self, sibling: Element, text: str) -> None:
        """Add XML behind an element, on a line of its own, indented like it."""
        self._cut(sibling.end, sibling.end, self.indent_of(sibling) + text)

    def insert_before(self, sibling: Element, text: str) -> None:
        """Add XML before an element, on a line of its own, indented like it."""
        self._cut(sibling.start, sibling.start, text + self.indent_of(sibling))

    def append(self, parent: Element, text: str) -> None:
        """Add XML as the last child of an element."""
        if parent.children:
            self.insert_after(parent.children[-1], text)
        else:
            indent = self.indent_of(parent)
            self._open_up(parent, f"{indent}  {text}{indent}")

    def indent_of(self, element: Element) -> str:
        """Return the white space before an element, line ends included."""
        before = self.data[: element.start]
        blank = before[len(before.rstrip(b" \t\r\n")) :]
        return blank.decode()

    def result(self) -> bytes:
        """Return the document with every replacement made."""
        pieces, at = [], 0
        for start, end, new in sorted(self._cuts, key=lambda cut: cut[:2]):
            if start < at:
                raise ValueError(f"two changes of bytes {start} to {at} of a document")
            pieces += [self.data[at:start], new]
            at = end
        return b"".join([*pieces, self.data[at:]])

    def _open_up(self, element: Element, content: str) -> None:
        """Replace what is between an element's tags, giving it a last tag if it has none."""
        if element.body != element.end:
            self._cut(element.body, element.close, content)
            return
        tag = self.data[element.start : element.body]
        found = re.match(rb"<([^\s/>]+)", tag)
        raw_name = found[1].decode() if found else element.name.local
        at = element.start + len(tag[:-2].rstrip())
        self._cut(at, element.end, f">{content}</{raw_name}>")

    def _cut(self, start: int, end: int, new: str) -> None:
        """Plan one replacement."""
        self._cuts.append((start, end, encode(new)))
