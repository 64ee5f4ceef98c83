"""The homelab spec on a root of real programs, judged by systemd, PAM, sshd and findmnt."""

import json
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.bases import Recipe, make_base
from tests.support.judges import judge
from tests.support.opened import Opened, open_ova
from tests.support.program import PROJECT, Bench

pytestmark = pytest.mark.slow

MORE = """
  docker: {compose_plugin: base}
  services: {enable: [sshd], mask: [ctrl-alt-del.target]}
  ssh: {permit_root: yes, password: true}
  sysctl: {vm.swappiness: 10}
  files:
    - {path: /usr/libexec/docker/cli-plugins/docker-compose, content: "#!/bin/sh\\n", mode: "0755"}
    - {path: /etc/sudoers.d/wheel, content: "%wheel ALL=(ALL) ALL\\n"}
    - {path: /root/.ssh/config, content: "Host *\\n"}
    - {path: /opt/tree, source: tree}
"""
SECRETS = {"ROOT_PASSWORD": "s3cret-edge-7-Pass", "PIHOLE_PASSWORD": "hole"}
PLACES = {
    "/etc/hostname": (0o644, "file"),
    "/etc/shadow": (0o600, "file"),
    "/etc/machine-id": (0o444, "file"),
    "/etc/systemd/network/05-photon-builder-eth0.network": (0o644, "file"),
    "/etc/ssh/sshd_config": (0o600, "file"),
    "/etc/sudoers.d": (0o755, "directory"),  # made here: the base has no sudo
    "/etc/sudoers.d/wheel": (0o440, "file"),
    "/root": (0o750, "directory"),
    "/root/.ssh": (0o700, "directory"),
    "/root/.ssh/config": (0o600, "file"),
    "/opt/compose/pihole": (0o755, "directory"),
    "/opt/compose/pihole/compose.yaml": (0o644, "file"),
    "/opt/compose/pihole/.env": (0o600, "file"),
    "/opt/tree/bin/tool": (0o755, "file"),
    "/opt/tree/plain.txt": (0o644, "file"),
    "/opt/tree/secrets": (0o700, "directory"),
    "/opt/tree/secrets/key": (0o600, "file"),
    "/usr/libexec/docker/cli-plugins/docker-compose": (0o755, "file"),
    "/mnt/nfs": (0o755, "directory"),
}
"""Mode by path: the table of what goes by its place, whatever the umask of this machine."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What was built, and its root on this machine."""

    bench: Bench
    artifact: Path
    opened: Opened
    root: Path
    base: Path

    def inside(self, *command: str, user: str = "0", text: str = "") -> tuple[int, str]:
        """Run one of its own programs in it; exit code and what it printed."""
        if os.geteuid():
            pytest.skip("only root may enter another root")
        run = judge(
            "chroot", f"--userspec={user}", self.root, *command, text=text, check=False,
            env={"PATH": "/usr/bin:/usr/sbin"},
        )  # fmt: skip
        return run.returncode, run.stdout + run.stderr * bool(run.returncode)


@pytest.fixture(scope="module", params=["5.0", "3.0 of another writer"])
def machine(
    request: pytest.FixtureRequest, base_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Machine:
    """The homelab spec, built on a real root and unpacked by debugfs."""
    recipes = {
        "5.0": Recipe(root="real"),
        "3.0 of another writer": Recipe(root="real", release="3.0", writer="vmware"),
    }
    base = make_base(base_cache, recipes[request.param])
    bench = Bench(tmp_path_factory.mktemp("real"))
    furnish(bench)
    before = os.umask(0o077)
    artifact = bench.build("specs/homelab.yaml", "--base", base.path, **SECRETS)
    os.umask(before)
    opened = open_ova(artifact, base.root_offset, bench.directory / "opened")
    root = bench.directory / "root"
    root.mkdir()
    opened.debugfs(f"rdump / {root}")
    for path in ("usr/bin/su", "usr/bin/passwd"):
        (root / path).chmod(0o4755)
    if os.geteuid() == 0:
        os.mknod(root / "dev/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    return Machine(bench, artifact, opened, root, base.path)


def furnish(bench: Bench) -> None:
    """Lay out the project's own spec, with what a download would bring given as a file."""
    for folder in ("specs", "overlays"):
        shutil.copytree(PROJECT / folder, bench.directory / folder)
    spec = bench.directory / "specs/homelab.yaml"
    text = spec.read_text().replace(
        "  packages:", "  repositories: {install: online}\n  packages:", 1
    )
    spec.write_text(text + MORE)
    for name in ("bin/tool", "plain.txt", "secrets/key"):
        bench.write(f"specs/tree/{name}", "#!/bin/sh\n" if "tool" in name else "x\n")


def test_the_disk_is_sound_and_proved(machine: Machine) -> None:
    machine.opened.check()
    base = ("--base", machine.base)
    done = machine.bench.run("verify", machine.artifact, "specs/homelab.yaml", *base, **SECRETS)
    assert (done.code, "planned changes are present" in done.out) == (0, True), done.err


@pytest.mark.parametrize(
    ("unit", "state"),
    [
        ("docker.service", "enabled"),
        ("sshd.service", "enabled"),
        ("systemd-networkd.service", "enabled"),
        ("systemd-resolved.service", "enabled"),
        ("systemd-timesyncd.service", "enabled"),
        ("systemd-time-wait-sync.service", "enabled"),
        ("remote-fs.target", "enabled"),
        ("photon-builder-compose@pihole.service", "enabled"),
        ("photon-builder-packages.service", "enabled"),
        ("ctrl-alt-del.target", "masked"),
        ("reboot.target", "static"),
    ],
)
def test_systemd_sees_each_unit_in_its_state(unit: str, state: str, machine: Machine) -> None:
    told = judge("systemctl", f"--root={machine.root}", "is-enabled", unit, check=False).stdout
    assert told.strip() in ({state, "disabled"} if state == "static" else {state})


def test_presets_of_a_first_boot_change_no_state_of_ours(machine: Machine, tmp_path: Path) -> None:
    root = tmp_path / "root"
    for part in ("etc/systemd", "usr/lib/systemd", "lib"):
        shutil.copytree(machine.root / part, root / part, symlinks=True, dirs_exist_ok=True) if (
            machine.root / part
        ).is_dir() and not (machine.root / part).is_symlink() else None
    (root / "lib").symlink_to("usr/lib")
    judge("systemctl", f"--root={root}", "preset-all", "--preset-mode=enable-only", check=False)
    for unit, state in (
        ("docker.service", "enabled"),
        ("ctrl-alt-del.target", "masked"),
        ("photon-builder-compose@pihole.service", "enabled"),
    ):
        told = judge("systemctl", f"--root={root}", "is-enabled", unit, check=False).stdout
        assert told.strip() == state


def test_our_units_are_valid(machine: Machine) -> None:
    units = sorted((machine.root / "etc/systemd/system").glob("photon-builder*"))
    assert len(units) >= 2
    names = [unit.name.replace("@.", "@pihole.") for unit in units if unit.is_file()]
    told = judge(
        "systemd-analyze", "verify", "--man=no", f"--root={machine.root}", *names, check=False
    )
    complaints = [line for line in told.stderr.splitlines() if "photon-builder" in line]
    assert complaints == []


@pytest.mark.parametrize(
    ("password", "code"), [("s3cret-edge-7-Pass", 0), ("changeme", 1), ("", 1)]
)
def test_pam_takes_the_password_and_no_other(password: str, code: int, machine: Machine) -> None:
    found, told = machine.inside("su", "root", "-c", "id -u", user="65534", text=f"{password}\n")
    assert found == code, told
    assert (told == "0\n") is (code == 0)


def test_the_password_neither_has_expired_nor_will(machine: Machine) -> None:
    code, told = machine.inside("chage", "-l", "root")
    assert code == 0
    lines = dict(line.split(":", 1) for line in told.splitlines())
    found = {key.strip(): value.strip() for key, value in lines.items()}
    assert found["Password expires"] == found["Account expires"] == "never"


def test_the_account_files_are_no_worse_than_before(machine: Machine) -> None:
    """The base's own complaints (missing homes of Debian's accounts) stay; none is about ours."""
    _, told = machine.inside("pwck", "-r")
    assert "root" not in told
    assert "invalid" not in told


def test_sshd_accepts_its_configuration(machine: Machine) -> None:
    machine.inside("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/tmp/host_key")
    (machine.root / "run/sshd").mkdir(parents=True, exist_ok=True)
    code, told = machine.inside("sshd", "-T", "-h", "/tmp/host_key")
    assert code == 0, told
    settings = set(told.splitlines())
    assert {"permitrootlogin yes", "passwordauthentication yes"} <= settings
    assert not list((machine.root / "etc/ssh").glob("ssh_host_*"))


def test_fstab_is_understood_and_the_share_never_stops_the_boot(machine: Machine) -> None:
    fstab = machine.root / "etc/fstab"
    told = judge("findmnt", "--verify", "-F", fstab, check=False)
    assert "0 parse errors" in told.stdout + told.stderr
    row = judge("findmnt", "-F", fstab, "-n", "-o", "SOURCE,FSTYPE,OPTIONS", "/mnt/nfs").stdout
    source, kind, options = row.split()
    assert (source, kind) == ("192.168.0.100:/nfs", "nfs")
    assert {"nofail", "_netdev", "x-systemd.automount"} <= set(options.split(","))


@pytest.mark.parametrize("path", PLACES)
def test_mode_and_owner_go_by_the_place(path: str, machine: Machine) -> None:
    mode, kind = PLACES[path]
    found = machine.opened.stat(path)
    wanted = ("regular" if kind == "file" else kind, f"{mode:04o}", "0", "0")
    assert (found["type"], found["mode"], found["user"], found["group"]) == wanted


def test_names_and_time_are_what_the_programs_see(machine: Machine) -> None:
    code, told = machine.inside("date", "+%Z")
    assert (code, told) == (0, "CST\n")
    code, told = machine.inside("getent", "hosts", "pihole")
    assert (code, told.split()) == (0, ["127.0.1.1", "pihole"])
    link = machine.root / "etc/resolv.conf"
    assert link.readlink() == Path("../run/systemd/resolve/resolv.conf")


def test_the_files_of_the_base_are_untouched(machine: Machine) -> None:
    """Hard links, set-id bits and large directories survive."""
    perl = machine.opened.stat("/usr/bin/perl5.36.0")
    assert perl["links"] == machine.opened.stat("/usr/bin/perl")["links"]
    assert machine.opened.stat("/usr/bin/su")["mode"] == "04755"
    assert stat.S_IMODE((machine.root / "tmp").stat().st_mode) & 0o777 == 0o777


def test_looking_into_it_is_quick_and_complete(machine: Machine) -> None:
    done = machine.bench.run("ls", "-R", machine.artifact, "/", "--json")
    listed = {row["path"] for row in json.loads(done.out)["files"]}
    seen = {
        f"/{path.relative_to(machine.root)}"
        for path in machine.root.rglob("*")
        if "host_key" not in path.name
    }
    missing = {path for path in seen - listed if not path.startswith(("/run/", "/tmp/", "/dev/"))}
    assert missing == set()
    assert len(listed) > 10_000


def test_a_pipe_that_closes_early_is_fine(machine: Machine) -> None:
    line = f"set -o pipefail; {' '.join(machine.bench.command())} ls -R {machine.artifact} | head"
    done = judge("bash", "-c", line, env=machine.bench.environment())
    assert (done.stderr, len(done.stdout.splitlines())) == ("", 10)
