"""A card in QEMU's Raspberry Pi 3, from U-Boot on.

QEMU has no GPU that would read config.txt, so U-Boot is given to it, and goes on from the card as
on the board: GRUB, the kernel, the root. The card is larger than the image, so the root grows.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from builder.boot.console import Console, open_console
from builder.formats.disk import GIB, KIB, MIB
from builder.formats.foreign import start_tool
from tests.support.board import BOOT_OFFSET, make_board
from tests.support.judges import judge, require
from tests.support.program import Bench

pytestmark = pytest.mark.slow

SPEC = """\
version: 1
name: card
target: rpi3
base: {{file: {base}}}
output: {{compression: none}}
overlay:
  hostname: pi-2
  users: {{root: {{password: {{env: ROOT_PASSWORD}}}}}}
  serial_console: {{port: ttyS1}}
  swap: {{kind: file, size: 16MiB}}
"""
PASSWORD = "tr0ub4dor-homelab"


@contextmanager
def started(card: Path, folder: Path) -> Iterator[Console]:
    """Start QEMU's Raspberry Pi 3 with a card in it, from U-Boot on; its second UART is ours."""
    loader, socket = folder / "u-boot.bin", folder / "tty"
    judge("mcopy", "-i", f"{card}@@{BOOT_OFFSET}", "::/u-boot-rpi3.bin", loader)
    argv = [
        *("qemu-system-aarch64", "-machine", "raspi3b", "-accel", "tcg,thread=multi"),
        *("-nodefaults", "-display", "none", "-kernel", str(loader)),
        *("-drive", f"if=sd,format=raw,file={card},cache=unsafe"),
        *("-chardev", f"socket,id=tty,path={socket},server=on,wait=on"),
        *("-serial", "null", "-serial", "chardev:tty"),
    ]
    with (
        start_tool(argv, folder / "qemu.log") as running,
        open_console(socket, running.check) as console,
    ):
        yield console


def test_a_card_starts_a_raspberry_pi(base_cache: Path, bench: Bench, tmp_path: Path) -> None:
    require("qemu-system-aarch64")
    spec = bench.write("specs/card.yaml", SPEC.format(base=make_board(base_cache)))
    card = bench.build(spec, ROOT_PASSWORD=PASSWORD)
    judge("truncate", "-s", "1G", card)
    with started(card, tmp_path) as console:
        console.log_in("root", PASSWORD, seconds=900)
        console.open_shell(seconds=60)

        def ask(command: str) -> list[str]:
            return console.run(command, seconds=120).out.split()

        assert "Found EFI removable media binary efi/boot/bootaa64.efi" in console.text
        assert "pi-2 login:" in console.text
        assert ask("tr -d '\\0' </proc/device-tree/model") == ["Raspberry", "Pi", "3", "Model", "B"]
        assert ask("until systemctl is-active -q photon-builder-swap; do sleep 1; done") == []
        shown = ask("swapon --show=NAME,TYPE,SIZE --noheadings --raw --bytes")
        assert shown == ["/var/lib/photon-builder/swap", "file", str(16 * MIB - 4 * KIB)]
        assert int(ask("df --output=size -B 1 / | tail -n 1")[0]) > 0.9 * GIB
        assert ask("findmnt -n -o SOURCE,OPTIONS / | tr ' ' ,")[0].startswith("/dev/mmcblk0p2,")
        ask("sync")
    table = json.loads(judge("sfdisk", "--json", card).stdout)["partitiontable"]
    last = table["partitions"][-1]
    assert (last["start"] + last["size"]) * 512 > GIB - MIB
    judge("sfdisk", "--verify", card)
