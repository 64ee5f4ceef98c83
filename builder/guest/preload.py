"""Container images that lie in the guest as archives, and the unit that loads them once.

Source: docker-load(1), docker-create(1); systemd.service(5). Measured with Docker 20.10 to 28: the
store of containerd finds a damaged image after `docker load` has exited with 0, and only
`docker create` fails, so an archive is removed after that alone.
"""

from collections.abc import Iterable

from builder.engine.text.packages import UNIT as PACKAGES
from builder.engine.text.systemd import ETC
from builder.guestpath import guest, join
from builder.structs import Struct

FOLDER = guest("/var/lib/photon-builder/preload")
LIST = join(FOLDER, "list")
SCRIPT_PATH = guest("/usr/libexec/photon-builder/preload")
UNIT = "photon-builder-preload.service"
UNIT_PATH = join(ETC, UNIT)
_RETRY = "photon-builder-preload-retry.service"
RETRY_PATH = join(ETC, _RETRY)
_AGAIN_SECONDS = 60

SCRIPT = f"""\
#!/bin/sh
# Loads the container images that came with this machine, one archive after the other.
# list: archive, tag, and the ids that the image may have (Docker's own store, containerd's).
set -u
cd {FOLDER} && [ -e list ] || exit 0
failed=0
while read -r archive tag id other; do
  [ -e "$archive" ] || continue
  if docker load --quiet --input "$archive" &&
    found=$(docker image inspect --format '{{{{.Id}}}}' "$tag") &&
    {{ [ "$found" = "$id" ] || [ "$found" = "$other" ]; }} &&
    probe=$(docker create --network none "$tag" /nothing) && docker rm "$probe" >/dev/null; then
    sync && rm -f -- "$archive"
    echo "loaded $tag"
  else
    failed=1
    echo "$archive: $tag was not loaded; the file stays, and this is tried again in a minute" >&2
    df -h /var/lib/docker >&2
  fi
done <list
[ "$failed" = 0 ] || exit 1
mv list loaded
"""

RETRY_UNIT = f"""\
[Unit]
Description=Load the container images that came with this machine again

[Service]
Type=oneshot
ExecStart=/usr/bin/sleep {_AGAIN_SECONDS}
ExecStart=/usr/bin/systemctl --no-block start {UNIT}
"""


class Row(Struct, frozen=True):
    """One line of the list.

    Attributes:
        archive: File name.
        tag: What `docker load` calls the image.
        ids: What `docker image inspect` may call it: digests of its configuration and of what its
            tag means.
    """

    archive: str
    tag: str
    ids: tuple[str, str]


def is_archive(path: str) -> bool:
    """Return whether a path of the guest is that of an archive of an image."""
    return path.startswith(f"{FOLDER}/") and path.endswith(".tar")


def format_list(rows: Iterable[Row]) -> str:
    """Return the text of the list."""
    return "".join(f"{row.archive} {row.tag} {' '.join(row.ids)}\n" for row in rows)


def format_unit(*, packages: bool) -> str:
    """Return the unit that loads the images.

    Args:
        packages: Whether packages are installed first, of which the engine may be one.
    """
    first = f" {PACKAGES}" if packages else ""
    wants = f"\nWants={PACKAGES}" if packages else ""
    return f"""\
[Unit]
Description=Load the container images that came with this machine
Requires=docker.service{wants}
After=docker.service resizefs.service{first}
ConditionPathExists={LIST}
StartLimitIntervalSec=0
OnFailure={_RETRY}

[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutStartSec=60min
Nice=5
IOSchedulingClass=best-effort
IOSchedulingPriority=6
ExecStart={SCRIPT_PATH}

[Install]
WantedBy=multi-user.target
"""
