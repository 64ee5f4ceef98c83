"""Editing a root and installing into it leave the same tree, for every kind of change."""

import zipfile
from pathlib import Path

import pytest

from builder.blob import Blob
from builder.carriers import script
from builder.carriers.bundle import make_bundle
from builder.carriers.edit import edit
from builder.carriers.kickstart import render
from builder.changes import (
    AddGroup,
    AddUser,
    Change,
    EnsureLine,
    MakeDirectory,
    MakeSymlink,
    Owner,
    Remove,
    ReplaceText,
    Require,
    SetKernelArguments,
    SetPassword,
    SetUnitState,
    UnitState,
    WriteFile,
)
from builder.engine.memory import MemoryTree
from builder.errors import GuestError
from builder.facts import facts_of
from builder.features import discover
from builder.guestpath import guest
from builder.plan import Step, make_plan
from builder.spec import load_spec
from builder.targets import discover as discover_targets
from tests.support.chroot import Row, lay_out, rows_of, run_inside
from tests.support.judges import judge
from tests.support.photon_releases import RELEASES
from tests.support.photon_root import PLACEMENT, small_tree
from tests.support.pythons import python37
from tests.support.roots import steps, walk
from tests.support.tree import Directory, File, Link, Tree

NOW = 20_000 * 86_400 + 17
PROJECT = Path(__file__).resolve().parents[2]
ENABLED, DISABLED, MASKED = UnitState.ENABLED, UnitState.DISABLED, UnitState.MASKED
BIG = Blob.of(bytes(range(256)) * 9000)


def tree() -> Tree:
    return small_tree(RELEASES["5.0"], PLACEMENT)


def in_memory(entries: Tree) -> MemoryTree:
    root = MemoryTree()
    for path, entry in sorted(entries.items()):
        above = guest(path.rpartition("/")[0] or "/")
        while above != "/" and root.lstat(above) is None:
            missing = above
            while root.lstat(guest(missing.rpartition("/")[0] or "/")) is None:
                missing = guest(missing.rpartition("/")[0])
            root.apply(MakeDirectory(missing))
        match entry:
            case Directory(mode, uid, gid):
                if path != "/":
                    root.apply(MakeDirectory(guest(path), mode, Owner(uid, gid)))
            case File(content, mode, uid, gid):
                root.apply(WriteFile(guest(path), Blob.of(content), mode, Owner(uid, gid)))
            case Link(target):
                root.apply(MakeSymlink(guest(path), target))
    return root


def install(directory: Path, wanted: list[Step]) -> list[str]:
    """Do what the installer does: the bundle put in place, the post-install script run."""
    payload = directory / script.PAYLOAD.lstrip("/")
    payload.parent.mkdir(parents=True, exist_ok=True)
    with make_bundle(render(wanted).steps, NOW).open() as stream:
        payload.write_bytes(stream.read())
    (directory / "tmp" / "post").write_text(script.BOOTSTRAP)
    said = run_inside(directory, "sh", "/tmp/post")
    (directory / "tmp" / "post").unlink()
    state = directory / script.STATE.lstrip("/")
    record = (state / "record").read_text().splitlines()
    assert record[0] == "begun", said
    return record[1:]


def without_own(rows: dict[str, Row]) -> dict[str, Row]:
    """Leave out what only an installed system has; link targets as Photon names them."""
    above = {"/var/lib/photon-builder", "/usr/libexec/photon-builder"}
    wants = script.WANTS_PATH.rpartition("/")[0]
    found = {}
    for path, row in rows.items():
        if path.startswith(script.OWN) or path in above or path == wants:
            continue
        content = row[4]
        said = f"/usr{content}" if content.startswith("/lib/systemd/") else content
        found[path] = (*row[:4], said)
    return found


def both(tmp_path: Path, *changes: Change) -> tuple[dict[str, Row], dict[str, Row], list[str]]:
    """Return the edited tree, the installed tree, and the record."""
    entries, wanted = tree(), steps(*changes)
    memory = in_memory(entries)
    edit(memory, wanted, NOW)
    scratch = tmp_path / "root"
    lay_out(entries, scratch)
    record = install(scratch, wanted)
    return without_own(walk(memory)), without_own(rows_of(scratch)), record


KINDS: dict[str, tuple[Change, ...]] = {
    "a file with a name for its owner": (
        AddUser("ada", 1000, "users", guest("/home/ada"), groups=("wheel",)),
        WriteFile(guest("/opt/app/run"), BIG, 0o4755, Owner("ada", "wheel")),
    ),
    "a file where a link was": (WriteFile(guest("/etc/localtime"), Blob.text("x"), 0o600),),
    "a file by way of a linked directory": (
        WriteFile(guest("/lib/systemd/system/a.service"), Blob.text("x")),
    ),
    "a directory that is there": (MakeDirectory(guest("/root"), 0o711, Owner(7, 8)),),
    "a directory behind a link": (MakeDirectory(guest("/lib"), 0o711),),
    "a directory with parents": (MakeDirectory(guest("/mnt/a/b"), 0o700),),
    "a link": (MakeSymlink(guest("/etc/localtime"), "../usr/share/zoneinfo/Asia/Tokyo"),),
    "a link in a new directory": (MakeSymlink(guest('/opt/x/it\'s a "name"'), "a b'c"),),
    "what only stands in for another": (
        WriteFile(guest("/opt/a"), Blob.text("x"), unless=guest("/lib/systemd/systemd")),
        WriteFile(guest("/opt/b"), Blob.text("x"), unless=guest("/nothing")),
        MakeSymlink(guest("/opt/c"), "b", guest("/etc/fstab")),
        MakeSymlink(guest("/opt/d"), "b", guest("/nothing")),
    ),
    "removals": tuple(
        Remove(guest(p))
        for p in ("/usr/share/doc", "/etc/mtab", "/etc/nothing", "/var/no/such/folder", "/etc/motd")
    ),
    "a removed directory filled again": (
        Remove(guest("/usr/share/zoneinfo/Asia")),
        WriteFile(guest("/usr/share/zoneinfo/Asia/New"), Blob.text("x")),
    ),
    "a line at the end": (EnsureLine(guest("/etc/fstab"), "a\tb 'c' $d `e`"),),
    "a line at the top": (EnsureLine(guest("/etc/hosts"), "first", ""),),
    "a line before another": (EnsureLine(guest("/etc/fstab"), "new", "/dev/cdrom"),),
    "a line for another": (
        EnsureLine(guest("/etc/fstab"), "mine", None, "^[ \t]*[^# \t][^ \t]*[ \t]+/[ \t]"),
    ),
    "a line of a new file": (
        EnsureLine(guest("/opt/new/file"), "x", None, "", 0o600, Owner("root", "wheel")),
    ),
    "lines of a file with other ends": (
        WriteFile(guest("/opt/dos"), Blob.of(b"one\r\n\x0ctwo\x85\r\n\xe2\x80\xa8three\r\none")),
        EnsureLine(guest("/opt/dos"), "one"),
        EnsureLine(guest("/opt/dos"), "two"),
        EnsureLine(guest("/opt/dos"), "four", None, "three$"),
    ),
    "lines of an empty file": (
        WriteFile(guest("/opt/empty"), Blob.of(b"")),
        EnsureLine(guest("/opt/empty"), "a\x0c\u2028b"),
    ),
    "a text in many files": (
        ReplaceText(guest("/etc/yum.repos.d/*.repo"), "vmware.com", "example.org"),
        ReplaceText(guest("/nowhere/*"), "a", "b"),
    ),
    "consoles of the kernel": (
        SetKernelArguments(("console=ttyS0,115200", "console=tty1")),
        SetKernelArguments(("console=ttyS0,9600", "console=tty0")),
    ),
    "kernel arguments": (SetKernelArguments(("quiet", "audit=1"), ("net.ifnames",)),),
    "groups, one with a member": (
        AddGroup("media", 2000),
        AddGroup("wheel", 28),
        AddUser("bob", 1234, "media", guest("/srv/bob"), groups=("wheel",)),
        WriteFile(guest("/srv/x"), Blob.text("x"), 0o640, Owner(0, "media")),
    ),
    "a user with a group of its own": (
        AddUser("bob", 1234, 1234, guest("/srv/bob"), "/bin/sh", "Bob, of 'here'"),
    ),
    "a password": (SetPassword("root", "$6$salt$hash/.x", 99999),),
    "a password to be changed": (SetPassword("root", "$6$salt$hash", 90, must_change=True),),
    "a unit enabled": (SetUnitState("docker.service", ENABLED),),
    "a unit enabled, if it is there": (SetUnitState("nothing.service", ENABLED, if_present=True),),
    "units disabled": (
        SetUnitState("sshd.service", DISABLED),
        SetUnitState("systemd-networkd.service", DISABLED),
        SetUnitState("cloud-init.service", DISABLED),
    ),
    "a unit masked": (SetUnitState("iptables.service", MASKED),),
    "a server without its socket": (
        SetUnitState("sshd.service", ENABLED),
        SetUnitState("sshd.socket", DISABLED, if_present=True),
    ),
    "a server and its socket masked": (
        SetUnitState("sshd.service", MASKED),
        SetUnitState("sshd.socket", MASKED, if_present=True),
    ),
    "instances of a template": (
        WriteFile(
            guest("/usr/lib/systemd/system/app@.service"),
            Blob.text("[Install]\nWantedBy=multi-user.target\n"),
        ),
        SetUnitState("app@one.service", ENABLED),
        SetUnitState("app@two.service", ENABLED),
        SetUnitState("app@three.service", DISABLED),
    ),
    "a unit that comes along": (
        WriteFile(
            guest("/etc/systemd/system/mine.service"),
            Blob.text("[Install]\nWantedBy=multi-user.target\nAlias=other.service\n"),
        ),
        SetUnitState("mine.service", ENABLED),
    ),
    "a requirement": (Require(guest("/bin/sh"), "no shell", "X001"),),
}


@pytest.mark.parametrize("changes", KINDS.values(), ids=KINDS)
def test_both_ways_leave_the_same_tree(changes: tuple[Change, ...], tmp_path: Path) -> None:
    edited, installed, record = both(tmp_path, *changes)
    assert record[-1].endswith(" 0 failed"), record
    assert installed == edited


REFUSED: dict[str, tuple[Change, ...]] = {
    "a file where a directory is": (WriteFile(guest("/etc"), Blob.text("x")),),
    "a directory where a file is": (MakeDirectory(guest("/etc/fstab")),),
    "a file in a file": (WriteFile(guest("/etc/fstab/x"), Blob.text("x")),),
    "a directory that is made at boot": (WriteFile(guest("/var/run/x"), Blob.text("x")),),
    "an owner that nobody knows": (
        WriteFile(guest("/opt/x"), Blob.text("x"), 0o644, Owner("eve")),
    ),
    "a line in a file that has to be there": (EnsureLine(guest("/opt/y"), "x", mode=0),),
    "a user whose id is taken": (AddUser("eve", 0, 100, guest("/home/eve")),),
    "a group whose id is taken": (AddGroup("media", 28),),
    "a group with another id": (AddGroup("wheel", 2000),),
    "a password of nobody": (SetPassword("eve", "!"),),
    "a unit that is missing": (SetUnitState("nothing.service", ENABLED),),
    "a mask where a file is": (
        WriteFile(guest("/etc/systemd/system/m.service"), Blob.text("[Service]\n")),
        SetUnitState("m.service", MASKED),
    ),
    "a unit that others start": (SetUnitState("systemd-tmpfiles-clean.service", ENABLED),),
    "a requirement that is not met": (Require(guest("/usr/bin/nothing"), "no nothing", "X001"),),
}


@pytest.mark.parametrize("changes", REFUSED.values(), ids=REFUSED)
def test_what_one_way_refuses_the_other_records_as_failed(
    changes: tuple[Change, ...], tmp_path: Path
) -> None:
    entries, wanted = tree(), steps(*changes)
    with pytest.raises(GuestError):
        edit(in_memory(entries), wanted, NOW)
    lay_out(entries, tmp_path / "root")
    record = install(tmp_path / "root", wanted)
    assert record[-1].endswith(" 1 failed"), record
    assert sum(line.startswith("FAILED ") for line in record) == 1


SSHD = "sshd.service"


def sshd_after(tmp_path: Path, *changes: Change) -> str:
    """Return the state of sshd after an installer that masked it, as systemctl tells it."""
    entries = tree()
    entries[f"/etc/systemd/system/{SSHD}"] = Link("/dev/null")
    entries.pop(f"/etc/systemd/system/multi-user.target.wants/{SSHD}", None)
    root = tmp_path / "root"
    lay_out(entries, root)
    assert (
        judge("systemctl", f"--root={root}", "is-enabled", SSHD, check=False).stdout == "masked\n"
    )
    record = install(root, steps(*changes))
    assert record[-1].endswith(" 0 failed"), record
    return judge("systemctl", f"--root={root}", "is-enabled", SSHD, check=False).stdout.strip()


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ((), "enabled"),
        ((SetUnitState(SSHD, ENABLED),), "enabled"),
        ((SetUnitState(SSHD, DISABLED),), "disabled"),
        ((SetUnitState(SSHD, MASKED),), "masked"),
    ],
    ids=["left open", "enabled", "disabled", "masked"],
)
def test_an_installer_that_masks_sshd_does_not_decide(
    changes: tuple[Change, ...], state: str, tmp_path: Path
) -> None:
    assert sshd_after(tmp_path, *changes) == state


def test_a_system_without_sshd_is_installed_without_it(tmp_path: Path) -> None:
    entries = {path: entry for path, entry in tree().items() if not path.endswith(f"/{SSHD}")}
    lay_out(entries, tmp_path / "root")
    record = install(tmp_path / "root", steps(Remove(guest("/etc/motd"))))
    assert record[-1].endswith(" 0 failed"), record


def first_boot(directory: Path) -> str:
    """Start what tells on the first boot; what it writes goes to the console and the journal."""
    ended = "; echo status $?"
    return run_inside(directory, "sh", "-c", f"{script.TELLER}{ended}")


def test_the_first_boot_says_that_all_went_well_and_puts_back_what_was_lost(
    tmp_path: Path,
) -> None:
    root = tmp_path / "root"
    lay_out(tree(), root)
    install(root, steps(MakeSymlink(guest("/etc/resolv.conf"), "../run/mine")))
    (root / "etc/resolv.conf").unlink()
    assert first_boot(root) == "photon-builder: finished: 4 steps, 0 failed\nstatus 0\n"
    assert str((root / "etc/resolv.conf").readlink()) == "../run/mine"
    assert (root / script.STATE.lstrip("/") / "told").exists()
    assert not (root / script.PAYLOAD.lstrip("/")).exists()


def test_the_first_boot_says_what_failed_and_fails(tmp_path: Path) -> None:
    root = tmp_path / "root"
    lay_out(tree(), root)
    install(root, steps(SetPassword("eve", "!"), Require(guest("/bin/sh"), "x", "X001")))
    said = first_boot(root)
    assert "THE INSTALLATION IS NOT COMPLETE" in said
    assert "FAILED the password of eve (/etc/shadow: the base has no user" in said
    assert "ok " not in said
    assert said.endswith("status 1\n")
    assert not (root / script.STATE.lstrip("/") / "told").exists()


@pytest.mark.parametrize("damage", ["missing", "cut short"])
def test_the_first_boot_fails_when_the_script_never_ran(damage: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    lay_out(tree(), root)
    payload = root / script.PAYLOAD.lstrip("/")
    if damage == "cut short":
        with make_bundle(steps(Remove(guest("/etc/motd"))), NOW).open() as stream:
            payload.write_bytes(stream.read(70_000))
    (root / "tmp/post").write_text(script.BOOTSTRAP)
    run_inside(root, "sh", "/tmp/post")
    assert first_boot(root).endswith("status 1\n")
    assert not payload.exists()
    wants = root / script.WANTS_PATH.lstrip("/")
    assert str(wants.readlink()) == script.UNIT_PATH


def test_the_unit_that_tells_is_one_that_systemd_takes(tmp_path: Path) -> None:
    root = tmp_path / "root"
    lay_out(tree(), root)
    install(root, steps(Remove(guest("/etc/motd"))))
    unit = root / script.UNIT_PATH.lstrip("/")
    said = judge("systemd-analyze", "verify", "--man=no", unit, check=False).stderr
    found = [line for line in said.splitlines() if script.UNIT in line]
    assert [line for line in found if "is not executable" not in line] == []
    unit.write_text(unit.read_text().replace("oneshot", "nonsense"))
    assert script.UNIT in judge("systemd-analyze", "verify", "--man=no", unit, check=False).stderr


def homelab(monkeypatch: pytest.MonkeyPatch) -> tuple[Change, ...]:
    """Return what the homelab asks for, but for packages; what it downloads stands in."""
    monkeypatch.setenv("ROOT_PASSWORD", "s3cret-edge-7")
    monkeypatch.setenv("PIHOLE_PASSWORD", "s3cret-edge-7 too")
    features = discover()
    spec = load_spec(PROJECT / "specs" / "homelab.yaml", targets=discover_targets())
    plan = make_plan(spec, features, facts=facts_of("3.0"))
    plan = plan.with_content({c.sha256: Blob.of(b"binary") for c in _downloads(plan.changes)})
    return tuple(c for c in plan.changes if type(c).__name__ != "InstallPackages")


def test_the_homelab_is_the_same_whichever_way_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edited, installed, record = both(tmp_path, *homelab(monkeypatch))
    assert record[-1] == f"finished: {len(record) - 1} steps, 0 failed", record
    assert {"/mnt/nfs", "/opt/compose/pihole/compose.yaml"} <= installed.keys()
    assert installed == edited


def test_the_homelab_is_the_same_under_the_oldest_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = homelab(monkeypatch)
    memory, root, bundle = in_memory(tree()), tmp_path / "root", tmp_path / "bundle.pyz"
    edit(memory, steps(*changes), NOW)
    lay_out(tree(), root)
    bundle.write_bytes(make_bundle(steps(*changes), NOW).open().read())
    for verb in ("apply", "check"):
        judge(python37(), "-I", "-S", bundle, verb, root)
    assert rows_of(root) == walk(memory)


def _downloads(changes: tuple[Change, ...]) -> list[Blob]:
    return [c.content for c in changes if isinstance(c, WriteFile) and not c.content.size]


def test_the_bundle_is_the_same_for_the_same_plan() -> None:
    wanted = steps(*(change for kind in KINDS.values() for change in kind))
    first, second = (make_bundle(render(wanted).steps, NOW) for _ in range(2))
    assert first == second
    with first.open() as stream, zipfile.ZipFile(stream) as bundle:
        assert {entry.date_time[0] for entry in bundle.infolist()} == {1980}
