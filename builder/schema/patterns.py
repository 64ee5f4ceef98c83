"""Regular expressions of JSON Schema (ECMA-262) in Python's words.

In ECMA-262 ``$`` is the end of the text alone; in Python it is also before a line break at the end,
so that a name that ends in one would pass.
"""

import re
from functools import cache

_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\$", re.DOTALL)
"""An escape, a class of characters, or what is to be translated."""


@cache
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Return a compiled pattern of a schema."""
    return re.compile(_TOKEN.sub(lambda found: r"\Z" if found[0] == "$" else found[0], pattern))
