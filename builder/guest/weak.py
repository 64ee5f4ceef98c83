"""Passwords that guessing finds: short ones, common ones, those made of the account's own name."""

_SHORTEST = 8
_COMMON = frozenset(
    {
        *("password", "passw0rd", "p@ssw0rd", "p@ssword", "secret", "changeit", "changeme", "pass"),
        *("qwerty", "qwertz", "azerty", "letmein", "welcome", "default", "test", "guest", "toor"),
        *("administrator", "admin", "root", "photon", "vmware", "raspberry", "docker", "pihole"),
        *("iloveyou", "monkey", "dragon", "abc123", "homelab"),
    }
)
_ROWS = (
    *("abcdefghijklmnopqrstuvwxyz", "0123456789", "1234567890"),
    *("qwertyuiop", "qwertzuiop", "asdfghjkl", "zxcvbnm"),
)
_ENDS = "0123456789!.?*#_-"


def weakness(password: str, names: tuple[str, ...] = ()) -> str:
    """Return why a password is weak, as a clause after "it"; empty when nothing is known.

    Args:
        password: In plain text.
        names: Words that everybody knows of the machine: account and host names.
    """
    plain = password.casefold()
    word = plain.strip(_ENDS)
    if len(password) < _SHORTEST:
        return f"is shorter than {_SHORTEST} characters"
    if len(set(plain)) <= len(plain) // 4 or _is_row(plain):
        return "is a row of letters or digits"
    if word in _COMMON or plain in _COMMON:
        return "is a common one with digits or signs at most"
    for name in names:
        if name and name.casefold() in {word, plain, word[::-1]}:
            return f"is the name {name}"
    return ""


def _is_row(plain: str) -> bool:
    """Return whether a text is a part of a row of the keyboard, forwards, backwards or repeated."""
    rows = [row * 3 for row in _ROWS]
    return any(plain in row or plain[::-1] in row for row in rows)
