"""Everything that Photon publishes for x86_64, from one spec."""

from builder.targets import Group

TARGET = Group(
    "all",
    "Installers, and images for clouds and hypervisors, as far as the release has them",
    ("iso", "minimal-iso", "ami", "gce", "azure", "ova", "ova_uefi"),
    left_out={
        "photon-docker-image": "it takes few keys, so it needs a spec of its own",
        "k8s-docker-images": "container images are not layered yet",
        "src-iso": "it takes files alone, so it needs a spec of its own",
    },
)
