"""Everything that Photon publishes for x86_64, from one spec."""

from builder.targets import Group

_LATER = "container images are not built yet"

TARGET = Group(
    "all",
    "Installers, and images for clouds and hypervisors, as far as the release has them",
    ("iso", "minimal-iso", "ami", "gce", "azure", "ova", "ova_uefi"),
    left_out={
        "photon-docker-image": _LATER,
        "k8s-docker-images": _LATER,
        "src-iso": "it takes files alone, so it needs a spec of its own",
    },
)
