"""A stand-in for Photon's installer: it obeys a kickstart by the rules of photon-os-installer 2.3.

It keeps to what is documented of Photon 5.0's: the keys that it knows, the order of its steps,
files that lose their mode, post-install in a chroot whose exit status nobody looks at, and modules
that run in any order. Packages are the one thing it does not install: their files lie on the
medium, unpacked. Keys that it knows and does not play end it, so that nothing seems to work.
"""

import fcntl
import json
import os
import re
import shlex
import shutil
import struct
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

MEDIA = Path("/mnt/media")
ROOT = Path("/mnt/photon-root/photon-chroot")
GRUB = Path("/usr/lib/grub")
SECTOR = 512
Config = dict[str, Any]
CDROMEJECT = 0x5309
MOUNT_TRIES = 3


known_keys = {
    "additional_files", "additional_packages", "additional_rpms_path", "arch",
    "autopartition", "bootmode", "disk", "eject_cdrom", "hostname", "install_linux_esx",
    "linux_flavor", "live", "log_level", "network", "ostree", "packagelist_file", "packages",
    "partition_type", "partitions", "password", "photon_docker_image", "postinstall",
    "postinstallscripts", "preinstall", "preinstallscripts", "public_key", "repos",
    "search_path", "setup_grub_script", "shadow_password", "type", "ui",
}  # fmt: skip
PLAYED_KEYS = {
    "additional_files", "additional_packages", "bootmode", "disk", "eject_cdrom", "hostname",
    "linux_flavor", "packagelist_file", "packages", "partitions", "password", "postinstall",
    "public_key", "search_path",
}  # fmt: skip
"""What the stand-in does; it ends at any other key."""


class InstallerError(Exception):
    """The installation cannot go on."""


class Installer:
    """One installation."""

    def __init__(self, config: Config) -> None:
        unknown = config.keys() - known_keys
        if unknown:
            raise InstallerError(f"Unknown install_config keys: {', '.join(sorted(unknown))}")
        if "disk" not in config:
            raise InstallerError("No disk configured")
        unplayed = config.keys() - PLAYED_KEYS
        if unplayed:
            raise InstallerError(f"the stand-in does not play {', '.join(sorted(unplayed))}")
        self.config = {"bootmode": "dualboot", "eject_cdrom": True, **config}
        self.config.setdefault("partitions", [{"mountpoint": "/", "size": 0, "filesystem": "ext4"}])
        self.config.setdefault("hostname", f"photon-{uuid.uuid4().hex[:12]}")
        self.config.setdefault("password", {"crypted": True, "text": "*", "age": -1})

    def install(self, order: str) -> None:
        """Do everything; ``order`` says where among the modules post-install comes."""
        self.partitions = self.partition()
        self.install_packages()
        shutil.copyfile("/etc/resolv.conf", ROOT / "etc/resolv.conf")
        self.copy_additional_files()
        self.setup_grub()
        self.write_fstab()
        modules = [self.set_locale, self.set_machine_id, self.set_hostname, self.set_password,
                   self.set_ssh]  # fmt: skip
        modules.insert(0 if order == "first" else len(modules), self.run_postinstall)
        for module in modules:
            module()
        (ROOT / "etc/resolv.conf").unlink(missing_ok=True)
        run("umount", "-R", ROOT)
        if self.config["eject_cdrom"]:
            eject()

    def partition(self) -> list[Config]:
        """Make partitions and filesystems, and mount them; return what was made, in order."""
        disk = self.config["disk"]
        made = self.plan_partitions()
        run("sgdisk", "-Z", disk, check=False)
        for number, each in enumerate(made, 1):
            size = f"+{each['size']}M" if each["size"] else ""
            run("sgdisk", f"-n{number}::{size}", f"-t{number}:{each['code']}", disk)
            each["device"] = f"{disk}{'p' if disk[-1].isdigit() else ''}{number}"
        for each in made:
            await_device(each["device"])
            if each["filesystem"]:
                make_filesystem(each["filesystem"], each["device"])
            each["partuuid"] = said("blkid", "-s", "PARTUUID", "-o", "value", each["device"])
            each["uuid"] = said("blkid", "-s", "UUID", "-o", "value", each["device"], check=False)
        for each in sorted(made, key=point_of):
            if point_of(each):
                place = ROOT / each["mountpoint"].lstrip("/")
                place.mkdir(parents=True, exist_ok=True)
                run("mount", each["device"], place)
        return made

    def plan_partitions(self) -> list[Config]:
        """Return what is wanted and, in front of it, what the firmware needs."""
        mode = self.config["bootmode"]
        wanted = [{"code": "8300", **each} for each in self.config["partitions"]]
        points = {point_of(each) for each in wanted}
        if "/" not in points or sum(each["size"] == 0 for each in wanted) != 1:
            raise InstallerError("wanted: one partition for /, and one that takes the rest")
        front: list[Config] = []
        if mode in {"bios", "dualboot"}:
            front.append({"mountpoint": "", "size": 4, "filesystem": "", "code": "ef02"})
        if mode in {"efi", "dualboot"} and "/boot/efi" not in points:
            esp = {"mountpoint": "/boot/efi", "size": 10, "filesystem": "vfat", "code": "ef00"}
            front.append(esp)
        return sorted([*front, *wanted], key=lambda each: each["size"] == 0)

    def install_packages(self) -> None:
        """Unpack what the packages hold; one that is not on the medium ends the installation."""
        listed = Path("/installer", self.config.get("packagelist_file", "packages_minimal.json"))
        packages = json.loads(listed.read_text())["packages"]
        for name in [*packages, *self.config.get("additional_packages", ())]:
            if not any(MEDIA.glob(f"RPMS/*/{name}-[0-9]*.rpm")):
                raise InstallerError(f"no package matches {name}")
        run("tar", "-xpf", f"{MEDIA}/RPMS/unpacked.tar", "--numeric-owner", "-C", ROOT)
        for kind, place in (("proc", "proc"), ("sysfs", "sys"), ("tmpfs", "tmp"), ("tmpfs", "run")):
            run("mount", "-t", kind, kind, ROOT / place)
        run("mount", "--bind", "/dev", ROOT / "dev")

    def copy_additional_files(self) -> None:
        """Copy files, which lose their mode, into directories that must be there."""
        for entry in self.config.get("additional_files", ()):
            for source, target in entry.items():
                found = next(filter(Path.exists, self.candidates(source)), None)
                if found is None:
                    raise InstallerError(f"{source}: not found in the search path")
                place = ROOT / target.lstrip("/")
                if found.is_dir():
                    shutil.copytree(found, place, symlinks=True)
                else:
                    shutil.copyfile(found, place)
        run("chroot", ROOT, "ldconfig", check=False)

    def candidates(self, source: str) -> list[Path]:
        """Return where a file is looked for; an absolute name stands for itself."""
        return [Path(each, source) for each in (*self.config.get("search_path", ()), ".")]

    def setup_grub(self) -> None:
        """Write the boot loader, for BIOS and UEFI as the mode says, and its menu."""
        by_point = {point_of(each): each for each in self.partitions}
        boot = by_point.get("/boot", by_point["/"])
        at = "" if "/boot" in by_point else "/boot"
        if self.config["bootmode"] in {"bios", "dualboot"}:
            install_grub_for_bios(self.config["disk"], self.partitions[0]["device"])
        if "/boot/efi" in by_point:
            chain = ROOT / "boot/efi/boot/grub2"
            chain.mkdir(parents=True, exist_ok=True)
            (chain / "grub.cfg").write_text(
                f"search -n -u {boot['uuid']} -s\nset prefix=($root){at}/grub2\n"
                f"configfile {at}/grub2/grub.cfg\n"
            )
        menu = ROOT / "boot/grub2/grub.cfg"
        menu.write_text(MENU.format(at=at, boot=boot["uuid"], root=by_point["/"]["partuuid"]))
        menu.chmod(0o600)

    def write_fstab(self) -> None:
        """Name the filesystems by the UUIDs of their partitions."""
        lines = ["#system\tmnt-pt\ttype\toptions\tdump\tfsck"]
        for each in sorted(self.partitions, key=point_of):
            if point_of(each):
                is_root = each["mountpoint"] == "/"
                options = "defaults,barrier,noatime,data=ordered" if is_root else "defaults"
                lines.append(
                    f"PARTUUID={each['partuuid']}\t{each['mountpoint']}\t{each['filesystem']}"
                    f"\t{options}\t1\t{1 if is_root else 2}"
                )
            elif each["filesystem"] == "swap":
                lines.append(f"PARTUUID={each['partuuid']}\tswap\tswap\tdefaults\t0\t0")
        lines.append("/dev/cdrom\t/mnt/cdrom\tiso9660\tro,noauto\t0\t0")
        (ROOT / "etc/fstab").write_text("\n".join(lines) + "\n")

    def set_locale(self) -> None:
        """Say the locale."""
        (ROOT / "etc/locale.conf").write_text("LANG=en_US.UTF-8\n")

    def set_machine_id(self) -> None:
        """Draw an id: this is a system that lives."""
        place = ROOT / "etc/machine-id"
        place.unlink(missing_ok=True)
        place.write_text(uuid.uuid4().hex + "\n")
        place.chmod(0o444)

    def set_hostname(self) -> None:
        """Write the name, without a new line, and let it mean this machine."""
        name = self.config["hostname"]
        (ROOT / "etc/hostname").write_text(name)
        hosts = ROOT / "etc/hosts"
        lines = hosts.read_text().splitlines()
        at = next((n for n, line in enumerate(lines, 1) if line.endswith("localhost")), 0)
        hosts.write_text("\n".join([*lines[:at], f"127.0.0.1   {name}", *lines[at:]]) + "\n")

    def set_password(self) -> None:
        """Set root's password and its age."""
        password = self.config["password"]
        if not password["crypted"]:
            raise InstallerError("the stand-in takes a hash only")
        shadow = ROOT / "etc/shadow"
        found = re.sub(
            r"^root:x?:", f"root:{password['text']}:", shadow.read_text(), flags=re.MULTILINE
        )
        shadow.write_text(found)
        run("chroot", ROOT, "pwconv")
        run("chroot", ROOT, "grpconv")
        age = password.get("age")
        if age == -1:
            never = ("-I", "-1", "-m", "0", "-M", "99999", "-E", "-1", "-W", "7")
            run("chroot", ROOT, "chage", *never, "root")
        elif age is not None:
            run("chroot", ROOT, "chage", *(("-d", "0") if age == 0 else ("-M", str(age))), "root")
        if age:
            defs = ROOT / "etc/login.defs"
            line = f"PASS_MAX_DAYS\t{99999 if age == -1 else age}"
            found = re.sub(r"^PASS_MAX_DAYS.*$", line, defs.read_text(), flags=re.MULTILINE)
            defs.write_text(found)

    def set_ssh(self) -> None:
        """Let root in with a key, when one is given."""
        if "public_key" not in self.config:
            return
        folder = ROOT / "root/.ssh"
        folder.mkdir(exist_ok=True)
        with (folder / "authorized_keys").open("a") as stream:
            stream.write(self.config["public_key"] + "\n")
        (folder / "authorized_keys").chmod(0o600)
        place = ROOT / "etc/ssh/sshd_config"
        place.write_text(place.read_text().replace("PermitRootLogin no", "PermitRootLogin yes"))

    def run_postinstall(self) -> None:
        """Run the script in the new root; what it returns is not looked at."""
        if "postinstall" not in self.config:
            return
        folder = ROOT / "tmp/tempscripts"
        folder.mkdir()
        script = folder / "builtin_postinstall.sh"
        script.write_text("\n".join(self.config["postinstall"]))
        script.chmod(0o700)
        inside = f"/tmp/tempscripts/{script.name}"
        subprocess.run(["chroot", ROOT, "/bin/bash", "-c", inside], check=False)
        shutil.rmtree(folder)


MENU = """\
# Begin /boot/grub2/grub.cfg

set default=0
set timeout=5
search -n -u {boot} -s
loadfont ascii
insmod gfxterm
set gfxmode="640x480"
gfxpayload=keep
terminal_output gfxterm
set theme={at}/grub2/themes/photon/theme.txt
load_env -f {at}/photon.cfg
if [ -f {at}/systemd.cfg ]; then
    load_env -f {at}/systemd.cfg
else
    set systemd_cmdline=net.ifnames=0
fi
set rootpartition=PARTUUID={root}

menuentry "Photon" {{
    linux {at}/$photon_linux root=$rootpartition $photon_cmdline $systemd_cmdline
    if [ -f {at}/$photon_initrd ]; then
        initrd {at}/$photon_initrd
    fi
}}
# End /boot/grub2/grub.cfg
"""


def install_grub_for_bios(disk: str, partition: str) -> None:
    """Write GRUB's first sector and the rest of it, each told where the next part lies."""
    first = int(Path(f"/sys/class/block/{Path(partition).name}/start").read_text())
    core = bytearray((GRUB / "core.img").read_bytes())
    core += bytes(-len(core) % SECTOR)
    struct.pack_into("<QH", core, 0x1F4, first + 1, len(core) // SECTOR - 1)
    boot = bytearray((GRUB / "boot.img").read_bytes())
    struct.pack_into("<Q", boot, 0x5C, first)
    boot[0x66:0x68] = b"\x90\x90"
    with Path(disk).open("r+b", buffering=0) as stream:
        boot[0x1B8:0x200] = stream.read(SECTOR)[0x1B8:]
        stream.seek(0)
        stream.write(boot)
        stream.seek(first * SECTOR)
        stream.write(core)


def await_device(path: str) -> None:
    """Wait for a device node, which comes when the kernel has read the new table."""
    for _ in range(50):
        if Path(path).is_block_device():
            return
        time.sleep(0.1)
    raise InstallerError(f"{path}: no such device")


def mount_media(words: dict[str, str]) -> None:
    """Mount the medium as the kernel's command line names it."""
    named = words.get("photon.media", "")
    key, _, value = named.partition("=")
    ways = {"UUID": ["-U", value], "LABEL": ["-L", value], "cdrom": ["/dev/cdrom"]}
    source = ways.get(key, [named])
    MEDIA.mkdir(parents=True, exist_ok=True)
    for number in range(MOUNT_TRIES):
        if subprocess.run(["mount", "-o", "ro", *source, str(MEDIA)], check=False).returncode == 0:
            return
        if number < MOUNT_TRIES - 1:
            time.sleep(5)
    raise InstallerError(f"photon.media={named}: cannot be mounted")


def read_kickstart(name: str) -> Config:
    """Return the kickstart that ``ks=`` names: on the medium, as JSON."""
    if not name:
        raise InstallerError("no kickstart: a person would be asked now")
    if not name.startswith("cdrom:/"):
        raise InstallerError(f"ks={name}: the stand-in reads cdrom:/ only")
    try:
        found: Config = json.loads((MEDIA / name.removeprefix("cdrom:/")).read_text())
    except OSError as error:
        raise InstallerError(f"Failed to get the kickstart file: {error}") from error
    return found


def eject() -> None:
    """Open the drive; a medium in use stays."""
    run("umount", MEDIA, check=False)
    try:
        drive = os.open("/dev/cdrom", os.O_NONBLOCK)
        fcntl.ioctl(drive, CDROMEJECT)
    except OSError as error:
        say(f"eject: {error}")


def point_of(partition: Config) -> str:
    """Return where a partition is mounted, empty when nowhere."""
    return str(partition.get("mountpoint", ""))


def make_filesystem(kind: str, device: str) -> None:
    """Make a filesystem, or swap space."""
    if kind == "swap":
        run("mkswap", device)
    else:
        run(f"mkfs.{kind}", *(() if kind == "vfat" else ("-F", "-q")), device)


def run(*argv: str | Path, check: bool = True) -> None:
    """Run a program; its failure ends the installation."""
    done = subprocess.run(list(map(str, argv)), check=False, capture_output=True, text=True)
    if check and done.returncode:
        raise InstallerError(f"{shlex.join(map(str, argv))}: {done.stdout}{done.stderr}")


def said(*argv: str, check: bool = True) -> str:
    """Return what a program prints."""
    return subprocess.run(argv, check=check, capture_output=True, text=True).stdout.strip()


def say(text: str) -> None:
    """Say something on the console."""
    sys.stdout.write(f"stand-in installer: {text}\n")
    sys.stdout.flush()


def main() -> int:
    """Install, or say why not."""
    begun = time.monotonic()
    words = {}
    for word in shlex.split(Path("/proc/cmdline").read_text()):
        key, _, value = word.partition("=")
        words[key] = value
    say(f"photon.media={words.get('photon.media')} ks={words.get('ks')}")
    say(f"firmware {'efi' if Path('/sys/firmware/efi').exists() else 'bios'}")
    try:
        mount_media(words)
        config = read_kickstart(words.get("ks", ""))
        say(f"keys {' '.join(sorted(config))}")
        Installer(config).install(words.get("stand-in.postinstall", "last"))
    except (InstallerError, OSError, subprocess.SubprocessError) as error:
        say(str(error))
        return 1
    say(f"done in {time.monotonic() - begun:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
