"""Everything that Photon publishes for x86_64, from one spec."""

from builder.targets import Group

TARGET = Group(
    "all",
    "All installers, container images, and images for clouds and hypervisors",
    (
        *("iso", "minimal-iso", "src-iso", "photon-docker-image", "k8s-docker-images"),
        *("ami", "gce", "azure", "ova", "ova_uefi"),
    ),
    dropped={"3.0": ("minimal-iso",), "5.0": ("ova_uefi",)},
)
