"""What a spec's ``install`` section may say, as JSON Schema."""

from collections.abc import Mapping
from typing import Any

from builder.sizes import size_schema

_PARTITION = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "mountpoint": {
            "type": "string",
            "pattern": "^(/.*)?$",
            "description": "Such as `/var`; swap has none.",
            "x-form": "an absolute path such as /var",
        },
        "size": size_schema("0, the default, is the rest of the disk.", unit="M", least=0),
        "filesystem": {
            "enum": ["ext4", "ext3", "xfs", "btrfs", "vfat", "swap"],
            "description": "Default: ext4.",
        },
        "ab": {"type": "boolean", "description": "Twice, for updates that switch between both."},
        "lvm": {
            "type": "object",
            "additionalProperties": False,
            "required": ["vg_name", "lv_name"],
            "properties": {
                "vg_name": {"type": "string", "description": "Volume group."},
                "lv_name": {"type": "string", "description": "Logical volume."},
            },
            "description": "A logical volume instead of a partition.",
        },
    },
}

SECTIONS: Mapping[str, Any] = {
    "install": {
        "type": "object",
        "description": "where the unattended installation goes; it erases that disk",
        "additionalProperties": False,
        "required": ["disk"],
        "examples": ["{disk: /dev/sda}"],
        "properties": {
            "disk": {
                "type": "string",
                "pattern": "^/dev/[A-Za-z0-9/_.:-]+$",
                "x-form": "a device such as /dev/sda",
                "description": "Device that is erased and installed to.",
            },
            "partitions": {
                "type": "array",
                "minItems": 1,
                "items": _PARTITION,
                "description": "Default: the whole disk is `/`.",
            },
            "bootmode": {
                "enum": ["bios", "efi", "dualboot"],
                "description": "Default: dualboot on x86_64, efi on aarch64.",
            },
            "linux_flavor": {
                "enum": ["linux", "linux-esx", "linux-aws", "linux-secure", "linux-rt"],
                "description": "Kernel. Default: linux; linux-rt on rt-iso.",
            },
            "eject_cdrom": {
                "type": "boolean",
                "description": "Eject the medium at the end. Default: yes.",
            },
            "package_list": {
                "type": "string",
                "pattern": "^packages_[a-z0-9_-]+[.]json$",
                "x-form": "a list on the medium, such as packages_minimal.json",
                "description": "The installer's list of packages to start from.",
            },
            "timeout": {
                "type": "integer",
                "minimum": 1,
                "maximum": 3600,
                "description": "Seconds that the boot menu waits before it starts. Default: 5.",
            },
            "serial": {
                "type": "string",
                "pattern": "^tty[A-Z]+[0-9]+(,[0-9a-z]+)?$",
                "x-form": "a serial port such as ttyS0, or ttyS0,115200n8",
                "description": "Serial console, such as ttyS0, on which the installer runs.",
            },
            "volume_id": {
                "type": "string",
                "pattern": "^[A-Z0-9_]{1,32}$",
                "x-form": "at most 32 capital letters, digits and `_`",
                "description": "Name of the medium. Default: the base's.",
            },
            "kernel_arguments": {
                "type": "array",
                "items": {
                    "type": "string",
                    "pattern": "^[!-~]+$",
                    "x-form": "one argument without spaces",
                },
                "description": "More words for the kernel of the installer.",
            },
        },
    }
}
"""JSON Schemas of the sections that installation media take from the top of a spec."""
