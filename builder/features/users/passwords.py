"""What a password value means; no feature of its own."""

from collections.abc import Iterator, Mapping
from typing import Any

from builder.changes import SetPassword
from builder.engine.text.accounts import LOCKED, NEVER_DAYS
from builder.errors import Diagnostic, Severity, SpecError
from builder.features import Context, Requested
from builder.features.sources import at
from builder.guest.password import check_hash, derived_salt, hash_password
from builder.guest.weak import weakness
from builder.secret import read_secret

_HASHES = ("$1$", "$2", "$5$", "$6$", "$y$")
FORMS = ("env", "file", "random", "locked", "hash")
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
"""Without letters that look alike: the password is typed from a screen, on any keyboard."""
_LETTERS = 20
_FIRST_LOGIN = "first-login"
_WEAK = frozenset({"changeme", "password", "photon", "root", "admin", "123456"})


def password_changes(user: str, value: Mapping[str, Any], context: Context) -> Iterator[Requested]:
    """Yield a user's password with its ageing, or what is wrong with it."""
    if "password" not in value:
        if "expire" in value:
            message = "`expire` belongs to a password, and none is given"
            yield Diagnostic(
                message,
                "USR004",
                "add password: {env: NAME}, and export NAME before the build; or drop expire",
                (user, "expire"),
            )
        return
    try:
        hashed, weak = _hash_of(user, value["password"], context)
    except SpecError as error:
        yield at(error.problems[0], user, "password")
        return
    if weak:
        hint = "choose a longer one, or have one drawn: password: {random: true}"
        message = f"the password of {user} {weak}: guessing finds it"
        path = (user, "password")
        yield Diagnostic(message, "USR012", hint, path, Severity.WARNING)
    expire = value.get("expire", "never")
    days = expire if isinstance(expire, int) else NEVER_DAYS
    drawn = "random" in value["password"]
    yield SetPassword(user, hashed, days, expire == _FIRST_LOGIN, drawn)


def _hash_of(user: str, form: Mapping[str, Any] | str, context: Context) -> tuple[str, str]:
    """Return the hash that one of the five forms means, and why its password is weak.

    Raises:
        SpecError: the form is none of the five, or what it refers to is missing or weak.
    """
    match form:
        case {"locked": True, **rest} if not rest:
            return LOCKED, ""
        case {"hash": stated, **rest} if not rest:
            text = stated if isinstance(stated, str) else read_secret(stated, context.directory)
            check_hash(text, release=context.release)
            return text, ""
        case {"random": True, **rest} if not rest:
            import secrets

            plain = "".join(secrets.choice(_ALPHABET) for _ in range(_LETTERS))
            context.announce(f"password of {user}: {plain}")
        case {"random": False} | {"locked": False}:
            word = next(iter(form))
            hint = f"write {{{word}: true}}, or {{env: NAME}} for a password of your own"
            raise SpecError((Diagnostic(f"found `{word}: false`; wanted true", "USR003", hint),))
        case {**keys} if len(keys) != 1 or not keys.keys() <= set(FORMS):
            found = ", ".join(map(str, keys)) or "none"
            message = f"found {found}; wanted exactly one of {', '.join(FORMS)}"
            raise SpecError((Diagnostic(message, "USR003", "keep one of them"),))
        case str() if form.startswith(_HASHES):
            message = "found a hash; wanted it under `hash`"
            hint = "write {hash: …} with the text that is here, in quotes"
            raise SpecError((Diagnostic(message, "USR003", hint),))
        case _:
            plain = read_secret(form, context.directory)
    _check_strength(plain)
    hashed = hash_password(plain, salt=derived_salt(plain, context.name, user))
    names = (user, context.name, str(context.overlay.get("hostname", "")))
    return hashed, weakness(plain, names)


def _check_strength(plain: str) -> None:
    """Refuse what cannot be typed at a login prompt, and what everybody tries first.

    Raises:
        SpecError: the password holds a control character, or is a well-known one.
    """
    if any(ord(letter) < ord(" ") for letter in plain):
        message = "the password holds a line break or another control character"
        raise SpecError((Diagnostic(message, "USR005", "one line, without its end"),))
    if plain.lower() in _WEAK:
        raise SpecError((Diagnostic("the password is one that everybody tries first", "USR006"),))
