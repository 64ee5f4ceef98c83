"""What boots a sample: names of the kernel, GRUB's files, fstab(5), the list of modules.

Source: ``SPECS/linux/<flavour>.spec``, ``support/image-builder/<image>`` and the installers'
``mk-setup-grub.sh`` at each revision.
"""

from builder.facts import Facts
from builder.facts.data import covers, table, value_for
from builder.structs import Struct

_INIT = "init=/lib/systemd/systemd"
_ESX_WORDS = (
    f"{_INIT} rcupdate.rcu_expedited=1 rw systemd.show_status=0 quiet noreplace-smp "
    "cpu_init_udelay=0"
)
_NVME = "nvme_core.io_timeout=4294967295"
_NO_STA = "3.0 4.0-GA 4.0-Rev1"
_NO_KMEM = "3.0-Rev3-U1"
_VARIABLES = "$photon_cmdline $systemd_cmdline"
_BOARD_WORDS = "rootwait rw console=ttyS0,115200n8 console=tty0"
_BOARD_WORDS_3 = f"{_BOARD_WORDS} cma=256M"
_BOARD_ROOT_3 = "/dev/mmcblk0p2"
_OWN_SUFFIX = {"linux-esx": "-esx", "linux-aws": "-aws", "linux-secure": "-secure"}


class Placement(Struct, frozen=True):
    """Where the root lies.

    Attributes:
        root: How fstab(5) and the menu name it, such as ``PARTUUID=…``; a board's menu does not.
        boot_uuid: UUID of the filesystem that holds ``/boot``.
        mounts: Further ``(source, mount point, filesystem)``, in fstab's order.
        prefix: Path of ``/boot`` on its own filesystem: empty when it is one of its own.
    """

    root: str
    boot_uuid: str
    mounts: tuple[tuple[str, str, str], ...] = ()
    prefix: str = "/boot"


def is_board(facts: Facts) -> bool:
    """Return whether the image is the card of a board, which U-Boot starts."""
    return facts.has_package("u-boot") is True


def kernel_name(facts: Facts) -> str:
    """Return what ``uname -r`` says on the image: that of the first kernel, if it has several."""
    flavour = _flavour(facts)
    tag = f".ph{facts.release.partition('.')[0]}"
    return f"{facts.version_of(flavour)}{tag}{_OWN_SUFFIX.get(flavour, '')}"


def boot_files(facts: Facts, placement: Placement) -> dict[str, str]:
    """Return what GRUB reads on the root, and fstab(5), by path."""
    name = kernel_name(facts)
    return {
        f"/boot/linux-{name}.cfg": (
            f"# GRUB Environment Block\nphoton_cmdline={_cmdline(facts)}\n"
            f"photon_linux=vmlinuz-{name}\nphoton_initrd=initrd.img-{name}\n"
        ),
        "/boot/systemd.cfg": (
            f"# GRUB Environment Block\nsystemd_cmdline={facts.systemd_cmdline}\n"
        ),
        "/boot/grub2/grub.cfg": _menu(facts, placement),
        "/etc/fstab": _fstab(facts, placement),
    }


def module_files(facts: Facts) -> dict[str, str]:
    """Return the lists of the kernel's modules, as far as the tables know them."""
    flavour = _flavour(facts)
    states = {name: facts.kernel_module(name, flavour) for name in table("kernel")["modules"]}
    folder = f"/usr/lib/modules/{kernel_name(facts)}"
    lists = {
        "modules.dep": (f"kernel/{name}.ko.xz:" for name, is_ in states.items() if is_ == "m"),
        "modules.builtin": (f"kernel/{name}.ko" for name, is_ in states.items() if is_ == "y"),
    }
    return {
        f"{folder}/{name}": "".join(f"{line}\n" for line in lines) for name, lines in lists.items()
    }


def _flavour(facts: Facts) -> str:
    """Return the kernel that the image boots, the first one if it has several."""
    return facts.flavours[0] if facts.flavours else "linux-esx"


def _cmdline(facts: Facts) -> str:
    """Return the arguments that the kernel's package brings."""
    if _flavour(facts) == "linux-esx":
        return _ESX_WORDS
    words = [f"{_INIT} ro loglevel=3 quiet"]
    words += ["no-vmw-sta"] if covers(_NO_STA, facts.revision) else []
    words += [_NVME] if _flavour(facts) == "linux-aws" else []
    words += ["cgroup.memory=nokmem"] if covers(_NO_KMEM, facts.revision) else []
    return " ".join(words)


def _menu(facts: Facts, placement: Placement) -> str:
    """Return the boot menu, which is written once and never regenerated."""
    at = placement.prefix
    edits = table("system")["network"]["cloud_edits"]
    words = _VARIABLES
    if covers(edits["literal_cmdline_in_grub_cfg"].get(facts.image, ""), facts.revision):
        words = edits["words"][facts.image]
    root, search = placement.root, f"search -n -u {placement.boot_uuid} -s\n"
    if is_board(facts):
        is_first = facts.release == "3.0"
        words += f" {_BOARD_WORDS_3 if is_first else _BOARD_WORDS}"
        root, search = _BOARD_ROOT_3 if is_first else f"UUID={placement.boot_uuid}", ""
    font = f"{at}/grub2/ascii.pf2" if facts.release == "3.0" else "ascii"
    return f"""\
# Begin /boot/grub2/grub.cfg

set default=0
set timeout={2 if is_board(facts) else 5}
{search}loadfont {font}
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
set rootpartition={root}

menuentry "Photon" {{
    linux {at}/$photon_linux root=$rootpartition {words}
    if [ -f {at}/$photon_initrd ]; then
        initrd {at}/$photon_initrd
    fi
}}
# End /boot/grub2/grub.cfg
"""


def _fstab(facts: Facts, placement: Placement) -> str:
    """Return fstab(5) as the release's installer writes it."""
    if facts.revision == "3.0-GA":
        root = f"UUID={placement.boot_uuid} / ext4 defaults 1 1\n"
        return f"{root}/dev/cdrom /mnt/cdrom iso9660 ro,noauto 0 0\n"
    acl = "" if facts.release == "5.0" else "noacl,"
    lines = ["#system\tmnt-pt\ttype\toptions\tdump\tfsck"]
    lines.append(f"{placement.root}\t/\text4\tdefaults,barrier,noatime,{acl}data=ordered\t1\t1")
    lines += [f"{source}\t{at}\t{kind}\tdefaults\t1\t2" for source, at, kind in placement.mounts]
    lines.append("/dev/cdrom\t/mnt/cdrom\tiso9660\tro,noauto\t0\t0")
    if is_board(facts):
        swap = value_for(table("system")["board"]["swap"], facts.revision)
        lines.append(f"{swap} none swap defaults 0 0")
    return "\n".join(lines) + "\n"
