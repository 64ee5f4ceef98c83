"""Packages on the first boot: the script under a real shell, its units, what it leaves behind."""

import gzip
from pathlib import Path

import pytest

from builder.blob import Blob
from builder.carriers.edit import edit
from builder.changes import InstallPackages, ReplaceText, SetUnitState, UnitState
from builder.engine.memory import MemoryTree
from builder.engine.text import packages
from builder.errors import FormatError, GuestError
from builder.facts import facts_of
from builder.features import first_boot, mounts, repositories
from builder.features import packages as feature
from builder.formats import rpm_repo
from builder.guest.packages_script import ATTEMPTS, SCRIPT_TEXT
from builder.guest.repositories import KEY, OLD_KEY, key_line
from builder.guestpath import guest
from tests.support.judges import judge
from tests.support.package_manager import (
    NO_KEY_NAMED,
    OUT_OF_REACH,
    UNKNOWN,
    UNSOLVABLE,
    WRONG_KEY,
    Answer,
    Machine,
)
from tests.support.photon_releases import RELEASES
from tests.support.photon_root import PLACEMENT
from tests.support.photon_texts import configuration
from tests.support.roots import materialise, merged_root, put, steps, text_of, walk
from tests.support.rpms import make_rpm
from tests.support.tree import File
from tests.support.wishes import wish

NOW = 1_700_000_000
STORY = facts_of("3.0", revision="Rev2 Update3", image="ova")
RESTART = f"then: systemctl restart {packages.UNIT}"


def base(
    build: str = "a383732007722305139314aa93dd00f2c30df000", release: str = "3.0"
) -> MemoryTree:
    root = merged_root()
    put(root, "/etc/os-release", f"ID=photon\nVERSION_ID={release}\n")
    put(root, "/etc/photon-release", f"VMware Photon OS {release}\nPHOTON_BUILD_NUMBER={build}\n")
    return root


def staged(root: MemoryTree, *changes: InstallPackages | SetUnitState) -> MemoryTree:
    edit(root, steps(*changes), NOW)
    again = edit(root, steps(*changes), NOW)
    assert again == [], "a second run of the plan finds something to do"
    return root


@pytest.mark.parametrize("version", UNKNOWN)
def test_an_unknown_name_is_given_up_at_once_and_named(tmp_path: Path, version: str) -> None:
    machine = Machine.make(tmp_path, "jq nosuch", UNKNOWN[version], repeats=True)
    (tmp_path / "known").write_text("jq\n")
    status, console = machine.run()
    assert status == 1
    (line,) = console
    assert "no repository has nosuch - correct" in line
    assert line.endswith(RESTART)
    assert machine.pauses == 0
    assert machine.state("wanted").exists()


def test_a_name_that_tdnf_passed_over_is_an_unknown_one(tmp_path: Path) -> None:
    """As tdnf 2.0.0 of Photon 3.0 GA and Rev2 does: it installs the others and succeeds."""
    machine = Machine.make(tmp_path, "jq nosuch", Answer(0, "", "No package nosuch available\n"))
    (tmp_path / "known").write_text("jq\n")
    (tmp_path / "missing").write_text("nosuch\n")
    (line,) = machine.console
    assert "no repository has nosuch - correct" in line
    assert machine.state("wanted").exists()


@pytest.mark.parametrize("answer", [WRONG_KEY["3.2.3"], NO_KEY_NAMED], ids=["1514", "1523"])
def test_a_signature_without_its_key_is_given_up_at_once(tmp_path: Path, answer: Answer) -> None:
    machine = Machine.make(tmp_path, "rpcbind", answer, repeats=True)
    (line,) = machine.console
    assert "rpm --import" in line
    assert line.endswith(RESTART)
    assert machine.pauses == 0


@pytest.mark.parametrize("version", OUT_OF_REACH)
def test_servers_that_are_away_are_tried_again_and_then_given_up(
    tmp_path: Path, version: str
) -> None:
    machine = Machine.make(tmp_path, "jq", OUT_OF_REACH[version], repeats=True)
    (line,) = machine.console
    assert "their servers cannot be used - check network, DNS and clock" in line
    assert (len(machine.installations), machine.pauses) == (ATTEMPTS, ATTEMPTS - 1)
    assert machine.state("wanted").exists(), "the next boot would not try again"


def test_a_network_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    machine = Machine.make(tmp_path, "jq", *[OUT_OF_REACH["2.1.1"]] * 3)
    assert machine.run() == (0, [])
    assert machine.pauses == 3
    assert machine.state("installed").read_text() == "jq\n"
    assert not machine.state("wanted").exists()


def test_packages_that_contradict_each_other_are_given_up_at_once(tmp_path: Path) -> None:
    machine = Machine.make(tmp_path, "mine-1.0-1", UNSOLVABLE, repeats=True)
    (line,) = machine.console
    assert "journalctl -u" in line
    assert machine.pauses == 0


def test_an_old_tdnf_leaves_packages_of_two_keys_to_rpm(tmp_path: Path) -> None:
    chosen = Answer(8, "Error(1032) : Operation aborted.\n", WRONG_KEY["2.1.1"].out)
    machine = Machine.make(tmp_path, "rpcbind", WRONG_KEY["2.1.1"], chosen)
    (tmp_path / "version").write_text("tdnf: 2.1.0\n")
    (tmp_path / "etc/yum.repos.d/photon-updates.repo").write_text(
        "[photon-updates]\nname=x\nbaseurl=https://example.org/$releasever/up_$basearch\n"
    )
    machine.program("curl")
    machine.program("uname", "#!/bin/sh\necho x86_64\n")
    machine.program(
        "rpm",
        '#!/bin/sh\necho "rpm $*" >>"$HOME/calls"\n'
        'case $1 in -q) printf 3.0 ;; -K) echo "$2: digests signatures OK" ;; esac\n',
    )
    assert machine.run() == (0, [])
    file = "files/rpcbind-1.2.5-1.ph3.x86_64.rpm"
    address = f"https://example.org/3.0/up_x86_64/x86_64/{Path(file).name}"
    assert f"curl -fsSL -o {file} {address}" in machine.calls
    assert f"rpm -K {file}" in machine.calls
    assert machine.calls.index(f"rpm -K {file}") < len(machine.calls) - 2
    assert not machine.state("wanted").exists()


def test_a_file_that_rpm_does_not_trust_is_not_installed(tmp_path: Path) -> None:
    chosen = Answer(8, "", WRONG_KEY["2.1.1"].out)
    machine = Machine.make(tmp_path, "rpcbind", WRONG_KEY["2.1.1"], chosen)
    (tmp_path / "version").write_text("tdnf: 2.1.0\n")
    machine.program("curl")
    machine.program(
        "rpm",
        '#!/bin/sh\necho "rpm $*" >>"$HOME/calls"\n[ $1 = -K ] && echo "SIGNATURES NOT OK"\n',
    )
    (line,) = machine.console
    assert "rpm --import" in line
    assert not [call for call in machine.calls if call.startswith("rpm -U")]


def test_files_are_tried_without_the_network_first(tmp_path: Path) -> None:
    machine = Machine.make(tmp_path, "mine-1.0-1")
    machine.state("repository").mkdir()
    assert machine.run()[0] == 0
    (call,) = machine.installations
    assert call == "tdnf --disablerepo=* --enablerepo=photon-builder install --assumeyes mine-1.0-1"
    assert not machine.state("repository").exists()


def test_the_repositories_that_were_chosen_are_the_only_ones(tmp_path: Path) -> None:
    machine = Machine.make(tmp_path, "jq")
    machine.state("from").write_text("photon-release\n")
    machine.run()
    assert machine.installations == [
        "tdnf --disablerepo=* --enablerepo=photon-release install --assumeyes jq"
    ]


def test_units_of_packages_are_set_up_and_started_together(tmp_path: Path) -> None:
    machine = Machine.make(tmp_path, "docker nfs-utils")
    machine.state("units").write_text(
        "disabled chronyd.service\nenabled docker.service\nmasked nftables.service\n"
        "started photon-builder-compose@pihole.service\nstarted sshd.service\n"
    )
    (tmp_path / "ran").write_text("sshd.service\n")
    assert machine.run() == (0, [])
    calls = machine.calls
    assert "systemctl enable docker.service" in calls
    assert "systemctl disable --now chronyd.service" in calls
    assert "systemctl mask --now nftables.service" in calls
    assert calls[-1] == f"systemctl start --no-block {packages.TARGET}"
    target = (tmp_path / "run/systemd/system" / packages.TARGET).read_text()
    assert "\nWants=docker.service photon-builder-compose@pihole.service\n" in target


def test_a_unit_that_no_package_brought_is_said_and_not_tried_again(tmp_path: Path) -> None:
    machine = Machine.make(tmp_path, "jq")
    machine.state("units").write_text("enabled jqd.service\nenabled x.service\n")
    (tmp_path / "unknown").write_text("jqd.service\n")
    status, (line,) = machine.run()
    assert status == 1
    assert "does not know or take jqd.service - correct" in line
    assert not machine.state("wanted").exists()
    assert machine.calls[-1].startswith("systemctl start --no-block")


def test_shellcheck_finds_nothing_in_the_script(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(SCRIPT_TEXT)
    # Lists are split at blanks on purpose.
    judge("shellcheck", "--shell=sh", "--exclude=SC2046,SC2086,SC2013", script)


def test_packages_are_staged_for_the_first_boot() -> None:
    root = staged(base(), InstallPackages(("nfs-utils",)), InstallPackages(("vim",)))
    assert text_of(root, packages.WANTED) == "nfs-utils\nvim\n"
    wants = f"/etc/systemd/system/multi-user.target.wants/{packages.UNIT}"
    assert walk(root)[wants][0] == "symlink"


def test_files_become_a_repository_that_others_can_read(tmp_path: Path) -> None:
    first, second = make_rpm(tmp_path / "a", "mine"), make_rpm(tmp_path / "b", "other")
    files = [((path.name, Blob.file(path)),) for path in (first, second)]
    root = staged(base(), InstallPackages((), files[0]), InstallPackages(("jq",), files[1]))
    assert text_of(root, packages.WANTED) == "jq\nmine-1.0-1.ph5\nother-1.0-1.ph5\n"
    assert "gpgcheck=0\nenabled=0\n" in text_of(root, packages.REPOSITORY_FILE)
    repomd = text_of(root, f"{packages.REPOSITORY}/repodata/repomd.xml")
    judge("xmllint", "--noout", "-", text=repomd)
    href = rpm_repo.locate(repomd)["primary"]
    data = b"".join(root.chunks(guest(f"{packages.REPOSITORY}/{href}")))
    count = judge(
        "xmllint",
        "--xpath",
        "count(//*[local-name()='package']/*[local-name()='location'])",
        "-",
        text=gzip.decompress(data).decode(),
    )
    assert count.stdout.strip() == "2"


def test_a_file_that_is_no_package_is_refused_at_build() -> None:
    with pytest.raises(FormatError, match="own.rpm"):
        staged(base(), InstallPackages((), (("own.rpm", Blob.text("hello")),)))


@pytest.mark.parametrize(("release", "names"), [("3.0", "photon"), ("5.0", "photon-release")])
def test_the_release_repository_is_told_by_its_address(release: str, names: str) -> None:
    root = base("0", release)
    for path, node in configuration(RELEASES[release], PLACEMENT).items():
        if path.startswith("/etc/yum.repos.d/") and isinstance(node, File):
            put(root, path, node.content.decode())
    staged(root, InstallPackages(("jq",), source="release"))
    assert text_of(root, packages.FROM).split() == [names]


def test_a_base_without_such_a_repository_is_refused() -> None:
    with pytest.raises(GuestError) as caught:
        staged(base(), InstallPackages(("jq",), source="release"))
    assert caught.value.code == "PKG020"
    assert "install_from: enabled" in caught.value.hint


def test_a_unit_of_a_package_waits_for_it() -> None:
    root = staged(
        base(),
        InstallPackages(("nfs-utils", "chrony")),
        SetUnitState("nfs-server.service", UnitState.ENABLED),
        SetUnitState("chronyd.service", UnitState.DISABLED),
    )
    assert text_of(root, packages.STATES) == (
        "disabled chronyd.service\nenabled nfs-server.service\n"
    )
    preset = text_of(root, "/etc/systemd/system-preset/00-photon-builder.preset")
    assert "enable nfs-server.service\n" in preset
    assert "disable chronyd.service\n" in preset


def test_systemd_enables_the_unit_by_its_preset_when_the_package_comes(tmp_path: Path) -> None:
    root = staged(
        base(),
        InstallPackages(("docker", "nftables")),
        SetUnitState("docker.service", UnitState.ENABLED),
        SetUnitState("nftables.service", UnitState.MASKED),
    )
    materialise(root, tmp_path)
    for name in ("docker", "nftables"):
        unit = tmp_path / f"usr/lib/systemd/system/{name}.service"
        unit.write_text("[Service]\nExecStart=/x\n[Install]\nWantedBy=multi-user.target\n")
    judge(
        "systemctl",
        f"--root={tmp_path}",
        "preset",
        "docker.service",
        "nftables.service",
        check=False,
    )
    states = judge(
        "systemctl", f"--root={tmp_path}", "is-enabled", "docker", "nftables", check=False
    ).stdout.split()
    assert states == ["enabled", "masked"]


def test_a_unit_that_no_package_brings_is_refused_with_the_package_to_add() -> None:
    unit = SetUnitState("nfs-server.service", UnitState.ENABLED)
    with pytest.raises(GuestError, match="the package nfs-utils brings it") as caught:
        staged(base(), InstallPackages(("jq",)), unit)
    assert (caught.value.code, caught.value.hint) == ("SVC001", "add `packages: [nfs-utils]`")


def test_a_unit_that_nobody_knows_is_left_to_the_packages() -> None:
    unit = SetUnitState("kubelet.service", UnitState.ENABLED)
    root = staged(base(), InstallPackages(("kubernetes",)), unit)
    assert text_of(root, packages.STATES) == "enabled kubelet.service\n"
    with pytest.raises(GuestError, match="no unit kubelet.service"):
        staged(base(), unit)


def test_units_of_the_base_that_missed_their_start_are_started_too() -> None:
    root = base()
    put(
        root,
        "/etc/systemd/system/app.service",
        "[Unit]\nRequires=docker.service\n[Install]\nWantedBy=multi-user.target\n",
    )
    staged(root, InstallPackages(("docker",)), SetUnitState("app.service", UnitState.ENABLED))
    assert text_of(root, packages.STATES) == "started app.service\n"


def test_the_key_of_today_comes_with_bases_that_lack_it() -> None:
    found = wish(repositories.FEATURE, repositories.FEATURE.default, facts=STORY)
    assert found.file(KEY).unless == KEY
    shown = judge("gpg", "--show-keys", "--with-colons", text=found.text(KEY)).stdout
    assert ":0FBE7030274CF4B5A71A9A0775C009EA8A6A826D:" in shown
    assert found.units() == {"photon-builder-package-key.service": "enabled"}
    newer = facts_of("5.0", revision="GA", image="ova")
    assert not wish(repositories.FEATURE, repositories.FEATURE.default, facts=newer).units()


@pytest.mark.parametrize(
    ("revision", "release", "keys"),
    [("Rev2 Update3", "3.0", (KEY,)), ("Rev2", "4.0", (OLD_KEY, KEY))],
)
def test_tdnf_is_told_as_many_keys_as_it_takes(
    revision: str, release: str, keys: tuple[str, ...]
) -> None:
    facts = facts_of(release, revision=revision, image="ova")
    found = wish(repositories.FEATURE, {}, facts=facts)
    text = f"[a]\n{key_line(OLD_KEY)}gpgcheck=1\n"
    for change in (*found.changes, *found.changes):
        if isinstance(change, ReplaceText):
            text = text.replace(change.old, change.new)
    assert text == f"[a]\ngpgkey={' '.join(f'file://{key}' for key in keys)}\ngpgcheck=1\n"


def test_scripts_wait_for_packages_and_so_do_shares() -> None:
    script = [{"name": "join", "script": "#!/bin/sh\n"}]
    path = "/etc/systemd/system/photon-builder-first-boot-join.service"
    with_packages = wish(first_boot.FEATURE, script, overlay={"packages": ["kubernetes"]})
    assert f"Wants={packages.UNIT}\n" in with_packages.text(path)
    assert packages.UNIT in with_packages.text(path).partition("\nAfter=")[2].partition("\n")[0]
    assert packages.UNIT not in wish(first_boot.FEATURE, script).text(path)
    share = [{"source": "192.168.0.100:/nfs", "path": "/mnt/nfs", "type": "nfs"}]
    (line,) = wish(mounts.FEATURE, share, overlay={"packages": ["nfs-utils"]}).lines("/etc/fstab")
    assert f",x-systemd.after={packages.UNIT}\t" in line


def test_systemd_mounts_a_share_after_its_program_has_come(tmp_path: Path) -> None:
    share = [{"source": "192.168.0.100:/nfs", "path": "/mnt/nfs", "type": "nfs"}]
    lines = wish(mounts.FEATURE, share, overlay={"packages": ["nfs-utils"]}).lines("/etc/fstab")
    (tmp_path / "fstab").write_text("\n".join(lines) + "\n")
    generator = "/usr/lib/systemd/system-generators/systemd-fstab-generator"
    judge(generator, tmp_path, tmp_path, tmp_path, env={"SYSTEMD_FSTAB": str(tmp_path / "fstab")})
    assert f"After={packages.UNIT}\n" in (tmp_path / "mnt-nfs.mount").read_text()
    assert "Before=" not in (tmp_path / "mnt-nfs.mount").read_text()
    assert packages.UNIT not in (tmp_path / "mnt-nfs.automount").read_text()


def test_the_base_of_5_0_takes_the_packages_it_was_published_with() -> None:
    found = wish(feature.FEATURE, ["jq"], facts=facts_of("5.0", revision="GA", image="ova"))
    (change,) = found.changes
    assert isinstance(change, InstallPackages)
    assert change.source == "release"
    assert "install_from: enabled" in found.reasons[0]


def test_a_medium_has_packages_of_its_own() -> None:
    medium = facts_of("5.0", revision="GA", image="iso-minimal")
    assert wish(feature.FEATURE, ["jq"], facts=medium).changes == (
        InstallPackages(("jq",), online=False),
    )


@pytest.mark.parametrize(("given", "source"), [("enabled", ""), ("updates", "updates")])
def test_the_spec_may_choose_the_repositories(given: str, source: str) -> None:
    overlay = {"repositories": {"install_from": given}}
    facts = facts_of("5.0", revision="GA", image="ova")
    (change,) = wish(feature.FEATURE, ["jq"], overlay=overlay, facts=facts).changes
    assert isinstance(change, InstallPackages)
    assert change.source == source
