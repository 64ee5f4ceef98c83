"""What has to be there before a compose project comes up: shared networks, volumes and mounts."""

import shutil
from pathlib import Path

import pytest

from builder import features, targets
from builder.changes import WriteFile
from builder.errors import SpecError
from builder.facts import facts_of
from builder.features import compose, docker
from builder.guest.compose import shared as compose_shared
from builder.guest.compose.files import iter_host_paths
from builder.plan import Plan, make_plan
from builder.rules import check_rules
from builder.spec import load_spec
from tests.support.judges import judge
from tests.support.manager import run_manager
from tests.support.wishes import FetchOptions, wish

UNITS = "/etc/systemd/system"
PROXY = "services: {a: {image: x, networks: [proxy]}}\nnetworks: {proxy: {external: true}}\n"


def project(folder: Path, text: str, **overlay: object) -> FetchOptions:
    """Return what the project ``web`` with a file of this text needs."""
    (folder / "c.yaml").write_text(text)
    value = {"web": {"file": "c.yaml"}}
    return wish(compose.FEATURE, value, folder, overlay=overlay, release="5.0")


def needs(found: FetchOptions, unit: str = "photon-builder-compose@web.service") -> list[str]:
    """Return the lines of the drop-ins of ours for a unit that are not its usual one."""
    paths = sorted({c.path for c in found.changes if isinstance(c, WriteFile)})
    own = [path for path in paths if path.startswith(f"{UNITS}/{unit}.d/")]
    lines = [line for path in own for line in found.text(path).splitlines()]
    return [line for line in lines if line not in {"[Unit]", "After=iptables.service"}]


def planned(folder: Path, **files: str) -> Plan:
    """Return the plan of a spec with projects, each in an overlay of its own."""
    for name, text in files.items():
        place = folder / f"overlays/{name}"
        place.mkdir(parents=True)
        (place / "c.yaml").write_text(text)
        (place / "overlay.yaml").write_text(f"compose: {{{name}: {{file: c.yaml}}}}\n")
    path = folder / "specs/lab.yaml"
    path.parent.mkdir()
    listed = ", ".join(files)
    path.write_text(f"version: 1\ntarget: ova\nbase: {{sample: true}}\noverlays: [{listed}]\n")
    spec = load_spec(path, targets=targets.discover())
    problems = tuple(p for p in check_rules(spec) if p.code.startswith("CMP04"))
    if problems:
        raise SpecError(problems)
    return make_plan(spec, features.discover(), facts=facts_of("5.0"))


def texts(plan: Plan) -> dict[str, str]:
    """Return the files below systemd's folder that a plan writes."""
    found = {}
    for change in plan.changes:
        if isinstance(change, WriteFile) and change.path.startswith(f"{UNITS}/"):
            with change.content.open() as stream:
                found[change.path.removeprefix(f"{UNITS}/")] = stream.read().decode()
    return found


def test_an_external_network_is_made_before_the_project(tmp_path: Path) -> None:
    found = project(tmp_path, PROXY)
    unit = "photon-builder-network@proxy.service"
    assert needs(found) == [f"Wants={unit}", f"After={unit}"]
    assert "/usr/bin/docker network create %i" in found.text(
        f"{UNITS}/photon-builder-network@.service"
    )
    assert "compose.web uses the network proxy: no project makes it" in found.reasons


@pytest.mark.parametrize(
    ("top", "unit"),
    [
        ("networks: {n: {external: true, name: front}}", "network@front"),
        ("networks: {n: {external: {name: front}}}", "network@front"),
        ("volumes: {data: {external: true}}", "volume@data"),
        ("volumes: {data: {external: true, name: keep.1}}", "volume@keep.1"),
        ("networks: {n: {external: true, name: host}}", ""),
        ("networks: {n: {}}", ""),
        ("networks: {n: {external: false}}", ""),
        ("networks: {n: }", ""),
        ("networks: [n]", ""),
    ],
)
def test_what_is_external_is_told_in_every_form(top: str, unit: str, tmp_path: Path) -> None:
    lines = needs(project(tmp_path, f"services: {{a: {{image: x}}}}\n{top}\n"))
    full = f"photon-builder-{unit}.service"
    assert lines == ([f"Wants={full}", f"After={full}"] if unit else [])


@pytest.mark.parametrize("name", ["a b", "-a", "a/b", "x'; reboot"])
def test_a_name_that_docker_refuses_is_refused(name: str, tmp_path: Path) -> None:
    text = f'services: {{a: {{image: x}}}}\nnetworks: {{n: {{external: true, name: "{name}"}}}}\n'
    (fault,) = project(tmp_path, text).faults
    assert (fault.code, fault.place and fault.place.line) == ("CMP040", 2)


def test_two_projects_share_what_neither_makes(tmp_path: Path) -> None:
    made = texts(planned(tmp_path, a=PROXY, b=PROXY))
    for name in "ab":
        dropin = made[f"photon-builder-compose@{name}.service.d/10-photon-builder.conf"]
        assert "After=photon-builder-network@proxy.service\n" in dropin
    assert [path for path in made if "network@" in path] == ["photon-builder-network@.service"]


@pytest.mark.parametrize(
    ("maker", "name"),
    [
        ("services: {t: {image: x}}\n", "traefik_default"),
        ("services: {t: {image: x}}\nnetworks: {front: {}}\n", "traefik_front"),
        ("services: {t: {image: x}}\nnetworks: {front: {name: proxy}}\n", "proxy"),
    ],
)
def test_a_network_of_another_project_is_waited_for(maker: str, name: str, tmp_path: Path) -> None:
    """To make it before would keep that project from coming up: it refuses one without labels."""
    user = PROXY.replace("external: true", f"external: true, name: {name}")
    made = texts(planned(tmp_path, traefik=maker, blog=user))
    assert made["photon-builder-compose@blog.service.d/10-photon-builder.conf"] == (
        "[Unit]\nWants=photon-builder-compose@traefik.service\n"
        "After=photon-builder-compose@traefik.service\n"
    )
    assert not [path for path in made if "network@" in path]


def test_projects_that_wait_for_each_other_are_refused(tmp_path: Path) -> None:
    text = "services: {{x: {{image: y}}}}\nnetworks: {{n: {{external: true, name: {}_default}}}}\n"
    with pytest.raises(SpecError) as caught:
        planned(tmp_path, a=text.format("b"), b=text.format("c"), c=text.format("a"))
    assert [problem.code for problem in caught.value.problems] == ["CMP041"] * 3
    straight = {"a": text.format("b"), "b": text.format("c"), "c": "services: {x: {image: y}}\n"}
    assert planned(tmp_path / "line", **straight).steps


DATA = {"source": "LABEL=data", "type": "ext4", "path": "/mnt/data"}


@pytest.mark.parametrize(
    ("volume", "needed"),
    [
        ("/mnt/data/photos:/photos", "/mnt/data/photos"),
        ("{type: bind, source: /mnt/data, target: /d}", "/mnt/data"),
        ("/mnt:/all", "/mnt/data"),
        ("/mnt/database:/d", ""),
        ("./photos:/photos", ""),
        ("named:/photos", ""),
    ],
)
def test_a_project_waits_for_the_mounts_that_it_binds(
    volume: str, needed: str, tmp_path: Path
) -> None:
    text = f"services: {{a: {{image: x, volumes: [{volume}]}}}}\nvolumes: {{named: {{}}}}\n"
    found = project(tmp_path, text, mounts=[DATA, {"source": "/swap", "type": "swap"}])
    assert needs(found) == ([f"RequiresMountsFor={needed}"] if needed else [])
    assert needs(found, "docker.service") == (["After=mnt-data.mount"] if needed else [])


def test_a_mount_over_the_projects_is_waited_for(tmp_path: Path) -> None:
    mounts = [{**DATA, "path": "/opt/compose"}]
    found = project(tmp_path, "services: {a: {image: x}}\n", mounts=mounts)
    assert needs(found) == ["RequiresMountsFor=/opt/compose/web"]


def test_a_volume_that_is_a_folder_is_a_bind() -> None:
    options = {"type": "none", "o": "bind", "device": "/mnt/data/x"}
    paths = iter_host_paths({"volumes": {"v": {"driver_opts": options}, "w": None}})
    assert list(paths) == ["/mnt/data/x"]


@pytest.mark.parametrize(
    ("path", "daemon", "needed"),
    [
        ("/var/lib/docker", {}, {"docker": "/var/lib/docker"}),
        ("/var/lib/docker/volumes", {}, {"docker": "/var/lib/docker/volumes"}),
        ("/srv/big data", {"data-root": "/srv/big data/d"}, {"docker": '"/srv/big data/d"'}),
        ("/srv", {"graph": "/srv/d"}, {"docker": "/srv/d"}),
        ("/var", {}, {"docker": "/var/lib/docker", "containerd": "/var/lib/containerd"}),
        ("/mnt/data", {}, {}),
    ],
)
def test_the_engine_waits_for_the_mount_of_its_data(
    path: str, daemon: dict[str, str], needed: dict[str, str]
) -> None:
    overlay = {"mounts": [{**DATA, "path": path}]}
    found = wish(docker.FEATURE, {"daemon": daemon}, overlay=overlay)
    for unit in ("docker", "containerd"):
        wanted = [f"RequiresMountsFor={needed[unit]}"] if unit in needed else []
        assert needs(found, f"{unit}.service") == wanted


WRITES = """\
#!/bin/sh
mkdir -p /mnt/data
findmnt -n -o FSTYPE -T /mnt/data >>/run/$(basename "$0")
"""
SLOW = {
    "mnt-data.mount": (
        "[Unit]\nAfter=disk.service\nRequires=disk.service\n"
        "[Mount]\nWhat=ramfs\nType=ramfs\nWhere=/mnt/data\n"
    ),
    "disk.service": "[Service]\nType=oneshot\nExecStart=/usr/bin/slow\n",
    "docker.service": "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/usr/bin/dockerd\n",
}
"""A disk that takes a while, its mount, and an engine that writes what it finds there."""


def _units(found: FetchOptions) -> dict[str, str]:
    """Return the units and drop-ins that are written, by their paths below systemd's folder."""
    paths = {c.path for c in found.changes if isinstance(c, WriteFile)}
    ours = [path for path in paths if path.startswith(f"{UNITS}/")]
    return {path.removeprefix(f"{UNITS}/"): found.text(path) for path in ours}


@pytest.mark.parametrize("mounted", [True, False])
def test_docker_writes_to_the_disk_and_not_below_it(tmp_path: Path, *, mounted: bool) -> None:
    overlay = {"mounts": [DATA] if mounted else []}
    found = wish(docker.FEATURE, {"daemon": {"data-root": "/mnt/data/d"}}, overlay=overlay)
    programs = {"dockerd": WRITES, "slow": "#!/bin/sh\nexec sleep 1\n"}
    script = "systemctl start mnt-data.mount docker.service\ncat /run/dockerd\n"
    said = run_manager(tmp_path, {**SLOW, **_units(found)}, programs, script)
    assert said == ("ramfs\n" if mounted else "tmpfs\n")


STARTED = """\
mkdir -p /opt/compose/web
touch /opt/compose/web/compose.yaml
systemctl start photon-builder-compose@web.service || echo later
touch /run/disk
for wait in $(seq 100); do
  systemctl is-active -q photon-builder-compose@web.service && break
  /run/sleep .1
done
cat /run/docker
"""
PROGRAMS = {
    "docker": WRITES,
    "dockerd": "#!/bin/sh\n",
    "slow": "#!/bin/sh\ntest -e /run/disk\n",
    "sleep": "#!/bin/sh\n",
}


def test_a_project_whose_disk_comes_later_comes_up_later(tmp_path: Path) -> None:
    """A unit whose mount failed is not started, so nothing in it can try again."""
    binds = "services: {a: {image: x, volumes: ['/mnt/data/x:/x']}}\n"
    found = project(tmp_path, binds, mounts=[DATA])
    units = {**SLOW, **_units(found)}
    said = run_manager(tmp_path / "run", units, PROGRAMS, STARTED)
    assert said.splitlines()[:2] == ["later", "ramfs"], said


def test_a_shared_network_is_made_once_and_before_the_projects(tmp_path: Path) -> None:
    """Docker takes two networks of one name from two that ask at the same time."""
    log = '#!/bin/sh\necho "$@" >>/run/asked\nsleep .2\ntest "$2" != inspect\n'
    found = [texts(planned(tmp_path, a=PROXY, b=PROXY)), SLOW]
    script = (
        "for name in a b; do mkdir -p /opt/compose/$name; touch /opt/compose/$name/compose.yaml;"
        "done\nsystemctl start photon-builder-compose@a photon-builder-compose@b\n"
        "cat /run/asked\n"
    )
    units = {path: text for each in found for path, text in each.items()}
    said = run_manager(tmp_path / "run", units, {"docker": log, "dockerd": "#!/bin/sh\n"}, script)
    asked = said.splitlines()
    assert asked[:2] == ["network inspect proxy", "network create proxy"], said
    assert sorted(asked[2:]) == [
        f"compose --project-name {name} up --detach --remove-orphans" for name in "ab"
    ]


def test_systemd_has_nothing_to_say_of_the_units_that_make_what_is_shared(tmp_path: Path) -> None:
    library = tmp_path / "usr/lib/systemd/system"
    library.mkdir(parents=True)
    (library / "docker.service").write_text(SLOW["docker.service"])
    for target in Path("/usr/lib/systemd/system").glob("*.target"):
        shutil.copy(target, library)
    for name in ("-", "system"):
        (library / f"{name}.slice").write_text("[Slice]\n")
    for name in ("usr/bin/docker", "usr/bin/dockerd", "bin/sh"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    for kind in compose_shared.KINDS:
        place = tmp_path / compose_shared.unit_path(kind)[1:]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(compose_shared.format_unit(kind))
    instances = [f"photon-builder-{kind}@proxy.service" for kind in compose_shared.KINDS]
    said = judge("systemd-analyze", "verify", f"--root={tmp_path}", *instances, check=False)
    assert "photon-builder" not in said.stderr, said.stderr
