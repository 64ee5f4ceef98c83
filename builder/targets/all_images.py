"""Every image for a cloud or a hypervisor, from one spec."""

from builder.targets import Group

TARGET = Group(
    "all-images",
    "The images for clouds and hypervisors: ami, gce, azure, ova, and ova_uefi where it exists",
    ("ami", "gce", "azure", "ova", "ova_uefi"),
    dropped={"5.0": ("ova_uefi",)},
)
