"""A sample of the root filesystem that Photon publishes for containers, as a tar archive."""

import gzip
import io
import os

from builder.facts import Facts
from builder.roots.layer_file import write_layer
from builder.sample.nodes import make_operations


def make_root_archive(fd: int, timestamp: int, facts: Facts) -> None:
    """Write the sample, packed with gzip; the same arguments give the same bytes.

    Args:
        fd: An empty file, open for writing.
        timestamp: Time of everything in it, seconds since the epoch.
        facts: The image whose shape it has.
    """
    plain = io.BytesIO()
    write_layer(
        plain, (op for op in make_operations(facts) if op.path != "/"), mtime=timestamp, prefix="./"
    )
    with os.fdopen(os.dup(fd), "wb") as out:
        out.write(gzip.compress(plain.getvalue(), mtime=0))
