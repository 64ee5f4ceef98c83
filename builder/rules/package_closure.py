"""What is found about packages while they are resolved for an image."""

from builder.rules.model import Rule, error, warning

RULES: tuple[Rule, ...] = (
    error(
        "PKG008",
        "the package is not the one that a known key signed",
        "A package is taken only when a key that its repository names in `gpgkey=` signed its "
        "header, and its payload has the digest in that header. The image has Photon's own keys; "
        "a key of another repository is a file of the spec. Download the package again; when the "
        "signature is still wrong, do not install it.",
    ),
    error(
        "PKG009",
        "two packages have different files at one path",
        "rpm refuses such packages, so the first boot would install none. Install one of them.",
    ),
    error(
        "PKG018",
        "no repository has the package",
        "The repositories that the base enables were searched, or the one that "
        "`repositories.install_from` names. Correct the name, or write the .repo file of another "
        "repository with `files`.",
    ),
    error(
        "PKG019",
        "the packages cannot be installed on the base",
        "What a package needs is in no repository, or conflicts with another package. The reasons "
        "are those of libsolv, which dnf uses, too.",
    ),
    warning(
        "PKG012",
        "the signature of the package is weak",
        "It was made with SHA-1 or with a key of less than 2048 bits, as old releases have them. "
        "The SHA-256 in photon-builder.lock is what holds the package from the second build on.",
    ),
    warning(
        "PKG014",
        "a package of the base is replaced",
        "A package that the spec names needs a newer version of it. Take packages of the base's "
        "own age with `repositories: {install_from: release}` to avoid that.",
    ),
    error(
        "PKG015",
        "a vital package of the base would be replaced",
        "The guest cannot start without the C library, systemd, rpm and the kernel; replacing them "
        "on the first boot is refused unless the spec has `repositories: {may_update: true}`.",
    ),
    error(
        "PKG016",
        "libsolv is not installed",
        "Packages are resolved by the Python module `solv`: "
        "`pip install 'photon-builder[packages]'`. With `repositories: {install: online}` the "
        "guest resolves them on its first boot, with a network.",
    ),
    error(
        "PKG017",
        "the repository's index cannot be read",
        "A repository lists its packages in primary.xml. This file is damaged, or is another one.",
    ),
)
