"""What a spec's ``output`` section may say of an appliance, as JSON Schema."""

from collections.abc import Mapping
from typing import Any

from builder.facts.appliances import PATTERN
from builder.sizes import size_schema

OPTIONS: Mapping[str, Any] = {
    "hardware_version": {
        "type": "integer",
        "minimum": 7,
        "maximum": 22,
        "description": "Virtual hardware version: 11 needs ESXi 6.0, 13 ESXi 6.5, 14 ESXi 6.7, "
        "15 ESXi 6.7 U2, 17 ESXi 7.0, 18 ESXi 7.0.1, 19 ESXi 7.0.2, 20 ESXi 8.0, 21 ESXi 8.0.2, "
        "22 ESXi 9.0. Default: the base's.",
    },
    "runs_on": {
        "type": "array",
        "minItems": 1,
        "items": {
            "type": "string",
            "pattern": PATTERN,
            "x-form": "a product and its version, such as `esxi 8.0.3`, `workstation 17` or "
            "`fusion 13.5`",
        },
        "description": "VMware's products that are to take the appliance, such as `esxi 8.0.3`, "
        "`workstation 17` or `fusion 13.5`: its hardware version is checked against them.",
    },
    "firmware": {
        "enum": ["bios", "efi"],
        "description": "Firmware of the virtual machine. Default: the base's. Photon's disks "
        "with a BIOS boot partition and an ESP start with either.",
    },
    "secure_boot": {
        "type": "boolean",
        "description": "Start signed boot loaders only; wants `firmware: efi`.",
    },
    "cpus": {"type": "integer", "minimum": 1, "maximum": 128, "description": "Processors."},
    "memory": size_schema("Memory.", unit="M", least=256, most=1048576),
    "network": {
        "type": "string",
        "minLength": 1,
        "description": "Name of the network that the adapters are connected to.",
    },
    "nic": {
        "enum": ["VmxNet3", "E1000e", "E1000"],
        "description": "Kind of network adapter.",
    },
    "annotation": {"type": "string", "description": "Text shown when the appliance is imported."},
    "eula": {
        "anyOf": [
            {
                "type": "string",
                "minLength": 1,
                "description": "License that the importer asks to accept. Default: the base's.",
            },
            {
                "type": "object",
                "additionalProperties": False,
                "required": ["file"],
                "properties": {
                    "file": {
                        "type": "string",
                        "minLength": 1,
                        "description": "A text file beside the spec that holds it.",
                    }
                },
            },
        ],
        "description": "License that the importer asks to accept: its text, or `{file: path}`. "
        "Default: the base's.",
    },
    "product": {
        "type": "object",
        "description": "What the importer shows as product.",
        "additionalProperties": False,
        "properties": {
            "name": {"type": "string", "description": "Product name."},
            "vendor": {"type": "string", "description": "Vendor."},
            "version": {"type": "string", "description": "Version, in short."},
            "full_version": {"type": "string", "description": "Version, in full."},
            "url": {"type": "string", "description": "Home page of the product."},
        },
    },
    "properties": {
        "type": "object",
        "description": "OVF properties by key, handed to the guest through guestinfo.",
        "additionalProperties": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "value": {"type": "string", "description": "Value, or default."},
                "type": {
                    "enum": ["string", "boolean", "int", "password"],
                    "description": "Type of the value.",
                },
                "user_configurable": {
                    "type": "boolean",
                    "description": "Whether the importer asks for it.",
                },
                "label": {"type": "string", "description": "What the importer calls it."},
                "description": {"type": "string", "description": "What the importer tells."},
            },
        },
    },
}
"""JSON Schemas of the keys of ``output`` that an appliance takes."""
