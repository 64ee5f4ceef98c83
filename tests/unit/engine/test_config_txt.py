"""config.txt edited: the right filter, the right line, and nothing else."""

import pytest

from builder.engine.text import config_txt

PHOTON = """\
# Refer to the documentation

initial_turbo=60
#gpu_mem=128
gpu_mem=256

[pi3]
dtoverlay=upstream
kernel=u-boot-rpi3.bin

[pi4]
dtoverlay=upstream-pi4
kernel=u-boot-rpi4.bin

[all]
# Boot in 64 bit mode
arm_64bit=1
"""

EDITS = {
    "a key that is there keeps its place": (
        ("all", "gpu_mem=16", "gpu_mem"),
        PHOTON.replace("\ngpu_mem=256", "\ngpu_mem=16"),
    ),
    "a new key goes to the end of the last section of its filter": (
        ("all", "disable_splash=1", "disable_splash"),
        f"{PHOTON}disable_splash=1\n",
    ),
    "a key of a model goes before the blank line that ends its section": (
        ("pi3", "core_freq=250", "core_freq"),
        PHOTON.replace("rpi3.bin\n", "rpi3.bin\ncore_freq=250\n"),
    ),
    "a line that may be there many times leaves the others": (
        ("pi4", "dtoverlay=disable-bt", ""),
        PHOTON.replace("rpi4.bin\n", "rpi4.bin\ndtoverlay=disable-bt\n"),
    ),
    "a parameter goes before the overlays, behind which it would be theirs": (
        ("pi4", "dtparam=audio=on", ""),
        PHOTON.replace("dtoverlay=upstream-pi4", "dtparam=audio=on\ndtoverlay=upstream-pi4"),
    ),
    "a whole line goes": (
        ("pi3", "", "dtoverlay=upstream"),
        PHOTON.replace("dtoverlay=upstream\n", ""),
    ),
    "a key goes under its own filter alone": (
        ("pi4", "", "dtoverlay"),
        PHOTON.replace("dtoverlay=upstream-pi4\n", ""),
    ),
    "a section that is missing is made, and ended": (
        ("pi5", "usb_max_current_enable=1", "usb_max_current_enable"),
        f"{PHOTON}[pi5]\nusb_max_current_enable=1\n[all]\n",
    ),
    "what is absent already needs nothing": (("pi3", "", "gpu_mem"), PHOTON),
    "what is a comment is not there": (("all", "", "#gpu_mem=128"), PHOTON),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_changes_one_setting_and_doing_it_again_nothing(name: str) -> None:
    edit, wanted = EDITS[name]
    once = config_txt.edit(PHOTON, *edit)
    assert once == wanted
    assert config_txt.edit(once, *edit) == once


def test_of_several_values_the_last_counts_and_stays() -> None:
    text = "gpu_mem=1\n[pi3]\ngpu_mem=2\n[all]\ngpu_mem=3\nx=1\n"
    assert config_txt.edit(text, "all", "gpu_mem=9", "gpu_mem") == (
        "[pi3]\ngpu_mem=2\n[all]\ngpu_mem=9\nx=1\n"
    )


def test_filters_of_two_kinds_hold_together() -> None:
    text = "[pi4]\n[EDID=A-B]\nx=1\n"
    assert config_txt.edit(text, "pi4", "x=2", "x") == "[pi4]\nx=2\n[EDID=A-B]\nx=1\n"
    assert config_txt.edit(text, "pi3", "y=1", "y") == f"{text}[all]\n[pi3]\ny=1\n[all]\n"
    assert config_txt.edit(text, "all", "y=1", "y") == f"{text}[all]\ny=1\n"


def test_a_filter_ends_one_of_its_kind() -> None:
    text = "[pi3]\n[pi4]\nx=1\n"
    assert config_txt.edit(text, "pi4", "", "x") == "[pi3]\n[pi4]\n"
    assert config_txt.edit(text, "pi3", "", "x") == text


@pytest.mark.parametrize("text", ["", "# nothing\n", "a=1"])
def test_a_short_file_gets_a_line(text: str) -> None:
    lines = config_txt.edit(text, "all", "b=2", "b").splitlines()
    assert lines[-1] == "b=2"
    assert lines[:-1] == (text.splitlines() or ["[all]"])


def test_windows_line_ends_stay() -> None:
    assert config_txt.edit("a=1\r\n[pi4]\r\n", "pi4", "b=2", "b") == "a=1\r\n[pi4]\r\nb=2\r\n"


@pytest.mark.parametrize(
    ("name", "known"),
    [
        *((name, True) for name in ("all", "none", "pi4", "cm4s", "pi3+", "tryboot", "0x1a2b")),
        *((name, True) for name in ("EDID=VSC-TD2220", "gpio4=1", "HDMI:1", "board-type=0x14")),
        *((name, False) for name in ("pi6", "PI4", "", "gpio4", "rpi4", "EDID=", "a]b")),
    ],
)
def test_filters_are_those_that_the_firmware_knows(name: str, known: bool) -> None:
    assert config_txt.is_filter(name) is known
