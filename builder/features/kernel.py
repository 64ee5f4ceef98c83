"""Arguments of the kernel command line."""

from collections.abc import Iterator, Mapping, Sequence

from builder.changes import SetKernelArguments
from builder.errors import Diagnostic
from builder.features import Context, Feature, Requested, form

_WORDS = {
    "type": "array",
    "uniqueItems": True,
    "items": {"type": "string", **form(r"^[!-~]+$", "one argument without spaces")},
}
SCHEMA = {
    "type": "object",
    "description": "Arguments of the kernel command line (bootparam(7)).",
    "additionalProperties": False,
    "properties": {
        "add": {**_WORDS, "description": "`key=value` takes the place of others with its key."},
        "remove": {**_WORDS, "description": "Whole arguments, or keys with any value."},
    },
}
_OWN = frozenset({"root", "init", "initrd", "rootfstype"})
"""What the base's own boot loader decides; another value would not boot."""


def changes(value: Mapping[str, Sequence[str]], _: Context) -> Iterator[Requested]:
    """Yield the arguments to add and to remove."""
    for verb in ("add", "remove"):
        for index, word in enumerate(value.get(verb, ())):
            key = word.partition("=")[0]
            if key in _OWN:
                message = f"{key}= is how the base finds itself at boot; it stays as it is"
                yield Diagnostic(message, "KRN010", "drop it", (verb, index))
            elif any(letter in "\"'$\\" for letter in word):
                message = f"{word}: quotes, $ and backslashes have a meaning of their own in GRUB"
                yield Diagnostic(message, "KRN011", "use an argument without them", (verb, index))
    both = set(value.get("add", ())) & set(value.get("remove", ()))
    for word in sorted(both):
        yield Diagnostic(f"{word} is to be added and removed; wanted one of them", "KRN012")
    yield SetKernelArguments(tuple(value.get("add", ())), tuple(value.get("remove", ())))


FEATURE = Feature(
    "kernel", "Kernel command line", SCHEMA, changes, "{add: [mitigations=auto], remove: [quiet]}"
)
