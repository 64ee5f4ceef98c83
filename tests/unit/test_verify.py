"""A proof says what a finished tree lacks."""

import pytest

from builder.blob import Blob
from builder.carriers.edit import edit, operations
from builder.changes import (
    AddUser,
    Change,
    EnsureLine,
    FileOp,
    InstallPackages,
    MakeDirectory,
    MakeSymlink,
    Owner,
    Remove,
    ReplaceText,
    SetKernelArguments,
    SetPassword,
    SetUnitState,
    UnitState,
    WriteFile,
)
from builder.engine.memory import MemoryTree
from builder.guestpath import guest
from builder.verify import difference
from tests.support.roots import link, make, merged_root, put, steps

FILE, LINK, DIRECTORY = guest("/etc/file"), guest("/etc/link"), guest("/etc/directory")


def write(text: str, mode: int = 0o644, owner: Owner = Owner()) -> WriteFile:  # noqa: B008 - immutable
    return WriteFile(FILE, Blob.text(text), mode, owner)


@pytest.mark.parametrize(
    ("op", "sentence"),
    [
        (write("new"), "/etc/file has other content"),
        (write("old", 0o600), "/etc/file is a file 0644 0:0, not a file 0600 0:0"),
        (write("old", 0o644, Owner(7, 8)), "/etc/file is a file 0644 0:0, not a file 0644 7:8"),
        (Remove(FILE), "/etc/file still exists"),
        (
            MakeSymlink(LINK, "other"),
            "/etc/link is a symlink to file 0777 0:0, not a link to other",
        ),
        (MakeSymlink(FILE, "x"), "/etc/file is a file 0644 0:0, not a link to x"),
        (
            MakeDirectory(DIRECTORY, 0o700),
            "/etc/directory is a directory 0755 0:0, not a directory 0700 0:0",
        ),
        (MakeDirectory(guest("/no")), "/no is missing"),
        (WriteFile(guest("/no"), Blob.text("")), "/no is missing"),
        (MakeSymlink(guest("/no"), "x"), "/no is missing"),
    ],
)
def test_what_differs_is_a_sentence(op: FileOp, sentence: str) -> None:
    root = merged_root()
    put(root, FILE, "old")
    link(root, LINK, "file")
    make(root, DIRECTORY)
    assert difference(root, op) == sentence


def guest_root() -> MemoryTree:
    root = merged_root()
    unit = "[Install]\nWantedBy=multi-user.target\nAlias=other.service\n"
    for name in ("one", "two", "three"):
        put(root, f"/usr/lib/systemd/system/{name}.service", unit.replace("other", f"o-{name}"))
    link(root, "/etc/systemd/system/one.service", "/dev/null")
    link(root, "/etc/systemd/system/multi-user.target.wants/two.service", "/usr/lib/x/two.service")
    put(root, "/boot/grub2/grub.cfg", "linux /vmlinuz root=/dev/sda3 quiet\n")
    put(root, "/etc/yum.repos.d/photon.repo", "baseurl=https://old.example/x\n")
    put(root, "/opt/old/file", "x")
    put(root, "/etc/ssh/sshd_config", "#Port 22\nPort 22")
    return root


CHANGES: dict[str, tuple[Change, ...]] = {
    "files": (write("x", 0o600), MakeDirectory(DIRECTORY, 0o1777), MakeSymlink(LINK, "/a")),
    "through links": (WriteFile(guest("/lib/a/b"), Blob.text("x")), MakeDirectory(guest("/bin"))),
    "removal": (Remove(guest("/opt/old")), Remove(guest("/nothing"))),
    "removal and refill": (
        Remove(guest("/opt/old")), WriteFile(guest("/opt/old/new"), Blob.text("y")),
    ),
    "an account": (
        AddUser("ada", 1000, "users", guest("/home/ada"), groups=("wheel",)),
        SetPassword("ada", "$6$salt$hash", must_change=True),
        SetPassword("root", "!"),
    ),
    "lines": (
        EnsureLine(guest("/etc/fstab"), "a /a ext4"),
        EnsureLine(guest("/etc/ssh/sshd_config"), "Port 2222", before="", replaces="^ *Port "),
        EnsureLine(guest("/etc/ssh/sshd_config"), "Include x", before=""),
    ),
    "text": (ReplaceText(guest("/etc/yum.repos.d/*.repo"), "old.example", "new.example"),),
    "kernel": (SetKernelArguments(("quiet", "mitigations=off"), ("splash",)),),
    "units": (
        SetUnitState("one.service", UnitState.ENABLED),
        SetUnitState("two.service", UnitState.DISABLED),
        SetUnitState("three.service", UnitState.MASKED),
    ),
    "packages": (InstallPackages(("b", "a")),),
}  # fmt: skip


@pytest.mark.parametrize("case", CHANGES)
def test_what_was_carried_out_is_proved_and_nothing_is_done_twice(case: str) -> None:
    root = guest_root()
    plan = steps(*CHANGES[case])
    assert edit(root, plan, 1_700_000_000) != []
    assert operations(root, plan, 1_700_000_000) == []


@pytest.mark.parametrize("case", CHANGES)
def test_what_was_not_carried_out_is_told(case: str) -> None:
    root = guest_root()
    missing = operations(root, steps(*CHANGES[case]), 1_700_000_000)
    assert [difference(root, op) for op in missing if not difference(root, op)] == []
    assert missing
