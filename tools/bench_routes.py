"""The workload of ``make bench``, as a spec of this project and as a script for plain tools.

The plain route: unpack, convert to a raw disk, edit that with debugfs, convert back, write
digests, pack. It needs 16 GiB of address space in a scratch folder, though not of blocks.

And the least that any program does: copies and digests by ``cp`` and ``openssl``, side by side.
"""

import hashlib
import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.bases import Base
from tools.bench_measure import Rival

KEY = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDc0cGhvdG9uLWJ1aWxkZXItYmVuY2htYXJrLWtl bench@example.org"
)
HASH = "$6$benchbench$" + "a" * 86


@dataclass(frozen=True, slots=True)
class Written:
    """A file of the workload: where, what, and its mode."""

    path: str
    content: bytes
    mode: int = 0o644


def files() -> list[Written]:
    """Return the files that are written below a path of their own."""
    unit = "[Unit]\nDescription=custom {0}\n\n[Service]\nExecStart=/usr/local/bin/custom-{0}\n"
    found = [
        Written(f"/etc/systemd/system/custom-{number:02}.service", unit.format(number).encode())
        for number in range(12)
    ]
    for number in range(4):
        body = hashlib.shake_128(bytes([number])).hexdigest(2500).encode()
        found.append(
            Written(f"/usr/local/bin/custom-{number}", b"#!/bin/sh\n# " + body + b"\n", 0o755)
        )
    address = b"[Match]\nName=eth9\n\n[Network]\nDHCP=no\nAddress=10.0.0.2/24\n"
    found.append(Written("/etc/systemd/network/10-static.network", address))
    found.append(Written("/opt/app/data.bin", hashlib.shake_128(b"x").digest(200_000)))
    found.append(Written("/usr/bin/zz-new-tool", b"#!/bin/sh\n", 0o755))
    return found


LINK = ("/etc/systemd/system/multi-user.target.wants/custom-00.service", "../custom-00.service")
GONE = "/etc/bindresvport.blacklist"


def write_spec(
    path: Path,
    base: Mapping[str, object],
    target: str = "ova",
    *,
    output: Mapping[str, object] | None = None,
    large: Path | None = None,
) -> None:
    """Write the workload as a spec: 24 changes; YAML is a superset of JSON.

    Args:
        path: The spec.
        base: What it starts from.
        target: What it makes.
        output: How that is packed, when not as usual.
        large: A file to put into the guest as well.
    """
    source = path.parent / "payload"
    source.mkdir(exist_ok=True)
    entries: list[dict[str, object]] = []
    for number, each in enumerate(files()):
        (source / f"{number}").write_bytes(each.content)
        entries.append(
            {"path": each.path, "source": f"payload/{number}", "mode": f"{each.mode:04o}"}
        )
    entries.append({"path": LINK[0], "symlink": LINK[1]})
    entries.append({"path": GONE, "absent": True})
    if large is not None:
        entries.append({"path": "/opt/large", "source": str(large)})
    overlay = {
        "hostname": "photon-custom",
        "users": {"root": {"password": {"hash": HASH}, "expire": "never", "ssh_keys": [KEY]}},
        "files": entries,
    }
    spec = {"version": 1, "name": path.stem, "targets": [target], "base": base, "overlay": overlay}
    path.write_text(json.dumps({**spec, **({"output": output} if output else {})}, indent=1))


def plain_route(base: Base, folder: Path, output: Path) -> list[str]:
    """Return the command of the plain route; what it needs is written into ``folder``."""
    script = write_edit(folder)
    work = shlex.quote(str(output / "scratch"))
    disk = f"disk.raw?offset={base.root_offset}"
    lines = [
        "set -e",
        f"mkdir -p {work}",
        f"cd {work}",
        f"tar xf {shlex.quote(str(base.path))}",
        "ovf=$(ls *.ovf) vmdk=$(ls *.vmdk) mf=$(ls *.mf)",
        'old=$(wc -c < "$vmdk")',
        'qemu-img convert -f vmdk -O raw "$vmdk" disk.raw',
        'rm "$vmdk"',
        f"debugfs -w -f {shlex.quote(str(script))} {shlex.quote(disk)} 2>&1",
        'qemu-img convert -f raw -O vmdk -o subformat=streamOptimized disk.raw "$vmdk"',
        'sed -i "s/ovf:size=\\"$old\\"/ovf:size=\\"$(wc -c < "$vmdk")\\"/" "$ovf"',
        'openssl dgst -sha256 "$ovf" "$vmdk" > "$mf"',
        'tar --format=ustar -cf ../out.ova "$ovf" "$mf" "$vmdk"',
        "cd ..",
        f"rm -r {work}",
        "openssl dgst -sha256 out.ova > out.ova.sha256",
    ]
    route = folder / "route.sh"
    route.write_text("\n".join(lines) + "\n")
    return ["sh", str(route)]


def write_edit(folder: Path) -> Path:
    """Write the workload as a script for debugfs, and what it needs, into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "edit.debugfs"
    script.write_text("\n".join(_debugfs(folder)) + "\n")
    return script


def at_once(copy: list[str], digested: list[Path], prepare: Callable[[], None]) -> Rival:
    """Return the copy and the digests that a build cannot do without, all at the same time."""
    digests = [["openssl", "dgst", "-sha256", str(path)] for path in digested]
    lines = " & ".join(map(shlex.join, [copy, *digests]))
    name = f"{copy[0]} and {len(digests)} digests at once"
    return Rival(name, ["sh", "-c", f"{lines} & wait"], prepare)


def _debugfs(folder: Path) -> list[str]:
    """Return the workload as debugfs commands."""
    replaced = [
        Written("/etc/hostname", b"photon-custom\n"),
        Written("/etc/shadow", f"root:{HASH}:20000:0:99999:7:::\n".encode(), 0o600),
        Written("/root/.ssh/authorized_keys", f"{KEY}\n".encode(), 0o600),
    ]
    commands = ["mkdir /opt/app", f"rm {GONE}"]
    commands += [f"rm {each.path}" for each in replaced]
    for number, each in enumerate([*files(), *replaced]):
        source = folder / f"{number}.bin"
        source.write_bytes(each.content)
        commands.append(f"write {source} {each.path}")
        commands.append(f"set_inode_field {each.path} mode 0{0o100000 | each.mode:o}")
    commands.append(f"symlink {LINK[0]} {LINK[1]}")
    return commands
