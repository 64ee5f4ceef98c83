"""Boot menus: the unattended entry in front, the attended one kept."""

import re

import pytest

from builder.guest.boot_menu import (
    MenuEntry,
    edit_grub_cfg,
    edit_isolinux_cfg,
    edit_menu_cfg,
)
from tests.support.media import GRUB, ISOLINUX, MENU

ENTRY = MenuEntry("Install it's - this erases /dev/sda", ("ks=cdrom:/ks.json", "quiet"), 5)
SERIAL = MenuEntry("x", ("ks=cdrom:/ks.json", "console=ttyS0"), 30)


def test_the_stock_time_out_that_waits_for_ever_is_replaced() -> None:
    assert edit_isolinux_cfg(ISOLINUX, ENTRY).splitlines()[-1] == "timeout 50"
    assert edit_isolinux_cfg("prompt 0\n", ENTRY) == "prompt 0\ntimeout 50\n"


def test_the_entry_passes_on_what_the_stock_one_passes() -> None:
    menu = edit_menu_cfg(MENU, ENTRY)
    added = "photon.media=cdrom ks=cdrom:/ks.json quiet"
    assert f"\tappend initrd=initrd.img root=/dev/ram0 loglevel=3 {added}\n" in menu
    assert menu.count("kernel vmlinuz") == 2
    assert "default photon-builder\n" in menu


def test_only_the_new_entry_is_the_default() -> None:
    menu = edit_menu_cfg(MENU, ENTRY)
    defaults = [line.strip() for line in menu.splitlines() if "default" in line]
    assert defaults == [
        "# photon-builder: was default install",
        "default photon-builder",
        "menu default",
        "# photon-builder: was \tmenu default",
    ]


def test_grub_gets_the_entry_first_and_keeps_the_other() -> None:
    grub = edit_grub_cfg(GRUB, ENTRY)
    titles = re.findall(r"^menuentry (.*) \{$", grub, re.MULTILINE)
    assert titles == ["'Install its - this erases /dev/sda'", '"Install"']
    assert grub.index("probe -s photondisk") < grub.index("menuentry")
    assert "    initrd /isolinux/initrd.img\n}\n" in grub


@pytest.mark.parametrize("edit", [edit_menu_cfg, edit_grub_cfg, edit_isolinux_cfg])
@pytest.mark.parametrize("text", [ISOLINUX, MENU, GRUB], ids=["isolinux", "menu", "grub"])
def test_editing_twice_is_editing_once(edit: type, text: str) -> None:
    once = edit(text, ENTRY)
    assert edit(once, ENTRY) == once
    assert edit(edit(text, SERIAL), ENTRY) == once


def test_a_serial_console_is_the_only_one() -> None:
    menu = edit_menu_cfg(MENU.replace("loglevel=3", "console=tty0 loglevel=3"), SERIAL)
    ours = menu[menu.index("label photon-builder") : menu.index("label install")]
    assert re.findall(r"console=\S+", ours) == ["console=ttyS0"]
    assert "console=tty0" in menu[menu.index("label install") :]


def test_the_kickstart_of_a_medium_gives_way_in_the_new_entry_only() -> None:
    stock = MENU.replace("loglevel=3", "loglevel=3 ks=cdrom:/isolinux/other.cfg")
    menu = edit_menu_cfg(stock, ENTRY)
    ours, theirs = menu.split("label install\n")
    assert re.findall(r"ks=\S+", ours) == ["ks=cdrom:/ks.json"]
    assert re.findall(r"ks=\S+", theirs) == ["ks=cdrom:/isolinux/other.cfg"]


@pytest.mark.parametrize(
    "text", ["", "label local\n  localboot 0\n", "menuentry 'x' {\n  chainloader /x\n}\n"]
)
def test_a_menu_that_boots_no_kernel_stays_as_it_is(text: str) -> None:
    assert edit_menu_cfg(text, ENTRY) == text
    assert edit_grub_cfg(text, ENTRY) == text
