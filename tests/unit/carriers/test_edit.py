"""Plans carried by editing: what is written, where links lead, and what is refused."""

import pytest

from builder.blob import Blob
from builder.carriers.edit import edit, operations
from builder.changes import (
    AddUser,
    Change,
    EnsureLine,
    InstallPackages,
    MakeDirectory,
    MakeSymlink,
    Owner,
    Remove,
    ReplaceText,
    Require,
    SetKernelArguments,
    SetPassword,
    WriteFile,
)
from builder.engine.memory import MemoryTree
from builder.errors import GuestError
from builder.guestpath import guest
from tests.support.roots import link, make, merged_root, put, steps, text_of, walk

DAY = 20_000
NOW = DAY * 86_400 + 17


def edited(root: MemoryTree, *changes: Change) -> MemoryTree:
    edit(root, steps(*changes), NOW)
    return root


def test_a_file_for_a_linked_directory_goes_where_the_link_leads() -> None:
    root = edited(merged_root(), WriteFile(guest("/lib/systemd/system/a.service"), Blob.text("x")))
    assert text_of(root, "/usr/lib/systemd/system/a.service") == "x"
    assert walk(root)["/lib"][0] == "symlink"


def test_a_directory_never_replaces_a_link_to_a_directory() -> None:
    root = edited(merged_root(), MakeDirectory(guest("/lib"), 0o750))
    assert walk(root)["/lib"][0] == "symlink"
    assert walk(root)["/usr/lib"][1] == 0o750


def test_a_file_takes_the_place_of_a_link() -> None:
    root = merged_root()
    link(root, "/etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf")
    edited(root, WriteFile(guest("/etc/resolv.conf"), Blob.text("nameserver 1.1.1.1\n")))
    assert walk(root)["/etc/resolv.conf"][0] == "file"


def test_missing_parents_are_made_for_root() -> None:
    root = edited(merged_root(), WriteFile(guest("/opt/a/b/c"), Blob.text("x"), 0o600, Owner(7, 8)))
    assert walk(root)["/opt/a/b"][:4] == ("directory", 0o755, 0, 0)
    assert walk(root)["/opt/a/b/c"][:4] == ("file", 0o600, 7, 8)


def test_what_is_true_already_is_not_written() -> None:
    root = merged_root()
    put(root, "/etc/motd", "hello\n")
    change = WriteFile(guest("/etc/motd"), Blob.text("hello\n"))
    assert operations(root, steps(change), NOW) == []


def test_a_removed_directory_can_be_filled_again() -> None:
    root = merged_root()
    put(root, "/var/lib/old/file", "x")
    changes = Remove(guest("/var/lib/old")), WriteFile(guest("/var/lib/old/new"), Blob.text("y"))
    edited(root, *changes)
    assert [path for path in walk(root) if path.startswith("/var/lib/old/")] == ["/var/lib/old/new"]


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("../../../etc", "climbs above the root"),
        ("loop", "go round in a circle"),
        ("etc/passwd", "is a file"),
    ],
    ids=["out of the root", "to itself", "to a file"],
)
def test_a_parent_that_leads_nowhere_good_is_refused(target: str, words: str) -> None:
    root = merged_root()
    link(root, "/loop", target)
    before = walk(root)
    with pytest.raises(GuestError, match=words):
        edited(root, WriteFile(guest("/loop/file"), Blob.text("x")))
    assert walk(root) == before


def test_an_absolute_link_stays_inside_the_root() -> None:
    root = merged_root()
    make(root, "/data")
    link(root, "/srv", "/data")
    assert text_of(edited(root, WriteFile(guest("/srv/a"), Blob.text("x"))), "/data/a") == "x"


def test_what_a_fresh_filesystem_hides_at_boot_is_refused() -> None:
    root = merged_root()
    make(root, "/run")
    link(root, "/media", "run/media")
    with pytest.raises(GuestError, match="/run/media/a .by way of /media/a. would never be seen"):
        edited(root, WriteFile(guest("/media/a"), Blob.text("x")))


def test_a_file_cannot_take_the_place_of_a_directory() -> None:
    with pytest.raises(GuestError, match="/etc is a directory"):
        edited(merged_root(), WriteFile(guest("/etc"), Blob.text("x")))


def test_an_error_names_the_key_that_asked() -> None:
    with pytest.raises(GuestError) as caught:
        edited(merged_root(), SetPassword("nobody-here", "!"))
    assert caught.value.__notes__ == ["asked for by overlay.test"]


def test_a_password_counts_from_the_day_of_the_build() -> None:
    root = edited(merged_root(), SetPassword("root", "$6$new$new"))
    assert text_of(root, "/etc/shadow") == f"root:$6$new$new:{DAY}:0:99999:7:::\n"
    assert walk(root)["/etc/shadow"][1] == 0o400


def test_a_user_can_own_files_by_name() -> None:
    user = AddUser("ada", 1000, "users", guest("/home/ada"), groups=("wheel",))
    file = WriteFile(guest("/home/ada/.profile"), Blob.text("x"), 0o600, Owner("ada", "users"))
    root = edited(merged_root(), user, file)
    assert "ada:x:1000:100::/home/ada:/bin/bash\n" in text_of(root, "/etc/passwd")
    assert "wheel:x:28:ada\n" in text_of(root, "/etc/group")
    assert walk(root)["/home/ada"][:4] == ("directory", 0o700, 1000, 100)
    assert walk(root)["/home/ada/.profile"][:4] == ("file", 0o600, 1000, 100)


def test_an_unknown_group_is_refused() -> None:
    with pytest.raises(GuestError, match="docker"):
        edited(merged_root(), AddUser("ada", 1000, 100, guest("/home/ada"), groups=("docker",)))


def test_lines_keep_their_file_and_its_mode() -> None:
    root = merged_root()
    put(root, "/etc/ssh/sshd_config", "Port 22\n", 0o600)
    change = EnsureLine(guest("/etc/ssh/sshd_config"), "Include /etc/ssh/d/*.conf", before="")
    edited(root, change)
    assert text_of(root, "/etc/ssh/sshd_config") == "Include /etc/ssh/d/*.conf\nPort 22\n"
    assert walk(root)["/etc/ssh/sshd_config"][1] == 0o600


def test_text_is_replaced_in_the_files_of_a_glob_only() -> None:
    root = merged_root()
    put(root, "/etc/yum.repos.d/photon.repo", "baseurl=https://old/x\n")
    put(root, "/etc/yum.repos.d/notes.txt", "https://old/x\n")
    edited(root, ReplaceText(guest("/etc/yum.repos.d/*.repo"), "https://old/", "https://new/"))
    assert text_of(root, "/etc/yum.repos.d/photon.repo") == "baseurl=https://new/x\n"
    assert text_of(root, "/etc/yum.repos.d/notes.txt") == "https://old/x\n"


def boot_files(root: MemoryTree, command: str) -> MemoryTree:
    put(root, "/boot/systemd.cfg", "systemd_cmdline=net.ifnames=0 quiet\n")
    put(root, "/boot/linux-6.1.cfg", "photon_cmdline=init=/lib/systemd/systemd ro quiet\n")
    link(root, "/boot/photon.cfg", "linux-6.1.cfg")
    put(
        root,
        "/boot/grub2/grub.cfg",
        f"menuentry x {{\n    linux /boot/$photon_linux {command}\n}}\n",
    )
    return root


def test_kernel_arguments_go_where_the_boot_loader_reads_them() -> None:
    root = boot_files(merged_root(), "root=x $photon_cmdline $systemd_cmdline")
    edited(root, SetKernelArguments(("console=ttyS0", "net.ifnames=1"), ("quiet",)))
    assert text_of(root, "/boot/systemd.cfg") == "systemd_cmdline=console=ttyS0 net.ifnames=1\n"
    assert "quiet" not in text_of(root, "/boot/linux-6.1.cfg")
    assert walk(root)["/boot/photon.cfg"][0] == "symlink"


def test_a_literal_command_line_is_edited_in_the_menu() -> None:
    root = boot_files(merged_root(), "root=x ro console=tty1")
    edited(root, SetKernelArguments(("audit=0",)))
    assert "ro console=tty1 audit=0\n" in text_of(root, "/boot/grub2/grub.cfg")
    assert "audit" not in text_of(root, "/boot/systemd.cfg")


def test_a_console_takes_the_place_of_its_device_alone() -> None:
    consoles = "console=ttyS0,9600 console=tty0 console=ttyAMA0,115200n8"
    root = boot_files(merged_root(), f"ro {consoles} $systemd_cmdline")
    edited(root, SetKernelArguments(("console=ttyS0,115200n8",), ("console=ttyAMA0",)))
    assert "linux /boot/$photon_linux ro console=tty0 $systemd_cmdline\n" in text_of(
        root, "/boot/grub2/grub.cfg"
    )
    assert text_of(root, "/boot/systemd.cfg").endswith(" console=ttyS0,115200n8\n")


def test_a_base_without_a_command_line_is_refused() -> None:
    with pytest.raises(GuestError, match="no kernel command line"):
        edited(merged_root(), SetKernelArguments(("audit=0",)))


def test_a_requirement_that_does_not_hold_says_its_sentence() -> None:
    with pytest.raises(GuestError, match="no zone") as caught:
        edited(
            merged_root(), Require(guest("/usr/share/zoneinfo/X"), "no zone X", "TIM001", "spell")
        )
    assert (caught.value.code, caught.value.hint) == ("TIM001", "spell")


def test_doing_it_twice_changes_nothing_more() -> None:
    root = boot_files(merged_root(), "$photon_cmdline $systemd_cmdline")
    changes = (
        AddUser("ada", 1000, 100, guest("/home/ada"), groups=("wheel",)),
        SetPassword("ada", "$6$a$b", must_change=True),
        SetPassword("root", "!"),
        EnsureLine(guest("/etc/hosts"), "127.0.1.1 a", replaces="^127\\.0\\.1\\.1[ \t]"),
        SetKernelArguments(("audit=0",), ("quiet",)),
        InstallPackages(("vim",)),
        MakeSymlink(guest("/etc/localtime"), "../usr/share/zoneinfo/UTC"),
    )
    edited(root, *changes)
    assert operations(root, steps(*changes), NOW + 10 * 86_400) == []
