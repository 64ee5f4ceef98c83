"""Every image for a cloud or a hypervisor, from one spec."""

from builder.targets import Group

TARGET = Group(
    "all-images",
    "The images for clouds and hypervisors, as far as the release has them",
    ("ami", "gce", "azure", "ova", "ova_uefi"),
)
