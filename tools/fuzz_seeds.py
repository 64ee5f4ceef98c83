"""What the fuzzer starts from: valid artifacts, specs and texts, made by the program itself."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from builder.documents import load_document
from builder.engine.tree import Tree
from builder.features import discover

ROOT: Final = Path(__file__).resolve().parent.parent
_SPEC: Final = """\
version: 1
name: seed
targets: [ova, iso, rpi3, gce, azure]
base: {sample: true}
install: {disk: /dev/sda}
overlay:
  hostname: seed
  users: {ada: {uid: 1000, ssh_keys: [], groups: [wheel]}}
  kernel: {add: [quiet]}
"""
_COMPOSE: Final = """\
services:
  web:
    image: docker.io/library/nginx:1.25
    ports: ["8080:80", "127.0.0.1:${PORT:-53}:53/udp"]
    env_file: [web.env]
    volumes: ["./conf:/etc/nginx:ro", data:/data]
    environment: {A: "${A}", B: $$b}
    depends_on: [db]
    logging: &log {driver: local}
  db:
    image: postgres@sha256:0000000000000000000000000000000000000000000000000000000000000000
    secrets: [pw]
    logging: *log
secrets: {pw: {file: ./pw.txt}}
volumes: {data: {}}
"""
_ENV: Final = "PORT=5353\nA='x y' # z\nexport B=\"${A}\\n\"\nC=a#b\nD=${E:-${F:?no}}\n"
_LOCK: Final = {
    "schema": "photon-builder/lock/v1",
    "files": {"https://x/a.ova": {"sha256": "a" * 64}},
    "images": {
        "docker.io/library/nginx:1.25": {
            "digest": f"sha256:{'1' * 64}",
            "platforms": {"linux/amd64": f"sha256:{'2' * 64}"},
        }
    },
}


@dataclass(frozen=True, slots=True)
class Seeds:
    """Valid things that are changed.

    Attributes:
        folder: Where they lie; ``output`` has the artifacts.
        specs: Texts of specs by name.
        values: The same, as values, and values of single features.
        texts: Other texts by name.
        trees: Paths in a guest to contents.
    """

    folder: Path
    specs: dict[str, str]
    values: list[Any]
    texts: dict[str, str]


def run(*arguments: str, folder: Path) -> None:
    """Run the program, which must succeed."""
    command = [sys.executable, "-m", "builder", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)}: {done.stderr}")


def make_seeds(folder: Path) -> Seeds:
    """Build everything that is changed, and return it."""
    (folder / "specs").mkdir()
    (folder / "specs/seed.yaml").write_text(_SPEC)
    run("build", "seed", folder=folder)
    (folder / "disk.raw").unlink(missing_ok=True)
    packed = folder / "output/seed.rpi3.raw.xz"
    with (folder / "disk.raw").open("wb") as out:
        subprocess.run(["xz", "-dc", packed], stdout=out, check=True)
    subprocess.run(["fallocate", "-d", folder / "disk.raw"], check=False)
    _drop_checksums(folder / "disk.raw")
    shutil.copytree(ROOT / "overlays", folder / "overlays")
    specs = {path.stem: path.read_text() for path in sorted((ROOT / "specs").glob("*.yaml"))}
    values = [yaml.safe_load(text) for text in (*specs.values(), _SPEC)]
    values += [
        {
            "version": 1,
            "name": "a",
            "target": "ova",
            "base": {"sample": True},
            "overlay": load_document_text(feature.example, folder),
        }
        for feature in discover()
    ]
    provenance = json.loads((folder / "output/seed.ova.provenance.json").read_text())
    texts = {
        "compose": _COMPOSE,
        "env": _ENV,
        "lock": json.dumps(_LOCK, indent=2),
        "overlay": (folder / "overlays/pihole/overlay.yaml").read_text(),
        "sums": (folder / "output/SHA256SUMS").read_text(),
        "provenance": json.dumps(provenance, indent=1),
        "catalog": (ROOT / "builder/data/releases.json").read_text(),
    }
    return Seeds(folder, specs, values, texts)


def load_document_text(text: str, folder: Path) -> Any:
    """Return the value of a document."""
    path = folder / "example.yaml"
    path.write_text(text)
    return load_document(path).value


def guest_files(tree: Tree) -> dict[str, str]:
    """Return the texts of a guest that the program edits, by path."""
    from builder.engine.tree import exists, read_text
    from builder.guestpath import guest

    found = {}
    for path in GUEST_TEXTS:
        if exists(tree, guest(path)):
            found[path] = read_text(tree, guest(path))
    return found


GUEST_TEXTS: Final = (
    *("/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow", "/etc/fstab", "/etc/hosts"),
    *("/etc/ssh/sshd_config", "/etc/sudoers", "/boot/grub2/grub.cfg", "/boot/photon.cfg"),
    *("/boot/grub/grub.cfg", "/etc/os-release", "/usr/lib/os-release", "/etc/login.defs"),
    *("/etc/systemd/journald.conf", "/etc/systemd/timesyncd.conf", "/etc/hostname"),
    *("/etc/photon-release", "/etc/tdnf/tdnf.conf", "/etc/docker/daemon.json", "/etc/profile"),
    *("/etc/locale.conf", "/etc/nsswitch.conf", "/etc/default/useradd", "/etc/shells"),
    *("/etc/cloud/cloud.cfg", "/boot/efi/config.txt", "/etc/systemd/scripts/ip4save"),
)


def _drop_checksums(disk: Path) -> None:
    """Have ext4 go without checksums, so that a change is not found by them alone."""
    listed = subprocess.run(["sfdisk", "-J", disk], capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        start = json.loads(listed.stdout)["partitiontable"]["partitions"][-1]["start"] * 512
        command = ["tune2fs", "-O", "^metadata_csum,^uninit_bg", f"{disk}?offset={start}"]
        subprocess.run(command, capture_output=True, check=False)
