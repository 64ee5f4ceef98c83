import pytest

from builder.blob import Blob
from builder.changes import SetPassword, WriteFile
from builder.engine.knowledge import Knowledge
from builder.engine.text import accounts
from builder.errors import GuestError, SpecError
from builder.guest import password
from builder.guestpath import guest
from tests.support.judges import judge
from tests.support.roots import merged_root

PASSWD = "root:x:0:0:root:/root:/bin/bash\nbin:x:1:1::/dev/null:/bin/false\n"
SHADOW = "root:$6$old$hash:0:0:90:7:5:1:\nbin:x:18000:0:90:7:::\n"
GROUP = "root:x:0:\nwheel:x:28:\nusers:x:100:bin\n"


def _line(text: str, user: str = "root") -> str:
    return next(line for line in text.splitlines() if line.startswith(f"{user}:"))


def test_a_password_is_set_with_its_ageing() -> None:
    text = accounts.set_password(
        SHADOW, "root", "$6$new", accounts.Ageing(20000, 99999, must_change=False)
    )
    assert text == "root:$6$new:20000:0:99999:7:::\nbin:x:18000:0:90:7:::\n"


def test_the_first_login_must_change_a_password_of_day_zero() -> None:
    text = accounts.set_password(
        SHADOW, "root", "$6$n", accounts.Ageing(20000, 90, must_change=True)
    )
    assert _line(text) == "root:$6$n:0:0:90:7:::"
    again = accounts.set_password(
        text, "root", "$6$n", accounts.Ageing(20001, 90, must_change=True)
    )
    assert again == text


def test_the_day_stays_when_nothing_else_changes() -> None:
    once = accounts.set_password(
        SHADOW, "root", "!", accounts.Ageing(20000, 99999, must_change=False)
    )
    later = accounts.set_password(
        once, "root", "!", accounts.Ageing(20500, 99999, must_change=False)
    )
    assert later == once


@pytest.mark.parametrize(("hashed", "max_days"), [("!", 30), ("$6$x", 99999)], ids=["age", "hash"])
def test_the_day_moves_with_the_hash_and_the_age(hashed: str, max_days: int) -> None:
    once = accounts.set_password(
        SHADOW, "root", "!", accounts.Ageing(20000, 99999, must_change=False)
    )
    later = accounts.set_password(
        once, "root", hashed, accounts.Ageing(20500, max_days, must_change=False)
    )
    assert _line(later).split(":")[2] == "20500"


@pytest.mark.parametrize("day", [10957, 20001], ids=["of its packages", "its own"])
def test_the_day_that_an_installer_left_with_the_same_password_does_not_stay(day: int) -> None:
    root = merged_root()
    before = f"root:$6$x:{day}:0:99999:7:::\n"
    root.apply(WriteFile(guest("/etc/shadow"), Blob.text(before)))
    known = Knowledge(20000 * 86400, is_fresh=True)
    (op,) = SetPassword("root", "$6$x").lower(root, known)
    assert isinstance(op, WriteFile)
    assert op.content == Blob.text(before.replace(str(day), "20000"))


def test_the_day_is_never_zero_by_accident() -> None:
    text = accounts.set_password(SHADOW, "root", "!", accounts.Ageing(0, 99999, must_change=False))
    assert _line(text).split(":")[2] == "1"


def test_a_user_that_is_not_there_is_named() -> None:
    with pytest.raises(GuestError, match="no user 'ada'"):
        accounts.set_passwd_x(PASSWD, "ada")


def test_the_passwd_field_points_to_shadow() -> None:
    assert accounts.set_passwd_x("a:plain:1:1::/:/bin/sh\n", "a") == "a:x:1:1::/:/bin/sh\n"


ADA = accounts.Account("ada", 1000, 100, guest("/home/ada"), comment="Ada L")
BASE = accounts.Databases(PASSWD, SHADOW, GROUP)


def test_an_account_is_added_once() -> None:
    once = accounts.add_user(BASE, ADA, ("wheel",), day=20000)
    assert _line(once.passwd, "ada") == "ada:x:1000:100:Ada L:/home/ada:/bin/bash"
    assert _line(once.shadow, "ada") == "ada:!:20000:0:99999:7:::"
    assert _line(once.group, "wheel") == "wheel:x:28:ada"
    assert accounts.add_user(once, ADA, ("wheel",), day=30000) == once


def test_a_gid_without_a_group_makes_the_users_own() -> None:
    account = accounts.Account("ada", 1000, 1000, guest("/home/ada"))
    assert accounts.add_user(BASE, account, day=1).group.endswith("ada:x:1000:\n")


@pytest.mark.parametrize(
    ("account", "groups", "found"),
    [
        (accounts.Account("bin", 7, 100, guest("/x")), (), "bin:x:1:1"),
        (accounts.Account("ada", 1, 100, guest("/x")), (), "belongs to bin"),
        (accounts.Account("wheel", 9, 900, guest("/x")), (), "wheel has gid 28"),
        (ADA, ("docker",), "no group 'docker'"),
    ],
    ids=["other account", "uid taken", "group taken", "no such group"],
)
def test_a_conflict_says_what_was_found(
    account: accounts.Account, groups: tuple[str, ...], found: str
) -> None:
    with pytest.raises(GuestError, match=found):
        accounts.add_user(BASE, account, groups, day=1)


def test_names_are_resolved_by_the_guests_own_files() -> None:
    assert accounts.resolve_user(PASSWD, "bin") == 1
    assert accounts.resolve_group(GROUP, "wheel") == 28


@pytest.mark.parametrize("text", ["root:x:zero:0::/:/\n", "root\n"], ids=["letters", "short"])
def test_a_damaged_record_is_an_error_of_the_base(text: str) -> None:
    with pytest.raises(GuestError, match="/etc/passwd"):
        accounts.resolve_user(text, "root")


@pytest.mark.parametrize(
    ("plain", "salt", "rounds", "wanted"),
    [
        (
            "Hello world!",
            "saltstring",
            5000,
            (
                "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJu"
                "esI68u4OTLiBFdcbYEdFCoEOfaS35inz1"
            ),
        ),
        (
            "Hello world!",
            "saltstringsaltstring",
            10000,
            (
                "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sb"
                "HbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v."
            ),
        ),
        (
            "a very much longer text to encrypt.  This one even stretches over morethan one line.",
            "anotherlongsaltstring",
            1400,
            (
                "$6$rounds=1400$anotherlongsalts$POfYwTEok97VWcjxIiSOjiykti.o/pQs.wPvMxQ6Fm7I6"
                "IoYN3CmLs66x9t0oSwbtEW7o7UmJEiDwGqd8p4ur1"
            ),
        ),
        (
            "the minimum number is still observed",
            "roundstoolow",
            10,
            (
                "$6$rounds=1000$roundstoolow$kUMsbe306n21p9R.FRkW3IGn.S9NPN0x50YhH1xhLsPuWGsUSklZt58ja"
                "TfF4ZEQpyUNGc0dqbpBYYBaHHrsX."
            ),
        ),
    ],
    ids=["default rounds", "long salt", "long text", "few rounds"],
)
def test_hashes_are_those_of_the_paper(plain: str, salt: str, rounds: int, wanted: str) -> None:
    assert password.hash_password(plain, salt=salt, rounds=rounds) == wanted


@pytest.mark.parametrize("plain", ["", "x", "correct horse", "ü" * 40, "y" * 200])
def test_openssl_makes_the_same_hash(plain: str) -> None:
    said = judge("openssl", "passwd", "-6", "-salt", "abc./XYZ", "-stdin", text=f"{plain}\n")
    if plain:
        assert password.hash_password(plain, salt="abc./XYZ") == said.stdout.strip()
    else:
        assert password.check_hash(password.hash_password("", salt="a")) == "sha512crypt"


def test_a_salt_is_the_same_in_one_context_only() -> None:
    salt = password.derived_salt("secret", "homelab", "root")
    assert salt == password.derived_salt("secret", "homelab", "root")
    assert len(salt) == 16
    assert set(salt) <= set("./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
    others = {
        password.derived_salt("secret", "homelab", "ada"),
        password.derived_salt("s", "homelab"),
    }
    assert salt not in others


@pytest.mark.parametrize(
    ("text", "release", "scheme"),
    [
        (password.hash_password("x", salt="abc"), "3.0", "sha512crypt"),
        (f"$5$abc${'a' * 43}", "", "sha256crypt"),
        (f"$y$j9T$abc${'a' * 43}", "5.0", "yescrypt"),
        (f"$y$j9T$abc${'a' * 43}", "", "yescrypt"),
        ("!", "", "locked"),
        ("*", "", "locked"),
    ],
)
def test_schemes_are_told_apart(text: str, release: str, scheme: str) -> None:
    assert password.check_hash(text, release=release) == scheme


@pytest.mark.parametrize(
    ("text", "release", "code", "sentence"),
    [
        ("hunter2hunter2", "", "USR001", "plain text"),
        ("$1$abc$0123456789012345678901", "", "USR001", "MD5"),
        ("$6$abc$short", "", "USR001", "cut short"),
        (f"$6$a:b${'a' * 86}", "", "USR001", "damaged"),
        (f"$2b$12${'a' * 53}", "", "USR001", "2b"),
        ("rEK1ecacw.7.c", "", "USR001", "DES"),
        (f"$y$j9T$abc${'a' * 43}", "4.0", "USR002", "4.0"),
    ],
)
def test_other_hashes_are_refused_without_being_shown(
    text: str, release: str, code: str, sentence: str
) -> None:
    with pytest.raises(SpecError, match=sentence) as caught:
        password.check_hash(text, release=release)
    assert caught.value.code == code
    assert text not in str(caught.value)
